# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the API server, and how a command in a container ended."""

from __future__ import annotations

import json

import pytest
from ansible_collections.alauda.ambient.plugins.module_utils.kube.errors import ApiError, from_response
from ansible_collections.alauda.ambient.plugins.module_utils.kube.exec import exit_status
from ansible_collections.alauda.ambient.plugins.module_utils.kube.transport import unreachable


def test_a_status_is_told_in_one_line() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": 'conflict with "x"'}
    body = {"message": "Apply failed:\n  x", "reason": "Conflict", "details": {"causes": [cause]}}
    error = from_response(409, json.dumps(body).encode(), "PATCH /x")
    assert (str(error), error.status, error.reason) == ("PATCH /x: Apply failed: x", 409, "Conflict")
    assert error.causes[0].field == ".spec.replicas"


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (
            401,
            b"{}",
            "x: the API server refuses the credentials (401 Unauthorized). The token or certificate is wrong ",
        ),
        (403, b'{"reason": "Forbidden", "message": "no"}', "x: no. The user of this kubeconfig lacks the right"),
        (
            403,
            b'{"reason": "Forbidden", "message": "binding \'b\' denied request: no"}',
            "x: binding 'b' denied request: no",
        ),
        (502, b"<html>bad gateway</html>", "x: <html>bad gateway</html>"),
        (500, b"", "x: status 500, no reason given"),
        (500, b"[1]", "x: [1]"),
    ],
)
def test_every_answer_has_a_message(status: int, body: bytes, text: str) -> None:
    assert str(from_response(status, body, "x")).startswith(text)


PIN = "hunter2"
OF_SECRET = "PATCH /api/v1/namespaces/shop/secrets/s"


@pytest.mark.parametrize(
    ("status", "message", "causes", "text"),
    [
        (
            500,
            "failed to create typed patch object (shop/s; /v1, Kind=Secret): .stringData.pin: expected string, "
            f"got &value.valueUnstructured{{Value:{PIN}}}",
            [],
            "failed to create typed patch object, .stringData.pin. Mend that field",
        ),
        (
            422,
            f'Secret "s" is invalid: data[{PIN}]: Invalid value: "{PIN}": a valid config key must consist of',
            [{"reason": "FieldValueInvalid", "field": "data", "message": f'Invalid value: "{PIN}": a valid'}],
            "the API server refuses the Secret (422 Invalid): data",
        ),
        (400, f'admission webhook "w" denied the request: {PIN} is weak', [], 'admission webhook "w", denied the'),
        (403, f'admission webhook "w" denied the request: {PIN} is weak', [], 'admission webhook "w", denied the'),
        (400, f"Secret in version v1 cannot be handled: {PIN}", [], "its answer is not shown"),
        (422, "field is immutable when `immutable` is set", [], "field is immutable when `immutable` is set. Delete"),
    ],
)
def test_no_answer_about_a_secret_quotes_it(status: int, message: str, causes: list[object], text: str) -> None:
    body = {"message": message, "reason": "Invalid", "details": {"causes": causes}}
    error = from_response(status, json.dumps(body).encode(), OF_SECRET)
    assert text in str(error) and PIN not in str(error) + repr(error.causes), error


def test_what_is_no_value_of_a_secret_is_told() -> None:
    body = {"message": 'secrets "s" is forbidden: User "me" cannot patch', "reason": "Forbidden"}
    assert 'User "me" cannot patch' in str(from_response(403, json.dumps(body).encode(), OF_SECRET))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused. Check the address"),
        (TimeoutError("timed out"), "no answer in time. Check the address"),
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] x"), "[SSL: CERTIFICATE_VERIFY_FAILED] x. Check the certificate"),
    ],
)
def test_why_no_answer_came(error: Exception, text: str) -> None:
    told = unreachable("https://h", error)
    assert str(told).startswith(f"https://h: the API server cannot be reached: {text}") and told.status == 0


def test_how_a_command_ended() -> None:
    causes = {"causes": [{"reason": "ExitCode", "message": "3"}]}
    assert exit_status('{"status": "Success"}', "p") == 0
    assert exit_status(json.dumps({"status": "Failure", "details": causes}), "p") == 3
    for text in ("", '{"status": "Failure", "message": "no such file", "code": 500}'):
        with pytest.raises(ApiError):
            exit_status(text, "p")


def test_a_refused_pod_template_is_not_repeated_in_the_message():
    cause = {
        "reason": "FieldValueInvalid",
        "field": "spec.template",
        "message": f'Invalid value: {{"metadata":{{}},"spec":"{"x: " * 900}"}}: field is immutable',
    }
    message = f'Job.batch "job" is invalid: {cause["field"]}: {cause["message"]}'
    body = {"reason": "Invalid", "message": message, "details": {"causes": [cause]}}
    error = from_response(422, json.dumps(body).encode(), "PATCH /x")
    assert error.message == 'Job.batch "job" is invalid: spec.template: Invalid value: field is immutable'
    assert error.hint == "Delete the object first, or leave that field as it is"
