# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published ClusterRole has what the checks list, and nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import yaml
from ansible_collections.alauda.ambient.plugins.module_utils import checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.signals import MESHES
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Resource

FILE = Path(__file__).resolve().parents[5] / "docs" / "check-clusterrole.yaml"


def resources() -> Iterator[Resource]:
    """Every kind that stands in a module of the checks, or in the table of meshes."""
    for info in pkgutil.iter_modules(checks.__path__):
        module = importlib.import_module(f"{checks.__name__}.{info.name}")
        for value in vars(module).values():
            several = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            yield from (each for each in several if isinstance(each, Resource))
    for mesh in MESHES:
        yield from mesh.instances


def plural(kind: str) -> str:
    """As the API servers of these kinds have it."""
    word = kind.lower()
    return (
        f"{word[:-1]}ies" if word.endswith(("cy", "ry")) else f"{word}es" if word.endswith(("sh", "ss")) else f"{word}s"
    )


def group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def test_it_has_exactly_the_kinds_that_the_checks_list() -> None:
    rules = yaml.safe_load(FILE.read_text())["rules"]
    named = [rule for rule in rules if "resourceNames" in rule]
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in named] == [
        (["secrets"], ["cacerts"], ["get"])
    ]
    rules = [rule for rule in rules if rule not in named]

    granted = {(name, resource) for rule in rules for name in rule["apiGroups"] for resource in rule["resources"]}
    assert granted == {(group(each.api_version), plural(each.kind)) for each in resources()}
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list"}
