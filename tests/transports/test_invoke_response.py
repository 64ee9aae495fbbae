"""Every transport reads a response in the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdachain import BotoTransport, HttpTransport, Invocation, Outcome
from lambdachain._transports.invoke_response import read_invoke_response
from tests.support.laboratory import Fault, Laboratory


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    """A server that sends scripted responses."""
    with Laboratory() as running:
        yield running


@pytest.fixture(scope="module")
def transports(laboratory: Laboratory) -> Iterator[list[Any]]:
    """Both transports."""
    session: Any = botocore.session.Session()
    session.set_credentials("AKIATESTTESTTESTTEST", "none")
    made = [
        kind(session=session, region="eu-west-1", endpoint_url=laboratory.url)
        for kind in (BotoTransport, HttpTransport)
    ]
    yield made
    for transport in made:
        transport.close()


_names = st.sampled_from(
    [
        "TooManyRequestsException",
        "ResourceNotFoundException:http://internal.amazon.com/coral/com.amazonaws.lambda/",
        "com.amazonaws.lambda#ServiceException",
        "AFutureException",
    ]
)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_values = _texts | st.none() | st.integers() | st.lists(_texts, max_size=2)
_bodies = st.one_of(
    st.dictionaries(st.sampled_from(["message", "Message", "Type", "other"]), _values).map(json.dumps).map(str.encode),
    st.builds(lambda key, code: json.dumps({key: code}).encode(), st.sampled_from(["code", "Code", "__type"]), _names),
    st.sampled_from([b"", b"<html><body>503</body></html>", b"[1]", b"\xff\xfe", b"null", b"no JSON", b'"text"']),
)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "x-amzn-ErrorType": _names,
        "x-amzn-RequestId": st.just("8f5e7a34"),
        "Retry-After": st.sampled_from(["0", "7", "soon", ""]),
        "x-amz-retry-after": st.sampled_from(["1500", "x"]),
        "X-Amz-Function-Error": st.just("Unhandled"),
        "X-Amz-Executed-Version": st.sampled_from(["1", "$LATEST"]),
        "X-Amz-Log-Result": st.just("aGVsbG8="),
        "X-Amz-Durable-Execution-Arn": st.just("arn:aws:lambda:eu-west-1:1:function:f:1/durable-execution/a/b"),
    },
)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(
    status=st.sampled_from([200, 202, 204, 301, 400, 403, 404, 408, 409, 429, 500, 502, 503, 509]),
    headers=_headers,
    body=_bodies,
)
def test_both_transports_read_the_same(
    laboratory: Laboratory, transports: list[Any], status: int, headers: dict[str, str], body: bytes
) -> None:
    """So a caller gets the same error over both."""
    body = b"" if status == 204 else body
    fields = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Content-Length": len(body)}.items())
    answer = f"HTTP/1.1 {status} Status\r\n{fields}\r\n".encode() + body

    def act(connection: Any) -> None:
        connection.read_request()
        connection.send(answer)

    laboratory.play(Fault("as configured", act))
    over_boto3, over_http = (transport.send(Invocation("f"), timeout=10) for transport in transports)

    assert over_boto3 == over_http


def test_the_reason_of_throttling_is_read() -> None:
    """And how long the service asks to wait."""
    body = b'{"Type":"User","message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded"}'
    headers = {"x-amzn-errortype": "TooManyRequestsException", "retry-after": "2", "x-amzn-requestid": "8f5e"}

    assert Outcome(
        429,
        request_id="8f5e",
        error_code="TooManyRequestsException",
        error_message="Rate Exceeded.",
        error_reason="CallerRateLimitExceeded",
        retry_after=2.0,
    ) == read_invoke_response(429, headers, body)
