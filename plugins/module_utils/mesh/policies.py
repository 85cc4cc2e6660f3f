# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that a namespace's state stands for: what narrows comes last and goes first, what opens the other way.

A narrowing policy is never edited: its name ends in a digest of what it says, so that another content is another
object, and the old one can go before traffic moves and the new one come after.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ..manifests import waves
from ..manifests.identity import Object
from ..manifests.items import Item
from ..manifests.labels import own
from .facts import Facts, Labels, NamespaceFacts, Policy
from .reader import Reader
from .scopes import Scope
from .spec import Allow, MeshSpec, NamespaceSpec, WaypointRef

_SECURITY = "security.istio.io/v1"
GATEWAY_GROUP = "gateway.networking.k8s.io"
STRICT = "ambient-strict"
DEFAULT_DENY = "ambient-default-deny"
LOCK_DOWN = "ambient-only-"
ADMITS = "ambient-admit-"
PLAINTEXT = "ambient-plaintext-"
ALLOW = "ambient-allow-"  # what the entries under `access` come to
BESIDE_DENY = "-deny"  # the ending of the one that goes with the default deny
OURS = (STRICT, DEFAULT_DENY, LOCK_DOWN, ADMITS, PLAINTEXT, ALLOW)
_OF_A_CLIENT = (
    *("principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts"),
    *("ipBlocks", "notIpBlocks"),
)


def policy_items(
    namespace: NamespaceSpec, mesh: MeshSpec, scopes: Iterable[Scope], trust: str, role: str
) -> list[Item]:
    """The policies without regard to those of others."""
    objects = [(waves.LOCK_DOWN, obj) for obj in _narrowing(namespace, mesh, scopes, trust)]
    objects += [(waves.POLICIES, obj) for obj in _plaintext(namespace)]
    if namespace.default_deny and namespace.waypoints():
        objects.append((waves.ADMITS, _admits(namespace.name, namespace.waypoints(), {}, trust, BESIDE_DENY)))
        # It refuses nobody before traffic comes through the waypoint, and has to be there when it does.
        objects += [(waves.POLICIES, obj) for obj in _denies(namespace)]
    return [Item(own(obj, mesh.name), wave, role=role) for wave, obj in objects]


def admitting_items(
    namespace: str, refs: Collection[WaypointRef], mesh: str, policies: Iterable[Policy], trust: str, role: str
) -> list[Item]:
    """An ALLOW of ours beside each of others' that ztunnel enforces: behind a waypoint the pods see its identity.

    It comes before those and goes after them, for the waypoint would be refused without it. Also where the one beside
    a default deny admits already: that one goes with the default deny, and these stay.
    """
    allowing = {tuple(sorted(policy.selector.items())) for policy in policies if policy.action == "ALLOW"}
    admits = [own(_admits(namespace, refs, dict(key), trust), mesh) for key in sorted(allowing)]
    return [Item(obj, waves.ADMITS, role=role) for obj in admits]


def goes_with_default_deny(name: str) -> bool:
    """Whether the name is of a policy that admits a waypoint beside our default deny alone."""
    return name.startswith(ADMITS) and name.endswith(BESIDE_DENY)


def refuse_blind_denials(reader: Reader, namespace: NamespaceSpec, policies: Iterable[Policy]) -> None:
    """Note each DENY of others that tells clients apart: behind a waypoint it would deny nobody, or everybody."""
    for policy in policies:
        if policy.action == "DENY" and any(_names_clients(rule) for rule in policy.rules):
            reader.error(
                namespace.path,
                f"AuthorizationPolicy {policy.namespace}/{policy.name} denies by who the client is, and behind "
                "a waypoint the pods see the waypoint",
                "Attach it to the Services by targetRefs, so that the waypoint enforces it",
            )


def applying(seen: NamespaceFacts, facts: Facts) -> list[Policy]:
    """The policies of others that hold for pods of a namespace."""
    return [*seen.policies, *facts.root_policies]


