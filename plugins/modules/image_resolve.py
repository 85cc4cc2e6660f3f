#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_resolve
short_description: Find the digests that images' tags stand for
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Asks the registries of images for the digests of their tags. Nothing is pulled.
  - It asks anonymously, with a token where the registry hands them out.
extends_documentation_fragment:
  - alauda.ambient.attributes.read_only
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: N/A
options:
  images:
    description: Images with their registries. One that has a digest is returned as it is.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Find the digest of istiod's image
  alauda.ambient.image_resolve:
    images:
      - registry.example.com/istio/pilot:1.31.0
  register: found
"""

RETURN = r"""
images:
  description: The images, in the order of the option.
  returned: success
  type: list
  elements: dict
  contains:
    ref:
      description: Repository and digest.
      type: str
    digest:
      description: Digest of the manifest or index.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.modules import Module, run_and_exit
from ..module_utils.oci.http import ask
from ..module_utils.oci.registry import parse_reference, resolve


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """The digests of the images."""
    found = []
    for index, image in enumerate(module.params["images"]):
        reference = parse_reference(image, f"images[{index}]")
        digest = resolve(reference, ask)
        found.append({"ref": f"{reference.repository}@{digest}", "digest": digest})
    return {"images": found}


def main() -> None:
    spec = {"images": {"type": "list", "elements": "str", "required": True}}
    run_and_exit(Module(spec), run)


if __name__ == "__main__":
    main()
