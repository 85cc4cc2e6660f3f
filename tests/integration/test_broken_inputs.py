# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken ends in one clear error: what, where, what to do; and no object is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apiserver as bare
import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from cases import Result, config_map, live
from in_process import run_in_process

SENTENCE = re.compile(r"\S[^:]*(:\S[^:]*)*: .+\. [A-Z].+", re.DOTALL)


@dataclass
class Bench:
    """What a broken input is made of."""

    api: bare.ApiServer
    client: Client
    namespace: str
    folder: Path

    def file(self, text: str, name: str = "broken.yaml") -> dict[str, Any]:
        """Options with a file of this text."""
        path = self.folder / name
        path.write_text(text)
        return {"files": [str(path)]}

    def objects(self, *objects: Any) -> dict[str, Any]:
        """Options with these objects in a file."""
        return self.file("\n---\n".join(json.dumps(obj) for obj in objects))

    def role(self, *items: Any, **rest: Any) -> dict[str, Any]:
        """Options with a role file."""
        return self.file(json.dumps({"role": "tested", "items": list(items), **rest}), "broken.json")

    def map(self, name: str = "one", **rest: Any) -> Object:
        """A ConfigMap, something in it replaced."""
        return {**config_map(self.namespace, name, key="x"), **rest}

    def kubeconfig(self, text: str) -> dict[str, Any]:
        """Options with a good object and this kubeconfig."""
        path = self.folder / "kubeconfig"
        path.write_text(text)
        return {**self.objects(self.map()), "kubeconfig": str(path)}

    def changed_kubeconfig(self, change: Callable[[Any], None]) -> dict[str, Any]:
        """Options with a good object and the admin's kubeconfig, changed."""
        config = json.loads(Path(self.api.kubeconfig).read_text())
        change(config)
        return self.kubeconfig(json.dumps(config))

    def good(self, **options: Any) -> dict[str, Any]:
        """Options with nothing wrong but these."""
        return {**self.objects(self.map()), **options}


@dataclass(frozen=True)
class Broken:
    """A broken input, and what its error must say. `render`: the module `render` refuses it too."""

    id: str
    says: str
    options: Callable[[Bench], Mapping[str, Any]]
    render: bool = False
    before: Callable[[Bench], None] = field(default=lambda bench: None)


def metadata(bench: Bench, **changes: Any) -> Object:
    """A ConfigMap with other metadata; None takes a key out."""
    obj = bench.map()
    changed = {**obj["metadata"], **changes}
    return {**obj, "metadata": {key: value for key, value in changed.items() if value is not None}}


def deployment(bench: Bench, app: str = "a", **container: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "a", "image": "x", **container}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": bench.namespace},
        "spec": {"selector": {"matchLabels": {"app": app}}, "template": template},
    }


def held(bench: Bench) -> None:
    bench.client.apply({**bench.map(), "data": {"key": "theirs"}}, "somebody")


def dying(bench: Bench) -> None:
    obj = metadata(bench, finalizers=["tests.example/wait"])
    bench.client.apply(obj, "somebody")
    bench.client.request("DELETE", f"/api/v1/namespaces/{bench.namespace}/configmaps/one")


def unwritable(bench: Bench) -> str:
    (bench.folder / "file").write_text("")
    return str(bench.folder / "file" / "below")


def _server(config: Any) -> None:
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


def _token(config: Any) -> None:
    config["users"][0]["user"]["token"] = "wrong"


def _ca(config: Any) -> None:
    config["clusters"][0]["cluster"]["certificate-authority"] = "/no/ca.crt"


def _user(config: Any) -> None:
    config["contexts"][0]["context"]["user"] = "nowhere"


