"""Real handlers in one process behave as on Lambda: calls, addresses, versions, errors, limits."""

from __future__ import annotations

import base64
import contextvars
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from lambdachain import (
    AccessDeniedError,
    CallTimeoutError,
    ConnectionLostError,
    Contract,
    ContractError,
    Execution,
    FunctionArn,
    FunctionCrashedError,
    FunctionError,
    FunctionNotFoundError,
    FunctionTimeoutError,
    InProcessTransport,
    InvalidArnError,
    Invocation,
    InvocationType,
    LambdaClient,
    NoAnswerError,
    PermissionReason,
    RecursiveInvocationError,
    RemoteError,
    RetryPolicy,
    ThrottledError,
    current_invocation,
    invocation_scope,
    remote,
)
from lambdachain._lambda_api.responses import ApiError
from lambdachain._transports.transport_override import transport_override
from lambdachain.testing import LambdaContext, StubError, _in_process_functions

NEVER = RetryPolicy.never()
CALL = InvocationType.REQUEST_RESPONSE
client = LambdaClient()


class Order(BaseModel):
    item: str
    quantity: int


class Placed(BaseModel):
    text: str


class SoldOut(RemoteError):
    left: int


stock = Contract("stock", request=Order, response=Placed, errors=[SoldOut])
shop = Contract("shop", request=Order, response=Placed)


@remote(stock)
def stock_handler(order: Order) -> Placed:
    """Deliver what is in stock."""
    if order.quantity > 2:
        raise SoldOut(left=2)
    return Placed(text=f"{order.quantity} x {order.item}")


@remote(shop)
def shop_handler(order: Order) -> Placed:
    """Call the stock."""
    try:
        return client.call(stock, order)
    except SoldOut as short:
        return Placed(text=f"only {short.left} left")


@remote("async-shop")
async def async_shop(order: Order) -> Placed:
    """Call the stock from an event loop."""
    return client.call(stock, order)


def echo(event: Any, context: Any) -> Any:
    """Return the event."""
    return event


def describe(event: Any, context: Any) -> Any:
    """Return the attributes of the context."""
    return [context.function_name, context.function_version, context.invoked_function_arn, context.memory_limit_in_mb]


def invocation(function: str = "echo", payload: bytes = b"1", **fields: Any) -> Invocation:
    """Build an invocation for the transport."""
    return Invocation(function, payload=payload, **fields)


# Calls


def test_a_system_of_handlers_calls_itself():
    """With models on both sides, and declared errors as their classes."""
    with InProcessTransport({stock: stock_handler, shop: shop_handler, async_shop: async_shop}) as system:
        assert client.call(shop, Order(item="mug", quantity=2)) == Placed(text="2 x mug")
        assert client.call(shop, Order(item="mug", quantity=3)) == Placed(text="only 2 left")
        assert client.call(async_shop, Order(item="cup", quantity=1)) == Placed(text="1 x cup")
        with pytest.raises(SoldOut) as refused:
            client.call(stock, Order(item="mug", quantity=3))

    assert refused.value == SoldOut(left=2)
    assert refused.value.execution is Execution.EXECUTED
    assert system.graph == {
        (None, "shop", CALL), ("shop", "stock", CALL), (None, "async-shop", CALL), ("async-shop", "stock", CALL),
        (None, "stock", CALL),
    }  # fmt: skip


def test_calls_are_logged_in_the_order_of_their_start():
    """The caller before the functions that it called."""
    with InProcessTransport({shop: shop_handler, stock: stock_handler}) as system:
        client.call(shop, Order(item="mug", quantity=1))
        with pytest.raises(FunctionError):
            client.call("stock", {"item": "mug", "quantity": None})

    assert repr(system) == "InProcessTransport(functions: shop, stock)"
    assert system.describe().splitlines()[:2] == [
        "call shop <- {'item': 'mug', 'quantity': 1}: {'text': '1 x mug'}",
        "shop: call stock <- {'item': 'mug', 'quantity': 1}: {'text': '1 x mug'}",
    ]
    assert [(call.caller, call.function, call.error_type) for call in system.calls] == [
        (None, "shop", None), ("shop", "stock", None), (None, "stock", "RequestRejectedError"),
    ]  # fmt: skip


