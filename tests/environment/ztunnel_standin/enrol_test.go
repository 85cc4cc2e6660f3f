// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"istio.io/istio/pkg/workloadapi"
)

var web = workload{name: "web-1", namespace: "shop", serviceAccount: "web"}

func enrolTest(t *testing.T, test func(*testing.T, *enroller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca := fakeca.New(t)
		ready := newReadiness(self)
		ids := newIdentities(signerFunc(func(_ context.Context, id string) (*tls.Certificate, error) { return ca.Leaf(t, id), nil }), ready)
		test(t, &enroller{config: config{clusterID: "c", discovery: 15 * time.Second}, directory: newDirectory(), identities: ids, ready: ready})
	})
}

func red(e *enroller, w workload) bool {
	_, body := e.ready.report()
	return strings.Contains(body, part(w)+":")
}

func know(t *testing.T, d *directory, resource string) {
	t.Helper()
	a, err := anypb.New(&workloadapi.Address{Type: &workloadapi.Address_Workload{Workload: &workloadapi.Workload{}}})
	must(t, err)
	must(t, d.update(false, []*discovery.Resource{{Name: resource, Resource: a}}, nil))
}

func TestPodIsRedOnceIstiodTakesTooLong(t *testing.T) {
	enrolTest(t, func(t *testing.T, e *enroller) {
		p := e.prove(web)
		defer p.end()
		time.Sleep(time.Hour)
		if red(e, web) {
			t.Error("red although istiod has not answered anything yet")
		}
		must(t, e.directory.update(true, nil, nil))
		time.Sleep(14 * time.Second)
		if red(e, web) {
			t.Error("red although istiod may still send the workload")
		}
		time.Sleep(2 * time.Second)
		if !red(e, web) {
			t.Error("green although istiod has not sent the workload")
		}
		know(t, e.directory, web.resource("c"))
		cert, err := p.certificate(t.Context())
		must(t, err)
		synctest.Wait()
		if id := cert.Leaf.URIs[0].String(); id != "spiffe://cluster.local/ns/shop/sa/web" || red(e, web) {
			t.Errorf("%s, red: %v", id, red(e, web))
		}
	})
}

func TestPodThatWentIsNoReason(t *testing.T) {
	enrolTest(t, func(t *testing.T, e *enroller) {
		early, late := e.prove(web), e.prove(workload{name: "web-2"})
		early.end()
		time.Sleep(time.Minute)
		late.end()
		if red(e, web) || red(e, workload{name: "web-2"}) || len(e.identities.all()) != 0 {
			_, body := e.ready.report()
			t.Error(body)
		}
	})
}

func TestFirstAnswerOfAStreamReplacesWhatWasKnown(t *testing.T) {
	d := newDirectory()
	know(t, d, web.resource("c"))
	must(t, d.update(true, nil, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := d.trustDomain(ctx, web.resource("c")); err == nil {
		t.Error("a workload of the stream before is still known")
	}
}
