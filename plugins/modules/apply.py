#!/usr/bin/python
# Copyright: Alauda
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a set of Kubernetes objects in waves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply or remove a whole set of Kubernetes objects in safe order
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Applies objects from files by server-side apply, wave by wave, over a few connections at once.
  - Waits after each wave until what it wrote is ready, and says why when it does not become so.
  - What is unchanged is not written. That is decided from a record of the last apply, which is kept in the cluster.
  - In check mode the result is the plan. RV(waves) names the waves in which something is written.
  - What an earlier run has applied and what is no longer listed is shown in RV(prune), and left alone without O(prune).
  - One run at a time writes to a mesh. Another waits for it, at most O(lock_timeout) seconds.
options:
  files:
    description:
      - Files of the roles, manifests (YAML, JSON), or directories of these. Required without O(objects).
      - A path under which there is no object is an error, unless it is the file of a role.
    type: list
    elements: path
  objects:
    description: Kubernetes manifests as values. An empty list makes all that O(inventory) holds prune candidates.
    type: list
    elements: dict
  inventory:
    description:
      - The name under which objects from O(objects) and from manifests are remembered. Those from files of roles are
        remembered under the name of their role.
      - Two sets of objects need two names, else each finds the other's objects no longer listed.
    type: str
    default: manifests
  state:
    description:
      - V(present) applies the objects.
      - V(absent) deletes those that are ours, in reverse order, and releases what patches have set.
        An object that was there before the first apply stays, without our fields. What the inventory holds beyond
        the listed objects is shown as candidates and goes only with O(prune=true).
        A namespace that was created only for the inventory goes last, if nothing else is in it.
    type: str
    choices: [present, absent]
    default: present
  waves:
    description: Limits the run to these waves.
    type: list
    elements: int
  namespaces:
    description:
      - Limits the run, with O(prune), to what is in these namespaces and to these Namespaces themselves. All else is
        neither written nor waited for, and stays in the inventory as it is. An empty list leaves nothing to do.
    type: list
    elements: str
  settle:
    description: How many seconds to pause after what moves traffic (waves 45 to 70), before what relies on it.
    type: int
    default: 0
  require_ready:
    description:
      - Whether labels move traffic only to what is ready just then, and policies narrow (wave 70) only beside that,
        whichever run wrote it. Needed are istiod, the waypoints that the labels name, and istio-cni and ztunnel on each
        node that runs pods of the namespace. What is rolling out is waited for (not with O(wait=false)), anything else
        refuses at once, and nothing is written then. Leaving a waypoint or the mesh needs nothing.
      - V(false) is for going back to what was before. Then no Service has to be bound to its waypoint either.
    type: bool
    default: true
  followed_by:
    description:
      - Files that will be applied right after this run, as its next steps. What they lead traffic to must be ready
        before this run writes anything.
    type: list
    elements: path
  prune:
    description:
      - Whether to take away what is no longer listed. What narrows (wave 70) goes before the first write, labels
        (waves 45 to 69) before wave 70 is written, the rest last, in reverse order; each wave waits until its
        objects are gone. Patches and objects that were there before only lose our fields.
      - An object that another manager has taken over is kept, and the manager is named.
      - Only a run over all waves prunes; with O(waves) nothing is looked for.
    type: bool
    default: false
  prune_cluster_scoped:
    description: Whether O(prune) may delete Namespaces and CustomResourceDefinitions, with everything in them.
    type: bool
    default: false
  lock_timeout:
    description: How many seconds to wait for another run that writes to the same mesh.
    type: int
    default: 60
  force_conflicts:
    description: Whether to take over fields that another manager holds with another value.
    type: bool
    default: false
  work_dir:
    description: Directory for the file that accounts for every object.
    type: path
    default: ~/.ansible/alauda.ambient
  progress_file:
    description: File to which a line is added every few seconds while waiting. The action plugin sets and shows it.
    type: path
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.auth.requirements
  - alauda.ambient.wait
  - alauda.ambient.attributes
  - alauda.ambient.attributes.action_group
  - alauda.ambient.mesh.name
  - alauda.ambient.mesh.inventory
seealso:
  - module: alauda.ambient.render
"""

EXAMPLES = r"""
- name: Apply everything that the roles have computed
  alauda.ambient.apply:
    kubeconfig: ~/.kube/cluster-one
    files:
      - ~/.ansible/alauda.ambient/cluster-one/objects

- name: See what would be written
  alauda.ambient.apply:
    files: [manifests/]
  check_mode: true
  register: plan

- name: Apply one wave
  alauda.ambient.apply:
    files: [manifests/]
    waves: [-20]
  when: -20 in plan.waves

- name: Apply manifests given as values, and delete those of the last run that are not among them
  alauda.ambient.apply:
    objects: "{{ shop_objects }}"
    inventory: shop
    prune: true

- name: Apply an operator's object, and wait until its controller has done the work
  alauda.ambient.apply:
    objects:
      - "{{ istio }}"
    inventory: operator
    wait_for:
      - api_version: sailoperator.io/v1
        kind: Istio
        name: default
        condition:
          type: Ready
      - api_version: v1
        kind: Service
        namespace: istio-ingress
        name: gateway
        jsonpath: '{.status.loadBalancer.ingress[0].ip}'

- name: Take it all away
  alauda.ambient.apply:
    files: [manifests/]
    state: absent
