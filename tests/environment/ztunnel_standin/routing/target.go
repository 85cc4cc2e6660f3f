// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode is what the client uses as the destination's address.
type Mode string

const (
	ModeService  Mode = "service"  // the Service's VIP; for a headless one what DNS says
	ModePodIP    Mode = "pod-ip"   // a healthy pod behind the Service, past its VIP
	ModeHeadless Mode = "headless" // whatever DNS says, the port as it is written
)

// ParseMode refuses what is none.
func ParseMode(s string) (Mode, error) {
	modes := []Mode{ModeService, ModePodIP, ModeHeadless}
	if !slices.Contains(modes, Mode(s)) {
		return "", fmt.Errorf("mode %q is none of %v", s, modes)
	}
	return Mode(s), nil
}

// Target is a URL http://SERVICE.NAMESPACE[.svc[.DOMAIN]][:port]/path, or one
// with an address instead of the name.
type Target struct {
	URL       *url.URL
	Port      uint16
	Address   netip.Addr // valid where the URL has one
	Hostname  string     // of the Service, in full
	Namespace string
}

// ParseTarget takes the cluster's domain for short names.
func ParseTarget(text, domain string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Target{}, err
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return Target{}, fmt.Errorf("target %q is not http://SERVICE.NAMESPACE[:port]/path", text)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	t := Target{URL: u, Port: 80}
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return Target{}, fmt.Errorf("target %q: %w", text, err)
		}
		t.Port = uint16(n)
	}
	if t.Address, err = netip.ParseAddr(u.Hostname()); err == nil {
		return t, nil
	}
	parts := strings.Split(u.Hostname(), ".")
	if len(parts) < 2 || len(parts) > 2 && parts[2] != "svc" {
		return Target{}, fmt.Errorf("target %q does not name SERVICE.NAMESPACE", text)
	}
	t.Namespace = parts[1]
	t.Hostname = fmt.Sprintf("%s.%s.svc.%s", parts[0], parts[1], domain)
	return t, nil
}

// resolver finds the address that the application would use.
type resolver struct {
	book *Book
	dns  *names
}

// address asks istiod's list for the VIP, and DNS only where that has none: for
// headless Services, and for those of namespaces that the mesh does not look at.
func (r *resolver) address(ctx context.Context, t Target, mode Mode) (netip.AddrPort, error) {
	if t.Address.IsValid() {
		return netip.AddrPortFrom(t.Address, t.Port), nil
	}
	if mode == ModePodIP {
		return r.book.Endpoint(t.Namespace, t.Hostname, t.Port)
	}
	if vip, ok := r.book.VIP(t.Namespace, t.Hostname); ok && mode == ModeService {
		return netip.AddrPortFrom(vip, t.Port), nil
	}
	ip, err := r.dns.lookup(ctx, t.Hostname)
	return netip.AddrPortFrom(ip, t.Port), err
}

// names is DNS with answers kept for as long as a cluster's DNS lets others keep
// them, so that a loop measures the mesh and not the name server.
type names struct {
	mu    sync.Mutex
	known map[string]answer
	next  int
}

type answer struct {
	addresses []netip.Addr
	until     time.Time
}

const nameLifetime = 5 * time.Second

func (n *names) lookup(ctx context.Context, hostname string) (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]answer{}
	}
	found := n.known[hostname]
	if time.Now().After(found.until) {
		addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", hostname+".") // the dot: no search list
		if err != nil {
			return netip.Addr{}, err
		}
		found = answer{addresses, time.Now().Add(nameLifetime)}
		n.known[hostname] = found
	}
	n.next++
	return found.addresses[n.next%len(found.addresses)].Unmap(), nil
}
