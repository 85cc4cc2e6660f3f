// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"istio.io/istio/pkg/zdsapi"
)

const maxMessage = 4096 // the agent's own messages fit into 1024 bytes

// serveAgent talks to the CNI agent until the connection breaks or ctx ends:
// hello, then one acknowledgement for each message. snapshot is called when the
// agent has sent all pods it knows.
func serveAgent(ctx context.Context, path string, pods *podSet, snapshot func()) error {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return agentReason(path, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	hello, err := proto.Marshal(&zdsapi.ZdsHello{Version: zdsapi.Version_V1})
	if err != nil {
		return err
	}
	if _, err := conn.Write(hello); err != nil {
		return agentReason(path, err)
	}
	pods.beginSnapshot()
	for {
		m, netns, err := receive(conn)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return agentReason(path, err)
		}
		failure := handle(pods, m, netns, snapshot)
		if failure != nil {
			slog.Error("stand-in: the CNI agent's message failed", "error", failure)
		}
		if err := acknowledge(conn, failure); err != nil {
			return agentReason(path, err)
		}
	}
}

// receive reads one message and the file that came with it, if any.
func receive(conn *net.UnixConn) (*zdsapi.WorkloadRequest, *os.File, error) {
	data, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, c, flags, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	netns, err := attached(control[:c])
	if err != nil {
		return nil, nil, err
	}
	var m zdsapi.WorkloadRequest
	err = proto.Unmarshal(data[:n], &m)
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("truncated message")
	}
	if err != nil && netns != nil {
		netns.Close()
	}
	return &m, netns, err
}

func attached(control []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, err
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "netns"), nil
}

func handle(pods *podSet, m *zdsapi.WorkloadRequest, netns *os.File, snapshot func()) error {
	if add := m.GetAdd(); add != nil {
		if netns == nil || add.GetWorkloadInfo() == nil {
			return fmt.Errorf("pod %s came without a network namespace or a name", add.GetUid())
		}
		i := add.GetWorkloadInfo()
		return pods.add(add.GetUid(), workload{name: i.GetName(), namespace: i.GetNamespace(), serviceAccount: i.GetServiceAccount()}, netns)
	}
	if netns != nil {
		netns.Close()
	}
	switch v := m.GetPayload().(type) {
	case *zdsapi.WorkloadRequest_Keep:
		return pods.keep(v.Keep.GetUid())
	case *zdsapi.WorkloadRequest_Del:
		pods.remove(v.Del.GetUid())
		return nil
	case *zdsapi.WorkloadRequest_SnapshotSent:
		if err := pods.endSnapshot(); err != nil {
			return err
		}
		snapshot()
		return nil
	}
	return fmt.Errorf("unknown message %T", m.GetPayload())
}

func acknowledge(conn *net.UnixConn, failure error) error {
	ack := &zdsapi.Ack{}
	if failure != nil {
		ack.Error = failure.Error()
	}
	out, err := proto.Marshal(&zdsapi.WorkloadResponse{Payload: &zdsapi.WorkloadResponse_Ack{Ack: ack}})
	if err != nil {
		return err
	}
	_, err = conn.Write(out)
	return err
}

func agentReason(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the CNI agent's socket %s is missing: is istio-cni running on this node, and in ambient mode?", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens on the CNI agent's socket %s: is istio-cni running on this node?", path)
	default:
		return fmt.Errorf("the connection to the CNI agent at %s broke: %w", path, err)
	}
}
