# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules as ValidatingAdmissionPolicies with their bindings."""

from __future__ import annotations

from typing import Any

from ..manifests.items import Item
from ..manifests.labels import own
from ..manifests.waves import ADMISSION
from ..mesh.spec import MODE_AMBIENT, MODE_LABEL
from .rules import RULES, Rule

ROLE = "guard"
DOMAIN = "ambient.alauda.io"
DISABLED = "disabled"
#: What the API server does with what a rule does not let pass, by mode.
ACTIONS = {"deny": ["Deny", "Audit"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
MODES = (*ACTIONS, DISABLED)
_API_VERSION = "admissionregistration.k8s.io/v1"


def admission_items(mode: str, mesh: str) -> list[Item]:
    """The policies and bindings of all rules; none with the mode `disabled`."""
    if mode == DISABLED:
        return []
    manifests = [obj for rule in RULES for obj in (_policy(rule), _binding(rule, ACTIONS[mode]))]
    return [Item(own(obj, mesh), ADMISSION, role=ROLE) for obj in manifests]


def _policy(rule: Rule) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [group],
                    "apiVersions": [version],
                    "resources": [resource],
                    "operations": list(rule.operations),
                }
                for group, version, resource in rule.resources
            ]
        },
        "matchConditions": [{"name": name, "expression": text} for name, text in rule.conditions.items()],
        "validations": [{"expression": rule.holds, "messageExpression": rule.message, "reason": "Forbidden"}],
    }
    if rule.variables:
        spec["variables"] = [{"name": name, "expression": text} for name, text in rule.variables.items()]
    if rule.per_enrolled_namespace:
        spec["paramKind"] = {"apiVersion": "v1", "kind": "Namespace"}
    return _object("ValidatingAdmissionPolicy", rule, spec)


def _binding(rule: Rule, actions: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"policyName": f"{rule.name}.{DOMAIN}", "validationActions": actions}
    if rule.per_enrolled_namespace:
        # No parameter object to keep current: the enrolled namespaces are the parameters.
        spec["paramRef"] = {
            "selector": {"matchLabels": {MODE_LABEL: MODE_AMBIENT}},
            "parameterNotFoundAction": "Allow",
        }
    return _object("ValidatingAdmissionPolicyBinding", rule, spec)


def _object(kind: str, rule: Rule, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": {"name": f"{rule.name}.{DOMAIN}"}, "spec": spec}
