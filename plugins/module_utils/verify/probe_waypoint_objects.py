# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the probe's waypoint, of the policies that it enforces, and of the ways around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import AmbientError
from ..manifests.yaml import dump
from .pods import Object
from .probe_objects import INSIDE, OTHER_PORT, OUTSIDE, PORT, Manifest, Plan, pod_url, service, tolerations

WAYPOINT = "waypoint"
BOUND_SERVICE = "server"
OPTIONS = "waypoint-options"
LOCK = "probe-only-waypoint"
POLICY = "probe-get-only"
GATEWAY_API = "gateway.networking.k8s.io/v1"
SECURITY = "security.istio.io/v1"

_HEADLESS = "server-headless"
_ELSEWHERE = "server-elsewhere"


def check_extra(manifests: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what would not be gone with the probe's namespaces. Raises AmbientError."""
    for index, manifest in enumerate(manifests):
        kind, group = str(manifest.get("kind", "")), str(manifest.get("apiVersion", "")).partition("/")[0]
        if not (group.endswith(".istio.io") or (group, kind) == ("v1", "ConfigMap")):
            raise AmbientError(
                f"{group} {kind} cannot be an object of the probe's waypoint",
                path=f"verify_waypoint_manifests[{index}]",
                hint="Take kinds of Istio's API groups, and ConfigMap",
            )


def gateway(plan: Plan, space: str) -> Iterator[Manifest]:
    """A waypoint with what its image needs. Other namespaces may use it, so that the probe can try to."""
    meta = {"name": WAYPOINT, "namespace": space}
    for manifest in plan.waypoint_manifests:
        yield {**manifest, "metadata": {**manifest.get("metadata", {}), "namespace": space}}
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": OPTIONS, "namespace": space},
        "data": {"deployment": dump(_deployment())},
    }
    yield {
        "apiVersion": GATEWAY_API,
        "kind": "Gateway",
        "metadata": {**meta, "labels": {"istio.io/waypoint-for": "service"}},
        "spec": {
            "gatewayClassName": "istio-waypoint",
            "infrastructure": {"parametersRef": {"group": "", "kind": "ConfigMap", "name": OPTIONS}},
            "listeners": [
                {
                    "name": "mesh",
                    "port": 15008,
                    "protocol": "HBONE",
                    "allowedRoutes": {"namespaces": {"from": "All"}},
                }
            ],
        },
    }


def _deployment() -> Manifest:
    """What istiod's own Deployment lacks for the Pod Security level of the probe's namespaces, and for its nodes."""
    spec = {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}, "tolerations": tolerations()}
    return {"spec": {"template": {"spec": {**spec, "terminationGracePeriodSeconds": 5}}}}


def bound_service() -> Manifest:
    """The server's Service, called through the waypoint."""
    return service(BOUND_SERVICE, {"istio.io/use-waypoint": WAYPOINT})


def get_only(trust_domain: str) -> Manifest:
    """The waypoint lets the client read and nobody do anything else."""
    client = f"{trust_domain}/ns/{INSIDE}/sa/client"
    rule = {"from": [{"source": {"principals": [client]}}], "to": [{"operation": {"methods": ["GET"]}}]}
    target = {"group": "", "kind": "Service", "name": BOUND_SERVICE}
    return _policy(POLICY, {"targetRefs": [target], "action": "ALLOW", "rules": [rule]})


def lock_down(trust_domain: str) -> Manifest:
    """The pods take calls from the waypoint alone.

    Without a selector: ztunnel looks at policies for single pods only when a connection opens, and one that another
    waypoint keeps open would go on.
    """
    waypoint = f"{trust_domain}/ns/{INSIDE}/sa/{WAYPOINT}"
    rule = {"from": [{"source": {"notPrincipals": [waypoint]}}]}
    return _policy(LOCK, {"action": "DENY", "rules": [rule]})


def _policy(name: str, spec: Manifest) -> Manifest:
    meta = {"name": name, "namespace": INSIDE}
    return {"apiVersion": SECURITY, "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}


def ways_around(*, elsewhere: bool) -> Sequence[Manifest]:
    """Services that lead to the server past its waypoint."""
    labels = {"istio.io/use-waypoint": WAYPOINT, "istio.io/use-waypoint-namespace": OUTSIDE}
    headless = service(_HEADLESS, {"istio.io/use-waypoint": "none"}, headless=True)
    return (headless, service(_ELSEWHERE, labels)) if elsewhere else (headless,)


def urls_around(server: Object, *, elsewhere: bool) -> dict[str, str]:
    """Where the server answers past its waypoint, by the name of the way."""
    ways = {
        "its pod's address": pod_url(server),
        "another port": pod_url(server, OTHER_PORT),
        "a headless Service": f"http://{_HEADLESS}.{INSIDE}.svc:{PORT}/",
    }
    if elsewhere:
        ways["another namespace's waypoint"] = f"http://{_ELSEWHERE}.{INSIDE}.svc:{PORT}/"
    return ways
