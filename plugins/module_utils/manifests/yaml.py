# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as Kubernetes reads it: no dates, no base-60 numbers, no key twice."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

try:
    import yaml
except ImportError:  # `load_all` says so
    yaml = None  # type: ignore[assignment]

from ..errors import AmbientError, missing_library

_Base: Any = getattr(yaml, "CSafeLoader", getattr(yaml, "SafeLoader", object))


class _Loader(_Base):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; a key that stands twice is an error."""
        seen: set[Hashable] = set()
        for key_node, _dummy in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands twice", key_node.start_mark
                    )
                seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


_NUMBERS = {
    "tag:yaml.org,2002:int": r"^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$",
    "tag:yaml.org,2002:float": r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$",
}
_REPLACED = (*_NUMBERS, "tag:yaml.org,2002:timestamp")
if yaml is not None:
    _Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }
    for _tag, _pattern in _NUMBERS.items():
        _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list("-+.0123456789"))


# Texts that YAML 1.1 and 1.2 parsers take for different things.
_AMBIGUOUS = re.compile(
    r"^(?:[-+]?\.?[0-9][-+0-9a-fA-FoOxX_.:eT]*|[yYnN]|[oO][nN]|[oO][fF]{2}|[yY][eE][sS]|[nN][oO]|=|<<)$"
)
_BaseDumper: Any = getattr(yaml, "CSafeDumper", getattr(yaml, "SafeDumper", object))


class _Dumper(_BaseDumper):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: every value is written out."""
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else "'" if _AMBIGUOUS.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


if yaml is not None:
    _Dumper.add_representer(str, _represent_text)


def load_all(text: str, source: str = "") -> list[dict[str, Any]]:
    """The documents of a YAML text; empty ones are left out.

    Raises AmbientError, with `source` as its path, where the text is no YAML or a document is no mapping.
    """
    documents = [document for document in load_values(text, source) if document is not None]
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise AmbientError(
                f"document {number} is a {type(document).__name__}, not a Kubernetes object",
                path=source,
                hint="Every document is a mapping with apiVersion, kind and metadata",
            )
    return documents


def load_values(text: str, source: str = "") -> list[Any]:
    """The documents of a YAML text, whatever they are. AmbientError where it is no YAML or a key stands twice."""
    if yaml is None:
        raise missing_library("PyYAML")
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        template = "; if it is a template, render it first" if "{{" in text else ""
        hint = f"Mend the file at that place{template}"
        raise AmbientError(f"not valid YAML: {_one_line(error)}", path=source, hint=hint) from error


def dump(document: Mapping[str, Any]) -> str:
    """A document as YAML that every parser reads alike; the same text for the same document.

    `apiVersion`, `kind` and `metadata` come first, all other keys in order.
    """
    if yaml is None:
        raise missing_library("PyYAML")
    head = {key: document[key] for key in ("apiVersion", "kind", "metadata") if key in document}
    rest = {key: document[key] for key in sorted(document) if key not in head}
    text: str = yaml.dump(
        {key: _sorted(value) for key, value in {**head, **rest}.items()},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=4096,
    )
    return text


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(element) for element in value] if isinstance(value, list) else value


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None and problem:
        return f"{problem}, line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())
