#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove an ambient mesh, or say what is not proven
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Each verification says V(pass), V(fail), V(not-proven) or V(skipped), and what it saw. What could not be looked at
    is never called a pass.
  - The V(passive) phase only reads. The V(active) phase also takes pods of its own through enrolment and back, in the
    namespaces C(ambient-verify) and C(ambient-verify-outside), which are gone afterwards. It never touches a namespace,
    pod or policy of a user.
  - Some of the reading goes to ports that pods open for themselves only (istiod's debug port, ztunnel's configuration
    dump) and needs the right to C(create) C(pods/portforward); the V(active) phase needs C(pods/exec) too.
extends_documentation_fragment:
  - alauda.ambient.auth
  - alauda.ambient.attributes
attributes:
  check_mode:
    support: partial
    details: The probe of the V(active) phase is skipped, for it needs pods, and no report is written.
      Reading goes on as ever.
  diff_mode:
    support: none
    details: Nothing is left changed.
  idempotent:
    support: full
options:
  phase:
    description: V(passive) only reads; V(active) reads, and then proves with probe pods.
    type: str
    choices: [passive, active]
    default: passive
  declaration:
    description:
      - What is declared, as the variable C(ambient_mesh) holds it. What it asks for is looked for; where it asks for
        nothing of a kind, nothing of that kind is read.
      - Its name is the mesh that the probe's namespaces carry as the label C(ambient.alauda.io/mesh).
    type: raw
    default: {}
  namespaces:
    description:
      - Limits the V(passive) phase to these of the declared namespaces, and to the waypoints that they use. The
        components of the mesh are looked at all the same.
      - Empty means all that is declared.
    type: list
    elements: str
    default: []
  image:
    description:
      - Image of the probe's pods. It has C(/usr/local/bin/server) and C(/usr/local/bin/client) of Istio's echo
        application and names a numeric user other than root.
      - Required with O(phase=active).
    type: str
  discovery_labels:
    description: Labels that the discovery selectors of istiod ask of a namespace; the probe's namespaces get them.
    type: dict
    default: {}
  timeout:
    description: Seconds that the probe's pods may take to become ready.
    type: int
    default: 60
  settle:
    description: Seconds to look again while something fails; what was just enrolled needs a moment.
    type: int
    default: 15
  images:
    description: Where images come from, by name, as the role C(images) notes it. Only used for the report.
    type: dict
    default: {}
  images_file:
    description: The file that the role C(images) has written, with the same content as O(images), which goes before it.
    type: path
  versions:
    description: Further versions for the report.
    type: dict
    default: {}
  report:
    description: A file on the controller that gets the report as JSON. In check mode it is left as it is.
    type: path
  waypoint:
    description: Whether the V(active) phase makes a waypoint of its own and proves what one does.
    type: bool
    default: true
  waypoint_manifests:
    description:
      - Further objects for the probe's waypoint, for images that lack Istio's own filters. They get the namespace of
        the waypoint; its Gateway is called C(waypoint).
      - Kinds of the API groups under C(istio.io), and ConfigMap.
    type: list
    elements: dict
    default: []
  disrupt:
    description:
      - Whether the V(active) phase may restart ztunnel on the node of its server, and its waypoint, while requests run.
      - Restarting ztunnel cuts the connections of every pod in the mesh on that node.
    type: bool
    default: false
  fail_on:
    description: What makes the task fail. V(not-proven) also fails for what was skipped.
    type: str
    choices: [failed, not-proven, never]
    default: failed
  progress_file:
    description: A file to which one line is appended for each step. The action plugin uses it to show progress.
    type: path
"""

EXAMPLES = r"""
- name: What does reading show?
  alauda.ambient.verify:
    kubeconfig: ~/.kube/config
    context: production
    declaration:
      namespaces:
        - name: shop
          state: l4

- name: Look at one batch of namespaces after its step
  alauda.ambient.verify:
    declaration: "{{ ambient_mesh }}"
    namespaces: [shop, till]

- name: Prove the data path with probe pods
  alauda.ambient.verify:
    phase: active
    image: registry.example.com/istio/app:1.31.0
    report: build/report.json
"""

RETURN = r"""
outcome:
  description: V(verified) if all that was asked for passed, V(failed) if anything failed, else V(partly-proven).
  type: str
  returned: always
  choices: [verified, partly-proven, failed]
  sample: partly-proven
