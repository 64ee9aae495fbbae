"""Network faults on real sockets: which error a call raises, and whether the function ran."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient
from tests.support.responses import http_response

UNKNOWN, RAN, DID_NOT_RUN = Execution.UNKNOWN, Execution.EXECUTED, Execution.NOT_EXECUTED
HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Tue, 25 Nov 2025 12:00:00 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Connection: keep-alive\r\n"
    b"x-amzn-RequestId: 7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70\r\n"
    b"X-Amz-Executed-Version: $LATEST\r\n"
)
BODY = b'{"charge_id": "c-1"}'
SUCCESS = HEAD + b"Content-Length: 20\r\n\r\n" + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'c\r\n{"charge_id"\r\n8\r\n: "c-1"}\r\n0\r\n\r\n'
ERROR_BODY = b'{"errorType":"KeyError","errorMessage":"id"}'
FUNCTION_ERROR = HEAD + b"Content-Length: 44\r\nX-Amz-Function-Error: Unhandled\r\n\r\n" + ERROR_BODY

Script = Callable[[Any], None]


def plain(idempotent: bool = False) -> Contract[Any, Any]:
    """Return the contract of the calls in this file."""
    return Contract("billing", request=dict[str, int], response=dict[str, str], idempotent=idempotent)


def failure(client: LambdaClient, *, idempotent: bool = False, timeout: float = 60.0) -> lc.CallError:
    """Call, and return the error."""
    with pytest.raises(lc.CallError) as caught:
        client.call(plain(idempotent), {"cents": 5}, timeout=timeout)
    # Said only if nothing was sent.
    assert caught.value.execution is DID_NOT_RUN or "cannot connect" not in str(caught.value)
    return caught.value


def summary(error: lc.CallError) -> tuple[type, Execution, bool, int]:
    """Return the attributes of an error that the tests compare."""
    return type(error), error.execution, error.retryable, len(error.attempts)


def on_accept(act: str) -> Script:
    """Run *act* as soon as the connection is accepted."""
    return lambda connection: getattr(connection, act)()


def mid_request(act: str) -> Script:
    """Run *act* when a part of the request has arrived."""

    def script(connection: Any) -> None:
        connection.read(100)
        getattr(connection, act)()

    return script


def after_request(*sent: bytes, then: str = "close") -> Script:
    """Respond with *sent*, and then do *then*."""

    def script(connection: Any) -> None:
        connection.read_request()
        for data in sent:
            connection.send(data)
        getattr(connection, then)()

    return script


def set_http_result(script: Script, *verdict: object) -> Script:
    """Set the result over HttpTransport: a complete status line shows that the function ran."""
    script.on_http = verdict  # type: ignore[attr-defined]
    return script


def verdict(script: Script, over: str, *otherwise: Any) -> tuple[Any, ...]:
    """Return the expected result *over* a transport."""
    return getattr(script, "on_http", otherwise) if over.endswith("http") else otherwise


# Error, execution, and whether a call by an idempotent contract may be repeated: a response that came whole and does
# not fit would not fit the next time either.
LOST = lc.ConnectionLostError, UNKNOWN, True
UNUSABLE = lc.ResponseError, RAN, True
STRANGE = lc.ResponseError, UNKNOWN, True
UNFIT = lc.ResponseError, RAN, False
TOO_LATE = lc.CallTimeoutError

FAULTS = [
    pytest.param(on_accept("close"), *LOST, id="FIN on accept"),
    pytest.param(mid_request("reset"), *LOST, id="RST within the request"),
    pytest.param(mid_request("close"), *LOST, id="FIN within the request"),
    pytest.param(after_request(then="reset"), *LOST, id="RST after the request"),
    pytest.param(after_request(then="close"), *LOST, id="FIN after the request"),
    pytest.param(after_request(b"\x00\xff garbage\r\n\r\n"), *LOST, id="garbage instead of a status line"),
    pytest.param(after_request(b"HTTP/1.1 twohundred OK\r\n\r\n"), *LOST, id="a status that is not a number"),
    pytest.param(
        set_http_result(after_request(HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), *UNUSABLE),
        *LOST,
        id="a header that is too long",
    ),
    pytest.param(
        set_http_result(after_request(HEAD + b"X: x\r\n" * 200 + b"\r\n"), *UNUSABLE),
        *LOST,
        id="too many headers",
    ),
    pytest.param(after_request(HEAD[:40]), *UNUSABLE, id="headers cut short"),
    pytest.param(after_request(SUCCESS[:-5]), *UNUSABLE, id="body cut short"),
    pytest.param(after_request(SUCCESS[:-5], then="reset"), *UNUSABLE, id="RST within the body"),
    pytest.param(after_request(HEAD + b"Content-Length: 99\r\n\r\n" + BODY), *UNUSABLE, id="Content-Length too long"),
    pytest.param(after_request(HEAD + b"Content-Length: 9\r\n\r\n" + BODY), *UNFIT, id="Content-Length too short"),
    pytest.param(after_request(HEAD + b"Content-Length: 20x\r\n\r\n" + BODY), *UNUSABLE, id="Content-Length garbled"),
    pytest.param(after_request(HEAD + b"Content-Length: -20\r\n\r\n" + BODY), *UNUSABLE, id="Content-Length negative"),
    pytest.param(after_request(HEAD + b"\r\n" + BODY[:-5]), *UNUSABLE, id="no Content-Length, body cut short"),
    pytest.param(after_request(CHUNKED[:-9]), *UNUSABLE, id="chunk cut short"),
    pytest.param(after_request(CHUNKED[:-5]), *UNUSABLE, id="last chunk missing"),
    pytest.param(
        after_request(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY), *UNUSABLE, id="chunk of bad length"
    ),
    pytest.param(
        after_request(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8bgarbage!"),
        *UNFIT,
        id="gzip garbage",
    ),
    pytest.param(after_request(HEAD + b"Content-Length: 0\r\n\r\n"), *UNUSABLE, id="200 without a body"),
    pytest.param(
        after_request(SUCCESS.replace(b"X-Amz-Executed-Version: $LATEST\r\n", b"")), *UNUSABLE, id="no ExecutedVersion"
    ),
    pytest.param(
        after_request(SUCCESS.replace(b"200 OK", b"202 Accepted")), *UNUSABLE, id="202 with a body for a call"
    ),
    pytest.param(
        after_request(b"HTTP/1.1 204 No Content\r\nX-Amz-Executed-Version: 1\r\n\r\n"), *UNUSABLE, id="204 for a call"
    ),
    pytest.param(
        after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\nTask timed out after 3.00 seconds"),
        *STRANGE,
        id="a timeout as reported by the emulator",
    ),
    pytest.param(
        after_request(HEAD + b"Content-Length: 33\r\n\r\nTask timed out after 3.00 seconds"),
        *UNFIT,
        id="text instead of JSON",
    ),
    pytest.param(after_request(HEAD + b"Content-Length: 17\r\n\r\n" + b'{"charge_id":NaN}'), *UNFIT, id="NaN"),
    pytest.param(after_request(HEAD + b'Content-Length: 17\r\n\r\n{"charge_id": 17}'), *UNFIT, id="another type"),
    pytest.param(after_request(HEAD + b"Content-Length: 9000\r\n\r\n" + b"[" * 9_000), *UNFIT, id="nested too deep"),
    pytest.param(
        after_request(b"HTTP/1.1 500 Oh\r\nContent-Length: 99\r\n\r\n{", then="reset"), *LOST, id="RST within an error"
    ),
    pytest.param(
        after_request(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        *LOST,
        id="an error badly chunked",
    ),
]
LATE = [
    pytest.param(on_accept("hang"), TOO_LATE, UNKNOWN, id="nothing is read"),
    pytest.param(after_request(then="hang"), TOO_LATE, UNKNOWN, id="no answer"),
    pytest.param(
        set_http_result(after_request(HEAD[:40], then="hang"), TOO_LATE, RAN), TOO_LATE, UNKNOWN, id="half the headers"
    ),
    pytest.param(after_request(HEAD + b"Content-Length: 20\r\n\r\n", then="hang"), TOO_LATE, RAN, id="only headers"),
    pytest.param(after_request(SUCCESS[:-5], then="hang"), TOO_LATE, RAN, id="half the body"),
    pytest.param(
        after_request(b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\n", then="hang"),
        TOO_LATE,
        UNKNOWN,
        id="half an error",
    ),
]


@pytest.mark.parametrize("idempotent", [False, True], ids=["", "idempotent"])
@pytest.mark.parametrize(("script", "error", "execution", "repeatable"), FAULTS)
def test_a_broken_response_is_an_error_and_never_a_success(
    *,
    script: Script,
    error: type[lc.CallError],
    execution: Execution,
    repeatable: bool,
    idempotent: bool,
    over: str,
    server: Any,
    client: LambdaClient,
) -> None:
    """A call that may have run is retryable for an idempotent contract only; here there is one attempt."""
    server.play(script)

    failed = failure(client, idempotent=idempotent)

    error, execution, repeatable = verdict(script, over, error, execution, repeatable)
    assert (error, execution, repeatable and idempotent, 1) == summary(failed)
    assert server.connections == 1
    server.settle()
    assert len(server.requests) <= 1


@pytest.mark.parametrize(("script", "error", "execution"), LATE)
def test_a_missing_response_is_a_timeout(
    *, script: Script, error: type[lc.CallError], execution: Execution, over: str, server: Any, client: LambdaClient
) -> None:
    """Whether the status line was received decides whether the function ran."""
    server.play(script)

    failed = failure(client, timeout=2)

    error, execution = verdict(script, over, error, execution)
    assert (error, execution, False, 1) == summary(failed)
    assert failed.elapsed >= 0.2
    assert server.connections == 1


def test_a_slow_response_is_read_to_its_end(server: Any, client: LambdaClient) -> None:
    """If the timeout allows."""

    def script(connection: Any) -> None:
        connection.read_request()
        connection.trickle(SUCCESS, pause=0.001)

    server.play(script)

    assert {"charge_id": "c-1"} == client.call(plain(), {"cents": 5}, timeout=5)


def cuts(answer: bytes) -> Iterator[bytes]:
    """Generate every proper prefix of a response."""
    whole = len(answer.removesuffix(b"0\r\n\r\n"))  # after the 0 of the last chunk nothing is missing
    return (answer[:length] for length in range(whole + (whole < len(answer))))


def test_the_error_for_a_truncated_body_has_the_request_id(server: Any, client: LambdaClient) -> None:
    """The function ran, and its logs can be found."""
    server.play(after_request(SUCCESS[:-1], then="close"))

    assert "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70" == failure(client).request_id


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("answer", [SUCCESS, CHUNKED, FUNCTION_ERROR], ids=["success", "chunked", "function error"])
def test_no_prefix_of_a_response_is_a_success(*, answer: bytes, end: str, server: Any, client: LambdaClient) -> None:
    """A response that is cut at any byte is an error that says the function ran, or may have run."""
    scripts = [after_request(cut, then=end) for cut in cuts(answer)]
    server.play(*scripts)

    seen = {summary(failure(client)) for _ in scripts}

    assert {(*LOST[:2], False, 1), (*UNUSABLE[:2], False, 1)} >= seen
    server.settle()
    assert len(scripts) == len(server.requests)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(SUCCESS, None), (CHUNKED, None), (FUNCTION_ERROR, lc.FunctionError)],
    ids=["success", "chunked", "function error"],
)
def test_the_complete_responses_are_understood(
    answer: bytes, expected: type[lc.CallError] | None, server: Any, client: LambdaClient
) -> None:
    """So the cut made the difference."""
    server.respond(answer)

    if expected is None:
        assert {"charge_id": "c-1"} == client.call(plain(), {"cents": 5})
    else:
        assert (expected, RAN, False, 1) == summary(failure(client))


@pytest.mark.parametrize(
    ("verb", "answer", "execution"),
    [
        pytest.param("fire", SUCCESS, RAN, id="200 for an event"),
        pytest.param("fire", b"HTTP/1.1 204 No Content\r\n\r\n", UNKNOWN, id="204 for an event"),
        pytest.param(
            "can_invoke", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", UNKNOWN, id="202 for a dry run"
        ),
        pytest.param("can_invoke", SUCCESS, UNKNOWN, id="200 for a dry run"),
    ],
)
def test_the_status_of_another_kind_of_invocation_is_an_error(
    *, verb: str, answer: bytes, execution: Execution, server: Any, client: LambdaClient
) -> None:
    """Lambda never responds like that."""
    server.respond(answer)

    with pytest.raises(lc.ResponseError, match="status 20") as caught:
        getattr(client, verb)("billing", *([{"cents": 5}] if verb == "fire" else []))

    assert execution is caught.value.execution


def test_a_connection_reset_on_accept_may_look_refused(server: Any, client: LambdaClient) -> None:
    """The RST may arrive before or after the client knows that it is create_client."""
    server.play(on_accept("reset"))

    failed = failure(client)

    assert summary(failed) in {(*LOST[:2], False, 1), (lc.ConnectError, DID_NOT_RUN, True, 1)}
    server.settle()
    assert server.requests == []


def test_a_refused_connection_proves_that_nothing_ran(connect: Callable[..., LambdaClient]) -> None:
    """It may be retried without idempotency."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        client = connect(endpoint_url=f"{origin}/stage")

        failed = failure(client)

    assert (lc.ConnectError, DID_NOT_RUN, True, 1) == summary(failed)
    assert f": cannot connect to {origin} (" in str(failed)
    assert "): start the local endpoint, or correct its URL [" in str(failed)


