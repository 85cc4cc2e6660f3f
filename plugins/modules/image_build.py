#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build container images as OCI layouts
version_added: 0.1.0
author: Alauda Service Mesh team (@alauda)
description:
  - Puts files on a base as a definition (C(image.yml)) says, and writes each image as an OCI image layout.
  - It needs no container engine and no root, and runs nothing inside the image.
  - Entries are sorted, times and owners fixed and layers left uncompressed, so that equal inputs give an equal digest
    on every machine.
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
  images:
    description: The images, built in this order. Images with the same base share its layer.
    type: list
    elements: dict
    required: true
    suboptions:
      definition:
        description:
          - Path of the image's C(image.yml).
          - Its keys are V(base) (V(scratch), or one of C(archive), C(layout), C(source)), V(files) (each with one of
            C(source), C(content), C(directory), and C(target), C(mode)), V(user), V(entrypoint), V(cmd), V(env),
            V(labels), V(workdir), V(platform).
        type: path
        required: true
      ref:
        description: Repository of the image, without tag and digest.
        type: str
        required: true
      dest:
        description:
          - Directory of the layout. The image's state file lies next to it, C(<dest>.state.json), and so do downloads.
        type: path
        required: true
      sources:
        description:
          - The files that the definition refers to by name.
          - Each is a path, or a mapping with C(path) or C(url), C(sha256) (must be given with a URL; another one is an
            error) and C(member) (a file inside the tar archive at C(path)).
        type: dict
        default: {}
      base:
        description: Takes the place of the definition's base; V(scratch), a root file system archive, or an OCI layout.
        type: str
      labels:
        description: Labels that are added to the definition's.
        type: dict
        default: {}
  force:
    description:
      - Whether to read every source and every blob again, instead of trusting their size, time and inode.
      - An image that is right is left as it is.
    type: bool
    default: false
  progress_file:
    description: File for lines about what is being done. Set by the action plugin, which shows them.
    type: path
"""

EXAMPLES = r"""
- name: Build istiod's image
  alauda.ambient.image_build:
    images:
      - definition: images/pilot/image.yml
        ref: registry.example.com/istio/pilot
        dest: build/images/pilot
        sources:
          pilot-discovery:
            url: https://files.example.com/pilot-discovery-1.31.0
            sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          ca-certificates: /etc/ssl/certs/ca-certificates.crt
  register: built

- name: Show what to deploy
  ansible.builtin.debug:
    msg: "{{ built.images[0].ref }}"
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
      sample: registry.example.com/istio/pilot@sha256:1738e968642197801cb355de3c42b043619759d235da0bcbfc89197e825eaf25
    digest:
      description: Digest of the manifest.
      type: str
    size:
      description: Size of all blobs in bytes.
      type: int
    layers:
      description: The layers' digests and sizes in bytes, from the base upwards.
      type: list
      elements: dict
    layout:
      description: Directory of the layout.
      type: str
written:
  description: The layouts that were, or would be, written.
  returned: success
  type: list
  elements: str
"""

import re
import typing as t
from pathlib import Path

from ..module_utils.errors import AmbientError
from ..module_utils.manifests import yaml
from ..module_utils.manifests.files import read_text
from ..module_utils.modules import Module, with_absolute_paths
from ..module_utils.oci.build import Builder, Image
from ..module_utils.oci.definition import Definition, parse_definition, refuse_password
from ..module_utils.oci.inputs import Request
from ..module_utils.oci.sources import SourceSpec
from ..module_utils.progress import Progress

_REPOSITORY = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")


def read_definition(path: str) -> Definition:
    """An image.yml from disk."""
    documents = yaml.load_values(read_text(Path(path), "Give the path of an image.yml"), path)
    if len(documents) > 1:
        raise AmbientError(f"holds {len(documents)} YAML documents", path=path, hint="Describe one image in it")
    return parse_definition(documents[0] if documents else None, path)


def source_spec(value: object, where: str) -> SourceSpec:
    """A source from the option: a path or a mapping."""
    if isinstance(value, str):
        return SourceSpec(path=value)
    keys = ("path", "url", "member", "sha256")
    if not isinstance(value, dict):
        raise AmbientError("must be a path or a mapping", path=where, hint=f"A mapping has {', '.join(keys)}")
    for key, item in value.items():
        if key not in keys or not isinstance(item, str):
            what = f"unknown key {key!r}" if key not in keys else f"{key} must be text"
            raise AmbientError(what, path=where, hint=f"Known are {', '.join(keys)}")
    return SourceSpec(**value)


def request(image: dict[str, t.Any], where: str) -> Request:
    """One item of the option O(images)."""
    if not _REPOSITORY.fullmatch(image["ref"]):
        raise AmbientError(
            f"{image['ref']!r} is no repository",
            path=f"{where}.ref",
            hint="Give it as host/name, without tag and digest",
        )
    for name, value in image["labels"].items():
        if not isinstance(value, str):
            raise AmbientError("must be text", path=f"{where}.labels.{name}", hint="Quote it")
        refuse_password(value, f"{where}.labels.{name}")
    return Request(
        definition=read_definition(image["definition"]),
        dest=Path(image["dest"]),
        sources={name: source_spec(value, f"{where}.sources.{name}") for name, value in image["sources"].items()},
        base=image["base"] or "",
        labels=image["labels"],
    )


def fetch(url: str) -> t.IO[bytes]:
    """Open a URL, with Ansible's ways of proxies and certificates."""
    from ansible.module_utils.urls import open_url  # here, because it is slow to import and seldom needed

    return t.cast("t.IO[bytes]", open_url(url, timeout=60, http_agent="alauda.ambient"))


def result(option: dict[str, t.Any], image: Image) -> dict[str, t.Any]:
    return {
        "ref": f"{option['ref']}@{image.digest}",
        "digest": image.digest,
        "size": image.size,
        "layers": [{"digest": blob.digest, "size": blob.size} for blob in image.layers],
        "layout": option["dest"],
    }


def diff(option: dict[str, t.Any], image: Image) -> dict[str, str]:
    return {
        "before_header": option["dest"],
        "after_header": option["dest"],
        "before": f"{option['ref']}@{image.before}\n" if image.before else "",
        "after": f"{option['ref']}@{image.digest}\n",
    }


def main() -> None:
    image_spec = {
        "definition": {"type": "path", "required": True},
        "ref": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "sources": {"type": "dict", "default": {}},
        "base": {"type": "str"},
        "labels": {"type": "dict", "default": {}},
    }
    module = Module(
        {
            "images": {"type": "list", "elements": "dict", "required": True, "options": image_spec},
            "force": {"type": "bool", "default": False},
            "progress_file": {"type": "path"},
        },
    )
    options = with_absolute_paths(module).params["images"]
    try:
        requests = [request(image, f"images[{index}]") for index, image in enumerate(options)]
        builder = Builder(requests, fetch, write=not module.check_mode, force=module.params["force"])
        progress, images = Progress(module.params["progress_file"]), []
        for option, image in zip(options, builder.build(), strict=False):
            images.append(image)
            progress.say(f"{option['ref']}: {'built' if image.changed else 'unchanged'}, {image.size >> 20} MiB")
    except AmbientError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'image_build'}: {error.strerror}")
    module.exit_json(
        changed=any(image.changed for image in images),
        written=[option["dest"] for option, image in zip(options, images, strict=True) if image.changed],
        images=[result(option, image) for option, image in zip(options, images, strict=True)],
        diff=[diff(option, image) for option, image in zip(options, images, strict=True) if image.changed],
    )


if __name__ == "__main__":
    main()
