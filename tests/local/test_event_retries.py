"""Retries of events, the reasons to discard them, and their records: pure functions, compared with recordings."""

from __future__ import annotations

import json

import pytest

from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.events import (
    Condition,
    EventState,
    RetryRules,
    after_failure,
    after_throttle,
    before_delivery,
    new_event_state,
)
from lambdachain._lambda_api.records import InvocationRecord, LastResponse, parse_error_type

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders"


def failures(rules):
    """Fail an event until it is discarded: the times of its deliveries, and the condition."""
    state, moments = new_event_state(0.0), []
    while isinstance(state, EventState):
        moments.append(state.due)
        state = after_failure(state, rules, now=state.due)
    return moments, state


@pytest.mark.parametrize(
    ("rules", "moments", "condition"),
    [
        pytest.param(RetryRules(), [0, 60, 180], "RetriesExhausted", id="three deliveries"),
        pytest.param(RetryRules(max_retries=1), [0, 60], "RetriesExhausted", id="one retry"),
        pytest.param(RetryRules(max_retries=0), [0], "RetriesExhausted", id="no retry"),
        pytest.param(RetryRules(max_age=60), [0], "EventAgeExceeded", id="too old for the first retry (recorded)"),
        pytest.param(RetryRules(max_age=150), [0, 60], "EventAgeExceeded", id="too old for the second (recorded)"),
    ],
)
def test_failures(rules, moments, condition):
    """A function error is followed by a pause of one minute, then two, as long as the event is young enough."""
    assert (moments, condition) == failures(rules)


def test_throttles():
    """A throttled event is retried after a second, then with growing delays up to five minutes, until it is too old."""
    state, pauses = new_event_state(0.0), []
    while isinstance(after := after_throttle(state, RetryRules(), now=state.due), EventState):
        pauses.append(after.due - state.due)
        state = after

    assert [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] == pauses[:11]
    assert {300} == set(pauses[9:])
    assert 21_600 - 300 <= state.due < 21_600
    assert Condition.EVENT_AGE_EXCEEDED is after
    assert 0 == state.runs


def test_failure_after_throttles():
    """Throttles do not count as deliveries, and a delivery resets their delays."""
    throttled = after_throttle(after_throttle(new_event_state(0.0), RetryRules(), now=0), RetryRules(), now=1)
    failed = after_failure(throttled, RetryRules(), now=10)

    assert (0, 2) == (throttled.runs, throttled.throttles)
    assert (1, 0, 70) == (failed.runs, failed.throttles, failed.due)


@pytest.mark.parametrize(
    ("now", "reserved", "condition"),
    [
        pytest.param(0, None, None, id="young"),
        pytest.param(60, None, None, id="just young enough"),
        pytest.param(61, None, "EventAgeExceeded", id="too old"),
        pytest.param(0, 0, "ZeroReservedConcurrency", id="no concurrency"),
        pytest.param(0, 1, None, id="some concurrency"),
    ],
)
def test_before_delivery(now, reserved, condition):
    """An event that is too old, or for a function with a concurrency of 0, is not delivered at all."""
    assert condition == before_delivery(
        new_event_state(0.0), RetryRules(max_age=60), now=now, reserved_concurrency=reserved
    )


def record(condition=Condition.SUCCESS, response=None, runs=1, arn=ARN):
    """Create the record of an event."""
    delivery = Delivery("id-1", arn, "Root=1", b'{"order": 1}')
    return InvocationRecord(delivery, condition, runs, response, ended_at=1_700_000_000.123)


def test_record_of_a_success():
    """The record of a success has the fields of the recorded one."""
    written = record(response=LastResponse(200, b'{"ok": true}', "$LATEST")).destination()

    assert {
        "version": "1.0",
        "timestamp": "2023-11-14T22:13:20.123Z",
        "requestContext": {
            "requestId": "id-1",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"order": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"ok": True},
    } == written


def test_record_of_a_failure():
    """The record of a failure has the function's error; an alias is named as it was called."""
    response = LastResponse(200, b'{"errorType": "KeyError"}', "2", failed=True)
    written = record(Condition.RETRIES_EXHAUSTED, response, runs=3, arn=f"{ARN}:live").destination()

    assert {"statusCode": 200, "executedVersion": "2", "functionError": "Unhandled"} == written["responseContext"]
    assert ({"errorType": "KeyError"}, f"{ARN}:live", 3) == (
        written["responsePayload"],
        written["requestContext"]["functionArn"],
        written["requestContext"]["approximateInvokeCount"],
    )


def test_record_without_a_response():
    """If the function never ran, there is no response in the record."""
    written = record(Condition.ZERO_RESERVED_CONCURRENCY, runs=0).destination()

    assert not {"responseContext", "responsePayload"} & written.keys()


def test_bus_entry():
    """EventBridge gets the record as the detail of an event from Lambda."""
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/orders"
    entry = record(Condition.EVENT_AGE_EXCEEDED).bus_entry(bus)

    assert ("lambda", "Lambda Function Invocation Result - Failure") == (entry["Source"], entry["DetailType"])
    assert ([f"{ARN}:$LATEST", bus], bus) == (entry["Resources"], entry["EventBusName"])
    assert "EventAgeExceeded" == json.loads(entry["Detail"])["requestContext"]["condition"]


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        pytest.param(LastResponse(200, b'{"errorMessage": "boom"}', failed=True), "200", "boom", id="function error"),
        pytest.param(LastResponse(200, b'{"errorMessage": "%s"}' % (b"x" * 2000)), "200", "x" * 1024, id="long"),
        pytest.param(LastResponse(400, b'{"Message": "looped"}'), "400", "looped", id="refused"),
        pytest.param(LastResponse(200, b"no json"), "200", "RetriesExhausted", id="no words"),
        pytest.param(None, "429", "Rate Exceeded.", id="throttled"),
    ],
)
def test_dead_letter_attributes(response, code, message):
    """A dead letter has the request id, the status, and the first kilobyte of the error message (recorded)."""
    assert {
        "RequestID": {"DataType": "String", "StringValue": "id-1"},
        "ErrorCode": {"DataType": "Number", "StringValue": code},
        "ErrorMessage": {"DataType": "String", "StringValue": message},
    } == record(Condition.RETRIES_EXHAUSTED, response).dead_letter_attributes()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param(b'{"errorType": "KeyError"}', "KeyError", id="named"),
        pytest.param(b'{"errorMessage": "x"}', None, id="unnamed"),
        pytest.param(b"[1]", None, id="no object"),
        pytest.param(b"\xff", None, id="no text"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_error_type(body, name):
    """The error type is read from any runtime's report."""
    assert name == parse_error_type(body)
