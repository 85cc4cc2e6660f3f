# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a declaration needs to know of a cluster: Services, workloads and policies of the namespaces it binds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import AmbientError
from ..manifests.files import load_json, read_text

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Port:
    """A TCP port of a Service. `target`: the number or the name of the pods' port."""

    number: int
    target: int | str


@dataclass(frozen=True)
class Service:
    """A Service that leads to pods. `headless`: callers get the pods' addresses, and no waypoint sees them."""

    name: str
    selector: Labels
    ports: tuple[Port, ...] = ()
    headless: bool = False


@dataclass(frozen=True)
class Workload:
    """What makes pods, or a pod that nothing makes.

    Attributes:
        labels: of its pods.
        selector: the labels by which it knows its pods.
        owner: who looks after it and would undo what others write, such as `Helm release cart`; else empty.
        ports: the numbers of its pods' ports that have a name.
    """

    api_version: str
    kind: str
    name: str
    account: str
    labels: Labels
    selector: Labels
    replicas: int
    owner: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """An AuthorizationPolicy that ztunnel enforces: one without targetRefs, not in dry run, and not of ours."""

    namespace: str
    name: str
    action: str
    selector: Labels
    rules: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Attached:
    """An ALLOW that lets somebody in at waypoints alone, and not of ours. `targets`: such as `Service cart`."""

    namespace: str
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class NamespaceFacts:
    """One namespace as it was seen."""

    services: tuple[Service, ...] = ()
    workloads: tuple[Workload, ...] = ()
    policies: tuple[Policy, ...] = ()


_FACTS = "mesh_facts writes it: run it again"
P = TypeVar("P", Policy, Attached)


@dataclass(frozen=True)
class Facts:
    """All that was seen.

    Attributes:
        root_policies: those of the mesh's root namespace that hold everywhere.
        attached: those of the namespaces that say who may call, of their waypoints, and of the root namespace.
        asleep: namespace and name of the policies in dry run that stay so where a manifest says nothing of that.
    """

    namespaces: Mapping[str, NamespaceFacts] = field(default_factory=dict)
    root_policies: tuple[Policy, ...] = ()
    attached: tuple[Attached, ...] = ()
    asleep: tuple[tuple[str, str], ...] = ()

    def of(self, namespace: str) -> NamespaceFacts | None:
        """What was seen of a namespace; None if nobody looked."""
        return self.namespaces.get(namespace)

    def without(self, names: Collection[tuple[str, str]]) -> Facts:
        """As if these policies, (namespace, name), were not there."""

        def left(policies: Iterable[P]) -> tuple[P, ...]:
            return tuple(policy for policy in policies if (policy.namespace, policy.name) not in names)

        namespaces = {name: replace(seen, policies=left(seen.policies)) for name, seen in self.namespaces.items()}
        return replace(
            self, namespaces=namespaces, root_policies=left(self.root_policies), attached=left(self.attached)
        )

    def to_json(self) -> str:
        """The same text for the same facts."""
        return json.dumps(asdict(self), sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_file(cls, path: str | Path) -> Facts:
        """What `mesh_facts` has written. AmbientError where it is no such file."""
        try:
            data = load_json(read_text(Path(path).expanduser(), "Run mesh_facts first"), str(path), _FACTS)
            return cls(
                {name: _namespace(each) for name, each in data["namespaces"].items()},
                tuple(_policy(each) for each in data["root_policies"]),
                tuple(Attached(**{**each, "targets": tuple(each["targets"])}) for each in data["attached"]),
                tuple((namespace, name) for namespace, name in data["asleep"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AmbientError(f"holds no facts: {error}", path=str(path), hint=_FACTS) from error


def _namespace(data: Mapping[str, Any]) -> NamespaceFacts:
    return NamespaceFacts(
        tuple(_service(each) for each in data["services"]),
        tuple(Workload(**each) for each in data["workloads"]),
        tuple(_policy(each) for each in data["policies"]),
    )


def _service(data: Mapping[str, Any]) -> Service:
    return Service(**{**data, "ports": tuple(Port(**each) for each in data["ports"])})


def _policy(data: Mapping[str, Any]) -> Policy:
    return Policy(**{**data, "rules": tuple(data["rules"])})


def matches(selector: Labels, labels: Labels) -> bool:
    """Whether a selector that is not empty picks a pod with these labels."""
    return bool(selector) and selector.items() <= labels.items()


def behind(service: Service, workloads: Iterable[Workload]) -> list[Workload]:
    """The workloads whose pods a Service leads to."""
    return [workload for workload in workloads if matches(service.selector, workload.labels)]


def share_pods(one: Labels, other: Labels, workloads: Iterable[Workload]) -> bool:
    """Whether two selectors pick the same pods, those that are there or any that could come."""
    if matches(one, other) or matches(other, one):
        return True
    return any(matches(one, workload.labels) and matches(other, workload.labels) for workload in workloads)


def named_ports(pods: Mapping[str, Any]) -> dict[str, int]:
    """The ports of TCP that have a name in a pod's spec.

    Of two with one name Kubernetes takes the first, and sidecars come last.
    """
    sidecars = [each for each in pods.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    found: dict[str, int] = {}
    for container in (*(pods.get("containers") or []), *sidecars):
        for port in container.get("ports") or []:
            if port.get("name") and port.get("containerPort") and (port.get("protocol") or "TCP") == "TCP":
                found.setdefault(str(port["name"]), int(port["containerPort"]))
    return found


def ports_of(service: Service, workloads: Iterable[Workload]) -> dict[int, frozenset[int]]:
    """The numbers of the pods' ports by port of the Service; empty where a named one has no number."""
    pods = list(workloads)
    found = {}
    for port in service.ports:
        named = port.target if isinstance(port.target, str) else ""
        numbers = {pod.ports[named] for pod in pods if named in pod.ports} if named else {port.target}
        found[port.number] = frozenset(number for number in numbers if isinstance(number, int))
    return found
