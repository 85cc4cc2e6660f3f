// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// network is a pod's network namespace: what is opened here is opened there.
type network interface {
	listen(address string) (net.Listener, error)
	listenPacket(address string) (net.PacketConn, error)
	dial(ctx context.Context, network, address string, from source) (net.Conn, error)
	same(netns *os.File) bool
	io.Closer
}

// pod serves the redirected ports of one pod.
type pod struct {
	workload
	ports
	net         network
	proof       *proof
	nameservers []string
	roots       string
	ctx         context.Context // ends when connections are cut
	cut         context.CancelFunc
	serving     sync.WaitGroup // accept loops and connections
	listeners   []io.Closer
	hbone       *http.Server
}

func (e *enroller) openPod(w workload, netns *os.File) (runningPod, error) {
	n, err := newNamespace(netns)
	if err != nil {
		return nil, err
	}
	return e.servePod(w, n)
}

// servePod takes n over, also when it fails.
func (e *enroller) servePod(w workload, n network) (*pod, error) {
	p := &pod{workload: w, ports: e.ports, net: n, nameservers: e.nameservers, roots: e.roots}
	p.ctx, p.cut = context.WithCancel(context.Background())
	p.proof = e.prove(w)
	if err := p.start(); err != nil {
		p.close(0)
		return nil, fmt.Errorf("pod %s: %w", w, err)
	}
	return p, nil
}

func (p *pod) start() error {
	for _, s := range []struct {
		port  uint16
		serve func(net.Listener)
	}{
		{p.outbound, func(l net.Listener) { p.accept(l, p.passOut) }},
		{p.inbound, func(l net.Listener) { p.accept(l, p.passIn) }},
		{p.ports.hbone, p.serveHBONE},
	} {
		l, err := p.net.listen(fmt.Sprintf(":%d", s.port))
		if err != nil {
			return err
		}
		p.listeners = append(p.listeners, l)
		s.serve(l)
	}
	return p.startDNS()
}

// accept runs handle for each connection, in the background.
func (p *pod) accept(l net.Listener, handle func(*net.TCPConn) error) {
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if p.stopped(err) {
				return
			}
			if err != nil {
				continue
			}
			p.serving.Go(func() {
				defer c.Close()
				if err := handle(c.(*net.TCPConn)); err != nil {
					slog.Warn("stand-in: connection failed", "pod", p.workload, "client", c.RemoteAddr(), "error", err)
				}
			})
		}
	})
}

func (p *pod) sameNamespace(netns *os.File) bool { return p.net.same(netns) }

func (p *pod) close(grace time.Duration) {
	p.proof.end() // what still drains needs no other certificate, and says nothing about readiness
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for _, l := range p.listeners {
		l.Close()
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		if p.hbone != nil {
			_ = p.hbone.Shutdown(ctx) // its listener, then its connections
		}
		p.serving.Wait()
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		slog.Warn("stand-in: connections are cut", "pod", p.workload, "after", grace)
	}
	p.cut()
	if p.hbone != nil {
		p.hbone.Close()
	}
	<-drained
	p.net.Close()
}
