"""Failures of tasks as errors of this package."""

from __future__ import annotations

import json

import pytest

from lambdachain import (
    AccessDeniedError,
    CallTimeoutError,
    ConnectionLostError,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionNotFoundError,
    FunctionTimeoutError,
    OutcomeUnknownError,
    RequestRejectedError,
    ResponseTooLargeError,
    ServiceError,
    ThrottledError,
)
from lambdachain.stepfunctions import to_call_error
from lambdachain.stepfunctions._error_names import DID_NOT_RUN, MAY_HAVE_RUN
from tests.support.orders_contracts import CardDeclined, charge, charge_again

NO, MAYBE, RAN = Execution.NOT_EXECUTED, Execution.UNKNOWN, Execution.EXECUTED
REPORT = '{"errorType":"%s","errorMessage":"m","stackTrace":[]}'


@pytest.mark.parametrize(
    ("error", "expected", "execution", "retryable"),
    [
        ("Lambda.TooManyRequestsException", ThrottledError, NO, (True, True)),
        ("Lambda.ResourceNotFoundException", FunctionNotFoundError, NO, (False, False)),
        ("Lambda.AccessDeniedException", AccessDeniedError, NO, (False, False)),
        ("States.Permissions", AccessDeniedError, NO, (False, False)),
        ("Lambda.ServiceException", ServiceError, MAYBE, (False, True)),
        ("Lambda.AWSLambdaException", ServiceError, MAYBE, (False, True)),
        ("Lambda.NewException", ServiceError, MAYBE, (False, True)),
        ("Lambda.SdkClientException", ConnectionLostError, MAYBE, (False, True)),
        ("Lambda.Unknown", FunctionError, MAYBE, (False, True)),
        ("States.Timeout", CallTimeoutError, MAYBE, (False, True)),
        ("States.Runtime", OutcomeUnknownError, MAYBE, (False, False)),
        ("Sandbox.Timedout", FunctionTimeoutError, RAN, (False, False)),
        ("Runtime.ExitError", FunctionCrashedError, RAN, (False, False)),
        ("Runtime.ImportModuleError", FunctionInitError, NO, (False, False)),
        ("KeyError", FunctionError, RAN, (False, False)),
    ],
)
def test_what_an_error_name_says(error, expected, execution, retryable):
    """Its class, and whether the function ran; whether to call again depends on the contract."""
    cause = REPORT % error if "." not in error or error.startswith(("Sandbox", "Runtime")) else "a sentence"
    failed = [to_call_error(contract, error, cause) for contract in (charge, charge_again)]

    assert [type(each) for each in failed] == [expected, expected]
    assert [each.execution for each in failed] == [execution, execution]
    assert tuple(each.retryable for each in failed) == retryable


def test_a_declared_error_has_its_fields():
    """As a call would have raised it."""
    cause = json.dumps({"errorType": "CardDeclined", "errorMessage": '{"reason":"limit"}'})

    failed = to_call_error(charge, "CardDeclined", cause)

    assert failed == CardDeclined(reason="limit")
    assert failed.execution is RAN


def test_a_rejected_request_has_its_details():
    """Location and rule, never the input."""
    message = json.dumps({"errors": [{"loc": ["cents"], "type": "missing", "msg": "Field required"}]})
    cause = json.dumps({"errorType": "RequestRejectedError", "errorMessage": message})

    failed = to_call_error(charge, "RequestRejectedError", cause)

    assert isinstance(failed, RequestRejectedError)
    assert failed.errors[0]["loc"] == ("cents",)


def test_a_response_that_is_too_large_names_offload():
    """And says that the function ran, if Step Functions does."""
    cause = (
        "The state/task 'arn:aws:states:::lambda:invoke' returned a result with a size exceeding the maximum number of "
        "bytes service limit."
    )
    failed = to_call_error(charge, "States.DataLimitExceeded", cause)

    assert isinstance(failed, ResponseTooLargeError)
    assert "S3Offload" in str(failed)
    assert failed.execution is RAN
    assert to_call_error(charge, "States.DataLimitExceeded", "").execution is MAYBE


def test_the_request_id_is_read_from_the_cause():
    """Lambda's own, for its log."""
    cause = (
        "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; "
        "Request ID: 7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70; Proxy: null)"
    )

    assert to_call_error(charge, "Lambda.TooManyRequestsException", cause).request_id == (
        "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"
    )


@pytest.mark.parametrize("cause", [None, "", "{", "[1]", '{"errorType": 5}', "\ud800", '"x"'])
@pytest.mark.parametrize("error", [None, "", "X", "Lambda.", "States.", "Lambda.Unknown", "CardDeclined"])
def test_whatever_is_reported_becomes_an_error(error, cause):
    """A failure of another runtime, or none that is known here."""
    assert to_call_error(charge, error, cause).function == "charge"


def test_what_is_retried_and_what_is_reported_agree():
    """A name that every contract retries did not run, and one that only idempotent ones do may have."""
    assert {to_call_error(charge, name, "").execution for name in DID_NOT_RUN} == {NO}
    assert NO not in {to_call_error(charge, name, REPORT % name).execution for name in MAY_HAVE_RUN}


@pytest.mark.parametrize(
    "cause",
    [
        "The JSONPath '$.id' for 'Payload.$' could not be found in the input '{\"card\": \"s3cret\"}'",
        "The JSONPath '$.id' could not be found in the input '\"s3cret\"'",
        "The cause could not be determined because Lambda did not return an error type. Returned payload: s3cret",
        'unable to cast value "s3cret" to a number',
        '{"card": "s3cret"}',
        "Invalid item ['s3cret']",
    ],
)
def test_a_cause_that_quotes_data_is_cut_off(cause):
    """Step Functions quotes inputs and values in its errors; a message is for logs."""
    for name in ("States.Runtime", "Lambda.Unknown", "States.QueryEvaluationError"):
        assert "s3cret" not in str(to_call_error(charge, name, cause))
    assert "Rate Exceeded" in str(to_call_error(charge, "States.Runtime", "Rate Exceeded"))
