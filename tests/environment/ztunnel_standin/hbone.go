// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"ambient.alauda.io/ztunnel-standin/istiod"
	"istio.io/istio/pkg/hbone"
)

// serveHBONE ends mutual TLS with the pod's certificate and the tunnels inside
// it. The protocol settings are Istio's; the handler is not, because Istio's
// dials from the caller's own namespace, past the pod's rules.
func (p *pod) serveHBONE(l net.Listener) {
	p.hbone = hbone.NewServer()
	p.hbone.Handler = http.HandlerFunc(p.tunnel)
	p.hbone.ReadHeaderTimeout = 10 * time.Second // also bounds the handshake
	p.hbone.ErrorLog = slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn)
	p.hbone.TLSConfig = p.serverTLS(nil)
	p.hbone.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		roots, err := istiod.ReadRoots(p.roots) // anew, they may have been rotated
		return p.serverTLS(roots), err
	}
	p.serving.Go(func() { _ = p.hbone.Serve(tls.NewListener(l, p.hbone.TLSConfig)) })
}

func (p *pod) serverTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  roots,
		NextProtos: []string{"h2"},
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.proof.certificate(hello.Context())
		},
	}
}

// tunnel serves one CONNECT to one of the pod's own ports.
func (p *pod) tunnel(w http.ResponseWriter, r *http.Request) {
	log := slog.With("pod", p.workload, "client", clientIdentity(r), "from", r.RemoteAddr, "to", r.Host)
	to, err := p.target(r)
	if err != nil {
		log.Warn("stand-in: hbone inbound refused", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	client, _ := netip.ParseAddrPort(r.RemoteAddr)
	up, err := p.net.dial(r.Context(), "tcp", to.String(), spoofable(netip.AddrPortFrom(client.Addr().Unmap(), 0)))
	if err != nil {
		log.Warn("stand-in: hbone inbound failed", "error", err)
		http.Error(w, "the pod does not answer", http.StatusServiceUnavailable)
		return
	}
	log.Info("stand-in: hbone inbound")
	defer up.Close()
	defer context.AfterFunc(r.Context(), func() { up.Close() })()
	go func() {
		if _, err := io.Copy(up, r.Body); err == nil {
			_ = up.(*net.TCPConn).CloseWrite()
		}
	}()
	out := flusher{w, http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	_ = out.control.Flush()
	_, _ = io.Copy(out, up)
}

func (p *pod) target(r *http.Request) (netip.AddrPort, error) {
	if r.Method != http.MethodConnect {
		return netip.AddrPort{}, fmt.Errorf("HBONE is CONNECT, not %s", r.Method)
	}
	to, err := netip.ParseAddrPort(r.Host)
	if err != nil {
		return to, fmt.Errorf("HBONE to a pod names its address: %w", err)
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if to.Addr() != address(local).Addr() || p.own(to.Port()) {
		return to, fmt.Errorf("%s is not a port of this pod (%v)", to, local)
	}
	return to, nil
}

func clientIdentity(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && len(r.TLS.PeerCertificates[0].URIs) > 0 {
		return r.TLS.PeerCertificates[0].URIs[0].String()
	}
	return "none"
}

// flusher sends each write at once: the tunnel's peers wait for each other.
type flusher struct {
	io.Writer
	control *http.ResponseController
}

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}