CASES = [
    # files
    Broken("no-file", "/no/file.yaml: no such file", lambda b: {"files": ["/no/file.yaml"]}, True),
    Broken("empty-directory", "holds no .json", lambda b: {"files": [str(_made(b.folder / "empty"))]}, True),
    Broken("not-utf-8", "broken.yaml: is not UTF-8", lambda b: {"files": [_bytes(b, b"a: \xff\xfe")]}, True),
    Broken("yaml", r"broken.yaml: not valid YAML: .*line 2", lambda b: b.file("a: 1\n b: [\n"), True),
    Broken("yaml-tab", r"broken.yaml: not valid YAML: .*line 2", lambda b: b.file("a:\n\tb: 1\n"), True),
    Broken("key-twice", "the key 'kind' stands twice, line 2", lambda b: b.file("kind: A\nkind: B\n"), True),
    Broken("json", r"broken.json: not valid JSON: .*line 1", lambda b: b.file('{"role": ', "broken.json"), True),
    Broken("list-document", "broken.yaml: document 2 is a list", lambda b: b.file("---\n{}\n---\n- a\n"), True),
    Broken("text-document", "broken.yaml: document 1 is a str", lambda b: b.file("just a text\n"), True),
    Broken("tag", "not valid YAML", lambda b: b.file("!!python/object/apply:os.system ['true']\n"), True),
    Broken("deep-yaml", "not valid YAML|too deep", lambda b: b.file("a: " + "[" * 5000 + "]" * 5000 + "\n"), True),
    Broken("deep-json", "not valid JSON", lambda b: b.file("[" * 100000 + "]" * 100000, "broken.json"), True),
    Broken("role-text", "'items' must be a list", lambda b: b.file('{"role": "x", "items": "a"}', "broken.json"), True),
    Broken("role-name", "'role' must be the name of a role", lambda b: b.role(b.map(), role="a/b"), True),
    Broken("item-text", "items 1: must be a mapping", lambda b: b.role("x"), True),
    Broken("item-key", "items 1: unknown key 'objekt'", lambda b: b.role({"objekt": {}}), True),
    Broken("item-object", "items 1: 'object' must be a manifest", lambda b: b.role({"object": [1]}), True),
    Broken(
        "wave-text", "items 1: 'wave' must be a whole number", lambda b: b.role({"object": b.map(), "wave": "x"}), True
    ),
    Broken(
        "wave-far", "items 1: 'wave' must be .*, it is 5000", lambda b: b.role({"object": b.map(), "wave": 5000}), True
    ),
    Broken("wave-true", "items 1: 'wave' must be", lambda b: b.role({"object": b.map(), "wave": True}), True),
    Broken("patch-text", "items 1: 'patch' must be", lambda b: b.role({"object": b.map(), "patch": "yes"}), True),
    Broken("manager-list", "items 1: 'manager' must be", lambda b: b.role({"object": b.map(), "manager": ["a"]}), True),
    Broken("gone-text", "items 1: 'gone' must be", lambda b: b.role({"object": b.map(), "gone": "a"}), True),
    Broken("twice", "stands twice under the manager", lambda b: b.objects(b.map(), b.map()), True),
    # manifests
    Broken("no-kind", "object 1: kind must be a text", lambda b: b.objects({"apiVersion": "v1"}), True),
    Broken("kind-number", "object 1: kind must be a text.*7", lambda b: b.objects(b.map(kind=7)), True),
    Broken("version-missing", "object 2: apiVersion must", lambda b: b.objects(b.map(), b.map(apiVersion=None)), True),
    Broken("name-number", "metadata.name must be a text.*5", lambda b: b.objects(metadata(b, name=5)), True),
    Broken("name-empty", "metadata.name must be a text", lambda b: b.objects(metadata(b, name="")), True),
    Broken(
        "generate-name",
        "metadata.name must be a text",
        lambda b: b.objects(metadata(b, name=None, generateName="a-")),
        True,
    ),
    Broken("namespace-list", "metadata.namespace must", lambda b: b.objects(metadata(b, namespace=["a"])), True),
    Broken("metadata-list", "metadata.* must be", lambda b: b.objects(b.map(metadata=[])), True),
    Broken("metadata-null", "metadata.* must be", lambda b: b.objects(b.map(metadata=None)), True),
    Broken("label-number", r"metadata.labels\[a\] must", lambda b: b.objects(metadata(b, labels={"a": 1})), True),
    Broken("labels-list", "metadata.labels must", lambda b: b.objects(metadata(b, labels=["a"])), True),
    Broken(
        "annotation-true", r"metadata.annotations\[a\]", lambda b: b.objects(metadata(b, annotations={"a": True})), True
    ),
    Broken("live-copy", "metadata.uid is set by", lambda b: b.objects(metadata(b, uid="x")), True),
    Broken(
        "nan",
        "number that is not finite",
        lambda b: b.file('{"role": "r", "items": [{"object": {"a": NaN}}]}', "x.json"),
        True,
    ),
    Broken("spec-text-policy", "spec", lambda b: b.objects(_policy(b, "text"))),
    Broken("namespace-missing", "needs a metadata.namespace", lambda b: b.objects(metadata(b, namespace=None))),
    Broken(
        "namespace-too-much",
        "is cluster-scoped",
        lambda b: b.objects({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "namespace": "y"}}),
    ),
    Broken("unknown-kind", "does not serve", lambda b: b.objects(b.map(kind="Unheard"))),
    Broken("unknown-version", "does not serve", lambda b: b.objects(b.map(apiVersion="v9"))),
    Broken("version-slashes", "does not serve|apiVersion", lambda b: b.objects(b.map(apiVersion="a/b/c"))),
    Broken("secret", "a Secret is not rendered", lambda b: b.objects(b.map(kind="Secret", data={})), True),
    # what only the API server knows
    Broken("unknown-field", r"\.dtaa: field not declared", lambda b: b.objects(b.map(dtaa={}))),
    Broken("field-type", r"\.data", lambda b: b.objects(b.map(data=["a"]))),
    Broken("field-number", r"\.data\.a", lambda b: b.objects(b.map(data={"a": 1}))),
    Broken("deep-field", r"imagee", lambda b: b.objects(deployment(b, imagee="x"))),
    Broken("key-in-list-twice", r"env: duplicate entries", lambda b: b.objects(deployment(b, env=[{"name": "A"}] * 2))),
    Broken("name-characters", "(?i)invalid.*metadata.name", lambda b: b.objects(metadata(b, name="No_Name"))),
    Broken("name-slash", "(?i)name", lambda b: b.objects(metadata(b, name="a/b"))),
    Broken("name-dots", "(?i)name", lambda b: b.objects(metadata(b, name=".."))),
    Broken("name-long", "(?i)metadata.name", lambda b: b.objects(metadata(b, name="a" * 300))),
    Broken("label-value", "(?i)metadata.labels", lambda b: b.objects(metadata(b, labels={"a": "no spaces here"}))),
    Broken("label-key", "(?i)metadata.labels", lambda b: b.objects(metadata(b, labels={"a b": "x"}))),
    Broken("secret-base64", "(?i)base64", lambda b: b.objects(b.map(kind="Secret", data={"a": "%%%"}))),
    Broken(
        "secret-number", "stringData", lambda b: b.objects({**b.map(kind="Secret", stringData={"a": 1}), "data": {}})
    ),
    Broken("quantity", "(?i)quantit", lambda b: b.objects(deployment(b, resources={"limits": {"cpu": "lots"}}))),
    Broken("namespace-nowhere", "not found", lambda b: b.objects(metadata(b, namespace="no-such-namespace"))),
    Broken("too-large", "(?i)large|long|limit|bytes", lambda b: b.objects(b.map(data={"a": "x" * 1_200_000}))),
    Broken("far-too-large", "(?i)large|long|limit|bytes", lambda b: b.objects(b.map(data={"a": "x" * 4_000_000}))),
    Broken(
        "immutable",
        "(?i)immutable",
        lambda b: b.objects(deployment(b, "other")),
        before=lambda b: bool(b.client.apply(deployment(b), "alauda.ambient")) and None,
    ),
    Broken("conflict", r"\.data\.key is held by somebody", lambda b: b.objects(b.map()), before=held),
    Broken("being-deleted", "is being deleted", lambda b: b.objects(b.map()), before=dying),
    Broken("patch-nowhere", "never creates its object", lambda b: b.role({"object": b.map("nowhere"), "patch": True})),
    # the way to the cluster
    Broken("no-kubeconfig", "/no/kubeconfig: no such file", lambda b: b.good(kubeconfig="/no/kubeconfig")),
    Broken("empty-kubeconfig", "kubeconfig cannot be used", lambda b: b.kubeconfig("")),
    Broken("kubeconfig-yaml", "kubeconfig cannot be used", lambda b: b.kubeconfig("a: [")),
    Broken("kubeconfig-list", "kubeconfig cannot be used", lambda b: b.kubeconfig("[1, 2]")),
    Broken("no-context", "nowhere", lambda b: b.good(kubeconfig=b.api.kubeconfig, context="nowhere")),
    Broken("no-user", "kubeconfig", lambda b: b.changed_kubeconfig(_user)),
    Broken("unreachable", "127.0.0.1:1", lambda b: b.changed_kubeconfig(_server)),
    Broken("wrong-token", "credentials", lambda b: b.changed_kubeconfig(_token)),
    Broken("no-ca", "(?i)/no/ca.crt|certificate", lambda b: b.changed_kubeconfig(_ca)),
    Broken("host-no-url", "no URL", lambda b: b.good(host="127.0.0.1:1", api_key="x", kubeconfig=None)),
    Broken("no-rights", "(?i)right|forbidden|cannot", lambda b: b.good(kubeconfig=b.api.nobody_kubeconfig)),
    # options
    Broken("mesh", "(?i)mesh", lambda b: b.good(mesh="no mesh name!")),
    Broken("mesh-empty", "(?i)mesh", lambda b: b.good(mesh="")),
    Broken("mesh-long", "(?i)mesh", lambda b: b.good(mesh="m" * 70)),
    Broken("home", "(?i)namespace", lambda b: b.good(inventory_namespace="No_Namespace")),
    Broken("home-empty", "(?i)namespace", lambda b: b.good(inventory_namespace="")),
    Broken("inventory", "inventory: must be", lambda b: b.good(inventory="a/b")),
    Broken("timeout", "(?i)timeout", lambda b: b.good(wait_timeout=-1)),
    Broken("lock-timeout", "(?i)timeout", lambda b: b.good(lock_timeout=-1)),
    Broken("wave-nowhere", "(?i)wave", lambda b: b.good(waves=[12345])),
    Broken("work-dir", "below", lambda b: b.good(work_dir=unwritable(b))),
]
assert len(CASES) >= 80


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _bytes(bench: Bench, data: bytes) -> str:
    path = bench.folder / "broken.yaml"
    path.write_bytes(data)
    return str(path)


