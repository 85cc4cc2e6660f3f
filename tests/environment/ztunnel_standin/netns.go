// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// packetMark tells the pod's redirection rules to leave a packet alone.
	packetMark  = 0x539
	dialTimeout = 10 * time.Second
)

// source is the address a connection shall come from; the zero value lets the
// kernel choose.
type source = netip.Addr

// namespace is a network namespace held open by its descriptor. Sockets belong
// to the namespace they were created in, whoever uses them later, so only their
// creation enters it.
type namespace struct {
	file *os.File
	stat unix.Stat_t
}

func newNamespace(file *os.File) (*namespace, error) {
	n := &namespace{file: file}
	if err := n.control(func(fd int) error { return unix.Fstat(fd, &n.stat) }); err != nil {
		file.Close()
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return n, nil
}

// control keeps the descriptor open while f runs.
func (n *namespace) control(f func(fd int) error) error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// do runs f on a thread that is inside the namespace.
func (n *namespace) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine and serves no other
		if err := n.control(func(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) }); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

func (n *namespace) listen(address string) (l net.Listener, err error) {
	lc := net.ListenConfig{Control: options(reusePort, mark)}
	lc.SetMultipathTCP(false) // SO_ORIGINAL_DST needs plain TCP
	err = n.do(func() error {
		l, err = lc.Listen(context.Background(), "tcp", address)
		return err
	})
	return l, err
}

func (n *namespace) listenPacket(address string) (p net.PacketConn, err error) {
	lc := net.ListenConfig{Control: options(reusePort)}
	err = n.do(func() error {
		p, err = lc.ListenPacket(context.Background(), "udp", address)
		return err
	})
	return p, err
}

func (n *namespace) dial(ctx context.Context, network, address string, from source) (c net.Conn, err error) {
	d := net.Dialer{Timeout: dialTimeout, Control: options(mark)}
	if from.IsValid() {
		d.Control = options(mark, transparent)
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	err = n.do(func() error {
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

func (n *namespace) same(netns *os.File) bool {
	var other unix.Stat_t
	o := namespace{file: netns}
	err := o.control(func(fd int) error { return unix.Fstat(fd, &other) })
	return err == nil && other.Dev == n.stat.Dev && other.Ino == n.stat.Ino
}

func (n *namespace) Close() error { return n.file.Close() }

type option func(fd int, network string) error

// reusePort lets a successor listen before its predecessor has ended.
func reusePort(fd int, _ string) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

func mark(fd int, _ string) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, packetMark)
}

// transparent lets a socket come from an address that is not the pod's.
func transparent(fd int, network string) error {
	if network == "tcp6" {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
}

func options(all ...option) func(network, _ string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			for _, o := range all {
				if failed = o(int(fd), network); failed != nil {
					return
				}
			}
		})
		if err != nil {
			return err
		}
		return failed
	}
}
