# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random objects and random foreign edits: our fields win or a conflict is told, theirs stay, the second run is silent.

AMBIENT_LONG=1 tries many more, other ones each time.
"""

from __future__ import annotations

import base64
import itertools
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube import outcome as words
from ansible_collections.alauda.ambient.plugins.module_utils.kube.apply import Applier, Settings
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import comparable, digest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.outcome import Outcome
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import DEFAULT_MANAGER, item_from
from corpus import crds
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from slots import ABSENT, SHAPES, Chosen, Shape, Slot

LONG = bool(os.environ.get("AMBIENT_LONG"))
EXAMPLES = 200 if LONG else 5  # of each kind
WRITES = ("apply", "create", "replace", "delete")
# A map or list that somebody else's update created and whose last element is ours and goes: the API server leaves null
# where it was, and refuses that where the CRD does not allow it.
NULL_LEFT = 'Invalid value: "null"'
# An element of a list that somebody else brought, once a field is gone that we had taken over and it cannot do without.
LACKING = "image: Required value"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ours:
    """We apply a manifest."""

    chosen: Chosen
    force: bool = False


@dataclass(frozen=True)
class Update:
    """Somebody edits the live object."""

    chosen: Chosen
    removed: frozenset[str]


@dataclass(frozen=True)
class Apply:
    """Somebody else applies a manifest of theirs."""

    manager: str
    chosen: Chosen
    force: bool


@dataclass(frozen=True)
class Delete:
    """Somebody deletes the object."""


Step = Ours | Update | Apply | Delete


def steps(shape: Shape) -> st.SearchStrategy[list[Step]]:
    """What happens to an object, in turn; it begins and ends with us."""
    chosen = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(slot.values) for name, slot in shape.slots.items()}
    )
    removed = st.frozensets(st.sampled_from(sorted(shape.slots)), max_size=2)
    step = st.one_of(
        st.builds(Ours, chosen, st.booleans()),
        st.builds(Update, chosen, removed),
        st.builds(Apply, st.sampled_from(["kubectl", "gitops"]), chosen, st.booleans()),
        st.just(Delete()) if not LONG else st.one_of(st.just(Delete()), st.builds(Update, st.just({}), removed)),
    )
    between = st.lists(step, min_size=1, max_size=6)
    return st.builds(
        lambda first, middle, last: [Ours(first), *middle, Ours(last), Ours(last, force=True)], chosen, between, chosen
    )


@dataclass
class Game:
    """One object and everybody who has a hand in it."""

    client: Client
    shape: Shape
    namespace: str
    name: str = field(default_factory=lambda: f"object-{next(_numbers)}")
    written: int = 0

    def play(self, todo: list[Step]) -> None:
        for step in todo:
            if isinstance(step, Ours):
                self.ours(step)
            else:
                self.theirs(step)

    def live(self) -> Object | None:
        base = self.shape.base
        return self.client.get(base["apiVersion"], base["kind"], self.name, self.namespace)

    def theirs(self, step: Update | Apply | Delete) -> None:
        """A foreign step; what the API server refuses does not happen."""
        obj = self.live()
        try:
            if isinstance(step, Apply):
                bare = Shape({key: self.shape.base[key] for key in ("apiVersion", "kind")}, self.shape.slots)
                self.client.apply(bare.manifest(self.namespace, self.name, step.chosen), step.manager, force=step.force)
            elif obj is not None and isinstance(step, Delete):
                self.client.delete(Identity.of(obj))
            elif obj is not None and isinstance(step, Update):
                for name, value in step.chosen.items():
                    self.shape.slots[name].put(obj, value)
                for name in step.removed:
                    self.shape.slots[name].remove(obj)
                self.client.replace(obj, manager="editor")
        except ApiError as error:
            assert error.status in (409, 422), error

    def ours(self, step: Ours) -> None:
        manifest = self.shape.manifest(self.namespace, self.name, step.chosen)
        ours = {name: slot.get(manifest) for name, slot in self.shape.slots.items()}
        before = self.live()
        foreseen = self.run(manifest, force=step.force, check=True)
        assert self.written == 0 and self.live() == before, "check mode writes nothing"
        outcome = self.run(manifest, force=step.force)
        after = self.live()
        assert foreseen.action == outcome.action, (foreseen, outcome)
        if outcome.action == words.FAILED:
            assert after == before, "nothing of it was written"
            if NULL_LEFT in outcome.reason or LACKING in outcome.reason:
                return
            assert not step.force and before is not None, outcome.reason
            self.contested(ours, before, outcome.reason)
            return
        assert after is not None
        for name, slot in self.shape.slots.items():
            self.kept(name, slot, ours[name], before, after)
        if outcome.action == words.UNCHANGED:
            assert before is not None and digest(comparable(before)) == digest(comparable(after))
        for check in (True, False):
            again = self.run(manifest, force=step.force, check=check)
            assert again.action == words.UNCHANGED, again
            assert self.written == 0, "the second run is silent"
        assert self.live() == after

    def contested(self, ours: Chosen, before: Object, reason: str) -> None:
        """There is a conflict: the message names those who hold what differs."""
        differing = [
            slot
            for name, slot in self.shape.slots.items()
            if ours[name] is not ABSENT and digest(slot.get(before)) != digest(ours[name])
        ]
        # Until the first apply that sets something the API server keeps no account.
        holders = {"before-first-apply"}.union(*(slot.holders(before) - {DEFAULT_MANAGER} for slot in differing))
        assert reason.startswith("conflict: ") and "set force_conflicts to take it over" in reason
        assert any(f"is held by {holder}" in reason for holder in holders), (reason, holders)

    def kept(self, name: str, slot: Slot, wanted: Any, before: Object | None, after: Object) -> None:
        """After our success: ours is as we set it, what is only ours and no longer set is gone, theirs is as it was."""
        found = slot.get(after)
        if wanted is not ABSENT:
            assert digest(found) == digest(wanted), f"{name}: ours wins"
            return
        if before is None:
            return
        held = slot.get(before)
        if slot.owners(before) - {DEFAULT_MANAGER}:
            assert digest(found) == digest(held), f"{name}: theirs stays"
        elif slot.holders(before) - {DEFAULT_MANAGER}:
            assert digest(found) == digest(held) or found is ABSENT, f"{name}: theirs stays, unless its element goes"
        elif DEFAULT_MANAGER in slot.holders(before):
            assert found in (ABSENT, slot.default), f"{name}: what we no longer set goes"

    def run(self, manifest: Object, *, force: bool, check: bool = False) -> Outcome:
        """One run; `written` counts its writes."""
        self.written = 0
        item = item_from({"object": self.as_given(manifest)}, "tested")
        real = {name: getattr(self.client, name) for name in WRITES}
        for name, method in real.items():
            setattr(self.client, name, self.counted(method))
        try:
            options = {"wait": False, "force": force, "check": check}
            (outcome,) = Applier(self.client, Settings(self.name, self.namespace, **options), [item]).run()
        finally:
            for name in real:
                delattr(self.client, name)
        return outcome

    def counted(self, method: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.written += not options.get("dry_run")
            return method(*arguments, **options)

        return call

    @staticmethod
    def as_given(manifest: Object) -> Object:
        """The manifest as a person writes it: a Secret's values in plain text."""
        if manifest["kind"] != "Secret" or "data" not in manifest:
            return manifest
        plain = {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}
        return {**{key: value for key, value in manifest.items() if key != "data"}, "stringData": plain}


