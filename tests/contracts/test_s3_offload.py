"""Large payloads through S3: moto's bucket between a caller and real handlers, transparent on both sides."""

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
    """Give moto's S3, with one bucket."""
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
    """Give back what came."""
    return text


@remote(plain)
def plain_handler(text: str) -> str:
    """Give back what came, knowing of no bucket."""
    return text


def test_a_large_payload_travels_through_the_bucket_both_ways(s3: Any):
    """Caller and handler notice nothing; Lambda sees references."""
    with InProcessTransport({echo: echo_handler}) as system:
        assert LambdaClient().call(echo, LARGE) == LARGE
    call = system.calls[0]

    assert len(_keys(s3)) == 2
    assert set(call.request) == set(call.response) == {"__lambdachain_s3__"}
    assert LARGE not in json.dumps([call.request, call.response])


def test_a_small_payload_does_not():
    """What Lambda carries, Lambda carries."""
    client: Any = boto3.client("s3", region_name="eu-west-1")
    with InProcessTransport({echo: echo_handler}) as system:
        assert LambdaClient().call(echo, "small") == "small"

    assert (system.calls[0].request, system.calls[0].response) == ("small", "small")
    assert _keys(client) == []


def test_beyond_lambdas_limit_a_payload_arrives(s3: Any):
    """Seven megabytes each way, with the threshold as it is by default."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload(BUCKET))
    handler = remote(contract)(lambda_echo)
    huge = "x" * 7_000_000
    with InProcessTransport({contract: handler}):
        assert LambdaClient().call(contract, huge) == huge


def lambda_echo(text: str) -> str:
    """Give back what came."""
    return text


def test_an_event_goes_through_the_bucket_from_a_megabyte_on(s3: Any):
    """Lambda takes less of an event than of a call; with an envelope, too."""
    got = list[int]()
    contract = Contract("log", request=str, response=None, offload=S3Offload(BUCKET), envelope=True)

    @remote(contract)
    def handler(text: str) -> None:
        got.append(len(text))

    with InProcessTransport({contract: handler}):
        LambdaClient().fire(contract, "x" * 1_500_000)
    assert got == [1_500_000]


def test_objects_are_tagged_for_a_lifecycle_rule(s3: Any):
    """And lie under the prefix."""
    with InProcessTransport({echo: echo_handler}):
        LambdaClient().call(echo, LARGE)
    for key in _keys(s3):
        assert key.startswith("lambdachain/")
        assert s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] == [{"Key": "lambdachain", "Value": "offload"}]


def test_an_async_client_does_so_too(s3: Any):
    """In a thread, so that its loop goes on."""

    async def call() -> str:
        return await AsyncLambdaClient().call(echo, LARGE)

    with InProcessTransport({echo: echo_handler}):
        assert asyncio.run(call()) == LARGE


def test_a_map_does_so_too(s3: Any):
    """Payload by payload."""
    with InProcessTransport({echo: echo_handler}):
        assert list(LambdaClient().map(echo, [LARGE, "small", LARGE])) == [LARGE, "small", LARGE]


def _by_threes(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let three through together."""
    together = threading.Barrier(3)
    return lambda *arguments: (together.wait(20), call(*arguments))[1]


