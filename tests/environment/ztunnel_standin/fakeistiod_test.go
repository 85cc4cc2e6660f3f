// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
	"ambient.alauda.io/ztunnel-standin/istiod"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	pb "istio.io/api/security/v1alpha1"
	"istio.io/istio/pkg/security"
	"istio.io/istio/pkg/workloadapi"
)

// fakeIstiod answers as istiod does, on TLS, to callers with a token.
type fakeIstiod struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	pb.UnimplementedIstioCertificateServiceServer
	ca       *fakeca.Authority
	pods     []workload // that it knows
	untrusts bool       // refuses impersonation
}

// serve returns the address.
func (f *fakeIstiod) serve(t *testing.T) string {
	t.Helper()
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(f.ca.Leaf(t, "spiffe://cluster.local/istiod", "localhost"))))
	discovery.RegisterAggregatedDiscoveryServiceServer(s, f)
	pb.RegisterIstioCertificateServiceServer(s, f)
	l, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port
}

func authenticated(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if strings.Join(md.Get("authorization"), "") != "Bearer good" {
		return status.Error(codes.Unauthenticated, "authentication failure")
	}
	return nil
}

func (f *fakeIstiod) DeltaAggregatedResources(s discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	if err := authenticated(s.Context()); err != nil {
		return err
	}
	if _, err := s.Recv(); err != nil {
		return err
	}
	out := &discovery.DeltaDiscoveryResponse{Nonce: "1", TypeUrl: istiod.AddressType}
	for _, w := range f.pods {
		a, err := anypb.New(&workloadapi.Address{Type: &workloadapi.Address_Workload{
			Workload: &workloadapi.Workload{Name: w.name, Namespace: w.namespace, TrustDomain: "mesh.example"},
		}})
		if err != nil {
			return err
		}
		out.Resources = append(out.Resources, &discovery.Resource{Name: w.resource("Kubernetes"), Resource: a})
	}
	if err := s.Send(out); err != nil {
		return err
	}
	_, err := s.Recv()
	<-s.Context().Done()
	return err
}

func (f *fakeIstiod) CreateCertificate(ctx context.Context, r *pb.IstioCertificateRequest) (*pb.IstioCertificateResponse, error) {
	if err := authenticated(ctx); err != nil {
		return nil, err
	}
	if f.untrusts {
		return nil, status.Error(codes.Unauthenticated, "request impersonation authentication failure")
	}
	block, _ := pem.Decode([]byte(r.GetCsr()))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	id := r.GetMetadata().GetFields()[security.ImpersonatedIdentity].GetStringValue()
	der, err := f.ca.Sign(request.PublicKey, id, nil, time.Duration(r.GetValidityDuration())*time.Second)
	if err != nil {
		return nil, err
	}
	leaf := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return &pb.IstioCertificateResponse{CertChain: []string{leaf, f.ca.PEM()}}, nil
}

func TestSignReturnsAServingCertificateForThePodsIdentity(t *testing.T) {
	f := &fakeIstiod{ca: fakeca.New(t)}
	i := testConfig(t, f).istiod()
	const id = "spiffe://mesh.example/ns/shop/sa/web"
	cert, err := i.Impersonate(t.Context(), id)
	must(t, err)
	if len(cert.Certificate) != 1 || cert.Leaf.URIs[0].String() != id {
		t.Errorf("chain of %d for %v", len(cert.Certificate), cert.Leaf.URIs)
	}
	if life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore); life != istiod.RequestedLifetime {
		t.Errorf("lifetime %s", life)
	}
}
