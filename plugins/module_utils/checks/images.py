# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the images of the components are there: on the nodes, or in a registry that answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..errors import AmbientError
from ..oci.http import ask
from ..oci.registry import Existence, existence, parse_reference
from .context import Context
from .findings import Outcome, Problem
from .found import containers_of
from .snapshot import NODES, SkipError

_CONNECTIONS = 4


def images_are_there(context: Context) -> Outcome:
    """AMB0112: an image that no registry has leaves half a mesh behind."""
    wanted = {
        str(container["image"])
        for obj in context.wishes.planned
        for container in containers_of(dict(obj))
        if container.get("image")
    }
    if not wanted:
        raise SkipError("the objects have not been computed yet; site.yml does")
    elsewhere = sorted(wanted - _on_every_node(context))
    if not elsewhere:
        return Outcome(note="on every node")
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        answers = dict(zip(elsewhere, pool.map(_look, elsewhere), strict=True))
    problems = [
        Problem(f"image {image}", "the registry does not have it", "Check ambient_hub, ambient_tag and ambient_images")
        for image, answer in answers.items()
        if answer is Existence.MISSING
    ]
    unknown = [image for image, answer in answers.items() if answer is Existence.UNKNOWN]
    if unknown and not problems:
        raise SkipError(f"from here no registry tells about {unknown[0]}")
    return Outcome(problems, note="in their registries")


def _look(image: str) -> Existence:
    try:
        return existence(parse_reference(image, "image"), ask)
    except AmbientError:
        return Existence.UNKNOWN


def _on_every_node(context: Context) -> set[str]:
    nodes = [node for node in context.cluster.all(NODES) if not (node.get("spec") or {}).get("unschedulable")]
    held = [
        {name for image in (node.get("status") or {}).get("images") or [] for name in image.get("names") or []}
        for node in nodes
    ]
    return set.intersection(*held) if held else set()
