// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"istio.io/istio/pkg/workloadapi"
)

const (
	hbonePort = 15008
	// Routes as the reports name them; that of a waypoint goes on with NAMESPACE/NAME.
	RoutePlain  = "plain"
	RouteDirect = "direct hbone"
	RouteVia    = "via waypoint "
)

// Reasons for a request that ztunnel would refuse, in its words.
var (
	ErrUnknownWaypoint = errors.New("unknown waypoint")
	ErrNoUpstream      = errors.New("no healthy upstream")
)

// Plan is how one connection is made.
type Plan struct {
	Route      string
	Connect    netip.AddrPort // where TCP goes
	Authority  string         // of the CONNECT; "" for plain text
	Identities []string       // who may answer the CONNECT
}

type upstream struct {
	workload *workloadapi.Workload
	address  netip.AddrPort // with the target port
	sans     []string       // of the service it was reached by
}

// Plan decides where a connection to an address goes.
//
// As in ztunnel the type of the traffic follows the address: that of a Service
// is service traffic and may have the Service's waypoint; that of a pod is
// workload traffic and may have the pod's. One that istiod does not know goes
// there as it is.
//
// A waypoint that xDS names is never left out. If it is unknown or has no ready
// endpoint ztunnel refuses the connection, and so is it here. That ztunnel
// "fails open" for a use-waypoint label with no ready waypoint behind it is
// istiod's doing: until the Gateway has an address it names none.
func (b *Book) Plan(to netip.AddrPort) (Plan, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if service := b.service(to.Addr()); service != nil {
		if waypoint := pickWaypoint(service); waypoint != nil {
			return b.via(waypoint, to)
		}
		chosen, err := b.balance(service, to.Port())
		if err != nil {
			return Plan{}, err
		}
		return direct(chosen), nil
	}
	workload := b.workload(to.Addr())
	if workload == nil {
		return Plain(to), nil
	}
	if waypoint := workload.GetWaypoint(); waypoint != nil {
		return b.via(waypoint, to)
	}
	return direct(upstream{workload: workload, address: to}), nil
}

// Plain is the way of a caller outside the mesh.
func Plain(to netip.AddrPort) Plan { return Plan{Route: RoutePlain, Connect: to} }

// direct is HBONE where the pod is in the mesh, else plain text.
func direct(to upstream) Plan {
	if to.workload.GetTunnelProtocol() != workloadapi.TunnelProtocol_HBONE {
		return Plain(to.address)
	}
	return Plan{
		Route:      RouteDirect,
		Connect:    netip.AddrPortFrom(to.address.Addr(), hbonePort),
		Authority:  to.address.String(),
		Identities: to.identities(),
	}
}

// via sends the CONNECT to a pod of the waypoint; its authority is the address
// that the caller has used, a Service's or a pod's.
func (b *Book) via(waypoint *workloadapi.GatewayAddress, to netip.AddrPort) (Plan, error) {
	port := uint16(waypoint.GetHboneMtlsPort())
	service, pod := b.behind(waypoint)
	chosen := upstream{workload: pod}
	switch {
	case service != nil:
		var err error
		if chosen, err = b.balance(service, port); err != nil {
			return Plan{}, fmt.Errorf("waypoint %s/%s: %w", service.GetNamespace(), service.GetName(), err)
		}
	case pod != nil:
		ip, ok := firstAddress(pod)
		if !ok {
			return Plan{}, fmt.Errorf("waypoint %s/%s: %w", pod.GetNamespace(), pod.GetName(), ErrNoUpstream)
		}
		chosen.address = netip.AddrPortFrom(ip, port)
	default:
		return Plan{}, fmt.Errorf("%w %s", ErrUnknownWaypoint, waypoint)
	}
	return Plan{
		Route:      RouteVia + waypointName(service, pod),
		Connect:    chosen.address,
		Authority:  to.String(),
		Identities: chosen.identities(),
	}, nil
}

// behind resolves both forms of a gateway's address.
func (b *Book) behind(g *workloadapi.GatewayAddress) (*workloadapi.Service, *workloadapi.Workload) {
	if h := g.GetHostname(); h != nil {
		return b.services[h.GetNamespace()+"/"+h.GetHostname()], nil
	}
	ip, ok := netip.AddrFromSlice(g.GetAddress().GetAddress())
	if !ok {
		return nil, nil
	}
	ip = ip.Unmap()
	if s := b.service(ip); s != nil {
		return s, nil
	}
	return nil, b.workload(ip)
}

func waypointName(s *workloadapi.Service, w *workloadapi.Workload) string {
	if s != nil {
		return s.GetNamespace() + "/" + s.GetName()
	}
	return w.GetNamespace() + "/" + w.GetWorkloadName()
}

// pickWaypoint draws from the weighted waypoints (1.31), where there are any.
func pickWaypoint(s *workloadapi.Service) *workloadapi.GatewayAddress {
	var total uint32
	for _, w := range s.GetWeightedWaypoints() {
		total += w.GetWeight()
	}
	if total == 0 {
		return s.GetWaypoint()
	}
	at := rand.Uint32N(total)
	for _, w := range s.GetWeightedWaypoints() {
		if at < w.GetWeight() {
			return w.GetDestination()
		}
		at -= w.GetWeight()
	}
	return s.GetWaypoint() // not reached
}

// balance draws one endpoint that serves the port. Locality is left out: on the
// clusters of tests all nodes are in one zone.
func (b *Book) balance(s *workloadapi.Service, port uint16) (upstream, error) {
	target, ok := targetPort(s.GetPorts(), port)
	if !ok {
		return upstream{}, fmt.Errorf("%w: service %s has no port %d", ErrNoUpstream, s.GetHostname(), port)
	}
	var options []upstream
	for _, w := range b.workloads {
		ports, member := w.GetServices()[s.GetNamespace()+"/"+s.GetHostname()]
		if !member || !servable(s, w) {
			continue
		}
		at := target
		if own, ok := targetPort(ports.GetPorts(), port); ok {
			at = own
		}
		if ip, ok := firstAddress(w); ok && at != 0 { // 0: a named port that this pod has not
			options = append(options, upstream{w, netip.AddrPortFrom(ip, at), s.GetSubjectAltNames()})
		}
	}
	if len(options) == 0 {
		return upstream{}, fmt.Errorf("%w for %s", ErrNoUpstream, s.GetHostname())
	}
	return options[rand.IntN(len(options))], nil
}

func servable(s *workloadapi.Service, w *workloadapi.Workload) bool {
	return w.GetStatus() == workloadapi.WorkloadStatus_HEALTHY ||
		s.GetLoadBalancing().GetHealthPolicy() == workloadapi.LoadBalancing_ALLOW_ALL
}

func targetPort(ports []*workloadapi.Port, service uint16) (uint16, bool) {
	for _, p := range ports {
		if p.GetServicePort() == uint32(service) {
			return uint16(p.GetTargetPort()), true
		}
	}
	return 0, false
}

func firstAddress(w *workloadapi.Workload) (netip.Addr, bool) {
	for _, a := range w.GetAddresses() {
		if ip, ok := netip.AddrFromSlice(a); ok {
			return ip.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// identities are the pod's own, and those that the service declares.
func (u upstream) identities() []string {
	domain := u.workload.GetTrustDomain()
	if domain == "" { // istiod leaves the default out
		domain = "cluster.local"
	}
	own := fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", domain, u.workload.GetNamespace(), u.workload.GetServiceAccount())
	out := []string{own}
	for _, san := range u.sans {
		if !strings.Contains(san, "://") {
			san = "spiffe://" + san
		}
		out = append(out, san)
	}
	return out
}
