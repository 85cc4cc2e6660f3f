// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST.
const soOriginalDst = 80

// originalDestination asks connection tracking where a redirected connection
// was going. The listeners are dual-stack, so the family is the client's.
func originalDestination(c *net.TCPConn) (netip.AddrPort, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	read := original4
	if address(c.LocalAddr()).Addr().Is6() {
		read = original6
	}
	var dst netip.AddrPort
	var failed error
	if err := raw.Control(func(fd uintptr) { dst, failed = read(int(fd)) }); err != nil {
		return netip.AddrPort{}, err
	}
	if failed != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", failed)
	}
	return dst, nil
}

func original4(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, soOriginalDst) // the sockaddr_in fills its first 16 bytes
	if err != nil {
		return netip.AddrPort{}, err
	}
	return fromSockaddr4(m.Multiaddr), nil
}

func original6(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, soOriginalDst) // begins with a sockaddr_in6
	if err != nil {
		return netip.AddrPort{}, err
	}
	return fromSockaddr6(m.Addr), nil
}

// fromSockaddr4 reads family (2 bytes), port (2, big endian), address (4).
func fromSockaddr4(b [16]byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4]))
}

func fromSockaddr6(s unix.RawSockaddrInet6) netip.AddrPort {
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], s.Port)
	return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), binary.BigEndian.Uint16(port[:]))
}
