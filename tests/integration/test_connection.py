# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads when the connection, the rights or the input are wrong; and the client's own ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from cases import Result, config_map

RunModule = Callable[..., Result]
TOKEN = "0123456789abcdef0123"


@pytest.fixture
def fails(run_module: RunModule, namespace: str, tmp_path: Path) -> Callable[..., str]:
    """`fails(option=value …)`: the message of an `apply` that must fail."""
    file = tmp_path / "objects.yaml"
    file.write_text(json.dumps(config_map(namespace)))

    def run(**options: Any) -> str:
        defaults = {"files": [str(file)], "inventory_namespace": namespace, "work_dir": str(tmp_path / "work")}
        result = run_module("apply", {**defaults, **options})
        assert result["failed"], result
        message = str(result["msg"])
        assert "Traceback" not in message and "\n" not in message
        return message

    return run


def test_unreachable(fails: Callable[..., str]) -> None:
    assert fails(host="https://127.0.0.1:1", api_key=TOKEN, validate_certs=False) == (
        "https://127.0.0.1:1: the API server cannot be reached: connection refused. "
        "Check the address, the network and the proxy"
    )


def test_expired_token(fails: Callable[..., str], apiserver: Any) -> None:
    assert fails(host=apiserver.url, api_key=TOKEN, ca_cert=apiserver.ca_cert) == (
        f"{apiserver.url}: the API server refuses the credentials (401 Unauthorized). "
        "The token or certificate is wrong or has expired: get new credentials"
    )


def test_unknown_authority(fails: Callable[..., str], apiserver: Any) -> None:
    message = fails(host=apiserver.url, api_key=apiserver.admin_token)
    assert message.startswith(f"{apiserver.url}: the API server cannot be reached: ")
    assert message.endswith("Check the certificate authority (ca_cert) and the client certificate")


def test_no_rights(fails: Callable[..., str], apiserver: Any) -> None:
    message = fails(kubeconfig=apiserver.nobody_kubeconfig)
    assert 'configmaps is forbidden: User "nobody" cannot list resource "configmaps"' in message
    assert message.endswith("The user of this kubeconfig lacks the right")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kubeconfig": "/no/kubeconfig"}, "kubeconfig /no/kubeconfig: no such file. Check the option kubeconfig"),
        ({"ca_cert": "/no/ca"}, "ca_cert /no/ca: no such file. Check the option ca_cert"),
        ({"files": ["/no/objects.yaml"]}, "/no/objects.yaml: no such file. Give a file that exists"),
        (
            {"host": "cluster.example", "api_key": TOKEN},
            "host cluster.example: the address of the API server is no URL. Begin it with https://",
        ),
    ],
)
def test_bad_options(fails: Callable[..., str], options: dict[str, Any], expected: str) -> None:
    assert fails(**options) == expected


def test_unknown_context(fails: Callable[..., str], apiserver: Any) -> None:
    message = fails(kubeconfig=apiserver.kubeconfig, context="nowhere")
    assert message.startswith(f"{apiserver.kubeconfig}, context nowhere: the kubeconfig cannot be used: ")


def test_a_kubeconfig_that_is_none(fails: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    for text in ("", "[]", "a: [", "apiVersion: v1\nkind: Config\n"):
        path.write_text(text)
        assert fails(kubeconfig=str(path)).startswith(f"{path}: the kubeconfig cannot be used: ")


def test_kinds_and_places_that_cannot_be(fails: Callable[..., str], namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    cases = {
        "{apiVersion: x.example/v1, kind: Nothing, metadata: {name: a}}": (
            "x.example/v1 Nothing a: the API server does not serve this kind. "
            "Its CRD is missing, or the API server is too old or too new for this version"
        ),
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}": (
            "role manifests, v1 ConfigMap a: ConfigMap needs a metadata.namespace. Mend its metadata"
        ),
        "{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: b}}": (
            "role manifests, v1 Namespace b/a: Namespace is cluster-scoped: it has no namespace. Mend its metadata"
        ),
    }
    for text, expected in cases.items():
        file.write_text(text)
        assert fails(files=[str(file)]) == expected


def test_impersonation_counts(apiserver: Any) -> None:
    bob = connect({"kubeconfig": apiserver.kubeconfig, "impersonate_user": "bob", "impersonate_groups": ["a", "b"]})
    with pytest.raises(ApiError) as refused:
        bob.list("v1", "Pod")
    assert refused.value.status == 403 and 'User "bob"' in str(refused.value)
    assert not bob.can_i("list", "", "pods")
    groups = ["b", "system:masters"]
    assert connect({"kubeconfig": apiserver.kubeconfig, "impersonate_user": "bob", "impersonate_groups": groups}).can_i(
        "*", "*", "*"
    )


def test_old_servers_without_aggregated_discovery(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.alauda.ambient.plugins.module_utils.kube import discovery

    aggregated = discovery.Discovery(client.transport).kinds()
    monkeypatch.setattr(discovery, "_AGGREGATED", "application/json")
    legacy = discovery.Discovery(client.transport).kinds()
    assert {key: (value.name, value.namespaced) for key, value in legacy.items()} == {
        key: (value.name, value.namespaced) for key, value in aggregated.items()
    }


def test_lists_are_read_in_pages(client: Client, namespace: str) -> None:
    for number in range(5):
        client.apply(config_map(namespace, f"c{number}"), "tests")
    found = client.list("v1", "ConfigMap", namespace, limit=2)
    assert [each["metadata"]["name"] for each in found] == [f"c{number}" for number in range(5)]
    assert {each["kind"] for each in found} == {"ConfigMap"}
    assert "data" not in client.list_metadata("v1", "ConfigMap", namespace, limit=2)[4]
    assert client.list("x.example/v1", "Nothing") == []


def test_a_watch_tells_what_happens(client: Client, namespace: str) -> None:
    dummy, version = client.list_for_watch("v1", "ConfigMap", namespace)
    client.apply(config_map(namespace, "seen"), "tests")
    for event, obj in client.watch("v1", "ConfigMap", version, namespace, timeout=5):
        assert (event, obj["metadata"]["name"]) == ("ADDED", "seen")
        break
    else:
        pytest.fail("no event came")
