# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server rewrites is no change and hides none: the traps, every object of the charts, the CRDs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apiserver as bare
import pytest
import toolchain
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.fields import comparable, digest, owned_digest
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity, Object
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.items import item_from
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.normal import normal
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.yaml import load_all
from cases import Result, live
from corpus import REMOVED, Trap, crds, traps
from devcluster import assets
from in_process import run_in_process
from parity.parity import rendered_by_us

OWN_APISERVER = True
MANAGER = "alauda.ambient"
SECRETS = ("x9", "eDk=", "old", "b2xk")  # the values in the corpus, also as the API server stores them
Run = Callable[..., Result]


class Corpus:
    """A set of objects that is applied again and again."""

    def __init__(self, apiserver: bare.ApiServer, directory: Path, name: str, entries: list[Any]) -> None:
        self._apiserver = apiserver
        self._directory = directory
        self._name = name
        self.entries = entries

    def apply(self, check: bool = False, diff: bool = False, **options: Any) -> Result:
        """Run the module on the set as it is now."""
        entries = [entry if "object" in entry else {"object": entry} for entry in self.entries]
        file = self._directory / f"{self._name}.json"
        file.write_text(json.dumps({"role": self._name, "items": entries}))
        arguments = {
            "kubeconfig": self._apiserver.kubeconfig,
            "files": [str(file)],
            "mesh": self._name,
            "inventory_namespace": f"{self._name}-home",
            "work_dir": str(self._directory / self._name),
            "wait": False,
            **options,
        }
        return run_in_process("apply", arguments, check, diff)

    def actions(self, result: Result) -> dict[str, str]:
        """The action by object, for every object, from the report."""
        report = json.loads(Path(result["report_file"]).read_text())["objects"]
        found = {entry["object"]: entry["action"] for entry in report}
        expected = {
            str(item_from(entry if "object" in entry else {"object": entry}).identity) for entry in self.entries
        }
        assert set(found) == expected and len(report) == len(self.entries), "every object is accounted for"
        assert sum(result["counts"].values()) == len(report)
        return found

    def install(self) -> None:
        """First foresee, then apply: the same counts; then nothing is left to do."""
        foreseen = self.apply(check=True)
        assert "failed" not in foreseen or not foreseen["failed"], foreseen["msg"]
        created = self.apply()
        assert not created.get("failed"), created["msg"]
        assert created["counts"] == foreseen["counts"] and created["waves"] == foreseen["waves"]
        assert created["counts"]["created"] == len(self.entries)
        assert self.actions(created) == self.actions(foreseen)
        self.settled()

    def settled(self) -> None:
        """Nothing is left to do, in check mode and without it, and nothing is written."""
        seen = len(self._apiserver.writes())
        for check in (True, False):
            result = self.apply(check=check)
            assert not result.get("failed"), result["msg"]
            assert set(self.actions(result).values()) == {"unchanged"}, result["summary"]
            assert not result["changed"] and result["waves"] == []
        assert self._apiserver.writes()[seen:] == []


def namespace_object(name: str) -> Object:
    """A namespace that sets nothing."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.fixture(scope="module")
def corpus(apiserver: bare.ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The traps, with their namespace and CRDs, in one set on an empty API server."""
    entries = [namespace_object("corpus"), *crds(), *({"object": trap.object, "wave": 0} for trap in traps())]
    result = Corpus(apiserver, tmp_path_factory.mktemp("corpus"), "corpus", entries)
    result.install()
    return result


