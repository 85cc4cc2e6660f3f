# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options; the twin of module_utils/argspec.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of kubernetes.core, which mean the same here."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig, or its content as a dictionary. Several paths are separated by C(:).
      - Without it, and without O(host), the pod's own account is used inside a cluster, else C(~/.kube/config).
      - Where the task does not set it, the host's variable C(ambient_kubeconfig) serves, and E(K8S_AUTH_KUBECONFIG)
        after that. The same holds for the other options.
    type: raw
  context:
    description:
      - The context in the kubeconfig. C(ambient_context) and E(K8S_AUTH_CONTEXT) serve where the option is not set.
      - A task that sets another O(kubeconfig) than C(ambient_kubeconfig) must set it where the host has
        C(ambient_context).
    type: str
  host:
    description: The URL of the API server. C(ambient_host) and E(K8S_AUTH_HOST) serve where the option is not set.
    type: str
  api_key:
    description: The bearer token. C(ambient_api_key) and E(K8S_AUTH_API_KEY) serve where the option is not set.
    type: str
  username:
    description: The user name for an API server or proxy with basic authentication.
    type: str
  password:
    description: The password that goes with O(username).
    type: str
  validate_certs:
    description: Whether to check the API server's certificate.
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: Path of the certificate authority that the API server's certificate is checked against.
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: Path of a client certificate.
    type: path
    aliases: [cert_file]
  client_key:
    description: Path of the key that goes with O(client_cert).
    type: path
    aliases: [key_file]
  proxy:
    description: The URL of a proxy. Variables such as E(HTTPS_PROXY) are not looked at.
    type: str
  no_proxy:
    description: Hosts, domains and networks, separated by commas, that are reached without the proxy.
    type: str
  proxy_headers:
    description: Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description: User name and password, separated by a colon, for the proxy.
        type: str
      basic_auth:
        description: User name and password, separated by a colon, for basic authentication.
        type: str
      user_agent:
        description: The user agent that the proxy sees.
        type: str
  persist_config:
    description: Whether the library may save refreshed tokens in the kubeconfig.
    type: bool
  impersonate_user:
    description:
      - The user to act as. C(ambient_impersonate_user) and E(K8S_AUTH_IMPERSONATE_USER) serve where the option is not
        set.
    type: str
  impersonate_groups:
    description:
      - The groups to act as. C(ambient_impersonate_groups) and E(K8S_AUTH_IMPERSONATE_GROUPS) serve where the option is
        not set.
    type: list
    elements: str
"""

    REQUIREMENTS = r"""
options: {}
requirements:
  - python >= 3.11
  - kubernetes >= 29 (Python library)
"""
