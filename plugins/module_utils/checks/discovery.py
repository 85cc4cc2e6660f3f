# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces the istiod sees that is in the cluster already."""

from __future__ import annotations

from ..errors import AmbientError
from ..manifests import yaml
from ..manifests.identity import labels_of, name_of, namespace_of
from ..mesh.selectors import Selector, check_selectors, selects
from . import found
from .context import Context, describe
from .findings import Outcome, Problem
from .found import ISTIOD
from .ours import is_ours
from .snapshot import CONFIG_MAPS, Object, SkipError

_REVISION = "istio.io/rev"
_DEFAULT = "default"


def seen_by_live_istiod(context: Context) -> Outcome:
    """AMB0410: ours gets its selectors from ambient_discovery_selectors (AMB0402); an istiod of others has its own."""
    theirs = [istiod for istiod in found.of(ISTIOD, context.cluster) if not is_ours(istiod)]
    joining = found.joining(context).values()
    if not theirs or not joining:
        return Outcome(note="no namespace joins" if theirs else "no istiod of others")
    selectors = {describe("Deployment", istiod): selectors_of(context, istiod) for istiod in theirs}
    return Outcome(
        [
            Problem(
                describe("Namespace", namespace),
                f"lies outside the discoverySelectors of {', '.join(selectors)}: its pods would get no certificate",
                "Give it a label that one of the selectors in the mesh configuration asks for, before it is enrolled",
            )
            for namespace in joining
            if not any(selects(each, labels_of(namespace)) for each in selectors.values())
        ]
    )


def selectors_of(context: Context, istiod: Object) -> list[Selector]:
    """The discoverySelectors in the mesh configuration of an istiod; SkipError where that cannot be read."""
    revision = labels_of(istiod).get(_REVISION) or _DEFAULT
    name = "istio" if revision == _DEFAULT else f"istio-{revision}"
    namespace = namespace_of(istiod)
    for config in context.cluster.list_in(CONFIG_MAPS, namespace, f"{_REVISION}={revision}"):
        if name_of(config) == name:
            return _read(f"ConfigMap {namespace}/{name}", str((config.get("data") or {}).get("mesh", "")))
    raise SkipError(f"no ConfigMap {namespace}/{name} with the mesh configuration")


def _read(where: str, text: str) -> list[Selector]:
    try:
        documents = yaml.load_all(text)
        mesh = documents[0] if documents else {}
        return list(check_selectors((mesh or {}).get("discoverySelectors") or []))
    except (AmbientError, AttributeError) as error:
        raise SkipError(f"{where} cannot be read: {error}") from error
