# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path of every module starts in the directory where the user typed, and is absolute afterwards."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alauda.ambient.plugins.module_utils.modules import MAY_BE_PATHS, with_absolute_paths

CHECKOUT = Path(__file__).resolve().parents[4]
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py") if path.stem != "variables")
DUMMY = {"str": "a", "int": 1, "bool": True, "raw": "a", "dict": {}, "list": []}
Spec = dict[str, dict[str, Any]]


class EndedError(Exception):
    """The module has said its options, or has ended."""


def spec_of(module: Any, monkeypatch: pytest.MonkeyPatch) -> Spec:
    found: list[Spec] = []

    def note(self: AnsibleModule, argument_spec: Spec, **dummy: Any) -> None:
        found.append(argument_spec)
        raise EndedError

    with monkeypatch.context() as patched, pytest.raises(EndedError):
        patched.setattr(AnsibleModule, "__init__", note)
        module.main()
    return found[0]


def options_for(spec: Spec) -> dict[str, Any]:
    """A relative path for each option that is one, and something for each that is required."""
    given: dict[str, Any] = {}
    for name, option in spec.items():
        kind, below = option.get("type", "str"), option.get("options")
        if below and "proxy" not in name:
            inner = options_for(below)
            given[name] = [inner] if kind == "list" else inner
        elif kind == "path" or name in ("kubeconfig", "archive", "gateway_api_crds", "base"):
            given[name] = "relative/path"
        elif name == "helm":
            given[name] = "./helm"
        elif name == "sources":
            given[name] = {"one": "relative/path", "two": {"path": "relative/path"}}
        elif option.get("elements") == "path":
            given[name] = ["relative/path"]
        elif option.get("required"):
            given[name] = option["choices"][0] if "choices" in option else DUMMY[kind]
    return given


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", MODULES)
def test_every_path_of_every_module_becomes_absolute(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"ansible_collections.alauda.ambient.plugins.modules.{name}")
    given = options_for(spec_of(module, monkeypatch))
    if name == "image_publish":
        given["nodes"] = []  # one of two options that exclude each other

    def end(self: AnsibleModule, **dummy: Any) -> None:
        raise EndedError(self.params)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", end)
    monkeypatch.setattr(signal, "signal", lambda *dummy: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with patch_module_args({**given, "_ansible_remote_tmp": str(tmp_path)}), pytest.raises(EndedError) as ended:
        module.main()
    said = ended.value.args[0]
    absolute = str(tmp_path / "relative/path")
    relative = [text for text in texts(said) if "relative" in text and not text.startswith("/")]
    assert relative == []
    assert [text for text in texts(said) if "relative" in text] == [absolute] * sum(
        "relative" in text for text in texts(given)
    )


def made_absolute(spec: Spec, **params: Any) -> dict[str, Any]:
    return dict(with_absolute_paths(SimpleNamespace(params=params, argument_spec=spec)).params)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("kubeconfig", "one:~/two:/three", "{here}/one:{home}/two:/three"),
        ("kubeconfig", {"clusters": ["one"]}, {"clusters": ["one"]}),
        ("helm", "helm", "helm"),
        ("helm", "~/bin/helm", "{home}/bin/helm"),
        ("archive", "https://example.com/a.tar", "https://example.com/a.tar"),
        ("gateway_api_crds", "", ""),
        ("gateway_api_crds", "crds", "{here}/crds"),
        ("base", "scratch", "scratch"),
        (
            "sources",
            {"a": {"url": "https://a"}, "b": {"path": "b", "member": "x"}},
            {"a": {"url": "https://a"}, "b": {"path": "{here}/b", "member": "x"}},
        ),
    ],
)
def test_what_may_be_a_path(
    name: str, value: Any, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert name in MAY_BE_PATHS

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        return value.replace("{here}", str(here)).replace("{home}", str(home)) if isinstance(value, str) else value

    assert made_absolute({name: {"type": "raw"}}, **{name: value}) == {name: filled(expected)}


def test_a_user_that_does_not_exist_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = {"kubeconfig": {"type": "raw"}}
    assert made_absolute(spec, kubeconfig="~nobody-at-all/k") == {"kubeconfig": f"{tmp_path}/~nobody-at-all/k"}
