# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and passwords of URLs stand in no error, progress line or result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.charts.fetch import local_file
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError, without_userinfo
from ansible_collections.alauda.ambient.plugins.module_utils.modules import Module
from ansible_collections.alauda.ambient.plugins.module_utils.oci.http import ask
from ansible_collections.alauda.ambient.plugins.module_utils.progress import Progress

PIN = "hunter2"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"https://me:{PIN}@host/x", "https://host/x"),
        (f"https://{PIN}@host/x", "https://host/x"),
        (f"https://me:{PIN}/x@host:8443/x", "https://host:8443/x"),
        (f"https://me:{PIN}@y@host", "https://host"),
        (f"https://me:{PIN}?#@host", "https://host"),
        (f"https://me:{PIN}%40@[::1]:80/", "https://[::1]:80/"),
        (f"oci://me:{PIN}@host/charts", "oci://host/charts"),
        (f"from ('http://me:{PIN}@a.b/c') and https://d:{PIN}@e", "from ('http://a.b/c') and https://e"),
        (f"me:{PIN}@proxy:3128", "proxy:3128"),
        (f"me:{PIN}@registry.example/istio", "registry.example/istio"),
    ],
)
def test_users_and_passwords_go(text: str, left: str) -> None:
    assert without_userinfo(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "docker.io/istio/pilot:1.0@sha256:abc",
        "pilot:1.0@sha256:abc",
        "oci://host/path@sha256:abc",
        "https://host:8443/path@x",
        "https://host/?mail=a@b.example",
        "write to a@b.example",
    ],
)
def test_what_is_no_user_stays(text: str) -> None:
    assert without_userinfo(text) == text


def test_no_error_has_them() -> None:
    url = f"https://me:{PIN}@host"
    error = AmbientError(f"no {url}", path=url, hint=f"Try {url}")
    assert str(error) == "https://host: no https://host. Try https://host"
    assert PIN not in repr(error) + error.message + error.path + error.hint


def test_no_progress_line_has_them(tmp_path: Path) -> None:
    Progress(str(tmp_path / "progress")).say(f"fetching https://me:{PIN}@host")
    assert (tmp_path / "progress").read_text() == "fetching https://host\n"


@pytest.mark.parametrize(
    "url", [f"http://me:{PIN}@127.0.0.1:1/x", f"http://me:{PIN}/x@127.0.0.1:1/x", f"http://{PIN}\n"]
)
def test_no_failed_download_has_them(url: str, tmp_path: Path) -> None:
    with pytest.raises(AmbientError, match="cannot fetch") as found:
        local_file(url, "0" * 64, tmp_path, "ambient_gateway_api_crds")
    assert PIN not in str(found.value) or "@" not in url
    assert PIN not in ask("GET", url, {}).reason


def result_of(capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], **result: Any) -> dict[str, Any]:
    from ansible.module_utils.testing import patch_module_args

    with patch_module_args({**arguments, "_ansible_remote_tmp": "/tmp"}), pytest.raises(SystemExit):
        Module({"url": {"type": "str"}, "images": {"type": "list", "elements": "dict"}}).exit_json(**result)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_no_result_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"https://me:{PIN}@host/x"
    given = {"url": url, "images": [{"source": {"url": url}}]}
    diff = [{"before": "", "after": f"jwksUri: {url}\n"}]
    found = result_of(capsys, given, changed=True, diff=diff, images={url: [url]})
    assert PIN not in json.dumps(found)
    assert found["images"] == {"https://host/x": ["https://host/x"]}
    assert found["invocation"]["module_args"]["url"] == "https://host/x"
