#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Say whether a cluster can take, carry or lose an ambient mesh
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Looks at a cluster and reports findings, each with a stable code, a severity, the object it is about and what to do.
  - Only reads. The requests are GET, LIST and SelfSubjectAccessReview.
  - An installation by this collection is recognised by its label V(ambient.alauda.io/mesh), whoever applied it, and is
    never taken for a foreign mesh.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.attributes.read_only
  - alauda.ambient.attributes.action_group
  - alauda.ambient.mesh.discovery_selectors
  - alauda.ambient.mesh.trust_domain
options:
  phase:
    description:
      - V(pre) asks whether the mesh may be installed, V(namespaces) whether the declared namespaces can join or leave,
        V(mesh) whether a mesh that is there is well, V(uninstall) whether it may go, V(policies) whether policies,
        routes and the labels of waypoints say what they mean.
    type: list
    elements: str
    choices: [pre, mesh, namespaces, uninstall, policies]
    default: [pre]
  mesh:
    description: The declared mesh, as in the variable C(ambient_mesh).
    type: raw
    default: {}
  version:
    description: The version of Istio that shall be there.
    type: str
    default: ""
  platform:
    description: The platform that the objects are made for, as in C(ambient_platform). It is not looked at if empty.
    type: str
    default: ""
  gateway_api:
    description: Whether the Gateway API CRDs would be installed, or have to be there.
    type: str
    choices: [install, require]
    default: require
  files:
    description:
      - Files with the objects that would be applied. What they bring is compared with what is there.
      - A file that does not exist is passed over.
    type: list
    elements: path
    default: []
  source:
    description:
      - What to look at. V(tree) needs no cluster, and takes the phase V(policies) only. It says what holds as written;
        what a tree does not hold may be in the cluster.
    type: str
    choices: [cluster, tree]
    default: cluster
  tree:
    description: Manifests to look at with O(source=tree), files and folders of YAML or JSON.
    type: list
    elements: path
    default: []
  known_errors:
    description:
      - What an error of the phase V(policies) is that is there already, whatever O(files) bring. V(refuse) leaves it an
        error, V(warn) makes it a warning, so that a run is refused only for what it brings.
    type: str
    choices: [refuse, warn]
    default: refuse
  coexistence:
    description:
      - V(report) adds to the report what it would take to have this mesh beside the one that is there. It says which
        namespaces each of them sees, what both would use, and what can never be side by side.
      - This is for planning. Nothing of the kind is validated, and the findings stay what they are.
    type: str
    choices: [refuse, report]
    default: refuse
  only:
    description: Codes or categories of the only checks to run.
    type: list
    elements: str
    default: []
  skip:
    description: Codes or categories of checks to leave out. They are reported as skipped.
    type: list
    elements: str
    default: []
  fail_on:
    description: The least severity that makes the task fail.
    type: str
    choices: [error, warning, never]
    default: error
  report:
    description:
      - A file on the controller that gets the whole report as JSON. It is written only if its content changes, and not
        in check mode.
    type: path
  show:
    description:
      - Which lines the report on the terminal and RV(summary) have. V(all), or V(findings) for those of checks that did
        not pass, or V(nothing) on the terminal.
    type: str
    choices: [all, findings, nothing]
    default: all
seealso:
  - name: All checks
    description: One page for each code, with cause, risk and fix.
    link: https://github.com/alauda/ansible-collection-ambient/blob/main/docs/checks
"""

EXAMPLES = r"""
- name: May an ambient mesh be installed here?
  alauda.ambient.check:
    kubeconfig: ~/.kube/config
    context: production
    version: 1.31.0

- name: Look at a mesh that is there, without failing
  alauda.ambient.check:
    phase: [mesh, namespaces]
    mesh: "{{ ambient_mesh }}"
    fail_on: never
    report: /tmp/check.json
  register: health

- name: Look through policies before they are merged, without a cluster
  alauda.ambient.check:
    phase: [policies]
    source: tree
    tree: [deploy]

- name: Only other meshes
  alauda.ambient.check:
    only: [other-meshes]
    skip: [AMB0210]
"""

RETURN = r"""
ok:
  description: Whether there is no error among the findings.
  type: bool
  returned: always
