// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package fakeagent plays the CNI agent's end of ztunnel's socket in tests, so
// that one ztunnel can be handed pods without touching the node's real agent.
package fakeagent

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"istio.io/istio/pkg/zdsapi"
)

const timeout = 5 * time.Second // the real agent's

// Pod is what the agent tells of a pod.
type Pod struct{ UID, Name, Namespace, ServiceAccount string }

// Agent listens for ztunnels.
type Agent struct{ listener *net.UnixListener }

// Conn is one ztunnel that said hello.
type Conn struct{ *net.UnixConn }

// Listen replaces a socket that a predecessor left behind.
func Listen(path string) (*Agent, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	return &Agent{l}, err
}

// Close removes the socket.
func (a *Agent) Close() error { return a.listener.Close() }

// Accept waits for a ztunnel and its hello.
func (a *Agent) Accept() (*Conn, error) {
	c, err := a.listener.AcceptUnix()
	if err != nil {
		return nil, err
	}
	conn := &Conn{c}
	var hello zdsapi.ZdsHello
	if err = conn.read(&hello); err == nil && hello.GetVersion() != zdsapi.Version_V1 {
		err = fmt.Errorf("hello of version %v", hello.GetVersion())
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return conn, nil
}

// Add hands a pod over; netns is the file of its network namespace.
func (c *Conn) Add(p Pod, netns *os.File) error {
	info := &zdsapi.WorkloadInfo{Name: p.Name, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount}
	return c.send(&zdsapi.WorkloadRequest{Payload: &zdsapi.WorkloadRequest_Add{
		Add: &zdsapi.AddWorkload{Uid: p.UID, WorkloadInfo: info},
	}}, netns)
}

// Keep names a pod whose namespace the agent does not have at hand.
func (c *Conn) Keep(uid string) error {
	return c.send(&zdsapi.WorkloadRequest{Payload: &zdsapi.WorkloadRequest_Keep{Keep: &zdsapi.KeepWorkload{Uid: uid}}}, nil)
}

// Delete takes a pod back.
func (c *Conn) Delete(uid string) error {
	return c.send(&zdsapi.WorkloadRequest{Payload: &zdsapi.WorkloadRequest_Del{Del: &zdsapi.DelWorkload{Uid: uid}}}, nil)
}

// SnapshotSent ends the list of pods.
func (c *Conn) SnapshotSent() error {
	return c.send(&zdsapi.WorkloadRequest{Payload: &zdsapi.WorkloadRequest_SnapshotSent{SnapshotSent: &zdsapi.SnapshotSent{}}}, nil)
}

// send returns the error that the ztunnel acknowledges with, if any.
func (c *Conn) send(m *zdsapi.WorkloadRequest, file *os.File) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := c.WriteMsgUnix(data, rights, nil); err != nil {
		return err
	}
	var answer zdsapi.WorkloadResponse
	if err := c.read(&answer); err != nil {
		return err
	}
	if e := answer.GetAck().GetError(); e != "" {
		return fmt.Errorf("ztunnel answered: %s", e)
	}
	return nil
}

func (c *Conn) read(m proto.Message) error {
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	n, err := c.Read(buffer)
	if err != nil {
		return err
	}
	return proto.Unmarshal(buffer[:n], m)
}
