// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"
)

type signer interface {
	sign(ctx context.Context, id string) (*tls.Certificate, error)
}

// identities keeps one certificate per SPIFFE identity for as long as a pod on
// this node has that identity, and renews it before it expires.
type identities struct {
	ca    signer
	ready *readiness
	mu    sync.Mutex
	held  map[string]*identity
}

type identity struct {
	id      string
	pods    int
	stop    context.CancelFunc
	first   chan struct{} // closed with the first certificate
	mu      sync.Mutex
	current *tls.Certificate
}

func newIdentities(ca signer, ready *readiness) *identities {
	return &identities{ca: ca, ready: ready, held: map[string]*identity{}}
}

// hold must be paired with release.
func (s *identities) hold(id string) *identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.held[id]
	if i == nil {
		ctx, stop := context.WithCancel(context.Background())
		i = &identity{id: id, stop: stop, first: make(chan struct{})}
		s.held[id] = i
		go s.renew(ctx, i)
	}
	i.pods++
	return i
}

func (s *identities) release(i *identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.pods--; i.pods > 0 {
		return
	}
	i.stop()
	delete(s.held, i.id)
	s.ready.ok(i.part())
}

// all gives the identities that have a certificate.
func (s *identities) all() map[string]*tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*tls.Certificate{}
	for id, i := range s.held {
		if c := i.latest(); c != nil {
			out[id] = c
		}
	}
	return out
}

func (s *identities) renew(ctx context.Context, i *identity) {
	for failures := 0; ; {
		cert, err := s.ca.sign(ctx, i.id)
		if ctx.Err() != nil {
			return
		}
		var pause time.Duration
		if err == nil {
			failures = 0
			i.set(cert)
			s.ready.ok(i.part())
			slog.Info("stand-in: certificate", "identity", i.id, "until", cert.Leaf.NotAfter)
			pause = time.Until(renewalTime(cert.Leaf))
		} else {
			pause = retryPause(failures)
			failures++
			s.report(i, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// report: a failed renewal is no reason against readiness while the old
// certificate still serves.
func (s *identities) report(i *identity, err error) {
	if c := i.latest(); c != nil && time.Now().Before(c.Leaf.NotAfter) {
		slog.Warn("stand-in: renewal failed", "identity", i.id, "until", c.Leaf.NotAfter, "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[i.id] == i { // not released meanwhile
		s.ready.fail(i.part(), err)
	}
}

// renewalTime is half-way through the lifetime, as in ztunnel.
func renewalTime(leaf *x509.Certificate) time.Time {
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
}

// retryPause doubles from one second to one minute.
func retryPause(failures int) time.Duration {
	return min(time.Second<<min(failures, 6), time.Minute)
}

func (i *identity) part() string { return "certificate " + i.id }

func (i *identity) set(c *tls.Certificate) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current == nil {
		close(i.first)
	}
	i.current = c
}

func (i *identity) latest() *tls.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current
}

// certificate waits for the first one.
func (i *identity) certificate(ctx context.Context) (*tls.Certificate, error) {
	select {
	case <-i.first:
		return i.latest(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
