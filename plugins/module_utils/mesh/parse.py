# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory variable `ambient_mesh` to a MeshSpec, or to every error in it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import AmbientError
from .names import did_you_mean, is_dns_label, why_protected
from .spec import SUPPORTED_STATES, MeshSpec, NamespaceSpec, State

ROOT = "ambient_mesh"
_NAME_HINT = "Use lower-case letters, digits and '-', at most 63 characters"


def parse_mesh(value: Any) -> MeshSpec:
    """Read the declaration.

    Args:
        value: what the variable holds: `{name, namespaces: [{name, state}]}`; both keys may be missing.

    Raises:
        AmbientError: with the path of every error in the declaration.
    """
    reader = _Reader()
    spec = reader.mesh(value)
    reader.raise_errors()
    return spec


def type_name(value: Any) -> str:
    """The type of a value in the words of someone who writes YAML."""
    if value is None:
        return "nothing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}
    for known, name in names.items():
        if isinstance(value, known):
            return name
    return type(value).__name__


class _Reader:
    """Collects errors instead of stopping at the first one."""

    def __init__(self) -> None:
        self.errors: list[AmbientError] = []

    def error(self, path: str, message: str, hint: str) -> None:
        self.errors.append(AmbientError(message, path=path, hint=hint))

    def raise_errors(self) -> None:
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        lines = [f"{len(self.errors)} errors in {ROOT}; the first: {self.errors[0]}"]
        lines += [f"  {error}" for error in self.errors[1:]]
        raise AmbientError("\n".join(lines))

    def mapping(self, path: str, value: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.error(path, f"{type_name(value)} where a mapping is expected", f"Write {', '.join(known)} under it")
            return {}
        for key in value:
            if key not in known:
                self.error(path, f"unknown key {str(key)!r}", did_you_mean(str(key), known))
        return value

    def mesh(self, value: Any) -> MeshSpec:
        fields = self.mapping(ROOT, value, ("name", "namespaces"))
        name = fields.get("name", MeshSpec.name)
        self.name(f"{ROOT}.name", name)
        entries = fields.get("namespaces", [])
        if entries is None:
            entries = []
        if not isinstance(entries, list):
            self.error(
                f"{ROOT}.namespaces", f"{type_name(entries)} where a list is expected", "Write '- name: …, state: …'"
            )
            entries = []
        namespaces = [self.namespace(f"{ROOT}.namespaces[{index}]", entry) for index, entry in enumerate(entries)]
        self.duplicates(namespaces)
        return MeshSpec(name=str(name), namespaces=tuple(namespaces))

    def namespace(self, path: str, value: Any) -> NamespaceSpec:
        fields = self.mapping(path, value, ("name", "state"))
        if not fields:
            return NamespaceSpec(name="", state=State.OFF)
        name = fields.get("name", "")
        if self.name(f"{path}.name", name):
            reason = why_protected(name)
            if reason:
                self.error(f"{path}.name", f"namespace {name} may not be declared: {reason}", "Remove the entry")
        return NamespaceSpec(name=str(name), state=self.state(f"{path}.state", fields))

    def name(self, path: str, value: Any) -> bool:
        if value == "" or value is None:
            self.error(path, "the name is missing", _NAME_HINT)
        elif not isinstance(value, str):
            self.error(path, f"{type_name(value)} where a string is expected", f"Quote it: '{value}'")
        elif not is_dns_label(value):
            self.error(path, f"{value!r} is not a name that Kubernetes takes", _NAME_HINT)
        else:
            return True
        return False

    def state(self, path: str, fields: Mapping[str, Any]) -> State:
        words = " or ".join(state.value for state in SUPPORTED_STATES)
        if "state" not in fields:
            self.error(path, "the state is missing", f"Say {words}")
            return State.OFF
        value = fields["state"]
        if value is False:  # YAML 1.1 reads a bare off as false
            return State.OFF
        try:
            state = State(value)
        except ValueError:
            known = [state.value for state in SUPPORTED_STATES]
            hint = did_you_mean(value, known) if isinstance(value, str) else f"Say {words}"
            self.error(path, f"{value!r} is not a state", hint)
            return State.OFF
        if state not in SUPPORTED_STATES:
            self.error(path, f"{state.value} is reserved for a later version", f"Say {words}")
        return state

    def duplicates(self, namespaces: list[NamespaceSpec]) -> None:
        first: dict[str, int] = {}
        for index, namespace in enumerate(namespaces):
            if namespace.name and namespace.name in first:
                self.error(
                    f"{ROOT}.namespaces[{index}].name",
                    f"namespace {namespace.name} is declared twice, first in namespaces[{first[namespace.name]}]",
                    "Keep one entry",
                )
            first.setdefault(namespace.name, index)
