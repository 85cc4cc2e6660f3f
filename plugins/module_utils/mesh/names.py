# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in a declaration: which are valid, which are taken, which one was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

COMPONENT_NAMESPACES = ("istio-system", "istio-cni", "ztunnel")

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_SUBDOMAIN = 253
_LISTED = 12
SYSTEM_NAMESPACES = frozenset({"cpaas-system", "sail-operator"})
SYSTEM_PREFIXES = ("kube-", "openshift-")


def is_dns_label(name: str) -> bool:
    """Whether Kubernetes takes the name for a Namespace (RFC 1123 label)."""
    return _DNS_LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """Whether Kubernetes takes the name for a ServiceAccount (RFC 1123 subdomain)."""
    return len(name) <= _LONGEST_SUBDOMAIN and _DNS_SUBDOMAIN.fullmatch(name) is not None


def why_protected(namespace: str) -> str:
    """Why the namespace may not join a mesh; empty if it may."""
    if namespace in COMPONENT_NAMESPACES:
        return "it holds a component of the mesh itself"
    if namespace in SYSTEM_NAMESPACES or namespace.startswith(SYSTEM_PREFIXES):
        return "it belongs to the platform"
    return ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, else all of them."""
    candidates = sorted(known)
    close = difflib.get_close_matches(word, candidates, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    more = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
    return f"Known: {', '.join(candidates[:_LISTED])}{more}"
