"""The bytes of a request against what botocore prepares for the same parameters, and against its signer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lambdachain import Invocation, InvocationType, NoAnswerError, Progress, Trouble, __version__
from lambdachain._transports.http.endpoint import Endpoint, endpoint_for_url
from lambdachain._transports.http.request import RequestWriter, percent_encoded
from lambdachain._transports.http.signing import SigningKeys
from tests.transports.http.sigv4_oracle import botocore_authorization

KEYS = SigningKeys("AKIATESTTESTTESTTEST", "secret", "a-token")
NOW = 1_795_000_000.25
REGION = "eu-west-1"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
AWS = Endpoint("lambda.eu-west-1.amazonaws.com")


class Written:
    """A request of ours, parsed."""

    def __init__(self, head: bytes) -> None:
        start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.method, self.target, self.version = start.split(" ")
        self.lines = [line.split(": ", 1) for line in lines]
        self.headers = {name: value for name, value in self.lines}  # noqa: C416 - pairs of lists

    def get_signed_headers(self) -> dict[str, str]:
        """Return the headers that are signed."""
        names = self.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        return {name: self.headers[name] for name in names}


def write(invocation: Invocation, endpoint: Endpoint = AWS, keys: SigningKeys = KEYS) -> Written:
    """Write a request."""
    return Written(RequestWriter(endpoint, REGION).head(invocation, keys, NOW))


class Prepared:
    """A client of botocore whose requests are not sent."""

    def __init__(self, url: str) -> None:
        self.client: Any = boto3.client(
            "lambda",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=KEYS.access_key,
            aws_secret_access_key=KEYS.secret_key,
            aws_session_token=KEYS.token,
            config=Config(parameter_validation=False),
        )
        self.client.meta.events.register("before-send.lambda.Invoke", self._keep)
        self.requests: list[Any] = []

    def invoke(self, parameters: Mapping[str, Any]) -> Any:
        """Return the request that botocore creates from *parameters*."""
        self.client.invoke(**parameters)
        return self.requests.pop()

    def _keep(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request)
        raw: Any = type("Raw", (), {"stream": lambda *_: iter([b"null"]), "read": lambda *_: b"null"})()
        return AWSResponse(request.url, 200, {}, raw)


@pytest.fixture(scope="module")
def botocore_at() -> Iterator[Any]:
    """Return a function that creates botocore's client for an endpoint."""
    made: dict[str, Prepared] = {}
    yield lambda url: made.setdefault(url, Prepared(url))
    for prepared in made.values():
        prepared.client.close()