def test_a_log_entry_has_every_detail_of_a_call():
    """The test's own data, and where the function failed."""

    def fail(event: Any, context: Any) -> None:
        raise ValueError("no such thing")

    with InProcessTransport({"fail": fail}) as system, pytest.raises(FunctionError) as failed:
        client.call("fail", {"a": [1]}, qualifier="$LATEST")

    (call,) = system.calls
    assert (call.caller, call.function, call.qualifier, call.invocation_type) == (None, "fail", "$LATEST", CALL)
    assert (call.request, call.response, call.attempt, call.at) == ({"a": [1]}, None, 1, 0)
    assert (call.error_type, call.error_message) == ("ValueError", "no such thing")
    assert 'raise ValueError("no such thing")' in call.stack_trace[-1]
    assert call.request_id == failed.value.request_id
    assert repr(call) == "call fail:$LATEST <- {'a': [1]}: ValueError: no such thing"


def test_a_long_payload_is_truncated_in_the_repr():
    """So that a line stays readable; the entry itself has the whole payload."""
    with InProcessTransport({"echo": echo}) as system:
        client.call("echo", "x" * 10_000)

    assert len(repr(system.calls[0])) < 500
    assert system.calls[0].request == "x" * 10_000


def test_nothing_is_shared_between_caller_and_callee():
    """Payloads go through JSON both ways, and the log has copies of its own."""
    kept: list[Any] = []

    def keep(event: Any, context: Any) -> Any:
        event["seen"].append("by the handler")
        kept.append(event)
        return event

    sent = {"seen": [], "pair": (1, 2)}
    with InProcessTransport({"keep": keep}) as system:
        answer = client.call("keep", sent)
        answer["seen"].append("by the caller")  # type: ignore[index,union-attr,call-overload]

    assert sent == {"seen": [], "pair": (1, 2)}
    assert kept == [{"seen": ["by the handler"], "pair": [1, 2]}]
    assert system.calls[0].request == {"seen": [], "pair": [1, 2]}
    assert system.calls[0].response == {"seen": ["by the handler"], "pair": [1, 2]}


def test_the_report_without_calls():
    """It is not empty."""
    assert InProcessTransport().describe() == "no calls"


def test_the_description_says_which_handlers_were_not_added():
    """The error alone is Lambda's, and looks like one of a deployment."""

    def caller(event: object, context: object) -> object:
        return client.call("price", event)

    with InProcessTransport({"caller": caller, "audit:live": plain_handler}) as system:
        with pytest.raises(FunctionError, match="price"):
            client.call("caller", None)
        with pytest.raises(FunctionNotFoundError):
            client.call("audit:beta", None)

    assert system.describe().splitlines()[-1] == (
        "not in this system: audit:beta, price: deploy each with add(handler); functions: caller, audit:live"
    )
    assert repr(InProcessTransport()) == "InProcessTransport(functions: none)"


# Who calls through it


def test_a_client_with_the_transport_needs_no_context_manager():
    """The handlers' clients call through the same transport."""
    own = LambdaClient(InProcessTransport({shop: shop_handler, stock: stock_handler}))

    assert own.call(shop, Order(item="mug", quantity=1)).text == "1 x mug"
    assert transport_override() is None


def test_nested_systems_receive_the_calls_of_their_own_handlers():
    """A handler's calls go to the system that runs the handler."""
    outer_stock = InProcessTransport({stock: lambda *_: {"text": "of the outer"}})
    inner = InProcessTransport({shop: shop_handler, stock: stock_handler})
    with outer_stock, inner:
        assert client.call(shop, Order(item="mug", quantity=1)).text == "1 x mug"
        own = LambdaClient(outer_stock)
        assert own.call(stock, Order(item="mug", quantity=1)).text == "of the outer"

    assert [len(system.calls) for system in (outer_stock, inner)] == [1, 2]


