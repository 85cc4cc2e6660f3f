# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cluster can carry an ambient mesh at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..manifests.identity import annotations_of, labels_of, name_of
from ..manifests.labels import mesh_of
from . import versions
from .context import Context
from .findings import Outcome, Problem, Severity
from .ours import is_ours
from .snapshot import CRDS, Object, Resource, SkipError

GATEWAY_API_GROUP = "gateway.networking.k8s.io"
MANAGED_BY = "app.kubernetes.io/managed-by"
BUNDLE = f"{GATEWAY_API_GROUP}/bundle-version"
_NEEDED_CRDS = ("gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants")
#: In the version that too old a bundle serves, by plural.
_OLD_KINDS = {
    "tcproutes": Resource("gateway.networking.k8s.io/v1alpha2", "TCPRoute", metadata_only=True),
    "tlsroutes": Resource("gateway.networking.k8s.io/v1alpha2", "TLSRoute", metadata_only=True),
}


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
    live = {name: annotations_of(crd).get(BUNDLE, "") for name, crd in crds.items()}
    if context.wishes.gateway_api == "require":
        return _required(context, crds, live)
    planned = context.wishes.gateway_api_crds
    touched = [crd for name, crd in sorted(crds.items()) if name in planned or not planned]
    problems = [*_adopted(touched), *_downgraded(touched, planned), *_unread(context, {**live, **planned}, planned)]
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


def _required(context: Context, crds: Mapping[str, Object], live: Mapping[str, str]) -> Outcome:
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
    gateways = crds[f"gateways.{GATEWAY_API_GROUP}"]
    hint = f"Have {_owner(gateways)} upgrade the Gateway API CRDs"
    return Outcome([*_unread(context, live, {}, hint)], note=_bundle(gateways))


def _unread(
    context: Context, bundles: Mapping[str, str], planned: Mapping[str, str], hint: str = ""
) -> Iterator[Problem]:
    """CRDs, as they would be in the end, of kinds that istiod passes over in so old a bundle, without a word."""
    needs = versions.needs_of(context.wishes.version)
    for name, bundle in sorted(bundles.items()):
        plural = name.partition(".")[0]
        least = needs.gateway_api.get(plural) if needs else None
        version = versions.parse(bundle)
        if not least or not version or version >= least:
            continue
        text = f"v{'.'.join(map(str, least))}"
        used = _count(context, plural)
        yield Problem(
            f"CustomResourceDefinition {name}",
            f"bundle {bundle}{', which would be installed,' if name in planned else ''} is too old: Istio "
            f"{versions.minor(context.wishes.version)} passes over all {plural} below {text}, without a word"
            + (f"; {used} are there" if used else ""),
            f"Point ambient_gateway_api_crds at CRDs of {text} or newer"
            if name in planned
            else hint or f"Have whoever installed it upgrade it to {text} or newer",
            None if used or plural in _NEEDED_CRDS else Severity.WARNING,
        )


def _count(context: Context, plural: str) -> int:
    """How many objects of a kind there are in the version that istiod does not read, as far as that may be seen."""
    try:
        return len(context.cluster.all(_OLD_KINDS[plural])) if plural in _OLD_KINDS else 0
    except SkipError:
        return 0


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
