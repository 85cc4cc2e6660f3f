# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admission policies on a real API server: each rule lets the good through and stops the bad."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.admission.objects import MODES
from ansible_collections.alauda.ambient.plugins.module_utils.admission.rules import OVERRIDE, RULES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.admitted import why_namespace, why_pod
from ansible_collections.alauda.ambient.plugins.module_utils.checks.signals import MESHES
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from in_process import run_in_process
from planted import deployment

OWN_APISERVER = True  # the policies concern the whole cluster

Object = dict[str, Any]
MODE = "istio.io/dataplane-mode"
INJECTION = "istio-injection"
REVISION = "istio.io/rev"
POD = "sidecar.istio.io/inject"
MESH = {"ambient.alauda.io/mesh": "default"}
AMBIENT = {MODE: "ambient"}
CNI = "istio-cni"

NAMESPACE_LABELS = [
    {},
    AMBIENT,
    {INJECTION: "enabled"},
    {REVISION: "canary"},
    {INJECTION: "disabled", **AMBIENT},
    {MODE: "none", INJECTION: "enabled"},
]
POD_LABELS = [
    {},
    {POD: "true"},
    {POD: "false"},
    {REVISION: "default"},
    {REVISION: "default", POD: "false"},
    AMBIENT,
    {**AMBIENT, POD: "true"},
    {**AMBIENT, POD: "false"},
    {MODE: "none"},
    {MODE: "none", POD: "true"},
]


