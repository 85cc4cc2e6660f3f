# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker command whose containers are described in a JSON file (FAKE_DOCKER): nodes that keep what they import.

{"containers": [{"name", "state", "cluster", "role"}], "fail": {"exec": "message"},
 "nodes": {name: {"images", "content"}}}
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import tarfile
from pathlib import Path

WORLD = Path(os.environ["FAKE_DOCKER"])


def main(arguments: list[str]) -> int:
    with WORLD.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world = json.loads(WORLD.read_text())
        world["calls"].append(arguments)
        status = act(world, arguments)
        WORLD.write_text(json.dumps(world))
    return status


def act(world: dict, arguments: list[str]) -> int:
    for part in arguments[:1] + arguments[-2:]:
        if part in world["fail"]:
            print(world["fail"][part], file=sys.stderr)
            return 1
    if arguments[0] == "ps":
        for item in world["containers"]:
            print("\t".join([item["name"], item["state"], item.get("cluster", ""), item.get("role", "")]))
        return 0
    node = world["nodes"][next(name for name in arguments if name in world["nodes"])]
    if arguments[-3:] == ["images", "list", "--quiet"]:
        print("\n".join(node["images"]))
    elif arguments[-3:] == ["content", "list", "--quiet"]:
        print("\n".join(node["content"]))
    else:
        load(node)
    return 0


def load(node: dict) -> None:
    """Import the archive on standard input, as containerd does: an image without all of its content is an error."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        files = {info.name: archive.extractfile(info).read() for info in archive}
    received = []
    for name, data in files.items():
        if name.startswith("blobs/"):
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            assert name == f"blobs/sha256/{digest[7:]}"
            received.append(digest)
            node["content"].append(digest)
            node.setdefault("blobs", {})[digest] = data.decode("latin-1") if data.startswith(b"{") else ""
    node.setdefault("received", []).append(sorted(received))
    for entry in json.loads(files["index.json"])["manifests"]:
        manifest = json.loads(node["blobs"][entry["digest"]])
        assert all(child["digest"] in node["content"] for child in [manifest["config"], *manifest["layers"]])
        if not node.get("forgets"):
            node["images"].append(entry["annotations"]["io.containerd.image.name"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
