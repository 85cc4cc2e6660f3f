// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
)

// loopback is a pod's network without a namespace of its own: listeners get
// free ports on 127.0.0.1, and no root is needed.
type loopback struct{}

func (loopback) listen(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
func (loopback) listenPacket(string) (net.PacketConn, error) {
	return net.ListenPacket("udp", "127.0.0.1:0")
}
func (loopback) dial(ctx context.Context, network, address string, _ source) (net.Conn, error) {
	return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
}
func (loopback) same(*os.File) bool { return true }
func (loopback) Close() error       { return nil }

// loopbackPod serves a pod whose identity istiod has signed already.
func loopbackPod(t *testing.T, ca *fakeca.Authority, nameservers ...string) *pod {
	t.Helper()
	w := workload{name: "web-1", namespace: "shop", serviceAccount: "web"}
	known := newDirectory()
	know(t, known, w.resource(""))
	ready := newReadiness(w)
	ids := newIdentities(signerFunc(func(_ context.Context, id string) (*tls.Certificate, error) {
		return ca.Leaf(t, id), nil
	}), ready)
	e := &enroller{
		config:    config{roots: ca.File(t), nameservers: nameservers, discovery: time.Minute},
		directory: known, identities: ids, ready: ready,
	}
	p, err := e.servePod(w, loopback{})
	must(t, err)
	t.Cleanup(func() { p.close(0) })
	return p
}

type signerFunc func(context.Context, string) (*tls.Certificate, error)

func (f signerFunc) sign(ctx context.Context, id string) (*tls.Certificate, error) { return f(ctx, id) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}
