// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package routing decides as ztunnel's outbound proxy does where a connection
// goes, from what istiod says about workloads and services, and opens it. It is
// the routing of the test client: no ztunnel is involved.
package routing

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"istio.io/istio/pkg/workloadapi"
)

// Book holds what istiod knows, by the names of the xDS resources: a workload's
// is its UID, a service's is namespace/hostname.
type Book struct {
	mu        sync.RWMutex
	workloads map[string]*workloadapi.Workload
	services  map[string]*workloadapi.Service
	filled    chan struct{} // closed with the first answer
	fill      func()
}

// NewBook is empty until the first Update.
func NewBook() *Book {
	filled := make(chan struct{})
	b := &Book{filled: filled, fill: sync.OnceFunc(func() { close(filled) })}
	b.clear()
	return b
}

func (b *Book) clear() {
	b.workloads, b.services = map[string]*workloadapi.Workload{}, map[string]*workloadapi.Service{}
}

// Filled is closed once istiod has answered.
func (b *Book) Filled() <-chan struct{} { return b.filled }

// Update takes in one answer; the first one of a stream replaces all that was known.
func (b *Book) Update(fresh bool, resources []*discovery.Resource, removed []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if fresh {
		b.clear()
	}
	for _, r := range resources {
		var address workloadapi.Address
		if err := r.GetResource().UnmarshalTo(&address); err != nil {
			return fmt.Errorf("istiod sent something else than an address: %w", err)
		}
		if w := address.GetWorkload(); w != nil {
			b.workloads[r.GetName()] = w
		}
		if s := address.GetService(); s != nil {
			b.services[r.GetName()] = s
		}
	}
	for _, name := range removed {
		delete(b.workloads, name)
		delete(b.services, name)
	}
	b.fill()
	return nil
}

// VIP is the first address of the service with this name; none for a headless
// or unknown one.
func (b *Book) VIP(namespace, hostname string) (netip.Addr, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, a := range b.services[namespace+"/"+hostname].GetAddresses() {
		if ip, ok := netip.AddrFromSlice(a.GetAddress()); ok {
			return ip.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// Endpoint is the address of one healthy pod behind a service's port, as
// somebody takes it who calls pods directly.
func (b *Book) Endpoint(namespace, hostname string, port uint16) (netip.AddrPort, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	service := b.services[namespace+"/"+hostname]
	if service == nil {
		return netip.AddrPort{}, fmt.Errorf("istiod knows no service %s/%s", namespace, hostname)
	}
	chosen, err := b.balance(service, port)
	return chosen.address, err
}

// service finds the service with a VIP. Lists are searched in full: the meshes
// of tests are small.
func (b *Book) service(ip netip.Addr) *workloadapi.Service {
	for _, name := range slices.Sorted(maps.Keys(b.services)) {
		for _, a := range b.services[name].GetAddresses() {
			if has(a.GetAddress(), ip) {
				return b.services[name]
			}
		}
	}
	return nil
}

// workload finds the pod with an address; pods on the node's network share the
// node's and are never found by it.
func (b *Book) workload(ip netip.Addr) *workloadapi.Workload {
	for _, w := range b.workloads {
		if w.GetNetworkMode() == workloadapi.NetworkMode_HOST_NETWORK {
			continue
		}
		for _, a := range w.GetAddresses() {
			if has(a, ip) {
				return w
			}
		}
	}
	return nil
}

func has(address []byte, ip netip.Addr) bool {
	found, ok := netip.AddrFromSlice(address)
	return ok && found.Unmap() == ip
}
