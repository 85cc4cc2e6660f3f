# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects a run reaches, in which order it changes them, and when it pauses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.given import refuse_bad_options
from ansible_collections.alauda.ambient.plugins.module_utils.kube.outcome import Outcome
from ansible_collections.alauda.ambient.plugins.module_utils.kube.settings import Settings
from ansible_collections.alauda.ambient.plugins.module_utils.kube.stages import (
    CLEAR,
    RELEASE,
    WIDEN,
    Pace,
    in_order_of_run,
    removal_stage,
    stages,
)
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import Item

WAVES = (-30, 0, 30, 40, 45, 50, 70, 900)


def item(kind: str, name: str, namespace: str = "", wave: int = 0, api_version: str = "v1") -> Item:
    """An object."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return Item({"apiVersion": api_version, "kind": kind, "metadata": metadata}, wave)


def outcome(wave: int, action: str = "changed", prune: bool = False) -> Outcome:
    """What became of an object in a wave."""
    return Outcome(item("ConfigMap", "x", "ns", wave), action, prune=prune)


@pytest.mark.parametrize(
    ("one", "covered"),
    [
        (item("ConfigMap", "x", "shop"), True),
        (item("ConfigMap", "shop", "bank"), False),
        (item("Namespace", "shop"), True),
        (item("Namespace", "bank"), False),
        (item("ClusterRole", "shop"), False),
        (item("Namespace", "shop", api_version="tests.example/v1"), False),
    ],
)
def test_a_run_reaches_its_namespaces_and_what_is_in_them(one: Item, covered: bool) -> None:
    assert Settings("m", "home").covers(one)
    assert Settings("m", "home", namespaces=frozenset({"shop"})).covers(one) is covered
    assert not Settings("m", "home", namespaces=frozenset()).covers(one)
    assert not Settings("m", "home", namespaces=frozenset({"shop"}), waves=frozenset({1})).covers(one)


def test_the_order_of_a_run() -> None:
    written = [outcome(wave) for wave in WAVES]
    removed = [outcome(wave, "deleted", prune=True) for wave in reversed(WAVES)]
    order = [(each.prune, each.item.wave) for each in in_order_of_run(written, removed, True)]
    assert order == [
        *((True, wave) for wave in (900, 70)),
        *((False, wave) for wave in (-30, 0, 30, 40, 45, 50)),
        *((True, wave) for wave in (50, 45)),
        *((False, wave) for wave in (70, 900)),
        *((True, wave) for wave in (40, 30, 0, -30)),
    ]
    assert in_order_of_run(written, removed, False) == written + removed
    assert stages(True)[-1].removes and stages(False)[-1].removes
    assert [removal_stage(wave) for wave in (70, 50, 45, 40)] == [WIDEN, RELEASE, RELEASE, CLEAR]


def paced(seconds: float, *stages_done: list[Outcome]) -> list[Any]:
    """What is said and slept where these stages, each with something to do, follow one another."""
    told: list[Any] = []
    pace = Pace(Settings("m", "home", settle=seconds, sleep=told.append, progress=told.append))
    for done in stages_done:
        pace.pause()
        pace.note(done)
    return told


def test_a_pause_comes_between_what_moves_traffic_and_what_follows() -> None:
    why = "pause for 3 s: the ztunnels learn of it"
    assert paced(3, [outcome(50)], [outcome(0)], [outcome(0)]) == [why, 3]
    assert paced(3, [outcome(70, "deleted")], [outcome(45, "released")], [outcome(0)]) == [why, 3, why, 3]
    assert paced(3, [outcome(40)], [outcome(70)]) == []
    assert paced(3, [outcome(50, "unchanged"), outcome(45, "candidate")], [outcome(70)]) == []
    assert paced(0, [outcome(50)], [outcome(70)]) == []


def test_options_that_cannot_be_meant(tmp_path: Any) -> None:
    good = {
        "mesh": "default",
        "inventory_namespace": "istio-system",
        "namespaces": ["shop"],
        "settle": 0,
        "wait_timeout": 1,
        "lock_timeout": 1,
        "waves": None,
        "work_dir": str(tmp_path),
    }
    refuse_bad_options(good)
    refuse_bad_options({**good, "namespaces": None})
    refuse_bad_options({**good, "namespaces": []})
    for wrong in ("", "Shop", "a/b"):
        with pytest.raises(AmbientError, match=r"namespaces\[1\]: is no name of a namespace"):
            refuse_bad_options({**good, "namespaces": ["shop", wrong]})
    with pytest.raises(AmbientError, match="settle: must not be negative"):
        refuse_bad_options({**good, "settle": -1})
