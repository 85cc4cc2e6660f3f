#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_info
short_description: Answer questions about who may call whom in the mesh
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Reads Services, what stands behind them, waypoints and policies, from the cluster or from a tree of manifests, and
    answers from them. Only reads, by LISTs and a GET of the ConfigMap of istiod, and asks no cluster about a tree.
  - C(can) says whether a service account may call a Service, which rule of which policy decides, and where it is
    enforced. C(matrix) says it for all service accounts and the Services of a namespace or of the mesh. C(explain) says
    in the words of a person where a namespace, a Service or a pod stands, and what to do next.
  - Where nobody enforces what a policy says, such as where a waypoint is not ready, the answer is C(not enforced) with
    the reason, never C(denied). What a tree is asked for is answered as it is written.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.attributes
  - alauda.ambient.attributes.action_group
attributes:
  diff_mode:
    support: none
options:
  query:
    description: What is asked.
    type: str
    choices: [can, matrix, explain]
    required: true
  source:
    description: Where to look, in the cluster or in manifests.
    type: str
    choices: [cluster, tree]
    default: cluster
  tree:
    description: Files and directories of manifests, for O(source=tree).
    type: list
    elements: path
    default: []
  from:
    description: Who calls, for O(query=can), a service account as C(NAMESPACE/NAME).
    type: str
  to:
    description: What is called, for O(query=can), a Service as C(NAMESPACE/NAME) or C(NAMESPACE/NAME:PORT).
    type: str
  port:
    description:
      - The port of the Service. Without it the answer is about all of them. The matrix leaves Services out that do not
        have it.
    type: int
  method:
    description: The method of the request, such as V(GET). What is not said of a request may be anything.
    type: str
  path:
    description: The path of the request.
    type: str
  request_host:
    description: The host of the request.
    type: str
  headers:
    description: The headers of the request, by name; an empty mapping for none.
    type: dict
  claims:
    description: The claims of a valid token of the request; an empty mapping for a request without a token.
    type: dict
  source_ip:
    description: The address of the caller.
    type: str
  namespace:
    description: Whose Services, for O(query=matrix). Without it all of the mesh.
    type: str
  of:
    description:
      - What to explain, for O(query=explain), as C(NAMESPACE), C(NAMESPACE/SERVICE) or C(pod/NAMESPACE/NAME). What
        makes pods is named in the same way, such as C(deployment/NAMESPACE/NAME).
    type: str
  root_namespace:
    description:
      - The root namespace of the mesh, whose policies hold everywhere. Without it what istiod has, as its ConfigMap
        C(istio) in the namespace C(istio-system) says, and V(istio-system) where that is not known, as for a tree.
      - It is refused where istiod has another one.
    type: str
  trust_domain:
    description:
      - The trust domain of the mesh. Without it what istiod has, and V(cluster.local) where that is not known, as for
        a tree. RV(notes) says so if it could not be looked up in a cluster.
      - It is refused where istiod has another one.
    type: str
"""

EXAMPLES = r"""
- name: May the shop's front end read a cart?
  alauda.ambient.mesh_info:
    query: can
    from: shop/web
    to: shop/cart
    method: GET
    path: /carts/1
  register: may

- name: Who may call the Services of a namespace, as its manifests say?
  alauda.ambient.mesh_info:
    query: matrix
    source: tree
    tree: [deploy/shop]
    namespace: shop

- name: Where does a Service stand?
  alauda.ambient.mesh_info:
    query: explain
    of: shop/cart
"""

RETURN = r"""
answer:
  description: The answer to O(query=can).
  type: dict
  returned: for O(query=can)
  contains:
    verdict:
      description: One of V(allowed), V(denied), V(depends), V(not enforced).
      type: str
    would:
      description: What would be said if it were enforced; null where it is.
      type: str
    reason:
      description: Why, in words.
      type: str
    policy:
      description: The policy that decides, such as V(AuthorizationPolicy shop/cart); empty where none does.
      type: str
    rule:
      description: Which of its rules, from 1; 0 where none does.
      type: int
    rule_text:
      description: That rule, short.
      type: str
    where:
      description: Who enforces it.
      type: str
    depends_on:
      description: What it depends on, where it does.
      type: list
      elements: str
    steps:
      description: What each proxy on the way says, with the same keys.
      type: list
      elements: dict
    notes:
      description: What else was seen.
      type: list
      elements: str
    as_written:
      description: Whether it was read from manifests.
      type: bool
matrix:
  description: The answer to O(query=matrix).
  type: dict
  returned: for O(query=matrix)
  contains:
    accounts:
      description: All service accounts, as C(NAMESPACE/NAME).
      type: list
      elements: str
    services:
      description:
        - For each Service the RV(answer) for its C(groups) of C(accounts). C(others) is the one for all accounts that
          no group names.
      type: list
      elements: dict
    as_written:
      description: Whether it was read from manifests.
      type: bool