def test_a_handler_may_call_another_system():
    """The other system delivers its events before that call returns."""
    fired: list[Any] = []
    other = InProcessTransport({"log": lambda event, _: fired.append(event)})

    def handler(event: Any, context: Any) -> Any:
        LambdaClient(other).fire("log", event)
        return list(fired)

    with InProcessTransport({"handler": handler}):
        assert client.call("handler", 1) == [1]

    assert other.graph == {("handler", "log", InvocationType.EVENT)}


def test_many_threads_call_concurrently():
    """Each gets its own response, and every call is logged once."""
    together = threading.Barrier(8, timeout=5)

    def meet(event: Any, context: Any) -> Any:
        together.wait()
        return event * 2

    with InProcessTransport({"meet": meet}) as system, ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda number: client.call("meet", number), range(8)))

    assert responses == [number * 2 for number in range(8)]
    assert sorted((call.request, call.response) for call in system.calls) == [(n, n * 2) for n in range(8)]


def test_a_thread_of_a_handler_calls_through_the_same_transport():
    """As a call of the test itself, unless it runs in a copy of the handler's context."""

    def fan_out(event: Any, context: Any) -> Any:
        taken = [contextvars.copy_context() for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            alone = pool.submit(client.call, "echo", 0).result()
            along = pool.map(lambda context, number: context.run(client.call, "echo", number), taken, [1, 2, 3])
            return [alone, *along]

    with InProcessTransport({"fan-out": fan_out, "echo": echo}) as system:
        assert client.call("fan-out", None) == [0, 1, 2, 3]

    assert system.graph == {(None, "fan-out", CALL), (None, "echo", CALL), ("fan-out", "echo", CALL)}


def test_a_handler_is_not_in_its_callers_invocation():
    """It knows its caller only from the call's metadata."""
    seen: list[Any] = []

    def plain(event: Any, context: Any) -> None:
        seen.append(current_invocation())

    @remote("traced")
    def traced(_event: None) -> None:
        seen.append(current_invocation())

    with InProcessTransport({"plain": plain, traced: traced}), invocation_scope(LambdaContext(request_id="outer")):
        client.call("plain", None)
        client.call(traced, None)

    assert seen[0] is None
    assert (seen[1].correlation_id, seen[1].depth) == ("outer", 1)


def test_remaining_time_is_passed_on_through_the_system():
    """A callee of a caller with little time has little time for its own calls."""

    @remote("inner")
    def inner(_event: None) -> float:
        invocation = current_invocation()
        assert invocation is not None
        return invocation.remaining_time() or 0.0

    @remote("outer")
    def outer(_event: None) -> float:
        return inner.call(None)

    with InProcessTransport({inner: inner}, timeout=60) as system:
        system.add(outer, timeout=2)
        assert 0 < client.call(outer, None) <= 1.8


# Where functions are


def test_the_context_describes_the_function_and_the_call():
    """Its name, version, ARN and memory."""
    with InProcessTransport({"describe": describe}, memory=256) as system:
        system.add("big", describe, memory=1024)
        responses = [client.call(name, None) for name in ("describe", "big")]

    arn = "arn:aws:lambda:us-east-1:123456789012:function:"
    assert responses == [["describe", "$LATEST", f"{arn}describe", "256"], ["big", "$LATEST", f"{arn}big", "1024"]]


@pytest.mark.parametrize(
    ("called", "version", "executed"),
    [
        ("describe", "$LATEST", "the unpublished"),
        ("describe:$LATEST", "$LATEST", "the unpublished"),
        ("describe:7", "7", "seven"),
        ("describe:live", "1", "live"),
    ],
)
def test_versions_and_aliases_are_functions_of_their_own(called: str, version: str, executed: str):
    """An alias points to a version; the ARN keeps the alias."""
    system = InProcessTransport()
    for name, said in {"describe": "the unpublished", "describe:7": "seven", "describe:live": "live"}.items():
        system.add(name, lambda event, context, said=said: [said, *describe(event, context)])

    result = LambdaClient(system).invoke(called, None)

    assert result.executed_version == version
    assert result.value[:3] == [executed, "describe", version]  # type: ignore[index]
    assert str(result.value[3]).endswith(f":function:{called}")  # type: ignore[index]


def test_without_a_qualifier_the_version_added_last_is_called():
    """If every version was added with a qualifier."""
    system = InProcessTransport({"f:1": lambda *_: "one", "f:2": describe})

    result = LambdaClient(system).invoke("f", None)
    assert (result.executed_version, result.value) == (
        "$LATEST", ["f", "$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:f", "128"],
    )  # fmt: skip


def test_a_contract_with_a_qualifier_is_called_and_deployed_there():
    """Both sides take it from the contract."""
    live = Contract("f", request=int, response=int, qualifier="live")
    system = InProcessTransport({live: echo})

    assert LambdaClient(system).call(live, 3) == 3
    assert repr(system) == "InProcessTransport(functions: f:live)"


@pytest.mark.parametrize("called", ["gone", "f:gone", "f:1", "arn:aws:lambda:us-east-1:123456789012:function:gone"])
def test_an_unknown_function_is_not_found(called: str):
    """The message has the name and qualifier of the call, as on AWS."""
    system = InProcessTransport({"f": echo})
    with pytest.raises(FunctionNotFoundError, match=re.escape("Function not found: arn:aws:lambda:us-east-1:123")):
        LambdaClient(system).call(called, None)

    assert (system.calls[0].error_type, system.graph) == ("ResourceNotFoundException", frozenset())


@pytest.mark.parametrize(
    ("called", "region", "account"),
    [
        ("arn:aws:lambda:eu-west-1:111111111111:function:f", "eu-west-1", "111111111111"),
        ("arn:aws-cn:lambda:cn-north-1:111111111111:function:f", "cn-north-1", "111111111111"),
        ("222222222222:function:f", "us-east-1", "222222222222"),
        ("f", "us-east-1", "123456789012"),
    ],
)
def test_a_name_matches_any_account_and_region(called: str, region: str, account: str):
    """A function is wherever its caller expects it."""
    arn = FunctionArn.parse(str(LambdaClient(InProcessTransport({"f": describe})).call(called, None)[2]))  # type: ignore[index]

    assert (arn.region, arn.account_id, arn.name) == (region, account, "f")


def test_an_arn_matches_its_own_account_and_region():
    """It is preferred to a function added by name; calls from the same account and region need no ARN."""
    here, there = (
        f"arn:aws:lambda:{place}:function:f" for place in ("us-east-1:123456789012", "eu-west-1:111111111111")
    )
    own = LambdaClient(InProcessTransport({"f": lambda *_: "anywhere", there: lambda *_: "there"}))
    only = LambdaClient(InProcessTransport({there: lambda *_: "there", here: lambda *_: "here"}))

    assert [own.call(called, None) for called in ("f", here, there)] == ["anywhere", "anywhere", "there"]
    assert [only.call(called, None) for called in ("f", here, there)] == ["here", "here", "there"]
    with pytest.raises(FunctionNotFoundError):
        only.call("333333333333:function:f", None)


def test_can_invoke_checks_whether_a_function_exists():
    """Without running it."""
    with InProcessTransport({"f": lambda *_: pytest.fail("it ran")}) as system:
        permissions = [client.can_invoke(called) for called in ("f", "gone", "f:gone")]

    assert [permission.reason for permission in permissions] == [
        PermissionReason.ALLOWED, PermissionReason.NO_SUCH_FUNCTION, PermissionReason.NO_SUCH_QUALIFIER,
    ]  # fmt: skip
    assert repr(system.calls[0]) == "can_invoke f <- None: None"
    assert system.graph == {(None, "f", InvocationType.DRY_RUN)}


# Deploying


def test_something_else_than_a_handler_cannot_be_added():
    """For example a name or contract without a handler."""
    system = InProcessTransport()
    with pytest.raises(ContractError, match=r"'f' is not a handler: pass one as well, add\('f', handler\)"):
        system.add("f")
    with pytest.raises(ContractError, match="Contract"):
        system.add(stock)
    with pytest.raises(ContractError, match="is not a handler"):
        system.add("f", 3)  # type: ignore[arg-type]


def plain_handler(event: object, context: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize("arguments", [(plain_handler,), (plain_handler, plain_handler), (Order, plain_handler)])
def test_a_handler_without_a_name_cannot_be_added(arguments: tuple[Any, ...]):
    """It has no contract to take the name from; a class has none either."""
    system = InProcessTransport()
    expected = rf'{arguments[0].__name__} is not a contract, a name or an ARN: add\("name", handler\)'
    with pytest.raises(ContractError, match=expected):
        system.add(*arguments)
    with pytest.raises(ContractError, match=expected):
        InProcessTransport({arguments[0]: plain_handler})


@pytest.mark.parametrize("name", ["f", stock], ids=["name", "contract"])
def test_a_name_after_its_handler_is_an_error(name: Any):
    """The message has the right order."""
    with pytest.raises(ContractError, match=r"the name comes first: add\(.*, handler\)"):
        InProcessTransport().add(plain_handler, name)


def test_one_address_has_one_handler():
    """A second one would never run."""
    system = InProcessTransport({"f": echo, "f:live": echo})
    with pytest.raises(ContractError, match="f:live already has a handler"):
        system.add("f:live", describe)


def test_an_address_must_be_one_that_lambda_accepts():
    """It is checked when the function is added."""
    with pytest.raises(InvalidArnError):
        InProcessTransport({"no name": echo})


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
        ({"memory": -1}, "memory must be more than 0 MB, not -1"),
        ({"reserved_concurrency": -1}, "reserved_concurrency must be 0 or more, not -1"),
    ],
)
def test_an_invalid_configuration_is_rejected(setting: dict[str, Any], words: str):
    """When the function is added."""
    with pytest.raises(ValueError, match=words):
        InProcessTransport().add("f", echo, **setting)


