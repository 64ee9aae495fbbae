"""Large payloads through S3: a bucket of moto between a caller and real handlers, transparent to both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdachain import (
    AsyncLambdaClient,
    Contract,
    ContractError,
    FunctionError,
    InProcessTransport,
    Invocation,
    LambdaClient,
    NotInvokedError,
    OffloadError,
    Outcome,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    S3Offload,
    remote,
)
from lambdachain._contracts import s3_offload
from tests.support.async_as_sync import iterated

BUCKET = "orders-payloads"
SMALL = S3Offload(BUCKET, threshold=1000)
LARGE = "x" * 5000
echo = Contract("echo", request=str, response=str, offload=SMALL)
plain = Contract("echo", request=str, response=str)


@pytest.fixture(autouse=True)
def s3() -> Iterator[Any]:
    """Return an S3 client of moto, with one bucket."""
    s3_offload._client.cache_clear()
    with mock_aws():
        client: Any = boto3.client("s3", region_name="eu-west-1")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client
    s3_offload._client.cache_clear()


def _keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@remote(echo)
def echo_handler(text: str) -> str:
    """Return the request."""
    return text


@remote(plain)
def plain_handler(text: str) -> str:
    """Return the request; its contract has no bucket."""
    return text


def test_a_large_payload_goes_through_the_bucket_in_both_directions(s3: Any):
    """Caller and handler are unaffected; Lambda sees references."""
    with InProcessTransport({echo: echo_handler}) as system:
        assert LambdaClient().call(echo, LARGE) == LARGE
    call = system.calls[0]

    assert len(_keys(s3)) == 2
    assert set(call.request) == set(call.response) == {"__lambdachain_s3__"}
    assert LARGE not in json.dumps([call.request, call.response])


def test_a_small_payload_does_not_go_through_the_bucket():
    """What Lambda accepts is sent directly."""
    client: Any = boto3.client("s3", region_name="eu-west-1")
    with InProcessTransport({echo: echo_handler}) as system:
        assert LambdaClient().call(echo, "small") == "small"

    assert (system.calls[0].request, system.calls[0].response) == ("small", "small")
    assert _keys(client) == []


def test_a_payload_beyond_lambda_s_limit_arrives(s3: Any):
    """Seven megabytes in each direction, with the default threshold."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload(BUCKET))
    handler = remote(contract)(lambda_echo)
    huge = "x" * 7_000_000
    with InProcessTransport({contract: handler}):
        assert LambdaClient().call(contract, huge) == huge


def lambda_echo(text: str) -> str:
    """Return the event."""
    return text


def test_an_event_goes_through_the_bucket_above_a_megabyte(s3: Any):
    """Lambda accepts less for an event than for a call; with an envelope, too."""
    got = list[int]()
    contract = Contract("log", request=str, response=None, offload=S3Offload(BUCKET), envelope=True)

    @remote(contract)
    def handler(text: str) -> None:
        got.append(len(text))

    with InProcessTransport({contract: handler}):
        LambdaClient().fire(contract, "x" * 1_500_000)
    assert got == [1_500_000]


def test_objects_are_tagged_for_a_lifecycle_rule(s3: Any):
    """And have the prefix."""
    with InProcessTransport({echo: echo_handler}):
        LambdaClient().call(echo, LARGE)
    for key in _keys(s3):
        assert key.startswith("lambdachain/")
        assert s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] == [{"Key": "lambdachain", "Value": "offload"}]


def test_an_async_client_uses_the_bucket(s3: Any):
    """In a thread, so that its loop is not blocked."""

    async def call() -> str:
        return await AsyncLambdaClient().call(echo, LARGE)

    with InProcessTransport({echo: echo_handler}):
        assert asyncio.run(call()) == LARGE


def test_a_map_uses_the_bucket(s3: Any):
    """For each payload."""
    with InProcessTransport({echo: echo_handler}):
        assert list(LambdaClient().map(echo, [LARGE, "small", LARGE])) == [LARGE, "small", LARGE]


def _by_threes(call: Callable[..., Any]) -> Callable[..., Any]:
    """Wait for three calls, and release them together."""
    together = threading.Barrier(3)
    return lambda *arguments: (together.wait(20), call(*arguments))[1]


class Mirror:
    """Returns the request: a reference for a reference."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Return the response."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """No-op."""


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_map_uses_s3_concurrently(s3: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Any]):
    """Neither the consumer nor an event loop waits for one payload after the other."""
    for name in ("put", "get"):
        monkeypatch.setattr(S3Offload, name, _by_threes(getattr(S3Offload, name)))
    texts = [letter * 5000 for letter in "abc"]
    results = kind(Mirror()).map(echo, texts)

    assert list(results if kind is LambdaClient else iterated(results)) == texts


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_payload_that_s3_refuses_fails_alone_in_a_map(kind: type[Any]):
    """The others succeed."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload("no-such-bucket", threshold=1000))
    handler = remote(contract)(lambda_echo)
    with InProcessTransport({contract: handler}):
        results = kind().map(contract, ["small", LARGE, "tiny"], return_exceptions=True)
        came = list(results if kind is LambdaClient else iterated(results))

    assert came[::2] == ["small", "tiny"]
    assert isinstance(came[1], NotInvokedError)


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_stream_s_response_does_not_go_through_the_bucket(s3: Any, kind: type[Any]):
    """Its request does; the response is streamed as the function sends it."""
    with InProcessTransport({echo: echo_handler}):
        pieces = kind().stream(echo, LARGE)
        came = b"".join(pieces if kind is LambdaClient else iterated(pieces))

    assert json.loads(came) == LARGE
    assert len(_keys(s3)) == 1


def test_a_handler_without_offload_rejects_a_reference(s3: Any):
    """And says what its contract lacks."""
    with InProcessTransport({plain: plain_handler}), pytest.raises(RequestRejectedError, match="needs offload"):
        LambdaClient().call(echo, LARGE)


def test_a_caller_without_offload_gets_no_reference(s3: Any):
    """The response is sent directly, up to Lambda's limit."""
    giving = Contract("give", request=int, response=str)

    @remote(Contract("give", request=int, response=str, offload=SMALL))
    def handler(size: int) -> str:
        return "x" * size

    with InProcessTransport({giving: handler}):
        assert LambdaClient().call(giving, 5000) == LARGE
        with pytest.raises(FunctionError, match="cannot read it from S3"):
            LambdaClient().call(giving, 7_000_000)
    assert _keys(s3) == []


def test_a_reference_for_a_caller_without_offload_is_a_response_error():
    """If one comes."""
    reference = {"__lambdachain_s3__": {"bucket": BUCKET, "key": "lambdachain/k", "size": 1, "sha256": "0"}}
    with InProcessTransport({"echo": lambda _event, _context: reference}), pytest.raises(ResponseError, match="S3"):
        LambdaClient().call(plain, "small")


def _make_handler_of_changed_object(s3: Any) -> Any:
    """Create a handler that returns a reference to an object that was changed after it was written."""

    def handler(_event: Any, _context: Any) -> Any:
        reference = SMALL.put(b'"what was put"')
        s3.put_object(Bucket=BUCKET, Key=reference["__lambdachain_s3__"]["key"], Body=b'"something else"')
        return reference

    return handler


def test_a_changed_object_is_refused(s3: Any):
    """By its digest."""
    with (
        InProcessTransport({"echo": _make_handler_of_changed_object(s3)}),
        pytest.raises(ResponseError, match="SHA-256 differs"),
    ):
        LambdaClient().call(echo, "small")


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ({"bucket": "somebody-elses", "key": "lambdachain/k"}, "does not name the bucket orders-payloads"),
        ({"bucket": BUCKET, "key": "secrets/k"}, "does not begin with lambdachain/"),
        (
            {"bucket": BUCKET, "key": "lambdachain/gone"},
            "could not read the payload from the bucket orders-payloads: NoSuchKey",
        ),
        ({"bucket": BUCKET}, "does not name the bucket"),
        ("text", "does not name the bucket"),
    ],
)
def test_a_reference_to_another_place_is_refused(where: Any, complaint: str):
    """A caller cannot make a handler read other objects: bucket and prefix are the contract's."""
    with pytest.raises(OffloadError, match=complaint):
        SMALL.get({"__lambdachain_s3__": where})
    with pytest.raises(OffloadError, match=complaint):
        echo_handler({"__lambdachain_s3__": where})


