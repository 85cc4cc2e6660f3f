# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the trust domain that is given is the one that istiod has, or will have once the run is through."""

from __future__ import annotations

from ..authz.trust import CONFIG, PLACE, ROOT_NAMESPACE, names_in
from ..manifests.identity import Identity, name_of
from .context import Context
from .findings import Outcome, Problem
from .snapshot import CONFIG_MAPS, Object, SkipError

_IDENTITY = Identity.parse(CONFIG_MAPS.api_version, CONFIG_MAPS.kind, CONFIG, ROOT_NAMESPACE)
_REVISION = "istio.io/rev=default"


def is_that_of_istiod(context: Context) -> Outcome:
    """AMB0744: every principal begins with it, so that with a wrong one policies name nobody."""
    if context.wishes.tree:
        raise SkipError("manifests are read with the trust domain that is given")
    config = _coming(context) or _there(context)
    if config is None:
        return Outcome(note=f"no {PLACE}")
    given, real = context.wishes.policies.trust_domain, names_in(config).trust
    if given == real:
        return Outcome(note=real)
    message = f"has trust domain {real}, and ambient_trust_domain is {given}: policies would name nobody of the mesh"
    return Outcome([Problem(PLACE, message, f"Set ambient_trust_domain to {real}")])


def _coming(context: Context) -> Object | None:
    """The ConfigMap that the run brings."""
    return next((each.object for each in context.wishes.policies.items if each.identity.key == _IDENTITY.key), None)


def _there(context: Context) -> Object | None:
    found = context.cluster.list_in(CONFIG_MAPS, ROOT_NAMESPACE, _REVISION)
    return next((each for each in found if name_of(each) == CONFIG), None)
