# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a route of the Gateway API is in force: its controllers report on each of its parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PARENT = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}


def route(obj: Mapping[str, Any]) -> tuple[str, bool]:
    """What a route lacks, and whether that is only that no controller has reported on a parent.

    A parent may be of a controller that is not there (yet), or of none at all: whether one will ever report cannot
    be known. A controller that has reported on an older generation will report again.
    """
    silent = ""
    for wanted in (obj.get("spec") or {}).get("parentRefs") or []:
        reports = list(_reports(obj, wanted))
        parent = _name(obj, wanted)
        if not reports:
            silent = silent or f"no controller has reported on its parent {parent}"
        for report in reports:
            lacking, why = _lacking(obj, report)
            if lacking:
                return f"{lacking} by {parent}{why}", False
    return silent, bool(silent)


def _reports(obj: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for report in (obj.get("status") or {}).get("parents") or []:
        about = report.get("parentRef") or {}
        same_part = all(about.get(key) in (None, wanted.get(key)) for key in ("sectionName", "port"))
        if same_part and _target(obj, about) == _target(obj, wanted):
            yield report


def _lacking(obj: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[str, str]:
    conditions = {found.get("type"): found for found in report.get("conditions") or []}
    generation = int(obj["metadata"].get("generation") or 0)
    for kind in ("Accepted", "ResolvedRefs"):
        found = conditions.get(kind)
        if found is None:
            if kind == "Accepted":  # the other one is not written by every controller
                return "not yet Accepted", ""
        elif int(found.get("observedGeneration") or generation) < generation:
            return f"not yet {kind}", ""
        elif found.get("status") != "True":
            return f"not {kind}", f": {found.get('message') or found.get('reason') or found.get('status')}"
    return "", ""


def _target(obj: Mapping[str, Any], reference: Mapping[str, Any]) -> tuple[str, ...]:
    group = reference.get("group")
    return (
        _PARENT["group"] if group is None else str(group),
        str(reference.get("kind") or _PARENT["kind"]),
        str(reference.get("namespace") or obj["metadata"].get("namespace") or ""),
        str(reference.get("name")),
    )


def _name(obj: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    _group, kind, namespace, name = _target(obj, reference)
    return f"{kind} {namespace}/{name}"