def _policy(bench: Bench, spec: Any) -> Object:
    metadata = {"name": "a", "namespace": bench.namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@pytest.fixture
def bench(apiserver: bare.ApiServer, client: Client, namespace: str, tmp_path: Path) -> Bench:
    return Bench(apiserver, client, namespace, tmp_path)


def written(api: bare.ApiServer, start: int, *, everything: bool) -> list[str]:
    """What was written since then: all requests to write, or only those that succeeded and are no bookkeeping."""
    found = []
    with Path(api.audit_log).open() as log:
        log.seek(start)
        for line in log:
            event = json.loads(line)
            if event["verb"] in ("get", "list", "watch") or re.search("dryRun=All|selfsubject", event["requestURI"]):
                continue
            path = event["requestURI"].split("?")[0]
            refused = event["responseStatus"]["code"] >= 400
            if everything or not (refused or re.search(r"/leases|/configmaps/ambient-|/configmaps$", path)):
                found.append(f"{event['verb']} {path}")
    return found


def refused(result: Result, says: str) -> None:
    """The result is one clear error."""
    assert result.get("failed"), result
    message = result["msg"]
    assert "Traceback" not in message and "Traceback" not in json.dumps(result), message
    assert re.search(says, message), message
    assert SENTENCE.fullmatch(message), f"not 'where: what. What to do': {message}"
    assert len(message) < 700, message


@pytest.mark.parametrize("broken", CASES, ids=lambda broken: broken.id)
def test_one_clear_error_and_nothing_written(broken: Broken, bench: Bench) -> None:
    broken.before(bench)
    given = {
        "kubeconfig": bench.api.kubeconfig,
        "mesh": bench.namespace,
        "inventory_namespace": bench.namespace,
        "work_dir": str(bench.folder / "work"),
        "wait_timeout": 2,
        **broken.options(bench),
    }
    if broken.render:
        options = {"files": given["files"], "dest": str(bench.folder / "tree")}
        refused(run_in_process("render", options), broken.says)
        assert not (bench.folder / "tree").exists()
    if broken.id == "secret":
        return
    for check in (True, False):
        start = Path(bench.api.audit_log).stat().st_size
        result = run_in_process("apply", given, check)
        refused(result, broken.says)
        assert written(bench.api, start, everything=check) == []


def test_an_inventory_that_cannot_be_read(bench: Bench) -> None:
    """Lines that are no records count as no record: what they were about is looked at, not lost."""
    given = {
        **bench.good(),
        "kubeconfig": bench.api.kubeconfig,
        "mesh": bench.namespace,
        "inventory_namespace": bench.namespace,
        "work_dir": str(bench.folder / "work"),
    }
    assert run_in_process("apply", given)["changed"]
    (found,) = bench.client.list(
        "v1",
        "ConfigMap",
        bench.namespace,
        label_selector=f"ambient.alauda.io/mesh={bench.namespace},ambient.alauda.io/inventory",
    )
    for text in (
        "no json",
        '{"object": 7}',
        "[]",
        '{"object": ["v1", "ConfigMap", "", 5], "manager": []}',
        "null",
        "\u0000",
    ):
        current = live(bench.client, found)
        current["data"] = dict.fromkeys(current["data"], text)
        try:
            bench.client.replace(current)
        except ApiError:
            continue
        result = run_in_process("apply", given)
        assert not result.get("failed") and result["counts"]["unchanged"] == 1, result
