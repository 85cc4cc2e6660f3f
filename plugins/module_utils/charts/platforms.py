# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each platform needs on top of the ambient profile."""

from __future__ import annotations

import typing as t

from ..errors import AmbientError

Values = dict[str, t.Any]

# Charts that know the platform by this name (files/profile-platform-<name>.yaml).
_KNOWN_TO_THE_CHARTS = ("gke", "k3d", "k3s", "microk8s", "minikube", "openshift")

_ACP_CNI: Values = {
    "provider": "multus",
    "chained": False,
    "cniConfDir": "/etc/cni/multus/net.d",
    "cniConfFileName": "istio-cni.conf",
    "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
}
_ACP_ISTIOD: Values = {
    "cni": {"enabled": True, "provider": "multus"},
    "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
}

_EXTRA: dict[str, dict[str, Values]] = {
    "acp": {"cni": _ACP_CNI, "istiod": _ACP_ISTIOD},
    # The chart finds this directory by asking the cluster; rendering asks no cluster.
    "gke": {"cni": {"cniBinDir": "/home/kubernetes/bin"}},
}

PLATFORMS: tuple[str, ...] = tuple(sorted({"generic", "kind", "eks", *_KNOWN_TO_THE_CHARTS, *_EXTRA}))


def platform_values(platform: str, component: str) -> Values:
    """Return the Helm values that a platform adds to one component's chart.

    Raises:
        AmbientError: the platform is not known.
    """
    if platform not in PLATFORMS:
        raise AmbientError(
            f"unknown platform {platform!r}",
            path="ambient_platform",
            hint=f"Known are: {', '.join(PLATFORMS)}",
        )
    values: Values = {"global": {"platform": platform}} if platform in _KNOWN_TO_THE_CHARTS else {}
    return {**values, **_EXTRA.get(platform, {}).get(component, {})}
