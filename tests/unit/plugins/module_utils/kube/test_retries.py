# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent again, and after which pause."""

from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import from_response
from ansible_collections.alauda.ambient.plugins.module_utils.kube.retries import arrived, patience, worth_repeating
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

OBJECT: dict[str, Any] = {"kind": "Lease", "metadata": {"name": "x", "resourceVersion": "1"}, "spec": {"holder": "me"}}


@pytest.mark.parametrize(
    ("status", "method", "message", "again"),
    [
        (500, "GET", "etcdserver: request timed out", True),
        (500, "PATCH", 'failed calling webhook "x": dial tcp: connect: connection refused', True),
        (500, "PATCH", 'failed calling webhook "x": context deadline exceeded', False),
        (500, "PATCH", "failed to create typed patch object (x): .spec.y: expected string", False),
        (409, "PATCH", "the object has been modified", True),
        (409, "PUT", "the object has been modified", False),
        (404, "GET", "not found", False),
        (403, "PATCH", "forbidden", False),
        (422, "PATCH", "invalid", False),
    ],
)
def test_what_is_worth_repeating(status: int, method: str, message: str, again: bool) -> None:
    body = json.dumps({"message": message}).encode()
    assert worth_repeating(from_response(status, body, "x"), method) is again


def test_a_conflict_between_managers_does_not_go_away() -> None:
    body = {"message": "x", "details": {"causes": [{"reason": "FieldManagerConflict"}]}}
    assert not worth_repeating(from_response(409, json.dumps(body).encode(), "x"), "PATCH")


@pytest.mark.parametrize(
    ("live", "is_ours"),
    [
        ({**OBJECT, "status": {}, "metadata": {"name": "x", "resourceVersion": "2", "uid": "u"}}, True),
        ({**OBJECT, "spec": {"holder": "another"}}, False),
        ({**OBJECT, "spec": {}}, False),
    ],
)
def test_whether_what_was_sent_has_arrived(live: dict[str, Any], is_ours: bool) -> None:
    assert arrived(OBJECT, live) is is_ours


def test_pauses_grow_and_end() -> None:
    retries = patience(known=True)
    pauses = []
    for dummy in range(12):
        retries = retries.increment("GET", "/", error=ConnectionResetError())
        pauses.append(retries.get_backoff_time())
        retries.other = 1
    assert pauses[0] < 0.2 and pauses[1] < pauses[4] < pauses[11] <= 5
    assert 20 < sum(pauses) < 45


@pytest.mark.parametrize(("header", "least", "most"), [("2", 2, 2.5), ("3600", 10, 10.5), ("0", 0, 0.5)])
def test_the_wish_of_the_server_counts_within_reason(header: str, least: float, most: float) -> None:
    response = urllib3.HTTPResponse(headers={"Retry-After": header})
    asked = patience(known=True).get_retry_after(response)
    assert asked is not None and least <= asked <= most


def test_the_second_silence_is_the_last() -> None:
    pool: Any = None
    silence = ReadTimeoutError(pool, "/", "timed out")
    retries = patience(known=True).increment("GET", "/", error=silence, _pool=pool)
    with pytest.raises(MaxRetryError):
        retries.increment("GET", "/", error=silence, _pool=pool)
