// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package istiod is the control plane as a node proxy reaches it: its workloads
// and services by xDS, and its certificate authority.
package istiod

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// Client reaches istiod over TLS with the mesh's roots and the pod's projected token.
type Client struct {
	XDSAddress, CAAddress string
	ClusterID             string
	NodeName, InstanceIP  string
	PodName, PodNamespace string
	ServiceAccount        string
	Token, Roots          string // paths
}

// dial reads the roots anew, so that a rotation is seen with the next connection.
func (c *Client) dial(address string) (*grpc.ClientConn, error) {
	pool, err := ReadRoots(c.Roots)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})),
		grpc.WithPerRPCCredentials(bearer{c.Token}))
}

func (c *Client) context(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "ClusterID", c.ClusterID)
}

// ReadRoots reads root certificates from a PEM file.
func ReadRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the mesh's root certificates cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// bearer reads the token for each call: the kubelet replaces it before it expires.
type bearer struct{ path string }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }
