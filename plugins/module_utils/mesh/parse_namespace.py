# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one entry of `ambient_mesh.namespaces`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .names import did_you_mean, is_dns_label, why_protected
from .parse_access import read_access
from .reader import Reader, one_of, shown
from .spec import MODE_LABEL, AccountBinding, Allow, Exemption, NamespaceSpec, ServiceBinding, State, WaypointRef

_KEYS = (
    "name",
    "state",
    "waypoint",
    "mtls",
    "default_deny",
    "services",
    "service_accounts",
    "exceptions",
    "discovery_labels",
    "ingress_use_waypoint",
    "access",
)
#: What says something about pods in the mesh, and nothing about others.
_IN_THE_MESH = (
    "access",
    "default_deny",
    "exceptions",
    "ingress_use_waypoint",
    "mtls",
    "service_accounts",
    "services",
    "waypoint",
)
#: Labels of a Namespace that have a manager of their own.
_OF_THE_STATE = {
    MODE_LABEL,
    "istio.io/use-waypoint",
    "istio.io/use-waypoint-namespace",
    "istio.io/ingress-use-waypoint",
}
_MTLS = ("strict", "permissive")
_NO_WAYPOINT = "none"
_REF_HINT = "Write its name, or NAMESPACE/NAME"

Known = Mapping[str, Sequence[WaypointRef]]  # by namespace


def read_namespace(reader: Reader, path: str, value: Any, known: Known | None) -> NamespaceSpec:
    """The namespace that the entry declares; its errors go to the reader.

    Args:
        known: the declared waypoints: a namespace in state l7 that names none takes the only one that stands in it.
            None where they could not be read: then nothing is said about those that seem to be missing.
    """
    fields = reader.entry(path, value, _KEYS, "{name: shop, state: l4}")
    if not fields:
        return NamespaceSpec(name="", state=State.OFF)
    name = _name(reader, f"{path}.name", fields.get("name", ""))
    state = _state(reader, f"{path}.state", fields)
    if fields.get("state") is False or fields.get("state") == "off":  # and not what is no state at all
        for key in _IN_THE_MESH:
            if fields.get(key):
                reader.error(f"{path}.{key}", "has no effect while the state is off", "Take it out, or enrol it: l4")
    return NamespaceSpec(
        name=name,
        state=state,
        mtls=_mtls(reader, f"{path}.mtls", fields.get("mtls"), state),
        default_deny=reader.flag(path, fields, "default_deny", False),
        discovery_labels=_discovery_labels(reader, f"{path}.discovery_labels", fields.get("discovery_labels")),
        waypoint=_waypoint(reader, f"{path}.waypoint", fields, name, state, known),
        ingress_use_waypoint=reader.flag(path, fields, "ingress_use_waypoint", False),
        services=_services(reader, f"{path}.services", fields.get("services"), name),
        service_accounts=_accounts(reader, f"{path}.service_accounts", fields.get("service_accounts"), name),
        exceptions=_exceptions(reader, f"{path}.exceptions", fields.get("exceptions")),
        access=read_access(reader, f"{path}.access", fields.get("access"), name),
        path=path,
    )


def _name(reader: Reader, path: str, value: Any) -> str:
    if reader.name(path, value):
        reason = why_protected(value)
        if reason:
            reader.error(path, f"namespace {value} may not be declared: {reason}", "Remove the entry")
    return str(value)


def _state(reader: Reader, path: str, fields: Mapping[str, Any]) -> State:
    if "state" not in fields:
        reader.error(path, "the state is missing", f"Say {one_of([state.value for state in State])}")
        return State.OFF
    value = fields["state"]
    if value is False:  # YAML 1.1 reads a bare off as false
        return State.OFF
    return reader.word(path, value, State, "a state", State.OFF)


def _discovery_labels(reader: Reader, path: str, value: Any) -> dict[str, str]:
    labels = reader.labels(path, value)
    for key in sorted(_OF_THE_STATE & set(labels)):
        reader.error(f"{path}[{key}]", "is set by the state and the waypoint", "Take it out")
    return labels


def _mtls(reader: Reader, path: str, value: Any, state: State) -> str:
    if value is None:
        return ""
    if value not in _MTLS:
        hint = did_you_mean(value, _MTLS) if isinstance(value, str) else "Say strict or permissive"
        reader.error(path, f"{shown(value)} is not a mode of mTLS", hint)
        return ""
    if value == "strict" and state is State.L4:
        reader.error(path, "strict contradicts the state l4", "Say state: l4-strict")
    if value == "permissive" and state is State.L4_STRICT:
        reader.error(path, "permissive contradicts the state l4-strict", "Say state: l4")
    return str(value)


