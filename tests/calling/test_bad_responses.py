"""Answers and events that are not what they begin like: each is one error of one call, and of one item of a map."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lambdachain import (
    AsyncLambdaClient,
    CallError,
    Contract,
    FunctionError,
    Invocation,
    LambdaClient,
    OffloadError,
    Outcome,
    RemoteError,
    RequestRejectedError,
    ResponseError,
    RetryPolicy,
    S3Offload,
    remote,
)
from lambdachain._contracts import s3_offload
from tests.support.async_as_sync import iterated

MARK = b'{"__lambdachain_s3__"'
BUCKET = "orders-payloads"
GARBLED = {
    "cut": MARK,
    "cut behind the colon": MARK + b":",
    "a page": MARK + b": <html></html>",
    "no UTF-8": MARK + b':"\xff"}',
    "a lone surrogate": MARK + b':"\\ud800"}',
    "nested deeply": MARK + b":" + b"[" * 100_000,
    "closed, and nested deeply": MARK + b":" + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "an integer of 5,000 digits": MARK + b":" + b"9" * 5000 + b"}",
    "NaN": MARK + b":NaN}",
    "out of range": MARK + b":1e400}",
    "a BOM": b"\xef\xbb\xbf" + MARK + b":{}}",
    "UTF-16": (MARK + b":{}}").decode().encode("utf-16"),
}
REFERENCES: dict[str, Any] = {
    "null": None,
    "a number": 1,
    "a list": [],
    "empty": {},
    "a bucket that is a number": {"bucket": 1, "key": "lambdachain/k"},
    "a bucket that is a list": {"bucket": [BUCKET], "key": "lambdachain/k"},
    "a key that is a list": {"bucket": BUCKET, "key": ["lambdachain/"]},
    "a key that is an object": {"bucket": BUCKET, "key": {"lambdachain/": 1}},
    "a key with a lone surrogate": {"bucket": BUCKET, "key": "lambdachain/\ud800", "size": 1, "sha256": "0"},
    "a key that is nowhere": {"bucket": BUCKET, "key": "lambdachain/k", "size": -1, "sha256": None},
}


class Answers:
    """Answers the payload 1 with *bad*, and any other with itself."""

    def __init__(self, bad: bytes, function_error: str | None = None) -> None:
        self.bad = bad
        self.function_error = function_error

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        if invocation.payload != b"1":
            return Outcome(200, invocation.payload, executed_version="1", request_id="r-1")
        return Outcome(200, self.bad, executed_version="1", request_id="r-1", function_error=self.function_error)

    def close(self) -> None:
        """No-op."""


@contextmanager
def _s3_that_answers(answer: bytes) -> Iterator[str]:
    """Send *answer* to every request, and close."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    received = b""
                    while b"\r\n\r\n" not in received and (more := connection.recv(65536)):
                        received += more
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_offload._client.cache_clear()
    yield
    s3_offload._client.cache_clear()


def _offloads(url: str) -> S3Offload:
    return S3Offload(BUCKET, threshold=1000, region="eu-west-1", endpoint_url=url)


def _make_unreachable_offload() -> S3Offload:
    return _offloads("http://127.0.0.1:1")  # nobody listens there


def _map(transport: Any, contract: Any, kind: type[Any], **options: Any) -> list[Any]:
    client = kind(transport, retry=RetryPolicy.never())
    results = client.map(contract, range(6), return_exceptions=True, **options)
    return list(results if kind is LambdaClient else iterated(results))


@pytest.mark.parametrize("form", [int, Any])
@pytest.mark.parametrize("offload", [None, _make_unreachable_offload()], ids=["no offload", "offload"])
@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bad", GARBLED)
def test_a_response_that_only_starts_like_a_reference_is_one_response_error(
    bad: str, ordered: bool, kind: type[Any], offload: S3Offload | None, form: Any
):
    """The map continues, and every other response is kept, with or without offload in the contract."""
    contract = Contract("f", request=int, response=form, offload=offload)
    came = _map(Answers(GARBLED[bad]), contract, kind, ordered=ordered)
    [failed] = [result for result in came if isinstance(result, CallError)]

    assert type(failed) is ResponseError
    assert sorted(result for result in came if result is not failed) == [0, 2, 3, 4, 5]
    if ordered:
        assert came[1] is failed


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
@pytest.mark.parametrize("where", REFERENCES)
def test_a_reference_of_another_form_is_one_response_error(where: str, kind: type[Any]):
    """And one error of the handler's own, which does not run."""
    contract = Contract("f", request=int, response=int, offload=_make_unreachable_offload())
    event = {"__lambdachain_s3__": REFERENCES[where]}
    came = _map(Answers(json.dumps(event).encode()), contract, kind)
    handler = remote(contract)(_same)

    assert type(came[1]) is ResponseError
    assert came[::2] == [0, 2, 4]
    with pytest.raises(OffloadError):
        handler(event, None)


