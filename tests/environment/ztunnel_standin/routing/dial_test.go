// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	"istio.io/istio/pkg/hbone"
)

// proxy ends HBONE with an identity and hands all tunnels to one backend.
type proxy struct {
	address   netip.AddrPort
	authority atomic.Value // of the last CONNECT
	client    atomic.Value // the identity that it came with
}

func newProxy(t *testing.T, ca *fakeca.Authority, id, backend string, status int) *proxy {
	t.Helper()
	p := &proxy{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	s := hbone.NewServer()
	s.TLSConfig = &tls.Config{
		Certificates: []tls.Certificate{*ca.Leaf(t, id)}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.authority.Store(r.Host)
		p.client.Store(r.TLS.PeerCertificates[0].URIs[0].String())
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		up, err := net.Dial("tcp", backend)
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer up.Close()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		go func() { _, _ = io.Copy(up, r.Body) }()
		_, _ = io.Copy(w, up)
	})
	go func() { _ = s.Serve(tls.NewListener(l, s.TLSConfig)) }()
	t.Cleanup(func() { s.Close() })
	p.address = netip.MustParseAddrPort(l.Addr().String())
	return p
}

func echo(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, "Host="+r.Host+"\nHostname=cart-1\n")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const callerID = "spiffe://cluster.local/ns/outside/sa/client"

func dialer(t *testing.T, ca *fakeca.Authority) *Dialer {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return &Dialer{Certificate: ca.Leaf(t, callerID), Roots: pool}
}

func TestRequestThroughATunnel(t *testing.T) {
	ca := fakeca.New(t)
	p := newProxy(t, ca, waypointID, echo(t), http.StatusOK)
	c := &Client{Dialer: dialer(t, ca), Timeout: 3 * time.Second}
	target, err := ParseTarget("http://cart.shop/", "cluster.local")
	must(t, err)
	plan := Plan{Connect: p.address, Authority: "10.0.0.1:80", Identities: []string{waypointID}}
	for method, want := range map[string]int{"GET": 200, "POST": 403} {
		status, host, err := c.exchange(t.Context(), method, target, plan)
		if status != want || host != "cart-1" || err != nil {
			t.Errorf("%s: %d from %q, %v", method, status, host, err)
		}
	}
	if p.authority.Load() != "10.0.0.1:80" || p.client.Load() != callerID {
		t.Errorf("CONNECT %v as %v", p.authority.Load(), p.client.Load())
	}
}

func TestTunnelThatIsRefused(t *testing.T) {
	ca, other := fakeca.New(t), fakeca.New(t)
	backend := echo(t)
	for name, c := range map[string]struct {
		proxy  *proxy
		dialer *Dialer
		want   string
	}{
		"another identity answers":   {newProxy(t, ca, cartID, backend, 200), dialer(t, ca), "identity of the peer is"},
		"another mesh answers":       {newProxy(t, other, waypointID, backend, 200), dialer(t, ca), "unknown authority"},
		"the caller's mesh is other": {newProxy(t, ca, waypointID, backend, 200), &Dialer{dialer(t, other).Certificate, dialer(t, ca).Roots}, "HBONE to"},
		"CONNECT is refused":         {newProxy(t, ca, waypointID, backend, 401), dialer(t, ca), "401"},
		"nobody is behind it":        {newProxy(t, ca, waypointID, "127.0.0.1:1", 200), dialer(t, ca), "503"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.dialer.Dial(t.Context(), Plan{Connect: c.proxy.address, Authority: "10.0.0.1:80", Identities: []string{waypointID}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// silent accepts and never answers.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestTimeout(t *testing.T) {
	ca := fakeca.New(t)
	to := silent(t)
	hung := newProxy(t, ca, waypointID, to.String(), http.StatusOK)
	for name, plan := range map[string]Plan{
		"plain":                {Route: RoutePlain, Connect: to},
		"handshake":            {Route: RouteDirect, Connect: to, Authority: "10.0.0.1:80", Identities: []string{waypointID}},
		"answer in the tunnel": {Route: RouteDirect, Connect: hung.address, Authority: "10.0.0.1:80", Identities: []string{waypointID}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{Dialer: dialer(t, ca)}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, _, err := c.exchange(ctx, "GET", mustTarget(t, "http://cart.shop/"), plan)
			if took := time.Since(start); err == nil || took > 2*time.Second {
				t.Errorf("%v after %s", err, took)
			}
		})
	}
}

func mustTarget(t *testing.T, text string) Target {
	t.Helper()
	target, err := ParseTarget(text, "cluster.local")
	must(t, err)
	return target
}

func TestDo(t *testing.T) {
	there := echo(t)
	b := newWorld().book(t)
	for name, c := range map[string]struct {
		client *Client
		target string
		want   Result
		reason string
	}{
		"an address":            {&Client{}, "http://" + there + "/", Result{Route: RoutePlain, Status: 200, Hostname: "cart-1"}, "status 200"},
		"plain text, by choice": {&Client{Plaintext: true}, "http://" + there + "/", Result{Route: RoutePlain, Status: 200, Hostname: "cart-1"}, "status 200"},
		"no answer":             {&Client{Timeout: 100 * time.Millisecond}, "http://" + silent(t).String() + "/", Result{Route: RoutePlain}, "timeout"},
		"nobody there":          {&Client{}, "http://127.0.0.1:1/", Result{Route: RoutePlain}, "connection refused"},
		"no such port":          {&Client{Mode: ModeService}, "http://cart.shop:81/", Result{}, "no healthy upstream"},
	} {
		t.Run(name, func(t *testing.T) {
			c.client.Book = b
			if c.client.Timeout == 0 {
				c.client.Timeout = 3 * time.Second
			}
			got := c.client.Do(t.Context(), "GET", mustTarget(t, c.target))
			if got.Route != c.want.Route || got.Status != c.want.Status || got.Hostname != c.want.Hostname || got.Reason() != c.reason {
				t.Errorf("%+v, reason %s", got, got.Reason())
			}
		})
	}
}
