// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

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

const addressType = "type.googleapis.com/istio.workload.Address"

// subscribe keeps dir equal to istiod's workloads until the stream breaks or
// ctx ends; answered is called with each answer. Only a start that fails is an
// error: istiod ends every stream after half an hour, and what was known holds.
func (i *istiod) subscribe(ctx context.Context, dir *directory, answered func()) error {
	conn, err := i.dial(i.xdsAddress)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(i.context(ctx))
	if err != nil {
		return i.xdsReason(ctx, err)
	}
	if err := stream.Send(&discovery.DeltaDiscoveryRequest{Node: i.node(), TypeUrl: addressType}); err != nil {
		return i.xdsReason(ctx, err)
	}
	for fresh := true; ; fresh = false {
		r, err := stream.Recv()
		if err != nil && !fresh {
			slog.Info("stand-in: istiod ended the stream", "error", err)
			return nil
		}
		if err != nil {
			return i.xdsReason(ctx, err)
		}
		if err := dir.update(fresh, r.GetResources(), r.GetRemovedResources()); err != nil {
			return err
		}
		answered()
		slog.Log(ctx, level(fresh), "stand-in: workloads from istiod", "changed", len(r.GetResources()), "removed", len(r.GetRemovedResources()))
		// a stream that broke meanwhile shows with the next Recv
		_ = stream.Send(&discovery.DeltaDiscoveryRequest{TypeUrl: addressType, ResponseNonce: r.GetNonce()})
	}
}

func (i *istiod) node() *core.Node {
	meta, _ := structpb.NewStruct(map[string]any{ // strings only: cannot fail
		"NAME":            i.podName,
		"NAMESPACE":       i.podNamespace,
		"NODE_NAME":       i.nodeName,
		"CLUSTER_ID":      i.clusterID,
		"SERVICE_ACCOUNT": i.serviceAccount,
	})
	id := fmt.Sprintf("ztunnel~%s~%s.%s~%s.svc.cluster.local", i.instanceIP, i.podName, i.podNamespace, i.podNamespace)
	return &core.Node{Id: id, Metadata: meta}
}

// xdsReason says what to look at.
func (i *istiod) xdsReason(ctx context.Context, err error) error {
	s := status.Convert(err)
	switch {
	case ctx.Err() != nil:
		return nil
	case s.Code() == codes.Unauthenticated || s.Code() == codes.PermissionDenied:
		return fmt.Errorf("istiod at %s refuses this pod's token (XDS_ADDRESS is right, the account is not): %s", i.xdsAddress, s.Message())
	default:
		return fmt.Errorf("istiod cannot be reached at XDS_ADDRESS %s (wrong address, namespace or revision, or istiod is down): %s", i.xdsAddress, s.Message())
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
