# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with the traps of server-side apply: what the API server rewrites, drops, adds or keeps no account of."""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object

Path = tuple[str | int, ...]
REMOVED = object()


@dataclass(frozen=True)
class Trap:
    """An object of ours, and a foreign edit of it: at `path` the live object gets `value`.

    `ours`: whether the edit concerns what we set, so that it must be seen. `emptied`: it fills a field that we set to
    nothing and that the API server drops then: theirs stays, but we claim the field again, which is one write.
    """

    id: str
    object: Object
    path: Path
    value: Any
    ours: bool = True
    emptied: bool = False

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])

    def edited(self, obj: Object) -> Object:
        """A copy of the object (live, or as we send it) with the edit."""
        result = copy.deepcopy(obj)
        node: Any = result
        for step, following in zip(self.path, self.path[1:], strict=False):
            if isinstance(node, dict) and node.get(step) is None:
                node[step] = [] if isinstance(following, int) else {}
            if isinstance(node, list) and step == len(node):
                node.append({})
            node = node[step]
        last: Any = self.path[-1]
        if self.value is REMOVED:
            del node[last]
        elif isinstance(node, list) and last == len(node):
            node.append(self.value)
        else:
            node[last] = self.value
        return result


def _object(api_version: str, kind: str, name: str, **rest: Any) -> Object:
    metadata = {"name": name, "namespace": "corpus", **rest.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _deployment(name: str, pod: Any = None, container: Any = None, **rest: Any) -> Object:
    labels = {"app": name}
    spec = {"containers": [{"name": "main", "image": "x", **(container or {})}], **(pod or {})}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return _object(
        "apps/v1", "Deployment", name, spec={"selector": {"matchLabels": labels}, "template": template, **rest}
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


POD: Path = ("spec", "template", "spec")
MAIN: Path = (*POD, "containers", 0)
_LABELS = {"app": "x"}


def _pods() -> list[Trap]:
    selector = {"labelSelector": {"matchLabels": _LABELS}, "topologyKey": "zone"}
    token = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    probe = {"livenessProbe": {"httpGet": {"port": 80}}}
    return [
        Trap("node-selector-empty", _deployment("a1", {"nodeSelector": {}}), (*POD, "nodeSelector"), {"disk": "ssd"}),
        Trap("command-null", _deployment("a2", None, {"command": None}), (*MAIN, "command"), ["sh"]),
        Trap("args-empty", _deployment("a3", None, {"args": []}), (*MAIN, "args"), ["sh"]),
        Trap(
            "env-value-empty",
            _deployment("a4", None, {"env": [{"name": "A", "value": ""}]}),
            (*MAIN, "env", 0, "value"),
            "x",
        ),
        Trap(
            "cpu-number",
            _deployment("a5", None, {"resources": {"limits": {"cpu": 0.5}}}),
            (*MAIN, "resources", "limits", "cpu"),
            "700m",
        ),
        Trap(
            "cpu-rewritten",
            _deployment("a6", None, {"resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}}}),
            (*MAIN, "resources", "limits", "memory"),
            "2Gi",
        ),
        Trap("replicas-null", _deployment("a7", replicas=None), ("spec", "replicas"), 3),
        Trap("replicas-zero", _deployment("a8", replicas=0), ("spec", "replicas"), 3),
        Trap("bool-false", _deployment("a9", {"hostNetwork": False}), (*POD, "hostNetwork"), True),
        Trap(
            "atomic-list",
            _deployment("a10", {"tolerations": [{"key": "a", "operator": "Exists"}]}),
            (*POD, "tolerations", 0, "effect"),
            "NoSchedule",
        ),
        Trap(
            "default-in-atomic-list",
            _deployment("a11", {"volumes": [token]}),
            (*POD, "volumes", 0, "projected", "sources", 0, "serviceAccountToken", "expirationSeconds"),
            7200,
        ),
        Trap(
            "atomic-term",
            _deployment(
                "a12",
                {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [selector]}}},
            ),
            (*POD, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution", 0, "topologyKey"),
            "host",
        ),
        Trap(
            "env-twice",
            _deployment("a13", None, {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
            (*MAIN, "env", 2),
            {"name": "A", "value": "3"},
        ),
        Trap(
            "env-removed",
            _deployment("a14", None, {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
            (*MAIN, "env", 0),
            REMOVED,
        ),
        Trap(
            "key-defaulted", _deployment("a15", None, {"ports": [{"containerPort": 80}]}), (*MAIN, "ports", 0), REMOVED
        ),
        Trap(
            "default-beside-ours", _deployment("a16", None, probe), (*MAIN, "livenessProbe", "periodSeconds"), 7, False
        ),
        Trap("int-or-string", _deployment("a17", None, probe), (*MAIN, "livenessProbe", "httpGet", "port"), 81),
        Trap(
            "percent",
            _deployment("a18", strategy={"rollingUpdate": {"maxSurge": "10%"}}),
            ("spec", "strategy", "rollingUpdate", "maxSurge"),
            1,
        ),
        Trap("deprecated-name", _deployment("a19", {"serviceAccount": "one"}), (*POD, "serviceAccountName"), "two"),
        # What others put into what we leave empty, or set beside it, is theirs.
        Trap(
            "env-list-empty", _deployment("b1", None, {"env": []}), (*MAIN, "env"), [{"name": "A", "value": "1"}], False
        ),
        Trap(
            "env-null",
            _deployment("b2", None, {"env": None}),
            (*MAIN, "env"),
            [{"name": "A", "value": "1"}],
            False,
            True,
        ),
        Trap(
            "struct-empty", _deployment("b3", {"securityContext": {}}), (*POD, "securityContext", "runAsUser"), 1, False
        ),
        Trap(
            "volume-empty",
            _deployment("b4", {"volumes": [{"name": "v", "emptyDir": {}}]}),
            (*POD, "volumes", 0, "emptyDir", "medium"),
            "Memory",
            False,
        ),
        Trap("default", _deployment("b5"), (*POD, "terminationGracePeriodSeconds"), 7, False),
        Trap("other-container", _deployment("b6"), (*POD, "containers", 1), {"name": "side", "image": "y"}, False),
    ]


def _plain() -> list[Trap]:
    port = {"port": 80, "targetPort": "http"}
    ingress = [{"ports": [{"port": 80}], "from": [{"podSelector": {}}]}]
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return [
        Trap("config-null", _object("v1", "ConfigMap", "c1", data={"a": None}), ("data", "a"), "x"),
        Trap("config-empty-text", _object("v1", "ConfigMap", "c2", data={"a": ""}), ("data", "a"), "x"),
        Trap(
            "config-lines", _object("v1", "ConfigMap", "c3", data={"a": "x\r\n \ty\n\n"}), ("data", "a"), "x\n \ty\n\n"
        ),
        Trap("config-binary", _object("v1", "ConfigMap", "c4", binaryData={"a": "AAE="}), ("binaryData", "a"), "AAI="),
        Trap("config-unicode", _object("v1", "ConfigMap", "c5", data={"a": "ä\u2028<&>"}), ("data", "a"), "ä"),
        Trap("config-data-empty", _object("v1", "ConfigMap", "c6", data={}), ("data", "a"), "x", False, True),
        Trap("secret-string-data", _object("v1", "Secret", "s1", stringData={"a": "x9"}), ("data", "a"), _encoded("y")),
        Trap(
            "secret-both",
            _object("v1", "Secret", "s2", data={"a": _encoded("old")}, stringData={"a": "x9", "b": ""}),
            ("data", "b"),
            _encoded("y"),
        ),
        Trap("secret-data", _object("v1", "Secret", "s3", data={"a": _encoded("x9")}), ("data", "a"), _encoded("y")),
        Trap("secret-other-key", _object("v1", "Secret", "s4", stringData={"a": "x9"}), ("data", "b"), "eA==", False),
        Trap(
            "finalizers",
            _object("v1", "ConfigMap", "f1", metadata={"finalizers": ["tests.example/ours"]}),
            ("metadata", "finalizers", 0),
            "tests.example/theirs",
        ),
        Trap(
            "finalizer-added",
            _object("v1", "ConfigMap", "f2", metadata={"finalizers": ["tests.example/ours"]}),
            ("metadata", "finalizers", 1),
            "tests.example/theirs",
            False,
        ),
        Trap(
            "annotations-empty",
            _object("v1", "ConfigMap", "f3", metadata={"annotations": {}}),
            ("metadata", "annotations", "theirs"),
            "x",
            False,
            True,
        ),
        Trap(
            "annotation-with-path",
            _object("v1", "ConfigMap", "f4", metadata={"annotations": {"a.b/c.d": "x"}}),
            ("metadata", "annotations", "a.b/c.d"),
            "y",
        ),
        Trap(
            "labels-null",
            _object("v1", "ConfigMap", "f5", metadata={"labels": None}),
            ("metadata", "labels", "a"),
            "b",
            False,
            True,
        ),
        Trap(
            "service-port",
            _object("v1", "Service", "p1", spec={"selector": _LABELS, "ports": [port]}),
            ("spec", "ports", 0, "targetPort"),
            8080,
        ),
        Trap(
            "service-selector",
            _object("v1", "Service", "p2", spec={"selector": _LABELS, "ports": [port]}),
            ("spec", "selector"),
            {"app": "y"},
        ),
        Trap(
            "service-default",
            _object("v1", "Service", "p3", spec={"selector": _LABELS, "ports": [port]}),
            ("spec", "sessionAffinity"),
            "ClientIP",
            False,
        ),
        Trap(
            "policy-default-in-atomic-list",
            _object("networking.k8s.io/v1", "NetworkPolicy", "n1", spec={"podSelector": {}, "ingress": ingress}),
            ("spec", "ingress", 0, "ports", 0, "protocol"),
            "UDP",
        ),
        Trap(
            "policy-selector-empty",
            _object("networking.k8s.io/v1", "NetworkPolicy", "n2", spec={"podSelector": {}, "ingress": ingress}),
            ("spec", "podSelector"),
            {"matchLabels": _LABELS},
        ),
        Trap(
            "role-rules",
            _object("rbac.authorization.k8s.io/v1", "Role", "r1", rules=rules),
            ("rules", 0, "verbs"),
            ["get", "list"],
        ),
        Trap("role-rules-empty", _object("rbac.authorization.k8s.io/v1", "Role", "r2", rules=[]), ("rules",), rules),
        Trap(
            "binding-subject-default",
            _object(
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                "r3",
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r1"},
                subjects=[{"kind": "User", "name": "one"}],
            ),
            ("subjects", 0, "name"),
            "two",
        ),
        Trap(
            "scaler-old-version",
            _object(
                "autoscaling/v1",
                "HorizontalPodAutoscaler",
                "h1",
                spec={
                    "maxReplicas": 3,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a1"},
                    "targetCPUUtilizationPercentage": 80,
                },
            ),
            ("spec", "targetCPUUtilizationPercentage"),
            90,
        ),
        Trap(
            "quota",
            _object("v1", "ResourceQuota", "q1", spec={"hard": {"cpu": "1000m", "pods": 5}}),
            ("spec", "hard", "pods"),
            "6",
        ),
    ]


_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT = {"type": "string"}
_ENTRY = {"type": "object", "properties": {"name": _TEXT, "mode": {"type": "string", "default": "soft"}, "more": _TEXT}}
_STRICT = {
    "type": "object",
    "properties": {
        "any": {"x-kubernetes-int-or-string": True},
        "number": {"type": "number"},
        "nullable": {"type": "string", "nullable": True},
        "defaulted": {"type": "string", "default": "d"},
        "free": _FREE,
        "atomic": {"type": "array", "items": _ENTRY},
        "atomicMap": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": _TEXT, "b": _TEXT}},
        "labels": {"type": "object", "additionalProperties": _TEXT},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
        "numbers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
        "list": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "mode"],
            "items": {**_ENTRY, "required": ["name"]},
        },
        "object": {"type": "object", "x-kubernetes-embedded-resource": True, **_FREE},
    },
}


def crds() -> list[Object]:
    """The CRDs of the custom objects of the corpus."""
    return [_crd("frees", _FREE), _crd("stricts", _STRICT)]


def _crd(plural: str, spec: Object) -> Object:
    schema = {"type": "object", "properties": {"spec": spec}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.corpus.example"},
        "spec": {
            "group": "corpus.example",
            "scope": "Namespaced",
            "names": {"kind": plural.capitalize(), "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _free(name: str, spec: Any) -> Object:
    return _object("corpus.example/v1", "Frees", name, spec=spec)


def _strict(name: str, **spec: Any) -> Object:
    return _object("corpus.example/v1", "Stricts", name, spec=spec)


def _custom() -> list[Trap]:
    return [
        Trap("free-null", _free("u1", {"a": None, "b": 1}), ("spec", "a"), "x"),
        Trap("free-empty", _free("u2", {"a": {}}), ("spec", "a", "theirs"), "x", False),
        Trap("free-list", _free("u3", {"a": [{"b": 1}, {"b": 2}]}), ("spec", "a", 1, "b"), 3),
        Trap("free-list-empty", _free("u4", {"a": []}), ("spec", "a"), [1]),
        Trap("free-number", _free("u5", {"a": 0.5, "b": 1.0, "c": 10**15}), ("spec", "b"), 2),
        Trap("free-number-of-other-type", _free("u6", {"a": 1}), ("spec", "a"), "1"),
        Trap("free-bool", _free("u7", {"a": True}), ("spec", "a"), 1),
        Trap("free-deep", _free("u8", {"a": {"b": {"c": {"d": "x"}}}}), ("spec", "a", "b", "c", "d"), "y"),
        Trap("free-removed", _free("u9", {"a": {"b": "x"}, "c": 1}), ("spec", "a"), REMOVED),
        Trap("free-type-changed", _free("u10", {"a": {"b": "x"}}), ("spec", "a"), "text"),
        Trap("free-beside", _free("u11", {"a": {"b": "x"}}), ("spec", "a", "c"), "y", False),
        Trap("any-int", _strict("v1", any=80), ("spec", "any"), "http"),
        Trap("any-text", _strict("v2", any="80"), ("spec", "any"), 80),
        Trap("number", _strict("v3", number=1.0), ("spec", "number"), 1.5),
        Trap("nullable", _strict("v4", nullable=None), ("spec", "nullable"), "x"),
        Trap("defaulted-null", _strict("v5", defaulted=None), ("spec", "defaulted"), "e"),
        Trap("custom-default", _strict("v6", any=1), ("spec", "defaulted"), "e", False),
        Trap("atomic-default", _strict("v7", atomic=[{"name": "a"}]), ("spec", "atomic", 0, "mode"), "hard"),
        Trap("atomic-added", _strict("v8", atomic=[{"name": "a"}]), ("spec", "atomic", 1), {"name": "b"}),
        Trap("atomic-map", _strict("v9", atomicMap={"a": "x"}), ("spec", "atomicMap", "b"), "y"),
        Trap("atomic-map-empty", _strict("v10", atomicMap={}), ("spec", "atomicMap", "b"), "y"),
        Trap("map", _strict("v11", labels={"a": "x"}), ("spec", "labels", "b"), "y", False),
        Trap("set", _strict("v12", set=["a", "b"]), ("spec", "set", 0), "c"),
        Trap("set-added", _strict("v13", set=["a"]), ("spec", "set", 1), "c", False),
        Trap("set-order", _strict("v14", set=["a", "b"]), ("spec", "set"), ["b", "a"], False),
        Trap("set-of-numbers", _strict("v15", numbers=[0, 1]), ("spec", "numbers", 0), 2),
        Trap("list-key-default", _strict("v16", list=[{"name": "a", "more": "x"}]), ("spec", "list", 0, "more"), "y"),
        Trap("list-key-edited", _strict("v17", list=[{"name": "a", "more": "x"}]), ("spec", "list", 0, "mode"), "hard"),
        Trap(
            "list-other-key",
            _strict("v18", list=[{"name": "a", "more": "x"}]),
            ("spec", "list", 1),
            {"name": "a", "mode": "hard", "more": "y"},
            False,
        ),
        Trap(
            "embedded",
            _strict("v19", object={"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "y": {"z": []}}),
            ("spec", "object", "y", "z"),
            [1],
        ),
        Trap("free-inside-strict", _strict("v20", free={"a": None, "b": [{}]}), ("spec", "free", "b", 0, "c"), 1),
    ]


def traps(namespace: str = "corpus") -> list[Trap]:
    """All of them, in a namespace; no two are about the same object."""
    found = [
        replace(trap, object={**trap.object, "metadata": {**trap.object["metadata"], "namespace": namespace}})
        for trap in (*_pods(), *_plain(), *_custom())
    ]
    names = [(trap.object["kind"], trap.name) for trap in found]
    assert len(set(names)) == len({trap.id for trap in found}) == len(found)
    return found
