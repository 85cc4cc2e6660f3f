// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

var errOwnPort = errors.New("the connection was addressed to the stand-in itself")

// passOut carries what the pod sends to where it was sent.
func (p *pod) passOut(c *net.TCPConn) error {
	to, err := originalDestination(c)
	if err != nil {
		return err
	}
	if to == address(c.LocalAddr()) { // not redirected: dialling it would come back here
		return errOwnPort
	}
	return p.pass(c, to, source{})
}

// passIn carries what others send into the pod. As with ztunnel the application
// sees the client's address; the agent's rules lead its answers back here.
func (p *pod) passIn(c *net.TCPConn) error {
	to, err := originalDestination(c)
	if err != nil {
		return err
	}
	if p.own(to.Port()) {
		return errOwnPort
	}
	return p.pass(c, to, spoofable(address(c.RemoteAddr())))
}

func (p *pod) pass(c *net.TCPConn, to netip.AddrPort, from source) error {
	up, err := p.net.dial(p.ctx, "tcp", to.String(), from)
	if err != nil {
		return err
	}
	pump(p.ctx, c, up)
	return nil
}

// spoofable leaves link-local addresses out: binding to one needs an interface.
func spoofable(client netip.AddrPort) source {
	if client.Addr().IsLinkLocalUnicast() {
		return source{}
	}
	return client.Addr()
}

// address unmaps an IPv4 address that came through a dual-stack socket.
func address(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// pump copies both ways until both are done, an error occurs or ctx ends; it
// closes both connections.
func pump(ctx context.Context, a, b net.Conn) {
	shut := sync.OnceFunc(func() {
		a.Close()
		b.Close()
	})
	defer shut()
	defer context.AfterFunc(ctx, shut)()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(a, b, shut) })
	both.Go(func() { copyHalf(b, a, shut) })
	both.Wait()
}

func copyHalf(to, from net.Conn, broken func()) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		broken()
	}
}

// stopped tells whether a loop over a listener or socket has to end; it slows
// the loop down on other errors, such as too many open files.
func (p *pod) stopped(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	slog.Warn("stand-in: accept", "pod", fmt.Sprint(p.workload), "error", err)
	time.Sleep(100 * time.Millisecond)
	return false
}
