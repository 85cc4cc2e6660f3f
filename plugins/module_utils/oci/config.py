# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's configuration, the part that says how it runs."""

from __future__ import annotations

import typing as t

from .base import Layer
from .definition import Definition

_CREATED = "1970-01-01T00:00:00Z"


def image_config(
    definition: Definition,
    inherited: t.Mapping[str, t.Any],
    labels: t.Mapping[str, str],
    layers: t.Sequence[Layer],
) -> dict[str, t.Any]:
    """The configuration as OCI wants it; what the definition leaves open comes from the base."""
    platform = dict(zip(("os", "architecture", "variant"), definition.platform.split("/"), strict=False))
    return {
        **platform,
        "created": _CREATED,
        "config": _run_config(definition, inherited, labels),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": _CREATED, "created_by": "alauda.ambient.image_build"} for dummy in layers],
    }


def _run_config(
    definition: Definition, inherited: t.Mapping[str, t.Any], labels: t.Mapping[str, str]
) -> dict[str, t.Any]:
    config = {key: value for key, value in inherited.items() if value}
    env = dict(item.partition("=")[::2] for item in config.get("Env", []))
    env.update(definition.env)
    if definition.entrypoint:
        config.pop("Cmd", None)
    own = {
        "User": definition.user,
        "WorkingDir": definition.workdir,
        "Entrypoint": list(definition.entrypoint),
        "Cmd": list(definition.cmd),
        "Env": [f"{name}={env[name]}" for name in sorted(env)],
        "Labels": {**config.get("Labels", {}), **labels},
    }
    config.update({key: value for key, value in own.items() if value})
    return config
