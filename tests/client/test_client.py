"""The client: what it sends where, and how it reads the response."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from lambdachain import (
    BotoTransport,
    CallError,
    ConnectError,
    Contract,
    ContractError,
    Execution,
    FunctionArn,
    FunctionName,
    FunctionNotFoundError,
    InvalidArnError,
    InvalidRequestError,
    Invocation,
    InvocationType,
    InvokeResult,
    LambdaClient,
    NoAnswerError,
    Outcome,
    Permission,
    PermissionReason,
    Progress,
    Qualifier,
    Receipt,
    RemoteError,
    RequestTooLargeError,
    ResponseError,
    RetryPolicy,
    Transport,
    parse_target,
    remote,
    resolvers,
)

SECRET = "canary-4111"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


class Order(BaseModel):
    order_id: str
    cents: int


class Placed(BaseModel):
    total: int


class Declined(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=Placed, errors=[Declined])
live = Contract("orders-place", request=Order, response=Placed, qualifier="live")
text: Contract[str, str] = Contract("text", request=str, response=str)
ORDER = Order(order_id="o", cents=5)


class Line:
    """A transport with scripted responses: outcomes to return, or exceptions to raise."""

    def __init__(self, *answers: Outcome | NoAnswerError) -> None:
        self.answers = list(answers)
        self.sent: list[Invocation] = []
        self.closed = 0
        self.timeout: float | None = None

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Return the next response."""
        self.sent.append(invocation)
        self.timeout = timeout
        answer = self.answers.pop(0)
        if isinstance(answer, NoAnswerError):
            raise answer
        return answer

    def close(self) -> None:
        """Count."""
        self.closed += 1


def _ok(payload: bytes = b'{"total": 5}', **parts: Any) -> Outcome:
    return Outcome(200, payload, **{"executed_version": "7", "request_id": "r-1", **parts})


def _make_queued_outcome() -> Outcome:
    return Outcome(202, request_id="r-1")


def _missing() -> Outcome:
    return Outcome(404, error_code="ResourceNotFoundException", error_message="Function not found: x", request_id="r-9")


def _address(invocation: Invocation) -> tuple[str, str | None]:
    return invocation.function_name, invocation.qualifier


def test_call_returns_the_typed_response() -> None:
    """The payload goes out as JSON, the response comes back as the model."""
    line = Line(_ok())

    assert Placed(total=5) == LambdaClient(line).call(place, ORDER)
    sent = [replace(invocation, client_context=None) for invocation in line.sent]
    assert [Invocation("orders-place", payload=b'{"order_id":"o","cents":5}')] == sent


def test_invoke_returns_the_metadata_of_the_response() -> None:
    """The result has version, request id, log and attempts."""
    line = Line(_ok(log_result="RU5EIFJlcXVlc3RJZA=="))

    result = LambdaClient(line).invoke(place, ORDER, log_tail=True)

    assert (Placed(total=5), "r-1", "7", "END RequestId") == (
        result.value,
        result.request_id,
        result.executed_version,
        result.log_tail,
    )
    assert [(None, 200, "r-1")] == [(try_.error, try_.status, try_.request_id) for try_ in result.attempts]
    assert result.duration >= result.attempts[0].elapsed >= 0
    assert isinstance(result, InvokeResult)


def test_a_result_does_not_show_its_value() -> None:
    """The repr has the metadata, but not the response or the log."""
    line = Line(_ok(f'"{SECRET}"'.encode(), log_result="Y2FuYXJ5LTQxMTE="))

    result = LambdaClient(line).invoke(text, "x", log_tail=True)

    assert (SECRET, SECRET) == (result.value, result.log_tail)
    assert "r-1" in repr(result)
    assert SECRET not in repr(result)


def test_fire_returns_a_receipt() -> None:
    """The event is queued: an id and the attempt, no result."""
    line = Line(_make_queued_outcome())

    receipt = LambdaClient(line).fire(place, ORDER)

    assert isinstance(receipt, Receipt)
    assert ("r-1", 1) == (receipt.request_id, len(receipt.attempts))
    assert [InvocationType.EVENT] == [sent.invocation_type for sent in line.sent]