def _same(number: int) -> int:
    return number


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nother one",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\n\xff\xfe<a></",
    ],
    ids=["nothing", "garbage", "cut", "bad chunks", "other bytes", "a page", "no XML"],
)
@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_any_failure_of_s3_is_one_response_error(answer: bytes, kind: type[Any]):
    """On a real socket, through botocore."""
    reference = {"bucket": BUCKET, "key": "lambdachain/k", "size": 9, "sha256": "0"}
    with _s3_that_answers(answer) as url:
        contract = Contract("f", request=int, response=int, offload=_offloads(url))
        came = _map(Answers(json.dumps({"__lambdachain_s3__": reference}).encode()), contract, kind)

    assert type(came[1]) is ResponseError
    assert came[::2] == [0, 2, 4]


@pytest.mark.allow_real_invokes
def test_an_endpoint_that_is_no_url_is_an_error_of_the_offload():
    """Reading fails, and writing before anything is sent."""
    offload = _offloads("nonsense")
    with pytest.raises(OffloadError, match="could not write the payload"):
        offload.put(b"1")
    with pytest.raises(OffloadError, match="could not read the payload"):
        offload.get({"__lambdachain_s3__": {"bucket": BUCKET, "key": "lambdachain/k"}})


@pytest.mark.parametrize("stored", [b"", b"<html>", b"[" * 100_000, b"9" * 5000, b'"\xff"'])
def test_a_request_in_s3_that_is_not_json_is_rejected(stored: bytes, monkeypatch: pytest.MonkeyPatch):
    """Before the function runs."""
    monkeypatch.setattr(S3Offload, "get", lambda _self, _reference: stored)
    handler = remote(Contract("f", request=int, response=int, offload=_make_unreachable_offload()))(_same)
    with pytest.raises(RequestRejectedError) as rejected:
        handler({"__lambdachain_s3__": {}}, None)
    assert [error["type"] for error in rejected.value.errors] == ["json_invalid"]


class Declined(RemoteError):
    """A domain error."""

    reason: Any


_DEEP = "[" * 100_000
_REPORTS: dict[str, bytes] = {
    "a rejection nested deeply": json.dumps({"errorType": "RequestRejectedError", "errorMessage": _DEEP}).encode(),
    "a rejection that is a list": b'{"errorType":"RequestRejectedError","errorMessage":"[1]"}',
    "a rejection at no place": b'{"errorType":"RequestRejectedError","errorMessage":"{\\"errors\\":[{\\"loc\\":1}]}"}',
    "a declared error nested deeply": json.dumps({"errorType": "Declined", "errorMessage": _DEEP}).encode(),
    "a declared error out of range": b'{"errorType":"Declined","errorMessage":"{\\"reason\\":1e400}"}',
    "a declared error with a lone surrogate": b'{"errorType":"Declined","errorMessage":"\\ud800"}',
    "nested deeply": _DEEP.encode(),
    "no UTF-8": b"\xff\xfe",
    "a stack nested deeply": b'{"errorType":"E","stackTrace":[' + b"[" * 900 + b"]" * 900 + b"]}",
    "an integer of 5,000 digits": b'{"errorType":"E","errorMessage":' + b"9" * 5000 + b"}",
    "empty": b"",
}


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
@pytest.mark.parametrize("report", _REPORTS)
def test_any_report_of_a_failed_function_is_one_function_error(report: str, kind: type[Any]):
    """The map continues; the error has a message."""
    contract = Contract("f", request=int, response=int, errors=[Declined])
    came = _map(Answers(_REPORTS[report], "Unhandled"), contract, kind)

    assert isinstance(came[1], FunctionError)
    assert str(came[1])
    assert repr(came[1])
    assert came[::2] == [0, 2, 4]


@pytest.mark.parametrize("depth", range(880, 1000, 5))
def test_a_report_just_below_the_limit_of_recursion_is_one_function_error(depth: int):
    """Reading it may work, and writing a part of it not."""
    lists = b"[" * depth + b"]" * depth
    for report in (lists, b'{"errorType":"E","stackTrace":[' + lists + b"]}"):
        came = _map(Answers(report, "Unhandled"), Contract("f", request=int, response=int), LambdaClient)
        assert isinstance(came[1], FunctionError)


@pytest.mark.parametrize("wrong", [lambda text: text, json.dumps, lambda _: _DEEP])
def test_details_that_are_none_are_no_details(wrong: Callable[[str], str]):
    """Another program's error may have the same name."""
    assert RequestRejectedError.details_from_wire(wrong("[[1]]")) is None
