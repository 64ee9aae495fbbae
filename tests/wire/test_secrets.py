"""No secret is in an error, repr, log record or pickle.

The canaries are put together at run time, so that no source line in a traceback holds one.
"""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import pytest
from botocore.config import Config
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

import lambdachain as lc
from lambdachain import Contract, LambdaClient, RemoteError
from tests.support.responses import http_response

CANARY = f"{'can'}ary-{4711}"
SECRET_KEY, SESSION_TOKEN = "test-secret-canary-access-key", "test-session-token-canary"
VERSION = {"X-Amz-Executed-Version": "1"}


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: int


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    cents: int


class Payment(BaseModel):
    means: Annotated[Card | Cash, Field(discriminator="kind")]


def refuse(value: str) -> str:
    """Validate as users do: with the value in the message."""
    raise ValueError(f"{value} is not welcome")


class Guarded(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def check(cls, value: str) -> str:
        return refuse(value)


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: int


class CardDeclined(RemoteError):
    reason: str


def chain(error: BaseException) -> Iterator[BaseException]:
    """Generate an error and all errors behind it, whether a traceback would show them or not."""
    seen: list[BaseException] = []
    left = [error]
    while left:
        link = left.pop()
        if link in seen:
            continue
        seen.append(link)
        yield link
        left += [origin for origin in (link.__cause__, link.__context__) if origin is not None]


def all_texts(error: BaseException) -> str:
    """Collect every text of an error that may reach logs, people or other processes."""
    texts = [text for link in chain(error) for text in (str(link), repr(link))]
    texts.append(repr(error.args))
    texts += traceback.format_exception(error)
    texts.append(pickle.dumps(error).decode("latin-1"))
    texts += [
        repr(getattr(error, name)) for name in ("function", "attempts", "errors", "reason") if hasattr(error, name)
    ]
    return "\n".join(texts)


def assert_no_canary(text: str) -> None:
    """Check that *text* contains no canary, in plain text or base64."""
    encoded = base64.b64encode(CANARY.encode()).decode()[:12]
    found = [secret for secret in (CANARY, encoded, SECRET_KEY, SESSION_TOKEN) if secret in text]
    assert found == []


@pytest.fixture(autouse=True)
def _quiet_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check what the calls of every test have logged."""
    caplog.set_level(logging.DEBUG, logger="lambdachain")
    yield
    ours = [record for record in caplog.records if record.name.startswith("lambdachain")]
    assert_no_canary("\n".join(f"{record.getMessage()} {record.__dict__}" for record in ours))


def call_error(
    client: LambdaClient, request: Any, payload: object, response: Any = int, **options: Any
) -> lc.CallError:
    """Call, and return the error."""
    contract: Contract[Any, Any] = Contract("billing", request=request, response=response)
    with pytest.raises(lc.CallError) as caught:
        client.call(contract, payload, **options)
    return caught.value


@pytest.mark.parametrize(
    ("request_type", "payload"),
    [
        pytest.param(int, CANARY, id="a wrong type"),
        pytest.param(dict[str, int], {CANARY: "x"}, id="a key, above a wrong value"),
        pytest.param(dict[str, dict[str, int]], {"a": {CANARY: CANARY}}, id="a nested key"),
        pytest.param(dict[int, int], {CANARY: 1}, id="a key of the wrong type"),
        pytest.param(list[int], [1, CANARY], id="an item"),
        pytest.param(dict[str, float], {CANARY: float("nan")}, id="a key above NaN"),
        pytest.param(Payment, {"means": {"kind": CANARY}}, id="the tag of a union"),
        pytest.param(Payment, Card.model_construct(number=CANARY), id="a model of another type"),  # type: ignore[arg-type]
        pytest.param(Card, Card.model_construct(number=CANARY), id="a model that was not validated"),  # type: ignore[arg-type]
        pytest.param(Closed, {"code": 1, "more": CANARY}, id="a field too many"),
        pytest.param(Guarded, {"code": CANARY}, id="the words of a validator"),
        pytest.param(Annotated[str, AfterValidator(refuse)], CANARY, id="the words of an annotated validator"),
        pytest.param(Any, {"a": object(), "b": CANARY}, id="next to invalid JSON"),
        pytest.param(Literal["a", "b"], CANARY, id="none of the literals"),
    ],
)
def test_an_invalid_payload_is_not_quoted(
    request_type: Any, payload: object, server: Any, client: LambdaClient
) -> None:
    """The error has the path and the rule."""
    error = call_error(client, request_type, payload)

    assert type(error) is lc.InvalidRequestError
    assert error.errors
    assert_no_canary(all_texts(error))
    assert server.requests == []


@pytest.mark.parametrize(
    ("response", "body"),
    [
        pytest.param(int, json.dumps(CANARY), id="a wrong type"),
        pytest.param(dict[str, int], json.dumps({CANARY: "x"}), id="a key"),
        pytest.param(list[Card], json.dumps([{"number": CANARY}]), id="a field"),
        pytest.param(Payment, json.dumps({"means": {"kind": CANARY}}), id="a tag"),
        pytest.param(Guarded, json.dumps({"code": CANARY}), id="a validator's words"),
        pytest.param(int, CANARY, id="no JSON"),
        pytest.param(int, f'{{"{CANARY}": ', id="JSON cut short"),
        pytest.param(int, f'{{"{CANARY}": NaN}}', id="NaN"),
    ],
)
def test_an_invalid_response_is_not_quoted(response: Any, body: str, server: Any, client: LambdaClient) -> None:
    """A response is as secret as a request."""
    server.respond(http_response("200 OK", body.encode(), VERSION))

    error = call_error(client, int, 1, response)

    assert type(error) is lc.ResponseError
    assert_no_canary(all_texts(error))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(("200 OK", 9_999, {}), id="without ExecutedVersion"),
        pytest.param(("202 Accepted", 9_999, {}), id="another status"),
        pytest.param(("200 OK", 9_999, {"Content-Length": "99999", **VERSION}), id="cut short"),
        pytest.param(("200 OK", 9_999, {"Content-Length": "none", **VERSION}), id="Content-Length garbled"),
    ],
)
def test_a_broken_response_is_not_quoted(answer: Any, server: Any, client: LambdaClient) -> None:
    """Not by the exceptions of the libraries below either."""
    status, length, headers = answer
    raw = http_response(status, f'"{CANARY}"'.ljust(length).encode(), headers)
    server.play(lambda connection: (connection.read_request(), connection.send(raw)))

    error = call_error(client, int, 1)

    assert type(error) is lc.ResponseError
    assert_no_canary(all_texts(error))


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n"%s"\r\n',
        b'{"charge": "%s"}\r\n\r\n',
    ],
    ids=["for a chunk's length", "for a status line"],
)
def test_bytes_after_a_response_are_not_quoted_by_our_error(answer: bytes, server: Any, client: LambdaClient) -> None:
    """The libraries below quote the bytes that they found instead of a status line; our error does not."""
    raw = answer % CANARY.encode()
    server.play(lambda connection: (connection.read_request(), connection.send(raw)))

    error = call_error(client, int, 1)

    assert_no_canary(f"{error} {error!r} {error.args} {pickle.dumps(error).decode('latin-1')}")


def canonical(token: str) -> str:
    """Quote a signed request as Lambda's error does."""
    return (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this "
        "request should have been\n'POST\n/2015-03-31/functions/billing/invocations\n\nhost:lambda.eu-west-1."
        f"amazonaws.com\nx-amz-client-context:{CANARY}\nx-amz-security-token:{token}\n\nhost;x-amz-client-context\n"
        f"e3b0c442'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n{token}'\n"
    )


HEADER = f"AWS4-HMAC-SHA256 Credential=AKIA/20251125, SignedHeaders=host, Signature={CANARY}"


@pytest.mark.parametrize(
    ("code", "message", "kept"),
    [
        ("InvalidSignatureException", canonical(SESSION_TOKEN), "does not match"),
        (
            "IncompleteSignature",
            f"Authorization header requires 'Signature' parameter. Authorization={HEADER}",
            "requires 'Signature'",
        ),
        (
            "IncompleteSignatureException",
            f"'Signature' not a valid key=value pair (missing equal-sign) in Authorization header: '{HEADER}'.",
            "missing equal-sign",
        ),
        (
            "ValidationException",
            (
                f"1 validation error detected: Value '{CANARY}' at 'clientContext' failed to satisfy constraint: "
                "Member must have length less than or equal to 3583"
            ),
            "at 'clientContext' failed",
        ),
        (
            "ValidationException",
            (
                f"2 validation errors detected: Value '{CANARY}' at 'clientContext' failed; Value 'it's {CANARY}' at "
                "'tenantId' failed"
            ),
            "at 'tenantId' failed",
        ),
        (
            "InvalidRequestContentException",
            (
                "Could not parse request body into json: Unexpected character ('}' (code 125)): was expecting a "
                f'value\n at [Source: (byte[])"{{"card": "{CANARY}", }}"; line: 1, column: 30]'
            ),
            "Could not parse request body",
        ),
        (
            "InvalidRequestContentException",
            (
                f"Could not parse request body: Unrecognized token '{CANARY}': was expecting ('true', 'false' "
                f"or 'null')\n at [Source: (byte[])\"{CANARY}\"; line: 1, column: 4]"
            ),
            "was expecting",
        ),
    ],
    ids=["canonical request", "Authorization", "Authorization in quotes", "value", "two values", "source", "token"],
)
@pytest.mark.parametrize("verb", ["call", "fire", "can_invoke"])
def test_parts_of_a_request_that_lambda_quotes_are_redacted(
    *, verb: str, code: str, message: str, kept: str, server: Any, client: LambdaClient
) -> None:
    """The rest of its message is kept: it says what to do."""
    server.respond(http_response("400 X", json.dumps({"message": message}).encode(), {"x-amzn-ErrorType": code}))
    requests: dict[str, Callable[[], object]] = {
        "call": lambda: client.call("billing", CANARY, client_context={"a": CANARY}),
        "fire": lambda: client.fire("billing", CANARY),
        "can_invoke": lambda: client.can_invoke("billing"),
    }

    with pytest.raises(lc.CallError) as caught:
        requests[verb]()

    assert kept in str(caught.value)
    assert_no_canary(all_texts(caught.value))


@pytest.mark.parametrize("over", ["boto3"])
def test_parameters_that_an_instrumentation_breaks_are_not_quoted(
    server: Any, connect: Callable[..., LambdaClient]
) -> None:
    """Botocore's message for parameters of a wrong type repeats them."""
    import boto3

    given = boto3.client("lambda", endpoint_url=server.url, config=Config(retries={"total_max_attempts": 1}))

    def spoil(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**params, "Payload": {"headers": CANARY}}

    given.meta.events.register("provide-client-params.lambda.Invoke", spoil)

    error = call_error(connect(given), str, CANARY, client_context={"a": CANARY})

    assert type(error) is lc.InvalidRequestError
    assert_no_canary(all_texts(error))
    assert server.requests == []
    given.close()


@pytest.mark.parametrize(
    "options",
    [
        {"client_context": {"a": CANARY * 400}},
        {"client_context": {"a": [CANARY]}},
        {"tenant_id": CANARY * 40},
        {"durable_name": f"{CANARY} "},
        {"log_tail": True, "client_context": {CANARY: "a"}, "timeout": 0},
    ],
    ids=["oversize context", "context of no text", "tenant", "durable name", "no time"],
)
def test_invalid_options_are_not_quoted(options: Any, server: Any, client: LambdaClient) -> None:
    """Above all not the ClientContext."""
    error = call_error(client, str, CANARY, **options)

    assert_no_canary(all_texts(error))
    assert server.requests == []


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
def test_a_lost_connection_reveals_nothing(end: str, server: Any, client: LambdaClient) -> None:
    """The libraries' exceptions have the request as an attribute, but not in their text."""
    server.play(lambda connection: (connection.read_request(), getattr(connection, end)()))

    error = call_error(client, str, CANARY, client_context={"a": CANARY}, timeout=2)

    assert isinstance(error, lc.OutcomeUnknownError)
    assert_no_canary(all_texts(error))


def test_a_request_that_is_too_large_is_not_quoted(server: Any, client: LambdaClient) -> None:
    """The error has its size."""
    error = call_error(client, str, CANARY * 600_000)

    assert type(error) is lc.RequestTooLargeError
    assert_no_canary(all_texts(error))


def test_the_values_of_a_call_show_no_payload_in_their_repr(server: Any, client: LambdaClient) -> None:
    """Results, invocations, outcomes, clients and bound functions may be printed and logged."""
    log = base64.b64encode(CANARY.encode()).decode()
    server.respond(http_response("200 OK", json.dumps(CANARY).encode(), {**VERSION, "X-Amz-Log-Result": log}))
    contract: Contract[Any, Any] = Contract("billing", request=str, response=str)

    result = client.invoke(contract, CANARY, client_context={"a": CANARY}, log_tail=True)

    assert (CANARY, CANARY) == (result.value, result.log_tail)
    outcome = lc.Outcome(200, CANARY.encode(), log_result=log, error_message=CANARY)
    invocation = lc.Invocation("billing", payload=CANARY.encode(), client_context=log)
    bound = client.bind(contract, client_context={"a": CANARY})
    assert_no_canary(f"{result!r} {outcome!r} {invocation!r} {client!r} {bound!r}")


ERRORS = [
    lc.ThrottledError("m", reason="CallerRateLimitExceeded", retry_after=1.5, function="f", retryable=True),
    lc.InvalidRequestError("m", errors=[{"loc": ("a", 0), "type": "t", "msg": "m"}], function="f"),
    lc.FunctionError("m", function="f", error_type="E", error_message="e", stack_trace=["s"], log_tail="l"),
    lc.RequestRejectedError("m", function="f", errors=[{"loc": (), "type": "t", "msg": "m"}]),
    lc.ResponseError("m", function="f", request_id="r", execution=lc.Execution.EXECUTED),
    CardDeclined(reason="limit"),
]


@pytest.mark.parametrize(
    "error",
    [*ERRORS, *(kind("m", function="f") for kind in (lc.ConnectError, lc.ServiceError, lc.FunctionTimeoutError))],
    ids=lambda error: type(error).__name__,
)
def test_every_error_pickles_with_its_fields(error: lc.CallError) -> None:
    """For process pools and task queues."""
    error.attempts = (lc.Attempt("E", 500, "r", 0.5),)
    error.elapsed = 0.75

    copy = pickle.loads(pickle.dumps(error))

    assert (type(error), str(error), vars(error)) == (type(copy), str(copy), vars(copy))


def test_an_error_of_a_real_call_pickles_with_its_fields(server: Any, client: LambdaClient) -> None:
    """With and without a cause."""
    server.play(lambda connection: (connection.read_request(), connection.close()))

    error = call_error(client, str, CANARY)
    copy = pickle.loads(pickle.dumps(error))

    assert error.__cause__ is not None
    assert (str(error), vars(error)) == (str(copy), vars(copy))
