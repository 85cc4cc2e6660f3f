// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/http2"
)

// Dialer opens connections as a Plan says.
type Dialer struct {
	Certificate *tls.Certificate
	Roots       *x509.CertPool
}

// Dial opens a connection of its own, and for HBONE the tunnel inside it.
func (d *Dialer) Dial(ctx context.Context, p Plan) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", p.Connect.String())
	if err != nil || p.Authority == "" {
		return raw, err
	}
	c, err := d.tunnel(ctx, raw, p)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("HBONE to %s: %w", p.Connect, err)
	}
	return c, nil
}

func (d *Dialer) tunnel(ctx context.Context, raw net.Conn, p Plan) (net.Conn, error) {
	secure := tls.Client(raw, d.config(p.Identities))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	h2, err := new(http2.Transport).NewClientConn(secure)
	if err != nil {
		return nil, err
	}
	// The request lives as long as the tunnel, not as long as its opening.
	life, end := context.WithCancel(context.Background())
	opening := context.AfterFunc(ctx, end)
	body, send := io.Pipe()
	r := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: p.Authority},
		Host: p.Authority, Header: http.Header{}, Body: body, ContentLength: -1,
	}).WithContext(life)
	answer, err := h2.RoundTrip(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("CONNECT %s was answered with %s", p.Authority, answer.Status)
	}
	if err == nil && !opening() {
		err = context.Cause(ctx)
	}
	if err != nil {
		end()
		return nil, err
	}
	return &tunnelled{TLS: secure, in: answer.Body, out: send, end: end}, nil
}

// config is what ztunnel offers: its certificate, HTTP/2, and trust in one
// identity instead of a host name.
func (d *Dialer) config(identities []string) *tls.Config {
	return &tls.Config{
		Certificates:       []tls.Certificate{*d.Certificate},
		NextProtos:         []string{"h2"},
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // names are URIs, which crypto/tls does not compare: verify does it all
		VerifyConnection:   func(s tls.ConnectionState) error { return d.verify(s, identities) },
	}
}

func (d *Dialer) verify(s tls.ConnectionState, identities []string) error {
	if s.NegotiatedProtocol != "h2" {
		return fmt.Errorf("the peer does not speak HTTP/2 but %q", s.NegotiatedProtocol)
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := s.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: d.Roots, Intermediates: between}); err != nil {
		return err
	}
	for _, uri := range leaf.URIs {
		if slices.Contains(identities, uri.String()) {
			return nil
		}
	}
	return fmt.Errorf("identity of the peer is %v, not %v", leaf.URIs, identities)
}

// tunnelled is a connection inside a CONNECT; closing it closes what carries it.
type tunnelled struct {
	TLS *tls.Conn
	in  io.ReadCloser
	out *io.PipeWriter
	end func()
}

func (t *tunnelled) Read(b []byte) (int, error)  { return t.in.Read(b) }
func (t *tunnelled) Write(b []byte) (int, error) { return t.out.Write(b) }

func (t *tunnelled) Close() error {
	t.end()
	return errors.Join(t.out.Close(), t.TLS.Close())
}

func (t *tunnelled) LocalAddr() net.Addr  { return t.TLS.LocalAddr() }
func (t *tunnelled) RemoteAddr() net.Addr { return t.TLS.RemoteAddr() }

// Deadlines are those of the connection that carries the tunnel: it carries no other.
func (t *tunnelled) SetDeadline(at time.Time) error      { return t.TLS.SetDeadline(at) }
func (t *tunnelled) SetReadDeadline(at time.Time) error  { return t.TLS.SetReadDeadline(at) }
func (t *tunnelled) SetWriteDeadline(at time.Time) error { return t.TLS.SetWriteDeadline(at) }
