# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cluster can carry an ambient mesh at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..manifests.labels import mesh_of
from . import versions
from .context import Context, annotations_of, labels_of, name_of
from .findings import Outcome, Problem, Severity
from .ours import is_ours
from .snapshot import CRDS, Object

GATEWAY_API_GROUP = "gateway.networking.k8s.io"
MANAGED_BY = "app.kubernetes.io/managed-by"
BUNDLE = f"{GATEWAY_API_GROUP}/bundle-version"
_NEEDED_CRDS = ("gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants")


def api_reachable(context: Context) -> Outcome:
    """AMB0101: the API server answers."""
    return Outcome(note=context.cluster.version())


def kubernetes_version(context: Context) -> Outcome:
    """AMB0102: Kubernetes is one that this Istio is tested with."""
    text = context.cluster.version()
    wanted = context.wishes.version
    needs = versions.needs_of(wanted)
    live = versions.parse(text)
    if needs is None:
        known = ", ".join(versions.ISTIO)
        hint = f"Set ambient_version to a version of {known}"
        return Outcome(
            [Problem(f"Istio {wanted or 'version'}", f"is not one that this collection knows ({known})", hint)]
        )
    if live is None:
        return Outcome([Problem("API server", f"its version {text!r} is no version", "Report it as a bug")])
    low, high = needs.kubernetes
    span = f"Istio {versions.minor(wanted)} is tested with 1.{low} to 1.{high}"
    if live[:2] < (1, low):
        return Outcome([Problem("API server", f"Kubernetes {text} is too old: {span}", "Upgrade the cluster first")])
    if live[:2] > (1, high):
        hint = "Take a newer Istio, or try it where a failure does no harm"
        return Outcome([Problem("API server", f"Kubernetes {text} is newer: {span}", hint, Severity.WARNING)])
    return Outcome(note=f"{text}; {span}")


def no_known_faults(context: Context) -> Outcome:
    """AMB0106: the version that shall be installed is not known for wrong identities or lost probes."""
    wanted = context.wishes.version
    version = versions.parse(wanted)
    return Outcome(
        [
            Problem(
                f"Istio {wanted}",
                f"its istio-cni has a known fault: {fault.text} ({fault.issue})",
                "Take a later version, or a build whose vendor says that it has the fix",
            )
            for fault in versions.CNI_FAULTS
            if version is not None and version <= fault.last
        ]
    )


def gateway_api(context: Context) -> Outcome:
    """AMB0104: the Gateway API CRDs are there or may be installed, and stay with whoever owns them."""
    crds = {name_of(crd): crd for crd in context.cluster.all(CRDS) if is_gateway_api(crd)}
    if context.wishes.gateway_api == "require":
        return _required(context, crds)
    planned = context.wishes.gateway_api_crds
    touched = [crd for name, crd in sorted(crds.items()) if name in planned or not planned]
    problems = [*_adopted(touched), *_downgraded(touched, planned)]
    return Outcome(problems, note=_bundle(touched[0]) if touched else "not there, will be installed")


def _adopted(crds: Sequence[Object]) -> Iterator[Problem]:
    foreign = [crd for crd in crds if not is_ours(crd)]
    if foreign:
        yield Problem(
            f"CustomResourceDefinition {name_of(foreign[0])}",
            f"{len(foreign)} Gateway API CRDs ({_bundle(foreign[0])}) belong to {_owner(foreign[0])}",
            "Set ambient_gateway_api: require, so that they stay as they are",
        )


def _downgraded(crds: Sequence[Object], planned: Mapping[str, str]) -> Iterator[Problem]:
    for crd in crds:
        ours = planned.get(name_of(crd), "")
        new, live = versions.parse(ours), versions.parse(annotations_of(crd).get(BUNDLE, ""))
        if is_ours(crd) and new and live and live > new:
            yield Problem(
                f"CustomResourceDefinition {name_of(crd)}",
                f"{_bundle(crd)} is newer than {ours}, which would be installed",
                "Point ambient_gateway_api_crds at CRDs that are at least as new",
            )
            return


def _required(context: Context, crds: dict[str, Object]) -> Outcome:
    missing = [plural for plural in _NEEDED_CRDS if f"{plural}.{GATEWAY_API_GROUP}" not in crds]
    if missing:
        return Outcome(
            [
                Problem(
                    f"CustomResourceDefinition {missing[0]}.{GATEWAY_API_GROUP}",
                    f"Gateway API CRDs are missing: {', '.join(missing)}",
                    "Install the standard channel, or set ambient_gateway_api: install",
                )
            ]
        )
    needs = versions.needs_of(context.wishes.version)
    for name, crd in sorted(crds.items()):
        live = versions.parse(annotations_of(crd).get(BUNDLE, ""))
        if needs and live and live < needs.gateway_api:
            least = "v" + ".".join(map(str, needs.gateway_api)) + ", it would not see TLSRoutes and ListenerSets"
            return Outcome(
                [
                    Problem(
                        f"CustomResourceDefinition {name}",
                        f"{_bundle(crd)} is too old: Istio {versions.minor(context.wishes.version)} needs {least}",
                        f"Have {_owner(crd)} upgrade the Gateway API CRDs",
                    )
                ]
            )
    return Outcome(note=_bundle(crds[f"gateways.{GATEWAY_API_GROUP}"]))


def is_gateway_api(crd: Object) -> bool:
    """Whether the CRD is one of the Gateway API."""
    return name_of(crd).partition(".")[2] == GATEWAY_API_GROUP


def _bundle(crd: Object) -> str:
    return f"bundle {annotations_of(crd).get(BUNDLE, 'of unknown version')}"


def _owner(crd: Object) -> str:
    """Who seems to look after the object, in the words of its labels or its field managers."""
    if is_ours(crd):
        return f"mesh {mesh_of(crd)}"
    if MANAGED_BY in labels_of(crd):
        return labels_of(crd)[MANAGED_BY]
    managers = [entry.get("manager") for entry in crd.get("metadata", {}).get("managedFields") or []]
    return str(next((manager for manager in managers if manager), "somebody else"))
