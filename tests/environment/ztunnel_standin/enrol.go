// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
)

// enroller brings a pod's identity from the CNI agent's word to a certificate.
type enroller struct {
	config
	directory  *directory
	identities *identities
	ready      *readiness
}

// proof is a pod's way to its certificate; it lasts as long as the pod.
type proof struct {
	end    func()
	signed chan struct{} // closed when identity is set and has a certificate
	held   *identity
}

// prove starts the way: first istiod must know the workload, then sign its identity.
func (e *enroller) prove(w workload) *proof {
	ctx, cancel := context.WithCancel(context.Background())
	p := &proof{signed: make(chan struct{})}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		e.walk(ctx, w, p)
	}()
	p.end = sync.OnceFunc(func() {
		cancel()
		<-finished
		if p.held != nil {
			e.identities.release(p.held)
		}
		e.ready.ok(part(w))
	})
	return p
}

func (e *enroller) walk(ctx context.Context, w workload, p *proof) {
	domain, err := e.trustDomain(ctx, w)
	if err != nil {
		return // ended
	}
	p.held = e.identities.hold(w.identity(domain))
	if _, err := p.held.certificate(ctx); err != nil {
		return
	}
	close(p.signed)
	e.ready.ok(part(w))
}

func (e *enroller) trustDomain(ctx context.Context, w workload) (string, error) {
	select { // until then, that istiod is silent is the reason
	case <-e.directory.answered:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	soon, cancel := context.WithTimeout(ctx, e.discovery)
	defer cancel()
	domain, err := e.directory.trustDomain(soon, w.resource(e.clusterID))
	if err == nil || ctx.Err() != nil {
		return domain, err
	}
	e.ready.fail(part(w), e.undiscovered(w))
	return e.directory.trustDomain(ctx, w.resource(e.clusterID))
}

func (e *enroller) undiscovered(w workload) error {
	return fmt.Errorf("istiod has sent no workload for the pod within %s: namespace %s is missing the discovery label "+
		"(the mesh's discoverySelectors do not select it), or istiod belongs to another cluster name", e.discovery, w.namespace)
}

// certificate waits until there is one.
func (p *proof) certificate(ctx context.Context) (*tls.Certificate, error) {
	select {
	case <-p.signed:
		return p.held.latest(), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("istiod has not signed this pod's identity yet: %w", ctx.Err())
	}
}
