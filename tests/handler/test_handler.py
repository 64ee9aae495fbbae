"""The callee's side: a decorated function is a Lambda handler, a plain function, and can be called remotely."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import math
import pickle
import pydoc
import subprocess
import sys
import threading
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from awslambdaric.bootstrap import build_fault_result
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from pydantic import BaseModel
from typing_extensions import TypedDict

from lambdachain import (
    CallError,
    Contract,
    ContractError,
    Execution,
    FunctionError,
    Invocation,
    Outcome,
    RemoteError,
    RemoteHandler,
    RequestRejectedError,
    ResponseError,
    remote,
)
from lambdachain._calling.classify import CallSemantics, error_for_outcome

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SECRET = "canary-4111"
CONTEXT = SimpleNamespace(aws_request_id="r-1")

_who: contextvars.ContextVar[str] = contextvars.ContextVar("who")


class Order(BaseModel):
    order_id: str
    cents: int


class ExpressOrder(Order):
    hours: int = 1


class Placed(BaseModel):
    total: float


class Declined(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=Placed, errors=[Declined])
EVENT = {"order_id": "o", "cents": 5}
ORDER = Order(order_id="o", cents=5)


def _place(order: Order) -> Placed:
    """Place an order."""
    return Placed(total=order.cents)


def _at_the_caller(handler: Callable[..., Any], event: object) -> CallError | None:
    """Fail as Lambda's runtime client shapes it, and classify that as the caller does."""
    try:
        handler(event, CONTEXT)
    except Exception:
        body = {**build_fault_result(sys.exc_info(), None), "requestId": "r-1"}
    wire, _ = LambdaMarshaller().marshal_response(body)
    outcome = Outcome(200, wire.encode(), "Unhandled", "$LATEST", request_id="r-1")
    return error_for_outcome(Invocation("orders-place"), outcome, CallSemantics(place.errors))


def test_a_handler_takes_and_returns_decoded_json() -> None:
    """Lambda calls with an event and a context, and gets what its own encoder can write."""
    handler = remote(place)(_place)

    assert {"total": 5.0} == handler(EVENT, CONTEXT)
    assert {"total": 5.0} == handler(EVENT, None) == handler(EVENT)


def test_local_takes_and_returns_the_types() -> None:
    """In-process there is no JSON: the same object goes in and comes out."""
    answer = Placed(total=1.5)
    seen: list[Order] = []

    @remote(place)
    def handler(order: Order) -> Placed:
        seen.append(order)
        return answer

    assert answer is handler.local(ORDER)
    assert ORDER is seen[0]


def test_a_name_takes_the_contract_from_the_annotations() -> None:
    """``remote("name")`` takes the types from the annotations, and the rest as keywords."""

    @remote("orders-place:live", errors=[Declined], idempotent=True)
    def handler(order: Order) -> list[Placed] | None:
        return [Placed(total=order.cents)]

    assert handler.contract == Contract(
        "orders-place:live", request=Order, response=list[Placed] | None, errors=[Declined], idempotent=True
    )
    assert [{"total": 5.0}] == handler(EVENT, CONTEXT)


def test_a_docstring_describes_a_contract_from_annotations() -> None:
    """Unless the description is an option; that of a declared contract is its own."""

    def handler(order: Order) -> Placed:
        """Place an order.

        Charges the card.
        """
        return Placed(total=order.cents)

    def undescribed(order: Order) -> Placed:
        return Placed(total=order.cents)

    assert remote("orders")(handler).contract.description == "Place an order.\n\nCharges the card."
    assert remote("orders", description="Order.")(handler).contract.description == "Order."
    assert remote("orders", description=None)(handler).contract.description is None
    assert remote("orders")(undescribed).contract.description is None
    assert remote(place)(handler).contract.description is None


def test_the_context_is_passed_to_who_wants_it() -> None:
    """A function of two parameters gets the context, or None by hand; one of one parameter does not."""

    @remote(place)
    def positional(order: Order, context: Any) -> Placed:
        return Placed(total=-1 if context is None else len(context.aws_request_id))

    @remote(place)
    def defaulted(order: Order, context: Any = None) -> Placed:
        return positional.local(order, context)

    @remote(place)
    def variadic(*everything: Any) -> Placed:
        return positional.local(*everything)

    for handler in (positional, defaulted, variadic):
        assert {"total": 3.0} == handler(EVENT, CONTEXT)
        assert {"total": -1.0} == handler(EVENT, None) == handler(EVENT)
        assert Placed(total=3) == handler.local(ORDER, CONTEXT)
        assert Placed(total=-1) == handler.local(ORDER)


