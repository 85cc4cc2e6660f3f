# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long intents take to compile, and the phase `policies` on all that there is then; no cluster is involved."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import policy_mesh as parts
from ansible_collections.alauda.ambient.plugins.module_utils.authz.analysis_index import View
from ansible_collections.alauda.ambient.plugins.module_utils.authz.world import World
from ansible_collections.alauda.ambient.plugins.module_utils.checks.context import Context, Wishes
from ansible_collections.alauda.ambient.plugins.module_utils.checks.engine import Selection, run_checks
from ansible_collections.alauda.ambient.plugins.module_utils.checks.findings import Phase
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_table import POLICY_CHECKS
from ansible_collections.alauda.ambient.plugins.module_utils.checks.policy_world import Seen
from ansible_collections.alauda.ambient.plugins.module_utils.checks.snapshot import Snapshot
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.objects import policy_items_of
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.survey import survey

SIZES = [100, 1000, 10000]  # Services; a tenth as many namespaces with an intent each, fewer policies than Services
BAR, MEMORY = 10.0, 500.0  # seconds of processor time and MB for 10,000 Services
BAR_AT = 10000
_IN_EACH = 10
_AT_WAYPOINT, _AT_PODS = (4, 6), 5  # which of these have a native policy; the first has the intent


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> dict[int, tuple[float, float]]:
    """Seconds of processor time and MB by the number of Services, each in a process of its own."""
    found = {}
    for count in sizes:
        code = "import sys; sys.path[:0] = sys.argv[2:]; from bench import analysis; analysis.main(int(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(count), *sys.path]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        compiling, analysing, memory, problems, policies, namespaces = done.stdout.split()
        seconds = float(compiling) + float(analysing)
        found[count] = seconds, float(memory)
        say(
            f"{namespaces} namespaces, {policies} policies, {count} Services: compiled in {float(compiling):.2f} s, "
            f"analysed in {float(analysing):.2f} s, {seconds:.2f} s in all, {seconds / count * 1000:.2f} ms a Service, "
            f"{float(memory):.0f} MB, {problems} findings"
        )
    return found


def main(count: int) -> None:
    """Print the seconds of both, MB, and how many findings, policies and namespaces there were."""
    objects = list(mesh(count))
    compiling, policies = compiled(count, objects)
    objects += policies
    analysing, problems = analyse(objects)
    memory = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    kinds = [obj["kind"] for obj in objects]
    print(compiling, analysing, memory, problems, kinds.count("AuthorizationPolicy"), kinds.count("Namespace"))


class Listed:
    """A cluster that holds these objects; one pass sorts them, as an API server has them sorted."""

    def __init__(self, objects: Iterable[Any]) -> None:
        self._by_kind: dict[str, list[Any]] = defaultdict(list)
        for obj in objects:
            self._by_kind[obj["kind"]].append(obj)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> list[Any]:
        """All of a kind."""
        found = [obj for obj in self._by_kind[kind] if obj["apiVersion"] == api_version]
        return [obj for obj in found if namespace in (None, obj["metadata"].get("namespace"))]


def compiled(count: int, objects: Sequence[Any]) -> tuple[float, list[Any]]:
    """Seconds of processor time from the variable and what is seen to the policies, and these."""
    declared, reader = declaration(count), Listed(objects)
    start = time.process_time()
    spec = parse_mesh(declared)
    items = policy_items_of(spec, survey(reader, spec))
    seconds = time.process_time() - start
    if len(items) < 4 * len(spec.namespaces):
        raise AssertionError("an intent was left out")
    return seconds, [dict(item.object) for item in items]


def declaration(count: int) -> dict[str, Any]:
    """Namespaces in state l7 whose first Service takes some requests of one account alone."""
    names = [_namespace(number) for number in range(0, count, _IN_EACH)]
    return {
        "waypoints": [{"name": "waypoint", "namespace": name} for name in names],
        "namespaces": [{"name": name, "state": "l7", "access": [_intent(number)]} for number, name in enumerate(names)],
    }


def _intent(namespace: int) -> dict[str, Any]:
    first = namespace * _IN_EACH
    callers = [{"service_account": _name(first + 1)}, {"service": _name(first + 2)}]
    return {"to": {"service": _name(first)}, "from": callers, "ports": [80], "methods": ["GET"], "paths": ["/api/*"]}


def analyse(objects: Sequence[Any]) -> tuple[float, int]:
    """Seconds of processor time from the objects to the findings, and how many these are."""
    start = time.process_time()
    seen = Seen(View(World.of(objects, True)))
    context = Context(Snapshot(None), Wishes(tree=seen))  # type: ignore[arg-type]
    report = run_checks(POLICY_CHECKS, Selection((Phase.POLICIES,)), context)
    seconds = time.process_time() - start
    skipped = {each.check.code for each in report.results if each.status == "skipped"}
    if len(report.results) != len(POLICY_CHECKS) or skipped != {"AMB0744"}:  # that one asks the cluster
        raise AssertionError("a check was left out")
    return seconds, len(report.findings)


def _namespace(number: int, per_namespace: int = _IN_EACH) -> str:
    return f"team-{number // per_namespace:04}"


def _name(number: int) -> str:
    return f"app-{number:05}"


def mesh(count: int, per_namespace: int = _IN_EACH) -> Iterator[Any]:
    """As many Services, with a workload each and for some a policy; a few are ill."""
    for number in range(count):
        where, name, place = _namespace(number, per_namespace), _name(number), number % _IN_EACH
        if number % per_namespace == 0:
            yield parts.namespace(where, **parts.AMBIENT, **{parts.USE: "waypoint"})
            gateway = parts.waypoint()
            yield {**gateway, "metadata": {**gateway["metadata"], "namespace": where}}
        yield parts.make("ServiceAccount", name, where)
        yield parts.deployment(name, where)
        yield parts.service(name, where, labels={})
        if place in _AT_WAYPOINT:
            refs = [{"group": "", "kind": "Service", "name": name}]
            caller = f"cluster.local/ns/{where}/sa/{_name(number - place)}"
            rules = [parts.rule({"methods": ["GET"], "ports": ["80"]}, principals=[caller])]
            yield parts.policy(f"l7-{name}", where, rules, targetRefs=refs)
        elif place == _AT_PODS:
            rules = [parts.rule({"ports": ["8080"]}, principals=[f"cluster.local/ns/{where}/sa/waypoint"])]
            yield parts.policy(f"l4-{name}", where, rules, selector=parts.selected(app=name))
        if number % 100 == 3:
            yield parts.route(where=where, name=name, parentRefs=[{"kind": "Service", "name": name}])
        if number % 500 == 7:
            yield parts.policy(f"ill-{name}", where, [parts.rule({"methods": ["get"]}, namespaces=["no-such"])])
