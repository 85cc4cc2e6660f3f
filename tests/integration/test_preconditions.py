# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate before traffic moves: what is unchanged need not be ready. Tests play istiod, kubelets and controllers."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Object
from cases import Apply, Result, Writes, config_map, crd, live
from planted import (
    ROLLED_OUT,
    answering_istiod,
    container,
    deployment,
    endpoint_slice,
    pod,
    ready_waypoint,
    served_kind,
    status_of,
)

OWN_APISERVER = True  # its istiod comes and goes, and so does ztunnel
pytestmark = pytest.mark.usefixtures("istiod")
GATEWAY_API = "gateway.networking.k8s.io"
MODE, USE = "istio.io/dataplane-mode", "istio.io/use-waypoint"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
Entry = dict[str, Any]


@pytest.fixture(autouse=True)
def _served(client: Client) -> None:
    served_kind(client, GATEWAY_API, "Gateway", "gateways")


def patch(namespace: str, **labels: str) -> Entry:
    """The patch of a namespace: in the mesh, through these."""
    metadata = {"name": namespace, "labels": {MODE: "ambient", **labels}}
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    return {"object": obj, "wave": 50, "patch": True, "manager": "alauda.ambient/enrolment"}


def service_patch(client: Client, namespace: str, waypoint: str) -> Entry:
    """The patch of a user's Service that is there: its own way, through a waypoint or past it."""
    metadata = {"name": "cart", "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    client.create({**service, "spec": {"ports": [{"port": 80}]}})
    labelled = {**service, "metadata": {**metadata, "labels": {USE: waypoint}}}
    return {"object": labelled, "wave": 45, "patch": True, "manager": "alauda.ambient/enrolment"}


def through(namespace: str, waypoint: str = "waypoint") -> Entry:
    return patch(namespace, **{USE: waypoint})


def narrowing(namespace: str) -> Entry:
    """Stands in for a lock-down."""
    return {"object": config_map(namespace, "narrow"), "wave": 70}


def labels_of(client: Client, namespace: str) -> dict[str, str]:
    found = live(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return {key: value for key, value in found["metadata"]["labels"].items() if key.startswith("istio.io/")}


def proxies(client: Client, namespace: str, **status: Any) -> Object:
    """The Deployment of a waypoint, in another state."""
    obj = live(client, deployment(namespace, "waypoint"))
    status_of(client, obj, **status)
    return obj


def refused(result: Result, reason: str) -> bool:
    """Whether the run has written nothing but its lock, and says why in a line."""
    counts = result["counts"]
    assert "\n" not in result["msg"]
    assert reason in result["msg"], result["msg"]
    return bool(result["failed"]) and not (counts["created"] or counts["changed"] or counts.get("released"))


def objects_written(writes: Writes) -> list[str]:
    return [entry["path"] for entry in writes() if "leases" not in entry["path"] and "tests" not in entry["path"]]


def test_a_second_run_looks_at_the_waypoint_that_the_first_left_behind(
    apply: Apply, client: Client, namespace: str, writes: Writes
) -> None:
    """The first run wrote the Gateway, and its pods never came: for the second it is unchanged."""
    gateway = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "Gateway",
        "metadata": {"name": "waypoint", "namespace": namespace},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": []},
    }
    entries = [{"object": gateway, "wave": 30}, through(namespace)]
    first = apply(entries, wait_timeout=1)
    assert (first["counts"]["created"], first["counts"]["pending"]) == (0, 1)
    made_for = {f"{GATEWAY_API}/gateway-name": "waypoint"}
    stuck = deployment(namespace, "waypoint", **made_for)
    client.create(stuck)
    status_of(client, stuck, replicas=1, updatedReplicas=1)
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    broken = {"phase": "Pending", "containerStatuses": [container(waiting)]}
    failing = pod(client, namespace, "w-1", "waypoint", broken)
    failing["metadata"]["labels"] |= made_for
    client.apply(failing, "tests", force=True)
    writes()

    for files in (entries, entries[1:]):  # as site.yml does in its batches, the second time
        start = time.monotonic()
        second = apply(files, wait_timeout=60)
        assert time.monotonic() - start < 10, "nothing helps but a person: it is not waited for"
        why = f"waypoint {namespace}/waypoint is not ready: Deployment {namespace}/waypoint: 0/1 ready: pod w-1: "
        assert refused(second, f"v1 Namespace {namespace}: is not changed, because {why}container main: ErrImagePull")
    assert objects_written(writes) == []
    assert labels_of(client, namespace) == {}

    ready_waypoint(client, namespace)
    assert apply(entries)["counts"]["changed"] == 1
    assert labels_of(client, namespace)[USE] == "waypoint"


@pytest.mark.parametrize("what", ["no gateway", "scaled to 0", "no endpoint", "not programmed"])
def test_a_waypoint_of_somebody_else_is_looked_at_too(
    apply: Apply, client: Client, namespace: str, writes: Writes, what: str
) -> None:
    """`existing: true`: the run has no item of it."""
    reason = "waypoint {}/waypoint does not exist"
    if what != "no gateway":
        gateway = ready_waypoint(client, namespace)
    if what == "scaled to 0":
        scaled = deployment(namespace, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
        scaled["spec"]["replicas"] = 0
        client.apply(scaled, "tests", force=True)
        proxies(client, namespace)
        reason = "waypoint {0}/waypoint is not ready: Deployment {0}/waypoint is scaled to 0"
    elif what == "no endpoint":
        endpoint_slice(client, namespace, "waypoint", False, **{f"{GATEWAY_API}/gateway-name": "waypoint"})
        reason = "waypoint {}/waypoint has no ready endpoint"
    elif what == "not programmed":
        status_of(client, gateway, conditions=[{"type": "Programmed", "status": "False", "message": "no address"}])
        reason = "waypoint {}/waypoint is not Programmed: no address"
    writes()
    assert refused(apply([through(namespace)], wait_timeout=1), reason.format(namespace))
    assert objects_written(writes) == []


def test_what_is_rolling_is_waited_for(apply: Apply, client: Client, namespace: str) -> None:
    ready_waypoint(client, namespace)
    proxies(client, namespace, replicas=1, updatedReplicas=0, availableReplicas=0)
    later = threading.Timer(1, lambda: proxies(client, namespace, **ROLLED_OUT))
    later.start()
    assert apply([through(namespace)], wait_timeout=20)["counts"]["changed"] == 1
    later.join()

    proxies(client, namespace, replicas=1, updatedReplicas=0, availableReplicas=0)
    apply([patch(namespace)], wait_timeout=1)  # leaving needs nothing
    late = apply([through(namespace)], wait_timeout=1)
    assert refused(late, f"waypoint {namespace}/waypoint is not ready: Deployment {namespace}/waypoint: 0/1 ready")


def test_no_label_leads_into_a_mesh_whose_istiod_does_not_answer(apply: Apply, client: Client, namespace: str) -> None:
    answering_istiod(client, ready=False)
    why = "istiod does not answer: it has no Deployment and no ready endpoint"
    assert refused(apply([patch(namespace)]), why)
    assert labels_of(client, namespace) == {}
    assert apply([patch(namespace)], require_ready=False)["counts"]["changed"] == 1


def test_each_node_with_pods_needs_istio_cni_and_ztunnel(apply: Apply, client: Client, namespace: str) -> None:
    pod(client, namespace, "cart", "cart", READY, nodeName="one")
    where = "is not ready on node one, which runs pod cart"
    assert refused(apply([patch(namespace)]), f"istio-cni runs on no node, but pods of namespace {namespace} do")

    def agent(name: str, node: str, label: tuple[str, str], status: dict[str, Any]) -> None:
        obj = pod(client, "default", f"{name}-{namespace}-{node}", name, status, nodeName=node)
        obj["metadata"]["labels"] = {label[0]: label[1]}
        client.apply(obj, "tests", force=True)

    for node in ("one", "two"):
        agent("cni", node, ("k8s-app", "istio-cni-node"), READY)
    agent("ztunnel", "two", ("app", "ztunnel"), READY)
    assert refused(apply([patch(namespace)], wait_timeout=1), f"ztunnel {where}: there is no pod of it")
    starting = {"phase": "Pending", "containerStatuses": [container({"reason": "ContainerCreating"})]}
    agent("ztunnel", "one", ("app", "ztunnel"), starting)
    name = f"ztunnel-{namespace}-one"
    text = f"ztunnel {where}: pod {name}: container main is being created"
    assert refused(apply([patch(namespace)], wait_timeout=1), text)
    found = live(client, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}})
    status_of(client, found, **READY)
    assert apply([patch(namespace)])["counts"]["changed"] == 1


