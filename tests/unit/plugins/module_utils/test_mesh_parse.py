# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared mesh: what is read, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import (
    AccountBinding,
    Allow,
    Autoscaling,
    Exemption,
    MeshSpec,
    NamespaceSpec,
    Serves,
    ServiceBinding,
    State,
    WaypointRef,
    WaypointSpec,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.waypoints import waypoint_items
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_an_empty_declaration_is_the_default_mesh() -> None:
    assert parse_mesh({}) == MeshSpec(name="default", namespaces=())
    assert parse_mesh({"name": "blue", "namespaces": None}) == MeshSpec(name="blue")


def test_bare_off_of_yaml_is_the_state_off() -> None:
    value = yaml.safe_load("{name: default, namespaces: [{name: shop, state: l4}, {name: old, state: off}]}")

    mesh = parse_mesh(value)

    assert mesh.namespaces == (NamespaceSpec("shop", State.L4), NamespaceSpec("old", State.OFF))
    assert [namespace.name for namespace in mesh.enrolled()] == ["shop"]
    assert [namespace.name for namespace in mesh.released()] == ["old"]
    assert mesh.declares("old")
    assert not mesh.declares("other")


def test_a_key_that_is_left_empty_is_as_good_as_not_there() -> None:
    empty = """
    name:
    waypoints:
      - {name: waypoint, namespace: shop, for: , replicas: , autoscaling: , resources: , disruption_budget: , spread: ,
         revision: , allowed_namespaces: , lock_down: , existing: }
    namespaces:
      - {name: shop, state: l7, mtls: , default_deny: , discovery_labels: , waypoint: , ingress_use_waypoint: ,
         services: , service_accounts: , exceptions: }
    """
    ref = WaypointRef("shop", "waypoint")

    assert parse_mesh(yaml.safe_load(empty)) == MeshSpec(
        namespaces=(NamespaceSpec("shop", State.L7, waypoint=ref),), waypoints=(WaypointSpec("waypoint", "shop"),)
    )
    assert parse_mesh(yaml.safe_load("{waypoints: , namespaces: }")) == MeshSpec()


def test_everything_that_can_be_said_is_read() -> None:
    everything = """
    name: blue
    waypoints:
      - name: waypoint
        namespace: shop
        for: all
        replicas: 2
        resources: {requests: {cpu: 0.5, memory: 128Mi}, limits: {memory: 512Mi}}
        disruption_budget: {max_unavailable: 50%}
        spread: [topology.kubernetes.io/zone, kubernetes.io/hostname]
        revision: stable
        allowed_namespaces: {team: shop}
        lock_down: false
      - {name: edge, namespace: edge, autoscaling: {max: 5}, allowed_namespaces: all, lock_down: no}
      - {name: theirs, namespace: shop, existing: yes, lock_down: off}
    namespaces:
      - name: shop
        state: l7
        mtls: permissive
        discovery_labels: {mesh: blue}
        waypoint: waypoint
        ingress_use_waypoint: on
        services:
          - {name: cart, waypoint: edge/edge, selector: {app: cart}}
          - {name: plain, waypoint: none}
        service_accounts: [{name: batch, waypoint: theirs}]
        exceptions: [{allow: direct, ports: [9090, 80, 80]}]
      - name: pay
        state: l4-strict
        default_deny: true
        exceptions: [{allow: plaintext, selector: {app: legacy}, ports: [1]}]
    """
    mesh = parse_mesh(yaml.safe_load(everything))
    waypoint, edge, theirs = mesh.waypoints
    shop, pay = mesh.namespaces

    assert waypoint == WaypointSpec(
        "waypoint",
        "shop",
        Serves.ALL,
        replicas=2,
        resources={"limits": {"memory": "512Mi"}, "requests": {"cpu": "0.5", "memory": "128Mi"}},
        disruption_budget={"maxUnavailable": "50%"},
        spread=("topology.kubernetes.io/zone", "kubernetes.io/hostname"),
        revision="stable",
        allowed={"team": "shop"},
        lock_down=False,
    )
    assert edge == WaypointSpec("edge", "edge", autoscaling=Autoscaling(1, 5, 80), allowed="all", lock_down=False)
    assert theirs == WaypointSpec("theirs", "shop", lock_down=False, existing=True)
    assert shop.services == (
        ServiceBinding("cart", edge.ref, {"app": "cart"}),
        ServiceBinding("plain", None),
    )
    assert shop.service_accounts == (AccountBinding("batch", theirs.ref),)
    assert shop.exceptions == (Exemption(Allow.DIRECT, {}, (80, 9090)),)
    assert shop.waypoints() == {waypoint.ref, edge.ref, theirs.ref}
    assert (shop.waypoint, shop.mtls, shop.strict, shop.ingress_use_waypoint) == (
        waypoint.ref,
        "permissive",
        False,
        True,
    )
    assert (pay.strict, pay.default_deny) == (True, True)
    assert pay.exceptions == (Exemption(Allow.PLAINTEXT, {"app": "legacy"}, (1,)),)