def test_a_context_may_have_a_type_of_the_type_checker_only() -> None:
    """What the context is annotated with need not exist at run time."""

    @remote("orders-place")
    def handler(order: Order, context: LambdaContext) -> Placed:
        return Placed(total=order.cents)

    assert {"total": 5.0} == handler(EVENT, CONTEXT)


def test_a_coroutine_function_is_run_to_its_end() -> None:
    """An ``async def`` is a handler as well, with or without context."""

    @remote(place)
    async def handler(order: Order) -> Placed:
        await asyncio.sleep(0)
        return Placed(total=order.cents)

    @remote("orders-place")
    async def with_context(order: Order, context: Any) -> Placed:
        return Placed(total=len(context.aws_request_id))

    assert {"total": 5.0} == handler(EVENT, CONTEXT)
    assert Placed(total=5) == handler.local(ORDER)
    assert {"total": 3.0} == with_context(EVENT, CONTEXT)
    assert (Order, Placed) == (with_context.contract.request, with_context.contract.response)


def test_the_loop_stays_from_one_invocation_to_the_next() -> None:
    """What a handler opened in its loop is usable in the next invocation; another thread has a loop of its own."""
    loops: list[asyncio.AbstractEventLoop] = []

    @remote(place)
    async def handler(order: Order) -> Placed:
        loops.append(asyncio.get_running_loop())
        return Placed(total=order.cents)

    handler(EVENT, CONTEXT)
    handler(EVENT, CONTEXT)
    thread = threading.Thread(target=lambda: (handler(EVENT, CONTEXT), handler(EVENT, CONTEXT)))
    thread.start()
    thread.join()

    assert loops[0] is loops[1]
    assert loops[2] is loops[3]
    assert loops[0] is not loops[2]
    assert not loops[0].is_closed()


def test_a_loop_survives_a_failed_invocation() -> None:
    """An exception leaves the loop as it was."""

    @remote(place)
    async def handler(order: Order) -> Placed:
        if order.cents == 0:
            raise KeyboardInterrupt
        return Placed(total=order.cents)

    with pytest.raises(KeyboardInterrupt):
        handler({"order_id": "o", "cents": 0}, CONTEXT)
    assert {"total": 5.0} == handler(EVENT, CONTEXT)


