# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No credential stands in what a person sees, whatever is wrong with it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.kube.connection import connect
from ansible_collections.alauda.ambient.plugins.module_utils.kube.transport import Session, Transport
from fakeapi.server import FakeApi
from in_process import run_in_process

PIN = "hunter2"
KEY = f"-----BEGIN PRIVATE KEY-----\n{PIN}\n-----END PRIVATE KEY-----\n"


def plugin(script: str, **more: Any) -> dict[str, Any]:
    """A user whose credentials a shell script gives."""
    command = {"command": "/bin/sh", "args": ["-c", script], "interactiveMode": "Never", **more}
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **command}}


def answer(**status: str) -> str:
    """A script that prints a credential."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(credential)}\nEND"


def shown(options: dict[str, Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """The error of a request, once it is certain that nothing else that a person sees holds the secret."""
    with pytest.raises(AmbientError) as refused:
        connect(options).version()
    printed = "".join(traceback.format_exception(refused.value)) + "".join(capfd.readouterr())
    assert PIN not in printed
    result = run_in_process("mesh_info", {"query": "matrix", **options})
    for name in ("impersonate_user", "impersonate_groups"):  # whom one stands for is no secret
        del result["invocation"]["module_args"][name]
    assert result["failed"] and "Traceback" not in json.dumps(result)
    assert PIN not in json.dumps(result) + "".join(capfd.readouterr())
    assert " ".join(result["msg"].split()) == str(refused.value)
    return str(refused.value)


SAID_BY = {
    "api_key": ({"api_key": f"{PIN}\n"}, {}, "api_key: holds a line break or another control character"),
    "api_key inside": ({"api_key": f"{PIN}\r\nX-Other: {PIN}"}, {}, "api_key: holds a line break"),
    "api_key, no ASCII": ({"api_key": f"{PIN}\u2026"}, {}, "api_key: holds a character that is not ASCII"),
    "user": ({"impersonate_user": f"{PIN}\n"}, {}, "impersonate_user: holds a line break"),
    "group": ({"impersonate_groups": ["a", f"{PIN}\n"]}, {}, "impersonate_groups: holds a line break"),
    "token": ({}, {"token": f"{PIN}\n"}, "the token in the kubeconfig, in its tokenFile, or printed by its command"),
    "plugin's token": ({}, plugin(answer(token=f"{PIN}\n")), "the token in the kubeconfig, in its tokenFile, or"),
    "plugin's stderr": (
        {},
        plugin(f"echo {PIN} >&2; exit 3"),
        "the command sh of the kubeconfig, which gives the credentials, failed with exit status 3. Run that command",
    ),
    "plugin's stdout": ({}, plugin(f"echo {PIN}"), "gives none that can be used: failed to decode process output"),
    "plugin's keys": ({}, plugin(f'echo \'{{"kind": "{PIN}"}}\''), "gives none that can be used: missing key"),
    "plugin's version": ({}, plugin(answer(token="a").replace("/v1", f"/{PIN}")), "gives none that can be used"),
    "plugin without token": ({}, plugin(answer(other=PIN)), "gives none that can be used: missing token or"),
    "plugin that is missing": ({}, plugin(PIN, command="/no/plugin"), "the command plugin of the kubeconfig, which"),
    "plugin's environment": ({}, plugin("exit 4", env=[{"name": "PIN", "value": PIN}]), "exit status 4"),
    "auth-provider": (
        {},
        {"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh", "cmd-args": f"-c {PIN}"}}},
        "failed with exit status 127",
    ),
    "file options": ({"client_key": KEY}, {}, "client_key: is the content of a file, not a path"),
    "kubeconfig as text": ({"kubeconfig": f"users: []\ntoken: {PIN}\n"}, {}, "kubeconfig: is the content of a file"),
    "kubeconfig as JSON": ({"kubeconfig": f'{{"token": "{PIN}"}}'}, {}, "kubeconfig: "),
}


@pytest.mark.parametrize(("options", "user", "says"), SAID_BY.values(), ids=SAID_BY)
def test_credentials_that_cannot_be_used(
    fake: FakeApi,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    user: dict[str, Any],
    says: str,
) -> None:
    defaults: dict[str, Any] = {"host": fake.url} if "api_key" in options else {"kubeconfig": fake.kubeconfig(**user)}
    assert says in shown({**defaults, **options}, capfd, caplog)


BROKEN = {
    "an alias": f"users: *{PIN}",
    "a tag": f"users: !{PIN} x",
    "no YAML": f"users:\n- name: a\n  token: '{PIN}\n",
    "a line": f"users: a\n{PIN}\n",
    "an entry without its name": f"users:\n- user: {{token: {PIN}}}\n",
    "an entry without its user": f"users:\n- {{name: me, token: {PIN}}}\n",
    "an entry that is a text": f"users:\n- {PIN}\n",
}


@pytest.mark.parametrize("users", BROKEN.values(), ids=BROKEN)
def test_a_broken_kubeconfig(
    fake: FakeApi, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, users: str
) -> None:
    path = Path(fake.kubeconfig())
    config = yaml.safe_load(path.read_text())
    config["contexts"][0]["context"]["user"] = "me"
    del config["users"]
    path.write_text(yaml.safe_dump(config) + users)
    assert f"{path}: the kubeconfig cannot be used: " in shown({"kubeconfig": str(path)}, capfd, caplog)


def test_a_plugin_that_fails_while_its_token_is_renewed_prints_nothing(
    fake: FakeApi, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    once = f"test -e {tmp_path}/ran && {{ echo {PIN} >&2; exit 1; }}; touch {tmp_path}/ran; "
    fake.tokens = {"old"}
    status = {"token": "old", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    connect({"kubeconfig": fake.kubeconfig(**plugin(once + answer(**status)))}).version()
    assert PIN not in "".join(capfd.readouterr())


@pytest.mark.parametrize("value", [f"Bearer {PIN}\n", f"Bearer {PIN}\u2026", f"{PIN}\r\nX: y"])
def test_a_header_that_nobody_looked_at_is_not_quoted_either(fake: FakeApi, value: str) -> None:
    import urllib3

    session = Session(urllib3.PoolManager(), fake.url, lambda: {"authorization": value})
    with pytest.raises(AmbientError, match="the request cannot be sent: its address or a header is malformed") as found:
        Transport(lambda: session).json("GET", "/version")
    assert PIN not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize("option", ["host", "proxy"])
@pytest.mark.parametrize("userinfo", [f"me:{PIN}", f"me:{PIN}/x", f"me:{PIN}@y", PIN])
def test_users_and_passwords_of_addresses(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, option: str, userinfo: str
) -> None:
    given = {"host": "https://127.0.0.1:1", "api_key": "0123456789", option: f"http://{userinfo}@127.0.0.1:1"}
    shown(given, capfd, caplog)
