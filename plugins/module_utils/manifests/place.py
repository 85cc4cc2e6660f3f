# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rendered tree may stand: in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..errors import AmbientError

# Without the suffix of a manifest: Argo CD and kubectl read hidden files as well.
LIST_FILE = ".alauda.ambient.files"
STAGING = ".alauda.ambient.staging"
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_BELOW = ("/dev/shm", "/usr/local")  # folders of people may lie in these
_SHARED = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", *_BELOW)
# What a fresh checkout or a fresh volume holds.
_NO_MATTER = (".git", ".gitignore", ".gitattributes", ".gitkeep", ".github", "lost+found", LIST_FILE, STAGING)
_ELSEWHERE = "Render into a folder of its own"
_NAMED = 3


def refuse_place(dest: Path, files: Collection[str]) -> None:
    """AmbientError for a place where no tree belongs, or one that holds files which are none of a tree's."""
    for place in (Path(os.path.normpath(Path.cwd() / dest)), dest.resolve()):
        if why := _why_not(place):
            raise AmbientError(why, path=str(place), hint=_ELSEWHERE)
    if not dest.is_dir() or (dest / LIST_FILE).exists() or (dest / STAGING).exists():
        return  # what others have put beside a tree of ours stays
    ours = {path.partition("/")[0] for path in files}
    foreign = sorted(path.name for path in dest.iterdir() if path.name not in ours and path.name not in _NO_MATTER)
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        named = ", ".join(foreign[:_NAMED])
        raise AmbientError(f"holds what render has not written: {named}{more}", path=str(dest), hint=_ELSEWHERE)


def _why_not(place: Path) -> str:
    if str(place) in _SHARED:
        return "is a folder of the system, not one for a tree"
    if any(place.is_relative_to(root) for root in _SYSTEM) and not any(place.is_relative_to(root) for root in _BELOW):
        return "belongs to the system"
    if place in (Path.home(), Path("~").expanduser()) or place.parent == Path("/home"):
        return "is a home directory"
    if ".git" in place.parts:
        return "belongs to Git"
    return ""
