# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxyv2 image as a waypoint: it becomes Ready, and enforces a policy that only layer 7 can.

The client is no pod of the mesh. It speaks HBONE to the waypoint with a certificate that the mesh's own authority
signed, so the proof does not depend on which ztunnel carries the traffic.
"""

from __future__ import annotations

import base64
import datetime
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFESTS = CHECKOUT / "tests/environment/waypoint"
NAMESPACE = "waypoint-test"
PATIENCE = 120  # seconds in which the waypoint must be Ready
ISTIOD_SETTING = "PILOT_ENABLE_METADATA_EXCHANGE"


@dataclass(frozen=True)
class Cluster:
    """The cluster, by kubectl."""

    kubectl: str
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a kubectl command gave, whatever its exit status."""
        command = [self.kubectl, "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)

    def must(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of a kubectl command that succeeds."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout


def leaf(core: client.CoreV1Api, account: str) -> dict[str, str]:
    """Certificate and key for a service account of the namespace, signed by istiod's own authority."""
    authority = core.read_namespaced_secret("istio-ca-secret", "istio-system").data
    signer = x509.load_pem_x509_certificate(base64.b64decode(authority["ca-cert.pem"]))
    signing_key = serialization.load_pem_private_key(base64.b64decode(authority["ca-key.pem"]), None)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.UniformResourceIdentifier(f"spiffe://cluster.local/ns/{NAMESPACE}/sa/{account}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .sign(signing_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        f"{account}.pem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        f"{account}-key.pem": private.decode(),
        "root.pem": base64.b64decode(authority["ca-cert.pem"]).decode(),
    }


@pytest.fixture(scope="module")
def cluster(environment: dict[str, Any]) -> Cluster:
    return Cluster(environment["kubectl"], CHECKOUT / os.environ.get("AMBIENT_DIR", "build/test") / "kubeconfig")


@pytest.fixture(scope="module")
def waypoint(mesh: None, cluster: Cluster, core: client.CoreV1Api, images: dict[str, Any]) -> Iterator[Cluster]:
    """The waypoint, a server behind it and a client; gone afterwards."""
    if images["proxyv2"]["source"] == "built":
        setting = f"{{.spec.template.spec.containers[0].env[?(@.name=='{ISTIOD_SETTING}')].value}}"
        found = cluster.must("-n", "istio-system", "get", "deployment", "istiod", "-o", f"jsonpath={setting}")
        assert found == "false", f"the Envoy of the image that was built needs istiod with {ISTIOD_SETTING}=false"
    application = (MANIFESTS / "application.yaml").read_text().replace("ECHO_IMAGE", images["echo"]["ref"])
    objects = yaml.safe_load(application)["items"]
    identities = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "client-identity", "namespace": NAMESPACE},
        "stringData": {**leaf(core, "client"), **leaf(core, "stranger")},
    }
    cluster.run("delete", "namespace", NAMESPACE, "--wait", "--ignore-not-found")
    try:
        cluster.must("apply", "-f", "-", stdin=yaml.safe_dump_all([objects[0], identities, *objects[1:]]))
        cluster.must("apply", "-f", str(MANIFESTS / "waypoint.yaml"))
        yield cluster
    finally:
        cluster.run("-n", NAMESPACE, "delete", "gateway", "--all")
        cluster.run("-n", NAMESPACE, "delete", "pods", "--all", "--grace-period=0", "--force")
        cluster.run("delete", "namespace", NAMESPACE, "--wait")


def test_the_waypoint_becomes_ready(waypoint: Cluster, images: dict[str, Any]) -> None:
    gateway = ("-n", NAMESPACE, "wait", "--for=condition=Programmed", "gateway/waypoint", f"--timeout={PATIENCE - 10}s")
    waypoint.must(*gateway)
    waypoint.must("-n", NAMESPACE, "rollout", "status", "deployment/waypoint", f"--timeout={PATIENCE - 10}s")
    fields = "{.items[0].spec.containers[0].image} {.items[0].status.containerStatuses[0].imageID}"
    label = "gateway.networking.k8s.io/gateway-name=waypoint"
    pod = waypoint.must("-n", NAMESPACE, "get", "pod", "-l", label, "-o", f"jsonpath={fields}")
    assert pod.split() == [images["proxyv2"]["ref"]] * 2


@pytest.mark.parametrize(
    ("account", "method", "status"),
    [("client", "GET", 200), ("client", "POST", 403), ("stranger", "GET", 403)],
)
def test_it_enforces_a_policy_on_methods(waypoint: Cluster, account: str, method: str, status: int) -> None:
    waypoint.must("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/server", "pod/client", "--timeout=60s")
    service = waypoint.must("-n", NAMESPACE, "get", "service", "server", "-o", "jsonpath={.spec.clusterIP}")
    request = (
        *("-n", NAMESPACE, "exec", "client", "--", "/usr/local/bin/client", "--method", method, "--timeout", "5s"),
        *("--hbone", f"waypoint.{NAMESPACE}:15008", "--hbone-insecure-skip-verify", "--hbone-ca", "/identity/root.pem"),
        *("--hbone-client-cert", f"/identity/{account}.pem", "--hbone-client-key", f"/identity/{account}-key.pem"),
        f"http://{service}:80/",
    )
    deadline = time.monotonic() + 60
    while True:
        answer = waypoint.run(*request)
        found = re.search(r"StatusCode=(\d+)", answer.stdout)
        if found and int(found[1]) == status:
            break
        assert time.monotonic() < deadline, f"wanted {status}, got {answer.stdout}{answer.stderr}"
        time.sleep(1)
