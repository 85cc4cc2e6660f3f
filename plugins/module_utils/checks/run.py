# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of the module to its result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import AmbientError, all_without_userinfo
from ..kube.connection import connect
from ..manifests.files import write_if_changed
from ..manifests.identity import annotations_of
from ..manifests.items import Item, ItemSet, load_items
from ..mesh.parse import parse_mesh
from ..mesh.selectors import check_selectors
from ..mesh.spec import MeshSpec
from . import admitted, side_by_side
from . import report as reports
from .context import Context, Wishes
from .engine import PASS, Report, Selection, run_checks
from .findings import Phase
from .fitness import BUNDLE, is_gateway_api
from .ours import state_of
from .policy_world import Planned, written
from .snapshot import CRDS, Reader, SkipError, Snapshot
from .table import CHECKS

_LOOKED_AT = ("DaemonSet", "Deployment", "Namespace")


@dataclass(frozen=True)
class Request:
    """What the user asks for, read and found in order."""

    selection: Selection
    wishes: Wishes
    fail_on: str
    show: str
    report: Path | None
    coexistence: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Request:
        """Read the options of the module.

        Raises:
            AmbientError: with the path of what is wrong in them.
        """
        selection = Selection(
            phases=tuple(Phase(phase) for phase in params["phase"]),
            only=tuple(params["only"]),
            skip=tuple(params["skip"]),
        )
        selection.of(CHECKS)
        report = Path(params["report"]) if params["report"] else None
        if params["source"] == "tree":
            return cls(selection, _tree(params), params["fail_on"], params["show"], report)
        if params["tree"]:
            raise AmbientError("a tree was given, and the cluster is the source", path="tree", hint="Set source: tree")
        planned = _planned(params["files"])
        items = planned.items
        wishes = Wishes(
            mesh=parse_mesh(params["mesh"]),
            version=params["version"],
            gateway_api=params["gateway_api"],
            gateway_api_crds=_gateway_api_crds(items),
            discovery_selectors=check_selectors(params["discovery_selectors"]),
            platform=params["platform"],
            planned=[item.object for item in items if item.identity.kind in _LOOKED_AT and not item.patch],
            policies=Planned(items, planned.roles, trust_domain=params["trust_domain"]),
            known_errors_warn=params["known_errors"] == "warn",
        )
        return cls(selection, wishes, params["fail_on"], params["show"], report, params["coexistence"] == "report")


@dataclass(frozen=True)
class Answer:
    """The result of the module, and whether the task fails."""

    result: dict[str, Any]
    refused: bool


def examine(request: Request, connection: Mapping[str, Any]) -> Answer:
    """Run the checks that are asked for against the cluster that the connection options name, or against a tree."""
    if request.wishes.tree:
        return judge(request, Snapshot(_Unreachable(AmbientError("no cluster is looked at"))))
    return judge(request, Snapshot(_reader(connection)))


def judge(request: Request, cluster: Snapshot) -> Answer:
    """Run the checks against a snapshot, and write the report where one is asked for."""
    checks = [check for check in CHECKS if not request.wishes.tree or check.phases == (Phase.POLICIES,)]
    report = run_checks(checks, request.selection, Context(cluster, request.wishes))
    against = report.refuses(request.fail_on)
    told: dict[str, Any] = reports.as_dict(report)
    lines = reports.lines(report, request.show)
    if request.coexistence and not report.fatal:
        plan = side_by_side.plan(Context(cluster, request.wishes))
        told["coexistence"] = plan.as_dict()
        lines = [*lines[:-1], *plan.lines(), "", lines[-1]]
    result: dict[str, Any] = {
        **told,
        "summary": lines,
        "refused": bool(against),
        "refusal": reports.refusal(against) if against else "",
    }
    if Phase.NAMESPACES in request.selection.phases:
        result["admission"] = _admission(report)
    if Phase.PRE in request.selection.phases:
        result.update(_ours(report, cluster))
    if request.report:
        text = json.dumps(all_without_userinfo(told), indent=2, ensure_ascii=False) + "\n"
        write_if_changed(request.report, text)
        result["report_file"] = str(request.report)
    return Answer(result, bool(against))


def _admission(report: Report) -> str:
    """What `ambient_admission: auto` comes to: nothing is refused that might be there already."""
    clean = any(result.check.code == admitted.CODE and result.status == PASS for result in report.results)
    return "deny" if clean else "warn"


def _ours(report: Report, cluster: Snapshot) -> dict[str, str]:
    if report.fatal:
        return {}
    try:
        return {"ours": state_of(cluster)}
    except (AmbientError, SkipError):
        return {}


def _tree(params: Mapping[str, Any]) -> Wishes:
    """What a tree of manifests has to say; AmbientError where the options do not fit it."""
    if params["phase"] != [Phase.POLICIES.value]:
        raise AmbientError("a tree tells about policies only", path="phase", hint="Set phase: [policies]")
    if not params["tree"]:
        raise AmbientError("names no file or folder", path="tree", hint="Give the manifests to look at")
    items = load_items(params["tree"]).items
    return Wishes(mesh=MeshSpec(), tree=written(items, trust_domain=params["trust_domain"]))


def _planned(files: Sequence[str]) -> ItemSet:
    """The objects that would be applied, as far as somebody has computed them."""
    present = [file for file in files if os.path.lexists(file)]  # a link that leads nowhere is an error
    return load_items(present) if present else ItemSet([], frozenset())


def _gateway_api_crds(items: Sequence[Item]) -> dict[str, str]:
    """The Gateway API CRDs among the objects that would be applied, with the versions of their bundle."""
    return {
        item.identity.name: annotations_of(item.object).get(BUNDLE, "")
        for item in items
        if item.identity.kind == CRDS.kind and is_gateway_api(item.object)
    }


def _reader(connection: Mapping[str, Any]) -> Reader:
    try:
        return connect(connection)
    except AmbientError as error:
        return _Unreachable(error)


class _Unreachable:
    """Stands for a cluster to which no way leads, so that the reason becomes a finding like any other."""

    def __init__(self, reason: AmbientError) -> None:
        self._reason = reason

    def _refuse(self, *dummy: Any) -> NoReturn:
        raise self._reason

    version = list = list_metadata = get = can_i = _refuse
