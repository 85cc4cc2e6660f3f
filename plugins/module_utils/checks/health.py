# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the mesh that is there is well, seen from outside, whoever installed it."""

from __future__ import annotations

from collections.abc import Callable

from ..manifests.identity import name_of, namespace_of
from . import found, versions
from .context import Context, describe
from .findings import Outcome, Problem
from .found import CNI, ISTIOD, ZTUNNEL, Part
from .snapshot import DAEMONSETS, Object

_TRUSTED = "CA_TRUSTED_NODE_ACCOUNTS"
_Version = tuple[int, int, int]


def component_ready(part: Part) -> Callable[[Context], Outcome]:
    """The function of the check that looks at one part."""
    place = part.place
    where = f"{place.resource.kind} {place.namespace}/{place.name}"

    def look(context: Context) -> Outcome:
        live = found.of(part, context.cluster)
        if not live:
            return Outcome([Problem(where, "is not there", "Run site.yml to install or complete the mesh")])
        notes, problems = [], []
        for obj in live:
            note, problem = _readiness(part, obj)
            notes.append(f"{namespace_of(obj)}/{name_of(obj)} by {found.installer(obj)}: {note}")
            problems += [problem] if problem else []
        return Outcome(problems, "; ".join(notes))

    return look


def _readiness(part: Part, obj: Object) -> tuple[str, Problem | None]:
    status = obj.get("status") or {}
    if part.place.resource is DAEMONSETS:
        ready, wanted = status.get("numberReady") or 0, status.get("desiredNumberScheduled") or 0
    else:
        ready, wanted = status.get("readyReplicas") or 0, (obj.get("spec") or {}).get("replicas", 1) or 0
    note = f"{ready} of {wanted} ready"
    behind = (status.get("observedGeneration") or 0) < (obj["metadata"].get("generation") or 0)
    if ready >= wanted and wanted and not behind:
        return note, None
    kind = part.place.resource.kind
    hint = f"kubectl -n {namespace_of(obj)} describe {kind.lower()} {name_of(obj)}"
    message = f"{note}, its latest change is not rolled out" if behind else f"only {note}"
    return note, Problem(describe(kind, obj), message, hint)


def no_skew(context: Context) -> Outcome:
    """AMB0504: the data plane is never ahead of istiod and at most one minor version behind."""
    cluster = context.cluster
    control = [version for obj in found.of(ISTIOD, cluster) if (version := found.version_of(obj))]
    if not control:
        return Outcome(note="the version of istiod is not known")
    data = [("DaemonSet", obj) for part in (CNI, ZTUNNEL) for obj in found.of(part, cluster)]
    data += [("Deployment", obj) for obj in found.waypoints(cluster)]
    problems, unknown = [], []
    for kind, obj in data:
        version = found.version_of(obj)
        if version is None:
            unknown.append(describe(kind, obj))
        elif word := _skew(version, max(control)):
            problems.append(
                Problem(
                    describe(kind, obj),
                    f"runs {_text(version)}, {word}",
                    "Upgrade istiod first, then istio-cni, then ztunnel, then waypoints, one minor version at a time",
                )
            )
    note = f"istiod {', '.join(_text(version) for version in sorted(set(control)))}"
    return Outcome(problems, f"{note}; not known: {', '.join(unknown)}" if unknown else note)


def _skew(version: _Version, istiod: _Version) -> str:
    """What is wrong with a version beside the newest istiod: during an upgrade an older revision may stand by."""
    if version[:2] > istiod[:2]:
        return f"ahead of istiod {_text(istiod)}"
    if istiod[:2] > (version[0], version[1] + 1):
        return f"too far behind istiod {_text(istiod)}"
    return ""


def only_one(context: Context) -> Outcome:
    """AMB0505: two agents on a node write the same CNI configuration and the same rules."""
    problems = []
    for part in (CNI, ZTUNNEL):
        live = part.all(context.cluster)
        problems += [
            Problem(
                describe("DaemonSet", obj),
                f"is a second {part.place.title}, beside {namespace_of(live[0])}/{name_of(live[0])}",
                f"Installed by {found.installer(obj)}: uninstall one of the two with the tool that installed it",
            )
            for obj in live[1:]
        ]
    return Outcome(problems)


def no_known_faults(context: Context) -> Outcome:
    """AMB0506: no version runs that is known for wrong identities or lost probes."""
    problems = []
    for obj in found.of(CNI, context.cluster):
        version = found.version_of(obj)
        for fault in versions.CNI_FAULTS:
            if version is not None and version <= fault.last:
                problems.append(
                    Problem(
                        describe("DaemonSet", obj),
                        f"runs {_text(version)}: {fault.text} ({fault.issue})",
                        f"Take a version after {_text(fault.last)}, or a build whose vendor says that it has the fix",
                    )
                )
    return Outcome(problems)


def ztunnel_is_trusted(context: Context) -> Outcome:
    """AMB0507: istiod signs certificates of pods for the account of ztunnel, and for no other."""
    problems, unknown = [], []
    for istiod in found.of(ISTIOD, context.cluster):
        env = found.env_of(istiod)
        if _TRUSTED not in env:
            unknown.append(f"{namespace_of(istiod)}/{name_of(istiod)}")
            continue
        trusted = {account.strip() for account in env[_TRUSTED].split(",")}
        for ztunnel in found.of(ZTUNNEL, context.cluster):
            account = f"{namespace_of(ztunnel)}/{found.pod_spec(ztunnel).get('serviceAccountName') or 'default'}"
            if account not in trusted:
                problems.append(
                    Problem(
                        describe("Deployment", istiod),
                        f"trusts {env[_TRUSTED] or 'nobody'}, not {account} of ztunnel: no pod gets a certificate",
                        f"Set trustedZtunnelNamespace of the istiod chart to {namespace_of(ztunnel)}",
                    )
                )
    return Outcome(problems, f"{_TRUSTED} is not set: {', '.join(unknown)}" if unknown else "")


def _text(version: _Version) -> str:
    return ".".join(map(str, version))