def test_leaving_a_dead_waypoint_and_the_mesh_always_works(apply: Apply, client: Client, namespace: str) -> None:
    gateway = {"object": ready_waypoint(client, namespace), "wave": 30}
    apply([through(namespace)])
    answering_istiod(client, ready=False)
    endpoint_slice(client, namespace, "waypoint", False, **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    proxies(client, namespace, replicas=1)
    assert apply([patch(namespace)], wait_timeout=1)["counts"]["changed"] == 1
    assert labels_of(client, namespace) == {MODE: "ambient"}
    none = {**patch(namespace), "object": {**patch(namespace)["object"], "metadata": {"name": namespace}}}
    assert apply([none], wait_timeout=1)["counts"]["changed"] == 1
    assert labels_of(client, namespace) == {}
    assert gateway["object"]["metadata"]["name"] == "waypoint"


def test_the_way_out_does_not_wait_for_the_gateway_beside_it(apply: Apply, client: Client, namespace: str) -> None:
    """One set of files: the waypoint is declared still, is dead, and its namespace goes back to L4."""
    gateway = {"object": ready_waypoint(client, namespace), "wave": 30}
    apply([gateway, through(namespace)])
    proxies(client, namespace, replicas=1)
    result = apply([gateway, patch(namespace), {"object": config_map(namespace, "route"), "wave": 40}], wait_timeout=1)
    assert labels_of(client, namespace) == {MODE: "ambient"}
    assert result["counts"]["created"] == 1
    assert result["msg"].startswith(f"gateway.networking.k8s.io/v1 Gateway {namespace}/waypoint: no pod"), "still said"


def test_what_narrows_waits_for_what_opens(apply: Apply, client: Client, namespace: str, writes: Writes) -> None:
    """The labels are unchanged and lead to a waypoint that has turned bad since."""
    ready_waypoint(client, namespace)
    apply([through(namespace)])
    endpoint_slice(client, namespace, "waypoint", False, **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    writes()
    result = apply([through(namespace), narrowing(namespace)], wait_timeout=1)
    assert refused(result, f"waypoint {namespace}/waypoint has no ready endpoint")
    assert objects_written(writes) == []
    assert apply([narrowing(namespace)], wait_timeout=1)["counts"]["created"] == 1, "no label of the run leads there"


def test_a_later_step_holds_back_the_first(apply: Apply, namespace: str, tmp_path: Any, writes: Writes) -> None:
    """A batch of several steps: nothing is written if a later one will move traffic to what is not ready."""
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"role": "tested", "items": [through(namespace)]}))
    opens = {"object": config_map(namespace, "opens"), "wave": 40}
    result = apply([opens], followed_by=[str(later)], wait_timeout=1)
    assert refused(result, f"waypoint {namespace}/waypoint does not exist")
    assert objects_written(writes) == []


