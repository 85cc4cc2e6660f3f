// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	"istio.io/istio/pkg/hbone"
)

const waypointID = "spiffe://cluster.local/ns/shop/sa/waypoint"

// echoServer answers each line of a connection until the client half-closes.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// tunnelTo speaks HBONE to the pod with Istio's own client.
func tunnelTo(p *pod, root *fakeca.Authority, client *tls.Certificate) hbone.Dialer {
	pool := x509.NewCertPool()
	pool.AddCert(root.Cert)
	c := &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}, InsecureSkipVerify: true} // identities are URIs, checked below
	c.VerifyConnection = func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool})
		return err
	}
	if client != nil {
		c.Certificates = []tls.Certificate{*client}
	}
	return hbone.NewDialer(hbone.Config{ProxyAddress: p.listeners[2].(net.Listener).Addr().String(), TLS: c})
}

func TestTunnelReachesThePod(t *testing.T) {
	ca := fakeca.New(t)
	p := loopbackPod(t, ca)
	c, err := tunnelTo(p, ca, ca.Leaf(t, waypointID)).Dial("tcp", echoServer(t))
	must(t, err)
	defer c.Close()
	for _, line := range []string{"one", "two"} { // each is answered before the next is sent
		_, err = c.Write([]byte(line))
		must(t, err)
		got := make([]byte, len(line))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != line {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestTunnelRefuses(t *testing.T) {
	ca, other := fakeca.New(t), fakeca.New(t)
	p := loopbackPod(t, ca)
	echo := echoServer(t)
	for name, c := range map[string]struct {
		client *tls.Certificate
		target string
		want   string
	}{
		"no certificate":           {nil, echo, "round trip: "}, // a broken handshake, whose alert may come late
		"another mesh's client":    {other.Leaf(t, waypointID), echo, "round trip: "},
		"another pod's address":    {ca.Leaf(t, waypointID), "127.0.0.2:80", "400"},
		"a name":                   {ca.Leaf(t, waypointID), "web.shop.svc:80", "400"},
		"a port where nobody is":   {ca.Leaf(t, waypointID), "127.0.0.1:1", "503"},
		"the stand-in's own ports": {ca.Leaf(t, waypointID), "127.0.0.1:0", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tunnelTo(p, ca, c.client).Dial("tcp", c.target)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestCloseLetsTunnelsFinish(t *testing.T) {
	ca := fakeca.New(t)
	p := loopbackPod(t, ca)
	c, err := tunnelTo(p, ca, ca.Leaf(t, waypointID)).Dial("tcp", echoServer(t))
	must(t, err)
	closed := make(chan struct{})
	go func() {
		p.close(10 * time.Second)
		close(closed)
	}()
	eventually(t, "new clients are refused", func() bool {
		n, err := net.Dial("tcp", p.listeners[2].(net.Listener).Addr().String())
		if err == nil {
			n.Close()
		}
		return err != nil
	})
	_, err = c.Write([]byte("still"))
	must(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	must(t, err)
	select {
	case <-closed:
		t.Fatal("closed while a tunnel was open")
	default:
	}
	c.Close()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("not closed although the last tunnel has ended")
	}
}

func TestCloseCutsWhatDoesNotFinish(t *testing.T) {
	ca := fakeca.New(t)
	p := loopbackPod(t, ca)
	c, err := tunnelTo(p, ca, ca.Leaf(t, waypointID)).Dial("tcp", echoServer(t))
	must(t, err)
	start := time.Now()
	p.close(200 * time.Millisecond)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("closing took %s", took)
	}
	_, _ = io.ReadAll(c) // comes back, with or without an error
}
