#!/usr/bin/python
# Copyright: Alauda
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a set of Kubernetes objects as a tree of manifests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: render
short_description: Render a whole set of Kubernetes objects as a tree of manifests
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Writes the same objects that M(alauda.ambient.apply) would apply, one file per object, in folders that sort like the
    waves.
  - The same objects give the same bytes. Files that are up to date are not touched, files that this module wrote and
    that are no longer wanted are removed, and files that others have put beside them are left alone.
  - The tree is written as a whole. After a failure it is as it was before; after a kill the next run puts it back
    first. Two runs never write the same tree at once.
  - Every manifest carries its sync wave for Argo CD. Patches on objects of others carry the options that keep Argo CD
    from deleting them.
  - Secrets are refused, because their values would stand in a file.
options:
  files:
    description: Files that the roles wrote, Kubernetes manifests (YAML or JSON), or directories of these.
    type: list
    elements: path
    required: true
  dest:
    description:
      - The directory of the tree. It is created where it is missing.
      - Directories of the system, a home directory, what lies in C(.git), and a directory with files of others in which
        no tree has been rendered yet are refused. What is put beside the tree later is left alone.
    type: path
    required: true
  mesh:
    description: The mesh to which the objects belong; it is named in the tree's README.
    type: str
    default: default
extends_documentation_fragment:
  - alauda.ambient.attributes
seealso:
  - module: alauda.ambient.apply
"""

EXAMPLES = r"""
- name: Render everything that the roles have computed
  alauda.ambient.render:
    files:
      - ~/.ansible/alauda.ambient/cluster-one/objects
    dest: ~/git/mesh/cluster-one
"""

RETURN = r"""
written:
  description: The files that were or would be written, relative to O(dest).
  type: list
  elements: str
  returned: always
  sample: [030-istiod/deployment-istio-system-istiod.yaml]
removed:
  description: The files that were or would be removed, relative to O(dest).
  type: list
  elements: str
  returned: always
objects:
  description: How many manifests the tree holds.
  type: int
  returned: always
dest:
  description: The directory of the tree, absolute.
  type: str
  returned: always
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.manifests.disk import foresee_tree, write_tree
from ..module_utils.manifests.items import load_items
from ..module_utils.manifests.tree import tree_files
from ..module_utils.modules import MESH_NAME, Module, Spec, run_and_exit

OPTIONS: Spec = {
    "files": {"type": "list", "elements": "path", "required": True},
    "dest": {"type": "path", "required": True},
    **MESH_NAME,
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """The module's result; unless asked for more, a diff tells new and removed files in a line."""
    params, dest = module.params, Path(module.params["dest"])
    files = tree_files(load_items(params["files"]).items, params["mesh"])
    change = foresee_tree(dest, files) if module.check_mode else write_tree(dest, files)
    result: dict[str, t.Any] = {
        "changed": bool(change.written or change.removed),
        "written": list(change.written),
        "removed": list(change.removed),
        "objects": len(files) - 1,
        "dest": params["dest"],
    }
    if module._diff:
        brief = module._verbosity == 0
        result["diff"] = [_diff(path, before, files.get(path, ""), brief) for path, before in change.before.items()]
    return result


def _diff(path: str, before: str, after: str, brief: bool) -> dict[str, str]:
    if brief and not (before and after):
        word = "removed" if before else "written"
        lines = (before or after).count("\n")
        return {"prepared": f"{word}: {path} ({lines} lines)\n"}
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def main() -> None:
    """Run the module."""
    run_and_exit(Module(OPTIONS), run)


if __name__ == "__main__":
    main()
