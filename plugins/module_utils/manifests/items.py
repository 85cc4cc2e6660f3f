# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects on their way from the roles to an exit: what to send, as whom, in which wave."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import AmbientError
from . import yaml
from .files import files_below, load_json, read_text, would_write, write_if_changed
from .identity import Identity, Object
from .normal import normal
from .waves import sort_key, wave_of

DEFAULT_MANAGER = "alauda.ambient"
DEFAULT_INVENTORY = "manifests"
WAVE_RANGE = range(-30, 970)
_KEYS = {"object", "wave", "patch", "manager", "gone"}
_LONGEST_NAME = 253
_SUFFIXES = (".json", ".yaml", ".yml")
_ROLE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_ROLE_HINT = "Role files are written by the roles: run them again"
_NO_OBJECT = "Put a manifest in it, or leave the path out"
_NAME_HINT = "Letters, digits, '-', '_' and '.', the first and the last a letter or a digit"


@dataclass(frozen=True)
class Item:
    """One object, or one patch on an object that is not ours.

    `gone` names label keys that must be absent afterwards, whoever set them.
    """

    object: Object
    wave: int
    patch: bool = False
    manager: str = DEFAULT_MANAGER
    role: str = ""
    gone: tuple[str, ...] = ()
    identity: Identity = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", Identity.of(self.object))

    @property
    def key(self) -> str:
        """Unique in a set: one manager has one say about an object."""
        return f"{self.identity.key}|{self.manager}"

    @property
    def releases(self) -> bool:
        """A patch that sets nothing: it gives back what its manager held."""
        return (
            self.patch
            and not (set(self.object) - {"apiVersion", "kind", "metadata"})
            and not (set(self.object["metadata"]) - {"name", "namespace"})
        )

    def order(self) -> tuple[Any, ...]:
        """Sort key: wave, then the order of kinds."""
        return (self.wave, *sort_key(self.identity), self.manager)


@dataclass(frozen=True)
class ItemSet:
    """What one run is about: items in the order of waves, and every role they come from, also those without items."""

    items: list[Item]
    roles: frozenset[str]


def load_items(
    paths: Sequence[str | Path], objects: Sequence[Any] | None = None, inventory: str = DEFAULT_INVENTORY
) -> ItemSet:
    """The items of role files, of manifests (YAML, JSON), of directories of those, and of manifests given as values.

    Manifests belong to no role: `inventory` takes its place. It counts among the roles where a manifest file was read
    or `objects` was given, even if empty. Raises AmbientError with the file and the place in it for anything that is
    no set of objects, for a path under which there is no object (a role's file may be without), and where one manager
    would have two says about one object.
    """
    _refuse_bad_role(inventory, "must be the name of an inventory", path="inventory", hint=_NAME_HINT)
    items: list[Item] = []
    roles: set[str] = set()
    for path in paths:
        for role, found in _load(Path(path).expanduser(), inventory):
            roles.add(role)
            items += found
    if objects is not None:
        roles.add(inventory)
        items += _manifests("objects", objects, inventory)
    _refuse_twice(items)
    return ItemSet(sorted(items, key=Item.order), frozenset(roles))


def item_from(data: Mapping[str, Any], role: str = "") -> Item:
    """An item from its form in a role file; AmbientError names the key that is wrong."""
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise AmbientError(f"unknown key {unknown[0]!r}", hint=f"Known are {', '.join(sorted(_KEYS))}")
    obj = data.get("object")
    if not isinstance(obj, dict):
        raise AmbientError("'object' must be a manifest")
    patch = data.get("patch", False)
    if not isinstance(patch, bool):
        raise AmbientError(f"'patch' must be true or false, it is {patch!r}")
    wave = data.get("wave")
    if wave is None:
        wave = wave_of(obj, patch)
    if not isinstance(wave, int) or isinstance(wave, bool) or wave not in WAVE_RANGE:
        raise AmbientError(
            f"'wave' must be a whole number from {WAVE_RANGE.start} to {WAVE_RANGE.stop - 1}, it is {wave!r}"
        )
    manager = data.get("manager") or DEFAULT_MANAGER
    if not isinstance(manager, str):
        raise AmbientError(f"'manager' must be a text, it is {manager!r}")
    gone = data.get("gone") or []
    if not isinstance(gone, list) or not all(isinstance(key, str) for key in gone):
        raise AmbientError("'gone' must be a list of label keys")
    _refuse_bad_object(obj)
    return Item(normal(obj), wave, patch, manager, role, tuple(gone))


def dump_role(path: str | Path, role: str, items: Iterable[Item]) -> bool:
    """Write a role's items to their file, the same bytes for the same items; True if the file changed."""
    return write_if_changed(Path(path), _role_text(role, items), 0o600)


def would_change(path: str | Path, role: str, items: Iterable[Item]) -> bool:
    """Whether dump_role would change the file."""
    return would_write(Path(path), _role_text(role, items))


