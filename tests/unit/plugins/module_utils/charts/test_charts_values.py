# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values: whose come last, what each platform adds, what is refused."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.charts.platforms import PLATFORMS, platform_values
from ansible_collections.alauda.ambient.plugins.module_utils.charts.values import (
    COMPONENTS,
    Settings,
    helm_values,
    merge,
)
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from hypothesis import given
from hypothesis import strategies as st

REF = "registry.example/istio/pilot@sha256:" + "a" * 64
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(MAPPINGS, MAPPINGS)
def test_merge_keeps_every_leaf_of_the_later_one_and_touches_neither(base: dict, over: dict) -> None:
    before = copy.deepcopy((base, over))
    merged = merge(base, over)
    assert (base, over) == before
    assert set(merged) == {*base, *over}
    for key, value in over.items():
        if not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert merged[key] == value
    assert merge(merged, over) == merged


def test_merge_goes_into_mappings_and_replaces_lists() -> None:
    assert merge({"a": {"x": 1, "y": [1, 2]}}, {"a": {"y": [3]}, "b": None}) == {"a": {"x": 1, "y": [3]}, "b": None}


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_user_comes_last(component: str) -> None:
    settings = Settings("1.31.0", platform="gke", user={component: {"global": {"tag": "mine"}, "cniBinDir": "/mine"}})
    values = helm_values(component, settings)
    assert values["global"]["tag"] == "mine"
    place = {"istiod": "pilot", "cni": "cni"}.get(component)
    assert (values[place] if place else values)["cniBinDir"] == "/mine"
    assert values["profile"] == "ambient"


def test_every_component_gets_hub_tag_and_profile() -> None:
    for component in COMPONENTS:
        values = helm_values(component, Settings("1.31.0", hub="registry.example/istio"))
        assert values["profile"] == "ambient"
        assert values["global"]["hub"] == "registry.example/istio"
        assert values["global"]["tag"] == "1.31.0"


def test_an_image_by_digest_is_given_whole_and_without_a_variant() -> None:
    values = helm_values("istiod", Settings("1.31.0", images={"pilot": REF, "proxyv2": REF}))
    assert values["image"] == REF
    assert values["variant"] == ""
    assert values["global"]["proxy"]["image"] == REF
    assert values["global"]["variant"] == ""
    assert "image" not in helm_values("cni", Settings("1.31.0", images={"pilot": REF}))
    assert "variant" not in helm_values("cni", Settings("1.31.0"))


def test_namespaces_trust_and_exclusions_follow() -> None:
    assert helm_values("istiod", Settings("1.31.0"))["trustedZtunnelNamespace"] == "ztunnel"
    excluded = helm_values("cni", Settings("1.31.0"))["excludeNamespaces"]
    assert excluded == ["kube-system", "istio-system", "istio-cni", "ztunnel"]
    assert helm_values("base", Settings("1.31.0"))["base"]["validationFailurePolicy"] == "Fail"


def test_discovery_selectors_reach_istiod_alone() -> None:
    selectors = [{"matchLabels": {"istio-discovery": "enabled"}}]
    settings = Settings("1.31.0", discovery_selectors=selectors)
    assert helm_values("istiod", settings)["meshConfig"]["discoverySelectors"] == selectors
    assert "meshConfig" not in helm_values("cni", settings)


@pytest.mark.parametrize(
    ("platform", "component", "expected"),
    [
        ("kind", "cni", {}),
        ("eks", "istiod", {}),
        ("openshift", "ztunnel", {"global": {"platform": "openshift"}}),
        ("gke", "cni", {"global": {"platform": "gke"}, "cniBinDir": "/home/kubernetes/bin"}),
    ],
)
def test_platform_values(platform: str, component: str, expected: dict) -> None:
    assert platform_values(platform, component) == expected


def test_acp_runs_istio_cni_behind_multus() -> None:
    values = helm_values("cni", Settings("1.31.0", platform="acp"))["cni"]
    assert (values["provider"], values["chained"], values["cniConfDir"]) == ("multus", False, "/etc/cni/multus/net.d")
    istiod = helm_values("istiod", Settings("1.31.0", platform="acp"))["pilot"]
    assert istiod["cni"] == {"enabled": True, "provider": "multus"}


def test_the_charts_own_key_wins_over_the_same_words_beside_it() -> None:
    user = {"cni": {"logging": {"level": "info"}, "env": {"A": "1"}, "cni": {"env": {"A": "2"}}}}
    assert helm_values("cni", Settings("1.31.0", user=user))["cni"] == {"logging": {"level": "info"}, "env": {"A": "2"}}


def test_an_unknown_platform_is_refused_with_the_list() -> None:
    with pytest.raises(AmbientError) as error:
        helm_values("cni", Settings("1.31.0", platform="gek"))
    assert "ambient_platform: unknown platform 'gek'" in str(error.value)
    assert all(platform in str(error.value) for platform in PLATFORMS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings("1.31"), "ambient_version: '1.31' is not a full version"),
        (Settings("latest"), "ambient_version: 'latest' is not a full version"),
        (
            Settings("1.31.0", images={"pilot": "istio/pilot:1.31.0"}),
            "ambient_images.pilot: 'istio/pilot:1.31.0' does not",
        ),
        (Settings("1.31.0", hub="me:hunter2@registry.example/istio"), "ambient_hub: holds a user or a password. Leave"),
        (Settings("1.31.0", images={"pilto": REF}), "ambient_images.pilto: unknown image"),
        (Settings("1.31.0", user={"pilot": {}}), "ambient_values.pilot: unknown component"),
        (Settings("1.31.0", user={"cni": [1]}), "ambient_values.cni: must be a mapping of Helm values, not list"),  # type: ignore[dict-item]
        (Settings("1.31.0", user={"cni": {"profile": "demo"}}), "ambient_values.cni.profile: is fixed"),
        (Settings("1.31.0", user={"istiod": {"global": {"istioNamespace": "x"}}}), "global.istioNamespace: is fixed"),
    ],
)
def test_refused_settings(settings: Settings, words: str) -> None:
    with pytest.raises(AmbientError) as error:
        settings.check()
    assert words in str(error.value)


def test_good_settings_pass() -> None:
    Settings("1.31.0-rc.1", images={"pilot": REF}, user={"cni": {"global": {"logging": {"level": "debug"}}}}).check()
