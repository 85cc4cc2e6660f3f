# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what the roles render with what `istioctl manifest generate` does, for the same charts and profile."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.charts.roles import COMPONENTS_OF, Order, write_role
from ansible_collections.alauda.ambient.plugins.module_utils.charts.values import Settings
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.identity import Identity
from ansible_collections.alauda.ambient.plugins.module_utils.manifests.yaml import load_all

ABSENT = "<absent>"
# The same wishes in istioctl's words. It would put all three components into istio-system.
OPERATOR = """
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  profile: ambient
  hub: docker.io/istio
  tag: {version}
  components:
    cni: {{namespace: istio-cni}}
    ztunnel: {{namespace: ztunnel}}
"""


@dataclass(frozen=True)
class Expected:
    """One declared difference: where (object and path, regular expressions), what on either side, and why.

    `ours` and `theirs` are regular expressions over the JSON of the value, "" for whatever it is.
    """

    where: str
    path: str
    why: str
    ours: str = ""
    theirs: str = ""

    def covers(self, difference: Difference) -> bool:
        return all(
            re.fullmatch(pattern, text, re.DOTALL)
            for pattern, text in (
                (self.where, difference.where),
                (self.path, difference.path),
                (self.ours or ".*", difference.ours),
                (self.theirs or ".*", difference.theirs),
            )
        )


@dataclass(frozen=True)
class Difference:
    """One value that differs: the object's Identity.short, the path in it, the JSON of both values."""

    where: str
    path: str
    ours: str
    theirs: str


Objects = dict[str, dict[str, Any]]


def rendered_by_us(charts: Path, version: str, helm: Path, work: Path) -> Objects:
    """The objects of all roles, by Identity.short."""
    objects: Objects = {}
    for role in COMPONENTS_OF:
        dest = work / f"{role}.json"
        order = Order(role, "default", {"directory": str(charts)}, Settings(version))
        write_role(order, dest, work / "cache", str(helm))
        for item in json.loads(dest.read_text())["items"]:
            objects[Identity.of(item["object"]).short] = item["object"]
    return objects


def rendered_by_istioctl(istioctl: Path, version: str, work: Path) -> Objects:
    """The objects of istioctl's own charts, by Identity.short."""
    operator = work / "operator.yaml"
    operator.write_text(OPERATOR.format(version=version))
    done = subprocess.run(
        [istioctl, "manifest", "generate", "--filename", operator], capture_output=True, text=True, check=True
    )
    return {Identity.of(obj).short: obj for obj in load_all(done.stdout)}


def differences(ours: Objects, theirs: Objects) -> list[Difference]:
    """Everything that is not equal, objects that only one side has included."""
    found: list[Difference] = []
    for where in sorted({*ours, *theirs}):
        if where not in ours or where not in theirs:
            sides = ["object" if where in side else ABSENT for side in (ours, theirs)]
            found.append(Difference(where, "", *sides))
        else:
            found += [Difference(where, *rest) for rest in _walk(ours[where], theirs[where], "")]
    return found


def _walk(ours: Any, theirs: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            yield from _walk(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _walk(*pair, f"{path}/{index}")
    elif _embedded(ours, theirs):
        yield from _walk(json.loads(ours), json.loads(theirs), path)
    elif ours != theirs:
        yield path, _text(ours), _text(theirs)


def _embedded(ours: Any, theirs: Any) -> bool:
    """Whether both are texts that hold a JSON mapping, as the ConfigMaps with values do."""
    return all(isinstance(text, str) and text.startswith("{") for text in (ours, theirs))


def _text(value: Any) -> str:
    return value if value == ABSENT else json.dumps(value, sort_keys=True)


def judge(found: list[Difference], declared: tuple[Expected, ...]) -> tuple[list[Difference], list[Expected]]:
    """The differences that nobody declared, and the declarations that nothing needs."""
    undeclared = [difference for difference in found if not any(entry.covers(difference) for entry in declared)]
    idle = [entry for entry in declared if not any(entry.covers(difference) for difference in found)]
    return undeclared, idle
