# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the entries about a target are enforced: at which pods, and at which waypoints for which Services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .bindings import Bound
from .facts import NamespaceFacts, Service, behind, ports_of, share_pods
from .headless import refuse_past_the_waypoint
from .intents import Intent, Target, TargetKind
from .names import did_you_mean
from .places import Attachment, Place, Pods, Ports, as_said, without_ports
from .reader import Reader
from .spec import MeshSpec, NamespaceSpec, WaypointRef


class Targets:
    """Finds the places of a namespace's targets; what is not known goes to the reader."""

    def __init__(
        self,
        reader: Reader,
        namespace: NamespaceSpec,
        mesh: MeshSpec,
        bound: Iterable[Bound],
        seen: NamespaceFacts | None,
    ) -> None:
        self._reader = reader
        self._namespace = namespace
        self._mesh = mesh
        self._seen = seen
        self._refs = {each.name: each.ref for each in bound if each.kind == "Service"}
        self._live = {service.name: service for service in seen.services} if seen else {}
        self._selectors = {each.name: each.selector for each in namespace.services}

    def place(self, target: Target, intents: Sequence[Intent]) -> Place:
        """Where the target is closed; nowhere where an error was found."""
        find = {
            TargetKind.SERVICE: self._of_service,
            TargetKind.ACCOUNT: self._of_account,
            TargetKind.NAMESPACE: self._of_namespace,
        }
        return find[target.kind](target, intents)

    def way(self, service: str) -> WaypointRef | None:
        """The waypoint through which a Service is called."""
        ref = self._refs.get(service, self._namespace.waypoint)
        return ref if ref and self._mesh.waypoint(ref).serves.services else None

    def _passes(self, service: Service) -> bool:
        """Whether callers of a Service go past all waypoints."""
        ref = self.way(service.name)
        return ref is None or (service.headless and not self._mesh.waypoint(ref).serves.workloads)

    def _locks(self, service: str) -> bool:
        ref = self.way(service)
        return ref is not None and self._mesh.waypoint(ref).lock_down

    def _of_service(self, target: Target, intents: Sequence[Intent]) -> Place:
        name, path = target.name, f"{intents[0].path}.to"
        said = [(intent.selector, intent.path) for intent in intents if intent.selector]
        selector = said[0][0] if said else self._selectors.get(name, {})
        if self._seen is None and not selector:
            hint = f"Write to: {{service: {name}, selector: {{app: {name}}}}}"
            self._reader.error(f"{path}.selector", "which pods to close is not known without a cluster", hint)
            return Place()
        service = self._live.get(name)
        if self._seen is not None and service is None:
            self._unknown_service(f"{path}.service", name)
            return Place()
        if service is not None and not service.selector:
            hint = "Give access to its pods' service account: to: {service_account: …}"
            self._reader.error(path, "the Service has no selector: which pods to close is not known", hint)
            return Place()
        wanted = service.selector if service else selector
        for other, where in said:
            if other != wanted:
                whose = "the Service has" if service else "another entry says"
                words = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
                hint = "Correct it, or take it out: it is read from the cluster" if service else "Make them the same"
                self._reader.error(f"{where}.to.selector", f"{whose} another selector: {words}", hint)
        pods = Pods(wanted, self._locks(name), self._pod_ports(service, intents))
        ref = self.way(name)
        if service is not None and service.headless and ref and not self._mesh.waypoint(ref).serves.workloads:
            known = {pod for each in self._known_ports(service).values() for pod in each}
            called = [(intent, set(pods.ports(intent) or known)) for intent in intents]
            refuse_past_the_waypoint(self._reader, self._namespace, service.name, ref, called, pods.locked)
        return Place((pods,), (Attachment("Service", name, as_said),) if ref else ())

    def _known_ports(self, service: Service) -> dict[int, frozenset[int]]:
        return ports_of(service, behind(service, self._seen.workloads if self._seen else ()))

    def _unknown_service(self, path: str, name: str) -> None:
        hint = did_you_mean(name, self._live) if self._live else "Create it first, or take the entry out"
        self._reader.error(path, f"there is no Service {self._namespace.name}/{name} with pods", hint)

    def _pod_ports(self, service: Service | None, intents: Sequence[Intent]) -> Ports:
        """From ports of the Service to those of its pods; without a cluster they are taken to be the same."""
        if service is None or self._seen is None:
            return as_said
        known = self._known_ports(service)
        where = f"Service {self._namespace.name}/{service.name}"
        for intent in intents:
            for port in intent.ports:
                if port not in known:
                    hint = did_you_mean(str(port), map(str, known)) if known else "Take the ports out"
                    self._reader.error(f"{intent.path}.ports", f"{where} has no port {port}", hint)
                elif not known[port]:
                    message = f"no pod of {where} says the number of the named port behind {port}"
                    self._reader.error(
                        f"{intent.path}.ports", message, "Name it in the pods' containers, or deploy them"
                    )

        mine = {pod for pods in known.values() for pod in pods}
        narrow = not all(intent.ports for intent in intents) and not self._others_behind(service) <= mine
        every = tuple(sorted(mine)) if narrow else ()

        def ports(intent: Intent) -> tuple[int, ...] | None:
            found = tuple(sorted({pod for port in intent.ports for pod in known.get(port, ())}))
            return (found or None) if intent.ports else every

        return ports

    def _others_behind(self, service: Service) -> set[int]:
        """The ports of its pods that belong to other Services, whose callers are not this one's."""
        workloads = self._seen.workloads if self._seen else ()
        others = (each for name, each in self._live.items() if name != service.name)
        shared = [each for each in others if share_pods(service.selector, each.selector, workloads)]
        return {pod for each in shared for pods in ports_of(each, behind(each, workloads)).values() for pod in pods}

    def _of_account(self, target: Target, intents: Sequence[Intent]) -> Place:
        name, path = target.name, f"{intents[0].path}.to.service_account"
        if self._seen is None:
            message = "what runs as a service account only a cluster knows"
            self._reader.error(path, message, "Give access to its Services instead: to: {service: …, selector: …}")
            return Place()
        mine = [each for each in self._seen.workloads if each.account == name]
        if not mine:
            accounts = {each.account for each in self._seen.workloads}
            hint = did_you_mean(name, accounts) if accounts else "Deploy it first, or take the entry out"
            self._reader.error(path, f"nothing in {self._namespace.name} runs as service account {name}", hint)
            return Place()
        services = [each for each in self._seen.services if behind(each, mine)]
        self._refuse_others(path, name, services)
        selectors: dict[tuple[tuple[str, str], ...], bool] = {}
        for workload in mine:
            key = tuple(sorted((workload.selector or workload.labels).items()))
            if not key:
                what = f"{workload.kind} {self._namespace.name}/{workload.name}"
                self._reader.error(path, f"pods of {what} have no labels to close them by", "Give them a label")
            selectors[key] = any(self._locks(each.name) for each in services if behind(each, [workload]))
        pods = tuple(Pods(dict(key), locked, as_said) for key, locked in sorted(selectors.items()))
        past = tuple(self._translated(each) for each in services if self._passes(each))
        return Place(pods, tuple(self._translated(each) for each in services if self.way(each.name)), past)

    def _refuse_others(self, path: str, name: str, services: Iterable[Service]) -> None:
        workloads = self._seen.workloads if self._seen else ()
        for service in services:
            accounts = sorted({each.account for each in behind(service, workloads)})
            if accounts != [name]:
                where = f"Service {self._namespace.name}/{service.name}"
                message = f"{where} leads to pods of several service accounts: {', '.join(accounts)}"
                self._reader.error(
                    path, message, f"Give access to that Service itself: to: {{service: {service.name}}}"
                )

    def _of_namespace(self, dummy: Target, intents: Sequence[Intent]) -> Place:
        namespace = self._namespace
        locked = namespace.as_a_whole and all(self._mesh.waypoint(ref).lock_down for ref in namespace.waypoints())
        services = self._live if self._seen is not None else dict.fromkeys(self._selectors)
        ways = {name: self.way(name) for name in services}
        refs = {ref for ref in (*ways.values(), self.way("")) if ref}
        shared = {ref for ref in refs if not self._is_own(ref)}
        if self._seen is None and self.way("") in shared:
            message = f"which Services {self.way('')} stands before is not known without a cluster"
            self._reader.error(f"{intents[0].path}.to", message, "Say which: to: {service: …}")
        found = [Attachment("Gateway", ref.name, without_ports) for ref in sorted(refs - shared)]
        ported = [intent for intent in intents if intent.ports]
        for name, ref in sorted(ways.items(), key=lambda each: each[0]):
            service = self._live.get(name)
            if ref is None or (ref not in shared and not ported):
                continue
            found.append(self._translated(service, ref not in shared) if service else self._unknown_ports(name, ported))
        if self._seen is None and refs and not services:
            self._unknown_ports("", ported)
        return Place((Pods({}, locked, as_said),), tuple(found), tuple(self._past()))

    def _past(self) -> Iterator[Attachment]:
        if self._seen is None:
            yield from (Attachment("Service", name, as_said) for name in self._selectors if not self.way(name))
            return
        for service in self._seen.services:
            if service.selector and self._passes(service):
                yield self._translated(service)

    def _unknown_ports(self, name: str, ported: Iterable[Intent]) -> Attachment:
        for intent in ported:
            message = "which ports of the Services lead to these of the pods is not known without a cluster"
            self._reader.error(f"{intent.path}.ports", message, "Say it for each Service: to: {service: …}")
        return Attachment("Service", name, as_said)

    def _is_own(self, ref: WaypointRef) -> bool:
        """Whether nobody else is called through it: what is attached to the Gateway holds for all that it serves."""
        return ref.namespace == self._namespace.name and self._mesh.waypoint(ref).allowed == "same"

    def _translated(self, service: Service, ported_only: bool = False) -> Attachment:
        """From ports of pods to those of a Service. `ported_only`: what names no port holds at the Gateway."""
        known = self._known_ports(service)

        def ports(intent: Intent) -> tuple[int, ...] | None:
            if not intent.ports:
                return None if ported_only else ()
            return tuple(port for port, pods in known.items() if not pods.isdisjoint(intent.ports)) or None

        return Attachment("Service", service.name, ports)

    def refuse_side_doors(self, places: Mapping[Target, Place], paths: Mapping[Target, str]) -> None:
        """Services behind a waypoint that lead to closed pods, and that nothing closes: all could come in there."""
        if self._seen is None or self._namespace.default_deny or Target(TargetKind.NAMESPACE) in places:
            return
        closed = {each.name for place in places.values() for each in place.attachments}
        open_ones = [
            each
            for each in self._seen.services
            if not each.headless and self.way(each.name) and each.name not in closed
        ]
        for target, place in places.items():
            for service in open_ones:
                if any(share_pods(service.selector, each.selector, self._seen.workloads) for each in place.pods):
                    where = f"Service {self._namespace.name}/{service.name}"
                    message = f"{where} leads to the same pods, and everybody may call it"
                    hint = f"Say who may call it, too: to: {{service: {service.name}}}"
                    self._reader.error(f"{paths[target]}.to", message, hint)
