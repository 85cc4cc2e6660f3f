#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: chart_objects
short_description: Render Istio's official charts to a file of objects
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Renders the charts of one part of the mesh with C(helm template), profile C(ambient), and writes the objects,
    each with its wave and the label of the mesh, to one file that M(alauda.ambient.apply) and M(alauda.ambient.render)
    read.
  - No cluster is involved. Where no input has changed since the last run, Helm is not started and the file is not
    touched.
  - Helm 3 is needed.
extends_documentation_fragment:
  - alauda.ambient.attributes.without_diff
  - alauda.ambient.mesh.name
  - alauda.ambient.objects
options:
  role:
    description:
      - Which part of the mesh. V(control_plane) is the charts C(base) and C(istiod) and the Gateway API's CRDs.
    type: str
    choices: [control_plane, cni, ztunnel]
    required: true
  cache_dir:
    description: Folder for what is downloaded, and for the record of the last run.
    type: path
    required: true
  version:
    description: Istio's version. Charts of another version are refused.
    type: str
    required: true
  charts:
    description:
      - Where the charts come from. Exactly one of O(charts.directory), O(charts.archive), O(charts.repository).
    type: dict
    required: true
    suboptions:
      directory:
        description: A directory that holds the charts at any depth, such as C(manifests/charts) of an Istio release.
        type: path
      archive:
        description: Path or URL of a tar archive that holds the charts at any depth, such as an Istio release.
        type: str
      repository:
        description: URL of a chart repository (C(https), C(http) or C(oci)).
        type: str
      sha256:
        description:
          - Digest of the archive, as a string.
          - For a repository, a mapping of chart name (V(base), V(istiod), V(cni), V(ztunnel)) to the digest of its
            package.
        type: raw
  platform:
    description: The kind of cluster. An unknown one is refused with the list of those that are known.
    type: str
    default: generic
  values:
    description: The user's own Helm values by component (V(base), V(istiod), V(cni), V(ztunnel)), merged last.
    type: dict
    default: {}
  hub:
    description: Registry and folder of the images that O(images) does not name.
    type: str
    default: docker.io/istio
  tag:
    description: Tag of the images that O(images) does not name; by default O(version).
    type: str
    default: ''
  images:
    description:
      - Images by digest, C(repository@sha256:…), by name (V(pilot), V(proxyv2), V(install-cni), V(ztunnel)).
    type: dict
    default: {}
  discovery_selectors:
    description: Label selectors of the namespaces that istiod looks at; none means all.
    type: list
    elements: dict
    default: []
  gateway_api:
    description:
      - V(install) adds the Gateway API's CRDs to the objects. V(require) leaves them to whoever owns them.
    type: str
    choices: [install, require]
    default: require
  gateway_api_crds:
    description: Directory, file or URL of the CRDs; only with O(gateway_api=install).
    type: str
    default: ''
  gateway_api_sha256:
    description: Digest of the file; required for a URL.
    type: str
    default: ''
  helm:
    description: Path or name of the Helm 3 binary.
    type: str
    default: helm
"""

EXAMPLES = r"""
- name: Compute the objects of istio-cni
  alauda.ambient.chart_objects:
    role: cni
    version: 1.31.0
    charts:
      directory: /opt/istio-1.31.0/manifests/charts
    dest: /tmp/mesh/objects/cni.json
    cache_dir: /tmp/mesh/charts
  changed_when: false
  check_mode: false
"""

RETURN = r"""
file:
  description: The file with the objects.
  type: str
  returned: success
count:
  description: How many objects it holds.
  type: int
  returned: success
cached:
  description: Whether the file was still right, so that nothing had to be rendered.
  type: bool
  returned: success
"""

import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.charts.roles import COMPONENTS_OF, GatewayApi, Order, write_role
from ..module_utils.charts.values import Settings
from ..module_utils.modules import DEST, MESH_NAME, Module, run_and_exit


def argument_spec() -> dict[str, t.Any]:
    """Return the module's options."""
    return {
        "role": {"type": "str", "choices": list(COMPONENTS_OF), "required": True},
        **DEST,
        "cache_dir": {"type": "path", "required": True},
        **MESH_NAME,
        "version": {"type": "str", "required": True},
        "charts": {
            "type": "dict",
            "required": True,
            "options": {
                "directory": {"type": "path"},
                "archive": {"type": "str"},
                "repository": {"type": "str"},
                "sha256": {"type": "raw"},
            },
        },
        "platform": {"type": "str", "default": "generic"},
        "values": {"type": "dict", "default": {}},
        "hub": {"type": "str", "default": "docker.io/istio"},
        "tag": {"type": "str", "default": ""},
        "images": {"type": "dict", "default": {}},
        "discovery_selectors": {"type": "list", "elements": "dict", "default": []},
        "gateway_api": {"type": "str", "choices": ["install", "require"], "default": "require"},
        "gateway_api_crds": {"type": "str", "default": ""},
        "gateway_api_sha256": {"type": "str", "default": ""},
        "helm": {"type": "str", "default": "helm"},
    }


def order_of(params: t.Mapping[str, t.Any]) -> Order:
    """Return the order that the module's parameters describe."""
    settings = Settings(
        version=params["version"],
        platform=params["platform"],
        hub=params["hub"],
        tag=params["tag"],
        images={name: str(ref) for name, ref in params["images"].items() if ref},
        discovery_selectors=params["discovery_selectors"],
        user={component: values for component, values in params["values"].items() if values is not None},
    )
    gateway_api = GatewayApi(
        install=params["gateway_api"] == "install",
        source=params["gateway_api_crds"],
        sha256=params["gateway_api_sha256"],
    )
    return Order(params["role"], params["mesh"], params["charts"], settings, gateway_api)


def _copied(dest: Path, directory: Path) -> Path:
    """A stand-in for the file that must not be written."""
    copy = directory / dest.name
    if dest.is_file():
        shutil.copyfile(dest, copy)
    return copy


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Write the file, or only foresee that, and say how much is in it."""
    params, dest = module.params, Path(module.params["dest"])
    with tempfile.TemporaryDirectory(prefix="ambient-check-") as temporary:
        if module.check_mode:
            dest = _copied(dest, Path(temporary))
        written = write_role(order_of(params), dest, Path(params["cache_dir"]), params["helm"])
    return {"changed": written.changed, "file": params["dest"], "count": written.count, "cached": written.cached}


def main() -> None:
    """Run the module."""
    run_and_exit(Module(argument_spec()), run)


if __name__ == "__main__":
    main()