_names = st.one_of(
    st.from_regex(r"[a-zA-Z0-9_.-]{1,64}", fullmatch=True).filter(lambda name: name.strip(".")),
    st.sampled_from([ARN, "123456789012:function:orders", "orders:$LATEST", "eu-west-1:123456789012:function:f"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda name: name.strip("./")),
)
_headers = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
_invocations = st.builds(
    Invocation,
    function_name=_names,
    invocation_type=st.sampled_from(InvocationType),
    payload=st.binary(max_size=200),
    qualifier=st.none() | st.sampled_from(["$LATEST", "$LATEST.PUBLISHED", "live", "42"]) | _headers,
    client_context=st.none() | _headers,
    log_tail=st.booleans(),
    tenant_id=st.none() | _headers | st.sampled_from(["acme corp/1", "a  b", "a   b c"]),
    durable_name=st.none() | _headers,
)


@pytest.mark.parametrize("url", ["https://lambda.eu-west-1.amazonaws.com", "http://127.0.0.1:4566", "http://h/a/b"])
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
@given(invocation=_invocations)
@example(invocation=Invocation(ARN, qualifier="$LATEST"))
def test_a_request_is_that_of_botocore(url: str, botocore_at: Any, invocation: Invocation) -> None:
    """Method, URL, Lambda's own headers and body; and the signature is botocore's for it."""
    endpoint = endpoint_for_url(url)
    assert endpoint is not None

    ours = write(invocation, endpoint)
    theirs = botocore_at(url).invoke(_parameters(invocation))

    assert (theirs.method, theirs.url) == (ours.method, url.removesuffix(endpoint.prefix) + ours.target)
    assert _of_lambda(theirs.headers) == _of_lambda(ours.headers)
    assert invocation.payload == (theirs.body or b"")
    assert (
        botocore_authorization(KEYS, REGION, ours.target, ours.get_signed_headers(), invocation.payload)
        == (ours.headers["authorization"])
    )
    assert _parse_signed_headers(theirs.headers["Authorization"].decode()) <= set(ours.get_signed_headers()) | {
        "content-type"
    }


def _parameters(invocation: Invocation) -> dict[str, Any]:
    is_default = invocation.invocation_type is InvocationType.REQUEST_RESPONSE
    optional = {
        "InvocationType": None if is_default else invocation.invocation_type.value,
        "Qualifier": invocation.qualifier,
        "ClientContext": invocation.client_context,
        "TenantId": invocation.tenant_id,
        "DurableExecutionName": invocation.durable_name,
        "LogType": "Tail" if invocation.log_tail else None,
    }
    return {
        "FunctionName": invocation.function_name,
        "Payload": invocation.payload,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _of_lambda(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that carry parameters; botocore has them as str or bytes."""
    lower = {name.lower(): v.decode() if isinstance(v, bytes) else v for name, v in headers.items()}
    mine = {name: value for name, value in lower.items() if name.startswith("x-amz-")}
    return {name: value for name, value in mine.items() if name not in ("x-amz-date", "x-amz-user-agent")}


def _parse_signed_headers(authorization: str) -> set[str]:
    return set(authorization.split("SignedHeaders=")[1].partition(",")[0].split(";"))


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_is_that_of_urllib(text: str) -> None:
    """Which is not imported, because that takes longer than the whole request."""
    assert quote(text, safe="-._~") == percent_encoded(text)


@pytest.mark.parametrize("name", [".", "..", "a/../b", "//", "a//b"])
def test_a_path_with_dots_is_signed_as_botocore_signs_it(name: str) -> None:
    """Resolved for the signature, and sent unchanged."""
    invocation = Invocation(name)

    ours = write(invocation)

    assert f"/2015-03-31/functions/{quote(name, safe='')}/invocations" == ours.target
    assert (
        botocore_authorization(KEYS, REGION, ours.target, ours.get_signed_headers(), b"")
        == ours.headers["authorization"]
    )


def test_headers_of_every_request() -> None:
    """Who sends it, how long it is, and that the response must not be compressed; each header once."""
    ours = write(Invocation("orders", payload=b"12345"))

    assert ("POST", "/2015-03-31/functions/orders/invocations", "HTTP/1.1") == (ours.method, ours.target, ours.version)
    assert ours.headers["user-agent"].startswith(f"lambdachain/{__version__} lang/python#")
    assert ("5", "identity", AWS.host) == tuple(
        ours.headers[name] for name in ("content-length", "accept-encoding", "host")
    )
    assert len(ours.lines) == len(ours.headers)


def test_static_keys_send_no_token() -> None:
    """A user's own keys have no token."""
    ours = write(Invocation("orders"), keys=SigningKeys("AKIA", "secret"))

    assert "x-amz-security-token" not in ours.headers


@pytest.mark.parametrize("field", ["client_context", "tenant_id", "durable_name"])
@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "\x00", "é", "tab\there"])
def test_a_value_that_is_not_allowed_in_a_header_is_rejected(field: str, value: str) -> None:
    """Before anything is sent, and without quoting it."""
    with pytest.raises(NoAnswerError) as caught:
        write(Invocation("orders", **{field: value}))  # type: ignore[arg-type]

    assert (Trouble.REQUEST, Progress.NOTHING_SENT) == (caught.value.trouble, caught.value.progress)
    assert value not in str(caught.value)


TRACE = "Root=1-6925a3c0-0f2b6f3d5c8b7a1e4d9c2b1a;Parent=1f2e3d4c5b6a7988;Sampled=0;Lineage=1:3e56857a:3"


@pytest.mark.parametrize(
    ("trace", "function", "expected"),
    [
        (TRACE, "orders", TRACE),
        ("Root=1-%41;Lineage=a|b", "orders", "Root=1-%41;Lineage=a|b"),
        (TRACE, None, None),
        ("", "orders", None),
        ("a\r\nX-Injected: 1", "orders", "a%0D%0AX-Injected%3A%201"),
    ],
    ids=["of Lambda", "with characters that botocore encodes", "outside Lambda", "empty", "of an attacker"],
)
def test_the_trace_is_passed_on_unchanged_and_unsigned(
    trace: str, function: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda's loop detection depends on it; proxies may change it, so it is not signed."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    if function is not None:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function)

    ours = write(Invocation("orders"))

    assert expected == ours.headers.get("x-amzn-trace-id")
    assert "x-amzn-trace-id" not in ours.get_signed_headers()


def test_a_writer_caches_a_limited_number_of_functions() -> None:
    """A program that calls millions of function names keeps a thousand."""
    writer = RequestWriter(AWS, REGION)

    for number in range(3000):
        writer.head(Invocation(f"f{number}"), KEYS, NOW)

    assert len(writer._addresses) <= 1024
    assert "AWS_LAMBDA_FUNCTION_NAME" not in os.environ


@pytest.mark.parametrize(
    ("trace", "sent"),
    [
        ("Root=1-2-3;Sampled=1", "Root=1-2-3;Sampled=1"),
        ("x" * 4096, "x" * 4096),
        ("x" * 4097, None),
        ("Root=1;" + "x" * 140_000, None),
        ("Root=1\r\nx-injected: 1", "Root%3D1%0D%0Ax-injected%3A%201"),
        ("", None),
    ],
)
def test_a_trace_of_any_form_is_one_header_or_none(monkeypatch: pytest.MonkeyPatch, trace: str, sent: str | None):
    """No value of the variable makes a request longer, or adds another header to it."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    written = write(Invocation("orders"))
    assert written.headers.get("x-amzn-trace-id") == sent
    assert "x-injected" not in written.headers
