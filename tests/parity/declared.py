# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How our objects differ from istioctl's, and why. Nothing else may differ, and each entry must be needed."""

from __future__ import annotations

from parity.parity import ABSENT, Expected

DECLARED = (
    Expected(
        "Namespace (istio-system|istio-cni|ztunnel)",
        "",
        "The components' namespaces are ours, with a Pod Security level; istioctl makes them beside the manifests.",
        "object",
        ABSENT,
    ),
    Expected(
        "ValidatingWebhookConfiguration istiod-default-validator",
        "",
        "istioctl leaves it out here and adds it when it installs the revision that is to be the default.",
        "object",
        ABSENT,
    ),
    Expected(
        ".*",
        "/metadata/labels/ambient.alauda.io/mesh",
        "The label by which we recognise what is ours.",
        '"default"',
        ABSENT,
    ),
    Expected(
        ".*",
        "(/spec/template)?/metadata/labels/app.kubernetes.io/version",
        "The charts of a source tree carry 1.0.0; we put in the version, as Istio's release process does.",
        r'"1\.3\d\.\d+"',
        '"1.0.0"',
    ),
    Expected(
        ".*",
        "(/spec/template)?/metadata/labels/helm.sh/chart",
        "The same version in the chart's name.",
        r'"(base|istiod|cni|ztunnel)-1\.3\d\.\d+"',
        r'"(base|istiod|cni|ztunnel)-1\.0\.0"',
    ),
    Expected(
        ".*",
        "(/spec/template)?/metadata/labels/(release|app.kubernetes.io/instance)",
        "One Helm release name per chart, as Istio's documentation for Helm has it; istioctl uses one for all.",
        '"(istio-base|istiod|istio-cni|ztunnel)"',
        '"istio"',
    ),
    Expected(
        "(ServiceAccount|DaemonSet) ztunnel/ztunnel",
        "/metadata/annotations",
        "Empty fields are left out.",
        ABSENT,
        "{}",
    ),
    Expected(
        "ValidatingWebhookConfiguration istio-validator-istio-system",
        "/webhooks/0/failurePolicy",
        "base.validationFailurePolicy: Fail. istiod would set it anyway, and a second run would set it back.",
        '"Fail"',
        '"Ignore"',
    ),
    Expected(
        "Deployment istio-system/istiod",
        r"/spec/template/spec/containers/0/env/\d+/value",
        "CA_TRUSTED_NODE_ACCOUNTS: ztunnel has a namespace of its own.",
        '"ztunnel/ztunnel"',
        '"istio-system/ztunnel"',
    ),
    Expected(
        "Deployment istio-system/istiod",
        "/spec/template/spec/containers/0/securityContext/seccompProfile",
        "Pod Security level restricted asks for it.",
        '{"type": "RuntimeDefault"}',
        ABSENT,
    ),
    Expected(
        "ConfigMap istio-cni/istio-cni-config",
        "/data/EXCLUDE_NAMESPACES",
        "The components' own pods must start without the node agent.",
        '"kube-system,istio-system,istio-cni,ztunnel"',
        '"kube-system"',
    ),
    Expected(
        "ConfigMap istio-system/values",
        "/data/original-values/.*",
        "The values as they were given: other words for the same wishes. What comes of them is in merged-values.",
    ),
    Expected(
        "ConfigMap istio-system/values",
        "/data/merged-values/(base/validationFailurePolicy|seccompProfile/type|trustedZtunnelNamespace)",
        "The same three settings as above, as the charts record them.",
        '"(Fail|RuntimeDefault|ztunnel)"',
    ),
    Expected(
        "ConfigMap istio-system/values",
        "/data/merged-values/(defaultRevision|enabled|gateways/istio-(in|e)gressgateway|pilot/.*|ztunnel)",
        "Settings of istioctl itself; no template of the charts reads them.",
        ABSENT,
    ),
)
