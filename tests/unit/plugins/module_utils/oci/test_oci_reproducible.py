# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Equal inputs give an equal digest under every Python build, with every zlib and liblzma."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, ssl, sys, zlib
from pathlib import Path
from ansible_collections.alauda.ambient.plugins.module_utils.oci.build import Builder
from ansible_collections.alauda.ambient.plugins.module_utils.oci.definition import parse_definition
from ansible_collections.alauda.ambient.plugins.module_utils.oci.inputs import Request
from ansible_collections.alauda.ambient.plugins.module_utils.oci.sources import SourceSpec
folder, base = Path(sys.argv[1]), sys.argv[2]
files = [{"source": "program", "target": "/bin/program-\\u00e9", "mode": "0755"},
         {"content": "\\u00e9\\n", "target": "/" + "deep/" * 60 + "file"}, {"directory": "/tmp", "mode": "1777"}]
spec = {"base": {"archive": base}, "files": files, "user": "1:1",
        "env": {"B": "1", "A": "\\u00e9"}, "labels": {"b": "1", "a": "2"}}
request = Request(parse_definition(spec, str(folder / "image.yml")), folder / sys.argv[3],
                  {"program": SourceSpec(path=str(folder / "program"))})
image = next(Builder([request], None).build())
print(json.dumps({"digest": image.digest, "python": [sys.version, zlib.ZLIB_RUNTIME_VERSION, ssl.OPENSSL_VERSION]}))
"""


def interpreters() -> list[str]:
    """One Python >= 3.11 per build found on this machine, the running one first."""
    names = [f"python3.{minor}" for minor in range(11, 20)]
    folders = [*os.environ["PATH"].split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    folders += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin"))]
    candidates = [sys.executable, *(f"{folder}/{name}" for folder in folders for name in ("python3", *names))]
    found: dict[str, str] = {}
    for candidate in candidates:
        if "shims" in candidate or not shutil.which(candidate):
            continue
        probe = "import sys, zlib; print(sys.version_info >= (3, 11), sys.version, zlib.ZLIB_RUNTIME_VERSION)"
        asked = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout.startswith("True"):
            found.setdefault(asked.stdout, candidate)
    return list(found.values())


def test_every_python_gives_the_same_digest(tmp_path: Path, rootfs: Path, program: Path) -> None:
    pythons = interpreters()
    if len(pythons) < 2:
        pytest.skip(f"only one build of Python >= 3.11 was found on this machine: {pythons[0]}")
    bases = ["rootfs.tar", "fast.tar.gz", "small.tar.gz", "small.tar.xz"]
    (tmp_path / bases[1]).write_bytes(gzip.compress(rootfs.read_bytes(), 1, mtime=1))
    (tmp_path / bases[2]).write_bytes(gzip.compress(rootfs.read_bytes(), 9, mtime=2))
    (tmp_path / bases[3]).write_bytes(lzma.compress(rootfs.read_bytes()))
    script = tmp_path / "build.py"
    script.write_text(SCRIPT)
    collections = next(path for path in sys.path if (Path(path) / "ansible_collections/alauda").exists())
    environment = {"PYTHONPATH": collections, "PATH": os.environ["PATH"], "PYTHONHASHSEED": "random"}
    results = {}
    for number, python in enumerate(pythons):
        base = bases[number % len(bases)]
        command = [python, str(script), str(tmp_path), base, f"layout-{number}"]
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answer = json.loads(made.stdout)
        results[python, base, *answer["python"]] = answer["digest"]
    assert len(results) == len(pythons) and len(set(results.values())) == 1, results
