# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer per mesh at a time: a Lease that a living run renews, and that a dead one loses."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from ..errors import AmbientError
from ..manifests.identity import Identity, Object
from ..manifests.labels import own
from .client import Client
from .errors import ApiError
from .naming import object_name

DURATION = 15  # seconds without a renewal after which a holder counts as dead
_RENEW = 5.0
_STALE = 10.0  # shorter than DURATION: so long our last renewal proves that nobody else may write
_POLL = 1.0
_MANAGER = "alauda.ambient/inventory"


class Lock:
    """Held inside a `with`. Whoever waits sees a dead holder by its own clock, so that no two clocks must agree.

    Args:
        timeout: seconds to wait for another run. Below 15 a dead run's lock is not outlived.
        progress: gets a line when the lock is not free.
    """

    def __init__(
        self, client: Client, namespace: str, mesh: str, timeout: float, progress: Callable[[str], None]
    ) -> None:
        self.waited = False
        self._client = client
        self._mesh = mesh
        self._timeout = timeout
        self._progress = progress
        self._lease = Identity.parse("coordination.k8s.io/v1", "Lease", object_name("ambient-lock", mesh), namespace)
        self._me = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self._version = ""
        self._renewed = 0.0
        self._taken_by = ""
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Lock:
        """Take the lock; AmbientError names the holder where it does not become free in time."""
        self._take()
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._ended.set()
        self._renewer.join(_RENEW)
        try:
            self._release()
        except AmbientError as problem:
            # It went with its namespace, or it expires by itself: the work is done either way.
            self._progress(f"the lock is left to expire: {problem.message}")

    def check(self) -> None:
        """To be called before each write: AmbientError where another run may have taken over."""
        if self._taken_by:
            raise self._lost()
        if time.monotonic() - self._renewed > _STALE:
            # This process or the API server stood still for long: only a renewal tells whether the lock is ours.
            with self._mutex:
                if time.monotonic() - self._renewed > _STALE:
                    self._renew()

    def _take(self) -> None:
        start = seen_at = time.monotonic()
        seen, told = "", ""
        while True:
            live = self._client.get(self._lease)
            now = time.monotonic()
            spec = (live or {}).get("spec") or {}
            holder = str(spec.get("holderIdentity") or "")
            version = str(live["metadata"]["resourceVersion"]) if live else ""
            if version != seen:
                seen, seen_at = version, now
            expired = now - seen_at > float(spec.get("leaseDurationSeconds") or DURATION)
            if holder == self._me:  # an answer that was lost on its way
                self._version, self._renewed = version, seen_at
                return
            if (live is None or not holder or expired) and self._write(version):
                return
            if holder and not expired:
                self.waited = True
                if now - start > self._timeout:
                    raise self._held_by(holder)
                if holder != told:
                    self._progress(f"wait for the lock: another run ({holder}) writes to this mesh")
                    told = holder
                time.sleep(_POLL)

    def _write(self, version: str) -> bool:
        """Write the Lease as ours; False where somebody else was faster."""
        sent = time.monotonic()
        try:
            if version:
                live = self._client.replace(self._object(version), manager=_MANAGER)
            else:
                live = self._client.create(self._object(""), manager=_MANAGER)
        except ApiError as error:
            if error.status == 409 or (error.status == 404 and version):
                return False
            raise
        self._version, self._renewed = str(live["metadata"]["resourceVersion"]), sent
        return True

    def _keep(self) -> None:
        pause = _RENEW
        while not self._ended.wait(pause):
            pause = _RENEW
            with self._mutex:
                try:
                    self._renew()
                except ApiError:
                    pause = _POLL  # `check` tells; until then there is time
                except AmbientError:
                    return

    def _renew(self) -> None:
        if self._write(self._version):
            return
        live = self._client.get(self._lease)
        holder = str(((live or {}).get("spec") or {}).get("holderIdentity") or "") or "nobody"
        if live is None or holder != self._me:
            self._taken_by = holder
            raise self._lost()
        self._version = str(live["metadata"]["resourceVersion"])
        if not self._write(self._version):
            self._taken_by = "somebody"
            raise self._lost()

    def _release(self) -> None:
        if self._taken_by:
            return
        path = self._client.resource(self._lease).path(self._lease.namespace, self._lease.name)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": self._version},
        }
        try:
            self._client.request("DELETE", path, body=options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def _object(self, version: str) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease: Object = {
            "apiVersion": self._lease.api_version,
            "kind": self._lease.kind,
            "metadata": {"name": self._lease.name, "namespace": self._lease.namespace},
            "spec": {"holderIdentity": self._me, "leaseDurationSeconds": DURATION, "renewTime": now},
        }
        if version:
            lease["metadata"]["resourceVersion"] = version
        return own(lease, self._mesh)

    def _held_by(self, holder: str) -> AmbientError:
        return AmbientError(
            f"another run ({holder}) writes to this mesh since more than {self._timeout:.0f} s",
            path=f"Lease {self._lease.namespace}/{self._lease.name}",
            hint=f"Wait for it to end, then run again; the lock of a run that died expires after {DURATION} s",
        )

    def _lost(self) -> AmbientError:
        return AmbientError(
            f"the lock was lost to {self._taken_by}: this run has stood still for more than {DURATION} s",
            path=f"Lease {self._lease.namespace}/{self._lease.name}",
            hint="Nothing more is written; run again",
        )
