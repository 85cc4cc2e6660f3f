# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good input, of which each test breaks one thing, and the real `ansible-playbook` to give it to."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apiserver
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CHECKOUT = Path(__file__).resolve().parents[2]
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  hosts:
    east:
"""


@dataclass(frozen=True)
class World:
    """What the broken inputs are made of."""

    folder: Path
    api: apiserver.ApiServer
    good: Mapping[str, Any]

    def part(self, name: str) -> World:
        """The same world with a folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        good = {**self.good, "ambient_work_dir": str(folder / "work"), "ambient_render_dir": str(folder / "tree")}
        return World(folder, self.api, good)

    def file(self, name: str, text: str, mode: int = 0o644) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def kubeconfig(self, name: str, **changes: Any) -> str:
        """The admin's kubeconfig with another server, token or certificate authority."""
        config = json.loads(Path(self.api.kubeconfig).read_text())
        for key, value in changes.items():
            section = config["users"][0]["user"] if key == "token" else config["clusters"][0]["cluster"]
            section[key.replace("_", "-")] = value
        return self.file(name, json.dumps(config), 0o600)

    def expired_token(self) -> str:
        """A service account's token that the API server would have taken an hour ago."""
        now = int(time.time())
        claims = {
            "iss": "https://kubernetes.default.svc",
            "aud": ["https://kubernetes.default.svc"],
            "sub": "system:serviceaccount:default:default",
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": now - 3600,
        }
        parts = [_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
        pem = (Path(self.api.directory) / "sa.key").read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        return ".".join([*parts, _encoded(signature)])


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@dataclass(frozen=True)
class Outcome:
    """What a person sees."""

    status: int
    text: str

    @property
    def errors(self) -> list[str]:
        """The lines that announce an error."""
        return [line for line in self.text.splitlines() if line.startswith("[ERROR]: ")]


def environment(folder: Path) -> dict[str, str]:
    """That of a person whose home is the folder, with an ansible.cfg there."""
    return {
        "HOME": str(folder),
        "PATH": f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache/collections"),
    }


def play(world: World, playbook: str, variables: Mapping[str, Any], *options: str) -> Outcome:
    """Run a playbook as a person does who has no checkout: with an inventory and variables of their own."""
    world.file("ansible.cfg", "")
    given = world.file("variables.json", json.dumps(variables))
    result = subprocess.run(
        ["ansible-playbook", "-i", world.file("hosts.yml", INVENTORY), playbook, "-e", f"@{given}", *options],
        cwd=world.folder,
        env=environment(world.folder),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Outcome(result.returncode, result.stdout + result.stderr)


def task(world: World, module: str, options: Mapping[str, Any]) -> str:
    """The path of a playbook with one task."""
    tasks = [{"name": "One task", f"alauda.ambient.{module}": dict(options)}]
    document = [{"name": "One play", "hosts": "all", "gather_facts": False, "tasks": tasks}]
    return world.file("one_task.yml", yaml.safe_dump(document))
