# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object is ready, by kind: pure functions of its live state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Live = Mapping[str, Any]


def not_ready_because(obj: Live) -> str:
    """What is still missing, in few words; "" for an object that is ready or of a kind that never waits."""
    rule = _RULES.get(str(obj.get("kind")))
    return rule(obj) if rule else ""


def waits(kind: str) -> bool:
    """Whether objects of this kind have to become ready."""
    return kind in _RULES


def condition(obj: Live, kind: str) -> Live | None:
    """A condition of the object's status."""
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            result: Live = found
            return result
    return None


def _observed(obj: Live) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= obj["metadata"].get("generation", 0))


def _deployment(obj: Live) -> str:
    status, wanted = obj.get("status") or {}, (obj.get("spec") or {}).get("replicas", 1)
    if not _observed(obj):
        return "not yet seen by its controller"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted or available < wanted:
        return f"{min(updated, available)}/{wanted} ready"
    old = status.get("replicas", 0) - updated
    return f"{old} old pods to go" if old > 0 else ""


def _daemon_set(obj: Live) -> str:
    status = obj.get("status") or {}
    if not _observed(obj):
        return "not yet seen by its controller"
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    updated = status.get("updatedNumberScheduled", 0)
    if (((obj.get("spec") or {}).get("updateStrategy") or {}).get("type")) == "OnDelete":
        updated = wanted
    return f"{min(updated, available)}/{wanted} ready" if updated < wanted or available < wanted else ""


def _stateful_set(obj: Live) -> str:
    status, wanted = obj.get("status") or {}, (obj.get("spec") or {}).get("replicas", 1)
    if not _observed(obj):
        return "not yet seen by its controller"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    return f"{min(updated, ready)}/{wanted} ready" if updated < wanted or ready < wanted else ""


def _conditions(*kinds: str) -> Callable[[Live], str]:
    def rule(obj: Live) -> str:
        for kind in kinds:
            found = condition(obj, kind)
            generation = obj["metadata"].get("generation", 0)
            if found is None or (found.get("observedGeneration") or generation) < generation:
                return f"not yet {kind}"
            if found.get("status") != "True":
                return f"not {kind}: {found.get('message') or found.get('reason') or found.get('status')}"
        return ""

    return rule


def _job(obj: Live) -> str:
    failed = condition(obj, "Failed")
    if failed and failed.get("status") == "True":
        return f"failed: {failed.get('message') or failed.get('reason')}"
    return _conditions("Complete")(obj)


def _namespace(obj: Live) -> str:
    return "" if (obj.get("status") or {}).get("phase", "Active") == "Active" else "is being deleted"


def _webhooks(obj: Live) -> str:
    for webhook in obj.get("webhooks") or []:
        if not (webhook.get("clientConfig") or {}).get("caBundle"):
            return f"webhook {webhook.get('name')} has no caBundle yet"
    return ""


_RULES: dict[str, Callable[[Live], str]] = {
    "APIService": _conditions("Available"),
    "CustomResourceDefinition": _conditions("NamesAccepted", "Established"),
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Gateway": _conditions("Programmed"),
    "Job": _job,
    "MutatingWebhookConfiguration": _webhooks,
    "Namespace": _namespace,
    "StatefulSet": _stateful_set,
    "ValidatingWebhookConfiguration": _webhooks,
}
