// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs leaves for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, err)
	return a
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// file writes the root for a configuration to name.
func (a *authority) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-cert.pem")
	must(t, os.WriteFile(path, []byte(a.pem()), 0o600))
	return path
}

func (a *authority) sign(public any, id string, names []string, life time.Duration) ([]byte, error) {
	uri, err := url.Parse(id)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now(), NotAfter: time.Now().Add(life),
		URIs: []*url.URL{uri}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(rand.Reader, leaf, a.cert, public, a.key)
}

func (a *authority) leaf(t *testing.T, id string, names ...string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := a.sign(&key.PublicKey, id, names, 24*time.Hour)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

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
func loopbackPod(t *testing.T, ca *authority, nameservers ...string) *pod {
	t.Helper()
	w := workload{name: "web-1", namespace: "shop", serviceAccount: "web"}
	known := newDirectory()
	know(t, known, w.resource(""))
	ready := newReadiness(w)
	ids := newIdentities(signerFunc(func(_ context.Context, id string) (*tls.Certificate, error) {
		return ca.leaf(t, id), nil
	}), ready)
	e := &enroller{
		config:    config{roots: ca.file(t), nameservers: nameservers, discovery: time.Minute},
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