# What Lambda refuses


@pytest.mark.parametrize(
    ("sent", "error", "status"),
    [
        (invocation(payload=b"{no JSON"), "InvalidRequestContentException", 400),
        (invocation(payload=b"[" * 100_000), "InvalidRequestContentException", 400),
        (invocation(payload=b'"' + b"x" * 6_291_455 + b'"'), "RequestEntityTooLargeException", 413),
        (invocation("no name"), "ValidationException", 400),
        (invocation("%66"), "ValidationException", 400),
        (invocation(qualifier="no qualifier"), "ValidationException", 400),
        (invocation("echo:1", qualifier="2"), "InvalidParameterValueException", 400),
        (invocation(client_context="no base64!"), "InvalidRequestContentException", 400),
        (invocation(tenant_id="{}"), "ValidationException", 400),
        (invocation(tenant_id="blue"), "InvalidParameterValueException", 400),
        (invocation(durable_name="d"), "InvalidParameterValueException", 400),
    ],
    ids=lambda value: "" if isinstance(value, Invocation) else str(value),
)
def test_invalid_requests_are_rejected_as_by_lambda(sent: Invocation, error: str, status: int):
    """The log has the rejection."""
    system = InProcessTransport({"echo": echo})
    outcome = system.send(sent, timeout=None)

    assert (outcome.status, outcome.error_code) == (status, error)
    assert [call.error_type for call in system.calls] == [error]


