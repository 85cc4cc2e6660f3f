# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster a task goes to, by its own options and the host's variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.argspec import auth_argument_spec
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.plugin_utils.connection import ALIASES, completed

EAST = {"kubeconfig": "~/kube", "context": "east", "proxy": "http://proxy"}
HOST = {"host": "https://east", "api_key": "token", "ca_cert": "/ca"}


@pytest.mark.parametrize(
    ("own", "ambient", "expected"),
    [
        ({}, EAST, EAST),
        ({"context": "", "kubeconfig": None, "impersonate_groups": []}, EAST, EAST),
        ({"context": ""}, {}, {}),
        ({}, {"context": "", "host": None}, {}),
        ({"validate_certs": False}, EAST, {**EAST, "validate_certs": False}),
        ({"files": [], "state": ""}, {}, {"files": [], "state": ""}),
        # the same cluster, said twice
        ({"context": "east"}, EAST, EAST),
        (
            {"kubeconfig": str(Path("~/kube").expanduser())},
            EAST,
            {**EAST, "kubeconfig": str(Path("~/kube").expanduser())},
        ),
        ({"host": "https://east"}, HOST, HOST),
        # another cluster takes nothing of this one
        ({"context": "west"}, EAST, {"context": "west", "kubeconfig": "~/kube"}),
        ({"context": "west"}, HOST, {"context": "west"}),
        ({"kubeconfig": "other", "context": "west"}, {**EAST, **HOST}, {"kubeconfig": "other", "context": "west"}),
        ({"kubeconfig": {"users": []}}, HOST, {"kubeconfig": {"users": []}}),
        ({"host": "https://west"}, {**EAST, **HOST}, {"host": "https://west"}),
        # credentials are not mixed
        (
            {"api_key": "mine"},
            {"host": "https://east", "client_cert": "c", "client_key": "k"},
            {"host": "https://east", "api_key": "mine"},
        ),
        (
            {"cert_file": "c", "key_file": "k"},
            HOST,
            {"host": "https://east", "ca_cert": "/ca", "cert_file": "c", "key_file": "k"},
        ),
        ({"impersonate_user": "bob"}, {**EAST, "impersonate_groups": ["g"]}, {**EAST, "impersonate_user": "bob"}),
        # an alias is the option
        (
            {"ssl_ca_cert": "/mine", "verify_ssl": False},
            {**HOST, "validate_certs": True},
            {"host": "https://east", "api_key": "token", "ssl_ca_cert": "/mine", "verify_ssl": False},
        ),
    ],
)
def test_the_task_goes_first_and_clusters_are_not_mixed(
    own: dict[str, Any], ambient: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert completed(own, ambient) == expected


@pytest.mark.parametrize("kubeconfig", ["other", {"users": [{"token": "secret"}]}])
def test_another_kubeconfig_without_a_context_is_unclear(kubeconfig: Any) -> None:
    with pytest.raises(
        AmbientError, match=r"the host's ambient_context is east. Give the task the option context"
    ) as error:
        completed({"kubeconfig": kubeconfig}, EAST)
    assert "secret" not in str(error.value)


def test_all_aliases_are_known() -> None:
    taken = {alias: name for name, option in auth_argument_spec().items() for alias in option.get("aliases", [])}
    assert taken == ALIASES
