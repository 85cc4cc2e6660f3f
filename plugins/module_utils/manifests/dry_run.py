# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in dry run for Istio: an AuthorizationPolicy that is there, and that no proxy enforces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .identity import Object, annotations_of

DRY_RUN = "istio.io/dry-run"
_TRUE = ("1", "t", "T", "TRUE", "true", "True")  # istiod reads the value by Go's strconv.ParseBool


def in_dry_run(policy: Mapping[str, Any]) -> bool:
    """Whether a policy decides nothing: waypoints only count its hits, and istiod leaves it out for ztunnel."""
    metadata = policy.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(annotations, Mapping) and str(annotations.get(DRY_RUN)) in _TRUE


def stays_in_dry_run(live: Mapping[str, Any], manager: str) -> bool:
    """Whether a policy is in dry run by others' word, too: a manifest of the manager that says nothing leaves it so."""
    return in_dry_run(live) and any(
        entry.get("manager") != manager and f"f:{DRY_RUN}" in _annotations(entry)
        for entry in live["metadata"].get("managedFields") or []
    )


def with_dry_run_of(live: Mapping[str, Any], policy: Object, manager: str) -> Object:
    """A policy that comes as it will stand: in dry run where it says nothing of that and the live one stays so."""
    if DRY_RUN in annotations_of(policy) or not stays_in_dry_run(live, manager):
        return policy
    return put_in_dry_run(policy)


def put_in_dry_run(policy: Object) -> Object:
    """The policy with the annotation."""
    return {**policy, "metadata": {**policy["metadata"], "annotations": {**annotations_of(policy), DRY_RUN: "true"}}}


def _annotations(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations that an entry of managedFields holds."""
    metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    found: Mapping[str, Any] = metadata.get("f:annotations") or {}
    return found
