# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object a manifest is about, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import AmbientError

Object = dict[str, Any]


def name_of(obj: Mapping[str, Any]) -> str:
    """The name of an object; empty where it has none."""
    return str((obj.get("metadata") or {}).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """The namespace of an object; empty where it has none, or leaves it out."""
    return str((obj.get("metadata") or {}).get("namespace") or "")


def namespace_or_default(obj: Mapping[str, Any]) -> str:
    """The namespace of a manifest; `default` where it leaves it out, which is where kubectl would put it."""
    return namespace_of(obj) or "default"


def group_of(obj: Mapping[str, Any]) -> str:
    """The group of an object's API; empty for the core."""
    return str(obj.get("apiVersion") or "").rpartition("/")[0]


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of an object."""
    labels: Mapping[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return labels


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations of an object."""
    annotations: Mapping[str, str] = (obj.get("metadata") or {}).get("annotations") or {}
    return annotations


@dataclass(frozen=True, order=True)
class Identity:
    """Group, version, kind, namespace ("" for cluster-scoped kinds) and name of one object."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Identity:
        """The identity of a manifest or of a live object; AmbientError where it has none."""
        metadata = obj.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        values = {
            "apiVersion": obj.get("apiVersion"),
            "kind": obj.get("kind"),
            "metadata.name": metadata.get("name"),
        }
        for path, value in values.items():
            if not isinstance(value, str) or not value:
                raise AmbientError(f"{path} must be a text that is not empty, it is {value!r}")
        namespace = metadata.get("namespace") or ""
        if not isinstance(namespace, str):
            raise AmbientError(f"metadata.namespace must be a text, it is {namespace!r}")
        return cls.parse(str(values["apiVersion"]), str(values["kind"]), str(values["metadata.name"]), namespace)

    @classmethod
    def parse(cls, api_version: str, kind: str, name: str, namespace: str = "") -> Identity:
        """The identity from the words that a manifest uses."""
        group, _dummy, version = api_version.rpartition("/")
        return cls(group, version, kind, namespace, name)

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """The same for every version of the kind: `group/Kind/namespace/name`."""
        return f"{self.group}/{self.kind}/{self.namespace}/{self.name}"

    @property
    def short(self) -> str:
        """`Deployment istio-system/istiod`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def __str__(self) -> str:
        return f"{self.api_version} {self.short}"
