# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate before traffic moves and before policies narrow: what that relies on is looked at just then.

That this run has written nothing says nothing: a waypoint may have turned bad since, istiod may be down, a node new.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.items import Item
from ..manifests.labels import mesh_of
from ..manifests.waves import ADMITS, LOCK_DOWN
from . import data_plane
from .client import Client
from .data_plane import NOTHING, Lack, Patience
from .errors import explain
from .heartbeat import Heartbeat
from .moves import (
    CNI_LABEL,
    ISTIOD_LABEL,
    ZTUNNEL_LABEL,
    Need,
    What,
    all_needs,
    is_istiod,
    leads_traffic,
    move_needs,
    needs_by_namespace,
    release_needs,
    scope_of,
    without_brought,
)
from .settings import Settings
from .state import WORKERS, read_state
from .wait import seconds_since_written
from .waypoints import GATEWAY_LABEL

_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_MOMENT = 5.0  # so long a controller may take to write what is about to come
_MANY = 20  # namespaces from which on pods are read by one LIST over the cluster
_TOLD = 3
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
_SERVICE_NAME = "kubernetes.io/service-name"

Reasons = dict[str, str]
"""By Item.key: why it may not be written."""


class Preconditions:
    """Looks at what items lead traffic to, and at what narrowing items rely on."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def unmet(self, items: Sequence[Item], listed: Collection[Item], pending: Collection[Item] = ()) -> Reasons:
        """Why items that are about to be written may not be, in a line each; waits for what is on its way.

        Args:
            listed: all items of the step, among them the labels that narrowing items rely on.
            pending: what the run writes before; what that brings is not asked for.
        """
        moving = [item for item in items if leads_traffic(item)]
        narrowing = [item for item in items if item.wave >= LOCK_DOWN]
        if not self._settings.require_ready or not (moving or narrowing):
            return {}
        led = needs_by_namespace(listed)
        needs = {item.key: led.get(item.identity.namespace, frozenset()) for item in narrowing}
        try:
            live = self._live(item.identity for item in moving)
        except AmbientError as error:
            return {item.key: f"what it leads to now cannot be read: {explain(error)}" for item in moving}
        for item in moving:
            beside = led.get(scope_of(item), frozenset()) if item.identity.kind == "Namespace" else frozenset()
            found = move_needs(item, live.get(item.identity), beside)
            needs[item.key] = needs.get(item.key, frozenset()) | found
        return self._unmet({key: without_brought(found, pending) for key, found in needs.items()})

    def unmet_releases(
        self, released: Iterable[Identity], listed: Collection[Item], pending: Collection[Item] = ()
    ) -> Reasons:
        """Why labels may not be released, by Identity.key: what is followed then is not ready."""
        namespaces = {
            item.identity.name: item for item in listed if item.identity.kind == "Namespace" and all_needs(item)
        }
        led = [identity for identity in released if identity.namespace in namespaces]
        if not self._settings.require_ready or not led:
            return {}
        try:
            live = self._live(led)
        except AmbientError as error:
            return {identity.key: f"what it leads to now cannot be read: {explain(error)}" for identity in led}
        needs = {
            identity.key: release_needs(identity, live.get(identity), namespaces[identity.namespace])
            for identity in led
        }
        return self._unmet({key: without_brought(found, pending) for key, found in needs.items()})

    def stuck(self, items: Iterable[Item]) -> Reasons:
        """Why istiod, if it is among the items, will not become ready by waiting; by Item.key."""
        found: Reasons = {}
        for item in items:
            if not is_istiod(item.object):
                continue
            try:
                live = self._client.get(item.identity)
                pods = self._client.list("v1", "Pod", item.identity.namespace) if live else []
            except AmbientError:
                continue  # whoever waits for it says why
            lack = data_plane.rollout(live, data_plane.selected(live, pods)) if live else NOTHING
            if lack.text and lack.patience is Patience.NONE:
                found[item.key] = lack.text
        return found

    def let_settle(self, items: Iterable[Item], listed: Iterable[Item]) -> None:
        """Pause until what opens beside items that narrow is old enough for every ztunnel to have heard of it.

        It may come from the step before this run; the API server knows when it was written.
        """
        seconds = self._settings.settle
        narrowed = {item.identity.namespace for item in items if item.wave >= LOCK_DOWN} if seconds else set()
        opens = {each.identity for each in listed if ADMITS <= each.wave < LOCK_DOWN and scope_of(each) in narrowed}
        if not opens:
            return
        try:
            ages = list(map(seconds_since_written, read_state(self._client, opens).values()))
        except AmbientError:
            ages = [0.0]  # nobody knows: they may just have come
        youngest = max(0.0, min(ages, default=seconds))  # clocks may differ
        if youngest < seconds:
            self._settings.progress(f"pause for {seconds - youngest:.0f} s: the ztunnels learn of what opens")
            self._settings.sleep(seconds - youngest)

    def _unmet(self, needs: Mapping[str, Collection[Need]]) -> Reasons:
        """By the keys of the needs, what they lack in a line."""
        lacks = self._wait({need for found in needs.values() for need in found})
        texts = {need: lack.text for need, lack in lacks.items() if lack.text}
        reasons = {}
        for key, found in needs.items():
            told = sorted({texts[need] for need in found if need in texts})
            if told:
                more = f" (and {len(told) - _TOLD} more reasons)" if len(told) > _TOLD else ""
                reasons[key] = f"is not changed, because {'; '.join(told[:_TOLD])}{more}"
        return reasons

    def _wait(self, needs: Collection[Need]) -> dict[Need, Lack]:
        """What the needs lack: at once where nothing helps but a person, else when it is there or the time is up."""
        heartbeat = Heartbeat(self._settings.progress, "before traffic moves, wait:")
        start = time.monotonic()
        since: dict[Need, float] = {}  # when a controller had all that it needs to write what is lacking
        pause = _PAUSE
        left = self._look(needs)
        while left:
            now = time.monotonic()
            since = {need: since.get(need, now) for need, lack in left.items() if lack.patience is Patience.MOMENT}
            overdue = any(
                lack.patience is Patience.NONE or now - since.get(need, now) >= _MOMENT for need, lack in left.items()
            )
            if overdue or not self._settings.wait or now - start >= self._settings.timeout:
                break
            heartbeat.beat({Identity("", "", need.what.value, "", need.name): lack.text for need, lack in left.items()})
            self._settings.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            left = self._look(left) or self._look(needs)  # what was ready before may have turned bad meanwhile
        return left

    def _look(self, needs: Iterable[Need]) -> dict[Need, Lack]:
        """What is lacking just now; only those that lack something."""
        wanted = sorted(needs, key=lambda need: (need.what.value, need.name))
        if not wanted:
            return {}
        try:
            look = _Look(self._client, self._settings.mesh, {n.name for n in wanted if n.what is What.NODES})
        except AmbientError as error:
            text = f"the pods of the namespace, of istio-cni and of ztunnel cannot be read: {explain(error)}"
            return {wanted[0]: Lack(text)}
        with ThreadPoolExecutor(WORKERS) as pool:
            return {need: lack for need, lack in zip(wanted, pool.map(look.at, wanted), strict=True) if lack.text}

    def _live(self, identities: Iterable[Identity]) -> dict[Identity, Object]:
        """The objects that are there: of workloads the whole, with the labels of their pods, of others the metadata."""
        wanted = set(identities)
        whole = [identity for identity in wanted if identity.group == "apps"]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = {
                identity: obj for identity, obj in zip(whole, pool.map(self._client.get, whole), strict=True) if obj
            }
        state = read_state(self._client, wanted - set(whole))
        return found | {identity: state[identity.key] for identity in wanted if identity.key in state}


class _Look:
    """One look at the cluster. Raises AmbientError where it may not look."""

    def __init__(self, client: Client, mesh: str, namespaces: Collection[str]) -> None:
        self._client = client
        self._mesh = mesh
        self._pods = self._pods_of(namespaces)
        some = any(data_plane.is_captured(pod) for pods in self._pods.values() for pod in pods)
        self._daemons = {label: self._pods_with(label) if some else [] for label in (CNI_LABEL, ZTUNNEL_LABEL)}

    def at(self, need: Need) -> Lack:
        """What a need lacks."""
        looks = {What.ISTIOD: self._istiod, What.WAYPOINT: self._waypoint, What.NODES: self._nodes}
        try:
            return looks[need.what](need.name)
        except AmbientError as error:
            return Lack(f"{' '.join(filter(None, (need.what.value, need.name)))} cannot be read: {explain(error)}")

    def _istiod(self, _name: str) -> Lack:
        slices = self._ours(self._client.list(*_SLICE, label_selector=_selector(ISTIOD_LABEL)))
        if any(map(data_plane.has_ready_endpoint, slices)):
            return NOTHING
        deployments = self._ours(self._client.list("apps/v1", "Deployment", label_selector=_selector(ISTIOD_LABEL)))
        return data_plane.istiod(slices, deployments, self._pods_with(ISTIOD_LABEL))

    def _ours(self, found: Sequence[Object]) -> Sequence[Object]:
        """Those that are not of another mesh of ours; what others have installed does not say to which it belongs."""
        return [obj for obj in found if mesh_of(obj) in ("", self._mesh)]

    def _waypoint(self, name: str) -> Lack:
        namespace, _slash, gateway_name = name.partition("/")
        named = f"metadata.name={gateway_name}"  # a list, as the guard does: it needs no other right
        gateways = self._client.list("gateway.networking.k8s.io/v1", "Gateway", namespace, field_selector=named)
        if not gateways:
            return data_plane.waypoint(name, None, [], [], [])
        (gateway,) = gateways
        made_for = f"{GATEWAY_LABEL}={gateway_name}"
        deployments = self._client.list("apps/v1", "Deployment", namespace, label_selector=made_for)
        pods = self._client.list("v1", "Pod", namespace, label_selector=made_for) if deployments else []
        slices = self._client.list(*_SLICE, namespace=namespace, label_selector=made_for)
        for at, service in _by_hand(gateway, namespace):
            slices += self._client.list(*_SLICE, namespace=at, label_selector=f"{_SERVICE_NAME}={service}")
        return data_plane.waypoint(name, gateway, deployments, pods, slices)

    def _nodes(self, namespace: str) -> Lack:
        pods = self._pods.get(namespace, [])
        for component, label in (("istio-cni", CNI_LABEL), ("ztunnel", ZTUNNEL_LABEL)):
            lack = data_plane.nodes(namespace, pods, component, self._daemons[label])
            if lack.text:
                return lack
        return NOTHING

    def _pods_of(self, namespaces: Collection[str]) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {name: [] for name in namespaces}
        scopes = sorted(namespaces) if len(namespaces) <= _MANY else [None]
        with ThreadPoolExecutor(WORKERS) as pool:
            for pods in pool.map(lambda scope: self._client.list("v1", "Pod", scope), scopes):
                for pod in pods:
                    if pod["metadata"]["namespace"] in found:
                        found[pod["metadata"]["namespace"]].append(pod)
        return found

    def _pods_with(self, label: tuple[str, str]) -> list[Object]:
        return self._client.list("v1", "Pod", label_selector=_selector(label))


def _selector(label: tuple[str, str]) -> str:
    return "=".join(label)


def _by_hand(gateway: Object, namespace: str) -> list[tuple[str, str]]:
    """Namespace and name of the Services that somebody has named as the address of a Gateway."""
    found = []
    for address in (gateway.get("spec") or {}).get("addresses") or []:
        if address.get("type") == "Hostname":
            service, *rest = str(address.get("value") or "").split(".")
            found.append((rest[0] if rest else namespace, service))
    return found
