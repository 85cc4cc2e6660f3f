# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rounds: when each kills what, and what its run of site.yml finds to do. All drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ROUNDS = 20
QUICK = 3
_SEED = "ambient"
_FROM_NOTHING = (7, 12)  # one of each kind of kill
# Seconds in which such a run has something to write and to wait for, after its first write.
_WRITING = {True: 20.0, False: 8.0}
_BEFORE = 6.0  # seconds for which it reads and plans
_EARLY = 0.15  # share of the kills that come before the first write

NAMESPACES = ("kills-1", "kills-2", "kills-3")
_STATES = ("l4", "off", "")  # "": not declared
_ADMISSION = "admissionregistration.k8s.io/v1"
# One of ours from each early wave. Nothing depends on them for the seconds in which they are missing.
_DELETED = (
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "wasmplugins.extensions.istio.io", ""),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding", "safe-upgrades.gateway.networking.k8s.io", ""),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "istio-reader-clusterrole-istio-system", ""),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "istio-cni-repair-rolebinding", ""),
    ("v1", "ConfigMap", "istio-cni-config", "istio-cni"),
    ("v1", "Service", "istiod", "istio-system"),
    (_ADMISSION, "ValidatingWebhookConfiguration", "istiod-default-validator", ""),
    ("apps/v1", "DaemonSet", "ztunnel", "ztunnel"),
)


@dataclass(frozen=True)
class Round:
    """One kill.

    Attributes:
        parent_alone: whether only ansible-playbook is killed, or all that it has started, too.
        from_nothing: whether the cluster has no mesh when the run starts.
        after_first_write: seconds from the run's first write to the kill; if negative, from its start.
        deleted: objects of ours that are taken away before the run.
        states: the declared states of the test's namespaces.
        restarted: charts whose pods get a new annotation, and so a rollout.
    """

    number: int
    parent_alone: bool
    from_nothing: bool
    after_first_write: float
    deleted: tuple[tuple[str, str, str, str], ...]
    states: tuple[str, ...]
    restarted: tuple[str, ...]

    def __str__(self) -> str:
        what = "parent" if self.parent_alone else "everything"
        return f"{self.number:02d}-{what}{'-from-nothing' if self.from_nothing else ''}"

    def mesh(self) -> dict[str, Any]:
        """The declared mesh; the shop is always in it."""
        declared = [
            {"name": name, "state": state} for name, state in zip(NAMESPACES, self.states, strict=True) if state
        ]
        return {"name": "default", "namespaces": [{"name": "shop", "state": "l4"}, *declared]}


def draw(number: int) -> Round:
    """The round of this number, the same each time."""
    chance = random.Random(f"{_SEED} {number}")
    from_nothing = number in _FROM_NOTHING
    if number >= QUICK and chance.random() < _EARLY:
        moment = -chance.uniform(0.5, _BEFORE)
    else:
        moment = chance.uniform(0, _WRITING[from_nothing])
    restarted = ("ztunnel",) if number < QUICK else tuple(chance.sample(("istiod", "ztunnel"), chance.randint(1, 2)))
    return Round(
        number,
        parent_alone=number % 2 == 1,
        from_nothing=from_nothing,
        after_first_write=moment,
        deleted=tuple(chance.sample(_DELETED, 3)),
        states=tuple(chance.choice(_STATES) for dummy in NAMESPACES),
        restarted=restarted,
    )