def test_a_label_is_not_released_towards_what_is_not_ready(apply: Apply, client: Client, namespace: str) -> None:
    """The Service went its own way; without its label it follows its namespace to a waypoint."""
    own = service_patch(client, namespace, "none")
    past = own["object"]
    ready_waypoint(client, namespace)
    apply([through(namespace), own])
    endpoint_slice(client, namespace, "waypoint", False, **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    held = apply([through(namespace)], prune=True, wait_timeout=1)
    assert refused(held, f"waypoint {namespace}/waypoint has no ready endpoint")
    assert live(client, past)["metadata"]["labels"] == {USE: "none"}
    endpoint_slice(client, namespace, "waypoint", **{f"{GATEWAY_API}/gateway-name": "waypoint"})
    bound = {"type": "istio.io/WaypointBound", "status": "True", "reason": "WaypointAccepted", "message": ""}
    status_of(client, past, conditions=[{**bound, "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    assert apply([through(namespace)], prune=True)["counts"]["released"] == 1


def test_a_new_namespace_has_no_traffic_to_move(apply: Apply, client: Client, namespace: str) -> None:
    answering_istiod(client, ready=False)
    metadata = {"name": f"{namespace}-new", "labels": {MODE: "ambient"}}
    whole = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    assert apply([whole])["counts"]["created"] == 1


def dead_waypoint(client: Client, namespace: str, name: str = "waypoint") -> Object:
    """A waypoint whose only pod crashes."""
    gateway = ready_waypoint(client, namespace, name)
    made_for = {f"{GATEWAY_API}/gateway-name": name}
    endpoint_slice(client, namespace, name, False, **made_for)
    status_of(client, live(client, deployment(namespace, name)), replicas=1, updatedReplicas=1)
    crashing = {"phase": "Running", "containerStatuses": [container({"reason": "CrashLoopBackOff"})]}
    found = pod(client, namespace, f"{name}-1", name, crashing)
    found["metadata"]["labels"] |= made_for
    client.apply(found, "tests", force=True)
    return gateway


def steps_of(tmp_path: Any, *steps: list[Entry]) -> list[str]:
    """Files of later steps."""
    files = []
    for number, entries in enumerate(steps):
        file = tmp_path / f"later-{number}.json"
        file.write_text(json.dumps({"role": "tested", "items": entries}))
        files.append(str(file))
    return files


def test_the_first_step_away_from_a_dead_waypoint_is_taken(
    apply: Apply, client: Client, namespace: str, tmp_path: Any
) -> None:
    """Step 0 still has the old label; step 1 leads to another waypoint and narrows: each step is judged by its own."""
    dead_waypoint(client, namespace, "a")
    ready_waypoint(client, namespace, "b")
    apply([through(namespace, "a")], require_ready=False, wait=False)
    later = steps_of(tmp_path, [through(namespace, "b"), narrowing(namespace)])
    opens = {"object": config_map(namespace, "opens"), "wave": 40}
    assert apply([through(namespace, "a"), opens], followed_by=later, wait=False)["counts"]["created"] == 1


def test_a_later_step_is_named_itself(apply: Apply, client: Client, namespace: str, tmp_path: Any) -> None:
    unchanged = config_map(namespace, "kept")
    apply([unchanged])
    later = steps_of(tmp_path, [through(namespace)])
    apply([unchanged, config_map(namespace, "gone")])
    for entries in ([unchanged, {"object": config_map(namespace, "more"), "wave": 40}], []):
        result = apply(entries, followed_by=later, prune=True, wait_timeout=1)
        assert result["msg"].startswith(f"v1 Namespace {namespace}: is not changed, because waypoint"), result["msg"]
        assert [entry["object"] for entry in result["failed_objects"]] == [f"v1 Namespace {namespace}"]


@pytest.mark.parametrize("what", ["istiod", "its options"])
def test_a_run_that_may_mend_the_waypoint_is_not_refused_before_it_has(
    apply: Apply, client: Client, namespace: str, what: str
) -> None:
    dead_waypoint(client, namespace)
    mends: Entry = {"object": config_map(namespace, "waypoint-options"), "wave": 30}
    if what == "istiod":
        istiod = deployment(namespace, "istiod", app="istiod")
        istiod["spec"]["selector"]["matchLabels"] = istiod["spec"]["template"]["metadata"]["labels"] = {"app": "istiod"}
        mends = {"object": istiod, "wave": 0}
    result = apply([mends, through(namespace)], wait_timeout=1)
    assert result["failed"] and labels_of(client, namespace) == {}
    written = live(client, mends["object"])
    assert written["metadata"]["name"] == mends["object"]["metadata"]["name"], "it could have mended the waypoint"


def test_a_dead_waypoint_does_not_block_its_own_exit_beside_a_new_one(
    apply: Apply, client: Client, namespace: str
) -> None:
    dead = {"object": dead_waypoint(client, namespace), "wave": 30}
    apply([dead, through(namespace)], require_ready=False, wait=False)
    other = {"object": {**dead["object"], "metadata": {"name": "other", "namespace": namespace}}, "wave": 30}
    ready_waypoint(client, namespace, "other")
    result = apply([dead, other, patch(namespace)], wait_timeout=1)
    assert labels_of(client, namespace) == {MODE: "ambient"}
    assert result["failed_objects"][0]["object"].endswith("/waypoint"), "that it is dead is still said"


def test_what_moved_to_another_role_is_not_released(apply: Apply, client: Client, namespace: str) -> None:
    own = service_patch(client, namespace, "none")
    past = own["object"]
    ready_waypoint(client, namespace)
    apply([through(namespace), own])
    apply([own], role="other")
    dead_waypoint(client, namespace)
    assert not apply([through(namespace)], prune=True, wait=False).get("failed")
    assert live(client, past)["metadata"]["labels"] == {USE: "none"}


def test_going_back_waits_for_no_binding(apply: Apply, client: Client, namespace: str) -> None:
    metadata = {"name": "cart", "namespace": namespace}
    client.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})
    start = time.monotonic()
    back = apply([through(namespace), narrowing(namespace)], require_ready=False, wait_timeout=60)
    assert (back["counts"]["changed"], back["counts"]["created"]) == (1, 1)
    assert time.monotonic() - start < 20


def test_a_namespace_that_joins_brings_its_services_along(apply: Apply, client: Client, namespace: str) -> None:
    """The label of the Service is unchanged since the run before, and its waypoint has died since."""
    own = service_patch(client, namespace, "waypoint")
    ready_waypoint(client, namespace)
    apply([own], wait=False)
    dead_waypoint(client, namespace)
    assert refused(apply([own, patch(namespace)]), f"waypoint {namespace}/waypoint is not ready")


def test_what_turns_bad_while_the_run_waits_is_seen(apply: Apply, client: Client, namespace: str) -> None:
    """An earlier wave takes its time; the waypoint was ready when the run began."""
    ready_waypoint(client, namespace)
    slow = deployment(namespace, "slow")
    apply([slow], wait=False)
    status_of(client, slow, replicas=1)

    def happens() -> None:
        time.sleep(1)
        endpoint_slice(client, namespace, "waypoint", False, **{f"{GATEWAY_API}/gateway-name": "waypoint"})
        time.sleep(1)
        status_of(client, slow, **ROLLED_OUT)

    story = threading.Thread(target=happens)
    story.start()
    result = apply([slow, through(namespace)], wait_timeout=20)
    story.join()
    assert refused(result, f"waypoint {namespace}/waypoint has no ready endpoint")


def test_the_istiod_of_others_does_not_hide_ours(apply: Apply, client: Client, namespace: str) -> None:
    mesh = {"ambient.alauda.io/mesh": "another"}
    endpoint_slice(client, namespace, "istiod-another", False, app="istiod", **mesh)
    assert apply([patch(namespace)])["counts"]["changed"] == 1
    apply([{**patch(namespace), "object": {**patch(namespace)["object"], "metadata": {"name": namespace}}}])
    answering_istiod(client, ready=False)
    endpoint_slice(client, namespace, "istiod-another", True, app="istiod", **mesh)
    assert refused(apply([patch(namespace)]), "istiod does not answer")
    endpoint_slice(client, namespace, "istiod-another", False, app="istiod", **mesh)


def test_an_istiod_that_fails_is_not_waited_for_again(apply: Apply, client: Client, namespace: str) -> None:
    istiod = deployment(namespace, "istiod", app="istiod")
    istiod["spec"]["selector"]["matchLabels"] = istiod["spec"]["template"]["metadata"]["labels"] = {"app": "istiod"}
    apply([istiod], wait=False)
    status_of(client, istiod, replicas=1, updatedReplicas=1)
    waiting = {"phase": "Pending", "containerStatuses": [container({"reason": "ErrImagePull"})]}
    pod(client, namespace, "istiod-1", "istiod", waiting)
    start = time.monotonic()
    result = apply([istiod, {"object": config_map(namespace, "later"), "wave": 10}], wait_timeout=60)
    assert time.monotonic() - start < 10
    assert result["msg"].endswith("pod istiod-1: container main: ErrImagePull")


@pytest.mark.parametrize("scaled_by", ["somebody", "us"])
def test_an_unchanged_istiod_that_is_scaled_to_0_stops_later_waves(
    apply: Apply, client: Client, namespace: str, scaled_by: str
) -> None:
    istiod = deployment(namespace, "istiod", app="istiod")
    istiod["spec"]["selector"]["matchLabels"] = istiod["spec"]["template"]["metadata"]["labels"] = {"app": "istiod"}
    if scaled_by == "us":
        istiod["spec"]["replicas"] = 0
    apply([istiod], wait=False)
    if scaled_by == "somebody":
        status_of(client, istiod, **ROLLED_OUT)
        assert apply([istiod])["changed"] is False
        scaled = {**istiod, "spec": {"replicas": 0}}
        client.apply(scaled, "somebody")
    status_of(client, istiod)
    later = {"object": config_map(namespace, "later"), "wave": 10}
    result = apply([istiod, later], wait_timeout=1)
    assert result["msg"].endswith(
        f"waits for Deployment {namespace}/istiod: Deployment {namespace}/istiod is scaled to 0"
    )
    assert result["counts"]["created"] == 0


def test_an_unchanged_crd_that_is_not_established_stops_its_objects(
    apply: Apply, client: Client, namespace: str
) -> None:
    """Its names are taken by another one: it was written, and its kind is not served."""
    apply([crd("gadgets")])
    rival = crd("gizmos")
    rival["spec"]["names"]["shortNames"] = ["gadgets"]
    assert apply([rival], wait_timeout=1)["failed"]
    gizmo = {"apiVersion": "tests.example/v1", "kind": "Gizmos", "metadata": {"name": "one", "namespace": namespace}}
    second = apply([rival, {"object": gizmo, "wave": 40}], wait_timeout=1)
    assert "waits for CustomResourceDefinition gizmos.tests.example: not NamesAccepted" in second["msg"]
