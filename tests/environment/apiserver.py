# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare etcd and kube-apiserver on loopback: everything an API server decides, and nothing else.

No controllers run: a deleted namespace stays Terminating, no pod ever starts, a condition changes only if a test
changes it. Users: `admin` (system:masters) and `nobody` (authenticated, without a right).

    apiserver.py up   --dir build/apiserver     prints the path of the admin's kubeconfig
    apiserver.py down --dir build/apiserver

AMBIENT_APISERVER_BINARIES names a directory with kube-apiserver and etcd that is used instead of building them.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

START_TIMEOUT = 90.0
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class ApiServer:
    """A running API server: where it is and who may talk to it."""

    directory: str
    url: str
    kubeconfig: str
    nobody_kubeconfig: str
    ca_cert: str
    admin_token: str
    nobody_token: str
    audit_log: str
    pids: tuple[int, ...]

    def writes(self) -> list[dict[str, str]]:
        """What was written so far, from the audit log: verb, path, user agent. Dry runs and reviews are no writes."""
        found = []
        for line in Path(self.audit_log).read_text().splitlines():
            event = json.loads(line)
            uri = event["requestURI"]
            reads = event["verb"] in ("get", "list", "watch")
            if reads or "dryRun=All" in uri or "selfsubject" in uri:
                continue
            found.append({"verb": event["verb"], "path": uri.split("?")[0], "agent": event.get("userAgent", "")})
        return found


def up(directory: Path) -> ApiServer:
    """Start both, or return the running one."""
    directory = directory.resolve()
    running = _running(directory)
    if running:
        return running
    down(directory)
    directory.mkdir(parents=True, exist_ok=True)
    etcd_port, peer_port, port = _free_ports(3)
    tokens = {"admin": secrets.token_hex(16), "nobody": secrets.token_hex(16)}
    _write_inputs(directory, tokens)
    tools = _binaries()
    etcd = _start(
        directory,
        "etcd",
        tools["etcd"],
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    server = _start(
        directory,
        "kube-apiserver",
        tools["kube-apiserver"],
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certs'}",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={directory / 'sa.key'}",
        f"--service-account-signing-key-file={directory / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={directory / 'audit-policy.json'}",
        f"--audit-log-path={directory / 'audit.log'}",
        "--profiling=false",
        "-v=1",
    )
    url = f"https://127.0.0.1:{port}"
    api = ApiServer(
        directory=str(directory),
        url=url,
        kubeconfig=str(directory / "kubeconfig"),
        nobody_kubeconfig=str(directory / "kubeconfig-nobody"),
        ca_cert=str(directory / "certs" / "apiserver.crt"),
        admin_token=tokens["admin"],
        nobody_token=tokens["nobody"],
        audit_log=str(directory / "audit.log"),
        pids=(server.pid, etcd.pid),
    )
    (directory / "state.json").write_text(json.dumps(asdict(api), indent=1))
    for user, path in (("admin", api.kubeconfig), ("nobody", api.nobody_kubeconfig)):
        _write_private(Path(path), json.dumps(_kubeconfig(url, api.ca_cert, user, tokens[user]), indent=1))
    _wait_ready(api, directory, [server, etcd])
    return api


def restart(api: ApiServer, pause: float = 0) -> ApiServer:
    """Kill kube-apiserver and start it again, `pause` seconds later, on the same port; etcd goes on."""
    directory = Path(api.directory)
    pid = api.pids[0]
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    log = Path(api.audit_log)
    log.write_bytes(log.read_bytes().rpartition(b"\n")[0] + b"\n")  # it died in the middle of a line
    time.sleep(pause)
    server = _start(directory, "kube-apiserver", Path(command[0]), *command[1:])
    api = replace(api, pids=(server.pid, *api.pids[1:]))
    (directory / "state.json").write_text(json.dumps(asdict(api), indent=1))
    _wait_ready(api, directory, [server])
    return api


def down(directory: Path) -> None:
    """Stop what `up` started in this directory, and remove the directory."""
    directory = directory.resolve()
    state = directory / "state.json"
    if state.is_file():
        for pid in json.loads(state.read_text())["pids"]:
            _stop(pid, directory)
    elif directory.exists() and any(directory.iterdir()) and not (directory / "tokens.csv").exists():
        sys.exit(f"{directory} was not made by this program: left alone")
    shutil.rmtree(directory, ignore_errors=True)


def _running(directory: Path) -> ApiServer | None:
    state = directory / "state.json"
    if not state.is_file():
        return None
    data = json.loads(state.read_text())
    api = ApiServer(**{**data, "pids": tuple(data["pids"])})
    alive = all(_is_ours(pid, directory) for pid in api.pids)
    return api if alive and _ready(api) else None


def _binaries() -> dict[str, Path]:
    given = os.environ.get("AMBIENT_APISERVER_BINARIES")
    if given:
        return {name: _file_in(Path(given), name) for name in ("etcd", "kube-apiserver")}
    import toolchain

    return {**toolchain.binaries("etcd"), **toolchain.binaries("kubernetes")}


def _file_in(directory: Path, name: str) -> Path:
    for candidate in (directory / name, directory / name / name):
        if candidate.is_file():
            return candidate
    sys.exit(f"AMBIENT_APISERVER_BINARIES: no {name} in {directory}")


def _write_inputs(directory: Path, tokens: dict[str, str]) -> None:
    lines = [f'{tokens["admin"]},admin,admin,"system:masters"', f"{tokens['nobody']},nobody,nobody"]
    _write_private(directory / "tokens.csv", "\n".join(lines) + "\n")
    (directory / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    _write_private(directory / "sa.key", pem.decode())


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _kubeconfig(url: str, ca_cert: str, user: str, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bare",
        "clusters": [{"name": "bare", "cluster": {"server": url, "certificate-authority": ca_cert}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": user}}],
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for dummy in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _start(directory: Path, name: str, binary: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (directory / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            [binary, *arguments],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=directory,
        )


def _is_ours(pid: int, directory: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(directory).encode() in command


def _stop(pid: int, directory: Path) -> None:
    if not _is_ours(pid, directory):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while _is_ours(pid, directory) and time.monotonic() < deadline:
        _reap(pid)
        time.sleep(0.05)
    if _is_ours(pid, directory):
        os.kill(pid, signal.SIGKILL)
        _reap(pid)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _ready(api: ApiServer) -> bool:
    try:
        context = ssl.create_default_context(cafile=api.ca_cert)
        request = urllib.request.Request(f"{api.url}/readyz", headers={"Authorization": f"Bearer {api.admin_token}"})
        with urllib.request.urlopen(request, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _wait_ready(api: ApiServer, directory: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if _ready(api):
            return
        if any(process.poll() is not None for process in processes):
            break
        time.sleep(0.1)
    tail = {path.name: path.read_text()[-1500:] for path in directory.glob("*.log") if path.name != "audit.log"}
    for process in processes:
        process.kill()
        process.wait()
    sys.exit("the API server did not start:\n" + "\n".join(f"--- {name}\n{text}" for name, text in tail.items()))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--dir", type=Path, default=Path("build/apiserver"))
    arguments = parser.parse_args()
    if arguments.command == "down":
        down(arguments.dir)
    else:
        print(up(arguments.dir).kubeconfig)


if __name__ == "__main__":
    main()
