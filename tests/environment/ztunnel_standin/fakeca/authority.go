// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package fakeca is a certificate authority for tests.
package fakeca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs leaves for tests.
type Authority struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority.
func New(t *testing.T) *Authority {
	t.Helper()
	a := &Authority{Cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, a.Cert, a.Cert, &a.key.PublicKey, a.key)
	must(t, err)
	a.Cert, err = x509.ParseCertificate(der)
	must(t, err)
	return a
}

// PEM is the root certificate.
func (a *Authority) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw}))
}

// File writes the root for a configuration to name.
func (a *Authority) File(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-cert.pem")
	must(t, os.WriteFile(path, []byte(a.PEM()), 0o600))
	return path
}

// Sign makes a leaf for someone's key.
func (a *Authority) Sign(public any, id string, names []string, life time.Duration) ([]byte, error) {
	uri, err := url.Parse(id)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now(), NotAfter: time.Now().Add(life),
		URIs: []*url.URL{uri}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(rand.Reader, leaf, a.Cert, public, a.key)
}

// Leaf makes a key and its leaf.
func (a *Authority) Leaf(t *testing.T, id string, names ...string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := a.Sign(&key.PublicKey, id, names, 24*time.Hour)
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