checks:
  description: Every verification.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Stable name of the verification.
      type: str
      sample: probe-strict
    title:
      description: What it is about.
      type: str
      sample: STRICT refuses a client outside the mesh
    result:
      description: One of pass, fail, not-proven and skipped.
      type: str
      sample: pass
    evidence:
      description: What was seen, or why nothing was.
      type: str
      sample: both pods stayed Ready without a restart for 9 s after enrolment, 5 s of it under STRICT
    advice:
      description: What to do. Only there for failures.
      type: str
      sample: See the log of istio-cni on their nodes
versions:
  description: Versions of what is installed.
  type: dict
  returned: always
  sample: {istio: 1.31.0, kubernetes: v1.34.4}
images:
  description: The images that run, each with name, digest and source.
  type: list
  elements: dict
  returned: always
namespaces:
  description: The namespaces that are enrolled.
  type: list
  elements: str
  returned: always
  sample: [shop]
summary:
  description: The report in plain lines.
  type: list
  elements: str
  returned: always
refusal:
  description: One line that says what failed, where, and what to do. Empty if nothing failed.
  type: str
  returned: always
report_file:
  description: Where the report was written to.
  type: str
  returned: when O(report) is set, but not in check mode
"""

import signal
from pathlib import Path
from typing import Any

from ..module_utils.argspec import ambient_module
from ..module_utils.errors import AmbientError
from ..module_utils.kube.connection import connect
from ..module_utils.manifests.files import load_json, read_text
from ..module_utils.modules import Module, Spec, run_and_exit
from ..module_utils.progress import Progress
from ..module_utils.verify.live import LiveCluster
from ..module_utils.verify.report import write
from ..module_utils.verify.run import Answer, Request, verify

SPEC: Spec = {
    "phase": {"type": "str", "choices": ["passive", "active"], "default": "passive"},
    "declaration": {"type": "raw", "default": {}},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "image": {"type": "str"},
    "discovery_labels": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 60},
    "settle": {"type": "int", "default": 15},
    "images": {"type": "dict", "default": {}},
    "images_file": {"type": "path"},
    "versions": {"type": "dict", "default": {}},
    "report": {"type": "path"},
    "waypoint": {"type": "bool", "default": True},
    "waypoint_manifests": {"type": "list", "elements": "dict", "default": []},
    "disrupt": {"type": "bool", "default": False},
    "fail_on": {"type": "str", "choices": ["failed", "not-proven", "never"], "default": "failed"},
    "progress_file": {"type": "path"},
}


def run(module: Module) -> dict[str, Any]:
    """Verify, and write the report; fails the module where not enough is proven."""
    params = {**module.params, "images": {**_noted(module.params["images_file"]), **module.params["images"]}}
    request = Request.of(params, write_nothing=module.check_mode)
    answer = verify(LiveCluster(connect(module.params)), request, Progress(module.params["progress_file"]))
    result = {"changed": False, **answer.data, "summary": answer.lines, "refusal": answer.refusal}
    path = module.report_path()
    if path:
        write(path, answer.data)
        result["report_file"] = path
        result["summary"].append(f"  report      {path}")
    reason = _reason(answer, module.params["fail_on"])
    if reason:
        module.fail_json(msg=reason, **result)
    return result


def _noted(path: str | None) -> dict[str, Any]:
    """What the role images has noted."""
    if not path:
        return {}
    noted = load_json(read_text(Path(path)), path)
    if not isinstance(noted, dict):
        raise AmbientError("is no mapping of images", path=path, hint="The role images writes it: run images.yml again")
    return noted


def _reason(answer: Answer, fail_on: str) -> str:
    if fail_on == "never":
        return ""
    if answer.refusal or fail_on == "failed" or answer.data["outcome"] == "verified":
        return answer.refusal
    return "Not everything is proven. The report says what, and why"


def _end(signum: int, frame: object) -> None:
    raise SystemExit(f"ended by signal {signum}")


def main() -> None:
    """Entry point."""
    module = ambient_module(SPEC, required_if=[("phase", "active", ["image"])])
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end)  # so that the probe is removed
    run_and_exit(module, run)


if __name__ == "__main__":
    main()
