# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that could never start in an image: of another machine, or without their loader."""

from __future__ import annotations

import struct
import typing as t

from ..errors import AmbientError

_MACHINES = {"amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22, "riscv64": 243}
_PT_INTERP = 3


def check_program(file: t.IO[bytes], platform: str, exists: t.Callable[[str], bool], where: str) -> None:
    """Raise AmbientError if an ELF program doesn't fit the platform or its loader isn't in the image.

    file: the content, at its start; other formats are not looked at.
    exists: whether an absolute path is in the image.
    """
    head = file.read(1 << 16)
    if not head.startswith(b"\x7fELF") or len(head) < 64 or head[4] != 2:
        return
    order = "<" if head[5] == 1 else ">"
    machine = struct.unpack_from(f"{order}H", head, 18)[0]
    architecture = platform.split("/")[1]
    wanted = _MACHINES.get(architecture)
    if wanted is not None and machine != wanted:
        found = next((name for name, number in _MACHINES.items() if number == machine), f"ELF machine {machine}")
        raise AmbientError(
            f"built for {found}, the image is {platform}", path=where, hint="Give the right file, or correct platform"
        )
    loader = _loader(head, order)
    if loader and not exists(loader):
        raise AmbientError(
            f"needs the loader {loader}, which the image lacks",
            path=where,
            hint="Take a base that has it, or a statically linked program",
        )


def _loader(head: bytes, order: str) -> str:
    offset = struct.unpack_from(f"{order}Q", head, 32)[0]
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    for index in range(count):
        at = offset + index * size
        if at + 56 > len(head):
            return ""
        if struct.unpack_from(f"{order}I", head, at)[0] == _PT_INTERP:
            start = struct.unpack_from(f"{order}Q", head, at + 8)[0]
            length = struct.unpack_from(f"{order}Q", head, at + 32)[0]
            return head[start : start + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""
