# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about tokens: a waypoint knows a token where a RequestAuthentication is attached, and nowhere else."""

from __future__ import annotations

from ..manifests.gateways import WAYPOINT_CLASS
from ..mesh.spec import WaypointRef
from .analysis_rules import conditions, sources, values
from .matching import Rule
from .parts import Service, Target
from .world import World


def needs_token(rule: Rule) -> bool:
    """Whether the rule matches no request without a valid token."""
    given = sources(rule)
    asks = bool(given) and all(values(each, "requestPrincipals") for each in given)
    keys = (str(each.get("key")) for each in conditions(rule) if values(each, "values"))
    return asks or any(key.startswith("request.auth.") for key in keys)


def looked_at(world: World, ref: WaypointRef, service: Service | None = None) -> bool:
    """Whether a waypoint looks at tokens: of calls to a Service, or of all that it serves."""
    places = {(world.root, Target("GatewayClass", WAYPOINT_CLASS)), (ref.namespace, Target("Gateway", ref.name))}
    if service is not None:
        places.add((service.namespace, Target("Service", service.name)))
    return not places.isdisjoint(world.token_places)