def test_an_absent_payload_is_an_empty_object():
    """As on AWS."""
    outcome = InProcessTransport({"echo": echo}).send(invocation(payload=b""), timeout=None)

    assert (outcome.status, outcome.payload, outcome.executed_version) == (200, b"{}", "$LATEST")


def test_a_client_context_that_is_not_json_fails_in_the_runtime_client():
    """Lambda itself does not parse it."""
    encoded = base64.b64encode(b"no JSON").decode()
    outcome = InProcessTransport({"echo": echo}).send(invocation(client_context=encoded), timeout=None)

    assert outcome.function_error == "Unhandled"
    assert json.loads(outcome.payload)["errorType"] == "Runtime.LambdaContextUnmarshalError"


def test_a_handler_reads_the_client_context_and_the_tenant():
    """As they were sent."""
    system = InProcessTransport()
    system.add("traced", lambda _, c: [c.client_context.custom["shop"], c.tenant_id], tenant_isolation=True)
    with system:
        assert client.call("traced", None, client_context={"shop": "1"}, tenant_id="blue") == ["1", "blue"]


# Limits of a deployment


def test_a_function_that_times_out_fails():
    """Calls that it makes later are not made: on Lambda it would have been ended."""
    release, ended = threading.Event(), threading.Event()

    def hang(event: Any, context: Any) -> None:
        try:
            release.wait(5)
            client.call("echo", "too late")
        finally:
            ended.set()

    with InProcessTransport({"echo": echo}) as system:
        system.add("hang", hang, timeout=0.03)
        with pytest.raises(FunctionTimeoutError, match=r"timed out after 0\.03 seconds"):
            client.call("hang", None)
        release.set()
        assert ended.wait(5)

    assert [call.function for call in system.calls] == ["hang"]


