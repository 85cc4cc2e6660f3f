# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every node gets the node agents, and can run them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ..manifests.identity import labels_of, name_of
from .context import Context, describe
from .findings import Outcome, Problem, Severity
from .found import pod_spec
from .snapshot import NODES, Object, SkipError

#: Those that Istio publishes images for.
ARCHITECTURES = ("amd64", "arm64")
_SHOWN = 5
_KEEPS_OUT = ("NoSchedule", "NoExecute")


def nodes_fit(context: Context) -> Outcome:
    """AMB0108: a pod on a node without both agents is in no mesh, or gets no network."""
    nodes = context.cluster.all(NODES)
    carrying = [node for node in nodes if _info(node, "operatingSystem") in ("linux", "")]
    problems = []
    if nodes and not carrying:
        problems.append(Problem("nodes", "none of them runs Linux", "Add Linux nodes: Istio has no other agents"))
    strange: dict[str, list[str]] = defaultdict(list)
    for node in carrying:
        if _info(node, "architecture") not in (*ARCHITECTURES, ""):
            strange[_info(node, "architecture")].append(name_of(node))
    for architecture, names in sorted(strange.items()):
        message = f"{_list(names)}: architecture {architecture}, Istio has images for {' and '.join(ARCHITECTURES)}"
        problems.append(Problem("nodes", message, "Use images of your own for it (ambient_images), or other nodes"))
    problems += _kept_out(context, carrying)
    kernels = sorted({_info(node, "kernelVersion") for node in carrying} - {""})
    count = f"{len(carrying)} Linux nodes" if len(carrying) != 1 else "1 Linux node"
    return Outcome(problems, note=f"{count}, kernel {_list(kernels)}" if kernels else count)


def _kept_out(context: Context, nodes: list[Object]) -> Iterator[Problem]:
    for agent in context.wishes.planned:
        if agent.get("kind") != "DaemonSet":
            continue
        reasons: dict[str, list[str]] = defaultdict(list)
        for node in nodes:
            reason = _why_not(pod_spec(agent), node)
            if reason:
                reasons[reason].append(name_of(node))
        for reason, names in sorted(reasons.items()):
            yield Problem(
                describe("DaemonSet", agent),
                f"gets no pod on {_list(names)}: {reason}. Pods there would not be in the mesh",
                "Let it run there (tolerations, nodeSelector, affinity in ambient_values), or enrol nothing there",
                Severity.WARNING,
            )


def _why_not(spec: Mapping[str, Any], node: Object) -> str:
    for taint in (node.get("spec") or {}).get("taints") or []:
        if taint.get("effect") in _KEEPS_OUT and not _tolerated(taint, spec.get("tolerations") or []):
            return f"it does not tolerate the taint {taint.get('key')}:{taint.get('effect')}"
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels_of(node).get(key) != value:
            return f"its nodeSelector asks for {key}={value}"
    return ""


def _tolerated(taint: Mapping[str, Any], tolerations: list[Mapping[str, Any]]) -> bool:
    return any(
        toleration.get("effect", taint.get("effect")) == taint.get("effect")
        and toleration.get("key", taint.get("key")) == taint.get("key")
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
        for toleration in tolerations
    )


def cni_files(dummy: Context) -> NoReturn:
    """AMB0109: what is on the disk of a node, the API doesn't tell."""
    raise SkipError("needs the opt-in probe on each node, which this version does not have")


def _info(node: Object, key: str) -> str:
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get(key) or "")


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
