# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container registry answers, asked once and never for long."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass

PATIENCE = 3.0
DOCKER_HUB = "docker.io"
API_HOSTS = {DOCKER_HUB: "registry-1.docker.io"}
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# The newest image of the last Kubernetes that starts on cgroup v1 by default, for the kind that go.mod pins.
NODE_IMAGE = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"


@dataclass(frozen=True)
class Registry:
    """A registry that answers.

    Args:
        host: as it stands in image references, `docker.io` or `localhost:5000`.
        url: the root of its API.
    """

    host: str
    url: str

    @property
    def node_image(self) -> str:
        """The published node image there; AMBIENT_NODE_IMAGE names another repository and tag."""
        return f"{self.host}/{os.environ.get('AMBIENT_NODE_IMAGE') or NODE_IMAGE}"

    def holds(self, repository: str, tag: str) -> bool:
        """Whether an image is there. Docker Hub, which publishes what we ask for, is taken at its word."""
        if self.host == DOCKER_HUB:
            return True
        return _status(f"{self.url}/v2/{repository}/manifests/{tag}", method="HEAD") == 200


def answering() -> Registry | None:
    """The registry to use, or None: AMBIENT_REGISTRY (a mirror, or `none`), else Docker Hub."""
    host = os.environ.get("AMBIENT_REGISTRY") or DOCKER_HUB
    if host == "none":
        return None
    found: list[Registry] = []

    def probe() -> None:
        for url in candidates(host):
            if _status(f"{url}/v2/") in (200, 401):
                found.append(Registry(host, url))
                return

    # A name server that does not answer blocks longer than any time-out of urllib.
    asking = threading.Thread(target=probe, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return found[0] if found else None


def candidates(host: str) -> list[str]:
    """The API addresses to try; plain HTTP on this machine only."""
    address = API_HOSTS.get(host, host)
    local = address.rpartition(":")[0] in ("localhost", "127.0.0.1")
    return [f"http://{address}"] if local else [f"https://{address}"]


def _status(url: str, method: str = "GET") -> int:
    """The HTTP status of an answer, 0 without one."""
    request = urllib.request.Request(url, method=method, headers={"Accept": ", ".join(MANIFEST_TYPES)})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