def space(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(namespace: str, labels: dict[str, str], **annotations: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-",
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }


def daemons(namespace: str, name: str, **labels: str) -> Object:
    obj = deployment(namespace, name)
    del obj["spec"]["selector"]
    spec = {**obj["spec"], "selector": {"matchLabels": {"app": name}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def refusal(do: Callable[[], Any]) -> str:
    """What the API server says where it refuses, empty where it doesn't."""
    try:
        do()
    except ApiError as error:
        assert error.status == 403, str(error)
        return str(error)
    return ""


def wait_for(seen: Callable[[], bool]) -> None:
    """The API server takes up a policy, a namespace's labels and parameters within seconds."""
    deadline = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def early(client: Client) -> dict[str, Object]:
    """What was there before the rules and violates them."""
    objects = {
        "both": space("both", **AMBIENT, **{INJECTION: "enabled"}),
        "protected": space("openshift-logging", **AMBIENT),
    }
    for obj in objects.values():
        client.create(obj)
    objects["pod"] = client.create(pod("both", {POD: "true"}))
    return objects


@pytest.fixture(scope="module")
def guarded(early: Any, client: Client, apiserver: Any, tmp_path_factory: Any) -> Callable[..., Object]:
    """`guarded(mode)`: apply the policies as site.yml does, and wait until they act; they stay for the next test."""
    work = tmp_path_factory.mktemp("guard")

    def guard(mode: str) -> Object:
        file = str(work / "guard.json")
        written = run_in_process("admission_objects", {"mode": mode, "dest": file})
        assert "msg" not in written, written
        options = {"files": [file], "mesh": "default", "inventory_namespace": "default", "prune": True}
        connection = {"kubeconfig": apiserver.kubeconfig, "work_dir": str(work)}
        result = run_in_process("apply", {**options, **connection})
        assert "msg" not in result, result
        bad = space("probe", **AMBIENT, **{INJECTION: "enabled"})
        wait_for(lambda: bool(refusal(lambda: client.create(bad, dry_run=True))) is (mode == "deny"))
        return result

    return guard


def test_sidecars_and_ambient_do_not_mix(guarded: Any, client: Client) -> None:
    """What the API server says is what the check AMB0413 says, for every combination of labels."""
    verdicts = {"refused": 0, "let through": 0}
    for number, labels in enumerate(NAMESPACE_LABELS):
        client.create(space(f"mix-{number}", **labels))
    guarded("deny")
    for labels in [*NAMESPACE_LABELS, {**AMBIENT, INJECTION: "enabled"}, {**AMBIENT, REVISION: "canary"}]:
        obj = space("new", **labels)
        answer = refusal(lambda obj=obj: client.create(obj, dry_run=True))
        assert bool(answer) is bool(why_namespace(obj)), (labels, answer)
    for (number, outer), inner in itertools.product(enumerate(NAMESPACE_LABELS), POD_LABELS):
        obj = pod(f"mix-{number}", inner)
        answer = refusal(lambda obj=obj: client.create(obj, dry_run=True))
        assert bool(answer) is bool(why_pod(obj, space("mix", **outer))), (outer, inner, answer)
        verdicts["refused" if answer else "let through"] += 1
        gateway = pod(f"mix-{number}", inner, **{"inject.istio.io/templates": "gateway"})
        assert not refusal(lambda obj=gateway: client.create(obj, dry_run=True))
    assert min(verdicts.values()) > 10


def test_the_words_of_a_refusal(guarded: Any, client: Client) -> None:
    client.create(space("quiet", **AMBIENT))
    guarded("deny")

    inject = {**space("quiet", **{INJECTION: "enabled"})}
    words = refusal(lambda: client.apply(inject, "tests", force=True))
    assert "Namespace quiet would ask for sidecars and for ambient mode at once" in words
    assert "Keep either the label istio.io/dataplane-mode or istio-injection and istio.io/rev" in words

    words = refusal(lambda: client.create(pod("quiet", {POD: "true"})))
    assert "by its own labels or those of namespace quiet" in words
    assert "take sidecar.istio.io/inject: true" in words


def test_who_violated_before_is_not_hindered(guarded: Any, early: dict[str, Object], client: Client) -> None:
    guarded("deny")
    for obj in early.values():
        identity = Identity.of(obj)
        noted = {
            "apiVersion": "v1",
            "kind": obj["kind"],
            "metadata": {"name": identity.name, "annotations": {"note": "harmless"}},
        }
        if identity.namespace:
            noted["metadata"]["namespace"] = identity.namespace
        assert not refusal(lambda noted=noted: client.apply(noted, "tests"))


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("kube-public", True),
        ("openshift-monitoring", True),
        ("cpaas-system", True),
        ("ztunnel", True),
        ("kubernetes-tools", False),
    ],
)
def test_protected_namespaces_stay_out(guarded: Any, client: Client, name: str, refused: bool) -> None:
    guarded("deny")
    words = refusal(lambda: client.apply(space(name, **AMBIENT), "tests", dry_run=True))
    assert bool(words) is refused
    assert not refused or f"Namespace {name} belongs to the platform or to the mesh itself" in words
    assert not refusal(lambda: client.apply(space(name), "tests", dry_run=True))


def samples() -> Iterator[tuple[str, Object]]:
    """The least of every kind that the table of meshes knows, and whose it is."""
    for mesh in MESHES:
        for workload in mesh.workloads:
            namespace = (workload.namespaces or ("default",))[0]
            make = deployment if workload.resource.kind == "Deployment" else daemons
            for name in workload.names:
                yield mesh.title, make(namespace, name.replace("*", "7"))
            if workload.labels:
                yield mesh.title, make(namespace, "any-name", **workload.labels)
        if mesh.traces and (mesh.workloads or mesh.instances):
            names = [*mesh.crds, *(f"things.{group}" for group in mesh.groups)]
            yield from ((mesh.title, crd(name)) for name in names)


def crd(name: str) -> Object:
    plural, _dot, group = name.partition(".")
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": "Thing"},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def test_no_other_mesh_comes(guarded: Any, client: Client) -> None:
    every = list(samples())
    for _title, obj in every:
        if obj["metadata"].get("namespace"):
            client.apply(space(obj["metadata"]["namespace"]), "tests")
    guarded("deny")
    seen = set()
    for title, obj in every:
        words = refusal(lambda obj=obj: client.create(obj, dry_run=True))
        assert f"{title} must not be installed beside the ambient mesh" in words, obj["metadata"]
        seen.add(title)
        for key, extra in (("labels", MESH), ("annotations", {OVERRIDE: "a migration, ticket 7"})):
            metadata = {**obj["metadata"], key: {**obj["metadata"].get(key, {}), **extra}}
            accepted = {**obj, "metadata": metadata}
            assert not refusal(lambda obj=accepted: client.create(obj, dry_run=True))
        empty = {**obj, "metadata": {**obj["metadata"], "annotations": {OVERRIDE: " "}}}
        if obj["kind"] != "CustomResourceDefinition":
            assert refusal(lambda obj=empty: client.create(obj, dry_run=True))
    assert seen == {mesh.title for mesh in MESHES if mesh.workloads or (mesh.traces and mesh.instances)}


@pytest.mark.parametrize(
    "obj",
    [
        deployment("default", "web"),
        deployment("default", "istio-operator"),  # Maistra's only in openshift-operators
        daemons("default", "node-exporter"),
        crd("certificates.cert-manager.io"),
        crd("istios.operator.tigera.io"),
        crd("wasmplugins.extensions.istio.io"),
        crd("ciliumnodes.cilium.io"),
    ],
    ids=lambda obj: obj["metadata"]["name"],
)
def test_everything_else_comes(guarded: Any, client: Client, obj: Object) -> None:
    guarded("deny")
    assert not refusal(lambda: client.create(obj, dry_run=True))


def test_istio_cni_stays_while_a_namespace_is_enrolled(guarded: Any, early: Any, client: Client) -> None:
    guarded("disabled")  # else nobody else's istio-cni could come
    for namespace in (CNI, "elsewhere"):
        client.apply(space(namespace), "tests")
    ours = client.create(daemons(CNI, "istio-cni-node", **MESH, **{"k8s-app": "istio-cni-node"}))
    foreign = client.create(daemons("elsewhere", "istio-cni-node", **{"k8s-app": "istio-cni-node"}))
    other = client.create(daemons(CNI, "agent", **MESH))
    guarded("deny")

    def enrolled() -> list[str]:
        found = client.list("v1", "Namespace", label_selector=f"{MODE}=ambient")
        return [namespace["metadata"]["name"] for namespace in found]

    def remove(obj: Object) -> str:
        return refusal(lambda: client.delete(Identity.of(obj), dry_run=True))

    assert enrolled()
    for obj in (ours, space(CNI)):
        wait_for(lambda obj=obj: bool(remove(obj)))
        assert re.search(r"Namespace \S+ is in the ambient mesh: without istio-cni its new pods", remove(obj))
    for obj in (foreign, other, space("elsewhere")):
        assert not remove(obj)

    for name in enrolled():
        metadata = {"name": name, "labels": {MODE: None, INJECTION: None}}
        path = f"/api/v1/namespaces/{name}"
        client.transport.send("PATCH", path, body={"metadata": metadata}, content_type="application/merge-patch+json")
    assert not enrolled()
    for obj in (ours, space(CNI)):
        wait_for(lambda obj=obj: not remove(obj))


def test_warn_audit_and_disabled_let_everything_through(guarded: Any, client: Client) -> None:
    bad = space("between", **AMBIENT, **{INJECTION: "enabled"})
    for mode in ("audit", "deny", "warn", "deny", "disabled"):
        result = guarded(mode)
        assert result["changed"]
        assert bool(refusal(lambda: client.create(bad, dry_run=True))) is (mode == "deny")
    assert set(MODES) == {"deny", "warn", "audit", "disabled"}


def test_a_second_time_changes_nothing(guarded: Any, writes: Any) -> None:
    guarded("disabled")
    assert len(guarded("deny")["created"]) == 2 * len(RULES)
    writes()
    assert not guarded("deny")["changed"]
    assert not writes()
