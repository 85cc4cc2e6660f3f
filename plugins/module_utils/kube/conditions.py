# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for what a user names: a condition of any object, or a value at a JSON path in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AmbientError, missing_library
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from . import outcome as outcomes
from .client import Client
from .outcome import Outcome
from .ready import READY, Verdict, condition, is_of_before
from .wait import Waiter
from .watch import Watches

OPTION = "wait_for"
# The twin of the doc fragment `wait`.
WAIT_OPTIONS: dict[str, dict[str, Any]] = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 300},
    "wait_for": {
        "type": "list",
        "elements": "dict",
        "options": {
            "api_version": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True},
            "namespace": {"type": "str"},
            "name": {"type": "str", "required": True},
            "condition": {
                "type": "dict",
                "options": {
                    "type": {"type": "str", "required": True},
                    "status": {"type": "str", "default": "True"},
                    "reason": {"type": "str"},
                },
            },
            "jsonpath": {"type": "str"},
            "value": {"type": "raw"},
        },
    },
}
_ENTRY = {"api_version", "kind", "namespace", "name", "condition", "jsonpath", "value"}
_CONDITION = {"type", "status", "reason"}
# `kubernetes\.io/x` in a path of kubectl: a key with dots.
_ESCAPED_KEY = re.compile(r"\.((?:[^.\[\]\\]|\\.)*\\\.(?:[^.\[\]\\]|\\.)*)")


@dataclass(frozen=True)
class Condition:
    """What one object is waited for; `missing` says in few words what it lacks. `path` names it in the option."""

    identity: Identity
    missing: Callable[[Object], str]
    path: str


def parse(entries: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """The conditions out of the option; AmbientError with the path of what is wrong in it."""
    return [_parse_one(entry, f"{OPTION}[{index}]") for index, entry in enumerate(entries)]


def wait_for(
    client: Client, conditions: Sequence[Condition], timeout: float, progress: Callable[[str], None]
) -> list[Outcome]:
    """Wait until all hold, at most `timeout` seconds; a failure for each object of which one does not."""
    rules: dict[Identity, list[Condition]] = {}
    for each in conditions:
        _refuse_misplaced(client, each)
        rules.setdefault(each.identity, []).append(each)
    with Watches(client) as watches:
        waiter = Waiter(watches, {identity: _rule(group) for identity, group in rules.items()}, timeout, progress)
        waiter.run()
    failures = []
    for identity, why in sorted(waiter.explained(client).items()):
        metadata = {"name": identity.name} | ({"namespace": identity.namespace} if identity.namespace else {})
        obj = {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": metadata}
        item = Item(obj, wave=0, patch=True, role=OPTION)
        failures.append(Outcome(item, outcomes.FAILED, reason=f"{rules[identity][0].path}: {why}"))
    return failures


def _rule(group: Sequence[Condition]) -> Callable[[Object], Verdict]:
    def rule(obj: Object) -> Verdict:
        observed = (obj.get("status") or {}).get("observedGeneration")
        if isinstance(observed, int) and observed < obj["metadata"].get("generation", 0):
            return Verdict("not yet seen by its controller")
        missing = [text for each in group if (text := each.missing(obj))]
        return Verdict("; ".join(missing)) if missing else READY

    return rule


def _parse_one(entry: Mapping[str, Any], path: str) -> Condition:
    given = {key: value for key, value in entry.items() if value is not None}
    _refuse_unknown(given, _ENTRY, path)
    texts = {key: _text(given, key, path) for key in ("api_version", "kind", "name")}
    namespace = _text(given, "namespace", path) if "namespace" in given else ""
    identity = Identity.parse(texts["api_version"], texts["kind"], texts["name"], namespace)
    if ("condition" in given) == ("jsonpath" in given):
        raise AmbientError("exactly one of condition and jsonpath is needed", path=path, hint="Say what to wait for")
    if "condition" in given:
        if "value" in given:
            raise AmbientError("value goes with jsonpath", path=f"{path}.value", hint="Use condition.status")
        return Condition(identity, _condition_rule(given["condition"], f"{path}.condition"), path)
    return Condition(identity, _path_rule(_text(given, "jsonpath", path), given.get("value"), path), path)


def _refuse_unknown(given: Mapping[str, Any], known: set[str], path: str) -> None:
    for key in sorted(set(given) - known):
        raise AmbientError("no such option", path=f"{path}.{key}", hint=f"Known: {', '.join(sorted(known))}")


def _text(given: Mapping[str, Any], key: str, path: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise AmbientError(f"a text is needed, it is {value!r}", path=f"{path}.{key}", hint=f"Give the {key}")
    return value


def _condition_rule(wanted: Any, path: str) -> Callable[[Object], str]:
    if not isinstance(wanted, Mapping):
        raise AmbientError(f"a mapping is needed, it is {wanted!r}", path=path, hint="Give type and status")
    given = {key: value for key, value in wanted.items() if value is not None}
    _refuse_unknown(given, _CONDITION, path)
    kind = _text(given, "type", path)
    # An unquoted True in YAML is meant as the text.
    status = str(given.get("status", "True")).capitalize()
    if status not in ("True", "False", "Unknown"):
        raise AmbientError(
            f"no status of a condition: {status!r}", path=f"{path}.status", hint="True, False or Unknown"
        )
    reason = _text(given, "reason", path) if "reason" in given else ""

    def missing(obj: Object) -> str:
        found = condition(obj, kind)
        if found is None or is_of_before(found, obj):
            return f"no condition {kind} yet"
        if found.get("status") == status and reason in ("", found.get("reason")):
            return ""
        because = ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))
        return f"{kind} is {found.get('status')}{f' ({because})' if because else ''}"

    return missing


def _path_rule(text: str, value: Any, path: str) -> Callable[[Object], str]:
    try:  # only who uses a path needs the library
        import jsonpath_ng.exceptions
        import jsonpath_ng.ext.parser
    except ImportError as error:
        raise missing_library("jsonpath-ng") from error
    try:
        expression = jsonpath_ng.ext.parser.parse(_standard(text))
    except (jsonpath_ng.exceptions.JSONPathError, ValueError) as error:
        raise AmbientError(
            f"no JSON path: {text!r}: {error}", path=f"{path}.jsonpath", hint="Write it as '{.status.phase}'"
        ) from error

    def missing(obj: Object) -> str:
        found = [_words(match.value) for match in expression.find(obj)]
        if not found:
            return f"nothing at {text}"
        if value is None or all(each == _words(value) for each in found):
            return ""
        return f"{text} is {', '.join(sorted(set(found)))}, not {_words(value)}"

    return missing


def _standard(text: str) -> str:
    """A path as kubectl takes it (`{.status.phase}`) in the words of the library (`$.status.phase`)."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = _ESCAPED_KEY.sub(lambda match: "['" + match[1].replace("\\", "") + "']", text)
    if text.startswith("$"):
        return text
    return f"${text}" if text.startswith((".", "[")) else f"$.{text}"


def _words(value: Any) -> str:
    """A value as kubectl prints it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _refuse_misplaced(client: Client, wanted: Condition) -> None:
    identity = wanted.identity
    resource = client.discovery.find(identity.group, identity.version, identity.kind)
    if resource is None or resource.namespaced == bool(identity.namespace):
        return
    text = f"{identity.kind} {'needs a namespace' if resource.namespaced else 'has no namespace'}"
    raise AmbientError(text, path=f"{wanted.path}.namespace", hint="Add it" if resource.namespaced else "Leave it out")