class Mirror:
    """Answers with what came: a reference with the same one."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Answer."""
        return Outcome(200, invocation.payload, executed_version="1")

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_maps_payloads_go_to_s3_and_come_from_there_beside_each_other(
    s3: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
):
    """Neither the consumer nor an event loop waits for one after the other."""
    for name in ("put", "get"):
        monkeypatch.setattr(S3Offload, name, _by_threes(getattr(S3Offload, name)))
    texts = [letter * 5000 for letter in "abc"]
    results = kind(Mirror()).map(echo, texts)

    assert list(results if kind is LambdaClient else iterated(results)) == texts


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_what_s3_does_not_take_is_the_payloads_failure_in_a_map(kind: type[Any]):
    """The others go through."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload("no-such-bucket", threshold=1000))
    handler = remote(contract)(lambda_echo)
    with InProcessTransport({contract: handler}):
        results = kind().map(contract, ["small", LARGE, "tiny"], return_exceptions=True)
        came = list(results if kind is LambdaClient else iterated(results))

    assert came[::2] == ["small", "tiny"]
    assert isinstance(came[1], NotInvokedError)


@pytest.mark.parametrize("kind", [LambdaClient, AsyncLambdaClient])
def test_a_stream_has_its_answer_in_itself(s3: Any, kind: type[Any]):
    """The request goes through the bucket, and the answer does not: pieces are what the function sends."""
    with InProcessTransport({echo: echo_handler}):
        pieces = kind().stream(echo, LARGE)
        came = b"".join(pieces if kind is LambdaClient else iterated(pieces))

    assert json.loads(came) == LARGE
    assert len(_keys(s3)) == 1


def test_a_handler_that_knows_of_no_bucket_refuses(s3: Any):
    """And says what its contract lacks."""
    with InProcessTransport({plain: plain_handler}), pytest.raises(RequestRejectedError, match="needs offload"):
        LambdaClient().call(echo, LARGE)


def test_a_caller_that_knows_of_no_bucket_is_sent_none(s3: Any):
    """The answer comes as it is, up to what Lambda carries."""
    giving = Contract("give", request=int, response=str)

    @remote(Contract("give", request=int, response=str, offload=SMALL))
    def handler(size: int) -> str:
        return "x" * size

    with InProcessTransport({giving: handler}):
        assert LambdaClient().call(giving, 5000) == LARGE
        with pytest.raises(FunctionError, match="did not say that it can read from S3"):
            LambdaClient().call(giving, 7_000_000)
    assert _keys(s3) == []


def test_an_answer_in_s3_for_a_contract_without_offload_is_a_response_error():
    """Should one come."""
    reference = {"__lambdachain_s3__": {"bucket": BUCKET, "key": "lambdachain/k", "size": 1, "sha256": "0"}}
    with InProcessTransport({"echo": lambda _event, _context: reference}), pytest.raises(ResponseError, match="S3"):
        LambdaClient().call(plain, "small")


def _changed(s3: Any) -> Any:
    """Make a handler that answers with a reference to an object that is changed after it was put."""

    def handler(_event: Any, _context: Any) -> Any:
        reference = SMALL.put(b'"what was put"')
        s3.put_object(Bucket=BUCKET, Key=reference["__lambdachain_s3__"]["key"], Body=b'"something else"')
        return reference

    return handler


def test_what_is_not_what_was_put_is_refused(s3: Any):
    """By its digest."""
    with InProcessTransport({"echo": _changed(s3)}), pytest.raises(ResponseError, match="SHA-256 differs"):
        LambdaClient().call(echo, "small")


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ({"bucket": "somebody-elses", "key": "lambdachain/k"}, "not in the bucket orders-payloads"),
        ({"bucket": BUCKET, "key": "secrets/k"}, "does not begin with lambdachain/"),
        ({"bucket": BUCKET, "key": "lambdachain/gone"}, "could not be got from the bucket orders-payloads: NoSuchKey"),
        ({"bucket": BUCKET}, "not in the bucket"),
        ("text", "not in the bucket"),
    ],
)
def test_no_reference_leads_elsewhere(where: Any, complaint: str):
    """A caller cannot have a handler read what else it may read: bucket and prefix are the contract's."""
    with pytest.raises(OffloadError, match=complaint):
        SMALL.get({"__lambdachain_s3__": where})
    with pytest.raises(OffloadError, match=complaint):
        echo_handler({"__lambdachain_s3__": where})