coexistence:
  description: What both meshes would have in common.
  type: dict
  returned: with O(coexistence=report)
  contains:
    verdict:
      description: Whether the other mesh leaves room for this one. V(unknown) where what was not seen decides.
      type: str
      sample: alone
    meshes:
      description: What is there, the objects by the title of each mesh.
      type: dict
    never:
      description: What can never be side by side, and why.
      type: list
      elements: str
    ours:
      description: The namespaces that our istiod would see.
      type: list
      elements: str
    theirs:
      description: The namespaces that the other mesh sees or has its proxies in.
      type: list
      elements: str
    both:
      description: The namespaces on both sides.
      type: list
      elements: str
    shared:
      description: Objects in the cluster that both would use.
      type: list
      elements: str
    unknown:
      description: What could not be looked at.
      type: list
      elements: str
ours:
  description: How much of an installation by this collection is there.
  type: str
  returned: when the API server answers
  choices: [none, leftovers, half, complete]
  sample: complete
admission:
  description:
    - What C(ambient_admission=auto) comes to on this cluster. V(warn) where something is there that the admission
      policies would refuse, or where nobody could look.
  type: str
  returned: with the phase V(namespaces)
  choices: [deny, warn]
  sample: deny
checks:
  description: Each check with its code, category, title, status (pass, info, warning, error or skipped) and detail.
  type: list
  elements: dict
  returned: always
findings:
  description: What was found, the worst first.
  type: list
  elements: dict
  returned: always
  contains:
    code:
      description: Stable code of the check.
      type: str
      sample: AMB0203
    severity:
      description: One of error, warning and info.
      type: str
      sample: error
    category:
      description: Category of the check.
      type: str
      sample: other-meshes
    object:
      description: Kind, namespace and name of the object.
      type: str
      sample: Deployment istio-system/istiod
    message:
      description: What is the matter with it.
      type: str
      sample: Another istiod is running (1 of 1 ready)
    hint:
      description: What to do.
      type: str
      sample: Remove it (istioctl uninstall, helm uninstall), or leave this cluster to it
    url:
      description: The page that explains the check.
      type: str
summary:
  description: The report in plain lines.
  type: list
  elements: str
  returned: always
refused:
  description: Whether a finding is as bad as O(fail_on) or worse.
  type: bool
  returned: always
refusal:
  description: One line that says why the task fails. Empty if it does not.
  type: str
  returned: always
report_file:
  description: Where the report was written to.
  type: str
  returned: when O(report) is set, but not in check mode
"""

from typing import Any

from ..module_utils.argspec import ambient_module
from ..module_utils.checks.run import Request, examine
from ..module_utils.modules import DISCOVERY_SELECTORS, TRUST_DOMAIN, Module, Spec, run_and_exit

SPEC: Spec = {
    "phase": {
        "type": "list",
        "elements": "str",
        "choices": ["pre", "mesh", "namespaces", "uninstall", "policies"],
        "default": ["pre"],
    },
    "mesh": {"type": "raw", "default": {}},
    **DISCOVERY_SELECTORS,
    "version": {"type": "str", "default": ""},
    "platform": {"type": "str", "default": ""},
    "gateway_api": {"type": "str", "choices": ["install", "require"], "default": "require"},
    "coexistence": {"type": "str", "choices": ["refuse", "report"], "default": "refuse"},
    "source": {"type": "str", "choices": ["cluster", "tree"], "default": "cluster"},
    "tree": {"type": "list", "elements": "path", "default": []},
    **TRUST_DOMAIN,
    "known_errors": {"type": "str", "choices": ["refuse", "warn"], "default": "refuse"},
    "files": {"type": "list", "elements": "path", "default": []},
    "only": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
    "report": {"type": "path"},
    "show": {"type": "str", "choices": ["all", "findings", "nothing"], "default": "all"},
}


def run(module: Module) -> dict[str, Any]:
    """Look, and report; fails the module where the findings refuse."""
    answer = examine(Request.of({**module.params, "report": module.report_path()}), module.params)
    if answer.refused:
        module.fail_json(msg=answer.result["refusal"], changed=False, **answer.result)
    return answer.result


def main() -> None:
    """Entry point."""
    run_and_exit(ambient_module(SPEC), run)


if __name__ == "__main__":
    main()
