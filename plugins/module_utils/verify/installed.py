# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed, read from what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import AmbientError
from ..manifests.identity import labels_of
from .cluster import Cluster
from .facts import Facts, Objects
from .pods import Object
from .report import Installed

_GATEWAY_CRD = "gateways.gateway.networking.k8s.io"
_BUNDLE_VERSION = "gateway.networking.k8s.io/bundle-version"


def read(
    cluster: Cluster, facts: Facts, images: Mapping[str, Mapping[str, Any]], versions: Mapping[str, str]
) -> Installed:
    """Versions and digests of what runs; `images` adds where each digest came from, `versions` adds to the versions."""
    pods: dict[str, Objects] = {
        "pilot": facts.istiod_pods.value or [],
        "install-cni": facts.cni.value.pods if facts.cni.value else [],
        "ztunnel": facts.ztunnel.value.pods if facts.ztunnel.value else [],
    }
    return Installed(
        versions={**_versions(cluster, facts), **versions},
        images=[_image(name, found[0], images.get(name) or {}) for name, found in pods.items() if found],
        namespaces=sorted(facts.namespaces.value or []),
    )


def _versions(cluster: Cluster, facts: Facts) -> dict[str, str]:
    out = {}
    for deployment in facts.istiod.value or []:
        out["istio"] = labels_of(deployment).get("app.kubernetes.io/version", "")
    try:
        out["kubernetes"] = cluster.version()
        crd = cluster.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", _GATEWAY_CRD)
    except AmbientError:
        crd = None
    annotations = ((crd or {}).get("metadata") or {}).get("annotations") or {}
    out["gateway-api"] = annotations.get(_BUNDLE_VERSION, "")
    return {name: version for name, version in out.items() if version}


def _image(name: str, pod: Object, declared: Mapping[str, Any]) -> dict[str, str]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    reference = str(containers[0].get("image") or "")
    digest = str(statuses[0].get("imageID") or "").rpartition("@")[2]
    source = str(declared.get("source") or "") if declared.get("digest") == digest else ""
    return {"name": name, "digest": digest, "source": source or reference.partition("@")[0]}
