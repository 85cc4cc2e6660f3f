# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of all modules: none may be empty, and what check mode may write to is known of each."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils import modules
from unit.plugins.modules.image_modules import run_module

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if path.stem not in ("__init__", "variables"))
# Paths that are read, and those that are for what travels between steps, which check mode writes as well.
READ = {"kubeconfig", "ca_cert", "client_cert", "client_key", "files", "tree", "facts", "manifests", "plan", "layout"}
READ |= {"definition", "directory", "followed_by", "images_file"}
BETWEEN_STEPS = {"work_dir", "cache_dir", "progress_file"}
# Check mode leaves these as they are: test_check_mode.py and the tests of the modules show it.
WRITTEN = {
    "admission_objects": {"dest"},
    "chart_objects": {"dest"},
    "check": {"report"},
    "image_build": {"dest"},
    "manifest_objects": {"dest"},
    "mesh_facts": {"dest"},
    "namespace_objects": {"dest"},
    "render": {"dest"},
    "uninstall_objects": {"dest"},
    "verify": {"report"},
    "waypoint_objects": {"dest"},
}
# What an argument spec's other rules ask for.
LEAST: dict[str, dict[str, Any]] = {"apply": {"files": ["x"]}, "image_publish": {"nodes": []}}
# The only files of the collection that write, make or remove files.
WRITERS = {
    "charts/fetch.py",  # into cache_dir
    "charts/roles.py",
    "charts/source.py",
    "manifests/disk.py",
    "manifests/files.py",
    "oci/layout.py",
    "oci/sources.py",
    "progress.py",
}
CALLS = {
    "mkdir",
    "mkstemp",
    "write_text",
    "write_bytes",
    "unlink",
    "rename",
    "replace",
    "rmtree",
    "copyfile",
    "copytree",
}
CALLS |= {"rmdir", "touch", "symlink_to", "hardlink_to", "link", "chmod"}
TEXTS = {"replace"}  # is a method of texts and dataclasses too: only calls with one argument are of paths


class StopError(Exception):
    """Instead of what a module does."""


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A module's options."""
    module = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.modules.{name}")
    seen: dict[str, Any] = {}

    def stop(self: Any, argument_spec: Mapping[str, Any], **settings: Any) -> None:
        seen.update(argument_spec)
        raise StopError

    with monkeypatch.context() as patched:
        patched.setattr(modules.Module, "__init__", stop)
        with pytest.raises(StopError):
            module.main()
    return seen


def paths_of(spec: Mapping[str, Any]) -> Iterator[str]:
    for name, option in spec.items():
        if "path" in (option.get("type"), option.get("elements")):
            yield name
        yield from paths_of(option.get("options") or {})


@pytest.mark.parametrize("name", MODULES)
def test_it_is_known_of_each_path_whether_check_mode_writes_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new option that is a path is put into one of the tables, and what is written gets a test in check mode."""
    written = set(paths_of(spec_of(name, monkeypatch))) - READ - BETWEEN_STEPS
    assert written == WRITTEN.get(name, set())


def given(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The least that a module takes."""
    samples: dict[str, Any] = {"list": [], "dict": {}, "raw": {}, "int": 1, "bool": True}
    found: dict[str, Any] = {}
    for name, option in spec.items():
        if option.get("required"):
            choices = option.get("choices")
            found[name] = choices[0] if choices else samples.get(option.get("type", "str"), "x")
    return found


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize("name", MODULES)
def test_no_path_may_be_empty(name: str, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(name, monkeypatch)
    for option, what in spec.items():
        base = {**LEAST.get(name, {}), **given(spec)}
        if what.get("type") == "path":
            base[option] = empty
        elif what.get("elements") == "path":
            base[option] = ["x", empty]
        else:
            continue
        result = run_module(name, **base)
        assert result["msg"].startswith(f"{option}: is empty. Give a path"), result


def test_a_path_in_a_mapping_may_not_be_empty_either() -> None:
    image = {"definition": "x", "ref": "a.example/b", "dest": ""}
    assert run_module("image_build", images=[image])["msg"] == "images[0].dest: is empty. Give a path"


def writes(path: Path) -> list[int]:
    """The lines on which a file calls what writes."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            modes = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            opens = name == "open" and any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)
            if opens or (name in CALLS and not (name in TEXTS and (len(node.args) != 1 or node.keywords))):
                found.append(node.lineno)
    return found


def test_nobody_else_writes_files() -> None:
    """A new writer must think of check mode: it is put into the list, and gets a test in check mode."""
    files = [*(PLUGINS / "module_utils").rglob("*.py"), *(PLUGINS / "modules").glob("*.py")]
    found = {
        str(path.relative_to(PLUGINS / "module_utils")) if "module_utils" in path.parts else path.name
        for path in files
        if writes(path)
    }
    assert found - {"kube/given.py"} == WRITERS | {"chart_objects.py"}, "kube/given.py makes the work_dir"
