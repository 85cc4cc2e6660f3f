# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real charts for every platform: they render, and istio-cni finds the node's directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toolchain
from ansible_collections.alauda.ambient.plugins.module_utils.charts.platforms import PLATFORMS
from ansible_collections.alauda.ambient.plugins.module_utils.charts.roles import COMPONENTS_OF, Order, write_role
from ansible_collections.alauda.ambient.plugins.module_utils.charts.values import Settings
from devcluster import assets

VERSION = toolchain.ISTIO_VERSION
DEFAULT = ("/opt/cni/bin", "/etc/cni/net.d", "/var/run/netns")
NODE_DIRECTORIES = {
    "acp": ("/opt/cni/bin", "/etc/cni/multus/net.d", "/var/run/netns"),
    "gke": ("/home/kubernetes/bin", "/etc/cni/net.d", "/var/run/netns"),
    "k3d": ("/bin", "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/run/netns"),
    "k3s": ("/var/lib/rancher/k3s/data/cni", "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/run/netns"),
    "microk8s": (
        "/var/snap/microk8s/current/opt/cni/bin",
        "/var/snap/microk8s/current/args/cni-network",
        "/var/run/netns",
    ),
    "minikube": ("/opt/cni/bin", "/etc/cni/net.d", "/var/run/docker/netns"),
    "openshift": ("/var/lib/cni/bin", "/etc/cni/multus/net.d", "/var/run/netns"),
}


def rendered(platform: str, folder: Path, **user: dict[str, Any]) -> dict[str, Any]:
    """The objects of all roles by kind and name."""
    objects = {}
    for role in COMPONENTS_OF:
        charts = {"directory": str(assets.charts())}
        order = Order(role, "default", charts, Settings(VERSION, platform=platform, user=user))
        dest = folder / f"{role}.json"
        write_role(order, dest, folder / "cache", str(toolchain.binaries("helm")["helm"]))
        for item in json.loads(dest.read_text())["items"]:
            objects[f"{item['object']['kind']} {item['object']['metadata']['name']}"] = item["object"]
    return objects


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_renders(platform: str, tmp_path: Path) -> None:
    objects = rendered(platform, tmp_path)
    pod = objects["DaemonSet istio-cni-node"]["spec"]["template"]["spec"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    found = (paths["cni-bin-dir"], paths["cni-net-dir"], paths["cni-netns-dir"])
    assert found == NODE_DIRECTORIES.get(platform, DEFAULT)
    istiod = objects["Deployment istiod"]["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry.get("value") for entry in istiod["env"]}
    assert environment["CA_TRUSTED_NODE_ACCOUNTS"] == "ztunnel/ztunnel"
    assert istiod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    multus = "NetworkAttachmentDefinition istio-cni" in objects
    assert multus is (platform in ("acp", "openshift"))
    quotas = [name for name in objects if name.startswith("ResourceQuota")]
    assert bool(quotas) is (platform == "gke")


def test_the_users_values_win_over_the_platforms(tmp_path: Path) -> None:
    objects = rendered("openshift", tmp_path, cni={"cniBinDir": "/mine"}, istiod={"cni": {"provider": "default"}})
    volumes = objects["DaemonSet istio-cni-node"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "cni-bin-dir", "hostPath": {"path": "/mine"}} in volumes
    injector = json.loads(objects["ConfigMap istio-sidecar-injector"]["data"]["values"])
    assert injector["pilot"]["cni"]["provider"] == "default"
