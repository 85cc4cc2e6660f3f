# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of the test client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BINARY = "/usr/local/bin/routing-test-client"
OUTSIDE = {"istio.io/dataplane-mode": "none", "app": "routing-test-client"}
TOKENS, ROOTS = "/var/run/secrets/tokens", "/var/run/secrets/istio"


def namespace(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The namespace that the clients are in, which is never enrolled."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def account(space: str, name: str) -> dict[str, Any]:
    """A service account: the identity of the pods under it."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}


def pod(space: str, name: str, account_name: str, image: str, arguments: Sequence[str]) -> dict[str, Any]:
    """A client outside the mesh, with all that ztunnel would have for it: a token for istiod and the mesh's roots."""
    mounts = {"token": TOKENS, "roots": ROOTS}
    container = {
        "name": "routing-test-client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments),
        "env": [*_from_pod(), {"name": "SERVICE_ACCOUNT", "value": account_name}],
        "volumeMounts": [{"name": volume, "mountPath": path, "readOnly": True} for volume, path in mounts.items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    token = {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}
    spec = {
        "serviceAccountName": account_name,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 1338},
        "containers": [container],
        "volumes": [
            {"name": "token", "projected": {"sources": [token]}},
            {"name": "roots", "configMap": {"name": "istio-ca-root-cert", "items": [_as("root-cert.pem")]}},
        ],
    }
    metadata = {"name": name, "namespace": space, "labels": OUTSIDE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _as(name: str) -> dict[str, str]:
    return {"key": name, "path": name}


def _from_pod() -> list[dict[str, Any]]:
    fields = {
        "NODE_NAME": "spec.nodeName",
        "INSTANCE_IP": "status.podIP",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
