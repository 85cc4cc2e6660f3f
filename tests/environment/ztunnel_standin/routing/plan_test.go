// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"istio.io/istio/pkg/workloadapi"
)

// The mesh of these tests: Service cart (VIP 10.0.0.1, port 80 to 8080) before
// two pods, one in the mesh and one not, and a waypoint (VIP 10.0.0.9).
const (
	cartVIP     = "10.0.0.1"
	waypointVIP = "10.0.0.9"
	meshPod     = "10.1.0.1"
	plainPod    = "10.1.0.2"
	waypointPod = "10.1.0.9"
	cartName    = "shop/cart.shop.svc.cluster.local"
	wayName     = "shop/waypoint.shop.svc.cluster.local"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bytesOf(ip string) []byte { return netip.MustParseAddr(ip).AsSlice() }

func service(name, vip string, ports ...*workloadapi.Port) *workloadapi.Service {
	s := &workloadapi.Service{Name: name, Namespace: "shop", Hostname: name + ".shop.svc.cluster.local", Ports: ports}
	if vip != "" {
		s.Addresses = []*workloadapi.NetworkAddress{{Address: bytesOf(vip)}}
	}
	return s
}

func port(service, target uint32) *workloadapi.Port {
	return &workloadapi.Port{ServicePort: service, TargetPort: target}
}

func pod(account, ip string, tunnel workloadapi.TunnelProtocol, serves map[string]*workloadapi.PortList) *workloadapi.Workload {
	return &workloadapi.Workload{
		Uid: "pod-" + ip, Name: account + "-1", Namespace: "shop", WorkloadName: account, ServiceAccount: account,
		Addresses: [][]byte{bytesOf(ip)}, TunnelProtocol: tunnel, Services: serves,
	}
}

type world struct {
	cart, waypoint         *workloadapi.Service
	mesh, plain, wayWorker *workloadapi.Workload
}

func newWorld() *world {
	serves := map[string]*workloadapi.PortList{cartName: {Ports: []*workloadapi.Port{port(80, 8080)}}}
	return &world{
		cart:      service("cart", cartVIP, port(80, 8080)),
		waypoint:  service("waypoint", waypointVIP, port(15008, 15008)),
		mesh:      pod("cart", meshPod, workloadapi.TunnelProtocol_HBONE, serves),
		plain:     pod("old", plainPod, workloadapi.TunnelProtocol_NONE, nil),
		wayWorker: pod("waypoint", waypointPod, workloadapi.TunnelProtocol_NONE, map[string]*workloadapi.PortList{wayName: {Ports: []*workloadapi.Port{port(15008, 15008)}}}),
	}
}

func (w *world) book(t *testing.T) *Book {
	t.Helper()
	var out []*discovery.Resource
	add := func(name string, a *workloadapi.Address) {
		packed, err := anypb.New(a)
		must(t, err)
		out = append(out, &discovery.Resource{Name: name, Resource: packed})
	}
	for _, s := range []*workloadapi.Service{w.cart, w.waypoint} {
		if s != nil {
			add(s.GetNamespace()+"/"+s.GetHostname(), &workloadapi.Address{Type: &workloadapi.Address_Service{Service: s}})
		}
	}
	for _, p := range []*workloadapi.Workload{w.mesh, w.plain, w.wayWorker} {
		if p != nil {
			add(p.GetUid(), &workloadapi.Address{Type: &workloadapi.Address_Workload{Workload: p}})
		}
	}
	b := NewBook()
	must(t, b.Update(true, out, nil))
	return b
}

func byHostname() *workloadapi.GatewayAddress {
	return &workloadapi.GatewayAddress{HboneMtlsPort: 15008, Destination: &workloadapi.GatewayAddress_Hostname{
		Hostname: &workloadapi.NamespacedHostname{Namespace: "shop", Hostname: "waypoint.shop.svc.cluster.local"},
	}}
}

func byAddress(ip string) *workloadapi.GatewayAddress {
	return &workloadapi.GatewayAddress{HboneMtlsPort: 15008, Destination: &workloadapi.GatewayAddress_Address{
		Address: &workloadapi.NetworkAddress{Address: bytesOf(ip)},
	}}
}

const (
	cartID     = "spiffe://cluster.local/ns/shop/sa/cart"
	waypointID = "spiffe://cluster.local/ns/shop/sa/waypoint"
)

func TestPlan(t *testing.T) {
	throughWaypoint := func(authority string) Plan {
		return Plan{"via waypoint shop/waypoint", netip.MustParseAddrPort(waypointPod + ":15008"), authority, []string{waypointID}}
	}
	toMeshPod := Plan{"direct hbone", netip.MustParseAddrPort(meshPod + ":15008"), meshPod + ":8080", []string{cartID}}
	plain := func(to string) Plan { return Plan{Route: "plain", Connect: netip.MustParseAddrPort(to)} }
	for name, c := range map[string]struct {
		to     string
		change func(*world)
		want   Plan
		err    error
	}{
		"service, pods in the mesh":           {cartVIP + ":80", func(*world) {}, toMeshPod, nil},
		"service, pods not in the mesh":       {cartVIP + ":80", func(w *world) { w.mesh.TunnelProtocol = workloadapi.TunnelProtocol_NONE }, plain(meshPod + ":8080"), nil},
		"service with a waypoint, by name":    {cartVIP + ":80", func(w *world) { w.cart.Waypoint = byHostname() }, throughWaypoint(cartVIP + ":80"), nil},
		"service with a waypoint, by its VIP": {cartVIP + ":80", func(w *world) { w.cart.Waypoint = byAddress(waypointVIP) }, throughWaypoint(cartVIP + ":80"), nil},
		"service with a waypoint, by a pod's": {cartVIP + ":80", func(w *world) { w.cart.Waypoint = byAddress(waypointPod) }, throughWaypoint(cartVIP + ":80"), nil},
		"service traffic ignores the pod's":   {cartVIP + ":80", func(w *world) { w.mesh.Waypoint = byHostname() }, toMeshPod, nil},
		"weighted waypoints": {cartVIP + ":80", func(w *world) {
			w.cart.WeightedWaypoints = []*workloadapi.WeightedWaypoint{{Destination: byHostname(), Weight: 1}}
		}, throughWaypoint(cartVIP + ":80"), nil},
		"pod":                               {meshPod + ":8080", func(*world) {}, toMeshPod, nil},
		"pod traffic ignores the service's": {meshPod + ":8080", func(w *world) { w.cart.Waypoint = byHostname() }, toMeshPod, nil},
		"pod with a waypoint":               {meshPod + ":8080", func(w *world) { w.mesh.Waypoint = byHostname() }, throughWaypoint(meshPod + ":8080"), nil},
		"pod outside the mesh":              {plainPod + ":9090", func(*world) {}, plain(plainPod + ":9090"), nil},
		"address that istiod does not know": {"192.0.2.1:443", func(*world) {}, plain("192.0.2.1:443"), nil},
		"pod on the node's network":         {plainPod + ":80", func(w *world) { w.plain.NetworkMode = workloadapi.NetworkMode_HOST_NETWORK }, plain(plainPod + ":80"), nil},
		"port that the service has not":     {cartVIP + ":81", func(*world) {}, Plan{}, ErrNoUpstream},
		"no healthy pod":                    {cartVIP + ":80", func(w *world) { w.mesh.Status = workloadapi.WorkloadStatus_UNHEALTHY }, Plan{}, ErrNoUpstream},
		"unhealthy pods are asked for":      {cartVIP + ":80", func(w *world) { unhealthy(w); allowAll(w) }, toMeshPod, nil},
		"waypoint without a ready pod": {cartVIP + ":80", func(w *world) {
			w.cart.Waypoint = byHostname()
			w.wayWorker.Status = workloadapi.WorkloadStatus_UNHEALTHY
		}, Plan{}, ErrNoUpstream},
		"waypoint without a pod":                  {cartVIP + ":80", func(w *world) { w.cart.Waypoint = byHostname(); w.wayWorker = nil }, Plan{}, ErrNoUpstream},
		"waypoint that is unknown, by name":       {cartVIP + ":80", func(w *world) { w.cart.Waypoint = byHostname(); w.waypoint = nil }, Plan{}, ErrUnknownWaypoint},
		"waypoint that is unknown, by an address": {meshPod + ":8080", func(w *world) { w.mesh.Waypoint = byAddress("192.0.2.7") }, Plan{}, ErrUnknownWaypoint},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.change(w)
			got, err := w.book(t).Plan(netip.MustParseAddrPort(c.to))
			if !errors.Is(err, c.err) || got.Route != c.want.Route || got.Connect != c.want.Connect ||
				got.Authority != c.want.Authority || !slices.Equal(got.Identities, c.want.Identities) {
				t.Errorf("%+v, %v\nwant %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func unhealthy(w *world) { w.mesh.Status = workloadapi.WorkloadStatus_UNHEALTHY }

func allowAll(w *world) {
	w.cart.LoadBalancing = &workloadapi.LoadBalancing{HealthPolicy: workloadapi.LoadBalancing_ALLOW_ALL}
}

func TestEveryEndpointGetsItsShare(t *testing.T) {
	w := newWorld()
	w.plain.Services = w.mesh.Services
	b := w.book(t)
	seen := map[string]int{}
	for range 200 {
		p, err := b.Plan(netip.MustParseAddrPort(cartVIP + ":80"))
		must(t, err)
		seen[p.Route]++
	}
	if seen["direct hbone"] < 50 || seen["plain"] < 50 {
		t.Errorf("%v", seen)
	}
}

func TestNamedTargetPortIsThePods(t *testing.T) {
	w := newWorld()
	w.cart.Ports = []*workloadapi.Port{port(80, 0)} // as istiod sends a named one
	if p, err := w.book(t).Plan(netip.MustParseAddrPort(cartVIP + ":80")); err != nil || p.Authority != meshPod+":8080" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestServicesOwnIdentitiesCount(t *testing.T) {
	w := newWorld()
	w.cart.SubjectAltNames = []string{"spiffe://cluster.local/ns/shop/sa/legacy"}
	p, err := w.book(t).Plan(netip.MustParseAddrPort(cartVIP + ":80"))
	must(t, err)
	if !slices.Equal(p.Identities, []string{cartID, w.cart.SubjectAltNames[0]}) {
		t.Errorf("%v", p.Identities)
	}
}

func TestUpdate(t *testing.T) {
	b := newWorld().book(t)
	<-b.Filled()
	if vip, ok := b.VIP("shop", "cart.shop.svc.cluster.local"); !ok || vip.String() != cartVIP {
		t.Errorf("%v, %v", vip, ok)
	}
	must(t, b.Update(false, nil, []string{cartName}))
	if _, ok := b.VIP("shop", "cart.shop.svc.cluster.local"); ok {
		t.Error("a removed service is still known")
	}
	must(t, b.Update(true, nil, nil))
	if p, err := b.Plan(netip.MustParseAddrPort(meshPod + ":8080")); err != nil || p.Route != RoutePlain {
		t.Errorf("the stream before is still known: %+v, %v", p, err)
	}
}

func TestEndpoint(t *testing.T) {
	b := newWorld().book(t)
	to, err := b.Endpoint("shop", "cart.shop.svc.cluster.local", 80)
	must(t, err)
	if to.String() != meshPod+":8080" {
		t.Error(to)
	}
	if _, err := b.Endpoint("shop", "none.shop.svc.cluster.local", 80); err == nil {
		t.Error("an unknown service has endpoints")
	}
}
