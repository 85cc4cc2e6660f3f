# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of CEL, the language of admission policies."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..checks.signals import MESHES, Mesh, Workload
from ..checks.snapshot import DAEMONSETS, DEPLOYMENTS

_RESOURCES = {DEPLOYMENTS: "deployments", DAEMONSETS: "daemonsets"}


def text(value: str) -> str:
    """A string literal."""
    return json.dumps(value, ensure_ascii=False)


def texts(values: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{', '.join(map(text, values))}]"


def label(obj: str, key: str) -> str:
    """The value of a label, empty where there is none."""
    return f"{obj}.metadata.?labels[?{text(key)}].orValue('')"


def annotation(obj: str, key: str) -> str:
    """The value of an annotation, empty where there is none."""
    return f"{obj}.metadata.?annotations[?{text(key)}].orValue('')"


def any_of(expressions: Iterable[str]) -> str:
    """At least one of them holds."""
    return " || ".join(f"({expression})" for expression in expressions)


def all_of(expressions: Iterable[str]) -> str:
    """All of them hold."""
    return " && ".join(f"({expression})" for expression in expressions)


def title_of_mesh() -> str:
    """Whose control plane, node agent or CRD the object is, by the table of the checks; empty for none."""
    known = [(_is_of(mesh), mesh.title) for mesh in MESHES if _is_of(mesh)]
    return "".join(f"({condition}) ? {text(title)} : " for condition, title in known) + "''"


def _is_of(mesh: Mesh) -> str:
    conditions = [_is_workload(workload) for workload in mesh.workloads]
    # Where CRDs come with something that is no mesh, or with our own charts, they tell nothing.
    if mesh.traces and (mesh.workloads or mesh.instances):
        group = "object.metadata.name.split('.', 2)[1]"
        named = [f"{group} in {texts(mesh.groups)}"] if mesh.groups else []
        named += [f"object.metadata.name in {texts(mesh.crds)}"] if mesh.crds else []
        if named:
            conditions.append(all_of(["request.resource.resource == 'customresourcedefinitions'", any_of(named)]))
    return any_of(conditions)


def _is_workload(workload: Workload) -> str:
    exact = [name for name in workload.names if "*" not in name]
    recognised = [f"object.metadata.name in {texts(exact)}"] if exact else []
    recognised += [
        f"object.metadata.name.startsWith({text(name.removesuffix('*'))})" for name in workload.names if "*" in name
    ]
    if workload.labels:
        recognised.append(all_of(f"{label('object', key)} == {text(value)}" for key, value in workload.labels.items()))
    conditions = [f"request.resource.resource == {text(_RESOURCES[workload.resource])}", any_of(recognised)]
    if workload.namespaces:
        conditions.append(f"object.metadata.namespace in {texts(workload.namespaces)}")
    return all_of(conditions)