@pytest.mark.allow_real_invokes
def test_a_name_that_does_not_resolve_proves_that_nothing_ran(
    connect: Callable[..., LambdaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver is replaced, so that no query leaves this machine."""

    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = connect(endpoint_url="http://lambda.invalid")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unresolved)
        failed = failure(client)

    assert (lc.ConnectError, DID_NOT_RUN, True, 1) == summary(failed)
    assert ": cannot connect to http://lambda.invalid (" in str(failed)
    assert "): check the region, the endpoint and the network [" in str(failed)


def test_a_connect_timeout_proves_that_nothing_ran(
    connect: Callable[..., LambdaClient],
) -> None:
    """A listener with a full backlog leaves the third SYN unanswered."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"

        failed = failure(connect(endpoint_url=url, config=Config(connect_timeout=0.3)))

    assert (lc.ConnectError, DID_NOT_RUN, True, 1) == summary(failed)


@pytest.mark.allow_real_invokes  # through a proxy on this machine
@pytest.mark.parametrize("over", ["boto3"])
def test_a_proxy_that_resets_may_have_forwarded_the_request(server: Any, connect: Callable[..., LambdaClient]) -> None:
    """Intermediaries prove nothing."""
    server.play(after_request(then="reset"))
    client = connect(endpoint_url="http://lambda.invalid", config=Config(proxies={"http": server.url}))

    failed = failure(client)

    assert (*LOST[:2], False, 1) == summary(failed)
    server.settle()
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", ["call", "fire", "can_invoke", "refused", "failed"])
def test_every_response_is_read_to_its_end_so_that_its_connection_is_reused(
    verb: str, server: Any, client: LambdaClient
) -> None:
    """Five requests in a row use one connection."""
    large = b'{"charge_id": "%s"}' % (b"x" * 200_000)
    version = {"X-Amz-Executed-Version": "1"}
    answers = {
        "call": http_response("200 OK", large, version),
        "fire": http_response("202 Accepted", large),
        "can_invoke": http_response("204 No Content", b"", {"Content-Length": None}),
        "refused": http_response("404 Not Found", large),
        "failed": http_response("200 OK", large, {**version, "X-Amz-Function-Error": "Unhandled"}),
    }
    server.respond(answers[verb])
    requests: dict[str, Callable[[], object]] = {
        "call": lambda: client.call(plain(), {}),
        "fire": lambda: client.fire(plain(), {}),
        "can_invoke": lambda: client.can_invoke(plain()),
    }

    for _ in range(5):
        requests.get(verb, lambda: failure(client))()

    assert (1, 5) == (server.connections, len(server.requests))


def test_a_connection_that_was_closed_while_idle_is_replaced(server: Any, client: LambdaClient) -> None:
    """No call fails because of it."""
    server.play(after_request(SUCCESS), after_request(SUCCESS))

    for _ in range(2):
        assert {"charge_id": "c-1"} == client.call(plain(), {})
        server.settle()

    assert (2, 2) == (server.connections, len(server.requests))
