"""At the transport: every transport returns the outcome of the real runtime client behind HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from lambdachain import Invocation, InvocationType, Outcome, Transport

MAX_CALL = 6_291_456
MAX_EVENT = 1_048_576
CUSTOM = base64.b64encode(json.dumps({"custom": {"who": "grüß"}}).encode()).decode()


def send(transport: Transport, function: str, payload: object = None, **more: Any) -> Outcome:
    """Send one request and check the common attributes of its outcome."""
    outcome = transport.send(Invocation(function, payload=json.dumps(payload).encode(), **more), timeout=60)
    assert UUID(outcome.request_id)
    return outcome


def decode(outcome: Outcome) -> Any:
    """Decode a response."""
    return json.loads(outcome.payload)


@pytest.mark.parametrize(
    "event",
    [None, True, 0, -1.5, 10**30, 0.1, "", "grüß \U0001f600", [], {}, [1, [2, {"a": None}]], {"ключ": ["x"]}],
    ids=repr,
)
def test_json_round_trip(transport: Transport, event: object):
    """Request and response arrive unchanged."""
    outcome = send(transport, "echo", event)

    assert decode(outcome) == event
    assert (outcome.status, outcome.function_error, outcome.executed_version) == (200, None, "$LATEST")


def test_no_payload_is_an_empty_object(transport: Transport):
    """As on AWS."""
    assert decode(transport.send(Invocation("echo"), timeout=60)) == {}


def test_an_exception_is_a_function_error(transport: Transport):
    """With its class, message and stack trace."""
    outcome = send(transport, "fail", "no such order")
    report = decode(outcome)

    assert (outcome.status, outcome.function_error, outcome.executed_version) == (200, "Unhandled", "$LATEST")
    assert set(report) == {"errorType", "errorMessage", "requestId", "stackTrace"}
    assert (report["errorType"], report["errorMessage"]) == ("LookupError", "no such order")
    assert report["requestId"] == outcome.request_id
    assert "raise LookupError(event)" in report["stackTrace"][-1]
    assert len(report["stackTrace"]) == 1


def test_a_value_that_json_cannot_represent_is_a_marshal_error(transport: Transport):
    """With the runtime client's message."""
    report = decode(send(transport, "answer-a-set"))

    assert report["errorType"] == "Runtime.MarshalError"
    assert report["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"
    assert report["stackTrace"] == []


def test_nan_is_sent_as_nan(transport: Transport):
    """The runtime client allows it; the caller rejects it."""
    outcome = send(transport, "answer-nan")

    assert (outcome.payload, outcome.function_error) == (b"NaN", None)


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")],
)
def test_an_exit_is_a_crash(transport: Transport, status: int, words: str):
    """Lambda reports the exit status."""
    outcome = send(transport, "leave", status)

    assert outcome.function_error == "Unhandled"
    assert decode(outcome) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {outcome.request_id} Error: {words}",
    }


