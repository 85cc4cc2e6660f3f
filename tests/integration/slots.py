# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as a choice of values for slots, so that random manifests and random edits of them are valid."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object

ABSENT = "(absent)"
Step = str | tuple[tuple[str, Any], ...]  # a key of a mapping, or the keys of an element of a list
Chosen = dict[str, Any]  # values by the name of their slot


@dataclass(frozen=True)
class Slot:
    """One place in an object and the values that it may take.

    `default`: what the API server puts where nobody sets it. `member`: the values are True, for an element of a set.
    `whole`: to remove the value is to remove the list's element that it stands in. `free`: no schema says what it is.
    """

    path: tuple[Step, ...]
    values: tuple[Any, ...]
    default: Any = ABSENT
    member: str = ""
    whole: bool = False
    free: bool = False

    def get(self, obj: Object) -> Any:
        """The value in an object."""
        node: Any = obj
        for step in self.path:
            node = _below(node, step)
            if node is ABSENT:
                return ABSENT
        if self.member:
            return True if self.member in node else ABSENT
        return node

    def put(self, obj: Object, value: Any) -> None:
        """Set the value, with whatever is missing above it."""
        node: Any = obj
        for step, following in zip(self.path, self.path[1:], strict=False):
            if _below(node, step) is ABSENT:
                _add(node, step, {} if isinstance(following, str) else [])
            node = _below(node, step)
        last = self.path[-1]
        assert isinstance(last, str)
        if self.member:
            found = node.setdefault(last, [])
            if self.member not in found:
                found.append(self.member)
        else:
            node[last] = value

    def remove(self, obj: Object) -> None:
        """Take the value out, if it is there."""
        if self.get(obj) is ABSENT:
            return
        node: Any = obj
        for step in self.path[: -2 if self.whole else -1]:
            node = _below(node, step)
        if self.whole:
            node.remove(_below(node, self.path[-2]))
        elif self.member:
            node[self.path[-1]].remove(self.member)
        else:
            del node[self.path[-1]]

    def owners(self, obj: Object) -> set[str]:
        """The managers that own the value.

        Of one in an element of a list: those who own the element too. It goes with those who brought it, whatever
        others have put into it. So does a mapping of which no schema knows.
        """
        steps = self._steps()
        elements = [number for number, step in enumerate(self.path) if not isinstance(step, str)]
        found = _owners(obj, steps)
        if self.free:
            return found.intersection(*(_owners(obj, [*steps[:depth], "."]) for depth in range(2, len(steps))))
        return found & _owners(obj, [*steps[: elements[-1] + 1], "."]) if elements else found

    def holders(self, obj: Object) -> set[str]:
        """The managers that own the value, whoever owns what it stands in."""
        return _owners(obj, self._steps())

    def _steps(self) -> list[str]:
        steps = [f"f:{step}" if isinstance(step, str) else f"k:{_compact(dict(step))}" for step in self.path]
        return [*steps, f"v:{_compact(self.member)}"] if self.member else steps


def _owners(obj: Object, steps: list[str]) -> set[str]:
    found = set()
    for entry in obj["metadata"].get("managedFields") or []:
        node: Any = entry.get("fieldsV1")
        for step in steps:
            node = node.get(step) if isinstance(node, Mapping) else None
        if node is not None:
            found.add(str(entry["manager"]))
    return found


def _below(node: Any, step: Step) -> Any:
    if isinstance(step, str):
        return node.get(step, ABSENT) if isinstance(node, Mapping) else ABSENT
    for element in node if isinstance(node, list) else []:
        if all(element.get(key) == value for key, value in step):
            return element
    return ABSENT


def _add(node: Any, step: Step, empty: Any) -> None:
    if isinstance(step, str):
        node[step] = empty
    else:
        node.append(dict(step))


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Shape:
    """A kind of object: what every manifest of it holds, and its slots."""

    base: Object
    slots: dict[str, Slot]

    def manifest(self, namespace: str, name: str, chosen: Chosen) -> Object:
        """A manifest that sets the chosen slots and what the kind cannot do without."""
        obj = copy.deepcopy(self.base)
        obj["metadata"] = {"name": name, "namespace": namespace}
        for slot, value in chosen.items():
            self.slots[slot].put(obj, copy.deepcopy(value))
        return obj


def _named(name: str) -> tuple[tuple[str, Any], ...]:
    return (("name", name),)