def test_l7_takes_the_only_waypoint_of_its_namespace() -> None:
    value = {
        "waypoints": [{"name": "one", "namespace": "shop"}, {"name": "two", "namespace": "other"}],
        "namespaces": [{"name": "shop", "state": "l7"}],
    }
    assert parse_mesh(value).namespaces[0].waypoint == WaypointRef("shop", "one")


def test_all_errors_are_told_at_once() -> None:
    value = {"nam": "x", "namespaces": [{"name": "a", "state": "on"}, {"name": "A", "state": "l4"}]}

    with pytest.raises(AmbientError) as caught:
        parse_mesh(value)

    first, *others = str(caught.value).splitlines()
    assert first == "3 errors in ambient_mesh; the first: ambient_mesh: unknown key 'nam'. Did you mean name?"
    assert [line.split(": ")[0].strip() for line in others] == [
        "ambient_mesh.namespaces[0].state",
        "ambient_mesh.namespaces[1].name",
    ]


NAMES = st.from_regex(r"ns-[a-z0-9]{1,20}", fullmatch=True)
STATES = st.sampled_from(["off", "l4", "l4-strict", False])
KEYS = [
    *("name", "namespaces", "waypoints", "namespace", "for", "replicas", "autoscaling", "min", "max", "cpu"),
    *("resources", "limits", "requests", "memory", "disruption_budget", "min_available", "max_unavailable", "spread"),
    *("revision", "allowed_namespaces", "lock_down", "existing", "state", "mtls", "default_deny", "discovery_labels"),
    *("waypoint", "ingress_use_waypoint", "services", "selector", "service_accounts", "exceptions", "allow", "ports"),
]
WORDS = ["shop", "off", "l4", "l4-strict", "l7", "none", "all", "same", "service", "workload", "strict", "direct"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | SCALARS, inner, max_size=5),
    max_leaves=12,
)
#: Junk where a declaration has something: under the right keys.
ENTRY = st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=8)
NAMED = st.builds(lambda entry, name: {**entry, "name": name, "namespace": "shop"}, ENTRY, st.sampled_from(WORDS))
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "name": SCALARS,
        "waypoints": st.lists(ENTRY | NAMED, max_size=3),
        "namespaces": st.lists(
            ENTRY | st.builds(lambda entry, state: {**entry, "state": state}, NAMED, st.sampled_from(WORDS)), max_size=3
        ),
    },
)


@given(st.dictionaries(NAMES, STATES, max_size=8))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_good_declaration_is_read_as_written(states: dict[str, Any]) -> None:
    value = {"namespaces": [{"name": name, "state": state} for name, state in states.items()]}

    mesh = parse_mesh(value)

    assert {spec.name: spec.state.value for spec in mesh.namespaces} == {
        name: state or "off" for name, state in states.items()
    }


@given(JUNK | NEAR)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_junk_is_read_or_refused_with_a_path(value: Any) -> None:
    try:
        mesh = parse_mesh(value)
        namespace_items(mesh, [])
        waypoint_items(mesh)
    except AmbientError as error:
        told = str(error).splitlines()
        errors = told[1:] if len(told) > 1 else []
        assert "ambient_mesh" in told[0]
        assert all(line.startswith("  ambient_mesh") for line in errors), told
    else:
        assert all(spec.name for spec in (*mesh.namespaces, *mesh.waypoints))