def test_a_timeout_of_the_caller_does_not_end_the_function():
    """It runs on, and may call others."""
    release, called = threading.Event(), threading.Event()

    def slow(event: Any, context: Any) -> None:
        release.wait(5)
        client.call("note", None)

    with InProcessTransport({"slow": slow, "note": lambda *_: called.set()}) as system:
        with pytest.raises(CallTimeoutError) as late:
            client.call("slow", None, timeout=0.03)
        release.set()
        assert called.wait(5)

    assert late.value.execution is Execution.UNKNOWN
    assert system.calls[0].error_type == "NoAnswer"
    assert ("slow", "note", CALL) in system.graph


def test_calls_beyond_reserved_concurrency_are_throttled():
    """A slot is used until the function ends, even if its caller has timed out."""
    release = threading.Event()
    with InProcessTransport() as system:
        system.add("slow", lambda waits, _: waits and release.wait(5), reserved_concurrency=1)
        client.call("slow", False)  # what a first call loads may take longer than the timeout
        with pytest.raises(CallTimeoutError):
            client.call("slow", True, timeout=0.3)
        with pytest.raises(ThrottledError) as throttled:
            client.call("slow", False, retry=NEVER)
        release.set()
        client.call("slow", False, retry=RetryPolicy(max_attempts=1000, budget=None, initial_delay=0.001))

    assert throttled.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_a_function_that_times_out_releases_its_slot():
    """Lambda has ended it."""
    release = threading.Event()
    with InProcessTransport() as system:
        system.add("hang", lambda *_: release.wait(5), reserved_concurrency=1, timeout=0.02)
        for _ in range(2):
            with pytest.raises(FunctionTimeoutError):
                client.call("hang", None)
    release.set()


def test_a_concurrency_slot_is_released_at_the_timeout_of_its_function():
    """Even if the thread runs on; releasing it late does not release the slot of another invocation."""
    quota = _in_process_functions.ConcurrencyQuota(1, "ReservedFunctionConcurrentInvocationLimitExceeded")
    release_late = quota.acquire(0.01, waits=False)
    release = quota.acquire(60, waits=True)
    release_late()

    with pytest.raises(ApiError):
        quota.acquire(60, waits=False)
    release()
    quota.acquire(60, waits=False)


def test_delays_between_attempts_are_skipped():
    """A retry policy of hours is tested in milliseconds."""
    with InProcessTransport() as system:
        system.add("parked", echo, reserved_concurrency=0)
        with pytest.raises(ThrottledError) as throttled:
            client.call("parked", None, retry=RetryPolicy(max_attempts=4, initial_delay=3600, max_delay=7200))

    assert len(throttled.value.attempts) == len(system.calls) == 4


