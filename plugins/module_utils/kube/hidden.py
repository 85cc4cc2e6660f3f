# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds that exist though discovery does not tell of them: what cannot be seen must not be taken for gone."""

from __future__ import annotations

import threading

from ..manifests.identity import Identity
from .client import Client
from .errors import ApiError

NOT_SEEN = "the API server does not serve its kind at the moment: run again"


class Hidden:
    """Discovery lags behind a CRD, and an aggregated API may be down. Asked for only where a kind is not served."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._crds: set[tuple[str, str]] | None = None
        self._aggregated: dict[str, bool] = {}

    def __contains__(self, identity: Identity) -> bool:
        """Whether an object that discovery leaves no way to read may be there all the same."""
        if not identity.group or self._client.discovery.find(identity.group, identity.version, identity.kind):
            return False
        with self._lock:
            try:
                return self._is_aggregated(identity) or (identity.group, identity.kind) in self._defined()
            except ApiError as error:
                if error.status != 403:
                    raise
                return True  # it cannot be ruled out

    def _is_aggregated(self, identity: Identity) -> bool:
        name = f"{identity.version}.{identity.group}"
        if name not in self._aggregated:
            found = self._client.get("apiregistration.k8s.io/v1", "APIService", name)
            self._aggregated[name] = found is not None and bool((found.get("spec") or {}).get("service"))
        return self._aggregated[name]

    def _defined(self) -> set[tuple[str, str]]:
        """Group and kind of every CRD that is not on its way out, with all its objects."""
        if self._crds is None:
            found = self._client.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
            self._crds = {
                (each["spec"]["group"], each["spec"]["names"]["kind"])
                for each in found
                if not each["metadata"].get("deletionTimestamp")
            }
        return self._crds
