#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_publish
short_description: Bring built images to where pods can use them
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Loads OCI layouts onto the nodes of a kind cluster, so that pods run them by digest without a registry.
  - Each node gets one stream, with only the images and blobs that it lacks.
requirements:
  - the C(docker) command
extends_documentation_fragment:
  - alauda.ambient.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  kind:
    description: The kind of destination. V(nodes) are containers that run containerd, as kind makes them.
    type: str
    choices: [nodes]
    default: nodes
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      layout:
        description: Directory of the image's OCI layout.
        type: path
        required: true
      ref:
        description: Repository under which pods name the image. With a digest, the layout must have that digest.
        type: str
        required: true
  kind_cluster:
    description: Name of the kind cluster whose nodes get the images.
    type: str
  nodes:
    description: Names of the nodes' containers.
    type: list
    elements: str
  docker_host:
    description: Address of docker's socket, such as V(unix:///var/run/docker.sock). Default is docker's own choice.
    type: str
  progress_file:
    description: File for lines about what is being done. Set by the action plugin, which shows them.
    type: path
"""

EXAMPLES = r"""
- name: Load istiod's image onto the nodes of a kind cluster
  alauda.ambient.image_publish:
    kind_cluster: ambient-demo
    images:
      - layout: build/images/pilot
        ref: ambient.local/pilot
"""

RETURN = r"""
refs:
  description: The images as pods name them, repository and digest, in the order of the option.
  returned: success
  type: list
  elements: str
nodes:
  description: What each node got, or would get.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node's container.
      type: str
    loaded:
      description: The images that it lacked.
      type: list
      elements: str
    sent_bytes:
      description: Size of the blobs that were sent.
      type: int
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.modules import Module, run_and_exit
from ..module_utils.oci.nodes import Docker, kind_nodes, load, missing, named_nodes
from ..module_utils.oci.shipment import shipment
from ..module_utils.progress import Progress


def publish(module: AnsibleModule) -> dict[str, t.Any]:
    """Uses the module's params and check_mode."""
    options = module.params
    docker = Docker(options["docker_host"] or "")
    images = [shipment(Path(item["layout"]).absolute(), item["ref"]) for item in options["images"]]
    cluster = options["kind_cluster"]
    nodes = kind_nodes(docker, cluster) if cluster else named_nodes(docker, options["nodes"])
    lacking = missing(docker, nodes, images)
    wanted = [item for item in lacking if item.images]
    progress = Progress(options["progress_file"])
    sent = load(docker, wanted, progress.say) if wanted and not module.check_mode else {}
    return {
        "changed": bool(wanted),
        "refs": [image.ref for image in images],
        "nodes": [
            {"name": item.node, "loaded": [image.ref for image in item.images], "sent_bytes": sent.get(item.node, 0)}
            for item in lacking
        ],
        "diff": [
            {
                "before_header": item.node,
                "after_header": item.node,
                "before": "".join(f"{image.ref}\n" for image in images if image not in item.images),
                "after": "".join(f"{image.ref}\n" for image in images),
            }
            for item in wanted
        ],
    }


def main() -> None:
    image = {"layout": {"type": "path", "required": True}, "ref": {"type": "str", "required": True}}
    module = Module(
        {
            "kind": {"type": "str", "choices": ["nodes"], "default": "nodes"},
            "images": {"type": "list", "elements": "dict", "required": True, "options": image},
            "kind_cluster": {"type": "str"},
            "nodes": {"type": "list", "elements": "str"},
            "docker_host": {"type": "str"},
            "progress_file": {"type": "path"},
        },
        required_one_of=[("kind_cluster", "nodes")],
        mutually_exclusive=[("kind_cluster", "nodes")],
    )
    run_and_exit(module, publish)


if __name__ == "__main__":
    main()
