# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm values of each component: profile, ours, the platform's, the user's, merged in that order."""

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import dataclass, field

from ..errors import AmbientError
from .platforms import platform_values

Values = dict[str, t.Any]

ISTIO_NAMESPACE = "istio-system"
CNI_NAMESPACE = "istio-cni"
ZTUNNEL_NAMESPACE = "ztunnel"
NAMESPACE_OF = {
    "base": ISTIO_NAMESPACE,
    "istiod": ISTIO_NAMESPACE,
    "cni": CNI_NAMESPACE,
    "ztunnel": ZTUNNEL_NAMESPACE,
}
COMPONENTS = tuple(NAMESPACE_OF)
IMAGES = ("pilot", "install-cni", "ztunnel", "proxyv2", "echo")

# These charts copy what stands under one key over everything else, also over the user's values.
_COPIED_OVER = {"istiod": "pilot", "cni": "cni"}
_READ_BEFORE = ("global", "platform", "compatibilityVersion")

_DIGEST_REF = re.compile(r"^[^\s@]+/[^\s@]+@sha256:[0-9a-f]{64}$")
_VERSION = re.compile(r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")
# Values that decide where and under which name a component lives: the rest of the collection counts on them.
_FIXED = (("profile",), ("revision",), ("defaultRevision",), ("istioNamespace",), ("global", "istioNamespace"))


@dataclass(frozen=True)
class Settings:
    """What the values of all components are made from.

    Attributes:
        version: Istio's version, such as ``1.31.0``.
        platform: one of platforms.PLATFORMS.
        hub: registry and folder of images that have no digest.
        tag: tag of images that have no digest.
        images: image name to ``repository@sha256:…``.
        discovery_selectors: label selectors of the namespaces istiod sees; empty: all.
        user: component to the user's own Helm values.
    """

    version: str
    platform: str = "generic"
    hub: str = "docker.io/istio"
    tag: str = ""
    images: t.Mapping[str, str] = field(default_factory=dict)
    discovery_selectors: t.Sequence[Values] = ()
    user: t.Mapping[str, Values] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse settings that no chart could be rendered with.

        Raises:
            AmbientError: names the variable and what is wrong with it.
        """
        if not _VERSION.match(self.version):
            raise AmbientError(
                f"{self.version!r} is not a full version",
                path="ambient_version",
                hint='Write three numbers as a string, such as "1.31.0"',
            )
        if "@" in self.hub:
            hint = "Leave them out; the cluster's pods take theirs from imagePullSecrets"
            raise AmbientError("holds a user or a password", path="ambient_hub", hint=hint)
        for name, ref in self.images.items():
            if name not in IMAGES:
                raise AmbientError(
                    "unknown image", path=f"ambient_images.{name}", hint=f"Known are: {', '.join(IMAGES)}"
                )
            if not _DIGEST_REF.match(ref):
                raise AmbientError(
                    f"{ref!r} does not name an image by digest",
                    path=f"ambient_images.{name}",
                    hint="Write repository@sha256:<64 hex digits>, or use ambient_hub and ambient_tag",
                )
        for component, values in self.user.items():
            _check_user_values(component, values)


def _check_user_values(component: str, values: object) -> None:
    path = f"ambient_values.{component}"
    if component not in COMPONENTS:
        raise AmbientError("unknown component", path=path, hint=f"Known are: {', '.join(COMPONENTS)}")
    if not isinstance(values, dict):
        raise AmbientError(f"must be a mapping of Helm values, not {type(values).__name__}", path=path)
    for keys in _FIXED:
        at: object = values
        for key in keys:
            at = at.get(key) if isinstance(at, dict) else None
        if at is not None:
            raise AmbientError("is fixed by this collection", path=".".join((path, *keys)), hint="Leave it out")


def merge(base: Values, over: t.Mapping[str, t.Any]) -> Values:
    """Merge ``over`` into a copy of ``base`` as Helm does: mappings by key, everything else replaced."""
    result = copy.copy(base)
    for key, value in over.items():
        mine = result.get(key)
        result[key] = merge(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else copy.deepcopy(value)
    return result


def helm_values(component: str, settings: Settings) -> Values:
    """Return the complete values for one component's chart, the user's last."""
    values = merge(_common(settings), _OWN[component](settings))
    for layer in (platform_values(settings.platform, component), settings.user.get(component, {})):
        values = merge(values, _lasting(component, layer))
    return values


def _lasting(component: str, values: t.Mapping[str, t.Any]) -> Values:
    """The same values, at the place where no profile of the chart can override them."""
    key = _COPIED_OVER.get(component)
    if key is None or not isinstance(values.get(key, {}), dict):
        return dict(values)  # what is no mapping there is for the chart to refuse
    early = {name: value for name, value in values.items() if name in _READ_BEFORE}
    rest = {name: value for name, value in values.items() if name not in (*_READ_BEFORE, key)}
    rest = merge(rest, values.get(key, {}))
    return {**early, **({key: rest} if rest else {})}


def _common(settings: Settings) -> Values:
    return {
        "profile": "ambient",
        "global": {
            "istioNamespace": ISTIO_NAMESPACE,
            "hub": settings.hub,
            "tag": settings.tag or settings.version,
        },
    }


def _base(settings: Settings) -> Values:
    del settings
    return {"base": {"validationFailurePolicy": "Fail"}}


def _istiod(settings: Settings) -> Values:
    values: Values = {
        "base": {"validationFailurePolicy": "Fail"},
        "trustedZtunnelNamespace": ZTUNNEL_NAMESPACE,
        # Sidecars, where there are any, leave the redirection to istio-cni.
        "cni": {"enabled": True},
        # Pod Security "restricted" asks for it.
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if settings.discovery_selectors:
        values["meshConfig"] = {"discoverySelectors": list(settings.discovery_selectors)}
    values = merge(values, _image(settings, "pilot"))
    proxy = settings.images.get("proxyv2")
    if proxy:
        values = merge(values, {"global": {"proxy": {"image": proxy}, "proxy_init": {"image": proxy}, "variant": ""}})
    return values


def _cni(settings: Settings) -> Values:
    values: Values = {"excludeNamespaces": ["kube-system", ISTIO_NAMESPACE, CNI_NAMESPACE, ZTUNNEL_NAMESPACE]}
    return merge(values, _image(settings, "install-cni"))


def _ztunnel(settings: Settings) -> Values:
    return merge({"istioNamespace": ISTIO_NAMESPACE}, _image(settings, "ztunnel"))


def _image(settings: Settings, name: str) -> Values:
    ref = settings.images.get(name)
    return {"image": ref, "variant": ""} if ref else {}


_OWN: dict[str, t.Callable[[Settings], Values]] = {
    "base": _base,
    "istiod": _istiod,
    "cni": _cni,
    "ztunnel": _ztunnel,
}