def test_can_invoke_asks_and_sends_nothing() -> None:
    """An allowed check is true, and carried no payload."""
    line = Line(Outcome(204, request_id="r-1"))

    permission = LambdaClient(line).can_invoke(place)

    assert Permission(allowed=True, reason=PermissionReason.ALLOWED) == permission
    assert permission
    assert [Invocation("orders-place", InvocationType.DRY_RUN)] == line.sent


@pytest.mark.parametrize(
    ("answers", "options", "reason"),
    [
        ([Outcome(403, error_code="AccessDeniedException", error_message="no")], {}, PermissionReason.DENIED),
        ([_missing()], {}, PermissionReason.NO_SUCH_FUNCTION),
        ([_missing(), Outcome(204)], {"qualifier": "live"}, PermissionReason.NO_SUCH_QUALIFIER),
        ([_missing(), _missing()], {"qualifier": "live"}, PermissionReason.NO_SUCH_FUNCTION),
    ],
)
def test_can_invoke_has_the_reason(answers: list[Outcome], options: Any, reason: PermissionReason) -> None:
    """No is a result: denied, no such function, or no such qualifier."""
    permission = LambdaClient(Line(*answers)).can_invoke(place, **options)

    assert reason is permission.reason
    assert not permission
    assert permission.message


@pytest.mark.parametrize(
    "answer",
    [
        Outcome(429, error_code="TooManyRequestsException"),
        Outcome(403, error_code="ExpiredTokenException"),
        NoAnswerError("refused", progress=Progress.NOTHING_SENT),
    ],
    ids=["throttled", "credentials", "network"],
)
def test_can_invoke_raises_if_lambda_does_not_decide(answer: Outcome | NoAnswerError) -> None:
    """Throttling, credentials and network trouble do not decide about permission."""
    with pytest.raises(CallError) as caught:
        LambdaClient(Line(answer), retry=RetryPolicy.never()).can_invoke(place)

    assert caught.value.execution is Execution.NOT_EXECUTED


@pytest.mark.parametrize(
    ("target", "options", "address"),
    [
        (place, {}, ("orders-place", None)),
        (live, {}, ("orders-place", "live")),
        (live, {"qualifier": "3"}, ("orders-place", "3")),
        (live, {"qualifier": Qualifier.latest()}, ("orders-place", "$LATEST")),
        (live, {"qualifier": None}, ("orders-place", "live")),
        ("orders", {}, ("orders", None)),
        ("orders:live", {}, ("orders", "live")),
        ("orders", {"qualifier": "live"}, ("orders", "live")),
        ("123456789012:function:orders:2", {}, ("123456789012:function:orders", "2")),
        (f"{ARN}:live", {}, (ARN, "live")),
        (FunctionArn.parse(ARN), {"qualifier": "live"}, (ARN, "live")),
        (FunctionArn.parse(f"{ARN}:live"), {}, (ARN, "live")),
    ],
)
def test_an_address_goes_out_in_two_parts(target: Any, options: Any, address: tuple[str, str | None]) -> None:
    """The call's qualifier before the address's before the contract's; the name never carries it."""
    line = Line(_make_queued_outcome())

    LambdaClient(line).fire(target, ORDER if isinstance(target, Contract) else {"a": 1}, **options)

    assert [address] == [_address(sent) for sent in line.sent]


@pytest.mark.parametrize(
    ("function", "options", "address"),
    [
        (None, {}, ("orders-place", "live")),
        ("other", {}, ("other", "live")),
        ("other:blue", {}, ("other", "blue")),
        ("other", {"qualifier": "3"}, ("other", "3")),
        (ARN, {}, (ARN, "live")),
        (FunctionArn.parse(f"{ARN}:blue"), {}, (ARN, "blue")),
    ],
)
def test_a_bound_address_takes_the_place_of_the_contract_s_name(function: Any, options: Any, address: Any) -> None:
    """``bind`` may have an address; qualifiers keep their precedence."""
    line = Line(_ok(), _make_queued_outcome(), Outcome(204))
    bound = LambdaClient(line).bind(live, function, **options)

    assert Placed(total=5) == bound.call(ORDER)
    assert "r-1" == bound.fire(ORDER).request_id
    assert bound.can_invoke()
    assert [address] * 3 == [_address(sent) for sent in line.sent]


