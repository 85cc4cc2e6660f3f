# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMB0103 asks for what entries under access need."""

from __future__ import annotations

from typing import Any

from ansible_collections.alauda.ambient.plugins.module_utils.checks.rights import needed
from ansible_collections.alauda.ambient.plugins.module_utils.mesh.parse import parse_mesh

READS = {
    f"{resource} in {namespace}" for resource in ("services", "statefulsets.apps") for namespace in ("ops", "shop")
}
POLICIES = "authorizationpolicies.security.istio.io in shop"
TOKENS = "requestauthentications.security.istio.io in shop"


def rights(state: str, **entry: Any) -> set[str]:
    """What an entry under access adds."""
    shop = {"name": "shop", "state": state}
    waypoints = [{"name": "waypoint", "namespace": "shop"}]
    with_it, without = (
        {right.where for right in needed(parse_mesh({"waypoints": waypoints, "namespaces": [each]}))}
        for each in ({**shop, "access": [entry]}, shop)
    )
    return with_it - without


def test_access_needs_policies_and_looks_at_services_of_both_ends() -> None:
    assert rights("l4", **{"from": [{"service": "ops/grafana"}]}) == READS | {POLICIES}


def test_tokens_need_request_authentications() -> None:
    jwt = {"issuer": "a", "jwks_uri": "https://a"}
    assert rights("l7", **{"from": [{"any": True}]}, jwt=jwt) == {each for each in READS if "shop" in each} | {TOKENS}