def test_a_process_ends_without_a_traceback() -> None:
    """Its threads, too: CPython 3.12.0 and 3.12.1 start none to wait for others while they end."""
    code = (
        "import asyncio\nfrom lambdachain import Contract, remote\n"
        "@remote(Contract('f', request=int, response=int))\n"
        "async def handler(number: int) -> int: return await asyncio.to_thread(abs, number)\n"
        "print(handler(-5, None))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr, ran.returncode) == ("5\n", "", 0)


def test_context_variables_are_seen_inside() -> None:
    """A coroutine handler sees the context variables of who called it."""
    token = _who.set("caller")

    @remote(place)
    async def handler(order: Order) -> Placed:
        assert _who.get() == "caller"
        return Placed(total=order.cents)

    assert {"total": 5.0} == handler(EVENT, CONTEXT)
    _who.reset(token)


def test_inside_a_loop_a_coroutine_handler_is_awaited_instead() -> None:
    """It raises there, and leaves no coroutine that nobody awaits."""

    @remote(place)
    async def handler(order: Order) -> Placed:
        return Placed(total=order.cents)

    async def scenario() -> Placed:
        with pytest.raises(ContractError, match=r"await handler\.function\(request\)"):
            handler.local(ORDER)
        with pytest.raises(ContractError, match=r"await handler\.function\(request\)"):
            handler(EVENT, CONTEXT)
        return await handler.function(ORDER)  # type: ignore[no-any-return]

    assert Placed(total=5) == asyncio.run(scenario())


def test_a_handler_looks_like_its_function() -> None:
    """Name, docstring, module and the function itself are where tools look for them."""
    handler = remote(place)(_place)

    assert "_place" == handler.__name__  # type: ignore[attr-defined]
    assert "Place an order." == handler.__doc__
    assert __name__ == handler.__module__
    assert _place is handler.__wrapped__ is handler.function  # type: ignore[attr-defined]
    assert "RemoteHandler(_place, Contract('orders-place', Order -> Placed))" == repr(handler)


def test_a_handler_is_called_with_event_and_context() -> None:
    """Its signature is that of a Lambda handler, through other decorators too; the class has its constructor's."""
    handler = remote(place)(_place)

    @functools.wraps(handler)
    def traced(*arguments: Any) -> Any:
        return handler(*arguments)

    assert "(event, context=None)" == str(inspect.signature(handler)) == str(inspect.signature(traced))
    assert ["order", "return"] == [*typing.get_type_hints(handler)]
    assert ["function", "contract", "signature", "interceptors"] == [*inspect.signature(RemoteHandler).parameters]
    assert "_place(event, context=None)" in pydoc.render_doc(handler, renderer=pydoc.plaintext)


def test_a_decorator_holds_no_state() -> None:
    """One result of ``remote`` decorates two functions, which stay independent."""
    by_contract, by_name = remote(place), remote("orders")

    @by_contract
    def one(order: Order) -> Placed:
        return Placed(total=1)

    @by_contract
    def two(order: Order, context: Any) -> Placed:
        return Placed(total=2)

    @by_name
    def three(number: int) -> str:
        return str(number)

    @by_name
    def four(text: str) -> int:
        return len(text)

    assert ({"total": 1.0}, {"total": 2.0}) == (one(EVENT, CONTEXT), two(EVENT, CONTEXT))
    assert ("5", 4) == (three(5, CONTEXT), four("four", CONTEXT))
    assert (int, str) == (three.contract.request, four.contract.request)


def test_types_of_a_local_scope_work() -> None:
    """A handler made inside a function may use local types, in string annotations too."""

    class Local(BaseModel):
        z: int

    @remote("local")
    def handler(request: Local) -> list[Local]:
        return [request]

    assert [{"z": 1}] == handler({"z": 1}, CONTEXT)
    assert handler.contract.request is Local


def _no_request(order, context=None) -> Placed:
    return Placed(total=0)


def _no_response(order: Order):
    return Placed(total=0)


def _nowhere(order: Nowhere) -> Placed:  # type: ignore[name-defined] # noqa: F821
    return Placed(total=0)


@pytest.mark.parametrize(
    ("function", "part"),
    [
        (_no_request, "its request"),
        (_no_response, "its return value"),
        (lambda order: order, "its request"),
        (_nowhere, ""),
    ],
)
def test_a_name_needs_annotations(function: Any, part: str) -> None:
    """Without annotations a contract cannot be made; the error says what to do."""
    with pytest.raises(ContractError, match=f"annotate {part}.*or pass a Contract"):
        remote("orders")(function)


@pytest.mark.parametrize("function", [_no_request, _no_response, lambda _: Placed(total=0)])
def test_a_contract_needs_no_annotations(function: Any) -> None:
    """With a contract, an untyped function is taken at its contract's word."""
    assert {"total": 0.0} == remote(place)(function)(EVENT, CONTEXT)


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        lambda _a, _b, _c: None,
        lambda *, _order: None,
        lambda _order, *, _context: None,
        lambda **_everything: None,
        functools.partial(lambda _order: None, _order=1),
    ],
)
def test_a_function_of_another_shape_is_no_handler(function: Any) -> None:
    """Lambda passes an event and a context, and nothing else."""
    for decorate in (remote(place), remote("orders")):
        with pytest.raises(ContractError, match=r"it must take \(request\) or \(request, context\)"):
            decorate(function)


def test_a_method_is_a_handler_once_it_is_bound() -> None:
    """In its class, it would get the request for its instance, and the context for its request."""

    class Shop:
        def handle(self, order: Order) -> Placed:
            return _place(order)

    unbound: Any = Shop.handle
    with pytest.raises(ContractError, match="decorate a bound method"):
        remote(place)(unbound)
    assert remote(place)(Shop().handle).local(ORDER) == _place(ORDER)


def _takes_text(order: str) -> Placed:
    return Placed(total=0)


def _takes_more(order: ExpressOrder) -> Placed:
    return Placed(total=0)


def _gives_text(order: Order) -> str:
    return ""


