// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	"golang.org/x/sys/unix"
)

// inPodRules are the CNI agent's redirections, as far as these tests need them;
// %[1]s is this host in the pod's eyes.
const inPodRules = `
ip link set lo up
%[1]s -t mangle -A PREROUTING -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
%[1]s -t mangle -A OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark
%[1]s -t nat -A PREROUTING ! -d %[2]s -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
%[1]s -t nat -A OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-ports 15053
%[1]s -t nat -A OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
%[1]s -t nat -A OUTPUT ! -d %[2]s -o lo -j ACCEPT
%[1]s -t nat -A OUTPUT ! -d %[2]s -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
ip %[3]s rule add fwmark 0x111/0xfff pref 32764 lookup 100
ip %[3]s route add local %[4]s dev lo table 100
`

// family is what differs between IPv4 and IPv6.
type family struct{ iptables, loopback, option, all, pod, outside, suffix string }

var families = map[string]family{
	"IPv4": {"iptables", "127.0.0.1/32", "-4", "0.0.0.0/0", "10.99.7.2", "10.99.7.1", "/24"},
	"IPv6": {"ip6tables", "::1/128", "-6", "::/0", "fd99:7::2", "fd99:7::1", "/64"},
}

// newNetns makes a namespace and a way to run things inside it.
func newNetns(t *testing.T) *namespace {
	t.Helper()
	files := make(chan *os.File)
	go func() {
		runtime.LockOSThread() // never unlocked, see namespace.do
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			files <- nil
			return
		}
		f, _ := os.Open("/proc/thread-self/ns/net")
		files <- f
	}()
	f := <-files
	if f == nil {
		t.Skip("needs the right to create network namespaces (root)")
	}
	n, err := newNamespace(f)
	must(t, err)
	t.Cleanup(func() { n.Close() })
	return n
}

func shell(t *testing.T, n *namespace, script string, files ...*os.File) {
	t.Helper()
	must(t, n.do(func() error { // the child inherits the thread's namespace
		c := exec.Command("sh", "-ec", script)
		c.ExtraFiles = files
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}))
}

// enrolledPod is a namespace with the agent's rules and the stand-in inside,
// joined to the namespace outside.
func enrolledPod(t *testing.T, f family) (inside, outside *namespace) {
	t.Helper()
	for _, tool := range []string{"ip", f.iptables} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs the command %s", tool)
		}
	}
	inside, outside = newNetns(t), newNetns(t)
	shell(t, outside, "ip link set lo up; ip link add veth type veth peer name eth0")
	shell(t, outside, "mkdir -p /run/netns; : >/run/netns/standin-test; mount --bind /proc/self/fd/3 /run/netns/standin-test; "+
		"ip link set eth0 netns standin-test; umount /run/netns/standin-test; rm /run/netns/standin-test", inside.file)
	shell(t, outside, fmt.Sprintf("ip addr add %s%s dev veth nodad; ip link set veth up", f.outside, f.suffix))
	shell(t, inside, fmt.Sprintf("ip addr add %s%s dev eth0 nodad; ip link set eth0 up", f.pod, f.suffix))
	shell(t, inside, fmt.Sprintf(inPodRules, f.iptables, f.loopback, f.option, f.all))
	p := &pod{workload: self, ports: ports{15001, 15006, 15008, 15053}, net: inside, nameservers: []string{net.JoinHostPort(f.outside, "53")}}
	ca := fakeca.New(t)
	p.roots = ca.File(t)
	e := &enroller{config: config{ports: p.ports, nameservers: p.nameservers, roots: p.roots, discovery: 1}, directory: newDirectory(),
		identities: newIdentities(nil, nil), ready: newReadiness(self)}
	running, err := e.servePod(self, inside)
	must(t, err)
	t.Cleanup(func() { running.close(0) })
	return inside, outside
}

// greeter tells each client the address it is seen with.
func greeter(t *testing.T, n *namespace, address string) {
	t.Helper()
	var l net.Listener
	must(t, n.do(func() (err error) { l, err = net.Listen("tcp", address); return err }))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
}

// greeting dials without the mark, as an application does.
func greeting(t *testing.T, n *namespace, address string) string {
	t.Helper()
	var c net.Conn
	must(t, n.do(func() (err error) { c, err = (&net.Dialer{Timeout: dialTimeout}).Dial("tcp", address); return err }))
	defer c.Close()
	out, err := io.ReadAll(c)
	must(t, err)
	return string(out)
}

func TestRedirectedTraffic(t *testing.T) {
	for name, f := range families {
		t.Run(name, func(t *testing.T) {
			inside, outside := enrolledPod(t, f)
			greeter(t, outside, net.JoinHostPort(f.outside, "8080"))
			greeter(t, inside, net.JoinHostPort(f.pod, "8080"))
			if got := greeting(t, inside, net.JoinHostPort(f.outside, "8080")); got != f.pod {
				t.Errorf("outbound: seen as %s", got)
			}
			if got := greeting(t, outside, net.JoinHostPort(f.pod, "8080")); got != f.outside {
				t.Errorf("inbound: seen as %s, want the client's own address", got)
			}
			if got := greeting(t, outside, net.JoinHostPort(f.pod, "15001")); got != "" {
				t.Errorf("a redirected port answered %q from outside", got)
			}
			askDNS(t, inside, outside, f)
		})
	}
}

func askDNS(t *testing.T, inside, outside *namespace, f family) {
	t.Helper()
	server := net.JoinHostPort(f.outside, "53")
	var l net.PacketConn
	must(t, outside.do(func() (err error) { l, err = net.ListenPacket("udp", server); return err }))
	defer l.Close()
	go func() {
		b := make([]byte, 100)
		n, from, err := l.ReadFrom(b)
		if err == nil {
			_, _ = l.WriteTo(answer(b[:n]), from)
		}
	}()
	must(t, inside.do(func() error {
		if got := string(exchange(t, "udp", must1(net.ResolveUDPAddr("udp", server)), []byte("q"))); !strings.HasPrefix(got, "answer to q") {
			t.Errorf("DNS: %q", got)
		}
		return nil
	}))
}

func must1[T any](v T, _ error) T { return v }

func TestEnteringANamespaceLeavesNoThread(t *testing.T) {
	n := newNetns(t)
	threads := func() int {
		all, err := os.ReadDir("/proc/self/task")
		must(t, err)
		return len(all)
	}
	before := threads()
	for range 300 {
		must(t, n.do(func() error { return nil }))
	}
	eventually(t, "the threads are gone", func() bool { return threads() < before+30 })
}
