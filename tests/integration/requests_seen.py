# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server was asked, from its audit log."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver import ApiServer


@dataclass(frozen=True)
class Request:
    """One request: `verb` and `resource` are the API server's words."""

    verb: str
    resource: str
    uri: str
    status: int


class Requests:
    """The requests since it was made, or since the last call of `new`."""

    def __init__(self, apiserver: ApiServer) -> None:
        self._log = Path(apiserver.audit_log)
        self._seen = self._log.stat().st_size

    def new(self) -> list[Request]:
        """Each request once. A watch counts when it has begun."""
        time.sleep(0.3)  # the last line may still be on its way
        with self._log.open(encoding="utf-8") as file:
            file.seek(self._seen)
            lines = file.readlines()
            self._seen = file.tell()
        found: dict[str, Request] = {}
        for line in lines:
            event: dict[str, Any] = json.loads(line)
            resource = str((event.get("objectRef") or {}).get("resource", ""))
            status = int((event.get("responseStatus") or {}).get("code", 0))
            found.setdefault(event["auditID"], Request(event["verb"], resource, event["requestURI"], status))
        return list(found.values())