def _role_text(role: str, items: Iterable[Item]) -> str:
    """The text of a role's file."""
    entries: list[dict[str, Any]] = []
    for item in sorted(items, key=Item.order):
        entry: dict[str, Any] = {
            "wave": item.wave,
            "patch": item.patch,
            "manager": item.manager,
            "object": item.object,
        }
        if item.gone:
            entry["gone"] = list(item.gone)
        entries.append(entry)
    lines = ",\n".join(json.dumps(entry, sort_keys=True, ensure_ascii=False) for entry in entries)
    return f'{{"role": {json.dumps(role)}, "items": [\n{lines}\n]}}\n'


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = list(files_below(path, _SUFFIXES))
    if not files:
        raise AmbientError(
            f"holds no {', '.join(_SUFFIXES)} file", path=str(path), hint="Give a directory with manifests"
        )
    return files


def _load(path: Path, inventory: str) -> Iterator[tuple[str, list[Item]]]:
    """The items by role, of a file or of a directory. AmbientError where no object and no role's file is in it."""
    found = False
    for file in _files(path):
        text = read_text(file)
        if path.is_dir() and not text.strip():
            # A comment would tell that somebody has emptied it. So looks a file whose writing has failed.
            raise AmbientError("is empty", path=str(file), hint="Remove it, or say in a comment why it is empty")
        for role, items in _load_file(file, text, inventory):
            found = found or role is not None or bool(items)
            yield role or inventory, items
    if not found:
        raise AmbientError("holds no object", path=str(path), hint=_NO_OBJECT)


def _load_file(path: Path, text: str, inventory: str) -> Iterator[tuple[str | None, list[Item]]]:
    """The items by role, None for manifests; a file without a document is one of manifests."""
    if path.suffix == ".json":
        documents = [] if not text.strip() else [load_json(text, str(path))]
        documents = [document for document in documents if document is not None]
    else:
        documents = list(yaml.load_all(text, str(path)))
    manifests: list[Any] = []
    for document in documents:
        if isinstance(document, dict) and "items" in document and "kind" not in document:
            role = document.get("role")
            _refuse_bad_role(role, "'role' must be the name of a role", path=str(path), hint=_ROLE_HINT)
            yield str(role), _located(str(path), "items", document["items"], str(role))
        else:
            manifests.append(document)
    if manifests or not documents:
        yield None, _manifests(str(path), manifests, inventory)


def _refuse_bad_role(role: Any, message: str, *, path: str, hint: str) -> None:
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise AmbientError(f"{message}, it is {role!r}", path=path, hint=hint)


def _manifests(path: str, documents: Iterable[Any], inventory: str) -> list[Item]:
    entries = [{"object": obj} for document in documents for obj in _expanded(document)]
    return _located(path, "object", entries, inventory)


def _expanded(document: Any) -> list[Any]:
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
        entries = document["items"]
        return list(entries) if isinstance(entries, list) else [document]
    return [document]


def _located(path: str, name: str, entries: Any, role: str) -> list[Item]:
    if not isinstance(entries, list):
        raise AmbientError(f"'{name}' must be a list", path=path, hint=_ROLE_HINT)
    items = []
    for number, entry in enumerate(entries):
        try:
            if not isinstance(entry, dict):
                raise AmbientError(f"must be a mapping, it is {type(entry).__name__}")
            items.append(item_from(entry, role))
        except RecursionError as error:
            raise AmbientError(
                "is nested too deep", path=f"{path}, {name} {number + 1}", hint="Mend that entry of the file"
            ) from error
        except AmbientError as error:
            hint = error.hint or "Mend that entry of the file"
            raise AmbientError(error.message, path=f"{path}, {name} {number + 1}", hint=hint) from error
    return items


def _refuse_bad_object(obj: Object) -> None:
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        for key in ("managedFields", "resourceVersion", "uid"):
            if metadata.get(key):
                raise AmbientError(
                    f"metadata.{key} is set by the API server", hint="Remove it: a manifest is no copy of a live object"
                )
        name = metadata.get("name")
        if isinstance(name, str) and (name in (".", "..") or "/" in name or "%" in name or len(name) > _LONGEST_NAME):
            raise AmbientError(
                f"metadata.name is no name of an object: {_shortened(name)!r}",
                hint=f"Up to {_LONGEST_NAME} characters, no '/' or '%'",
            )
        for key in ("labels", "annotations"):
            _refuse_non_text(metadata.get(key), f"metadata.{key}")
    if not _finite(obj):
        raise AmbientError("holds a number that is not finite")


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _refuse_non_text(values: Any, path: str) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        raise AmbientError(f"{path} must be a mapping, it is {values!r}")
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            raise AmbientError(f"{path}[{key}] must be a text, it is {value!r}", hint="Put it in quotes")


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return True


def _refuse_twice(items: Iterable[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.key, item)
        if other is not item:
            raise AmbientError(
                f"stands twice under the manager {item.manager} (roles {other.role}, wave {other.wave}, "
                f"and {item.role}, wave {item.wave})",
                path=str(item.identity),
                hint="Keep one of them",
            )
