# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions go together, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(.*)")


@dataclass(frozen=True)
class Needs:
    """What a minor version of Istio asks of a cluster.

    Attributes:
        kubernetes: lowest and highest minor version of Kubernetes 1.x that it is tested with.
        gateway_api: lowest version of the bundle in which it reads a kind of the Gateway API, by plural; any other
            kind it reads as it is.
    """

    kubernetes: tuple[int, int]
    gateway_api: Mapping[str, tuple[int, int, int]]


#: As in pkg/config/schema/gatewayapi/minimumversions.go of Istio 1.30; a ListenerSet is in no older bundle anyhow.
_GATEWAY_API = {
    "backendtlspolicies": (1, 4, 0),
    "grpcroutes": (1, 1, 0),
    "listenersets": (1, 5, 0),
    "tlsroutes": (1, 5, 0),
}
ISTIO = {
    "1.30": Needs(kubernetes=(32, 36), gateway_api=_GATEWAY_API),
    "1.31": Needs(kubernetes=(32, 36), gateway_api={**_GATEWAY_API, "tcproutes": (1, 6, 0)}),
}

#: The last version whose CNI agent captures hostNetwork pods.
LAST_WITH_HOST_NETWORK = (1, 30, 3)


@dataclass(frozen=True)
class Fault:
    """What a component does wrong up to a version."""

    last: tuple[int, int, int]
    text: str
    issue: str


CNI_FAULTS = (
    Fault((1, 30, 3), "a pod may be paired with the network of another and get its identity", "istio/istio 61211"),
    Fault((1, 30, 1), "pods lose their probes when the kubelet restarts", "istio/istio 60544"),
)


def parse(text: str) -> tuple[int, int, int] | None:
    """`v1.34.4+k3s1` → (1, 34, 4); None where it is no version."""
    found = _VERSION.fullmatch(text.strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def minor(text: str) -> str:
    """`1.31.0` → `1.31`; empty where it is no version."""
    version = parse(text)
    return f"{version[0]}.{version[1]}" if version else ""


def needs_of(text: str) -> Needs | None:
    """What this version of Istio asks for; None for a version that is not in the table."""
    return ISTIO.get(minor(text))
