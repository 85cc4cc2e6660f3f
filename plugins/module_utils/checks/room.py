# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the namespaces of the components take their pods: quotas, limit ranges, Pod Security."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..manifests.identity import labels_of, name_of, namespace_of
from .context import Context, describe, field_holders
from .findings import Outcome, Problem
from .found import containers_of, pod_spec
from .ours import COMPONENTS, is_ours
from .snapshot import LIMIT_RANGES, NAMESPACES, NODES, RESOURCE_QUOTAS, Object

ENFORCE = "pod-security.kubernetes.io/enforce"
_COMPUTE = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}
_QUOTA_HINT = "Raise the quota, or put it elsewhere; see kubectl describe quota --namespace"
_Planned = Mapping[str, Any]


def there_is_room(context: Context) -> Outcome:
    """AMB0110: what would be refused when the pods are made is told before anything is."""
    planned = [obj for obj in context.wishes.planned if obj.get("kind") in ("DaemonSet", "Deployment")]
    problems = [*_pod_security(context)]
    nodes = max(len(context.cluster.all(NODES)), 1)
    for obj in planned:
        if _is_there(context, obj):
            continue  # its pods are counted by the quota already
        pods = _Pods(obj, nodes)
        for quota in context.cluster.all(RESOURCE_QUOTAS):
            if namespace_of(quota) == namespace_of(obj) and not is_ours(quota):
                ranges = [each for each in context.cluster.all(LIMIT_RANGES) if namespace_of(each) == namespace_of(obj)]
                problems += _exceeded(quota, pods, ranges)
        for limits in context.cluster.all(LIMIT_RANGES):
            if namespace_of(limits) == namespace_of(obj):
                problems += _outside(limits, pods)
    return Outcome(problems)


def _is_there(context: Context, obj: _Planned) -> bool:
    return any(
        (component.namespace, component.name) == (namespace_of(obj), name_of(obj))
        and is_ours(component.find(context.cluster) or {})
        for component in COMPONENTS
    )


@dataclass(frozen=True)
class _Pods:
    """The pods of one planned workload."""

    obj: _Planned
    nodes: int

    @property
    def where(self) -> str:
        return describe(str(self.obj["kind"]), self.obj)

    @property
    def count(self) -> int:
        if self.obj["kind"] == "DaemonSet":
            return self.nodes
        replicas = (self.obj.get("spec") or {}).get("replicas")
        return 1 if replicas is None else int(replicas)

    def of_each(self, key: str) -> list[Decimal | None]:
        """What the containers ask for, by a key as in a quota; None where one says nothing."""
        section, resource = key.split(".", 1)
        found = [(container.get("resources") or {}).get(section) or {} for container in containers_of(self.obj)]
        limits = [(container.get("resources") or {}).get("limits") or {} for container in containers_of(self.obj)]
        # Without a request, the limit is the request.
        values = [each.get(resource, limit.get(resource)) for each, limit in zip(found, limits, strict=True)]
        return [None if value is None else _amount(value) for value in values]


def _exceeded(quota: Object, pods: _Pods, ranges: list[Object]) -> Iterator[Problem]:
    spec = quota.get("spec") or {}
    if spec.get("scopes") or not _concerns(spec.get("scopeSelector") or {}, pods):
        return
    hard = spec.get("hard") or {}
    used = (quota.get("status") or {}).get("used") or {}
    where, hint = describe("ResourceQuota", quota), f"{_QUOTA_HINT} {namespace_of(quota)}"
    for key in ("pods", "count/pods"):
        if key in hard:
            left = _amount(hard[key]) - _amount(used.get(key, "0"))
            if left < pods.count:
                yield Problem(where, f"leaves room for {left} pods, {pods.where} has {pods.count}", hint)
    for key in hard:
        full = _SHORT.get(key, key)
        if full not in _COMPUTE:
            continue
        values = pods.of_each(full)
        if None in values and not _defaulted(full, ranges):
            message = f"asks every container for {full}, and one of {pods.where} has none: its pods would be refused"
            yield Problem(where, message, "Give it in ambient_values, or a default in a LimitRange")
            continue
        needed = sum((value for value in values if value is not None), Decimal(0)) * pods.count
        left = _amount(hard[key]) - _amount(used.get(key, "0"))
        if left < needed:
            yield Problem(where, f"leaves {_plain(left)} of {key}, {pods.where} asks for {_plain(needed)}", hint)


def _concerns(selector: Mapping[str, Any], pods: _Pods) -> bool:
    """Whether a quota with this scope selector counts the pods."""
    priority = pod_spec(dict(pods.obj)).get("priorityClassName", "")
    for expression in selector.get("matchExpressions") or []:
        if expression.get("scopeName") != "PriorityClass" or expression.get("operator") != "In":
            return False
        if priority not in (expression.get("values") or []):
            return False
    return True


def _defaulted(key: str, ranges: list[Object]) -> bool:
    section, resource = key.split(".", 1)
    fields = ("default",) if section == "limits" else ("default", "defaultRequest")
    items = [item for each in ranges for item in (each.get("spec") or {}).get("limits") or []]
    return any(
        item.get("type") == "Container" and (resource in (item.get(field) or {}) or resource in (item.get("max") or {}))
        for item in items
        for field in fields
    )


def _outside(limits: Object, pods: _Pods) -> Iterator[Problem]:
    for item in (limits.get("spec") or {}).get("limits") or []:
        if item.get("type") not in ("Container", "Pod"):
            continue
        for bound, is_beyond, word in (("max", Decimal.__gt__, "more"), ("min", Decimal.__lt__, "less")):
            for resource, value in (item.get(bound) or {}).items():
                for section in ("requests", "limits"):
                    given = [each for each in pods.of_each(f"{section}.{resource}") if each is not None]
                    if item["type"] == "Pod" and given:
                        given = [sum(given, Decimal(0))]
                    if any(is_beyond(each, _amount(value)) for each in given):
                        yield Problem(
                            describe("LimitRange", limits),
                            f"{bound} {resource} is {value}, {pods.where} has {word} in its {section}",
                            "Change the LimitRange, or the resources in ambient_values",
                        )


def _amount(text: Any) -> Decimal:
    from kubernetes.utils.quantity import parse_quantity  # the connection has it already

    amount: Decimal = parse_quantity(text)
    return amount


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _pod_security(context: Context) -> Iterator[Problem]:
    wanted = {
        name_of(obj): labels_of(obj)[ENFORCE]
        for obj in context.wishes.planned
        if obj.get("kind") == "Namespace" and ENFORCE in labels_of(obj)
    }
    for namespace in context.cluster.all(NAMESPACES):
        level = wanted.get(name_of(namespace))
        live = labels_of(namespace).get(ENFORCE, level)
        if level and level != live and not is_ours(namespace):  # all others are not for components
            holders = ", ".join(field_holders(namespace, ENFORCE)) or "somebody"
            yield Problem(
                describe("Namespace", namespace),
                f"its Pod Security level is {live}, held by {holders}; the component there needs {level}",
                f"kubectl label --overwrite namespace {name_of(namespace)} {ENFORCE}={level}",
            )
