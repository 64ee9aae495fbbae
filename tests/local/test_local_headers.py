"""Headers that no runtime client could accept: they end at the endpoint, and the sandbox survives."""

from __future__ import annotations

import base64
import json

import pytest


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Amzn-Trace-Id": "Root=1-2-3;" + "x" * 140_000},
        {"X-Amzn-Trace-Id": "Root=1-2-3;Lineage=" + "|".join(f"{n:08x}:1" for n in range(14_000))},
        {"X-Amzn-Trace-Id": "x" * 4097},
        {"X-Amzn-Trace-Id": "Root=1-2-3;" + "é" * 10},
        {"Signature": "x" * 140_000},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=LOCAL" + "A" * 140_000 + "/x, Signature=" + "f" * 140_000},
        {"X-Amz-Security-Token": "x" * 500_000},
    ],
    ids=["trace", "lineage", "trace, just too long", "trace of no ASCII", "signature", "credential", "token"],
)
def test_a_header_of_any_length_leaves_the_sandbox_alive(post, headers):
    """Otherwise the runtime client's process would end, or a process that the function starts."""
    before = post("describe")
    reply = post("describe", headers=headers)
    after = post("describe")
    assert [each.status for each in (before, reply, after)] == [200, 200, 200]
    assert not any("x-amz-function-error" in each.headers for each in (before, reply, after))
    assert len(reply.headers["x-amzn-trace-id"]) < 5000


def test_a_trace_of_usual_length_is_passed_on(post):
    """It carries the count of the loop detection."""
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    assert post("describe", headers={"X-Amzn-Trace-Id": trace}).headers["x-amzn-trace-id"].startswith(trace)


@pytest.mark.parametrize("length", [3_584, 100_000])
def test_a_long_client_context_is_refused(post, length):
    """As Lambda does."""
    reply = post("describe", headers={"X-Amz-Client-Context": "A" * length})
    assert (reply.status, post("describe").status) == (400, 200)
    assert len(reply.body) < 1000


def test_a_client_context_that_grows_in_transit_is_accepted(post):
    """A header is ASCII, so that each of its characters is escaped in six bytes."""
    context = json.dumps({"custom": {"a": "\u20ac" * 800}}, ensure_ascii=False).encode()
    reply = post("describe", headers={"X-Amz-Client-Context": base64.b64encode(context).decode()})
    assert reply.status == 200
    assert "x-amz-function-error" not in reply.headers


@pytest.mark.parametrize("nesting", [300, 1_300])
def test_a_deeply_nested_client_context_does_not_end_the_sandbox(post, nesting):
    """For any use that the function makes of it."""
    context = b'{"custom": ' + b"[" * nesting + b"]" * nesting + b"}"
    assert post("describe", headers={"X-Amz-Client-Context": base64.b64encode(context).decode()}).status == 200
    reply = post("describe")
    assert reply.status == 200
    assert "x-amz-function-error" not in reply.headers


def test_headers_are_limited_in_total(post):
    """To 1 MB, as on Lambda: each of these alone would be allowed."""
    reply = post("describe", headers={f"X-Filler-{n}": "x" * 300_000 for n in range(4)})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert post("describe", headers={f"X-Filler-{n}": "x" * 300_000 for n in range(3)}).status == 200
