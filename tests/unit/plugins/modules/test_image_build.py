# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build as a module: check, create, again, change, force, and its errors."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from unit.plugins.modules.image_modules import failure, run_module

DEFINITION = """
files:
  - source: program
    target: /usr/local/bin/program
    mode: "0755"
entrypoint: [/usr/local/bin/program]
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "image.yml").write_text(DEFINITION)
    (tmp_path / "program").write_text("#!/bin/sh\n")
    return tmp_path


def image(world: Path, **keys: Any) -> dict[str, Any]:
    return {
        "definition": str(world / "image.yml"),
        "ref": "ambient.local/program",
        "dest": str(world / "layout"),
        "sources": {"program": str(world / "program")},
        **keys,
    }


def index_digest(layout: Path) -> str:
    digest: str = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    return digest


def test_check_create_again_change_force(world: Path) -> None:
    planned = run_module("image_build", images=[image(world)], check=True, diff=True)
    assert planned["changed"] and not (world / "layout").exists()

    created = run_module("image_build", images=[image(world)], diff=True)
    (made,) = created["images"]
    assert created["changed"] and created["images"] == planned["images"] and created["diff"] == planned["diff"]
    assert made["digest"] == index_digest(world / "layout")
    assert made["ref"] == f"ambient.local/program@{made['digest']}"
    assert created["written"] == [made["layout"]] == [str(world / "layout")]
    assert made["size"] > sum(layer["size"] for layer in made["layers"]) > 0
    assert created["diff"] == [
        {
            "before_header": str(world / "layout"),
            "after_header": str(world / "layout"),
            "before": "",
            "after": f"{made['ref']}\n",
        }
    ]

    again = run_module("image_build", images=[image(world)], diff=True)
    assert not again["changed"] and again["images"] == created["images"] and again["written"] == again["diff"] == []

    changed = run_module("image_build", images=[image(world, labels={"a": "b"})], diff=True)
    assert changed["changed"] and changed["images"][0]["digest"] != made["digest"]
    assert changed["diff"][0]["before"] == f"{made['ref']}\n"
    assert changed["images"][0]["layers"] == made["layers"], "a label is not in the layer"

    forced = run_module("image_build", images=[image(world, labels={"a": "b"})], force=True)
    assert not forced["changed"]


def test_several_images_in_one_call(world: Path) -> None:
    two = [image(world), image(world, dest=str(world / "other"), ref="ambient.local/other", labels={"a": "b"})]
    first = run_module("image_build", images=two)
    assert (
        [item["layout"] for item in first["images"]]
        == first["written"]
        == [str(world / "layout"), str(world / "other")]
    )
    two[1]["labels"] = {"a": "c"}
    second = run_module("image_build", images=two)
    assert second["written"] == [str(world / "other")]


def test_a_wrong_sha256_is_an_error(world: Path) -> None:
    right = hashlib.sha256((world / "program").read_bytes()).hexdigest()
    given = {"program": {"path": str(world / "program"), "sha256": right}}
    assert run_module("image_build", images=[image(world, sources=given)])["changed"]
    given["program"]["sha256"] = "f" * 64
    message = failure("image_build", images=[image(world, sources=given)])
    assert message == (
        f"sources.program: {world / 'program'} has sha256 {right}, wanted is {'f' * 64}. "
        "Use the right file, or correct sha256"
    )


def test_unchanged_takes_less_than_a_third_of_a_second(world: Path) -> None:
    with (world / "program").open("wb") as file:
        file.truncate(130 << 20)
    assert run_module("image_build", images=[image(world)])["images"][0]["size"] > 130 << 20
    assert min(unchanged(world) for dummy in range(5)) < 0.3, "the best of five: the machine may be busy"


def unchanged(world: Path) -> float:
    """Seconds that a run without a change takes."""
    start = time.perf_counter()
    assert not run_module("image_build", images=[image(world)])["changed"]
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"definition": "/no/image.yml"}, "/no/image.yml: no such file. Give the path"),
        ({"ref": "Pilot"}, "images[0].ref: 'Pilot' is no repository. Give it as host/name, without tag and digest"),
        ({"ref": "ambient.local/pilot:1"}, "images[0].ref: 'ambient.local/pilot:1' is no repository"),
        ({"sources": {}}, "image.yml: the source 'program' is not given. Given: none"),
        (
            {"sources": {"program": 1}},
            "images[0].sources.program: must be a path or a mapping. A mapping has path, url",
        ),
        ({"sources": {"program": {"pth": "x"}}}, "images[0].sources.program: unknown key 'pth'. Known are path, url"),
        ({"sources": {"program": {"path": 1}}}, "images[0].sources.program: path must be text"),
        ({"sources": {"program": "/no/program"}}, "sources.program: /no/program does not exist. Give the path of"),
        ({"labels": {"a": 1}}, "images[0].labels.a: must be text. Quote it"),
        ({"base": "/no/rootfs.tar"}, "image.yml: base: /no/rootfs.tar does not exist"),
        ({"base": "/etc"}, "/etc: no OCI layout: index.json is missing"),
        ({"dest": "/proc/1/layout"}, "/proc/1/layout"),
    ],
)
def test_errors(world: Path, keys: dict[str, Any], message: str) -> None:
    assert message in failure("image_build", images=[image(world, **keys)])


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@git.example/x", "https://hunter2@git.example", "ssh://me:hunter2@a"]
)
def test_no_password_gets_into_an_image(world: Path, url: str) -> None:
    said = "holds a URL with a user and a password, and would stand in the image. Leave user and password out"
    assert failure("image_build", images=[image(world, labels={"a": url})]) == f"images[0].labels.a: {said}"
    for key in ("env", "labels"):
        (world / "image.yml").write_text(f"{DEFINITION}{key}:\n  A: {url}\n")
        assert failure("image_build", images=[image(world)]) == f"{world}/image.yml: {key}.A: {said}"


def test_a_user_of_ssh_and_a_mail_address_are_no_password(world: Path) -> None:
    labels = {"source": "ssh://git@git.example/x", "mail": "mailto:a@b.example", "base": "a.example/b:1@sha256:ab"}
    assert "failed" not in run_module("image_build", images=[image(world, labels=labels)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("files: [", "image.yml: not valid YAML: did not find expected node content, line 2"),
        ("base: scratch\nbase: scratch\n", "image.yml: not valid YAML: the key 'base' stands twice, line 2"),
        ("env:\n  A: b\n  A: c\n", "image.yml: not valid YAML: the key 'A' stands twice, line 3"),
        ("base: scratch\n---\nbase: scratch\n", "image.yml: holds 2 YAML documents"),
        ("", "image.yml: must be a mapping, not nothing"),
        ("files:\n  - target: /a\n    mode: 0755\n    source: x", "image.yml: files[0].mode: 493 is no file mode"),
        ("\xff", "image.yml: must be a mapping, not text"),
        ("\x00", "image.yml: not valid YAML"),
    ],
)
def test_broken_definitions(world: Path, content: str, message: str) -> None:
    (world / "image.yml").write_text(content)
    assert message in failure("image_build", images=[image(world)])
