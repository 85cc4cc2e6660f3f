# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All tests see the environment that the Makefile sets, also when pytest is called by hand."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parents[1]

os.environ["PATH"] = f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}"
os.environ["ANSIBLE_CONFIG"] = str(CHECKOUT / "ansible.cfg")
os.environ["ANSIBLE_HOME"] = str(CHECKOUT / ".cache/ansible")
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(CHECKOUT / ".cache/collections")
# A busy machine is no fault of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT"):
    os.environ.pop(name, None)
