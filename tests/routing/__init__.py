# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs of layer 7 and of steps under traffic, where the ztunnel on the cluster may be a stand-in.

The stand-in does not route through waypoints, so the routing is the test client's: pods outside the mesh that follow
istiod's workload xDS and send each request where ztunnel's outbound proxy would (tests/environment/ztunnel_standin,
command `routing-test-client`). What is reported from it is "routing by the test client", never ztunnel's own. The
stand-in enforces no policy either: that a request past a waypoint is refused by the server's ztunnel shows only with a
real one.

    from routing import ApiWatch, RoutingClient, application, order, stock_envoy

    with RoutingClient(DIRECTORY) as client, ApiWatch(client.kubectl, ["routing-app"]) as seen:
        application.deploy(client.kubectl, IMAGES["echo"]["ref"], "routing-app")
        stock_envoy.apply(client.kubectl, "waypoint", "routing-app")   # before the Gateway: it is never half-made then
        loop = client.loop("through-all", "http://cart.routing-app/", rate=20)
        play(host, "site.yml", {"ambient_mesh": {...}})                # the step that is under test
        client.until("http://cart.routing-app/", lambda answer: answer.via == "routing-app/waypoint")
        assert client.once("http://cart.routing-app/", method="POST").status == 403
        total = loop.stop()
        assert total.failed == 0, total
        assert not order.named_before_ready(seen.events())
        assert not order.deleted_while_named(seen.events())
        assert not order.locked_without_traffic(seen.events())

`DIRECTORY` is the cluster's (AMBIENT_DIR). Names of a past run are removed first, and nothing stays.
"""

from __future__ import annotations

from . import application, order, stock_envoy
from .client import Answer, Loop, RoutingClient, Totals
from .events import Event
from .watch import ApiWatch

__all__ = ["Answer", "ApiWatch", "Event", "Loop", "RoutingClient", "Totals", "application", "order", "stock_envoy"]
