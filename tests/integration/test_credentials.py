# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that expire: from a token file, from an exec plugin, and those that nobody renews."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube import transport
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import CONNECTIONS, connect
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError
from fakeapi import faults
from fakeapi.server import FakeApi

THREADS = 32


class Plugin:
    """An exec plugin: a command that prints what is in a file, and notes that it ran."""

    def __init__(self, directory: Path) -> None:
        self._answer, self._runs = directory / "credential.json", directory / "runs"
        self.user = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "sh",
                "args": ["-c", f"echo >> {self._runs}; cat {self._answer}"],
                "interactiveMode": "Never",
            }
        }

    def answer(self, token: str, expires: float = 3600) -> None:
        """What it prints from now on; `expires`: seconds until the token is no longer used."""
        # The loader takes a token for expired five minutes before its time.
        until = (datetime.now(UTC) + timedelta(seconds=expires + 300)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"token": token, "expirationTimestamp": until}
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        self._answer.write_text(json.dumps(credential))

    def break_down(self) -> None:
        """It fails from now on."""
        self._answer.unlink()

    @property
    def runs(self) -> int:
        """How often it ran."""
        return len(self._runs.read_text().splitlines()) if self._runs.exists() else 0


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def in_many_threads(work: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(work) for dummy in range(THREADS * 3)]]


def test_a_refused_token_is_fetched_anew_once_for_all_threads(fake: FakeApi, plugin: Plugin) -> None:
    plugin.answer("old")
    fake.tokens = {"old"}
    client = connect({"kubeconfig": fake.kubeconfig(**plugin.user)})
    client.version()
    assert plugin.runs == 1
    plugin.answer("new")
    fake.tokens = {"new"}
    fake.inject(faults.slow(0.1), times=THREADS)  # so that all of them are refused
    assert len(in_many_threads(client.version)) == THREADS * 3
    assert plugin.runs == 2


def test_an_expired_token_is_not_even_sent(fake: FakeApi, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_HEADERS_KEPT", 0.2)
    plugin.answer("old", expires=1)
    fake.tokens = {"old"}
    client = connect({"kubeconfig": fake.kubeconfig(**plugin.user)})
    client.version()
    plugin.answer("new")
    fake.tokens = {"new"}
    time.sleep(2.1)
    before = len(fake.requests)
    in_many_threads(client.version)
    assert plugin.runs == 2
    assert len(fake.requests) == before + THREADS * 3, "nobody was refused"


def test_a_token_file_is_read_anew(fake: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    fake.tokens = {"old"}
    client = connect({"kubeconfig": fake.kubeconfig(tokenFile=str(token)), "impersonate_user": "bob"})
    client.version()
    token.write_text("new")
    fake.tokens = {"new"}
    in_many_threads(client.version)
    assert dict(client.transport.headers())["Impersonate-User"] == "bob", "whom we stand for stays"


def test_the_websocket_uses_fresh_credentials_too(fake: FakeApi, plugin: Plugin) -> None:
    plugin.answer("old")
    fake.tokens = {"old"}
    client = connect({"kubeconfig": fake.kubeconfig(**plugin.user)})
    client.version()
    first = client.api_client
    plugin.answer("new")
    fake.tokens = {"new"}
    client.version()
    assert dict(client.transport.headers())["authorization"] == "Bearer new"
    assert client.api_client is not first


def test_a_token_that_nobody_renews_fails_at_once(fake: FakeApi) -> None:
    fake.tokens = {"another"}
    client = connect({"host": fake.url, "api_key": "0123456789"})
    for dummy in range(3):
        with pytest.raises(ApiError) as refused:
            client.version()
        assert str(refused.value) == (
            f"{fake.url}: the API server refuses the credentials (401 Unauthorized). "
            "The token or certificate is wrong or has expired: get new credentials"
        )
    assert len(fake.requests) <= 4, "the first is asked for twice, and no other"


def test_a_plugin_that_fails(fake: FakeApi, plugin: Plugin) -> None:
    plugin.answer("old")
    fake.tokens = {"old"}
    client = connect({"kubeconfig": fake.kubeconfig(**plugin.user)})
    client.version()
    plugin.break_down()
    fake.tokens = {"new"}
    with pytest.raises(ApiError) as refused:
        client.version()
    assert refused.value.status == 401
    text = str(refused.value)
    assert "the API server refuses the credentials (401 Unauthorized), and there are no new ones: " in text
    assert text.endswith("failed with exit status 1. Run that command by hand")
    with pytest.raises(AmbientError, match="the command sh of the kubeconfig, which gives the credentials, failed"):
        connect({"kubeconfig": fake.kubeconfig(**plugin.user)})


def test_connections_are_kept(fake: FakeApi) -> None:
    client = connect({"kubeconfig": fake.kubeconfig()})
    fake.inject(faults.slow(0.05), times=1000)
    in_many_threads(client.version)
    assert CONNECTIONS == THREADS
    assert fake.connections <= CONNECTIONS
    in_many_threads(client.version)
    assert fake.connections <= CONNECTIONS, "all of them live on"


def test_the_proxy_stays(fake: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    fake.tokens = {"old"}
    path = fake.kubeconfig(tokenFile=str(token))
    Path(path).write_text(Path(path).read_text().replace(fake.url, "http://cluster.example"))
    client = connect({"kubeconfig": path, "proxy": fake.url})
    client.version()
    token.write_text("new")
    fake.tokens = {"new"}
    assert client.version()["gitVersion"] == "v1.35.0"
    assert fake.count() == 3 and client.host == "http://cluster.example"
