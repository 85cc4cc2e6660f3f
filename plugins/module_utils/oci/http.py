# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP by Ansible's own means, so that its proxies and certificates count."""

from __future__ import annotations

import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ..errors import why_no_answer
from .registry import Answer


def ask(method: str, url: str, headers: t.Mapping[str, str]) -> Answer:
    """One request; status 0 where no connection came about."""
    try:
        response = open_url(url, method=method, headers=dict(headers), timeout=20, http_agent="alauda.ambient")
    except urllib.error.HTTPError as error:
        return Answer(error.code, {name.lower(): value for name, value in error.headers.items()})
    except Exception as error:
        return Answer(0, {}, reason=why_no_answer(error))
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.read())
