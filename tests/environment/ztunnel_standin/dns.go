// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

const (
	dnsTimeout    = 5 * time.Second
	dnsConcurrent = 256 // queries of one pod under way; more wait in the socket's buffer
	maxDatagram   = 65535
)

// startDNS listens on loopback only: REDIRECT sends the pod's queries there, and
// an answer from any other address would not be taken.
func (p *pod) startDNS() error {
	for _, host := range []string{"127.0.0.1", "::1"} {
		at := net.JoinHostPort(host, fmt.Sprint(p.dns))
		udp, err := p.net.listenPacket(at)
		if err != nil {
			if host == "::1" {
				break // a pod without IPv6
			}
			return err
		}
		p.listeners = append(p.listeners, udp)
		p.serveDNS(udp)
		tcp, err := p.net.listen(at)
		if err != nil {
			return err
		}
		p.listeners = append(p.listeners, tcp)
		p.accept(tcp, p.passDNS)
	}
	return nil
}

// serveDNS forwards datagrams as they are.
func (p *pod) serveDNS(udp net.PacketConn) {
	slots := make(chan struct{}, dnsConcurrent)
	p.serving.Go(func() {
		buffer := make([]byte, maxDatagram)
		for {
			n, client, err := udp.ReadFrom(buffer)
			if p.stopped(err) {
				return
			}
			if err != nil {
				continue
			}
			query := append([]byte(nil), buffer[:n]...)
			slots <- struct{}{}
			p.serving.Go(func() {
				defer func() { <-slots }()
				answer, err := p.ask(query)
				if err == nil {
					_, err = udp.WriteTo(answer, client)
				}
				if err != nil && !errors.Is(err, net.ErrClosed) {
					slog.Warn("stand-in: DNS query failed", "pod", p.workload, "error", err)
				}
			})
		}
	})
}

func (p *pod) ask(query []byte) ([]byte, error) {
	up, err := p.dialNameserver("udp")
	if err != nil {
		return nil, err
	}
	defer up.Close()
	if err := up.SetDeadline(time.Now().Add(dnsTimeout)); err != nil {
		return nil, err
	}
	if _, err := up.Write(query); err != nil {
		return nil, err
	}
	answer := make([]byte, maxDatagram)
	n, err := up.Read(answer)
	return answer[:n], err
}

func (p *pod) passDNS(c *net.TCPConn) error {
	up, err := p.dialNameserver("tcp")
	if err != nil {
		return err
	}
	pump(p.ctx, c, up)
	return nil
}

// dialNameserver takes the first that can be dialled. Like ztunnel it asks from
// inside the pod, so that the pod's network policies hold.
func (p *pod) dialNameserver(network string) (net.Conn, error) {
	failed := errors.New("no nameserver in /etc/resolv.conf")
	for _, server := range p.nameservers {
		var up net.Conn
		if up, failed = p.net.dial(p.ctx, network, server, source{}); failed == nil {
			return up, nil
		}
	}
	return nil, failed
}
