# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules share, also those without a cluster: options (the twins of doc fragments), how they begin and end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .errors import AmbientError, all_without_userinfo
from .manifests.files import is_path

Spec = dict[str, dict[str, Any]]

DECLARED_MESH: Spec = {"mesh": {"type": "raw", "required": True}}
MESH_NAME: Spec = {"mesh": {"type": "str", "default": "default"}}
TRUST_DOMAIN: Spec = {"trust_domain": {"type": "str", "default": "cluster.local"}}
DISCOVERY_SELECTORS: Spec = {"discovery_selectors": {"type": "raw", "default": []}}
MANIFESTS: Spec = {"manifests": {"type": "path"}}
INVENTORY: Spec = {"inventory_namespace": {"type": "str", "default": "istio-system"}}
DEST: Spec = {"dest": {"type": "path", "required": True}}

# Options of other types that may hold a path: beside it a URL, the name of a command, or a whole kubeconfig.
MAY_BE_PATHS = ("kubeconfig", "helm", "archive", "gateway_api_crds", "base", "sources")


def with_absolute_paths(module: AnsibleModule) -> AnsibleModule:
    """The module, with all its paths made absolute: in what it reads, in what it writes, and in what it says.

    The action plugins start a module in the directory where the user typed, so that this is where paths begin.
    """
    _make_absolute(module.params, module.argument_spec)
    return module


def _make_absolute(params: dict[str, Any], spec: Spec) -> None:
    for name, option in spec.items():
        value = params.get(name)
        if not value:
            continue
        if option.get("options"):
            for each in value if isinstance(value, list) else [value]:
                _make_absolute(each, option["options"])
        elif option.get("type") == "path":
            params[name] = _absolute(value)
        elif option.get("elements") == "path":
            params[name] = [_absolute(each) for each in value]
        elif name in MAY_BE_PATHS:
            params[name] = _perhaps_absolute(name, value)


def _perhaps_absolute(name: str, value: Any) -> Any:
    if name == "sources" and isinstance(value, dict):  # by name a path, or a mapping with one
        return {key: _perhaps_absolute("source", each) for key, each in value.items()}
    if name == "source" and isinstance(value, dict):
        return {**value, "path": _perhaps_absolute("path", value["path"])} if value.get("path") else value
    if not isinstance(value, str) or "://" in value:
        return value
    if name == "kubeconfig" and is_path(value):
        return os.pathsep.join(_absolute(each) for each in value.split(os.pathsep))
    is_bare = os.sep not in value
    if (name == "helm" and is_bare) or (name == "base" and value == "scratch"):
        return value
    return _absolute(value)


def _absolute(path: str) -> str:
    """An empty path stays empty, and what belongs into a file stays as it is: to refuse these is others' affair."""
    if not path or not is_path(path):
        return path
    return str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  (Path raises for a user that does not exist)


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible is not typed
    """An AnsibleModule with check mode. It refuses empty paths, and no user and password of a URL gets into its result.

    An empty path would be the directory in which this runs, or, with a folder put behind it, one below `/`.
    """

    def __init__(self, argument_spec: Spec, **settings: Any) -> None:
        super().__init__(argument_spec=argument_spec, supports_check_mode=True, **settings)
        for error in _empty_paths(argument_spec, self.params, ""):
            self.fail_json(msg=str(error))

    def report_path(self) -> str | None:
        """The option `report`. None in check mode: nothing is proven then, and the last report stays."""
        path: str | None = None if self.check_mode else self.params["report"]
        return path

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        """All results come by here, failures and the options (as `invocation`) included."""
        kwargs.setdefault("invocation", {"module_args": self.params})
        super()._return_formatted(all_without_userinfo(kwargs))


def _empty_paths(spec: Mapping[str, Any], params: Mapping[str, Any], where: str) -> Iterator[AmbientError]:
    for name, option in spec.items():
        value, path = params.get(name), f"{where}{name}"
        values = value if isinstance(value, list) else [value]
        if "path" in (option.get("type"), option.get("elements")):
            if any(isinstance(each, str) and not each.strip() for each in values):
                hint = "Give a path, or leave the option out" if not option.get("required") else "Give a path"
                yield AmbientError("is empty", path=path, hint=hint)
        elif option.get("options"):
            for index, each in enumerate(values):
                if isinstance(each, Mapping):
                    place = f"{path}[{index}]." if isinstance(value, list) else f"{path}."
                    yield from _empty_paths(option["options"], each, place)


def run_and_exit(module: AnsibleModule, run: Callable[[Any], Mapping[str, Any]]) -> None:
    """Exit with the result of `run`, as unchanged where that does not say; AmbientError fails the module."""
    with_absolute_paths(module)
    try:
        result = run(module)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**{"changed": False, **result})