def names_clients(policy: Policy) -> bool:
    """Whether a policy tells clients apart by who or where they are."""
    return any(_names_clients(rule) for rule in policy.rules)


def _names_clients(rule: Mapping[str, Any]) -> bool:
    sources = [each.get("source") or {} for each in rule.get("from") or []]
    keys = [str(each.get("key")) for each in rule.get("when") or []]
    return any(source.get(key) for source in sources for key in _OF_A_CLIENT) or any(
        key.startswith("source.") for key in keys
    )


def _narrowing(namespace: NamespaceSpec, mesh: MeshSpec, scopes: Iterable[Scope], trust: str) -> Iterator[Object]:
    name = namespace.name
    if namespace.strict:
        yield security_object("PeerAuthentication", name, STRICT, {"mtls": {"mode": "STRICT"}})
    if namespace.default_deny:
        yield security_object("AuthorizationPolicy", name, DEFAULT_DENY, {})
    for scope in scopes:
        if any(mesh.waypoint(ref).lock_down for ref in scope.behind):
            yield _lock_down(namespace, scope, trust)


def _denies(namespace: NamespaceSpec) -> Iterator[Object]:
    for ref in sorted(namespace.waypoints()):
        spec = {"targetRefs": [{"group": GATEWAY_GROUP, "kind": "Gateway", "name": ref.name}]}
        yield security_object("AuthorizationPolicy", namespace.name, f"{DEFAULT_DENY}-{ref.name}", spec)


def _lock_down(namespace: NamespaceSpec, scope: Scope, trust: str) -> Object:
    refs = sorted(scope.refs)
    rule: dict[str, Any] = {"from": [{"source": {"notPrincipals": [ref.principal(trust) for ref in refs]}}]}
    direct = sorted({port for each in namespace.exceptions if each.allow is Allow.DIRECT for port in each.ports})
    if direct:
        rule["to"] = [{"operation": {"notPorts": [str(port) for port in direct]}}]
    spec = {"action": "DENY", "rules": [rule], **selecting(scope.selector)}
    return security_object("AuthorizationPolicy", namespace.name, f"{LOCK_DOWN}{_names(refs)}-{digest(spec)}", spec)


def _admits(namespace: str, through: Iterable[WaypointRef], selector: Labels, trust: str, ending: str = "") -> Object:
    refs = sorted(through)
    rules: list[dict[str, Any]] = [{"from": [{"source": {"principals": [ref.principal(trust) for ref in refs]}}]}]
    spec = {"action": "ALLOW", "rules": rules, **selecting(selector)}
    return security_object("AuthorizationPolicy", namespace, f"{ADMITS}{_names(refs)}-{digest(spec)}{ending}", spec)


def _plaintext(namespace: NamespaceSpec) -> Iterator[Object]:
    for each in namespace.exceptions:
        if each.allow is not Allow.PLAINTEXT:
            continue
        spec: dict[str, Any] = selecting(each.selector)
        if each.ports:  # the rest of the pod keeps the mode of the namespace
            spec["portLevelMtls"] = {str(port): {"mode": "PERMISSIVE"} for port in each.ports}
        else:
            spec["mtls"] = {"mode": "PERMISSIVE"}
        yield security_object("PeerAuthentication", namespace.name, f"{PLAINTEXT}{digest(spec)}", spec)


def _names(refs: Iterable[WaypointRef]) -> str:
    """The waypoints' names, as far as the name of an object has room."""
    return "-".join(ref.name for ref in refs)[:150].rstrip("-")


def selecting(labels: Labels) -> dict[str, Any]:
    """The part of a spec that picks pods; without labels all of the namespace."""
    return {"selector": {"matchLabels": dict(labels)}} if labels else {}


def digest(spec: Mapping[str, Any]) -> str:
    """A few characters that tell contents apart."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]


def security_object(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Object:
    """An object of Istio's security API."""
    return {
        "apiVersion": _SECURITY,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec),
    }
