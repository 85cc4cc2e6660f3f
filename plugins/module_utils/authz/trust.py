# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a mesh calls itself: its trust domain and its root namespace, and how principals are read with these."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import AmbientError
from ..kube.errors import ApiError
from ..manifests.identity import Object
from ..manifests.yaml import load_all
from ..mesh.trust import check_trust_domain
from .parts import Policy

ROOT_NAMESPACE = "istio-system"
TRUST_DOMAIN = "cluster.local"

CONFIG = "istio"
PLACE = f"ConfigMap {ROOT_NAMESPACE}/{CONFIG}"
_FORBIDDEN = 403
_PARTS_OF_A_PRINCIPAL = 5  # DOMAIN/ns/NAMESPACE/sa/NAME
Get = Callable[[str, str, str, str], t.Optional[Object]]  # noqa: UP045  (pylint takes | for an operation)


@dataclass(frozen=True)
class Names:
    """What a mesh is called. `doubt`: why that is not sure; empty where it is."""

    root: str = ROOT_NAMESPACE
    trust: str = TRUST_DOMAIN
    doubt: str = ""


def names_of(given: Mapping[str, t.Any], get: Get | None = None) -> Names:
    """By the options `root_namespace` and `trust_domain`, else by istiod's configuration, else by Istio's defaults.

    `get(apiVersion, kind, name, namespace)` reads from the cluster; None where there is none, as for a tree.

    Raises:
        AmbientError: where an option says something else than istiod.
    """
    root, trust = given.get("root_namespace"), given.get("trust_domain")
    if trust is not None:
        check_trust_domain(trust)
    known, doubt = _looked_up(get) if get else (Names(), "")
    if doubt or not get:
        unsure = f"{doubt}; the trust domain is taken for {TRUST_DOMAIN}: set ambient_trust_domain if it is another one"
        return Names(root or ROOT_NAMESPACE, trust or TRUST_DOMAIN, unsure if doubt and not trust else "")
    for option, said, real in (("root_namespace", root, known.root), ("trust_domain", trust, known.trust)):
        if said and said != real:
            hint = f"Leave it out, or set it to {real}"
            raise AmbientError(f"is {said}, and istiod has {real} ({PLACE})", path=option, hint=hint)
    return known


def refuse_another(trust: str, get: Get) -> None:
    """AmbientError where istiod has another trust domain; nothing where it is not there, or may not be read."""
    known, doubt = _looked_up(get)
    if not doubt and trust != known.trust:
        message = f"is {trust}, and istiod has {known.trust} ({PLACE}): policies would name nobody, and shut all out"
        raise AmbientError(message, path="trust_domain", hint=f"Set ambient_trust_domain to {known.trust}")


def _looked_up(get: Get) -> tuple[Names, str]:
    """What istiod says, and why that is not known."""
    try:
        found = get("v1", "ConfigMap", CONFIG, ROOT_NAMESPACE)
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return Names(), f"{PLACE} may not be read"
    return (names_in(found), "") if found is not None else (Names(), f"there is no {PLACE}")


def names_in(config_map: Mapping[str, t.Any]) -> Names:
    """What a ConfigMap of istiod says, else Istio's defaults. AmbientError where it cannot be read."""
    documents = load_all(str((config_map.get("data") or {}).get("mesh") or ""), PLACE)
    config = documents[0] if documents else {}
    return Names(str(config.get("rootNamespace") or ROOT_NAMESPACE), str(config.get("trustDomain") or TRUST_DOMAIN))


def as_read(policy: Policy, trust: str) -> Policy:
    """A policy as it reaches its proxy: `cluster.local` stands for any trust domain at a waypoint, not at ztunnel.

    Source: istiod's Bundle.ReplaceTrustDomainAliases (pilot/pkg/security/trustdomain/bundle.go).
    """
    if trust == TRUST_DOMAIN or not policy.targets:
        return policy
    return replace(policy, rules=tuple(_rule(rule, trust) for rule in policy.rules))


def _rule(rule: Mapping[str, t.Any], trust: str) -> Mapping[str, t.Any]:
    found = dict(rule)
    if rule.get("from"):
        found["from"] = [
            {**each, "source": _renamed(each.get("source") or {}, ("principals", "notPrincipals"), trust)}
            for each in rule["from"]
        ]
    if rule.get("when"):
        keys = ("values", "notValues")
        found["when"] = [
            _renamed(each, keys, trust) if each.get("key") == "source.principal" else each for each in rule["when"]
        ]
    return found


def _renamed(part: Mapping[str, t.Any], keys: Iterable[str], trust: str) -> Mapping[str, t.Any]:
    return {**part, **{key: [_principal(str(each), trust) for each in part[key]] for key in keys if part.get(key)}}


def _principal(text: str, trust: str) -> str:
    domain, *rest = text.split("/")
    return "/".join([trust, *rest]) if domain == TRUST_DOMAIN and len(rest) == _PARTS_OF_A_PRINCIPAL - 1 else text