@pytest.fixture(scope="module")
def custom_kinds(client: Client) -> None:
    """The CRDs of the custom objects, served."""
    manifests = [item_from({"object": crd}, "crds") for crd in crds()]
    outcomes = Applier(client, Settings("custom-kinds", "default", wait=True), manifests).run()
    assert all(outcome.action != words.FAILED for outcome in outcomes), outcomes


@pytest.fixture(scope="module")
def home(client: Client, custom_kinds: None) -> str:
    """The namespace in which the objects and their inventories stand."""
    name = f"edits-{os.getpid()}"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "tests")
    return name


@pytest.mark.parametrize("kind", SHAPES)
def test_ours_wins_or_conflicts_theirs_stays_and_the_second_run_is_silent(kind: str, client: Client, home: str) -> None:
    shape = SHAPES[kind]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.explicit, Phase.generate],  # an example that fails is small enough; shrinking takes minutes
    )
    @given(steps(shape))
    def play(todo: list[Step]) -> None:
        game = Game(client, shape, home)
        game.play(todo)
        obj = game.live()
        if obj is not None:
            client.delete(Identity.of(obj))

    play()


def test_a_free_mapping_goes_with_those_who_brought_it(client: Client, home: str) -> None:
    """Found by the random edits: the API server does so where no schema knows the mapping."""
    game = Game(client, SHAPES["Frees"], home)
    game.play([Ours({"b": "2"}), Update({"b": "1"}, frozenset()), Apply("gitops", {"a": 1}, False)])
    assert (game.live() or {})["spec"] == {"a": {"b": 1, "c": {"d": "1"}}}
    game.play([Ours({}, force=True)])
    assert (game.live() or {})["spec"] == {"a": {"b": 1}}