def _gives_nothing(order: Order) -> None:
    return None


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_takes_text, "_takes_text takes str, but Contract.* declares Order"),
        (_takes_more, "takes ExpressOrder, but Contract"),
        (_gives_text, "returns str, but Contract.* declares Placed"),
        (_gives_nothing, "returns None"),
    ],
)
def test_annotations_that_contradict_the_contract_are_refused(function: Any, words: str) -> None:
    """Annotations and contract must agree, but a wider request or a narrower response is allowed."""
    with pytest.raises(ContractError, match=words):
        remote(place)(function)


def test_annotations_may_be_wider_or_narrower_where_that_is_sound() -> None:
    """A function that takes more, or returns a subclass, fulfils the contract."""

    class Sure(Placed):
        sure: bool = True

    @remote(place)
    def handler(order: BaseModel) -> Sure:
        return Sure(total=1)

    assert {"total": 1.0} == handler(EVENT, CONTEXT)


class HasCents(Protocol):
    cents: int


class Row(TypedDict):
    cents: int


class OtherRow(TypedDict):
    cents: int


def _takes_any(order: Any) -> Any:
    return Placed(total=order.cents)


def _takes_protocol(order: HasCents) -> Placed:
    return Placed(total=order.cents)


def _takes_other_row(row: OtherRow) -> int:
    return row["cents"]


def test_annotations_that_only_a_type_checker_can_judge_are_let_through() -> None:
    """``Any``, protocols, other ``TypedDict``s and ``int`` for ``float`` do not contradict a contract."""
    rows: Contract[Any, Any] = Contract("rows", request=Row, response=float)

    assert {"total": 5.0} == remote(place)(_takes_any)(EVENT, CONTEXT)
    assert {"total": 5.0} == remote(place)(_takes_protocol)(EVENT, CONTEXT)
    assert 5 == remote(rows)(_takes_other_row)({"cents": 5}, CONTEXT)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: remote(_place), "remote needs a Contract or a name"),  # type: ignore[call-overload]
        (lambda: remote(None), "remote needs a Contract or a name"),  # type: ignore[call-overload]
        (lambda: remote(place, idempotent=True), "declare idempotent in the contract itself"),  # type: ignore[call-overload]
    ],
)
def test_remote_says_how_it_is_used(use: Any, words: str) -> None:
    """``@remote`` without arguments, or options with a contract, are errors that say what to write."""
    with pytest.raises(ContractError, match=words):
        use()


def test_a_rejected_request_is_reported_without_its_values() -> None:
    """The function does not run; what goes out is JSON with location, type and message, never the input."""
    handler = remote(place)(_place)

    with pytest.raises(RequestRejectedError) as caught:
        handler({"order_id": SECRET, "cents": SECRET, "x": SECRET}, CONTEXT)

    report = json.loads(str(caught.value))
    assert ["errors"] == list(report)
    assert [(["cents"], "int_parsing")] == [(error["loc"], error["type"]) for error in report["errors"]]
    assert {"loc", "type", "msg"} == set(report["errors"][0])
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.errors}"
    assert (None, None) == (caught.value.__context__, caught.value.__cause__)


@pytest.mark.parametrize("event", [{"cents": "x"}, [], None, "text", {"order_id": 1, "cents": [SECRET]}])
def test_a_rejection_reaches_the_caller_whole(event: object) -> None:
    """Through the real runtime client's error shape the caller gets the same class with the same details."""
    handler = remote(place)(_place)
    with pytest.raises(RequestRejectedError) as raised:
        handler(event, CONTEXT)
    error = _at_the_caller(handler, event)

    assert isinstance(error, RequestRejectedError)
    assert raised.value.errors == error.errors
    assert ("orders-place", "r-1", "RequestRejectedError", Execution.EXECUTED, False) == (
        error.function,
        error.request_id,
        error.error_type,
        error.execution,
        error.retryable,
    )
    assert SECRET not in f"{error} {error!r} {error.stack_trace}"


