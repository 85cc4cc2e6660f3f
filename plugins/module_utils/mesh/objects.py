# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the declared namespaces to all objects and patches in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..manifests.items import Item
from .bindings import bound_in, scopes_in
from .facts import Facts
from .parse import ROOT
from .patches import ROLE, binding_patch, namespace_patches
from .policies import admitting_items, applying, policy_items, refuse_blind_denials
from .reader import Reader
from .selectors import Selector
from .spec import MeshSpec, NamespaceSpec

CLUSTER_DOMAIN = "cluster.local"


def namespace_items(
    mesh: MeshSpec, selectors: Sequence[Selector], facts: Facts | None = None, trust_domain: str = CLUSTER_DOMAIN
) -> list[Item]:
    """The objects and patches that bring about the declared namespaces, in the order of waves.

    Args:
        facts: what was seen of the cluster; None where no cluster is involved: then the declaration has to say all.

    Raises:
        AmbientError: with the path of everything that the cluster, as it was seen, does not let be bound.
    """
    reader = Reader(ROOT)
    items = [
        item for namespace in mesh.namespaces for item in _of(reader, namespace, mesh, selectors, facts, trust_domain)
    ]
    reader.raise_errors()
    return sorted(items, key=Item.order)


def _of(
    reader: Reader,
    namespace: NamespaceSpec,
    mesh: MeshSpec,
    selectors: Sequence[Selector],
    facts: Facts | None,
    trust_domain: str,
) -> Iterator[Item]:
    yield from namespace_patches(namespace, selectors)
    if not namespace.state.enrolled:
        return
    seen = facts.of(namespace.name) if facts else None
    bound = bound_in(reader, namespace, mesh, seen)
    yield from (binding_patch(namespace.name, each) for each in bound)
    scopes = scopes_in(namespace, bound, seen)
    yield from policy_items(namespace, mesh, scopes, trust_domain, ROLE)
    if facts and seen and namespace.waypoints():
        policies = applying(seen, facts)
        refuse_blind_denials(reader, namespace, policies)
        yield from admitting_items(namespace, mesh, policies, trust_domain, ROLE)
