// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"istio.io/istio/pkg/workloadapi"
)

// workload is a pod as the CNI agent names it.
type workload struct{ name, namespace, serviceAccount string }

func (w workload) String() string { return w.namespace + "/" + w.name }

// resource is the name of the pod's workload in xDS.
func (w workload) resource(clusterID string) string {
	return fmt.Sprintf("%s//Pod/%s/%s", clusterID, w.namespace, w.name)
}

func (w workload) identity(trustDomain string) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", trustDomain, w.namespace, w.serviceAccount)
}

// directory holds the workloads that istiod knows: trust domains by resource name.
type directory struct {
	mu       sync.Mutex
	known    map[string]string
	changed  chan struct{} // closed with the next update
	answered chan struct{} // closed with the first one
}

func newDirectory() *directory {
	first := make(chan struct{})
	return &directory{known: map[string]string{}, changed: first, answered: first}
}

// update takes in one answer; the first one of a stream replaces all that was known.
func (d *directory) update(fresh bool, resources []*discovery.Resource, removed []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if fresh {
		d.known = map[string]string{}
	}
	for _, r := range resources {
		var address workloadapi.Address
		if err := r.GetResource().UnmarshalTo(&address); err != nil {
			return fmt.Errorf("istiod sent something else than an address: %w", err)
		}
		if w := address.GetWorkload(); w != nil {
			d.known[r.GetName()] = orDefault(w.GetTrustDomain(), "cluster.local") // istiod leaves the default out
		}
	}
	for _, name := range removed {
		delete(d.known, name)
	}
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// trustDomain waits until istiod knows the workload.
func (d *directory) trustDomain(ctx context.Context, resource string) (string, error) {
	for {
		d.mu.Lock()
		domain, changed := d.known[resource], d.changed
		d.mu.Unlock()
		if domain != "" {
			return domain, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
