# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the parts of a declaration fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .access_references import check_access
from .names import did_you_mean
from .patches import INGRESS_USE_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE
from .reader import Reader
from .spec import MODE_LABEL, Allow, MeshSpec, NamespaceSpec, Serves, WaypointRef, WaypointSpec

_NAME_LABEL = "kubernetes.io/metadata.name"
_OURS = frozenset({MODE_LABEL, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE, INGRESS_USE_WAYPOINT})


def check_references(reader: Reader, mesh: MeshSpec, root: str) -> None:
    """Note every reference to a waypoint that is not declared, or that does not serve whoever refers to it."""
    waypoints = {waypoint.ref: waypoint for waypoint in mesh.waypoints}
    for namespace in mesh.namespaces:
        for path, ref, by_account in _references(namespace):
            waypoint = waypoints.get(ref)
            if waypoint is None:
                _unknown(reader, path, ref, namespace.name, waypoints)
            else:
                _fits(reader, path, waypoint, namespace, by_account)
        _lock_down_alike(reader, namespace, waypoints)
        _denies(reader, mesh, namespace)
        _excepts(reader, namespace)
        check_access(reader, namespace, waypoints)


def _references(namespace: NamespaceSpec) -> Iterator[tuple[str, WaypointRef, bool]]:
    """Each reference with its path, and whether it is one of a service account."""
    if namespace.waypoint:
        yield f"{namespace.path}.waypoint", namespace.waypoint, False
    for index, service in enumerate(namespace.services):
        if service.waypoint:
            yield f"{namespace.path}.services[{index}].waypoint", service.waypoint, False
    for index, account in enumerate(namespace.service_accounts):
        yield f"{namespace.path}.service_accounts[{index}].waypoint", account.waypoint, True


def _unknown(
    reader: Reader, path: str, ref: WaypointRef, namespace: str, waypoints: Mapping[WaypointRef, WaypointSpec]
) -> None:
    names = [other.name if other.namespace == namespace else str(other) for other in waypoints]
    word = ref.name if ref.namespace == namespace else str(ref)
    hint = did_you_mean(word, names) if names else f"Declare it under waypoints, {{name: {ref.name}, …}}"
    reader.error(path, f"waypoint {word} is not declared", hint)


def _fits(reader: Reader, path: str, waypoint: WaypointSpec, namespace: NamespaceSpec, by_account: bool) -> None:
    ref = waypoint.ref
    if waypoint.serves is Serves.NONE:
        reader.error(path, f"waypoint {ref} stands for no traffic", f"Say for: service in the entry of {ref}")
    elif not waypoint.serves.services and not by_account and ".services[" in path:
        reader.error(
            path, f"waypoint {ref} stands for workloads, not for Services", f"Say for: all in the entry of {ref}"
        )
    if waypoint.existing:
        return
    if waypoint.allowed == "same" and ref.namespace != namespace.name:
        reader.error(
            path,
            f"waypoint {ref} takes no traffic of other namespaces",
            f"Say allowed_namespaces: {{{_NAME_LABEL}: {namespace.name}}} in the entry of {ref}",
        )
    elif isinstance(waypoint.allowed, Mapping):  # which hold for its own namespace, too
        wanted = waypoint.allowed.get(_NAME_LABEL, namespace.name)
        if wanted != namespace.name:
            reader.error(
                path,
                f"waypoint {ref} takes traffic of namespace {wanted} only",
                f"Say allowed_namespaces: all in the entry of {ref}, or give both namespaces a label of their own",
            )
        # A namespace gets these after its Services have theirs: the run would wait for a Service that cannot be bound.
        late = sorted(_OURS & waypoint.allowed.keys()) if ".services[" in path else []
        if late:
            reader.error(
                path,
                f"waypoint {ref} takes namespaces by label {late[0]}, which {namespace.name} gets after its Services "
                "are bound",
                f"Say allowed_namespaces: {{{_NAME_LABEL}: {namespace.name}}} in the entry of {ref}, or name another "
                "label there",
            )


def _lock_down_alike(reader: Reader, namespace: NamespaceSpec, waypoints: Mapping[WaypointRef, WaypointSpec]) -> None:
    """A lock-down of all pods cannot leave out those behind another waypoint."""
    if not namespace.waypoint or namespace.waypoint not in waypoints:
        return
    locks = waypoints[namespace.waypoint].lock_down
    for ref in sorted(namespace.waypoints()):
        if ref in waypoints and waypoints[ref].lock_down != locks:
            reader.error(
                namespace.path,
                f"waypoint {namespace.waypoint} and waypoint {ref} differ in lock_down",
                "Say the same for both: the one of the namespace locks down all its pods",
            )


def _denies(reader: Reader, mesh: MeshSpec, namespace: NamespaceSpec) -> None:
    """What comes through a waypoint would pass a default deny of the pods: the waypoint has to deny, too."""
    if not namespace.default_deny:
        return
    for ref in sorted(namespace.waypoints()):
        if ref.namespace != namespace.name:
            reader.error(
                f"{namespace.path}.default_deny",
                f"waypoint {ref} serves others, too, and would let through what this namespace denies",
                f"Give {namespace.name} a waypoint of its own, or deny by a policy on the Services",
            )
        others = [other.name for other in mesh.enrolled() if ref in other.waypoints() and other.name != namespace.name]
        if ref.namespace == namespace.name and others:
            reader.error(
                f"{namespace.path}.default_deny",
                f"waypoint {ref} serves {', '.join(others)}, too, and would refuse all calls to it",
                f"Give {', '.join(others)} a waypoint of its own, or deny by a policy on the Services",
            )


def _excepts(reader: Reader, namespace: NamespaceSpec) -> None:
    for index, exemption in enumerate(namespace.exceptions):
        path = f"{namespace.path}.exceptions[{index}].allow"
        if exemption.allow is Allow.PLAINTEXT and not namespace.strict:
            reader.error(path, "plain text is not refused here", "Take the exception out, or say state: l4-strict")
        if exemption.allow is Allow.DIRECT and not namespace.waypoints():
            reader.error(path, "nothing here stands behind a waypoint", "Take the exception out")