_LABELS = {"app": "x"}
_POD: tuple[Step, ...] = ("spec", "template", "spec")
_MAIN: tuple[Step, ...] = (*_POD, "containers", _named("main"))
_TOLERATION = {"key": "a", "operator": "Exists"}
_META = {
    "label": Slot(("metadata", "labels", "tests.example/label"), ("1", "2", "")),
    "annotation": Slot(("metadata", "annotations", "note"), ("1", "2", "")),
    "other": Slot(("metadata", "annotations", "other"), ("1", "2")),
}
_PORT = (("port", 80), ("protocol", "TCP"))

SHAPES = {
    "ConfigMap": Shape(
        {"apiVersion": "v1", "kind": "ConfigMap"},
        {
            **_META,
            "a": Slot(("data", "a"), ("1", "2", "", "x\ny\n")),
            "b": Slot(("data", "b.c-d_e"), ("1", "2")),
            "binary": Slot(("binaryData", "c"), ("AAE=", "AAI=")),
        },
    ),
    "Secret": Shape(
        {"apiVersion": "v1", "kind": "Secret"},
        {
            **_META,
            "a": Slot(("data", "a"), tuple(base64.b64encode(text).decode() for text in (b"1", b"2"))),
            "b": Slot(("data", "b"), ("eA==", "eQ==")),
        },
    ),
    "Deployment": Shape(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {
                    "metadata": {"labels": _LABELS},
                    "spec": {"containers": [{"name": "main", "image": "x"}]},
                },
            },
        },
        {
            **_META,
            "replicas": Slot(("spec", "replicas"), (0, 2, 3), default=1),
            "selector": Slot((*_POD, "nodeSelector"), ({"a": "1"}, {"a": "2"}, {"b": "1", "a": "1"})),
            "tolerations": Slot((*_POD, "tolerations"), ([_TOLERATION], [{**_TOLERATION, "key": "b"}, _TOLERATION])),
            "image": Slot((*_MAIN, "image"), ("y", "z"), default="x"),
            "env-a": Slot((*_MAIN, "env", _named("A"), "value"), ("1", "2")),
            "env-b": Slot((*_MAIN, "env", _named("B"), "value"), ("1", "2"), whole=True),
            "args": Slot((*_MAIN, "args"), (["a"], ["a", "b"], ["b", "a"])),
            "cpu": Slot((*_MAIN, "resources", "limits", "cpu"), ("1", "2")),
            "side": Slot((*_POD, "containers", _named("side"), "image"), ("y", "z"), whole=True),
        },
    ),
    "Service": Shape(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "http"}]},
        },
        {
            **_META,
            "selector": Slot(("spec", "selector"), ({"a": "1"}, {"a": "2"}, {"b": "1"})),
            "target": Slot(("spec", "ports", _PORT, "targetPort"), (8080, "http"), default=80),
            "policy": Slot(("spec", "internalTrafficPolicy"), ("Local",), default="Cluster"),
            "protocol": Slot(("spec", "ports", _PORT, "appProtocol"), ("http", "tls")),
        },
    ),
    "Stricts": Shape(
        {"apiVersion": "corpus.example/v1", "kind": "Stricts"},
        {
            **_META,
            "any": Slot(("spec", "any"), (0, 80, "80", "http")),
            "number": Slot(("spec", "number"), (0, 1, 1.5)),
            "defaulted": Slot(("spec", "defaulted"), ("e", "f", ""), default="d"),
            "atomic": Slot(("spec", "atomic"), ([{"name": "a", "mode": "m"}], [{"name": "b", "mode": "m"}])),
            "atomic-map": Slot(("spec", "atomicMap"), ({"a": "1"}, {"a": "1", "b": "2"}, {"b": "2"})),
            "map-a": Slot(("spec", "labels", "a"), ("1", "2", "")),
            "map-b": Slot(("spec", "labels", "b/c.d"), ("1", "2")),
            "set-a": Slot(("spec", "set"), (True,), member="a"),
            "set-b": Slot(("spec", "set"), (True,), member="b"),
            "list-a": Slot(("spec", "list", (("mode", "soft"), ("name", "a")), "more"), ("1", "2")),
            "list-b": Slot(("spec", "list", (("mode", "hard"), ("name", "a")), "more"), ("1", "2"), whole=True),
            "free": Slot(("spec", "free", "a", "b"), (1, True, "1", [1, {"x": []}])),
        },
    ),
    "Frees": Shape(
        {"apiVersion": "corpus.example/v1", "kind": "Frees"},
        {
            **_META,
            "a": Slot(("spec", "a", "b"), (0, 1, False, True, "", "1", 1.5), free=True),
            "b": Slot(("spec", "a", "c", "d"), ("1", "2"), free=True),
            "list": Slot(("spec", "l"), ([1], [1, 2], [{"a": {"b": 1}}], [{"a": {"b": 2}}])),
        },
    ),
}
