# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands behind the callers that an entry names, as policies write it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .facts import Facts, behind
from .intents import Caller, CallerKind, Intent
from .names import did_you_mean
from .reader import Reader


@dataclass(frozen=True)
class Clients:
    """Callers as a policy names them. `anybody`: then the names do not matter."""

    principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    anybody: bool = False

    def sources(self, token: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
        """The sources of a rule, each with what is asked of the request's token; none where anybody may call."""
        if self.anybody:
            return [token] if token else []
        named = {"principals": self.principals, "namespaces": self.namespaces}
        return [{key: list(values), **deepcopy(dict(token or {}))} for key, values in named.items() if values]


class Sources:
    """Finds them. `facts`: None where no cluster is involved."""

    def __init__(self, facts: Facts | None, trust: str) -> None:
        self._facts = facts
        self._trust = trust

    def of(self, reader: Reader, intent: Intent) -> Clients:
        """The clients of an entry; a Service whose callers are not known is noted with its path."""
        accounts: set[tuple[str, str]] = set()
        namespaces = set()
        for caller in intent.callers:
            if caller.kind is CallerKind.ACCOUNT:
                accounts.add((caller.namespace, caller.name))
            elif caller.kind is CallerKind.NAMESPACE:
                namespaces.add(caller.namespace)
            elif caller.kind is CallerKind.SERVICE:
                accounts |= {(caller.namespace, name) for name in self._behind(reader, caller)}
        principals = (f"{self._trust}/ns/{namespace}/sa/{name}" for namespace, name in accounts)
        anybody = any(caller.kind is CallerKind.ANY for caller in intent.callers)
        return Clients(tuple(sorted(principals)), tuple(sorted(namespaces)), anybody)

    def _behind(self, reader: Reader, caller: Caller) -> set[str]:
        """The service accounts of the pods behind a Service."""
        seen = self._facts.of(caller.namespace) if self._facts else None
        path, where = f"{caller.path}.service", f"Service {caller.namespace}/{caller.name}"
        if seen is None:
            message = f"as which service accounts the pods of {where} call is not known without a cluster"
            reader.error(path, message, "Name them: {service_account: …}")
            return set()
        found = {service.name: service for service in seen.services}
        if caller.name not in found:
            hint = did_you_mean(caller.name, found) if found else "Create it first, or take the entry out"
            reader.error(path, f"there is no {where} with pods", hint)
            return set()
        accounts = {pod.account for pod in behind(found[caller.name], seen.workloads)}
        if not accounts:
            message = f"nothing runs behind {where}: as whom it calls is not known"
            reader.error(path, message, "Deploy it first, or name its service account")
        return accounts
