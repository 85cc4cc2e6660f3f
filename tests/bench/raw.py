# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that any Python program must do: PATCH every object over 32 keep-alive connections, and nothing else.

Arguments: url, CA file, token, file with one JSON document per line. Namespaces go first, the others need them.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 32
_PATHS = {"AuthorizationPolicy": "authorizationpolicies", "PeerAuthentication": "peerauthentications"}


def main(url: str, ca_file: str, token: str, file: str) -> None:
    """Send everything; an answer that is no success ends the program."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/apply-patch+yaml"}
    context = ssl.create_default_context(cafile=ca_file)
    local = threading.local()

    def patch(request: tuple[str, bytes]) -> None:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPSConnection(urlsplit(url).netloc, context=context)
        connection.request("PATCH", f"{request[0]}?fieldManager=raw&force=true", request[1], headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{request[0]}: {answer.status} {text[:200]!r}")

    for batch in _batches(Path(file)):
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for dummy in pool.map(patch, batch):
                pass


def _batches(file: Path) -> Iterator[list[tuple[str, bytes]]]:
    namespaces, others = [], []
    for line in file.read_bytes().splitlines():
        obj = json.loads(line)
        name, kind = obj["metadata"]["name"], obj["kind"]
        if kind == "Namespace":
            namespaces.append((f"/api/v1/namespaces/{name}", line))
        else:
            path = f"/apis/{obj['apiVersion']}/namespaces/{obj['metadata']['namespace']}/{_PATHS[kind]}/{name}"
            others.append((path, line))
    yield namespaces
    yield others


if __name__ == "__main__":
    main(*sys.argv[1:])
