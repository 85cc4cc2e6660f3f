# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of rules that speak of what their proxy does not know."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.authz.lost import Effect, lost
from ansible_collections.alauda.ambient.plugins.module_utils.authz.matching import Proxy

NEVER, LESS, MORE = Effect.NEVER, Effect.LESS, Effect.MORE
GET = {"operation": {"methods": ["GET"]}}
PORT = {"operation": {"ports": ["8080"]}}
BOTH = {"operation": {"methods": ["GET"], "notPorts": ["8080"]}}
WEB = {"source": {"namespaces": ["web"]}}
TOKEN = {"source": {"requestPrincipals": ["*"]}}
ELSEWHERE = {"source": {"notTrustDomains": ["a"], "notPrincipals": ["b"]}}
HEADER = {"key": "request.headers[x]", "values": ["y"]}
NEAR = {"source": {"ipBlocks": ["10.0.0.0/8"], "namespaces": ["web"]}}
FAR = {"source": {"notIpBlocks": ["10.0.0.0/8"]}}


@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        ({}, {}),
        ({"to": [PORT], "from": [WEB], "when": [{"key": "source.ip", "values": ["10.0.0.0/8"]}]}, {}),
        ({"to": [{"operation": {"methods": [], "ports": ["80"]}}]}, {}),
        ({"to": [{}], "from": [{"source": {}}]}, {}),
        ({"to": [GET]}, {NEVER: {"methods"}}),
        ({"to": [GET], "from": [WEB]}, {NEVER: {"methods"}}),
        ({"to": [PORT], "from": [TOKEN], "when": [HEADER]}, {NEVER: {"requestPrincipals", "request.headers[x]"}}),
        ({"to": [BOTH], "when": [HEADER]}, {NEVER: {"methods", "request.headers[x]"}}),
        ({"to": [BOTH]}, {MORE: {"methods"}}),
        ({"to": [GET, PORT]}, {LESS: {"methods"}}),
        ({"to": [GET, PORT], "from": [ELSEWHERE]}, {LESS: {"methods"}, MORE: {"notTrustDomains"}}),
    ],
)
def test_a_deny_at_ztunnel(rule: dict[str, Any], effect: dict[Effect, set[str]]) -> None:
    assert lost(rule, Proxy.ZTUNNEL, "DENY") == effect


@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        ({"to": [PORT], "from": [WEB]}, {}),
        ({"to": [GET, PORT]}, {NEVER: {"methods"}}),
        ({"to": [BOTH]}, {NEVER: {"methods"}}),
        ({"from": [ELSEWHERE]}, {MORE: {"notTrustDomains"}}),
        ({"when": [{"key": "source.serviceAccount", "values": ["a"]}]}, {NEVER: {"source.serviceAccount"}}),
    ],
)
def test_an_allow_at_ztunnel(rule: dict[str, Any], effect: dict[Effect, set[str]]) -> None:
    assert lost(rule, Proxy.ZTUNNEL, "ALLOW") == effect


@pytest.mark.parametrize("action", ["ALLOW", "DENY"])
@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        ({"to": [GET, BOTH], "from": [TOKEN, ELSEWHERE], "when": [HEADER]}, {}),
        ({"to": [GET], "from": [NEAR]}, {NEVER: {"ipBlocks"}}),
        ({"from": [NEAR, WEB]}, {LESS: {"ipBlocks"}}),
        ({"to": [GET], "from": [FAR]}, {MORE: {"notIpBlocks"}}),
        ({"when": [{"key": "source.ip", "values": ["::/0"]}]}, {NEVER: {"source.ip"}}),
        ({"when": [{"key": "source.ip", "notValues": ["::/0"]}]}, {MORE: {"source.ip"}}),
    ],
)
def test_at_a_waypoint(rule: dict[str, Any], effect: dict[Effect, set[str]], action: str) -> None:
    assert lost(rule, Proxy.WAYPOINT, action) == effect
