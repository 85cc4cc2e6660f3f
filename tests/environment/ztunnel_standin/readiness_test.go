// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeagent"
	"ambient.alauda.io/ztunnel-standin/fakeca"
)

var self = workload{name: "ztunnel-x", namespace: "ztunnel", serviceAccount: "ztunnel"}

// testConfig is a stand-in for which everything is right: istiod f, an agent
// with no pods.
func testConfig(t *testing.T, f *fakeIstiod) config {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte("good\n"), 0o600))
	address := f.serve(t)
	return config{
		xdsAddress: address, caAddress: address, clusterID: "Kubernetes",
		podName: self.name, podNamespace: self.namespace, serviceAccount: self.serviceAccount,
		token: filepath.Join(dir, "token"), roots: f.ca.File(t), socket: agentWithoutPods(t, dir),
		readinessAddress: freeAddress(t), adminAddress: freeAddress(t), discovery: 300 * time.Millisecond,
	}
}

func agentWithoutPods(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ztunnel.sock")
	agent, err := fakeagent.Listen(path)
	must(t, err)
	t.Cleanup(func() { agent.Close() })
	go func() {
		for {
			conn, err := agent.Accept()
			if err != nil {
				return
			}
			_ = conn.SnapshotSent()
		}
	}()
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func probe(c config) (int, string) {
	r, err := http.Get("http://" + c.readinessAddress + "/healthz/ready")
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body)
}

// TestReadiness changes one thing at a time; the control changes none.
func TestReadiness(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config, *fakeIstiod)
		reason string // "": ready
	}{
		"everything right":         {func(*config, *fakeIstiod) {}, ""},
		"wrong trusted namespace":  {func(_ *config, f *fakeIstiod) { f.untrusts = true }, "refuses to sign spiffe://mesh.example/ns/ztunnel/sa/ztunnel for the account ztunnel/ztunnel (impersonation): wrong trusted namespace"},
		"wrong XDS address":        {func(c *config, _ *fakeIstiod) { c.xdsAddress = "localhost:1" }, "cannot be reached at XDS_ADDRESS localhost:1"},
		"another mesh's roots":     {func(c *config, _ *fakeIstiod) { c.roots = fakeca.New(t).File(t) }, "certificate signed by unknown authority"},
		"missing discovery label":  {func(_ *config, f *fakeIstiod) { f.pods = nil }, "namespace ztunnel is missing the discovery label"},
		"missing socket":           {func(c *config, _ *fakeIstiod) { c.socket += ".not" }, "socket " + "%s is missing: is istio-cni running"},
		"token of another cluster": {func(c *config, _ *fakeIstiod) { must(t, os.WriteFile(c.token, []byte("bad"), 0o600)) }, "refuses this pod's token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeIstiod{ca: fakeca.New(t), pods: []workload{self}}
			config := testConfig(t, f)
			c.change(&config, f)
			start(t, config)
			reason := strings.ReplaceAll(c.reason, "%s", config.socket)
			eventually(t, "the readiness that belongs to: "+name, func() bool {
				status, body := probe(config)
				if reason == "" {
					return status == http.StatusOK && body == banner+": ready\n"
				}
				return status == http.StatusServiceUnavailable && strings.HasPrefix(body, banner+": not ready\n") && strings.Contains(body, reason)
			})
		})
	}
}

func TestReadinessFollowsTheAgent(t *testing.T) {
	f := &fakeIstiod{ca: fakeca.New(t), pods: []workload{self}}
	c := testConfig(t, f)
	c.socket = filepath.Join(t.TempDir(), "late.sock")
	start(t, c)
	eventually(t, "red without the agent", func() bool { status, _ := probe(c); return status == http.StatusServiceUnavailable })
	agent, err := fakeagent.Listen(c.socket)
	must(t, err)
	conn, err := agent.Accept()
	must(t, err)
	must(t, conn.SnapshotSent())
	eventually(t, "green with it", func() bool { status, _ := probe(c); return status == http.StatusOK })
	conn.Close()
	agent.Close()
	eventually(t, "red again", func() bool { status, _ := probe(c); return status == http.StatusServiceUnavailable })
}

// start runs the stand-in until the test's end and checks that it ends.
func start(t *testing.T, c config) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the stand-in does not end")
		}
	})
}
