# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the declared namespaces to all objects and patches in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..manifests.items import Item
from .allows import access_items, as_policies, behind_waypoints
from .bindings import bound_in
from .callers import Sources
from .facts import Facts, NamespaceFacts, Policy
from .parse import ROOT
from .patches import ROLE, binding_patch, namespace_patches
from .policies import admitting_items, applying, policy_items, refuse_blind_denials
from .reader import Reader
from .scopes import refuse_second_ways, scopes_in
from .selectors import Selector
from .spec import MeshSpec, NamespaceSpec
from .survey import ROOT_NAMESPACE
from .targets import Targets

CLUSTER_DOMAIN = "cluster.local"


def namespace_items(
    mesh: MeshSpec,
    selectors: Sequence[Selector],
    facts: Facts | None = None,
    trust_domain: str = CLUSTER_DOMAIN,
    beside: Sequence[Policy] = (),
) -> list[Item]:
    """The objects and patches that bring about the declared namespaces, in the order of waves.

    Args:
        facts: what was seen of the cluster; None where no cluster is involved: then the declaration has to say all.
        beside: policies that come from manifests in the same run.

    Raises:
        AmbientError: with the path of everything that the cluster, as it was seen, does not let be bound.
    """
    reader = Reader(ROOT)
    items: list[Item] = []
    for namespace in mesh.namespaces:
        mine = list(_of(reader, namespace, mesh, selectors, facts, trust_domain))
        items += mine
        if namespace.waypoints():
            policies = holding(namespace.name, facts, beside)
            refuse_blind_denials(reader, namespace, policies)
            refs, allows = namespace.waypoints(), [*policies, *as_policies(behind_waypoints(mine, mine))]
            items += admitting_items(namespace.name, refs, mesh.name, allows, trust_domain, ROLE)
    reader.raise_errors()
    return sorted(items, key=Item.order)


def coming_to(namespace: str, beside: Iterable[Policy]) -> list[Policy]:
    """Those of the policies that come in the same run that hold for pods of the namespace."""
    return [
        policy
        for policy in beside
        if policy.namespace == namespace or (policy.namespace == ROOT_NAMESPACE and not policy.selector)
    ]


def holding(namespace: str, facts: Facts | None, beside: Sequence[Policy]) -> list[Policy]:
    """The policies of others that hold for pods of the namespace. What comes now counts instead of what is there."""
    coming = coming_to(namespace, beside)
    names = {(policy.namespace, policy.name) for policy in coming}
    seen = facts.of(namespace) if facts else None
    there = applying(seen, facts) if facts and seen else []
    return [*(policy for policy in there if (policy.namespace, policy.name) not in names), *coming]


def _of(
    reader: Reader,
    namespace: NamespaceSpec,
    mesh: MeshSpec,
    selectors: Sequence[Selector],
    facts: Facts | None,
    trust_domain: str,
) -> Iterator[Item]:
    yield from namespace_patches(namespace, selectors, namespace.name in mesh.serving)
    if not namespace.state.enrolled:
        return
    seen = facts.of(namespace.name) if facts else None
    bound = bound_in(reader, namespace, mesh, seen)
    refuse_second_ways(reader, namespace, mesh, seen or NamespaceFacts(), bound)
    yield from (binding_patch(namespace.name, each) for each in bound)
    scopes = scopes_in(namespace, bound, seen)
    yield from policy_items(namespace, mesh, scopes, trust_domain, ROLE)
    targets = Targets(reader, namespace, mesh, bound, seen)
    yield from access_items(reader, namespace, mesh, targets, Sources(facts, trust_domain), ROLE)


def policy_items_of(mesh: MeshSpec, facts: Facts | None = None, trust_domain: str = CLUSTER_DOMAIN) -> list[Item]:
    """The policies alone that the declared namespaces come to, in the order of waves."""
    return [item for item in namespace_items(mesh, [], facts, trust_domain) if not item.patch]
