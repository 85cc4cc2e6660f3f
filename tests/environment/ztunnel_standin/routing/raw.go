// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
)

// PlanTo decides where a connection to a Service goes, SERVICE.NAMESPACE:port,
// by the address that istiod knows of it.
func (b *Book) PlanTo(to string) (Plan, error) {
	t, err := ParseTarget("http://"+to, "cluster.local")
	if err != nil {
		return Plan{}, err
	}
	vip, ok := b.VIP(t.Namespace, t.Hostname)
	if !ok {
		return Plan{}, fmt.Errorf("istiod knows no address of service %s", to)
	}
	return b.Plan(netip.AddrPortFrom(vip, t.Port))
}

// Raw sends one request over a connection of its own, byte for byte as it is
// written, and gives the status and the body of the answer.
func (d *Dialer) Raw(ctx context.Context, p Plan, head string) (int, []byte, error) {
	conn, err := d.Dial(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, head); err != nil {
		return 0, nil, err
	}
	method, _, _ := strings.Cut(head, " ") // an answer to HEAD has no body, whatever its headers say
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return answer.StatusCode, body, err
}