@pytest.mark.parametrize("target", ["orders:live", f"{ARN}:live", FunctionArn.parse(f"{ARN}:live")])
def test_a_qualifier_is_given_once(target: Any) -> None:
    """In the address and as an option is one too many, even if they agree: nothing is sent."""
    line = Line()
    client = LambdaClient(line)

    for use in (
        lambda: client.call(target, 1, qualifier="live"),
        lambda: client.can_invoke(target, qualifier="live"),
        lambda: client.bind(place, target, qualifier="live").call(ORDER),
    ):
        with pytest.raises(InvalidArnError, match="already has a qualifier"):
            use()
    assert [] == line.sent


def test_resolve_turns_a_contract_s_name_into_the_deployed_one() -> None:
    """It is called for plain names of contracts and handlers, without qualifier, and may return any address."""
    asked: list[str] = []

    def resolve(name: str) -> str:
        asked.append(name)
        return f"{ARN}:blue" if name == "orders-place" else f"prod-{name}"

    line = Line(_ok(), _ok(b'""'), _ok())
    client = LambdaClient(line, resolve=resolve)

    client.call(live, ORDER)
    client.call(text, "", qualifier="3")
    client.call(place, ORDER)

    assert ["orders-place", "text", "orders-place"] == asked
    assert [(ARN, "blue"), ("prod-text", "3"), (ARN, "blue")] == [_address(sent) for sent in line.sent]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.call("orders", 1),
        lambda client: client.call(ARN, 1),
        lambda client: client.call(FunctionArn.parse(ARN), 1),
        lambda client: client.call(Contract(ARN, request=int, response=Any), 1),
        lambda client: client.call(Contract("123456789012:function:orders", request=int, response=Any), 1),
        lambda client: client.bind(place, "orders").call(ORDER),
        lambda client: client.bind(place, ARN).call(ORDER),
    ],
)
def test_resolve_leaves_given_addresses_alone(call: Any) -> None:
    """An ARN, and an address passed to a call or to ``bind``, is not resolved."""
    line = Line(_ok())

    call(LambdaClient(line, resolve=resolvers.prefix("prod-")))

    assert "prod-" not in line.sent[0].function_name


def test_a_plain_target_returns_decoded_json_or_the_requested_type() -> None:
    """Without ``response=`` it is the JSON as it is; with it, the model, or any form of type."""
    line = Line(_ok(), _ok(), _ok(b"[1]"), _ok(b"null"), _ok(b"null"))
    client = LambdaClient(line)

    assert {"total": 5} == client.call("orders", {"a": [None]})
    assert Placed(total=5) == client.call("orders", ORDER, response=Placed)
    assert [1] == client.invoke("orders", None, response=list[int]).value
    assert client.call("orders", 1, response=None) is None
    assert client.call("orders", 1) is None
    assert [b'{"a":[null]}', b'{"order_id":"o","cents":5}', b"null", b"1", b"1"] == [sent.payload for sent in line.sent]


def test_response_belongs_to_plain_targets() -> None:
    """A contract has its response type."""
    with pytest.raises(ContractError, match="response= is for plain names"):
        LambdaClient(Line()).call(place, ORDER, response=Placed)  # type: ignore[call-overload]


@pytest.mark.parametrize("target", ["orders", FunctionArn.parse(ARN)])
def test_a_plain_name_cannot_be_bound(target: Any) -> None:
    """A plain name has no types to bind."""
    with pytest.raises(ContractError, match=r"bind\(\) needs a Contract"):
        LambdaClient(Line()).bind(target)


@pytest.mark.parametrize("target", [None, 5, Order, b"orders", ["orders"], Placed(total=1)])
def test_an_invalid_target_is_refused(target: Any) -> None:
    """Not a contract, handler or address: the error says what to pass."""
    client = LambdaClient(Line())

    for use in (lambda: client.call(target, 1), lambda: client.fire(target, 1), lambda: client.can_invoke(target)):
        with pytest.raises(ContractError, match="pass a Contract, a handler made by remote, a name or an ARN"):
            use()
    with pytest.raises(ContractError):
        client.bind(target)


