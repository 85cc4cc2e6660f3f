// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
)

// answer is what the test's nameserver makes of a query.
func answer(query []byte) []byte { return append([]byte("answer to "), query...) }

// nameserver serves UDP and TCP on one port.
func nameserver(t *testing.T) string {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	must(t, err)
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	go func() {
		buffer := make([]byte, maxDatagram)
		for {
			n, client, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(answer(buffer[:n]), client)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			query, _ := io.ReadAll(c)
			_, _ = c.Write(answer(query))
			c.Close()
		}
	}()
	return udp.LocalAddr().String()
}

func exchange(t *testing.T, network string, to net.Addr, query []byte) []byte {
	t.Helper()
	c, err := net.Dial(network, to.String())
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = c.Write(query)
	must(t, err)
	if network == "udp" {
		buffer := make([]byte, maxDatagram)
		n, err := c.Read(buffer)
		must(t, err)
		return buffer[:n]
	}
	must(t, c.(*net.TCPConn).CloseWrite())
	out, err := io.ReadAll(c)
	must(t, err)
	return out
}

// dnsAddress finds the pod's first IPv4 DNS listener of the kind.
func dnsAddress(p *pod, network string) net.Addr {
	for _, l := range p.listeners[3:] { // after outbound, inbound and HBONE
		switch l := l.(type) {
		case net.PacketConn:
			if network == "udp" {
				return l.LocalAddr()
			}
		case net.Listener:
			if network == "tcp" {
				return l.Addr()
			}
		}
	}
	return nil
}

func TestDNSIsForwarded(t *testing.T) {
	p := loopbackPod(t, fakeca.New(t), nameserver(t))
	for network, query := range map[string]string{
		"udp": strings.Repeat("u", 3000), // beyond what fits without EDNS
		"tcp": strings.Repeat("t", 100_000),
	} {
		t.Run(network, func(t *testing.T) {
			if got := exchange(t, network, dnsAddress(p, network), []byte(query)); !bytes.Equal(got, answer([]byte(query))) {
				t.Errorf("%d bytes came back", len(got))
			}
		})
	}
}

func TestDNSOverTCPTakesTheNextNameserver(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dead.Close()
	p := loopbackPod(t, fakeca.New(t), dead.Addr().String(), nameserver(t))
	if got := exchange(t, "tcp", dnsAddress(p, "tcp"), []byte("q")); string(got) != "answer to q" {
		t.Errorf("%q", got)
	}
}

func TestNameservers(t *testing.T) {
	got := nameservers("search a b\nnameserver 10.96.0.10\noptions ndots:5\nnameserver fd00::a\n")
	if strings.Join(got, " ") != "10.96.0.10:53 [fd00::a]:53" {
		t.Errorf("%v", got)
	}
}
