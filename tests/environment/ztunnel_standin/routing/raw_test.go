// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"ambient.alauda.io/ztunnel-standin/fakeca"
)

// listener answers each request with 403 and tells what it was sent.
func listener(t *testing.T) (string, <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	heads := make(chan string, 8)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var head strings.Builder
				for r := bufio.NewReader(conn); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					head.WriteString(line)
				}
				heads <- head.String()
				_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nRBAC")
			}()
		}
	}()
	return l.Addr().String(), heads
}

func TestRawChangesNothing(t *testing.T) {
	ca := fakeca.New(t)
	backend, heads := listener(t)
	plan := Plan{Connect: newProxy(t, ca, waypointID, backend, 200).address, Authority: "10.0.0.1:80", Identities: []string{waypointID}}
	for head, want := range map[string]string{
		"GET /a//b/../%2f?x=\\y HTTP/1.1\r\nhOsT: Cart.Shop:80\r\nX-Role: \r\nX-Role: b\r\n\r\n": "RBAC",
		"HEAD / HTTP/1.1\r\nHost: cart.shop\r\n\r\n":                                             "",
	} {
		status, body, err := dialer(t, ca).Raw(t.Context(), plan, head)
		if status != 403 || string(body) != want || err != nil {
			t.Errorf("%d %q, %v", status, body, err)
		}
		if got := <-heads; got != head {
			t.Errorf("%q was sent as %q", head, got)
		}
	}
}

func TestPlanTo(t *testing.T) {
	b := newWorld().book(t)
	if plan, err := b.PlanTo("cart.shop:80"); err != nil || plan.Route == "" {
		t.Errorf("%+v, %v", plan, err)
	}
	for to, want := range map[string]string{"stock.shop:80": "knows no address", "cart": "does not name", "cart.shop:81": "no port 81"} {
		if _, err := b.PlanTo(to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", to, err, want)
		}
	}
}
