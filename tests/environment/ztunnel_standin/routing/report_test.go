// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"errors"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]struct {
		hostname string
		port     uint16
		path     string
	}{
		"http://cart.shop":                         {"cart.shop.svc.cluster.local", 80, "/"},
		"http://cart.shop:9090/a?b=c":              {"cart.shop.svc.cluster.local", 9090, "/a"},
		"http://cart.shop.svc/":                    {"cart.shop.svc.cluster.local", 80, "/"},
		"http://cart.shop.svc.cluster.local:8080/": {"cart.shop.svc.cluster.local", 8080, "/"},
		"http://10.1.2.3:8080/":                    {"", 8080, "/"},
		"http://[fd00::1]/":                        {"", 80, "/"},
	} {
		got, err := ParseTarget(text, "cluster.local")
		if err != nil || got.Hostname != want.hostname || got.Port != want.port || got.URL.Path != want.path || got.Address.IsValid() != (want.hostname == "") {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"cart.shop", "https://cart.shop/", "http://cart/", "http://cart.shop.example.com/", "http://cart.shop:99999/"} {
		if got, err := ParseTarget(text, "cluster.local"); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestReportCountsWhatWasNotExpected(t *testing.T) {
	r := NewReport([]int{200, 403})
	r.Add("a", Result{Route: RoutePlain, Status: 200})
	r.Add("a", Result{Route: RoutePlain, Status: 503})
	second := r.Second()
	r.Add("b", Result{Route: RouteDirect, Status: 403, Before: []string{"timeout", "status 503"}})
	r.Add("b", Result{Err: errors.Join(ErrNoUpstream, errors.New("for cart"))})
	if second.Now.Total != 2 || second.Now.Failed != 1 || second.Sum.Reasons["status 503"] != 1 {
		t.Errorf("%+v", second)
	}
	if next := r.Second(); next.Now.Total != 2 || next.Sum.Total != 4 || second.Sum.Total != 2 {
		t.Errorf("%+v after %+v", next, second)
	}
	final := r.Final()
	failed := 0
	for _, n := range final.BySecond {
		failed += n
	}
	if final.Sum.Failed != 2 || failed != 2 || len(final.First) != 2 || final.Sum.Reasons["no healthy upstream"] != 1 {
		t.Errorf("%+v", final)
	}
	if final.Sum.Repeated["timeout"] != 1 || final.Sum.Repeated["status 503"] != 1 || second.Sum.Repeated["timeout"] != 0 {
		t.Errorf("%+v", final)
	}
	if final.Sum.Routes[RoutePlain] != 2 || final.Sum.Statuses["403"] != 1 || final.Client != Banner {
		t.Errorf("%+v", final)
	}
}
