# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object is ready, by kind: pure functions of its live state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .moves import is_istiod
from .routes import route

Live = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What an object still lacks, in few words; "" if it is ready.

    Attributes:
        final: to wait longer does not help.
        may_recover: it does help where this was so from the first look on: what was lacking may have come since.
        unheard: no controller has said anything; perhaps there is none.
    """

    missing: str = ""
    final: bool = False
    may_recover: bool = False
    unheard: bool = False


READY = Verdict()
Rule = Callable[[Live], Verdict]


def judge(obj: Live) -> Verdict:
    """Whether a live object is ready. Kinds that never wait always are."""
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    rule = _RULES.get((group, str(obj.get("kind"))))
    if rule is None:
        return READY
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return Verdict("is being deleted")
    return rule(obj)


def waits(group: str, kind: str) -> bool:
    """Whether objects of this kind have to become ready."""
    return (group, kind) in _RULES


def condition(obj: Live, kind: str) -> Live | None:
    """A condition of the object's status."""
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            result: Live = found
            return result
    return None


def is_of_before(found: Live, obj: Live) -> bool:
    """Whether a condition was written for an older generation of its object."""
    generation = int(obj["metadata"].get("generation") or 0)
    return int(found.get("observedGeneration") or generation) < generation


def _seen_by_its_controller(rule: Callable[[Live, Live, Live], Verdict]) -> Rule:
    """The rule, given object, spec and status, once the controller has seen the newest generation."""

    def guarded(obj: Live) -> Verdict:
        status = obj.get("status") or {}
        if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
            return Verdict("not yet seen by its controller")
        return rule(obj, obj.get("spec") or {}, status)

    return guarded


def _count(ready: int, wanted: int) -> Verdict:
    return Verdict(f"{ready}/{wanted} ready") if ready < wanted else READY


def _deployment(obj: Live, spec: Live, status: Live) -> Verdict:
    if spec.get("replicas") == 0 and is_istiod(obj):
        return Verdict("scaled to 0", final=True)  # of others that may be meant so
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    verdict = _count(min(updated, status.get("availableReplicas", 0)), wanted)
    if not verdict.missing:
        old = status.get("replicas", 0) - updated
        verdict = Verdict(f"{old} old pods to go") if old > 0 else READY
    if not verdict.missing:
        return READY
    progressing = condition(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        message = progressing.get("message") or "its progress deadline has passed"
        return Verdict(f"{verdict.missing}: {message}", final=True, may_recover=True)
    return Verdict(f"{verdict.missing}, its roll-out is paused") if spec.get("paused") else verdict


def _daemon_set(_obj: Live, spec: Live, status: Live) -> Verdict:
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    if _strategy(spec) == "OnDelete":
        return _count(available, wanted)
    return _count(min(status.get("updatedNumberScheduled", 0), available), wanted)


def _stateful_set(_obj: Live, spec: Live, status: Live) -> Verdict:
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    if spec.get("minReadySeconds"):
        ready = status.get("availableReplicas", 0)
    verdict = _count(ready, wanted)
    if not verdict.missing and _strategy(spec) != "OnDelete":
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        to_update = max(0, wanted - rolling.get("partition", 0))
        updated = status.get("updatedReplicas", 0)
        verdict = Verdict(f"{updated}/{to_update} updated") if updated < to_update else READY
    surplus = status.get("replicas", 0) - wanted
    return Verdict(f"{surplus} old pods to go") if surplus > 0 and not verdict.missing else verdict


def _strategy(spec: Live) -> str:
    return str((spec.get("updateStrategy") or {}).get("type") or "RollingUpdate")


def _conditions(*kinds: str) -> Rule:
    def rule(obj: Live) -> Verdict:
        for kind in kinds:
            found = condition(obj, kind)
            if found is None or is_of_before(found, obj):
                return Verdict(f"not yet {kind}")
            if found.get("status") != "True":
                return Verdict(f"not {kind}: {words(found)}")
        return READY

    return rule


def words(found: Live) -> str:
    """What a condition says."""
    return str(found.get("message") or found.get("reason") or found.get("status"))


def _job(obj: Live) -> Verdict:
    failed = condition(obj, "Failed")
    if failed and failed.get("status") == "True":
        return Verdict(f"failed: {words(failed)}", final=True)
    if (obj.get("spec") or {}).get("suspend"):
        return READY  # as its owner wants it; nothing would ever complete it
    return _conditions("Complete")(obj)


def _gateway(obj: Live) -> Verdict:
    accepted = condition(obj, "Accepted")
    if accepted and accepted.get("status") == "False" and not is_of_before(accepted, obj):
        return Verdict(f"not Accepted: {words(accepted)}")
    return _conditions("Programmed")(obj)


def _route(obj: Live) -> Verdict:
    missing, unheard = route(obj)
    return Verdict(missing, unheard=unheard)


def _claim(obj: Live) -> Verdict:
    phase = (obj.get("status") or {}).get("phase") or "Pending"
    if phase == "Bound":
        return READY
    return Verdict("its volume is lost", final=True) if phase == "Lost" else Verdict("not bound to a volume")


def _namespace(obj: Live) -> Verdict:
    return READY if (obj.get("status") or {}).get("phase", "Active") == "Active" else Verdict("is being deleted")


def _webhooks(obj: Live) -> Verdict:
    for webhook in obj.get("webhooks") or []:
        if not (webhook.get("clientConfig") or {}).get("caBundle"):
            return Verdict(f"webhook {webhook.get('name')} has no caBundle yet")
    return READY


_GATEWAY_API = "gateway.networking.k8s.io"
_RULES: dict[tuple[str, str], Rule] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _conditions("NamesAccepted", "Established"),
    ("apiregistration.k8s.io", "APIService"): _conditions("Available"),
    ("apps", "DaemonSet"): _seen_by_its_controller(_daemon_set),
    ("apps", "Deployment"): _seen_by_its_controller(_deployment),
    ("apps", "StatefulSet"): _seen_by_its_controller(_stateful_set),
    ("batch", "Job"): _job,
    (_GATEWAY_API, "Gateway"): _gateway,
    (_GATEWAY_API, "GatewayClass"): _conditions("Accepted"),
    **{(_GATEWAY_API, f"{kind}Route"): _route for kind in ("HTTP", "GRPC", "TCP", "TLS", "UDP")},
}
