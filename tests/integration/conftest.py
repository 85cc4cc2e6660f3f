# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real, bare API server for the session, and modules run in this process against it."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.client import Client
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "environment"), str(ROOT / "tests" / "integration"), str(ROOT / "tests")]
import apiserver as bare  # noqa: E402
from fakeapi.server import FakeApi  # noqa: E402
from in_process import run_in_process  # noqa: E402
from planted import answering_istiod  # noqa: E402

Result = dict[str, Any]
RunModule = Callable[..., Result]
_PARENT = ROOT / "build" / "apiserver"


@pytest.fixture(scope="session")
def shared_apiserver() -> Iterator[bare.ApiServer]:
    """One fresh API server for the test session; what tests leave in it stays."""
    for left_over in _PARENT.glob("session-*"):
        if not Path(f"/proc/{left_over.name.split('-')[1]}").exists():
            bare.down(left_over)
    yield from _started("")


@pytest.fixture(scope="module")
def apiserver(request: pytest.FixtureRequest) -> Iterator[bare.ApiServer]:
    """The API server: kubeconfigs, tokens and the audit log (`.writes()`).

    A test module with `OWN_APISERVER = True` gets one of its own, with nothing in it.
    """
    if getattr(request.module, "OWN_APISERVER", False):
        yield from _started(f"-{request.module.__name__.rpartition('.')[2]}")
    else:
        yield request.getfixturevalue("shared_apiserver")


def _started(suffix: str) -> Iterator[bare.ApiServer]:
    directory = _PARENT / f"session-{os.getpid()}{suffix}"
    yield bare.up(directory)
    bare.down(directory)


@pytest.fixture(scope="module")
def client(apiserver: bare.ApiServer) -> Client:
    """The admin's client."""
    return connect({"kubeconfig": apiserver.kubeconfig})


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("K8S_AUTH_") or name == "KUBECONFIG":
            monkeypatch.delenv(name)


_numbers = itertools.count(1)


@pytest.fixture
def namespace(client: Client) -> str:
    """A new namespace; its name is unique in the session."""
    name = f"test-{next(_numbers)}"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "tests")
    return name


@pytest.fixture
def istiod(client: Client) -> None:
    """An istiod that answers, without which no label leads into the mesh."""
    answering_istiod(client)


@pytest.fixture
def writes(apiserver: bare.ApiServer) -> Callable[[], list[dict[str, str]]]:
    """Call it: the writes that the API server saw since the last call (or since the test began)."""
    seen = len(apiserver.writes())

    def new() -> list[dict[str, str]]:
        nonlocal seen
        every = apiserver.writes()
        fresh, seen = every[seen:], len(every)
        return fresh

    return new


@pytest.fixture
def run_module(apiserver: bare.ApiServer) -> RunModule:
    """`run_module(name, args, check=False, diff=False)`: what the module returns, `failed` included.

    The admin's kubeconfig is given unless `args` say how to connect; None leaves an option out.
    """

    def run(name: str, args: Mapping[str, Any], check: bool = False, diff: bool = False) -> Result:
        connection = {} if {"host", "kubeconfig"} & set(args) else {"kubeconfig": apiserver.kubeconfig}
        return run_in_process(name, {**connection, **args}, check, diff)

    return run


@pytest.fixture
def apply(run_module: RunModule, namespace: str, tmp_path: Path) -> RunModule:
    """`apply(items, **options)`: run the module on one role file; the inventory is kept in the test's namespace."""

    def run(
        items: list[Any], *, role: str = "tested", check: bool = False, diff: bool = False, **options: Any
    ) -> Result:
        entries = [entry if "object" in entry else {"object": entry} for entry in items]
        file = tmp_path / f"{role}.json"
        file.write_text(json.dumps({"role": role, "items": entries}))
        defaults = {
            "files": [str(file)],
            "mesh": namespace,
            "inventory_namespace": namespace,
            "work_dir": str(tmp_path / "work"),
            "wait_timeout": 3,
        }
        return run_module("apply", {**defaults, **options}, check, diff)

    return run


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeApi]:
    """A fake API server of the test's own: `.requests`, `.inject(fault, …)`. It knows the namespace default."""
    server = FakeApi(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def apply_fake(fake: FakeApi, tmp_path: Path) -> RunModule:
    """As `apply`, on the fake API server: `apply_fake(objects, **options)`; all is kept in the namespace default."""

    def run(objects: list[Any], *, check: bool = False, diff: bool = False, **options: Any) -> Result:
        file = tmp_path / "tested.json"
        file.write_text(json.dumps({"role": "tested", "items": [{"object": obj} for obj in objects]}))
        defaults = {
            "files": [str(file)],
            "mesh": "default",
            "inventory_namespace": "default",
            "work_dir": str(tmp_path / "work"),
            "wait_timeout": 5,
        }
        connection = {} if "kubeconfig" in options else {"kubeconfig": fake.kubeconfig()}
        return run_in_process("apply", {**connection, **defaults, **options}, check, diff)

    return run
