// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package istiod

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	pb "istio.io/api/security/v1alpha1"
	"istio.io/istio/pkg/security"
)

const (
	// RequestedLifetime is what ztunnel asks for, too.
	RequestedLifetime  = 24 * time.Hour
	signTimeout        = 10 * time.Second
	defaultTrustDomain = "cluster.local"
)

// Impersonate has istiod sign a new key for the identity of a pod on this node.
// Only the accounts that istiod trusts may ask for that.
func (c *Client) Impersonate(ctx context.Context, id string) (*tls.Certificate, error) {
	meta, err := structpb.NewStruct(map[string]any{security.ImpersonatedIdentity: id})
	if err != nil {
		return nil, err
	}
	return c.sign(ctx, id, meta)
}

// Own has istiod sign a new key for the caller's own service account, which the
// token names: what the request itself says does not count.
func (c *Client) Own(ctx context.Context) (*tls.Certificate, error) {
	id := fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", defaultTrustDomain, c.PodNamespace, c.ServiceAccount)
	return c.sign(ctx, id, nil)
}

func (c *Client) sign(ctx context.Context, id string, meta *structpb.Struct) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	key, csr, err := request(id)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(c.CAAddress)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := pb.NewIstioCertificateServiceClient(conn).CreateCertificate(c.context(ctx), &pb.IstioCertificateRequest{
		Csr: csr, ValidityDuration: int64(RequestedLifetime.Seconds()), Metadata: meta,
	})
	if err != nil {
		return nil, c.signReason(id, err)
	}
	return certificate(key, answer.GetCertChain())
}

// signReason names the causes that istiod hides from its callers: it only logs them.
func (c *Client) signReason(id string, err error) error {
	s := status.Convert(err)
	if s.Code() == codes.Unauthenticated && strings.Contains(s.Message(), "impersonation") {
		return fmt.Errorf("istiod refuses to sign %s for the account %s/%s (impersonation): wrong trusted namespace "+
			"(trustedZtunnelNamespace, CA_TRUSTED_NODE_ACCOUNTS), or a pod that istiod does not see on this node: %s",
			id, c.PodNamespace, c.ServiceAccount, s.Message())
	}
	if s.Code() == codes.Unauthenticated {
		return fmt.Errorf("istiod refuses this pod's token when asked to sign %s: %s", id, s.Message())
	}
	return fmt.Errorf("no certificate for %s from CA_ADDRESS %s: %s", id, c.CAAddress, s.Message())
}

func request(id string) (*ecdsa.PrivateKey, string, error) {
	uri, err := url.Parse(id)
	if err != nil {
		return nil, "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uri}}, key)
	if err != nil {
		return nil, "", err
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// certificate takes istiod's chain: leaf, intermediates, and last the root,
// which peers have anyway.
func certificate(key *ecdsa.PrivateKey, chain []string) (*tls.Certificate, error) {
	if len(chain) < 2 {
		return nil, errors.New("istiod sent a certificate chain without a root")
	}
	out := &tls.Certificate{PrivateKey: key}
	rest := []byte(strings.Join(chain[:len(chain)-1], "\n"))
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		out.Certificate = append(out.Certificate, block.Bytes)
	}
	if len(out.Certificate) == 0 {
		return nil, errors.New("istiod sent a certificate chain that holds no certificate")
	}
	leaf, err := x509.ParseCertificate(out.Certificate[0])
	out.Leaf = leaf
	return out, err
}
