# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of objects as texts of files: one manifest per object, in folders that sort like the waves."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import AmbientError
from . import yaml
from .identity import Object
from .items import Item
from .normal import merged
from .waves import title

README = "README.md"
DISCOVERY_MANAGER = "alauda.ambient/discovery"
_SYNC_WAVE = "argocd.argoproj.io/sync-wave"
_SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
_PATCH_OPTIONS = ("Prune=false", "Delete=false", "ServerSideApply=true")
_CRD_OPTIONS = ("ServerSideApply=true",)
_LONGEST_NAME = 120

Files = dict[str, str]


@dataclass(frozen=True)
class _Manifest:
    item: Item
    object: Object


def tree_files(items: Sequence[Item], mesh: str) -> Files:
    """The text of each file by its path relative to the tree's root. Pure.

    Raises AmbientError for a Secret: what it holds would stand in Git.
    """
    for item in items:
        if item.identity.kind == "Secret" and item.identity.group == "":
            raise AmbientError(
                "a Secret is not rendered, its values would stand in a file",
                path=f"role {item.role}, {item.identity}",
                hint="Apply it, or bring it with a tool for secrets",
            )
    manifests = _merged(items)
    plain = [_path(manifest.item) for manifest in manifests]
    paths = Counter(plain)
    files: Files = {}
    for manifest, path in zip(manifests, plain, strict=True):
        if paths[path] > 1:  # one kind in two groups, or a-b/c beside a/b-c
            path = f"{path.removesuffix('.yaml')}-{_mark(manifest.item)}.yaml"
        files[path] = yaml.dump(manifest.object)
    files[README] = _readme(items, manifests, mesh)
    return files


def _merged(items: Iterable[Item]) -> list[_Manifest]:
    """One manifest per object: in a tree there is one manager, so that each object stands in one wave."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if not (item.patch and item.manager == DISCOVERY_MANAGER):
            groups[item.identity.key].append(item)
    manifests = []
    for group in groups.values():
        main = next((item for item in group if not item.patch), max(group, key=Item.order))
        whole: Object = {}
        for item in [main, *(other for other in group if other is not main)]:
            whole = merged(whole, item.object)
        manifests.append(_Manifest(main, _annotated(main, whole)))
    return sorted(manifests, key=lambda manifest: manifest.item.order())


def _annotated(item: Item, obj: Object) -> Object:
    metadata = dict(obj["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    annotations[_SYNC_WAVE] = str(item.wave)
    options = _PATCH_OPTIONS if item.patch else _CRD_OPTIONS
    if item.patch or item.identity.kind == "CustomResourceDefinition":
        given = [option for option in str(annotations.get(_SYNC_OPTIONS) or "").split(",") if option]
        annotations[_SYNC_OPTIONS] = ",".join([*given, *(option for option in options if option not in given)])
    metadata["annotations"] = annotations
    return {**obj, "metadata": metadata}


def folder(wave: int) -> str:
    """The folder of a wave; folders sort like the waves."""
    return f"{wave + 30:03d}-{title(wave)}"


def _path(item: Item) -> str:
    identity = item.identity
    place = "-".join(part for part in (identity.namespace, identity.name) if part)
    plain = re.sub(r"[^a-z0-9.-]", "_", f"{identity.kind}-{place}".lower())
    if plain != f"{identity.kind.lower()}-{place}" or len(plain) > _LONGEST_NAME:
        plain = f"{plain[:_LONGEST_NAME]}-{_mark(item)}"
    return str(PurePosixPath(folder(item.wave)) / f"{plain}.yaml")


def _mark(item: Item) -> str:
    return hashlib.sha256(item.identity.key.encode()).hexdigest()[:8]


def _readme(items: Sequence[Item], manifests: Sequence[_Manifest], mesh: str) -> str:
    by_wave: dict[int, list[_Manifest]] = defaultdict(list)
    for manifest in manifests:
        by_wave[manifest.item.wave].append(manifest)
    lines = [
        f"# Mesh {mesh}",
        "",
        "Made by `alauda.ambient.render`; changes made here are overwritten. Apply the folders in this order, and wait",
        "after each until its objects are ready. Argo CD does both: every manifest carries its sync wave.",
        "",
        "| folder | wave | objects |",
        "|---|---|---|",
    ]
    for wave, group in sorted(by_wave.items()):
        kinds = sorted({manifest.item.identity.kind for manifest in group})
        lines.append(f"| {folder(wave)} | {wave} | {len(group)}: {', '.join(kinds)} |")
    patches = [manifest.item.identity.short for manifest in manifests if manifest.item.patch]
    if patches:
        lines += [
            "",
            "## Patches",
            "These manifests set a few fields of objects that belong to someone else. Apply them server-side only.",
            "Argo CD creates a target that is missing: make sure that each exists. `alauda.ambient.check` names those",
            "that do not.",
            "",
            *(f"- {name}" for name in patches),
        ]
    discovery = sorted(item.identity.short for item in items if item.patch and item.manager == DISCOVERY_MANAGER)
    if discovery:
        lines += [
            "",
            "## Labels that must be there before",
            "The mesh discovers only namespaces with its discovery labels. They are not in this tree:",
            "",
            *(f"- {name}" for name in discovery),
        ]
    return "\n".join(lines) + "\n"
