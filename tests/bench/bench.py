# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast `apply` is, beside other tools, in one run on one machine.

    make bench                                     600 and 3,000 objects by every tool, and the growth to 10,000
    make bench BENCH='--sizes 600 --tools raw,kubectl --skip-growth'
    make bench BENCH=--guard                       the checks before an installation on 1,000 namespaces, 10,000 pods
    make bench BENCH=--plan                        reading and planning namespaces with a waypoint each, no cluster
    make bench BENCH=--analysis                    compiling intents and checking policies, 10,000 Services, no cluster
    make bench BENCH=--policies                    reading policies and saying who may call whom, no cluster
    make bench BENCH='--cluster build/test'        site.yml beside istioctl install, on that environment's kind cluster

Every tool starts on a fresh etcd and kube-apiserver with Istio's CRDs and is measured as a process, from start to
exit: `module` is a Python process that runs the module as Ansible's wrapper does, with all its imports; `command`,
kubernetes.core and kubectl are the whole command; `raw` is a Python process that sends only PATCHes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / part) for part in ("tests", "tests/environment", ".cache/collections")]

from bench import analysis, bare, guard, plan, policies, report, site  # noqa: E402
from bench.tools import COMMAND, CORE, KUBECTL, MODULE, RAW, BenchError, Sample  # noqa: E402

OTHERS = (RAW, KUBECTL, CORE)
REPEATED = (RAW, MODULE, COMMAND)  # quick enough to be measured more than once


def main(arguments: list[str] | None = None) -> int:
    """Measure, write build/bench.json, print the tables; 1 where a bar is missed."""
    options = parser().parse_args(arguments)
    if options.plan:
        return judge(plan.measure(options.plan, print), plan.BAR_AT, plan.BAR, "namespaces")
    if options.policies:
        measured = policies.measure(options.policies, print)
        return judge(measured, policies.BAR_AT, policies.BAR, "Services, all who may call them,")
    if options.analysis:
        return judge_analysis(analysis.measure(options.analysis, print))
    directory = options.dir.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - start:6.0f} s] {line}", flush=True)

    growth: dict[int, dict[str, Sample]] = {}
    try:
        if options.guard:
            return judge_guard(guard.measure(directory, guard.Size(*options.guard), say), options.output)
        if options.cluster:
            samples = site.measure(options.cluster.resolve(), directory, say)
        else:
            bench = bare.Bench(directory, say, options.settle)
            samples = compare(bench, options)
            growth = {} if options.skip_growth else grow(bench, options.growth)
    except BenchError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 2
    rows = report.rows(samples)
    report.write(options.output, rows)
    print("\n" + "\n".join(report.table(rows)))
    if growth:
        print("\n" + "\n".join(report.growth_table(growth)))
    if options.document:
        report.put_into(options.document, "bench", report.table(report.read(options.output)))
        if growth:
            report.put_into(options.document, "growth", report.growth_table(growth))
    missed = [row for row in rows if not row.met]
    if ("site-unchanged", COMMAND) in samples:
        seconds = samples["site-unchanged", COMMAND].seconds
        print(f"\nsite.yml unchanged: {seconds:.1f} s, the bar is {report.UNCHANGED_SITE:.0f} s")
        missed += [row for row in rows if row.case == "site-unchanged" and seconds > report.UNCHANGED_SITE]
    print(f"\n{len(missed)} bars missed; the figures are in {options.output}")
    return 1 if missed else 0


def judge_guard(samples: dict[tuple[str, str], Sample], output: Path) -> int:
    """Print and keep what the checks took; 1 where a bar is missed."""
    row = report.Row(**guard.save(output, samples))
    memory = samples[guard.CASE, guard.CHECK].memory
    print("\n" + "\n".join(report.table([row])))
    print(f"memory {memory:.0f} MB, the bar is {guard.MEMORY:.0f} MB")
    return 0 if row.met and memory <= guard.MEMORY else 1


def judge(seconds: dict[int, float], bar_at: int, most: float, what: str) -> int:
    """1 where the bar for its number is missed."""
    print(f"the bar for {bar_at} {what} is {most:.0f} s")
    return 1 if seconds.get(bar_at, 0) > most else 0


def judge_analysis(found: dict[int, tuple[float, float]]) -> int:
    """1 where a bar for its number of Services is missed."""
    seconds, memory = found.get(analysis.BAR_AT, (0.0, 0.0))
    print(f"the bars for {analysis.BAR_AT} Services are {analysis.BAR:.0f} s and {analysis.MEMORY:.0f} MB")
    return 1 if seconds > analysis.BAR or memory > analysis.MEMORY else 0


def compare(bench: bare.Bench, options: argparse.Namespace) -> dict[tuple[str, str], Sample]:
    """Every tool at every size, by case and tool."""
    samples = {}
    for count in options.sizes:
        for tool in (*options.tools, *options.ours):
            repeat = options.repeat if tool in REPEATED else 1
            for case, sample in bench.run(tool, count, repeat=repeat).items():
                samples[f"{case}-{count}", tool] = sample
    return samples


def grow(bench: bare.Bench, sizes: list[int]) -> dict[int, dict[str, Sample]]:
    """The module's create and unchanged by the number of objects."""
    return {count: bench.run(MODULE, count, ("create", "unchanged")) for count in sizes}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_numbers, default=[600, 3000], help="numbers of objects")
    parser.add_argument("--growth", type=_numbers, default=[300, 1000, 3000, 10000], help="the same, for the growth")
    parser.add_argument("--tools", type=_tools, default=list(OTHERS), help=f"of {', '.join(OTHERS)}")
    parser.add_argument("--ours", nargs="+", choices=[MODULE, COMMAND], default=[MODULE, COMMAND])
    parser.add_argument("--repeat", type=int, default=1, help="how often the quick tools are measured, for a median")
    parser.add_argument("--settle", type=float, default=3.0, help="seconds that a new API server is left alone")
    parser.add_argument("--skip-growth", action="store_true")
    big = [1000, 10000, 300]
    names = ("NAMESPACES", "PODS", "CRDS")
    parser.add_argument("--guard", type=_numbers, nargs="?", const=big, help=f"{','.join(names)}: the checks alone")
    parser.add_argument("--plan", type=_numbers, nargs="?", const=plan.SIZES, help="NAMESPACES,…: planning them alone")
    sizes = policies.SIZES
    parser.add_argument("--policies", type=_numbers, nargs="?", const=sizes, help="SERVICES,…: who may call them alone")
    parser.add_argument("--analysis", type=_numbers, nargs="?", const=analysis.SIZES, help="SERVICES,…: policies alone")
    parser.add_argument("--cluster", type=Path, help="directory of an environment with a kind cluster: site.yml there")
    parser.add_argument("--dir", type=Path, default=CHECKOUT / "build/bench", help="working directory, made anew")
    parser.add_argument("--output", type=Path, default=CHECKOUT / "build/bench.json")
    parser.add_argument("--document", type=Path, help="put the tables into this document, such as docs/engine.md")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _tools(text: str) -> list[str]:
    words = [word for word in text.split(",") if word]
    unknown = set(words) - set(OTHERS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return words


if __name__ == "__main__":
    sys.exit(main())