@pytest.mark.parametrize("size", [True, -1, 16.0, "16", None, [16], 10**12, 10**40, s3_offload.MAX_SIZE + 1])
def test_a_claimed_size_is_checked_before_the_download(s3: Any, monkeypatch: pytest.MonkeyPatch, size: Any):
    """The author of a reference may claim anything."""
    reference = SMALL.put(b'"what was put"')
    reference["__lambdachain_s3__"]["size"] = size
    monkeypatch.setattr(S3Offload, "_client", lambda _: pytest.fail("S3 was asked"))
    complaint = "not a number of bytes|larger than 268,435,456 bytes"
    with pytest.raises(OffloadError, match=complaint):
        SMALL.get(reference)
    with pytest.raises(OffloadError, match=complaint):
        echo_handler(reference)
    answering = InProcessTransport({"echo": lambda _event, _context: reference})
    with answering, pytest.raises(ResponseError, match=complaint):
        LambdaClient().call(echo, "small")


@pytest.mark.parametrize("size", [0, 13, 15, 1_000_000])
def test_an_object_of_another_size_is_not_read(s3: Any, size: int):
    """The length that S3 reports is checked before the body is read."""
    reference = SMALL.put(b'"what was put"')
    reference["__lambdachain_s3__"]["size"] = size
    with pytest.raises(OffloadError, match="its size or SHA-256 differs"):
        SMALL.get(reference)


def test_a_reference_without_a_size_is_limited_by_the_object(s3: Any, monkeypatch: pytest.MonkeyPatch):
    """It may be another program's."""
    reference = SMALL.put(b'"what was put"')
    del reference["__lambdachain_s3__"]["size"]
    assert SMALL.get(reference) == b'"what was put"'
    monkeypatch.setattr(s3_offload, "MAX_SIZE", 10)
    with pytest.raises(OffloadError, match="larger than 10 bytes"):
        SMALL.get(reference)


def test_a_payload_that_could_not_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch):
    """The limit is the same in both directions."""
    monkeypatch.setattr(s3_offload, "MAX_SIZE", 10)
    with pytest.raises(OffloadError, match="too large"):
        SMALL.put(b'"what was put"')


def test_a_call_is_not_sent_if_writing_to_the_bucket_fails():
    """Nothing ran."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload("no-such-bucket", threshold=10))
    with InProcessTransport({plain: plain_handler}) as system, pytest.raises(NotInvokedError, match="NoSuchBucket"):
        LambdaClient().call(contract, LARGE)
    assert system.calls == ()


def test_a_large_payload_without_offload_is_refused_and_offload_named():
    """The error has the remedy."""
    with pytest.raises(RequestTooLargeError, match="S3Offload"):
        LambdaClient(InProcessTransport()).call(plain, "x" * 7_000_000)


@pytest.mark.parametrize(
    "options", [{"bucket": ""}, {"bucket": "b", "threshold": -1}, {"bucket": "b", "threshold": 7 << 20}]
)
def test_invalid_arguments_are_refused_where_they_are_declared(options: Any):
    """Not at the first large payload."""
    with pytest.raises(ContractError, match="offload"):
        S3Offload(**options)


def test_a_contract_with_offload_is_hashable_and_compares_by_value():
    """As every contract."""
    other = Contract("echo", request=str, response=str, offload=S3Offload(BUCKET, threshold=1000))

    assert {echo, other} == {echo}
    assert echo != plain


def test_a_model_with_one_field_is_not_mistaken_for_a_reference():
    """Only the exact name is."""
    single = Contract("one", request=dict[str, int], response=dict[str, int], offload=SMALL)
    handler = remote(single)(_same)
    with InProcessTransport({single: handler}):
        assert LambdaClient().call(single, {"a": 1}) == {"a": 1}


def _same(value: dict[str, int]) -> dict[str, int]:
    return value
