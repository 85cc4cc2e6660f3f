// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeagent"
)

// closedPods notes what was closed; fakePod keeps the descriptor as a real one does.
type closedPods struct {
	mu    sync.Mutex
	names []string
}

type fakePod struct {
	name   string
	netns  *os.File
	closed *closedPods
}

func (p *fakePod) sameNamespace(other *os.File) bool {
	a, _ := p.netns.Stat()
	b, _ := other.Stat()
	return os.SameFile(a, b)
}

func (p *fakePod) close(time.Duration) {
	p.netns.Close()
	p.closed.mu.Lock()
	defer p.closed.mu.Unlock()
	p.closed.names = append(p.closed.names, p.name)
}

func (c *closedPods) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.names)
	return strings.Join(c.names, " ")
}

// agentTest runs serveAgent against a fake agent; connect gives the next connection.
func agentTest(t *testing.T) (pods *podSet, closed *closedPods, connect func() *fakeagent.Conn) {
	t.Helper()
	closed = &closedPods{}
	pods = &podSet{running: map[string]runningPod{}, open: func(w workload, netns *os.File) (runningPod, error) {
		if w.name == "broken" {
			netns.Close()
			return nil, errors.New("no such namespace")
		}
		return &fakePod{w.name, netns, closed}, nil
	}}
	path := filepath.Join(t.TempDir(), "ztunnel.sock")
	agent, err := fakeagent.Listen(path)
	must(t, err)
	t.Cleanup(func() { agent.Close() })
	return pods, closed, func() *fakeagent.Conn {
		go func() { _ = serveAgent(t.Context(), path, pods, func() {}) }()
		conn, err := agent.Accept()
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

func netnsFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func (s *podSet) uids() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(s.running)), " ")
}

func TestSnapshotRetiresWhatItDoesNotName(t *testing.T) {
	pods, closed, connect := agentTest(t)
	first := connect()
	files := map[string]*os.File{}
	for _, name := range []string{"a", "b", "c", "d"} {
		files[name] = netnsFile(t, name)
		must(t, first.Add(fakeagent.Pod{UID: name, Name: name}, files[name]))
	}
	must(t, first.SnapshotSent())
	must(t, first.Delete("d"))
	eventually(t, "d is closed", func() bool { return closed.String() == "d" })
	first.Close()

	second := connect()
	must(t, second.Add(fakeagent.Pod{UID: "a", Name: "a"}, files["a"])) // same namespace: goes on
	must(t, second.Keep("b"))
	must(t, second.Add(fakeagent.Pod{UID: "e", Name: "e"}, netnsFile(t, "e")))
	if got := pods.uids(); got != "a b c e" {
		t.Errorf("before the snapshot ended: %s", got)
	}
	must(t, second.SnapshotSent())
	if got := pods.uids(); got != "a b e" {
		t.Errorf("after the snapshot: %s", got)
	}
	eventually(t, "c is closed, a was not opened anew", func() bool { return closed.String() == "c d" })
}

func TestNewNamespaceOfAPodReplacesTheOld(t *testing.T) {
	pods, closed, connect := agentTest(t)
	conn := connect()
	must(t, conn.SnapshotSent())
	must(t, conn.Add(fakeagent.Pod{UID: "a", Name: "a1"}, netnsFile(t, "one")))
	must(t, conn.Add(fakeagent.Pod{UID: "a", Name: "a2"}, netnsFile(t, "two")))
	eventually(t, "the first is closed", func() bool { return closed.String() == "a1" })
	if got := pods.uids(); got != "a" {
		t.Error(got)
	}
}

func TestFailuresAreAcknowledgedAndTheConnectionGoesOn(t *testing.T) {
	_, _, connect := agentTest(t)
	conn := connect()
	for want, err := range map[string]error{
		"no such namespace":           conn.Add(fakeagent.Pod{UID: "x", Name: "broken"}, netnsFile(t, "x")),
		"without a network namespace": conn.Add(fakeagent.Pod{UID: "y", Name: "y"}, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	must(t, conn.SnapshotSent())
	if conn.SnapshotSent() == nil || conn.Keep("z") == nil {
		t.Error("a second snapshot or a late keep was taken")
	}
}

func TestDescriptorsAreClosedWithTheirPods(t *testing.T) {
	pods, _, connect := agentTest(t)
	conn := connect()
	must(t, conn.SnapshotSent())
	file := netnsFile(t, "n")
	before := descriptors(t)
	for n := range 20 {
		uid := fmt.Sprint(n)
		must(t, conn.Add(fakeagent.Pod{UID: uid, Name: "web"}, file))
		must(t, conn.Add(fakeagent.Pod{UID: uid, Name: "web"}, file))
		_ = conn.Add(fakeagent.Pod{UID: uid + "-", Name: "broken"}, file)
		must(t, conn.Delete(uid))
	}
	pods.closing.Wait()
	if after := descriptors(t); after > before { // fewer: what an earlier test had left to the kernel
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}
