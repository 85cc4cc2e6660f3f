// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package istiod

import (
	"context"
	"fmt"
	"log/slog"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// AddressType is the xDS type of workloads and services.
const AddressType = "type.googleapis.com/istio.workload.Address"

// Update takes in one answer; the first one of a stream (fresh) replaces all that was known.
type Update func(fresh bool, resources []*discovery.Resource, removed []string) error

// Subscribe hands over istiod's workloads and services until the stream breaks
// or ctx ends. Only a start that fails is an error: istiod ends every stream
// after half an hour, and what was known holds.
func (c *Client) Subscribe(ctx context.Context, update Update) error {
	conn, err := c.dial(c.XDSAddress)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(c.context(ctx))
	if err != nil {
		return c.xdsReason(ctx, err)
	}
	if err := stream.Send(&discovery.DeltaDiscoveryRequest{Node: c.node(), TypeUrl: AddressType}); err != nil {
		return c.xdsReason(ctx, err)
	}
	for fresh := true; ; fresh = false {
		r, err := stream.Recv()
		if err != nil && !fresh {
			slog.Info("istiod ended the stream", "error", err)
			return nil
		}
		if err != nil {
			return c.xdsReason(ctx, err)
		}
		if err := update(fresh, r.GetResources(), r.GetRemovedResources()); err != nil {
			return err
		}
		slog.Log(ctx, level(fresh), "addresses from istiod", "changed", len(r.GetResources()), "removed", len(r.GetRemovedResources()))
		// a stream that broke meanwhile shows with the next Recv
		_ = stream.Send(&discovery.DeltaDiscoveryRequest{TypeUrl: AddressType, ResponseNonce: r.GetNonce()})
	}
}

func (c *Client) node() *core.Node {
	meta, _ := structpb.NewStruct(map[string]any{ // strings only: cannot fail
		"NAME":            c.PodName,
		"NAMESPACE":       c.PodNamespace,
		"NODE_NAME":       c.NodeName,
		"CLUSTER_ID":      c.ClusterID,
		"SERVICE_ACCOUNT": c.ServiceAccount,
	})
	id := fmt.Sprintf("ztunnel~%s~%s.%s~%s.svc.cluster.local", c.InstanceIP, c.PodName, c.PodNamespace, c.PodNamespace)
	return &core.Node{Id: id, Metadata: meta}
}

// xdsReason says what to look at.
func (c *Client) xdsReason(ctx context.Context, err error) error {
	s := status.Convert(err)
	switch {
	case ctx.Err() != nil:
		return nil
	case s.Code() == codes.Unauthenticated || s.Code() == codes.PermissionDenied:
		return fmt.Errorf("istiod at %s refuses this pod's token (XDS_ADDRESS is right, the account is not): %s", c.XDSAddress, s.Message())
	default:
		return fmt.Errorf("istiod cannot be reached at XDS_ADDRESS %s (wrong address, namespace or revision, or istiod is down): %s", c.XDSAddress, s.Message())
	}
}

// level keeps the log short: what follows the first answer comes with every
// change of any pod in the mesh.
func level(fresh bool) slog.Level {
	if fresh {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