explanation:
  description: The answer to O(query=explain).
  type: dict
  returned: for O(query=explain)
  contains:
    state:
      description: What it amounts to, one of V(off), V(l4), V(l4-strict), V(l7).
      type: str
    meaning:
      description: What that means.
      type: str
    waypoint:
      description: The waypoint, and whether calls pass it.
      type: str
    policies:
      description: Which policies decide, and where.
      type: list
      elements: str
    callers:
      description: Who may call, a line for each Service.
      type: list
      elements: str
    troubles:
      description: What is wrong as C(what), and what to do as C(next).
      type: list
      elements: dict
    as_written:
      description: Whether it was read from manifests.
      type: bool
notes:
  description: What is not sure about all answers, such as the trust domain.
  type: list
  elements: str
  returned: success
summary:
  description: The answer in lines for people.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ..module_utils.argspec import ambient_module
from ..module_utils.authz.answering import can
from ..module_utils.authz.asking import question_of, request_of
from ..module_utils.authz.explaining import explain
from ..module_utils.authz.matrix import matrix
from ..module_utils.authz.reading import read_cluster, read_tree
from ..module_utils.authz.trust import names_of
from ..module_utils.authz.world import World
from ..module_utils.errors import AmbientError
from ..module_utils.kube.connection import connect
from ..module_utils.modules import run_and_exit

OPTIONS: dict[str, dict[str, t.Any]] = {
    "query": {"type": "str", "choices": ["can", "matrix", "explain"], "required": True},
    "source": {"type": "str", "choices": ["cluster", "tree"], "default": "cluster"},
    "tree": {"type": "list", "elements": "path", "default": []},
    "from": {"type": "str"},
    "to": {"type": "str"},
    "port": {"type": "int"},
    "method": {"type": "str"},
    "path": {"type": "str"},
    "request_host": {"type": "str"},
    "headers": {"type": "dict"},
    "claims": {"type": "dict"},
    "source_ip": {"type": "str"},
    "namespace": {"type": "str"},
    "of": {"type": "str"},
    "root_namespace": {"type": "str"},
    "trust_domain": {"type": "str"},
}
#: What each query looks at, beside what all do.
REQUEST = ("port", "method", "path", "request_host", "headers", "claims", "source_ip")
LOOKED_AT = {"can": ("from", "to", *REQUEST), "matrix": ("namespace", *REQUEST), "explain": ("of",)}


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The answer as the result of the module."""
    _refuse_idle(params)
    world, doubt = _world(params)
    result = _answer(world, params)
    notes = [doubt] if doubt else []
    return {**result, "notes": notes, "summary": [*result["summary"], *(f"note: {note}" for note in notes)]}


def _refuse_idle(params: t.Mapping[str, t.Any]) -> None:
    """AmbientError for an option that the query does not look at, and where the namespace is empty."""
    query = params["query"]
    for option in sorted({each for group in LOOKED_AT.values() for each in group}.difference(LOOKED_AT[query])):
        if params[option] is not None:
            hint = f"Leave it out; {query} takes {', '.join(LOOKED_AT[query])}"
            raise AmbientError(f"is not looked at where {query} is asked", path=option, hint=hint)
    if params["namespace"] == "":
        hint = "Name one, or leave it out for all of the mesh (-e matrix=mesh)"
        raise AmbientError("is empty", path="namespace", hint=hint)


def _answer(world: World, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    if params["query"] == "can":
        answer = can(world, question_of(world, params))
        return {"answer": answer.data(), "summary": answer.lines()}
    if params["query"] == "matrix":
        found = matrix(world, params["namespace"] or "", request_of(params))
        return {"matrix": found.data(), "summary": found.lines()}
    explanation = explain(world, params["of"] or "")
    return {"explanation": explanation.data(), "summary": explanation.lines()}


def _world(params: t.Mapping[str, t.Any]) -> tuple[World, str]:
    """What is asked about, and what is in doubt about it."""
    if params["source"] == "tree":
        if not params["tree"]:
            raise AmbientError("is required", path="tree", hint="Name the files and directories of manifests")
        names = names_of(params)
        return read_tree(params["tree"], names.root, names.trust), ""
    if params["tree"]:
        raise AmbientError("is not looked at in a cluster", path="tree", hint="Set source to tree, or leave it out")
    client = connect(params)
    names = names_of(params, client.get)
    return read_cluster(client.list, names.root, names.trust), names.doubt


def main() -> None:
    """Run the module."""
    run_and_exit(ambient_module(OPTIONS), lambda module: run(module.params))


if __name__ == "__main__":
    main()
