# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolving tags: plain, with an anonymous token, and everything a registry may refuse."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.errors import AmbientError
from ansible_collections.alauda.ambient.plugins.module_utils.oci.registry import (
    Answer,
    Reference,
    parse_reference,
    resolve,
)

DIGEST = "sha256:" + "a" * 64
CHALLENGE = (
    'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:istio/pilot:pull"'
)


class Registry:
    """Answers from a table; keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((method, url, headers))
        return self._answers.pop(0)


def found(digest: str = DIGEST) -> Answer:
    return Answer(200, {"docker-content-digest": digest})


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("docker.io/istio/pilot:1.31.0", Reference("docker.io", "istio/pilot", "1.31.0", "")),
        ("localhost:5000/pilot", Reference("localhost:5000", "pilot", "latest", "")),
        (f"a.example.com/b/c@{DIGEST}", Reference("a.example.com", "b/c", "latest", DIGEST)),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text, "here") == reference


@pytest.mark.parametrize("text", ["pilot", "istio/pilot:1", "docker.io/Pilot", "docker.io/a@sha256:12", "a.b/c:-", ""])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(AmbientError, match=r"here: .* is no image with its registry\. Give it as host/name:tag"):
        parse_reference(text, "here")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/x/manifests/1"),
        ("localhost:5000", "http://localhost:5000/v2/x/manifests/1"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/x/manifests/1"),
        ("localhost.example.com", "https://localhost.example.com/v2/x/manifests/1"),
    ],
)
def test_plain_http_is_for_this_machine_only(host: str, url: str) -> None:
    registry = Registry(found())
    assert resolve(Reference(host, "x", "1", ""), registry.ask) == DIGEST
    assert registry.asked[0][:2] == ("HEAD", url)
    assert "application/vnd.oci.image.index.v1+json" in registry.asked[0][2]["Accept"]


def test_a_digest_needs_no_registry() -> None:
    assert resolve(Reference("a.b", "x", "", DIGEST), Registry().ask) == DIGEST


@pytest.mark.parametrize("body", [b'{"token": "secret"}', b'{"access_token": "secret"}'])
def test_an_anonymous_token_is_fetched_where_it_is_wanted(body: bytes) -> None:
    registry = Registry(Answer(401, {"www-authenticate": CHALLENGE}), Answer(200, {}, body), found())
    assert resolve(Reference("registry.example.com", "istio/pilot", "1", ""), registry.ask) == DIGEST
    assert registry.asked[1][1] == (
        "https://auth.example.com/token?service=registry.example.com&scope=repository%3Aistio%2Fpilot%3Apull"
    )
    assert registry.asked[2][2]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([Answer(0, {}, reason="Connection refused")], "the registry can't be reached (Connection refused)"),
        ([Answer(404, {})], "the registry has no such image. Check ambient_hub and ambient_tag"),
        ([Answer(403, {})], "the registry wants a login. Give the image by digest in ambient_images"),
        ([Answer(401, {})], "the registry wants a login"),
        ([Answer(401, {"www-authenticate": 'Basic realm="x"'})], "the registry wants a login"),
        ([Answer(401, {"www-authenticate": CHALLENGE.replace("https:", "http:")})], "the registry wants a login"),
        ([Answer(401, {"www-authenticate": CHALLENGE}), Answer(500, {})], "gave no anonymous token (status 500)"),
        ([Answer(401, {"www-authenticate": CHALLENGE}), Answer(200, {}, b"[]")], "gave no anonymous token"),
        (
            [Answer(401, {"www-authenticate": CHALLENGE}), Answer(200, {}, b'{"token":"x"}'), Answer(401, {})],
            "the registry wants a login",
        ),
        ([Answer(200, {})], "the registry gave no digest (status 200)"),
        ([found("md5:1")], "the registry gave no digest"),
        ([Answer(500, {})], "the registry gave no digest (status 500)"),
    ],
)
def test_refusals(answers: list[Answer], message: str) -> None:
    with pytest.raises(AmbientError) as failure:
        resolve(Reference("r.example.com", "istio/pilot", "1", ""), Registry(*answers).ask)
    assert str(failure.value).startswith("r.example.com/istio/pilot:1: ") and message in str(failure.value)