def _waypoint(
    reader: Reader, path: str, fields: Mapping[str, Any], name: str, state: State, known: Known | None
) -> WaypointRef | None:
    value = fields.get("waypoint")
    if state is not State.L7:
        if value and state.enrolled:
            hint = "Say state: l7, or bind single services under services"
            reader.error(path, f"the state {state.value} has no waypoint for the whole namespace", hint)
        return None
    if value is not None:
        return read_ref(reader, path, value, name)
    if known is None:
        return None
    here = sorted(known.get(name, ()))
    if len(here) == 1:
        return here[0]
    if here:
        names = ", ".join(ref.name for ref in here)
        reader.error(path, f"several waypoints are declared in {name}: {names}", "Say which one")
    else:
        hint = f"Declare one under waypoints: {{name: waypoint, namespace: {name or '…'}}}"
        reader.error(path, "the state l7 needs a waypoint, and none is declared in this namespace", hint)
    return None


def read_ref(reader: Reader, path: str, value: Any, namespace: str) -> WaypointRef | None:
    """`waypoint`, or `edge/waypoint` for one of another namespace."""
    if isinstance(value, str):
        where, slash, name = value.rpartition("/")
        fits = is_dns_label(name) and (is_dns_label(where) if slash else True)
        if fits and name != _NO_WAYPOINT:
            return WaypointRef(where or namespace, name)
    reader.error(path, f"{shown(value)} is not a waypoint", _REF_HINT)
    return None


def _services(reader: Reader, path: str, value: Any, namespace: str) -> tuple[ServiceBinding, ...]:
    found = []
    for where, entry in reader.entries(path, value, "- {name: cart, waypoint: waypoint}"):
        fields = reader.entry(where, entry, ("name", "waypoint", "selector"), "{name: cart, waypoint: waypoint}")
        if not fields:
            continue
        reader.name(f"{where}.name", fields.get("name", ""))
        opts_out = fields.get("waypoint") == _NO_WAYPOINT
        ref = None if opts_out else _bound(reader, where, fields, namespace, f"{_REF_HINT}, or none")
        selector = reader.labels(f"{where}.selector", fields.get("selector"))
        found.append(ServiceBinding(str(fields.get("name", "")), ref, selector))
    reader.duplicates(path, [binding.name for binding in found], "service")
    return tuple(found)


def _accounts(reader: Reader, path: str, value: Any, namespace: str) -> tuple[AccountBinding, ...]:
    found = []
    for where, entry in reader.entries(path, value, "- {name: batch, waypoint: waypoint}"):
        fields = reader.entry(where, entry, ("name", "waypoint"), "{name: batch, waypoint: waypoint}")
        if not fields:
            continue
        reader.account(f"{where}.name", fields.get("name", ""))
        ref = _bound(reader, where, fields, namespace, _REF_HINT)
        if ref is not None:
            found.append(AccountBinding(str(fields.get("name", "")), ref))
    reader.duplicates(path, [binding.name for binding in found], "service account")
    return tuple(found)


def _bound(reader: Reader, path: str, fields: Mapping[str, Any], namespace: str, hint: str) -> WaypointRef | None:
    if "waypoint" not in fields:
        reader.error(f"{path}.waypoint", "the waypoint is missing", hint)
        return None
    return read_ref(reader, f"{path}.waypoint", fields["waypoint"], namespace)


def _exceptions(reader: Reader, path: str, value: Any) -> tuple[Exemption, ...]:
    found = []
    for where, entry in reader.entries(path, value, "- {allow: direct, ports: [9090]}"):
        fields = reader.entry(where, entry, ("allow", "selector", "ports"), "{allow: direct, ports: [9090]}")
        if not fields:
            continue
        if "allow" not in fields:
            reader.error(f"{where}.allow", "what to allow is missing", "Say plaintext or direct")
            continue
        errors = len(reader.errors)
        allow = reader.word(f"{where}.allow", fields["allow"], Allow, "an exception", Allow.DIRECT)
        if len(reader.errors) > errors:
            continue
        exemption = Exemption(
            allow,
            reader.labels(f"{where}.selector", fields.get("selector")),
            reader.ports(f"{where}.ports", fields.get("ports")),
        )
        if allow is Allow.PLAINTEXT and not exemption.selector:
            reader.error(f"{where}.selector", "Istio excepts pods by their labels", "Write selector: {app: legacy}")
        if allow is Allow.DIRECT and exemption.selector:
            hint = "Take it out: the ports then are open on all pods behind the waypoint"
            reader.error(f"{where}.selector", "a lock-down cannot except pods by their labels", hint)
        if allow is Allow.DIRECT and not exemption.ports:
            reader.error(f"{where}.ports", "without ports nothing would be locked down", "Say which: ports: [9090]")
        found.append(exemption)
    return tuple(found)