def test_a_parsed_name_is_a_target_like_its_text() -> None:
    """A name that ``parse_target`` returns can be called by its text."""
    line = Line(_ok())
    target = parse_target("orders:live")

    assert isinstance(target, FunctionName)
    assert {"total": 5} == LambdaClient(line).call(str(target), 1)
    assert [("orders", "live")] == [_address(sent) for sent in line.sent]


def test_a_handler_is_a_target_like_its_contract() -> None:
    """Decorated functions are called where they are deployed; a client may bind them."""

    @remote(place)
    def handler(order: Order) -> Placed:
        raise AssertionError

    line = Line(_ok(), _ok())
    client = LambdaClient(line)

    assert Placed(total=5) == client.call(handler, ORDER) == client.bind(handler).call(ORDER)


def test_with_options_lays_options_over_others() -> None:
    """The new function has the sum, the old one keeps its own."""
    line = Line(_ok(), _ok(), _ok())
    bound = LambdaClient(line).bind(place, tenant_id="t-1", log_tail=True)
    other = bound.with_options(tenant_id="t-2", qualifier="live")

    bound.call(ORDER)
    other.invoke(ORDER)
    other.with_options(tenant_id=None, qualifier=None, log_tail=False).call(ORDER)

    assert [("t-1", None, True), ("t-2", "live", True), (None, None, False)] == [
        (sent.tenant_id, sent.qualifier, sent.log_tail) for sent in line.sent
    ]