@pytest.mark.parametrize("size", [True, -1, 16.0, "16", None, [16], 10**12, 10**40, s3_offload.MAX_SIZE + 1])
def test_a_claimed_size_is_checked_before_anything_is_loaded(s3: Any, monkeypatch: pytest.MonkeyPatch, size: Any):
    """Whoever wrote the reference may claim anything."""
    reference = SMALL.put(b'"what was put"')
    reference["__lambdachain_s3__"]["size"] = size
    monkeypatch.setattr(S3Offload, "_client", lambda _: pytest.fail("S3 was asked"))
    complaint = "not a number of bytes|more than 268,435,456 bytes"
    with pytest.raises(OffloadError, match=complaint):
        SMALL.get(reference)
    with pytest.raises(OffloadError, match=complaint):
        echo_handler(reference)
    answering = InProcessTransport({"echo": lambda _event, _context: reference})
    with answering, pytest.raises(ResponseError, match=complaint):
        LambdaClient().call(echo, "small")


@pytest.mark.parametrize("size", [0, 13, 15, 1_000_000])
def test_an_object_of_another_size_is_not_read(s3: Any, size: int):
    """What S3 says of its length counts, before its body does."""
    reference = SMALL.put(b'"what was put"')
    reference["__lambdachain_s3__"]["size"] = size
    with pytest.raises(OffloadError, match="its size or its SHA-256 differs"):
        SMALL.get(reference)


def test_a_reference_without_a_size_is_bounded_by_what_s3_has(s3: Any, monkeypatch: pytest.MonkeyPatch):
    """It may be another program's."""
    reference = SMALL.put(b'"what was put"')
    del reference["__lambdachain_s3__"]["size"]
    assert SMALL.get(reference) == b'"what was put"'
    monkeypatch.setattr(s3_offload, "MAX_SIZE", 10)
    with pytest.raises(OffloadError, match="more than 10 bytes"):
        SMALL.get(reference)


def test_what_could_not_be_read_back_is_not_put(monkeypatch: pytest.MonkeyPatch):
    """The limit is the same both ways."""
    monkeypatch.setattr(s3_offload, "MAX_SIZE", 10)
    with pytest.raises(OffloadError, match="too large"):
        SMALL.put(b'"what was put"')


def test_a_bucket_that_takes_nothing_keeps_the_call_from_being_sent():
    """Nothing ran."""
    contract = Contract("echo", request=str, response=str, offload=S3Offload("no-such-bucket", threshold=10))
    with InProcessTransport({plain: plain_handler}) as system, pytest.raises(NotInvokedError, match="NoSuchBucket"):
        LambdaClient().call(contract, LARGE)
    assert system.calls == ()


def test_without_offload_what_is_too_large_is_refused_and_offload_is_named():
    """The remedy stands in the error."""
    with pytest.raises(RequestTooLargeError, match="S3Offload"):
        LambdaClient(InProcessTransport()).call(plain, "x" * 7_000_000)


@pytest.mark.parametrize(
    "options", [{"bucket": ""}, {"bucket": "b", "threshold": -1}, {"bucket": "b", "threshold": 7 << 20}]
)
def test_what_cannot_be_is_refused_where_it_is_declared(options: Any):
    """Not at the first large payload."""
    with pytest.raises(ContractError, match="offload"):
        S3Offload(**options)


def test_a_contract_with_offload_is_hashable_and_equal_to_its_like():
    """As every contract."""
    other = Contract("echo", request=str, response=str, offload=S3Offload(BUCKET, threshold=1000))

    assert {echo, other} == {echo}
    assert echo != plain


def test_a_users_model_of_one_field_is_no_reference():
    """Only the very name is."""
    single = Contract("one", request=dict[str, int], response=dict[str, int], offload=SMALL)
    handler = remote(single)(_same)
    with InProcessTransport({single: handler}):
        assert LambdaClient().call(single, {"a": 1}) == {"a": 1}


def _same(value: dict[str, int]) -> dict[str, int]:
    return value
