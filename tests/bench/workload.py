# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is applied: namespaces, each with a policy and its mTLS mode."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_SECURITY = "security.istio.io/v1"


@dataclass(frozen=True)
class Files:
    """The same objects twice: a List in JSON, which the tools read, and one JSON document per line for the raw loop."""

    manifests: Path
    lines: Path


def objects(count: int, changed: int = 0) -> list[Object]:
    """`count` objects, a third of each kind; `changed` of them, evenly spread, differ from the first state."""
    step = count // changed if changed else 0
    found: list[Object] = []
    kinds = ("Namespace", "AuthorizationPolicy", "PeerAuthentication")
    for rank, kind in enumerate(kinds):
        for number in range((count + len(kinds) - 1 - rank) // len(kinds)):
            differs = bool(step) and len(found) % step == 0 and len(found) // step < changed
            found.append(_object(kind, number, "new" if differs else "old"))
    return found


def write(directory: Path, name: str, content: list[Object]) -> Files:
    """Both files of one state."""
    files = Files(directory / f"{name}.json", directory / f"{name}.jsonl")
    files.manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": content}))
    files.lines.write_text("".join(json.dumps(obj) + "\n" for obj in content))
    return files


def _object(kind: str, number: int, state: str) -> Object:
    namespace = f"team-{number:05}"
    labels = {"team": f"team-{number % 40}", "state": state}
    if kind == "Namespace":
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": namespace, "labels": labels}}
    metadata = {"name": "default", "namespace": namespace, "labels": labels}
    spec: Object = {"mtls": {"mode": "STRICT"}}
    if kind == "AuthorizationPolicy":
        principals = [f"cluster.local/ns/{namespace}/sa/web", "cluster.local/ns/gateway/sa/gateway"]
        operation = {"methods": ["GET", "POST"], "ports": ["8080"]}
        spec = {
            "selector": {"matchLabels": {"app": "shop"}},
            "action": "ALLOW",
            "rules": [{"from": [{"source": {"principals": principals}}], "to": [{"operation": operation}]}],
        }
    return {"apiVersion": _SECURITY, "kind": kind, "metadata": metadata, "spec": spec}
