# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery selectors and the patches that enrol and release namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import namespace_items
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.selectors import (
    check_selectors,
    discovery_labels,
    selects,
)
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.spec import MeshSpec, NamespaceSpec, State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MESH = MeshSpec(namespaces=(NamespaceSpec("shop", State.L4), NamespaceSpec("old", State.OFF)))
IN_ONE = {"matchExpressions": [{"key": "mesh", "operator": "In", "values": ["blue"]}]}
IN_TWO = {"matchExpressions": [{"key": "mesh", "operator": "In", "values": ["blue", "green"]}]}
NOT_IN = {"matchExpressions": [{"key": "mesh", "operator": "NotIn", "values": ["green"]}]}
EXISTS = {"matchExpressions": [{"key": "mesh", "operator": "Exists"}]}
ABSENT = {"matchExpressions": [{"key": "mesh", "operator": "DoesNotExist"}]}


def test_enrolment_is_one_label_and_release_is_none() -> None:
    off, shop = namespace_items(MESH, [])

    assert off.object == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old"}}
    assert (off.wave, off.patch, off.manager) == (50, True, "alauda.ambient/enrolment")
    assert off.releases
    assert off.gone == ("istio.io/dataplane-mode",)
    assert shop.object["metadata"] == {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}
    assert (shop.wave, shop.patch, shop.manager, shop.gone) == (50, True, "alauda.ambient/enrolment", ())


def test_a_namespace_that_is_off_stays_discovered_while_a_waypoint_in_it_serves_others() -> None:
    selectors = check_selectors([{"matchLabels": {"mesh": "blue"}}])
    edge = {"waypoints": [{"name": "edge", "namespace": "edge", "allowed_namespaces": "all"}]}
    edge_off = {"name": "edge", "state": "off"}
    for shop, kept in (({"state": "l7", "waypoint": "edge/edge"}, True), ({"state": "off"}, False)):
        mesh = parse_mesh({**edge, "namespaces": [{"name": "shop", **shop}, edge_off]})
        found = [item for item in namespace_items(mesh, selectors) if item.identity.name == "edge"]
        labels = [item.object["metadata"].get("labels", {}) for item in found if not item.releases]
        assert labels == ([{"mesh": "blue"}] if kept else [])


def test_discovery_label_goes_before_everything_and_only_to_enrolled_namespaces() -> None:
    first, *others = namespace_items(MESH, [{"matchLabels": {"mesh": "blue"}}])

    assert (first.wave, first.patch, first.manager) == (-30, True, "alauda.ambient/discovery")
    assert first.object["metadata"] == {"name": "shop", "labels": {"mesh": "blue"}}
    assert {item.wave for item in others} == {50}


@pytest.mark.parametrize(
    ("selectors", "labels"),
    [
        ([], {}),
        ([{"matchLabels": {"mesh": "blue"}}], {"mesh": "blue"}),
        ([IN_ONE], {"mesh": "blue"}),
        ([IN_TWO], {}),
        ([EXISTS, {"matchLabels": {"a": "b"}}], {"a": "b"}),
        ([NOT_IN], {}),
    ],
)
def test_discovery_label_is_derived_only_where_it_is_certain(selectors: list[Any], labels: dict[str, str]) -> None:
    assert discovery_labels(check_selectors(selectors)) == labels


@pytest.mark.parametrize(
    ("selectors", "labels", "selected"),
    [
        ([], {}, True),
        ([IN_TWO], {"mesh": "green"}, True),
        ([IN_TWO], {"mesh": "red"}, False),
        ([NOT_IN], {"mesh": "green"}, False),
        ([NOT_IN], {}, True),
        ([EXISTS], {}, False),
        ([EXISTS], {"mesh": ""}, True),
        ([ABSENT], {}, True),
        ([ABSENT], {"mesh": "x"}, False),
        ([EXISTS, {"matchLabels": {"a": "b"}}], {"a": "b"}, True),
        ([{"matchLabels": {"a": "b"}, **EXISTS}], {"a": "b"}, False),
    ],
)
def test_selection_follows_kubernetes(selectors: list[Any], labels: dict[str, str], selected: bool) -> None:
    assert selects(check_selectors(selectors), labels) is selected


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ({"matchLabels": {}}, "ambient_discovery_selectors: a list of label selectors is expected"),
        ([{"labels": {}}], "ambient_discovery_selectors[0]: a label selector is expected"),
        ([{"matchLabels": {"mesh": True}}], "ambient_discovery_selectors[0].matchLabels: a mapping of strings"),
        ([{"matchExpressions": {}}], "ambient_discovery_selectors[0].matchExpressions: a list of expressions"),
        ([{"matchExpressions": [{"key": "a", "operator": "in"}]}], "operator 'in' is not known"),
        ([{"matchExpressions": [{"key": "a", "operator": "In"}]}], "values go with In and NotIn"),
        ([{"matchExpressions": [{"operator": "In"}]}], "an expression needs a key"),
    ],
)
def test_a_selector_that_kubernetes_would_not_take_is_refused(selectors: Any, message: str) -> None:
    with pytest.raises(AmbientError) as caught:
        check_selectors(selectors)

    assert message in str(caught.value)


@given(
    st.lists(
        st.sampled_from([IN_ONE, IN_TWO, NOT_IN, EXISTS, ABSENT, {"matchLabels": {"a": "b"}}]), min_size=1, max_size=4
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_namespace_with_the_derived_label_is_discovered(selectors: list[Any]) -> None:
    labels = discovery_labels(selectors)

    assert not labels or selects(selectors, labels)
