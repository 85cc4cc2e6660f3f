// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	"ambient.alauda.io/ztunnel-standin/routing"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"istio.io/istio/pkg/workloadapi"
)

// bookBefore knows Service cart.shop, port 80, whose only pod is this server.
func bookBefore(t *testing.T, server string) *routing.Book {
	t.Helper()
	at := netip.MustParseAddrPort(server)
	ports := []*workloadapi.Port{{ServicePort: 80, TargetPort: uint32(at.Port())}}
	name := "shop/cart.shop.svc.cluster.local"
	book := routing.NewBook()
	var resources []*discovery.Resource
	for _, address := range []*workloadapi.Address{
		{Type: &workloadapi.Address_Service{Service: &workloadapi.Service{
			Name: "cart", Namespace: "shop", Hostname: "cart.shop.svc.cluster.local", Ports: ports,
			Addresses: []*workloadapi.NetworkAddress{{Address: []byte{10, 0, 0, 1}}},
		}}},
		{Type: &workloadapi.Address_Workload{Workload: &workloadapi.Workload{
			Uid: "cart-1", Namespace: "shop", Addresses: [][]byte{at.Addr().AsSlice()},
			Services: map[string]*workloadapi.PortList{name: {Ports: ports}},
		}}},
	} {
		packed, err := anypb.New(address)
		if err != nil {
			t.Fatal(err)
		}
		resource := "cart-1"
		if address.GetService() != nil {
			resource = name
		}
		resources = append(resources, &discovery.Resource{Name: resource, Resource: packed})
	}
	if err := book.Update(true, resources, nil); err != nil {
		t.Fatal(err)
	}
	return book
}

func pairOf(t *testing.T, ca *fakeca.Authority) pair {
	t.Helper()
	leaf := ca.Leaf(t, "spiffe://cluster.local/ns/shop/sa/web")
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
}

func TestBatchAnswersEachRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, r.RequestURI)
	}))
	defer s.Close()
	b := batch{Identities: map[string]pair{"web": pairOf(t, fakeca.New(t))}}
	for i := range 40 { // more than at once
		method := []string{"GET", "POST"}[i%2]
		head := fmt.Sprintf("%s /%d//x HTTP/1.1\r\nHost: cart\r\n\r\n", method, i)
		b.Requests = append(b.Requests, request{ID: fmt.Sprint(i), Identity: "web", To: "cart.shop:80", Head: head})
	}
	b.Requests = append(b.Requests, request{ID: "stranger", Identity: "none", To: "cart.shop:80"}, request{ID: "lost", Identity: "web", To: "stock.shop:80"})
	in, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	client := &routing.Client{Book: bookBefore(t, s.Listener.Addr().String()), Dialer: &routing.Dialer{}}
	if err := runBatch(t.Context(), bytes.NewReader(in), &out, client); err != nil {
		t.Fatal(err)
	}
	said := map[string]verdict{}
	for line := range strings.Lines(out.String()) {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		said[v.ID] = v
	}
	for i := range 40 {
		want := verdict{routing.Banner, fmt.Sprint(i), routing.RoutePlain, []int{200, 403}[i%2], fmt.Sprintf("/%d//x", i), ""}
		if said[want.ID] != want {
			t.Errorf("%+v, want %+v", said[want.ID], want)
		}
	}
	for id, want := range map[string]string{"stranger": "not in the batch", "lost": "knows no address"} {
		if v := said[id]; v.Status != 0 || !strings.Contains(v.Error, want) {
			t.Errorf("%+v, want %s", v, want)
		}
	}
}

func TestBatchThatIsNone(t *testing.T) {
	client := &routing.Client{Book: routing.NewBook(), Dialer: &routing.Dialer{}}
	for in, want := range map[string]string{"": "no batch", `{"identities": {"web": {}}}`: "identity web"} {
		if err := runBatch(t.Context(), strings.NewReader(in), io.Discard, client); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}
