# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which labels have Istio's injector put a sidecar into a pod."""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE_INJECTION = "istio-injection"
POD_INJECTION = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
TEMPLATES = "inject.istio.io/templates"
GATEWAY = "gateway"

Words = Mapping[str, str]


def asks_of_namespace(labels: Words) -> dict[str, str]:
    """The labels of a namespace that ask for sidecars in all its pods."""
    return {
        key: value
        for key, value in labels.items()
        if (key == REVISION and value) or (key == NAMESPACE_INJECTION and value == "enabled")
    }


def asks_of_pod(labels: Words) -> dict[str, str]:
    """The labels of a pod that ask for a sidecar in it."""
    if labels.get(POD_INJECTION) == "false":
        return {}
    return {
        key: value
        for key, value in labels.items()
        if (key == REVISION and value) or (key == POD_INJECTION and value == "true")
    }


def is_gateway(annotations: Words) -> bool:
    """Whether what is injected is the proxy of a gateway: it enrols nobody and gets along with ambient."""
    return GATEWAY in annotations.get(TEMPLATES, "").split(",")
