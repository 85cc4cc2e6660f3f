# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image.yml: what is read, and where each error is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.oci.definition import Base, FileSpec, parse_definition

CHECKOUT = Path(__file__).resolve().parents[5]
SHIPPED = sorted(
    [*CHECKOUT.glob("images/*/image.yml"), *CHECKOUT.glob("tests/environment/images/*/image.yml")],
    key=lambda path: path.parent.name,
)


def test_everything_is_read() -> None:
    found = parse_definition(
        {
            "base": {"source": "rootfs"},
            "files": [
                {"source": "agent", "target": "/usr/bin/agent", "mode": "0755"},
                {"content": "x\n", "target": "/etc/x"},
                {"directory": "/tmp", "mode": "1777"},
            ],
            "user": "1337:1337",
            "entrypoint": ["/usr/bin/agent"],
            "cmd": ["run"],
            "env": {"PATH": "/usr/bin"},
            "labels": {"a": "b"},
            "workdir": "/srv",
            "platform": "linux/arm64/v8",
        },
        "image.yml",
    )
    assert found.base == Base("source", "rootfs")
    assert found.files == (
        FileSpec("/usr/bin/agent", 0o755, source="agent"),
        FileSpec("/etc/x", 0o644, content="x\n"),
        FileSpec("/tmp", 0o1777, directory=True),
    )
    assert (found.user, found.entrypoint, found.cmd) == ("1337:1337", ("/usr/bin/agent",), ("run",))
    assert (found.workdir, found.platform, found.env) == ("/srv", "linux/arm64/v8", {"PATH": "/usr/bin"})
    assert found.source_names() == {"agent", "rootfs"}


def test_nothing_is_an_empty_image() -> None:
    found = parse_definition({}, "image.yml")
    assert (found.base, found.files, found.platform) == (Base(), (), "linux/amd64")


def file_with(**keys: Any) -> dict[str, Any]:
    return {"files": [{"source": "a", "target": "/a", "mode": "0755", **keys}]}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "image.yml: must be a mapping, not a list"),
        (None, "image.yml: must be a mapping, not nothing"),
        ({"file": []}, "image.yml: unknown key 'file'. Known are base, files,"),
        ({1: 2}, "image.yml: the key 1 must be text"),
        ({"base": "debian"}, "image.yml: base: unknown base 'debian'. Use scratch, or one of"),
        ({"base": {}}, "image.yml: base: needs exactly one of archive, layout, source"),
        ({"base": {"archive": "a", "layout": "b"}}, "image.yml: base: needs exactly one of"),
        ({"base": {"archive": 3}}, "image.yml: base.archive: must be text, not a number. Quote it"),
        ({"base": 7}, "image.yml: base: must be a mapping, not a number"),
        ({"files": {}}, "image.yml: files: must be a list, not a mapping"),
        ({"files": ["a"]}, "image.yml: files[0]: must be a mapping, not text"),
        ({"files": [{"target": "/a"}]}, "image.yml: files[0]: needs exactly one of source, content, directory"),
        ({"files": [{"source": "a", "content": "b", "target": "/a"}]}, "image.yml: files[0]: needs exactly one of"),
        ({"files": [{"source": "a"}]}, "image.yml: files[0]: target is missing"),
        ({"files": [{"directory": "/a", "target": "/b"}]}, "image.yml: files[0]: a directory needs no target"),
        (file_with(target="a"), "image.yml: files[0].target: 'a' is no plain absolute path"),
        (file_with(target="/a/../../b"), "image.yml: files[0].target: '/a/../../b' is no plain absolute path"),
        (file_with(target="/"), "image.yml: files[0].target: '/' is no plain absolute path"),
        (file_with(target="//a"), "image.yml: files[0].target: '//a' is no plain absolute path"),
        (file_with(target="/a\0"), "image.yml: files[0].target: must not contain a null byte"),
        (
            file_with(mode=755),
            'image.yml: files[0].mode: 755 is no file mode. Write it in octal and quoted, as in "0755"',
        ),
        (file_with(mode="rwx"), "image.yml: files[0].mode: 'rwx' is no file mode"),
        (file_with(mode="0888"), "image.yml: files[0].mode: '0888' is no file mode"),
        (file_with(owner="root"), "image.yml: files[0]: unknown key 'owner'. Known are source, content"),
        ({"files": [*file_with()["files"], *file_with()["files"]]}, "files[1]: target /a is taken by files[0]"),
        ({"user": 1337}, "image.yml: user: 1337 is not valid. Expected: numbers, UID or UID:GID, quoted"),
        ({"user": "istio"}, "image.yml: user: 'istio' is not valid"),
        ({"entrypoint": "/a"}, "image.yml: entrypoint: must be a list, not text"),
        ({"cmd": [True]}, "image.yml: cmd[0]: must be text, not a boolean"),
        ({"env": {"A B": "c"}}, "image.yml: env: 'A B' is no environment variable's name"),
        ({"env": {"A": 1}}, "image.yml: env.A: must be text, not a number. Quote it"),
        ({"labels": {"v": 1.31}}, "image.yml: labels.v: must be text, not a number"),
        ({"workdir": "srv"}, "image.yml: workdir: 'srv' is no plain absolute path"),
        ({"platform": "amd64"}, "image.yml: platform: 'amd64' is not valid. Expected: os/architecture"),
    ],
)
def test_errors_say_where(spec: Any, message: str) -> None:
    with pytest.raises(AmbientError) as failure:
        parse_definition(spec, "image.yml")
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_definitions_are_valid(path: Path) -> None:
    found = parse_definition(yaml.safe_load(path.read_text()), str(path))
    assert found.files and (found.entrypoint or found.cmd)
    assert found.labels["org.opencontainers.image.title"] == path.parent.name


def test_the_stand_in_says_what_it_is() -> None:
    (path,) = CHECKOUT.glob("tests/environment/images/ztunnel-standin/image.yml")
    labels = parse_definition(yaml.safe_load(path.read_text()), str(path)).labels
    assert labels["ambient.alauda.io/stand-in"] == "true"
    assert "does NOT encrypt" in labels["org.opencontainers.image.description"]