def test_a_declared_error_reaches_the_caller_as_itself() -> None:
    """Class and fields survive the runtime client's error shape."""

    @remote(place)
    def handler(order: Order) -> Placed:
        raise Declined(reason="limit")

    error = _at_the_caller(handler, EVENT)

    assert Declined(reason="limit") == error
    assert isinstance(error, Declined)
    assert ("r-1", "Declined", Execution.EXECUTED) == (error.request_id, error.error_type, error.execution)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "exception",
    [
        ValueError("boom"),
        KeyError("k"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(3),
        TimeoutError(),
        Declined(reason="x"),
    ],
    ids=repr,
)
def test_what_a_function_raises_goes_out_unchanged(exception: BaseException, is_async: bool) -> None:
    """The very same object, without a wrapper or a cause of ours: Lambda must see the failure as it is."""

    def fail(order: Order) -> Placed:
        raise exception

    async def fail_later(order: Order) -> Placed:
        await asyncio.sleep(0)
        raise exception

    handler = remote(place)(fail_later) if is_async else remote(place)(fail)

    for use in (lambda: handler(EVENT, CONTEXT), lambda: handler.local(ORDER)):
        with pytest.raises(type(exception)) as caught:
            use()
        assert exception is caught.value
        assert (None, None) == (exception.__cause__, exception.__context__)


def test_an_undeclared_exception_is_a_function_error_at_the_caller() -> None:
    """Its type and message reach the caller unchanged."""

    @remote(place)
    def handler(order: Order) -> Placed:
        raise LookupError("no such order")

    error = _at_the_caller(handler, EVENT)

    assert isinstance(error, FunctionError)
    assert ("LookupError", "no such order") == (error.error_type, error.error_message)


@pytest.mark.parametrize(
    ("answer", "loc"),
    [
        ({"total": SECRET}, ["total"]),
        (None, []),
        (SECRET, []),
        (Order(order_id=SECRET, cents=1), []),
        (Placed(total=math.nan), ["total"]),
        (Placed(total=math.inf), ["total"]),
        (Placed.model_construct(total=SECRET), ["total"]),
    ],
)
def test_a_wrong_response_is_an_error_of_the_handler(answer: Any, loc: list[str]) -> None:
    """A response that does not fit the contract is not returned: the error says where, not the value."""
    handler = remote(place)(lambda _: answer)

    with pytest.raises(ResponseError, match="the handler's response does not fit Placed") as caught:
        handler(EVENT, CONTEXT)

    assert [tuple(loc)] == [detail["loc"] for detail in caught.value.errors]
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.errors}"
    assert (None, None) == (caught.value.__context__, caught.value.__cause__)
    error = _at_the_caller(handler, EVENT)
    assert isinstance(error, FunctionError)
    assert "ResponseError" == error.error_type


def test_text_that_no_utf8_can_carry_does_not_end_the_process() -> None:
    """The runtime client would die of a lone surrogate; the handler refuses it before."""

    @remote("echo")
    def handler(request: int) -> str:
        return "\ud800"

    with pytest.raises(ResponseError, match="surrogate"):
        handler(1, CONTEXT)


def test_none_is_a_response() -> None:
    """A function that returns nothing responds with null; an optional response may be None."""

    @remote("nothing")
    def nothing(request: Order) -> None:
        return None

    @remote("perhaps")
    def perhaps(request: None) -> Placed | None:
        return None

    assert nothing(EVENT, CONTEXT) is None
    assert perhaps(None, CONTEXT) is None
    assert perhaps.local(None) is None


def test_responses_are_serialized_as_the_runtime_can_send_them() -> None:
    """What a handler returns is plain JSON values, by alias, which the runtime client's encoder takes as they are."""
    from datetime import date
    from decimal import Decimal

    from pydantic import Field

    class Answer(BaseModel):
        the_day: date = Field(alias="theDay")
        amounts: dict[int, Decimal]

    contract: Contract[Any, Any] = Contract("answers", request=None, response=Answer)
    handler = remote(contract)(lambda _: Answer(theDay=date(2020, 1, 2), amounts={1: Decimal("1.10")}))

    answer = handler(None, CONTEXT)
    assert {"theDay": "2020-01-02", "amounts": {"1": "1.10"}} == answer
    assert answer == json.loads(LambdaMarshaller().marshal_response(answer)[0])


def test_a_handler_is_accepted_where_a_contract_is() -> None:
    """It carries its contract."""
    handler = remote(place)(_place)

    assert isinstance(handler, RemoteHandler)
    assert place is handler.contract is handler.bind().contract


@remote(Contract("pickled", request=int, response=int))
def pickled_handler(number: int) -> int:  # noqa: D103 - a handler as a user writes it
    return number


def test_handlers_are_pickled_by_name_as_functions_are() -> None:
    """A process pool gets the handler of its own module."""
    assert pickled_handler is pickle.loads(pickle.dumps(pickled_handler))
