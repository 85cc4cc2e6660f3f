# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the entries under `access` fit each other and the waypoints of their namespace."""

from __future__ import annotations

from collections.abc import Mapping

from .allows import refuse_http
from .intents import Intent, TargetKind
from .reader import Reader
from .spec import NamespaceSpec, WaypointRef, WaypointSpec


def check_access(reader: Reader, namespace: NamespaceSpec, waypoints: Mapping[WaypointRef, WaypointSpec]) -> None:
    """Note what no cluster is needed for to see."""
    for intent in namespace.access:
        if _surely_without_waypoint(namespace, intent):
            refuse_http(reader, intent)
    _one_set_of_keys(reader, namespace)
    _sees_calls_to_pods(reader, namespace, waypoints)


def _surely_without_waypoint(namespace: NamespaceSpec, intent: Intent) -> bool:
    if not namespace.waypoints():
        return True
    if intent.target.kind is not TargetKind.SERVICE:
        return False
    for service in namespace.services:
        if service.name == intent.target.name:
            return service.waypoint is None
    return namespace.waypoint is None and not namespace.service_accounts


def _one_set_of_keys(reader: Reader, namespace: NamespaceSpec) -> None:
    """One waypoint takes one set of keys for an issuer."""
    first: dict[str, Intent] = {}
    for intent in namespace.access:
        if intent.jwt is None:
            continue
        other = first.setdefault(intent.jwt.issuer, intent)
        if other.jwt and (other.jwt.jwks_uri, other.jwt.jwks) != (intent.jwt.jwks_uri, intent.jwt.jwks):
            where = other.path.rpartition(".")[2]
            message = f"issuer {intent.jwt.issuer} has other keys in {where}"
            reader.error(f"{intent.path}.jwt", message, "Give it the same jwks_uri or jwks in both")


def _sees_calls_to_pods(
    reader: Reader, namespace: NamespaceSpec, waypoints: Mapping[WaypointRef, WaypointSpec]
) -> None:
    """Whoever called pods by their address through a waypoint would pass a policy that is attached to a Service."""
    if not namespace.access or namespace.default_deny:
        return
    whole = any(intent.target.kind is TargetKind.NAMESPACE for intent in namespace.access)
    for ref in sorted(namespace.waypoints()):
        waypoint = waypoints.get(ref)
        if waypoint is None or not waypoint.serves.workloads:
            continue
        at_gateway = whole and ref.namespace == namespace.name and waypoint.allowed == "same"
        if not (at_gateway and waypoint.serves.services):
            reader.error(
                f"{namespace.path}.access",
                f"waypoint {ref} takes calls to pods by their address, too, which policies for Services do not see",
                f"Say for: service in the entry of {ref}, or default_deny: true",
            )
