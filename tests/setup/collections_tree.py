# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay a collections tree: kubernetes.core from the wheel that carries it, and this checkout as alauda.ambient.

Usage: collections_tree.py TREE LOCK
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CARRIED = "ansible_collections/kubernetes/"


def unpack_carried(lock: Path, tree: Path) -> None:
    """Unpack kubernetes.core into `tree` from the wheel that `lock` names by hash."""
    with tempfile.TemporaryDirectory(dir=tree) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--dest", folder, "-r", str(lock)], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(CARRIED)])
        target = tree / CARRIED
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / CARRIED).rename(target)


def link_checkout(tree: Path) -> None:
    """Let `alauda.ambient` in `tree` be this checkout, wherever it is moved to."""
    link = tree / "ansible_collections/alauda/ambient"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(CHECKOUT, link.parent))


def main() -> None:
    tree, lock = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    tree.mkdir(parents=True, exist_ok=True)
    print("Fetching kubernetes.core from the PyPI wheel that carries it (54 MB)")
    unpack_carried(lock, tree)
    link_checkout(tree)


if __name__ == "__main__":
    main()