@pytest.fixture(scope="module")
def second_corpus(corpus: Corpus, apiserver: bare.ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The traps once more, in another namespace."""
    entries = [namespace_object("second"), *({"object": trap.object, "wave": 0} for trap in traps("second"))]
    result = Corpus(apiserver, tmp_path_factory.mktemp("second"), "second", entries)
    result.install()
    return result


@pytest.fixture(scope="module")
def charts(apiserver: bare.ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Every object of the four charts and the Gateway API's CRDs."""
    work = tmp_path_factory.mktemp("charts")
    helm = toolchain.binaries("helm")["helm"]
    objects = list(rendered_by_us(assets.charts(), toolchain.ISTIO_VERSION, helm, work).values())
    present = {Identity.of(obj).key for obj in objects}
    for file in sorted(assets.gateway_api_crds().glob("*.yaml")):
        objects += [obj for obj in load_all(file.read_text()) if Identity.of(obj).key not in present]
    kinds = {obj["kind"] for obj in objects}
    assert {"CustomResourceDefinition", "DaemonSet", "Deployment", "MutatingWebhookConfiguration"} <= kinds
    assert len(objects) > 50
    result = Corpus(apiserver, work, "charts", objects)
    result.install()
    return result


def by_update(client: Client, trap: Trap) -> bool:
    """The edit, as an editor or controller makes it."""
    client.replace(trap.edited(live(client, trap.object)), manager="editor")
    return True


def by_apply(client: Client, trap: Trap) -> bool:
    """The edit, as somebody applies it who insists; False where an apply cannot express it."""
    cannot = trap.value is REMOVED or trap.id in ("env-twice", "finalizers", "set", "set-of-numbers", "list-key-edited")
    if not cannot:
        client.apply(trap.edited(normal(trap.object)), "thief", force=True)
    return not cannot


@pytest.mark.parametrize(
    ("edit", "editor", "name"), [(by_update, "editor", "corpus"), (by_apply, "thief", "second_corpus")]
)
def test_a_foreign_edit_inside_each_trap_is_seen_and_mended(
    request: pytest.FixtureRequest, client: Client, edit: Callable[[Client, Trap], bool], editor: str, name: str
) -> None:
    corpus: Corpus = request.getfixturevalue(name)
    every = traps(name.removesuffix("_corpus"))
    before = {trap.id: comparable(live(client, trap.object)) for trap in every}
    owned = {trap.id: owned_digest(live(client, trap.object), MANAGER, normal(trap.object)) for trap in every}
    edited = {trap.id for trap in every if edit(client, trap)}
    left = {trap.id: comparable(live(client, trap.object)) for trap in every}
    untrue = [trap for trap in edited if digest(before[trap]) == digest(left[trap])]
    assert not untrue, "the edits are edits"
    names = {trap.id: str(Identity.of(trap.object)) for trap in every}
    ours = {trap.id for trap in every if trap.ours and trap.id in edited}

    for check in (True, False):
        result = corpus.apply(check=check, diff=True)
        actions = corpus.actions(result)
        unseen = [trap for trap in ours if actions[names[trap]] not in ("changed", "failed")]
        assert unseen == [], "edits inside what we set"
        blamed = [
            trap.id
            for trap in every
            if trap.id not in ours and not trap.emptied and actions[names[trap.id]] != "unchanged"
        ]
        assert blamed == [], "edits of what is not ours"
        refuse_secrets(result)
    for entry in result["failed_objects"]:
        assert f"is held by {editor}" in entry["reason"] and "set force_conflicts to take it over" in entry["reason"]

    foreseen = corpus.apply(check=True, force_conflicts=True, diff=True)
    taken = corpus.apply(force_conflicts=True, diff=True)
    assert not taken.get("failed"), taken["msg"]
    assert corpus.actions(taken) == corpus.actions(foreseen)
    refuse_secrets(taken)
    for trap in every:
        assert owned_digest(live(client, trap.object), MANAGER, normal(trap.object)) == owned[trap.id], trap.id
    after = {trap.id: comparable(live(client, trap.object)) for trap in every}
    lost = [trap.id for trap in every if trap.id in edited - ours and after[trap.id] != left[trap.id]]
    assert lost == [], "theirs stay"
    corpus.settled()


def refuse_secrets(result: Result) -> None:
    """No value of a Secret, and nothing that the server keeps for itself, in a result."""
    text = json.dumps({key: value for key, value in result.items() if key != "invocation"})
    texts = [*(entry.get("before", "") + entry.get("after", "") for entry in result.get("diff", []))]
    for word in ("managedFields", "resourceVersion", '"status": {'):
        assert not any(word in diff for diff in texts), word
    secret_diffs = [entry for entry in result.get("diff", []) if "Secret" in entry.get("after_header", "")]
    for value in SECRETS:
        assert not any(f'"{value}"' in json.dumps(entry) for entry in secret_diffs), value
    assert '"eDk=' not in text and "x9" not in text


def test_every_object_of_the_charts_with_a_foreign_edit(charts: Corpus, client: Client) -> None:
    ours: dict[str, str] = {}
    for obj in charts.entries:
        before = live(client, obj)
        ours[str(Identity.of(obj))] = owned_digest(before, MANAGER)
        edit_somewhere(client, obj, before)
    foreseen = charts.apply(check=True)
    actions = charts.actions(foreseen)
    assert {name for name, action in actions.items() if action not in ("changed", "failed")} == set()
    taken = charts.apply(force_conflicts=True)
    assert not taken.get("failed"), taken["msg"]
    assert set(charts.actions(taken).values()) == {"changed"}
    for obj in charts.entries:
        assert owned_digest(live(client, obj), MANAGER) == ours[str(Identity.of(obj))]
    charts.settled()


def edit_somewhere(client: Client, obj: Object, before: Object) -> None:
    """Change one value that we set: the first that the API server lets anybody change, a label at last."""
    for path in [*deep_first(obj), ("metadata", "labels", "ambient.alauda.io/mesh")]:
        after = Trap("", obj, path, None)
        value = value_at(before, path)
        if value is None:
            continue
        changed = Trap(
            "", obj, path, not value if isinstance(value, bool) else value + (1 if isinstance(value, int) else "x")
        )
        try:
            client.replace(changed.edited(before), manager="editor")
        except AmbientError:
            continue
        if comparable(live(client, obj)) != comparable(before):
            return
        before = live(client, after.object)
    raise AssertionError(f"no value of {Identity.of(obj)} can be changed")


def deep_first(obj: Object) -> list[tuple[str | int, ...]]:
    """Some paths of values in a manifest, outside its metadata, the deepest first."""

    def walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        if isinstance(value, Mapping):
            for key in value:
                yield from walk(value[key], (*path, key))
        elif isinstance(value, list):
            for index, element in enumerate(value):
                yield from walk(element, (*path, index))
        elif isinstance(value, (str, int)):
            yield path

    found = [path for key in obj if key not in ("apiVersion", "kind", "metadata") for path in walk(obj[key], (key,))]
    found.sort(key=len, reverse=True)
    return found[:3] + found[len(found) // 2 : len(found) // 2 + 3] + found[-3:]


def value_at(obj: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path, None where there is none or it is no scalar."""
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return None
    return obj if isinstance(obj, (str, int)) else None


def test_what_we_set_no_longer_goes_and_what_others_set_stays(
    client: Client, corpus: Corpus, apiserver: bare.ApiServer, tmp_path: Path
) -> None:
    def deployment(env: list[Object], **spec: Any) -> Object:
        labels = {"app": "go"}
        pod = {"containers": [{"name": "main", "image": "x", "env": env}], **spec}
        template = {"metadata": {"labels": labels}, "spec": pod}
        metadata = {"name": "go", "namespace": "corpus"}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    def secret(**values: str) -> Object:
        metadata = {"name": "go", "namespace": "corpus"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}

    def strict(**spec: Any) -> Object:
        metadata = {"name": "go", "namespace": "corpus"}
        return {"apiVersion": "corpus.example/v1", "kind": "Stricts", "metadata": metadata, "spec": spec}

    one, two = {"name": "ONE", "value": "1"}, {"name": "TWO", "value": "2"}
    first = [
        deployment([one, two], nodeSelector={"disk": "ssd"}, hostNetwork=True),
        secret(one="1", two="2"),
        strict(labels={"one": "1", "two": "2"}, set=["one", "two"], list=[{"name": "one"}, {"name": "two"}], any=1),
    ]
    theirs = [
        deployment([{"name": "THEIRS", "value": "3"}]),
        secret(theirs="3"),
        strict(labels={"theirs": "3"}, set=["theirs"], list=[{"name": "theirs"}]),
    ]
    changing = Corpus(apiserver, tmp_path, "changing", first)
    changing.install()
    for obj in theirs:
        client.apply(normal(obj), "somebody")
    changing.settled()
    changing.entries = [
        deployment([two]),
        secret(two="2"),
        strict(labels={"two": "2"}, set=["two"], list=[{"name": "two"}]),
    ]
    foreseen, changed = changing.apply(check=True), changing.apply()
    assert foreseen["counts"] == changed["counts"] and changed["counts"]["changed"] == 3
    pod = live(client, first[0])["spec"]["template"]["spec"]
    assert sorted(entry["name"] for entry in pod["containers"][0]["env"]) == ["THEIRS", "TWO"]
    assert "nodeSelector" not in pod and "hostNetwork" not in pod
    assert sorted(live(client, first[1])["data"]) == ["theirs", "two"]
    spec = live(client, first[2])["spec"]
    assert spec["labels"] == {"theirs": "3", "two": "2"} and "any" not in spec
    assert sorted(spec["set"]) == ["theirs", "two"]
    assert sorted(entry["name"] for entry in spec["list"]) == ["theirs", "two"]
    changing.settled()


def test_secrets_are_read_one_by_one(corpus: Corpus, apiserver: bare.ApiServer) -> None:
    events = [json.loads(line) for line in Path(apiserver.audit_log).read_text().splitlines()]
    ours = [event for event in events if event.get("userAgent", "").startswith(MANAGER)]
    verbs = {event["verb"] for event in ours if (event.get("objectRef") or {}).get("resource") == "secrets"}
    assert "get" in verbs and not verbs & {"list", "watch"}


def test_a_crd_that_changes_with_its_objects(corpus: Corpus, apiserver: bare.ApiServer, tmp_path: Path) -> None:
    """Check mode knows that the objects are valid only with the new schema, or under the new version."""
    (crd,) = (obj for obj in crds() if obj["metadata"]["name"].startswith("stricts"))
    crd = json.loads(json.dumps(crd).replace("stricts", "grows").replace("Stricts", "Grows"))
    thing: Object = {
        "apiVersion": "corpus.example/v1",
        "kind": "Grows",
        "metadata": {"name": "a", "namespace": "corpus"},
        "spec": {"any": 1},
    }
    growing = Corpus(apiserver, tmp_path, "growing", [crd, thing])
    growing.install()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["new"] = {"type": "string"}
    thing["spec"]["new"] = "x"
    foreseen, changed = growing.apply(check=True), growing.apply()
    assert foreseen["counts"] == changed["counts"] == {**changed["counts"], "changed": 2, "failed": 0}
    growing.settled()
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": "v2", "storage": False})
    thing["apiVersion"] = "corpus.example/v2"
    foreseen, changed = growing.apply(check=True), growing.apply()
    assert changed["counts"]["failed"] == 0
    assert foreseen["counts"] == changed["counts"]
    growing.settled()