@pytest.mark.parametrize(
    ("verb", "limit", "answer"), [("call", 6_291_456, _ok(b'""')), ("fire", 1_048_576, _make_queued_outcome())]
)
def test_the_size_of_a_payload_is_checked_before_sending(verb: str, limit: int, answer: Outcome) -> None:
    """Up to Lambda's limit of encoded bytes it goes out, one byte more is refused here, without its content."""
    line = Line(answer, answer)
    client = LambdaClient(line)

    getattr(client, verb)(text, "x" * (limit - 3))
    getattr(client, verb)(text, "x" * (limit - 2))
    with pytest.raises(RequestTooLargeError) as caught:
        getattr(client, verb)(text, "x" * (limit - 1))

    assert [limit - 1, limit] == [len(sent.payload) for sent in line.sent]
    assert f"{limit + 1:,} bytes" in str(caught.value)
    assert f"at most {limit:,} for {verb}()" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_size_is_counted_in_bytes_not_characters() -> None:
    """Text beyond ASCII is longer than it looks."""
    with pytest.raises(RequestTooLargeError):
        LambdaClient(Line()).fire(text, "é" * (1_048_576 // 2))


@pytest.mark.parametrize(
    ("payload", "loc"),
    [({"order_id": "o", "cents": SECRET}, ("cents",)), (SECRET, ()), (Placed(total=1), ()), (None, ())],
)
def test_a_payload_that_does_not_fit_is_refused_before_sending(payload: Any, loc: tuple[str | int, ...]) -> None:
    """The error says where and why, is raised before a byte is sent, and has nothing of the payload."""
    line = Line()

    for verb in (LambdaClient(line).call, LambdaClient(line).fire, LambdaClient(line).invoke):
        with pytest.raises(InvalidRequestError, match="the payload does not fit Order") as caught:
            verb(place, payload)
        error = caught.value
        assert [loc] == [detail["loc"] for detail in error.errors]
        assert ("orders-place", Execution.NOT_EXECUTED, ()) == (error.function, error.execution, error.attempts)
        assert SECRET not in f"{error} {error!r} {error.errors} {pickle.dumps(error)!r}"
        assert (None, None) == (error.__context__, error.__cause__)
    assert [] == line.sent


def test_a_response_that_does_not_fit_is_an_error_of_a_call_that_ran() -> None:
    """The error has the attempt, but not the response."""
    with pytest.raises(ResponseError, match="the response does not fit Placed") as caught:
        LambdaClient(Line(_ok(f'{{"total": "{SECRET}"}}'.encode()))).call(place, ORDER)

    error = caught.value
    assert [("total",)] == [detail["loc"] for detail in error.errors]
    assert (Execution.EXECUTED, "r-1", False) == (error.execution, error.request_id, error.retryable)
    assert [("ResponseError", 200)] == [(try_.error, try_.status) for try_ in error.attempts]
    assert SECRET not in f"{error} {error!r} {error.errors} {pickle.dumps(error)!r}"


def test_a_call_takes_as_long_as_its_only_attempt() -> None:
    """Also in figures: both are rounded, whether the call succeeds, has a response that does not fit, or fails."""
    line = Line(_ok(), _ok(b"[]"), _missing())

    result = LambdaClient(line).invoke(place, ORDER)
    errors = []
    for _ in range(2):
        with pytest.raises(CallError) as caught:
            LambdaClient(line).call(place, ORDER)
        errors.append(caught.value)

    assert [ResponseError, FunctionNotFoundError] == [type(error) for error in errors]
    assert [result.attempts[0].elapsed] == [result.duration]
    assert [error.attempts[0].elapsed for error in errors] == [error.elapsed for error in errors]


@pytest.mark.parametrize("answer", [_missing(), NoAnswerError("no route", progress=Progress.NOTHING_SENT)], ids=str)
def test_an_error_knows_its_attempt(answer: Outcome | NoAnswerError) -> None:
    """Each error has the record of what was sent, and pickles with it."""
    with pytest.raises((FunctionNotFoundError, ConnectError)) as caught:
        LambdaClient(Line(answer), retry=RetryPolicy.never()).call(live, ORDER)

    error: Any = caught.value
    assert "orders-place:live" == error.function
    assert [type(error).__name__] == [try_.error for try_ in error.attempts]
    twin = pickle.loads(pickle.dumps(error))
    assert (str(error), error.attempts, error.execution, error.elapsed) == (
        str(twin),
        twin.attempts,
        twin.execution,
        twin.elapsed,
    )


def test_a_declared_error_comes_back_as_its_class() -> None:
    """The callee's exception, with its fields and the facts of the call."""
    body = b'{"errorType": "Declined", "errorMessage": "{\\"reason\\": \\"limit\\"}", "stackTrace": []}'

    with pytest.raises(Declined) as caught:
        LambdaClient(Line(_ok(body, function_error="Unhandled"))).call(place, ORDER)

    assert ("limit", "orders-place", "r-1") == (caught.value.reason, caught.value.function, caught.value.request_id)
    assert ["Declined"] == [try_.error for try_ in caught.value.attempts]


def test_a_closed_client_refuses_calls() -> None:
    """Closing closes the transport; later calls, those of bound functions included, raise."""
    line = Line()
    with LambdaClient(line) as client:
        bound = client.bind(place)

    for use in (
        lambda: client.call(place, ORDER),
        lambda: client.fire(place, ORDER),
        lambda: client.can_invoke(place),
        lambda: bound.call(ORDER),
    ):
        with pytest.raises(ConnectError, match="the client is closed") as caught:
            use()
        assert (Execution.NOT_EXECUTED, "orders-place") == (caught.value.execution, caught.value.function)
    assert (1, []) == (line.closed, line.sent)


def test_a_client_that_never_called_closes() -> None:
    """Nothing was opened, so nothing is closed."""
    client = LambdaClient()

    client.close()
    client.close()
    with pytest.raises(ConnectError):
        client.call(place, ORDER)


def test_reprs_help() -> None:
    """Clients and functions show what they are, and nothing of a call's options."""
    client = LambdaClient(BotoTransport(region="eu-west-1"))

    assert "LambdaClient()" == repr(LambdaClient())
    assert "LambdaClient(BotoTransport(region='eu-west-1', endpoint_url=None))" == repr(client)
    bound = client.bind(place, client_context={"k": SECRET})
    assert "RemoteFunction(Contract('orders-place', Order -> Placed))" == repr(bound)


def test_a_transport_is_anything_with_two_methods() -> None:
    """The protocol asks for ``send`` and ``close``, and no base class."""
    line: Transport = Line(_ok())

    assert Placed(total=5) == LambdaClient(line).call(place, ORDER)


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Payloads, responses and client context stay out of every log record."""
    caplog.set_level(logging.DEBUG)
    line = Line(_ok(f'"{SECRET}"'.encode()), _ok(b"1"))
    client = LambdaClient(line)

    client.call(text, SECRET, client_context={"k": SECRET})
    with pytest.raises(ResponseError):
        client.call(text, SECRET)

    assert SECRET not in caplog.text
    assert SECRET not in repr(line.sent)
