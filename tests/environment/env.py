#!/usr/bin/env python3
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of demo and tests.

env.py up --name ambient-demo --dir build/demo [--replace] [--context NAME [--kubeconfig FILE]]
env.py down --name ambient-demo --dir build/demo [--docker]
env.py toolchain                     builds and fetches everything that needs no cluster
env.py shop --dir build/demo         a small application of a "user" on the cluster, from the echo image
env.py status                        clusters, daemon, cache and the time each step took at its last run
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from devcluster import assets, cache, cluster, debian, docker, kind, shop  # noqa: E402
from devcluster.errors import SetupError  # noqa: E402
from devcluster.progress import progress, record  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Parse, act, and turn the one error family into one message and exit status 1."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.action(options)
    except SetupError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    finally:
        if progress.timings:
            record(cache.root() / "timings.json", progress.timings)
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    """End like Ctrl-C does, so that the command that runs just now ends, too."""
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = top.add_subparsers(required=True, metavar="up|down|toolchain|shop|status")
    up = _action(actions, "up", _up)
    up.add_argument("--replace", action="store_true", help="delete a left-over cluster of this name first")
    up.add_argument("--context", default="", help="use this kubeconfig context instead of creating a cluster")
    up.add_argument("--kubeconfig", default="", help="where that context is; KUBECONFIG or ~/.kube/config otherwise")
    down = _action(actions, "down", _down)
    down.add_argument(
        "--docker", action="store_true", help="also stop a dockerd that we started, if no cluster is left"
    )
    for name, act in (("toolchain", _toolchain), ("status", _status)):
        actions.add_parser(name).set_defaults(action=act)
    stock = actions.add_parser("shop")
    stock.add_argument("--dir", type=Path, required=True)
    stock.set_defaults(action=_shop)
    return top


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, act: object
) -> argparse.ArgumentParser:
    sub = actions.add_parser(name)
    sub.add_argument("--name", required=True, help="name of the cluster, ambient-…")
    sub.add_argument("--dir", type=Path, required=True, help="directory of its kubeconfig and environment.json")
    sub.set_defaults(action=act)
    return sub


def _target(options: argparse.Namespace) -> cluster.Target:
    return cluster.Target(options.name, options.dir.absolute())


def _up(options: argparse.Namespace) -> None:
    target = _target(options)
    if options.context:
        done = cluster.use_context(target, options.context, options.kubeconfig)
    else:
        done = cluster.up(target, replace=options.replace)
    longest = sorted(progress.timings.items(), key=lambda item: -item[1])[:5]
    if longest and longest[0][1] >= 10:
        progress.say("longest steps: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in longest))
    progress.say(f"{options.context or options.name} is ready ({done}); kubeconfig: {target.kubeconfig}")
    print(done)


def _down(options: argparse.Namespace) -> None:
    print("deleted" if cluster.down(_target(options)) else "nothing to delete")
    if options.docker:
        cluster.stop_docker()


def _toolchain(options: argparse.Namespace) -> None:
    assets.prepare()
    cluster.component_rootfs()
    debian.rootfs("node", debian.NODE_PACKAGES)


def _shop(options: argparse.Namespace) -> None:
    shop.open_shop(options.dir.absolute())


def _status(options: argparse.Namespace) -> None:
    daemon = docker.connect()
    timings = cache.root() / "timings.json"
    facts = {
        "docker_host": daemon.host if daemon else None,
        "dockerd_started_by_us": docker.started_by_us(),
        "clusters": {name: kind.nodes(daemon, name) for name in sorted(kind.clusters(daemon))} if daemon else {},
        "cache": str(cache.root()),
        "seconds": json.loads(timings.read_text()) if timings.exists() else {},
    }
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    sys.exit(main())
