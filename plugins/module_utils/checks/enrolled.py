# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other meshes have in the namespaces of users: pods with their proxy, labels that ask for it."""

from __future__ import annotations

from collections import Counter, defaultdict

from ..manifests.identity import annotations_of, labels_of, name_of, namespace_of
from ..mesh.sidecars import is_gateway
from .context import Context, describe
from .findings import Outcome, Problem
from .ours import COMPONENTS, is_ours
from .restart import unfinished
from .snapshot import NAMESPACES, POD_METADATA, Object, SkipError, Snapshot

ISTIO = "Istio"
_SHOWN = 5
#: What an injector writes onto a pod: annotation → mesh, and the value where others occur too.
PODS = {
    "sidecar.istio.io/status": (ISTIO, None),
    "linkerd.io/proxy-version": ("Linkerd", None),
    "consul.hashicorp.com/connect-inject-status": ("Consul", "injected"),
    "kuma.io/sidecar-injected": ("Kuma", "true"),
}
#: What people write onto a namespace to have an injector work there: label or annotation → its values, () for any.
ASKS: dict[str, tuple[str, ...]] = {
    "istio-injection": ("enabled",),
    "istio.io/rev": (),
    "cpaas.io/serviceMesh": ("enabled",),
    "maistra.io/member-of": (),
    "linkerd.io/inject": ("enabled", "ingress"),
    "connect-inject": ("enabled",),
    "kuma.io/sidecar-injection": ("enabled", "true"),
    "openservicemesh.io/monitored-by": (),
    "injector.nsm.nginx.com/auto-inject": ("true", "enabled"),
    "appmesh.k8s.aws/sidecarInjectorWebhook": ("enabled",),
}


def proxy_of(pod: Object) -> tuple[str, str]:
    """The mesh whose proxy the pod has, and the annotation that says so; empty where there is none."""
    for key, (title, value) in PODS.items():
        found = annotations_of(pod).get(key)
        if found is not None and value in (None, found) and not is_gateway(annotations_of(pod)):
            return title, key
    return "", ""


def no_enrolled_workloads(context: Context) -> Outcome:
    """AMB0219: pods with the proxy of another mesh are in use, whatever is left of its control plane."""
    hidden: SkipError | None = None
    try:
        ours = _has_our_istiod(context.cluster)
    except SkipError as reason:  # the proxies of other meshes can be seen all the same
        ours, hidden = True, reason
    counted: Counter[tuple[str, str, str]] = Counter()
    # Beside our istiod an Istio sidecar is its own: the matter of AMB0403.
    foreign = [
        pod for pod in context.cluster.all(POD_METADATA) if proxy_of(pod)[0] not in (("", ISTIO) if ours else ("",))
    ]
    for pod in unfinished(context.cluster, foreign):
        title, key = proxy_of(pod)
        counted[namespace_of(pod), title, key] += 1
    if hidden and not counted:
        raise hidden
    return Outcome(
        [
            Problem(
                f"Namespace {namespace}",
                f"{count} {'pod has' if count == 1 else 'pods have'} a proxy of {title} (counted by annotation {key})",
                f"Take the namespace out of {title} and restart its pods, or use another cluster",
            )
            for (namespace, title, key), count in sorted(counted.items())
        ]
    )


def no_requests(context: Context) -> Outcome:
    """AMB0220: a label that asks for a proxy works at once when its mesh comes back."""
    ours = _has_our_istiod(context.cluster)
    asking: dict[str, list[str]] = defaultdict(list)
    for namespace in context.cluster.all(NAMESPACES):
        for key in () if is_ours(namespace) else asks_of(namespace):
            if not (ours and key.startswith("istio")):  # the matter of AMB0403
                asking[key].append(name_of(namespace))
    return Outcome([_request(key, sorted(names)) for key, names in sorted(asking.items())])


def asks_of(namespace: Object) -> list[str]:
    """The labels and annotations of a namespace that ask for the proxy of another mesh."""
    words = {**annotations_of(namespace), **labels_of(namespace)}
    return [key for key, values in ASKS.items() if key in words and (not values or words[key] in values)]


def _request(key: str, names: list[str]) -> Problem:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return Problem(
        describe("Namespace", {"metadata": {"name": names[0]}}),
        f"{key} asks for the proxy of another mesh, on {', '.join(names[:_SHOWN])}{more}",
        f"Take it off where that mesh is gone: kubectl label namespace {names[0]} {key}- (or annotate)",
    )


def _has_our_istiod(cluster: Snapshot) -> bool:
    return is_ours(COMPONENTS[0].find(cluster) or {})
