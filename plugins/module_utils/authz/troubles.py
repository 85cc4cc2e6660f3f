# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the way that calls take, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..mesh.patches import USE_WAYPOINT
from ..mesh.spec import MODE_LABEL
from .judging import Judge
from .lost import CLIENT_WORDS, Effect, lost
from .matching import Proxy
from .parts import Policy, Workload
from .ruling import Verdict, why_refused
from .ways import Way, has_sidecar
from .wording import counted
from .world import World

_ATTACH = "Attach it to the Service by targetRefs, so that a waypoint enforces it."
_EFFECTS = {
    ("ALLOW", Effect.NEVER): "such rules never match",
    ("ALLOW", Effect.LESS): "it allows less than it says",
    ("ALLOW", Effect.MORE): "it allows more than it says",
    ("DENY", Effect.NEVER): "such rules deny nobody",
    ("DENY", Effect.LESS): "it denies less than it says",
    ("DENY", Effect.MORE): "it denies more than it says",
}
_ANYBODY = "/ns/-/sa/-"  # an account that no policy can name


@dataclass(frozen=True)
class Trouble:
    """What is wrong, and what to do next: a sentence each."""

    what: str
    next: str


def of_namespace(world: World, name: str) -> list[Trouble]:
    """What its labels say."""
    if name not in world.namespaces:
        return [Trouble(f"Namespace {name} is not among what was read.", "Add its manifest: its labels decide.")]
    if not world.enrolled(name):
        return [Trouble(f"Namespace {name} is not in the mesh.", f"Declare it in ambient_mesh ({MODE_LABEL}=ambient).")]
    return []


def of_workload(world: World, workload: Workload) -> list[Trouble]:
    """Why its pods are not guarded."""
    if has_sidecar(world, workload):
        return [Trouble(f"{workload} has a sidecar.", "Take the sidecar away: ambient leaves such pods alone.")]
    if world.captured(workload):
        return []
    if workload.host_network:
        what = f"{workload} uses the network of its host, where ztunnel captures nothing."
        return [Trouble(what, "Give it a network of its own, or count it as outside the mesh.")]
    if workload.labels.get(MODE_LABEL):
        what = f"{workload} opts out by the label {MODE_LABEL}={workload.labels[MODE_LABEL]}."
        return [Trouble(what, "Take the label off its pods to have them guarded.")]
    what = f"{workload} is not in the mesh, since namespace {workload.namespace} is not."
    return [Trouble(what, f"Declare the namespace in ambient_mesh ({MODE_LABEL}=ambient).")]


def of_way(judge: Judge, way: Way) -> list[Trouble]:
    """Why a waypoint does not do what is expected of it."""
    service = way.service
    found = [Trouble(f"{note[0].upper()}{note[1:]}.", "Look whether that is meant.") for note in way.notes]
    deciding = [policy for policy in way.policies if not policy.dry_run]
    if way.missed:
        undone = (
            f"what {counted(len(deciding), 'policy')} there would say is not enforced"
            if deciding
            else "calls go past it"
        )
        return [*found, Trouble(f"Service {service}: {way.missed}; {undone}.", _mend(way))]
    if way.waypoint is None:
        return found
    for backend in way.backends:
        through = judge.at_pods(backend, way.waypoint.principal(judge.world.trust_domain), service)
        past = judge.at_pods(backend, f"{judge.world.trust_domain}{_ANYBODY}", service)
        if through.verdict is Verdict.DENIED:
            what = f"{backend.workload} refuses the waypoint {way.waypoint}: {through.reason}."
            found.append(Trouble(what, f"Admit serviceAccounts {way.waypoint} in that policy."))
        elif past.verdict is Verdict.ALLOWED and deciding:
            what = f"{backend.workload} takes calls from anybody in the mesh that pass the waypoint {way.waypoint} by."
            found.append(Trouble(what, "Let only the waypoint in (lock_down of the waypoint in ambient_mesh)."))
    return found


def of_policies(world: World, policies: Iterable[Policy]) -> list[Trouble]:
    """Which policies do not say what they seem to say."""
    return [trouble for policy in policies for trouble in _of_policy(world, policy)]


def _of_policy(world: World, policy: Policy) -> Iterator[Trouble]:
    """Nothing of one in dry run, which decides nothing: that is said with the way."""
    if policy.dry_run:
        return
    proxy = Proxy.WAYPOINT if policy.targets else Proxy.ZTUNNEL
    refused = why_refused(policy, proxy) if world.live else ""
    if proxy is Proxy.ZTUNNEL and policy.action in ("CUSTOM", "AUDIT"):
        yield Trouble(f"{policy} has the action {policy.action}, which ztunnel does not enforce.", _ATTACH)
        return
    misread = list(_misread(policy, proxy))
    yield from misread
    if refused and not misread:
        yield Trouble(f"{policy} is not accepted: {refused}.", "Look at what it is attached to, and at its rules.")


def _misread(policy: Policy, proxy: Proxy) -> Iterator[Trouble]:
    """What it says to a proxy that does not know it."""
    found: dict[Effect, set[str]] = {}
    for rule in policy.rules:
        for effect, words in lost(rule, proxy, policy.action).items():
            found.setdefault(effect, set()).update(words)
    for effect, words in found.items():
        what = _EFFECTS.get((policy.action, effect), effect.value)
        clients = sorted(words.intersection(CLIENT_WORDS))
        if proxy is Proxy.WAYPOINT:
            said = f"{policy} speaks of the address of a connection ({', '.join(sorted(words))})"
            yield Trouble(f"{said}, which a waypoint does not know: {what}.", "Write remoteIpBlocks or remote.ip.")
            continue
        if http := sorted(words.difference(clients)):
            yield Trouble(f"{policy} speaks of HTTP ({', '.join(http)}), which ztunnel does not know: {what}.", _ATTACH)
        if clients:
            said = f"{policy} speaks of clients ({', '.join(clients)}) in a way that ztunnel does not know"
            yield Trouble(f"{said}: {what}.", "Name them by principals or serviceAccounts under from.")


def _mend(way: Way) -> str:
    if way.waypoint is None:
        return f"Name a waypoint for the Service ({USE_WAYPOINT}), or attach the policies by a selector."
    words = {
        "is not there": f"Declare the waypoint {way.waypoint} in ambient_mesh, or take the label {USE_WAYPOINT} off.",
        "is not ready": f"Look at the Gateway {way.waypoint} and its pods: status, events, image.",
        "does not allow": f"Let the Gateway {way.waypoint} be used from that namespace (allowedRoutes).",
        "stands for": f"Have the waypoint {way.waypoint} stand for Services (istio.io/waypoint-for=service or all).",
    }
    return next(
        (text for word, text in words.items() if word in way.missed), "Call a Service with an address of its own."
    )
