# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery selectors: which namespaces istiod sees, and which labels make it see one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import AmbientError

PATH = "ambient_discovery_selectors"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")

Selector = Mapping[str, Any]


def check_selectors(selectors: Any) -> Sequence[Selector]:
    """Refuse what Kubernetes would not take for a list of label selectors.

    Raises:
        AmbientError: with the path of the first error.
    """
    if not isinstance(selectors, list):
        raise AmbientError(
            "a list of label selectors is expected", path=PATH, hint="Write [{matchLabels: {mesh: blue}}]"
        )
    for index, selector in enumerate(selectors):
        path = f"{PATH}[{index}]"
        if not isinstance(selector, Mapping) or not selector or set(selector) - {"matchLabels", "matchExpressions"}:
            raise AmbientError("a label selector is expected", path=path, hint="Use matchLabels or matchExpressions")
        labels = selector.get("matchLabels", {})
        if not isinstance(labels, Mapping) or not all(isinstance(text, str) for text in [*labels, *labels.values()]):
            raise AmbientError("a mapping of strings is expected", path=f"{path}.matchLabels", hint="Quote the values")
        expressions = selector.get("matchExpressions", [])
        if not isinstance(expressions, list):
            raise AmbientError("a list of expressions is expected", path=f"{path}.matchExpressions")
        for position, expression in enumerate(expressions):
            _check_expression(f"{path}.matchExpressions[{position}]", expression)
    return selectors


def _check_expression(path: str, expression: Any) -> None:
    if not isinstance(expression, Mapping) or not isinstance(expression.get("key"), str):
        raise AmbientError("an expression needs a key", path=path)
    operator = expression.get("operator")
    if operator not in _OPERATORS:
        raise AmbientError(f"operator {operator!r} is not known", path=path, hint=f"Known: {', '.join(_OPERATORS)}")
    values = expression.get("values") or []
    if not isinstance(values, list) or (operator in ("In", "NotIn")) != bool(values):
        raise AmbientError("values go with In and NotIn, and only with them", path=path)


def selects(selectors: Sequence[Selector], labels: Mapping[str, str]) -> bool:
    """Whether istiod discovers a namespace with these labels; no selector at all means every namespace."""
    return not selectors or any(_matches(selector, labels) for selector in selectors)


def _matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key: str = expression["key"]
    values: list[str] = expression.get("values") or []
    operator: str = expression["operator"]
    if operator in ("In", "NotIn"):
        return (labels.get(key) in values) == (operator == "In")
    return (key in labels) == (operator == "Exists")


def discovery_labels(selectors: Sequence[Selector]) -> dict[str, str]:
    """Labels that make a namespace discovered: those of the first selector that says exactly which.

    A selector says so with matchLabels and with `In` over one value. Empty where none does, or where none is needed.
    """
    for selector in selectors:
        labels = dict(selector.get("matchLabels") or {})
        for expression in selector.get("matchExpressions") or []:
            if expression["operator"] != "In" or len(expression["values"]) != 1:
                break
            labels[expression["key"]] = expression["values"][0]
        else:
            if labels:
                return labels
    return {}