def test_a_function_that_times_out(transport: Transport):
    """Lambda reports its timeout."""
    outcome = send(transport, "oversleep")
    report = decode(outcome)

    assert (outcome.function_error, report["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert report["errorMessage"].startswith(f"RequestId: {outcome.request_id} Error: Task timed out after ")
    assert report["errorMessage"].endswith(" seconds")


def test_a_response_may_be_six_mebibytes(transport: Transport):
    """And a hundred bytes."""
    assert len(send(transport, "answer-large", MAX_CALL + 98).payload) == MAX_CALL + 100

    outcome = send(transport, "answer-large", MAX_CALL + 99)
    assert outcome.function_error == "Unhandled"
    assert decode(outcome)["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    ("kind", "limit"), [(InvocationType.REQUEST_RESPONSE, MAX_CALL), (InvocationType.EVENT, MAX_EVENT)]
)
def test_a_request_over_the_limit_is_rejected(transport: Transport, kind: InvocationType, limit: int):
    """One byte more than Lambda's limit."""
    outcome = send(transport, "echo", "x" * (limit - 1), invocation_type=kind)

    assert (outcome.status, outcome.error_code) == (413, "RequestEntityTooLargeException")
    assert str(limit) in (outcome.error_message or "")


@pytest.mark.parametrize(
    ("payload", "where"),
    [(b"{'a': 1}", "line: 1, column: 2"), (b"[1,\n2,\n", "line: 3"), (b"NaN", "line: 1"), (b"\xff", "0xff")],
    ids=repr,
)
def test_a_payload_that_is_not_json_is_rejected(transport: Transport, payload: bytes, where: str):
    """Lambda reports the position."""
    outcome = transport.send(Invocation("echo", payload=payload), timeout=60)

    assert (outcome.status, outcome.error_code) == (400, "InvalidRequestContentException")
    assert where in (outcome.error_message or "")


def test_an_unknown_function_is_not_found(transport: Transport):
    """With the ARN that it would have."""
    outcome = send(transport, "gone")

    assert (outcome.status, outcome.error_code) == (404, "ResourceNotFoundException")
    assert outcome.error_message == "Function not found: arn:aws:lambda:us-east-1:123456789012:function:gone:$LATEST"


def test_an_unknown_qualifier_is_not_found(transport: Transport):
    """With the ARN that it would have."""
    outcome = send(transport, "echo", qualifier="gone")

    assert (outcome.status, outcome.error_code) == (404, "ResourceNotFoundException")
    assert outcome.error_message == "Function not found: arn:aws:lambda:us-east-1:123456789012:function:echo:gone"


def test_latest_exists(transport: Transport):
    """With and without a qualifier it is the same version."""
    assert decode(send(transport, "echo", 1, qualifier="$LATEST")) == 1


@pytest.mark.parametrize("name", ["arn:aws:lambda:us-east-1:123456789012:function:echo", "123456789012:function:echo"])
def test_every_form_of_address_is_accepted(transport: Transport, name: str):
    """ARN and partial ARN."""
    assert decode(send(transport, name, 1)) == 1


def test_a_function_without_concurrency_is_throttled(transport: Transport):
    """The reason says that it is the function's limit."""
    outcome = send(transport, "parked")

    assert (outcome.status, outcome.error_code) == (429, "TooManyRequestsException")
    assert outcome.error_reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_the_context_describes_the_call(transport: Transport):
    """Name, version, ARN and request id, and there is remaining time."""
    outcome = send(transport, "describe")

    assert decode(outcome) == {
        "request_id": outcome.request_id,
        "name": "describe",
        "version": "$LATEST",
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:describe",
        "tenant_id": None,
        "custom": None,
        "has_time": True,
    }


def test_the_context_has_the_tenant_id(transport: Transport):
    """Of a function with tenant isolation."""
    assert decode(send(transport, "describe-tenant", tenant_id="blue"))["tenant_id"] == "blue"


@pytest.mark.parametrize(("function", "tenant_id"), [("describe-tenant", None), ("describe", "blue")])
def test_a_tenant_id_is_required_or_rejected(
    function: str, tenant_id: str | None, transport: Transport, request: pytest.FixtureRequest
):
    """Depending on tenant isolation."""
    if "stub" in request.node.callspec.params["transport"]:
        pytest.skip("a stub knows no settings of functions")
    outcome = send(transport, function, tenant_id=tenant_id)

    assert (outcome.status, outcome.error_code) == (400, "InvalidParameterValueException")


def test_a_call_carries_its_client_context(transport: Transport):
    """To the function's context."""
    assert decode(send(transport, "describe", client_context=CUSTOM))["custom"] == {"who": "grüß"}


@pytest.mark.parametrize("client_context", ["no base64!", "x" * 3584])
def test_an_invalid_client_context_is_rejected(transport: Transport, client_context: str):
    """Not base64, or too long."""
    outcome = send(transport, "describe", client_context=client_context)

    assert (outcome.status, outcome.error_code) == (400, "InvalidRequestContentException")


def test_a_durable_name_is_rejected_by_other_functions(transport: Transport):
    """A caller that relies on it to run once must not have it run twice."""
    outcome = send(transport, "echo", durable_name="once")

    assert (outcome.status, outcome.error_code) == (400, "InvalidParameterValueException")


def test_a_dry_run_runs_nothing(transport: Transport):
    """It checks permission; an unknown function is an error."""
    allowed = transport.send(Invocation("fail", InvocationType.DRY_RUN), timeout=60)
    missing = transport.send(Invocation("gone", InvocationType.DRY_RUN), timeout=60)

    assert (allowed.status, allowed.payload, allowed.function_error) == (204, b"", None)
    assert (missing.status, missing.error_code) == (404, "ResourceNotFoundException")


def test_an_event_is_queued_even_if_it_fails(transport: Transport):
    """The response has nothing of the function."""
    for function in ("echo", "fail"):
        outcome = send(transport, function, "x", invocation_type=InvocationType.EVENT)
        assert (outcome.status, outcome.payload, outcome.function_error) == (202, b"", None)
        assert outcome.executed_version is None


def test_the_log_is_returned_on_request(transport: Transport):
    """At least its first and last lines."""
    assert send(transport, "echo").log_result is None

    outcome = send(transport, "echo", log_tail=True)
    log = base64.b64decode(outcome.log_result or "").decode()
    assert f"START RequestId: {outcome.request_id} Version: $LATEST" in log
    assert f"END RequestId: {outcome.request_id}" in log
    assert f"REPORT RequestId: {outcome.request_id}\tDuration: " in log
