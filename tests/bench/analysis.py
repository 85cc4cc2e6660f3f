# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the phase `policies` takes on many namespaces, policies and Services; no cluster is involved."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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

SIZES = [100, 1000, 10000]  # Services; a tenth as many namespaces, half as many policies
BAR, MEMORY = 10.0, 500.0  # seconds of processor time and MB for 10,000 Services
BAR_AT = 10000
_IN_EACH = 10


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> dict[int, tuple[float, float]]:
    """Seconds of processor time and MB by the number of Services, each in a process of its own."""
    found = {}
    for count in sizes:
        code = "import sys; sys.path[:0] = sys.argv[2:]; from bench import analysis; analysis.main(int(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(count), *sys.path]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, memory, problems, policies, namespaces = done.stdout.split()
        found[count] = float(seconds), float(memory)
        say(
            f"analysis of {namespaces} namespaces, {policies} policies, {count} Services: {float(seconds):.2f} s, "
            f"{float(seconds) / count * 1000:.2f} ms a Service, {float(memory):.0f} MB, {problems} findings"
        )
    return found


def main(count: int) -> None:
    """Print seconds, MB, and how many findings, policies and namespaces there were."""
    objects = list(mesh(count))
    seconds, problems = analyse(objects)
    memory = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    kinds = [obj["kind"] for obj in objects]
    print(seconds, memory, problems, kinds.count("AuthorizationPolicy"), kinds.count("Namespace"))


def analyse(objects: Sequence[Any]) -> tuple[float, int]:
    """Seconds of processor time from the objects to the findings, and how many these are."""
    start = time.process_time()
    seen = Seen(View(World.of(objects, True)))
    context = Context(Snapshot(None), Wishes(tree=seen))  # type: ignore[arg-type]
    report = run_checks(POLICY_CHECKS, Selection((Phase.POLICIES,)), context)
    seconds = time.process_time() - start
    if len(report.results) != len(POLICY_CHECKS) or any(each.status == "skipped" for each in report.results):
        raise AssertionError("a check was left out")
    return seconds, len(report.findings)


def mesh(count: int, per_namespace: int = _IN_EACH) -> Iterator[Any]:
    """As many Services, with a workload each and a policy for every second one; a few are ill."""
    for number in range(count):
        where, name = f"team-{number // per_namespace:04}", f"app-{number:05}"
        if number % per_namespace == 0:
            yield parts.namespace(where, **parts.AMBIENT, **{parts.USE: "waypoint"})
            gateway = parts.waypoint()
            yield {**gateway, "metadata": {**gateway["metadata"], "namespace": where}}
        yield parts.make("ServiceAccount", name, where)
        yield parts.deployment(name, where)
        yield parts.service(name, where, labels={})
        caller = f"cluster.local/ns/{where}/sa/app-{number // per_namespace * per_namespace:05}"
        if number % 4 == 0:
            refs = [{"group": "", "kind": "Service", "name": name}]
            rules = [parts.rule({"methods": ["GET"], "ports": ["80"]}, principals=[caller])]
            yield parts.policy(f"l7-{name}", where, rules, targetRefs=refs)
        elif number % 4 == 1:
            rules = [parts.rule({"ports": ["8080"]}, principals=[f"cluster.local/ns/{where}/sa/waypoint"])]
            yield parts.policy(f"l4-{name}", where, rules, selector=parts.selected(app=name))
        if number % 100 == 3:
            yield parts.route(where=where, name=name, parentRefs=[{"kind": "Service", "name": name}])
        if number % 500 == 7:
            yield parts.policy(f"ill-{name}", where, [parts.rule({"methods": ["get"]}, namespaces=["no-such"])])
