# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes and what stays when the mesh is uninstalled."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from ..kube.inventory import INVENTORY_LABEL
from ..manifests import waves
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from ..mesh.patches import ENROLMENT_MANAGER
from ..mesh.policies import ADMITS, goes_with_default_deny
from ..mesh.spec import MODE_LABEL
from .live import CA_SECRET, Reader, ca_secret, made_by_istiod, our_objects, patched_namespaces, patched_objects

_GATEWAY_API = "gateway.networking.k8s.io"
# In every namespace, made by Kubernetes or by istiod.
_EXPECTED = {"ConfigMap": ("kube-root-ca.crt", "istio-ca-root-cert", "istio-ca-crl"), "Service": (), "Secret": ()}
_CONTENT = (
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
)


@dataclass(frozen=True)
class Wishes:
    """What is to go beyond the components themselves."""

    crds: bool = False
    gateway_api: bool = False
    namespaces: bool = False
    ca_secret: bool = False


@dataclass(frozen=True)
class Kept:
    """One object that stays, and why."""

    object: str
    reason: str


@dataclass(frozen=True)
class Removal:
    """The items to remove, and what stays."""

    items: Sequence[Item]
    kept: Sequence[Kept]


def plan_removal(client: Reader, mesh: str, wishes: Wishes, existed: t.Collection[str]) -> Removal:
    """Return what has to be removed, from what is in the cluster now.

    Args:
        client: reads the cluster.
        mesh: name of the mesh.
        wishes: what goes beyond the components.
        existed: keys (Identity.key) of objects that were there before our first apply; they stay.
    """
    ours = our_objects(client, mesh)
    secrets = ca_secret(client)
    leaving = [*made_by_istiod(client), *(secrets if wishes.ca_secret else [])]
    expected = {Identity.of(obj).key for obj in (*ours, *leaving)}
    items: list[Item] = []
    kept: list[Kept] = []
    if secrets and not wishes.ca_secret:
        kept.append(Kept(f"Secret istio-system/{CA_SECRET}", "ambient_uninstall_remove_ca_secret"))
    for obj in ours:
        if INVENTORY_LABEL in obj["metadata"]["labels"]:
            continue  # goes with the last of what it records
        identity = Identity.of(obj)
        if identity.key in existed:
            kept.append(Kept(identity.short, "it was there before the first run"))
        reason = "" if identity.key in existed else _reason_to_keep(client, obj, wishes, expected)
        if reason:
            kept.append(Kept(identity.short, reason))
        else:
            items.append(Item(object=_bare(obj), wave=_wave(obj), role="uninstall"))
    items += [_release(obj, ENROLMENT_MANAGER, waves.USE_WAYPOINT) for obj in patched_objects(client)]
    for namespace, manager in patched_namespaces(client):
        wave = waves.ENROLMENT if manager == ENROLMENT_MANAGER else waves.NAMESPACES
        items.append(_release(namespace, manager, wave))
    return Removal(items, kept)


def _wave(obj: Object) -> int:
    """Beside a default deny, what admits the waypoint refuses everybody else once the default deny is gone."""
    name = obj["metadata"]["name"]
    if goes_with_default_deny(name):
        return waves.BESIDE_DENY
    return waves.ADMITS if name.startswith(ADMITS) else waves.wave_of(obj)


def _reason_to_keep(client: Reader, obj: Object, wishes: Wishes, expected: t.Collection[str]) -> str:
    identity = Identity.of(obj)
    if _is_gateway_api(identity):
        return "" if wishes.gateway_api else "ambient_uninstall_remove_gateway_api"
    if identity.kind == "CustomResourceDefinition":
        return "" if wishes.crds else "ambient_uninstall_remove_crds"
    if identity.kind == "Namespace":
        if not wishes.namespaces:
            return "ambient_uninstall_remove_namespaces"
        return _foreign_content(client, identity.name, expected)
    return ""


def _is_gateway_api(identity: Identity) -> bool:
    kinds = ("CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    return identity.kind in kinds and identity.name.endswith(f".{_GATEWAY_API}")


def _foreign_content(client: Reader, namespace: str, expected: t.Collection[str]) -> str:
    """The first object in a namespace of ours that would be lost although it isn't ours."""
    for api_version, kind in _CONTENT:
        for obj in client.list(api_version, kind, namespace=namespace):
            identity = Identity.of(obj)
            derived = obj["metadata"].get("ownerReferences") or identity.name in _EXPECTED.get(kind, ())
            if not derived and identity.key not in expected:
                return f"it holds {identity.short}, which is not ours"
    return ""


def _release(obj: Object, manager: str, wave: int) -> Item:
    gone = (MODE_LABEL,) if obj["kind"] == "Namespace" and manager == ENROLMENT_MANAGER else ()
    return Item(object=_bare(obj), wave=wave, patch=True, manager=manager, role="uninstall", gone=gone)


def _bare(obj: Object) -> Object:
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if obj["metadata"].get(key)}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}


def summary(removal: Removal) -> list[str]:
    """Return lines for people: what stays and how to let it go, many objects for one reason in one line."""
    by_reason: dict[str, list[str]] = {}
    for kept in removal.kept:
        by_reason.setdefault(kept.reason, []).append(kept.object)
    lines = []
    for reason, objects in by_reason.items():
        words = f"goes with {reason}: true" if reason.startswith("ambient_") else reason
        shown = objects[0] if len(objects) == 1 else f"{len(objects)} objects, such as {objects[0]}"
        lines.append(f"stays: {shown} ({words})")
    return lines or ["nothing of the mesh stays"]
