// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFromSockaddr(t *testing.T) {
	four := fromSockaddr4([16]byte{unix.AF_INET, 0, 0x1f, 0x90, 10, 96, 0, 1})
	if want := netip.MustParseAddrPort("10.96.0.1:8080"); four != want {
		t.Errorf("IPv4: %s, want %s", four, want)
	}
	six := fromSockaddr6(unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkOrder(8080), Addr: netip.MustParseAddr("fd00::a").As16()})
	if want := netip.MustParseAddrPort("[fd00::a]:8080"); six != want {
		t.Errorf("IPv6: %s, want %s", six, want)
	}
}

func networkOrder(port uint16) uint16 { return port<<8 | port>>8 } // on the little-endian machines this runs on