"""

RETURN = r"""
waves:
  description: The waves in which something is or would be written, in the order in which they run.
  type: list
  elements: int
  returned: always
  sample: [-30, 0]
created:
  description: The created objects.
  type: list
  elements: dict
  returned: always
changed_objects:
  description: The objects that were changed, deleted or released, with the paths that differ.
  type: list
  elements: dict
  returned: always
  sample:
    - object: apps/v1 Deployment istio-system/istiod
      wave: 0
      role: control_plane
      action: changed
      paths: [spec.replicas]
failed_objects:
  description: The objects that failed, each with its reason.
  type: list
  elements: dict
  returned: always
prune:
  description:
    - What is no longer listed. C(action) is V(candidate) for what stays until O(prune=true) is given,
      V(deleted) or V(released) for what went or would go, and V(kept) for what another manager has taken over.
  type: list
  elements: dict
  returned: always
  sample:
    - object: v1 ConfigMap istio-system/old
      wave: -10
      role: control_plane
      action: candidate
      reason: prune deletes it
      listed: false
counts:
  description: How many objects had which outcome.
  type: dict
  returned: always
  sample: {created: 1, changed: 0, unchanged: 43, failed: 0, pending: 0}
report_file:
  description: The file that accounts for every object.
  type: str
  returned: always
summary:
  description: The outcome in lines for people.
  type: list
  elements: str
  returned: always
"""

import typing as t
from dataclasses import replace

from ..module_utils.argspec import ambient_module
from ..module_utils.errors import AmbientError
from ..module_utils.kube import outcome as words
from ..module_utils.kube.apply import Applier
from ..module_utils.kube.conditions import WAIT_OPTIONS, parse, wait_for
from ..module_utils.kube.connection import connect
from ..module_utils.kube.delete import Remover
from ..module_utils.kube.given import later_steps, refuse_bad_options, settings_of
from ..module_utils.manifests.items import load_items
from ..module_utils.modules import INVENTORY, MESH_NAME, Spec

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..module_utils.kube.outcome import Outcome

OPTIONS: Spec = {
    **WAIT_OPTIONS,
    "files": {"type": "list", "elements": "path"},
    "objects": {"type": "list", "elements": "dict", "no_log": True},  # Secrets may be among them
    "inventory": {"type": "str", "default": "manifests"},
    **MESH_NAME,
    **INVENTORY,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "waves": {"type": "list", "elements": "int"},
    "namespaces": {"type": "list", "elements": "str"},
    "settle": {"type": "int", "default": 0},
    "require_ready": {"type": "bool", "default": True},
    "followed_by": {"type": "list", "elements": "path"},
    "prune": {"type": "bool", "default": False},
    "prune_cluster_scoped": {"type": "bool", "default": False},
    "lock_timeout": {"type": "int", "default": 60},
    "force_conflicts": {"type": "bool", "default": False},
    "work_dir": {"type": "path", "default": "~/.ansible/alauda.ambient"},
    "progress_file": {"type": "path"},
}


def run(params: Mapping[str, t.Any], check: bool, diff: bool = False) -> list[Outcome]:
    """One outcome per object."""
    refuse_bad_options(params)
    settings = settings_of(params, check, diff)
    conditions = parse(params["wait_for"] or [])
    listed = load_items(params["files"] or [], params["objects"], params["inventory"])
    settings = replace(settings, ahead=later_steps(params["followed_by"] or []))
    client = connect(params)
    if params["state"] == "absent":
        return Remover(client, settings, listed.items, listed.roles).run()
    outcomes = Applier(client, settings, listed.items, listed.roles).run()
    if conditions and not check and not any(outcome.action == words.FAILED for outcome in outcomes):
        outcomes += wait_for(client, conditions, settings.timeout, settings.progress)
    return outcomes


def result_of(outcomes: Sequence[Outcome], params: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The module's result, without a diff."""
    absent = params["state"] == "absent"
    name = "-".join(["absent" if absent else "apply", *map(str, params["waves"] or [])])
    return {
        "changed": any(outcome.action in words.WRITES for outcome in outcomes),
        "waves": words.waves_to_write(outcomes, reverse=absent),
        "created": words.entries(outcomes, words.CREATED),
        "changed_objects": words.entries(outcomes, words.CHANGED, words.DELETED, words.RELEASED),
        "failed_objects": words.entries(outcomes, words.FAILED),
        "prune": [outcome.entry() for outcome in outcomes if outcome.prune],
        "counts": words.counts(outcomes),
        "report_file": words.write_report(params["work_dir"], name, outcomes),
        "summary": words.summary(outcomes),
    }


def main() -> None:
    """Run the module."""
    module = ambient_module(OPTIONS, required_one_of=[("files", "objects")])
    params = dict(module.params)
    module.params.pop("objects")  # else all of it stands in the result, as the invocation
    try:
        outcomes = run(params, module.check_mode, module._diff)
        result = result_of(outcomes, params)
    except AmbientError as error:
        module.fail_json(msg=str(error))
    if module._diff:
        result["diff"] = words.diffs(outcomes, brief=module._verbosity == 0)
    failures = result["failed_objects"]
    if failures:
        first = failures[0]
        more = f" (and {len(failures) - 1} more, see {result['report_file']})" if len(failures) > 1 else ""
        module.fail_json(msg=f"{first['object']}: {first['reason']}{more}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
