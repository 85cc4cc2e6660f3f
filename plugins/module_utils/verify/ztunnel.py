# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ztunnel tells about itself: its image and readiness, its configuration dump, its access log, its metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .pods import Object

STAND_IN = "encryption: not proven, the ztunnel stand-in carries the traffic"
NO_PATH = "the ztunnel stand-in carries the traffic, and it sends none through waypoints"
NO_POLICY = "the ztunnel stand-in carries the traffic, and it enforces no policy"

_MARKER = re.compile(r"stand-?in", re.IGNORECASE)
_PAIR = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)')
_SAMPLE = re.compile(r"^(\w+)\{(.*)\}\s+([0-9.eE+]+)\s*$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def marker(pod: Object, readiness: str = "") -> str:
    """Where a ztunnel pod says that it is the stand-in of the tests; '' if nowhere.

    A stand-in announces itself in its image name and readiness answer. One that
    hides is taken for a real ztunnel, and then fails what a real one would pass.
    """
    for container in (pod.get("spec") or {}).get("containers") or []:
        if _MARKER.search(str(container.get("image", ""))):
            return f"image name {str(container['image']).partition('@')[0]}"
    if _MARKER.search(readiness):
        return "readiness answer"
    return ""


@dataclass(frozen=True)
class Certificate:
    """A certificate as ztunnel's configuration dump shows it."""

    identity: str
    state: str
    chain: tuple[str, ...] = ()


def certificates(dump: Mapping[str, Any]) -> dict[str, Certificate]:
    """Certificates of a configuration dump, by identity."""
    out = {}
    for item in dump.get("certificates") or []:
        state = item.get("state")
        state = state if isinstance(state, str) else json.dumps(state)
        chain = tuple(str(cert.get("pem", "")) for cert in item.get("certChain") or [])
        out[str(item.get("identity", ""))] = Certificate(str(item.get("identity", "")), state, chain)
    return out


@dataclass(frozen=True)
class Connection:
    """One "connection complete" line of the access log."""

    fields: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        return str(self.fields.get(key, ""))

    @property
    def peers(self) -> tuple[str, str, str, str]:
        """Source namespace and pod, destination namespace and pod."""
        return self["src.namespace"], self["src.workload"], self["dst.namespace"], self["dst.workload"]

    def __str__(self) -> str:
        keys = ("src.workload", "src.identity", "dst.workload", "dst.identity", "direction", "error")
        return " ".join(f"{key}={self[key]}" for key in keys if self[key])


def connections(log: str) -> list[Connection]:
    """The finished connections in a log, text or JSON."""
    out = []
    for line in log.splitlines():
        if "connection complete" not in line:
            continue
        out.append(Connection(_json_fields(line) or _text_fields(line)))
    return out


def _json_fields(line: str) -> dict[str, str]:
    start = line.find("{")
    if start < 0:
        return {}
    try:
        data = json.loads(line[start:])
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def _text_fields(line: str) -> dict[str, str]:
    return {key: value[1:-1] if value.startswith('"') else value for key, value in _PAIR.findall(line)}


def mutual_tls_connections(metrics: str) -> int:
    """Connections with mutual TLS and both principals that a ztunnel's metrics count."""
    total = 0.0
    for found, number in opened_connections(metrics):
        principals = (found.get("source_principal", ""), found.get("destination_principal", ""))
        if found.get("connection_security_policy") == "mutual_tls" and all(
            p.startswith("spiffe://") for p in principals
        ):
            total += number
    return int(total)


def opened_connections(metrics: str) -> Iterator[tuple[dict[str, str], float]]:
    """The labels and the count of each sample of connections that a ztunnel has seen opened."""
    for line in metrics.splitlines():
        match = _SAMPLE.match(line)
        if match and match[1].startswith("istio_tcp_connections_opened"):
            yield dict(_LABEL.findall(match[2])), float(match[3])


def between(lines: Iterable[Connection], source: tuple[str, str], destination: tuple[str, str]) -> list[Connection]:
    """The connections from one pod to another, each given as (namespace, name)."""
    return [line for line in lines if line.peers == (*source, *destination)]
