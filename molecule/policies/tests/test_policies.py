# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call a Service: declared, enforced by its waypoint, and told by `can`; from the first caller to the last.

The requests go through the waypoint under certificates for service accounts of a namespace in the mesh. The tests build
on each other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from oracle.cases import Identity
from oracle.running import BatchClient
from oracle.signing import Authority
from routing import application, stock_envoy
from routing.client import VIA, until
from routing.plays import Run, play

DIRECTORY = Path(__file__).resolve().parents[3] / os.environ.get("AMBIENT_DIR", "build/test")
IMAGES = json.loads((DIRECTORY / "images.json").read_text())
APP, CALLERS = "policies-app", "policies-callers"
ACCOUNTS = ("web", "batch", "stranger")
WAYPOINT = {"name": "main", "namespace": APP}
FIRST = {"to": {"service": "cart"}, "from": [{"service_account": f"{CALLERS}/web"}], "methods": ["GET"]}
SECOND = {"to": {"service": "cart"}, "from": [{"service_account": f"{CALLERS}/batch"}]}
PLANTED = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "read-only", "namespace": APP},
    "spec": {
        "selector": {"matchLabels": {"app": "stock"}},
        "action": "DENY",
        "rules": [{"to": [{"operation": {"methods": ["POST"]}}]}],
    },
}


@pytest.fixture(scope="module")
def client() -> Iterator[BatchClient]:
    with BatchClient(DIRECTORY) as started:
        application.remove(started.kubectl, APP)
        application.remove(started.kubectl, CALLERS)
        try:
            started.kubectl.apply({"apiVersion": "v1", "kind": "List", "items": callers()}, manager="developer")
            application.deploy(started.kubectl, IMAGES["echo"]["ref"], APP)
            stock_envoy.apply(started.kubectl, "main", APP)
            yield started
        finally:
            play(DIRECTORY, "site.yml", {"ambient_mesh": {"namespaces": [{"name": APP, "state": "off"}]}})
            application.remove(started.kubectl, APP)
            application.remove(started.kubectl, CALLERS)


@pytest.fixture(scope="module")
def identities(client: BatchClient) -> dict[str, Any]:
    authority = Authority.of(client.kubectl.get("secret", "istio-ca-secret", "--namespace=istio-system"))
    return {account: authority.leaf(Identity(CALLERS, account)) for account in ACCOUNTS}


def callers() -> list[dict[str, Any]]:
    """The service accounts; they need no pods, for the client calls under their names."""
    labels = {"istio.io/dataplane-mode": "ambient"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CALLERS, "labels": labels}}
    metadata = [{"name": account, "namespace": CALLERS} for account in ACCOUNTS]
    return [namespace, *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": each} for each in metadata)]


def site(*access: Any, fails: bool = False) -> Run:
    namespace = {"name": APP, "state": "l7", "access": list(access)}
    return play(
        DIRECTORY, "site.yml", {"ambient_mesh": {"waypoints": [WAYPOINT], "namespaces": [namespace]}}, fails=fails
    )


@dataclass(frozen=True)
class Mesh:
    """The callers, and what is said of their calls."""

    client: BatchClient
    identities: dict[str, Any]

    def is_so(self, account: str, method: str, status: int, service: str = "cart") -> None:
        """The waypoint answers so, and `can` says the same."""
        head = f"{method} / HTTP/1.1\r\nHost: {service}.{APP}\r\n\r\n"
        request = {"id": "call", "identity": account, "to": f"{service}.{APP}:80", "head": head}
        answers: list[Any] = []

        def answered() -> bool:
            answers.append(self.client.batch(self.identities, [request])["call"])
            return (answers[-1]["status"], answers[-1]["route"]) == (status, f"{VIA}{APP}/main")

        until(60, f"{account} {method} {service} is answered with {status}", answered, lambda: str(answers[-1]))
        asked = {"from": f"{CALLERS}/{account}", "to": f"{APP}/{service}", "method": method, "path": "/"}
        said = play(DIRECTORY, "can.yml", asked).output
        word = "allowed" if status == 200 else "denied"
        assert f"{CALLERS}/{account} to Service {APP}/{service}, {method} /: {word}" in said, said[-2000:]


@pytest.fixture(scope="module")
def mesh(client: BatchClient, identities: dict[str, Any]) -> Mesh:
    return Mesh(client, identities)


def test_without_an_entry_all_may_call(mesh: Mesh) -> None:
    site()
    for account in ("web", "batch"):
        mesh.is_so(account, "POST", 200)


def test_the_first_caller_closes_the_service_to_others(mesh: Mesh) -> None:
    run = site(FIRST)
    assert f"Service {APP}/cart takes calls from service account {CALLERS}/web alone from now on" in run.output
    mesh.is_so("web", "GET", 200)
    mesh.is_so("web", "POST", 403)
    mesh.is_so("batch", "GET", 403)
    mesh.is_so("batch", "GET", 200, "stock")


def test_once_more_changes_nothing(mesh: Mesh) -> None:
    assert site(FIRST).changed == 0


def test_a_caller_more_takes_none_away(mesh: Mesh) -> None:
    site(FIRST, SECOND)
    mesh.is_so("batch", "POST", 200)
    mesh.is_so("web", "GET", 200)
    mesh.is_so("web", "POST", 403)
    mesh.is_so("stranger", "GET", 403)


def test_after_the_last_caller_all_may_call(mesh: Mesh) -> None:
    site()
    for account, method in (("web", "POST"), ("stranger", "GET")):
        mesh.is_so(account, method, 200)


def test_a_rule_that_ztunnel_does_not_understand_is_refused(mesh: Mesh) -> None:
    mesh.client.kubectl.apply(PLANTED, manager="developer")
    try:
        found = play(DIRECTORY, "check.yml", {"ambient_guard_phases": ["policies"]}, fails=True).output
        run = site(FIRST, fails=True)
    finally:
        mesh.client.kubectl.run("delete", "authorizationpolicy", "read-only", f"--namespace={APP}")
    for output in (found, run.output):
        assert "AMB0701" in output and f"{APP}/read-only" in output
    mesh.is_so("stranger", "GET", 200)
