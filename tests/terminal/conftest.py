# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world for playbooks without a cluster behind the API server, once per session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import apiserver
import pytest
import toolchain
from devcluster import assets
from world import CHECKOUT, World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = CHECKOUT / f"build/apiserver/terminal-{os.getpid()}"
    api = apiserver.up(directory)
    folder = tmp_path_factory.mktemp("inputs")
    good = {
        "ambient_kubeconfig": api.kubeconfig,
        "ambient_version": "1.31.0",
        "ambient_platform": "kind",
        "ambient_helm": str(toolchain.binaries("helm")["helm"]),
        "ambient_charts": {"directory": str(assets.charts())},
        "ambient_gateway_api": "install",
        "ambient_gateway_api_crds": str(assets.gateway_api_crds()),
        "ambient_mesh": {"name": "default", "namespaces": []},
    }
    yield World(folder, api, good)
    apiserver.down(directory)