def test_the_account_has_a_concurrency_limit(monkeypatch: pytest.MonkeyPatch):
    """It ends functions that start more and more of each other, from any thread."""
    monkeypatch.setattr(_in_process_functions, "ACCOUNT_CONCURRENCY", 5)

    def more(event: Any, context: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(client.call, "more", event + 1, retry=NEVER).result()

    with InProcessTransport({"more": more}) as system:
        system.add("reserved", echo, reserved_concurrency=1)
        with pytest.raises(FunctionError):
            client.call("more", 1)
        assert client.call("reserved", 1) == 1

    assert system.calls[-2].request == 6
    assert system.calls[-2].error_type == "TooManyRequestsException"


def test_a_function_that_calls_itself_is_stopped():
    """After 16 invocations of it in one chain; other functions do not count."""
    depths: list[int] = []

    def again(event: Any, context: Any) -> Any:
        depths.append(event)
        return client.call("via", event + 1)

    system = InProcessTransport({"again": again, "via": lambda event, _: client.call("again", event)}, timeout=30)
    with system, pytest.raises(FunctionError):
        client.call("again", 1)

    assert depths == list(range(1, 17))
    assert system.calls[-1].error_type == "RecursiveInvocationException"
    assert system.calls[-2].error_type == RecursiveInvocationError.__name__


# Failures that a test asks for


def test_a_response_can_be_lost():
    """The function has run; without idempotency the call is not retried."""
    ran: list[Any] = []
    with InProcessTransport({"f": lambda event, _: ran.append(event)}) as system:
        system.lose_answers("f")
        with pytest.raises(ConnectionLostError) as lost:
            client.call("f", 1)
        client.call("f", 2)

    assert lost.value.execution is Execution.UNKNOWN
    assert ran == [1, 2]
    assert [call.error_type for call in system.calls] == [None, None]


def test_an_idempotent_call_is_retried_after_a_lost_response():
    """As often as the test loses it, within the retry policy."""
    twice = Contract("f", request=int, response=int, idempotent=True)
    with InProcessTransport({twice: echo}) as system:
        system.lose_answers(twice, times=2)
        result = client.invoke(twice, 5)

    assert (result.value, len(result.attempts), len(system.calls)) == (5, 3, 3)


def test_the_responses_of_one_version_can_be_lost():
    """Not those of other versions; an unknown function raises."""
    system = InProcessTransport({"f": echo, "f:2": echo})
    system.lose_answers("f:2")

    assert system.send(invocation("f"), timeout=None).status == 200
    with pytest.raises(NoAnswerError, match="by lose_answers"):
        system.send(invocation("f", qualifier="2"), timeout=None)
    with pytest.raises(ContractError, match=r"there is no function g; functions: f, f:2"):
        system.lose_answers("g")


def test_a_handler_that_exits_has_crashed():
    """The test continues."""

    def leave(event: Any, context: Any) -> None:
        raise SystemExit(3)

    with InProcessTransport({"leave": leave}), pytest.raises(FunctionCrashedError, match="exit status 3"):
        client.call("leave", None)


@pytest.mark.parametrize(
    "error", [pytest.fail.Exception("no"), pytest.skip.Exception("not here"), KeyboardInterrupt(), StubError("not so")]
)
def test_exceptions_for_the_test_pass_through_every_handler(error: BaseException):
    """Unchanged, from the innermost handler to the test; later events are not delivered."""
    delivered: list[Any] = []

    def inner(event: Any, context: Any) -> None:
        client.fire("note", 1)
        raise error

    @remote("outer")
    async def outer(_event: None) -> None:
        client.call("inner", None)

    with InProcessTransport({outer: outer, "inner": inner, "note": lambda e, _: delivered.append(e)}) as system:
        with pytest.raises(type(error)) as raised:
            client.call(outer, None)
        assert delivered == []
        assert system.deliver() == 1

    assert raised.value is error


def test_calls_to_another_account_are_allowed():
    """There are no resource policies in a test."""
    with InProcessTransport({"444444444444:function:f": echo}):
        assert client.call("444444444444:function:f", 1) == 1
        with pytest.raises((FunctionNotFoundError, AccessDeniedError)):
            client.call("f", 1)


def test_closing_a_client_leaves_the_system_as_it_is():
    """There is nothing to close, and another client may use it."""
    system = InProcessTransport({"echo": echo})
    with LambdaClient(system) as own:
        own.call("echo", 1)

    assert LambdaClient(system).call("echo", 2) == 2
