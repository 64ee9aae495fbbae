"""How a stub responds, which calls it matches, and what it records."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest
from pydantic import BaseModel, Field

from lambdachain import (
    CallTimeoutError,
    Contract,
    ContractError,
    CurrentInvocation,
    DeadlineExceededError,
    FunctionCrashedError,
    FunctionError,
    Invocation,
    InvocationType,
    LambdaClient,
    PermissionReason,
    RemoteError,
    RequestRejectedError,
    ResponseTooLargeError,
    RetryPolicy,
    ThrottledError,
    current_invocation,
    remote,
    resolvers,
)
from lambdachain.testing import StubError, StubTransport, UnstubbedCallError, UnusedStubError


class Charge(BaseModel):
    order_id: str = Field(alias="orderId")
    cents: int


class Charged(BaseModel):
    charge_id: str
    amount: Decimal = Decimal(0)


class Declined(RemoteError):
    reason: str


class Undeclared(RemoteError):
    reason: str


charge = Contract("billing-charge", request=Charge, response=Charged, errors=[Declined])
twice = Contract("billing-twice", request=Charge, response=Charged, idempotent=True)
mail = Contract("mail", request=str, response=None)
wrapped = Contract("wrapped", request=str, response=None, envelope=True)

ORDER = Charge(orderId="o-1", cents=500)
DONE = Charged(charge_id="c-1", amount=Decimal("5.00"))
CLIENT = LambdaClient()


@pytest.fixture(name="stub")
def _stub():
    """Use a stub in AWS's place, without the fixture's check at the end."""
    from lambdachain._transports.transport_override import override_transport

    stub = StubTransport()
    with override_transport(stub):
        yield stub


def test_a_response_is_serialized_by_the_contract(stub: StubTransport):
    """With aliases and decimals: the caller's value was JSON."""
    charges = stub.on(charge).returns(DONE)
    answer = CLIENT.call(charge, ORDER)

    assert answer == DONE
    assert answer is not DONE
    assert [call.request for call in charges.calls] == [ORDER]


def test_one_value_is_the_response_to_every_call(stub: StubTransport):
    """However many there are."""
    stub.on(charge).returns(DONE)

    assert [CLIENT.call(charge, ORDER) for _ in range(3)] == [DONE] * 3
    stub.verify()


def test_several_values_are_for_one_call_each(stub: StubTransport):
    """A further call fails."""
    stub.on(charge).returns(DONE, Charged(charge_id="c-2"))

    assert [CLIENT.call(charge, ORDER).charge_id for _ in range(2)] == ["c-1", "c-2"]
    with pytest.raises(
        UnstubbedCallError, match=r"returns Charged, returns Charged  \(all its responses are used up\)"
    ):
        CLIENT.call(charge, ORDER)


def test_steps_apply_in_order_and_the_last_one_repeats(stub: StubTransport):
    """An earlier step is for one call, unless it has a number of times."""
    stub.on(charge).returns(DONE).raises(Declined(reason="limit"))

    assert CLIENT.call(charge, ORDER) == DONE
    for _ in range(2):
        with pytest.raises(Declined) as declined:
            CLIENT.call(charge, ORDER)
        assert declined.value == Declined(reason="limit")


def test_a_step_added_after_calls_replaces_the_last_one(stub: StubTransport):
    """The earlier step was used already."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(charge, ORDER)
    charges.returns(Charged(charge_id="c-2"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-2"


def test_an_invalid_value_is_rejected_when_the_stub_is_scripted(stub: StubTransport):
    """Not when it is called."""
    wrong: Any = Charge(orderId="o", cents=1)
    with pytest.raises(StubError, match="the stub of billing-charge does not return a valid Charged"):
        stub.on(charge).returns(wrong)
    with pytest.raises(ContractError, match=r"use returns\(None\)"):
        stub.on(charge).returns()


def test_none_is_a_valid_response(stub: StubTransport):
    """If the contract allows it."""
    stub.on(mail).returns(None)

    assert CLIENT.call(mail, "to") is None


def test_a_response_has_lambdas_size_limit(stub: StubTransport):
    """A stub cannot send what AWS would not."""
    stub.on("large").returns("x" * 7_000_000)

    with pytest.raises(ResponseTooLargeError):
        CLIENT.call("large", None)


def test_a_stub_by_name_takes_and_returns_json(stub: StubTransport):
    """The stub's values may be models."""
    legacy = stub.on("legacy").returns(DONE)

    assert CLIENT.call("legacy", {"a": [1]}) == {"charge_id": "c-1", "amount": "5.00"}
    assert legacy.calls[0].request == {"a": [1]}


@pytest.mark.parametrize(
    "address", ["f", "arn:aws:lambda:eu-west-1:123456789012:function:f", "123456789012:function:f"]
)
def test_a_name_matches_any_account_and_region(stub: StubTransport, address: str):
    """As callers write it."""
    stub.on("f").returns(1)

    assert CLIENT.call(address, None) == 1


def test_an_arn_matches_its_own_account_and_region(stub: StubTransport):
    """No other function of that name."""
    stub.on("arn:aws:lambda:eu-west-1:123456789012:function:f").returns(1)

    assert CLIENT.call("arn:aws:lambda:eu-west-1:123456789012:function:f", None) == 1
    with pytest.raises(UnstubbedCallError):
        CLIENT.call("arn:aws:lambda:eu-west-2:123456789012:function:f", None)


def test_a_resolved_name_is_stubbed(stub: StubTransport):
    """The message shows the deployed name and the stubbed one."""
    client = LambdaClient(resolve=resolvers.prefix("prod-"))
    stub.on(charge, "prod-billing-charge").returns(DONE)
    assert client.call(charge, ORDER) == DONE

    with pytest.raises(UnstubbedCallError, match=r"call billing-charge <-.*\n.*\n    on\('prod-billing-charge'\)"):
        CLIENT.call(charge, ORDER)


def test_a_stub_with_the_qualifier_is_preferred(stub: StubTransport):
    """To one for any qualifier, in whichever order they were added."""
    stub.on(charge, qualifier="beta").returns(Charged(charge_id="beta"))
    stub.on(charge).returns(DONE)

    assert CLIENT.call(charge, ORDER, qualifier="beta").charge_id == "beta"
    assert CLIENT.call(charge, ORDER, qualifier="live").charge_id == "c-1"
    assert CLIENT.call(charge, ORDER).charge_id == "c-1"


def test_a_stub_with_a_qualifier_matches_no_other(stub: StubTransport):
    """The message has the reason."""
    stub.on(charge, qualifier="live").returns(DONE)

    with pytest.raises(UnstubbedCallError, match=r"\(not for calls without a qualifier\)"):
        CLIENT.call(charge, ORDER)
    with pytest.raises(UnstubbedCallError, match=r"\(not for qualifier beta\)"):
        CLIENT.call(charge, ORDER, qualifier="beta")


def test_the_executed_version_is_in_the_result(stub: StubTransport):
    """A version is itself; an alias points to one."""
    stub.on("f").returns(1)

    assert CLIENT.invoke("f", None).executed_version == "$LATEST"
    assert CLIENT.invoke("f:7", None).executed_version == "7"
    assert CLIENT.invoke("f:live", None).executed_version == "1"


def test_when_reads_the_typed_request(stub: StubTransport):
    """A stub with a condition is preferred, in whichever order they were added."""
    stub.on(charge, when=lambda request: request.cents > 1000).raises(Declined(reason="limit"))
    stub.on(charge).returns(DONE)

    assert CLIENT.call(charge, ORDER) == DONE
    with pytest.raises(Declined):
        CLIENT.call(charge, Charge(orderId="o-2", cents=1001))


def test_the_stub_added_last_is_preferred(stub: StubTransport):
    """So a test can override a stub of its fixture."""
    stub.on(charge, optional=True).returns(DONE)
    stub.on(charge).returns(Charged(charge_id="c-2"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-2"
    stub.verify()


def test_a_condition_that_is_false_is_in_the_message(stub: StubTransport):
    """Of the unexpected call."""
    stub.on(charge, when=lambda _: False).returns(DONE)

    with pytest.raises(UnstubbedCallError, match=r"when=<lambda>\): returns Charged  \(when= returned False\)"):
        CLIENT.call(charge, ORDER)


def test_throttles_are_retried(stub: StubTransport):
    """By the client's real policy; delays are skipped."""
    charges = stub.on(charge).throttles(2).returns(DONE)
    result = CLIENT.invoke(charge, ORDER)

    assert [(attempt.error, attempt.status) for attempt in result.attempts] == [
        ("ThrottledError", 429),
        ("ThrottledError", 429),
        (None, 200),
    ]
    assert [call.metadata.attempt for call in charges.calls if call.metadata] == [1, 2, 3]


def test_throttles_without_end(stub: StubTransport):
    """The error has Lambda's reason."""
    stub.on(charge).throttles(reason="CallerRateLimitExceeded", retry_after=7)
    with pytest.raises(ThrottledError) as throttled:
        CLIENT.call(charge, ORDER, retry=RetryPolicy.never())

    assert (throttled.value.reason, throttled.value.retry_after) == ("CallerRateLimitExceeded", 7)


def test_skipped_delays_count_against_the_timeout(stub: StubTransport):
    """Skipped time has passed."""
    stub.on(charge).throttles(retry_after=60)

    with pytest.raises(DeadlineExceededError, match="no time left to retry after ThrottledError"):
        CLIENT.call(charge, ORDER, timeout=30, retry=RetryPolicy(max_delay=100))


def test_a_timeout_is_not_retried(stub: StubTransport):
    """The time is skipped, and the policy decides as on AWS."""
    charges = stub.on(charge).times_out()
    with pytest.raises(CallTimeoutError):
        CLIENT.call(charge, ORDER)

    assert len(charges.calls) == 1


def test_an_idempotent_call_is_retried_while_there_is_time(stub: StubTransport):
    """Without a timeout there is; with one, it is used up."""
    stub.on(twice).times_out(1).returns(DONE)
    assert CLIENT.call(twice, ORDER) == DONE

    charges = stub.on(twice).times_out(1).returns(DONE)
    with pytest.raises(CallTimeoutError):
        CLIENT.call(twice, ORDER, timeout=5)
    assert len(charges.calls) == 1


def test_a_crash_is_a_function_error(stub: StubTransport):
    """The function ran."""
    stub.on(charge).crashes()

    with pytest.raises(FunctionCrashedError, match="exit status 1"):
        CLIENT.call(charge, ORDER)


def test_denied_calls_events_and_dry_runs(stub: StubTransport):
    """With AWS's message."""
    denied = stub.on(mail).denies()

    assert CLIENT.can_invoke(mail).reason is PermissionReason.DENIED
    assert (
        "not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda"
        in CLIENT.can_invoke(mail).message
    )
    with pytest.raises(Exception, match="is not authorized"):
        CLIENT.fire(mail, "to")
    assert len(denied.dry_runs) == 2


def test_a_dry_run_of_a_stubbed_function_is_allowed(stub: StubTransport):
    """It is not listed as a call."""
    mails = stub.on(mail)

    assert CLIENT.can_invoke(mail)
    assert mails.calls == ()
    assert [call.invocation_type for call in mails.dry_runs] == [InvocationType.DRY_RUN]
    stub.verify()
    with pytest.raises(UnstubbedCallError, match=r"on\('mail'\): no responses  \(has no response for call\)"):
        CLIENT.call(mail, "to")


def test_a_condition_does_not_apply_to_dry_runs(stub: StubTransport):
    """They have no request."""
    stub.on(mail, when=lambda _: True).denies()

    assert CLIENT.can_invoke(mail)


def test_a_dry_run_without_a_stub_fails(stub: StubTransport):
    """Strict as for calls."""
    with pytest.raises(UnstubbedCallError, match=r"can_invoke mail\n  this test has no stubs"):
        CLIENT.can_invoke(mail)


def test_an_event_is_accepted_and_not_run(stub: StubTransport):
    """By accepts(); a call needs a step of its own."""
    mails = stub.on(mail).accepts()

    assert CLIENT.fire(mail, "to").request_id == mails.calls[0].request_id
    assert [(call.invocation_type, call.request) for call in mails.calls] == [(InvocationType.EVENT, "to")]
    with pytest.raises(UnstubbedCallError, match=r"on\('mail'\): accepts  \(has no response for call\)"):
        CLIENT.call(mail, "to")


def test_a_response_is_not_for_an_event(stub: StubTransport):
    """Not even ``None``, which the message shows as it was written."""
    stub.on(mail).returns(None)

    with pytest.raises(UnstubbedCallError, match=r"on\('mail'\): returns None  \(has no response for fire\)"):
        CLIENT.fire(mail, "to")


def test_calls_and_events_have_steps_of_their_own(stub: StubTransport):
    """In one stub, or two of the same function."""
    stub.on(mail).accepts().returns(None)
    stub.on(charge).returns(DONE)
    stub.on(charge).accepts()

    for _ in range(2):
        CLIENT.fire(mail, "to")
        CLIENT.call(mail, "to")
        CLIENT.fire(charge, ORDER)
        assert CLIENT.call(charge, ORDER) == DONE


def test_an_event_without_a_stub(stub: StubTransport):
    """The message shows what to add."""
    stub.on(mail).returns(None)

    with pytest.raises(
        UnstubbedCallError,
        match=r"unexpected event for 'mail': add stub.on\('mail'\).accepts\(\), or on\(contract, 'mail'\)",
    ):
        CLIENT.fire(mail, "to")


def test_an_envelope_is_unwrapped(stub: StubTransport):
    """Its metadata is recorded."""
    events = stub.on(wrapped).accepts()
    CLIENT.fire(wrapped, "to", idempotency_key="k")

    assert events.calls[0].request == "to"
    assert events.calls[0].metadata is not None
    assert events.calls[0].options.get("idempotency_key") == "k"


def test_options_and_metadata_are_recorded(stub: StubTransport):
    """As they were sent."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(
        charge,
        ORDER,
        qualifier="live",
        tenant_id="blue",
        idempotency_key="k-1",
        client_context={"who": "me"},
        log_tail=True,
        timeout=30,
    )
    call = charges.calls[0]

    assert 29 < float(str(call.options.pop("timeout"))) <= 30
    assert call.options == {
        "qualifier": "live",
        "tenant_id": "blue",
        "idempotency_key": "k-1",
        "client_context": {"who": "me"},
        "log_tail": True,
    }
    assert call.function == "billing-charge:live"
    assert call.metadata is not None
    assert (call.metadata.depth, call.metadata.attempt) == (1, 1)
    assert repr(call) == "call billing-charge:live <- Charge(order_id='o-1', cents=500)"


def test_the_log_is_returned_on_request(stub: StubTransport):
    """In Lambda's format."""
    stub.on("f").returns(1)
    result = CLIENT.invoke("f", None, log_tail=True)

    assert f"START RequestId: {result.request_id} Version: $LATEST" in str(result.log_tail)


def test_an_invalid_request_is_rejected_as_by_the_callee(stub: StubTransport):
    """Callers by name get the callee's error; the stub does not record a call."""
    charges = stub.on(charge, optional=True).returns(DONE)

    with pytest.raises(RequestRejectedError) as rejected:
        CLIENT.call("billing-charge", {"orderId": "o", "cents": "many"})
    assert [(error["loc"], error["type"]) for error in rejected.value.errors] == [(("cents",), "int_parsing")]
    assert charges.calls == ()


def test_a_function_of_the_request_responds(stub: StubTransport):
    """With the contract's types."""
    stub.on(charge).runs(lambda request: Charged(charge_id=f"c-{request.cents}"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-500"


def test_a_coroutine_function_responds(stub: StubTransport):
    """In a loop of its own, also while the test's is running."""

    async def answer(request: Charge) -> Charged:
        await asyncio.sleep(0)
        return Charged(charge_id=request.order_id)

    async def main() -> Charged:
        return CLIENT.call(charge, ORDER)

    stub.on(charge).runs(answer)
    assert asyncio.run(main()).charge_id == "o-1"


def test_calls_of_a_stubs_function_go_to_the_stub():
    """From coroutines, too, and also if only one client uses the stub."""
    stub = StubTransport()
    inner = LambdaClient()

    def answer(request: Charge) -> Charged:
        return inner.call(charge, request)

    async def answer_later(request: Charge) -> Charged:
        return answer(request)

    stub.on(charge).returns(DONE)
    stub.on(twice, qualifier="plain").runs(answer)
    stub.on(twice, qualifier="async").runs(answer_later)
    client = LambdaClient(stub)
    answers = [client.call(twice, ORDER, qualifier=qualifier) for qualifier in ("plain", "async")]

    assert answers == [DONE, DONE]


def test_an_exception_of_a_function_is_the_callees(stub: StubTransport):
    """A declared error by its class, any other as a FunctionError."""

    def answer(request: Charge) -> Charged:
        raise Declined(reason="limit") if request.cents == 500 else LookupError("no such order")

    stub.on(charge).runs(answer)
    with pytest.raises(Declined):
        CLIENT.call(charge, ORDER)
    with pytest.raises(FunctionError) as failed:
        CLIENT.call(charge, Charge(orderId="o", cents=1))
    assert (failed.value.error_type, failed.value.error_message) == ("LookupError", "no such order")
    assert "raise Declined" in failed.value.stack_trace[0]


def test_an_assertion_error_in_a_function_fails_the_test(stub: StubTransport):
    """It is not a failure of the callee."""

    def answer(request: Charge) -> Charged:
        assert request.cents == 1
        return DONE

    stub.on(charge).runs(answer)
    with pytest.raises(AssertionError):
        CLIENT.call(charge, ORDER)


def test_an_invalid_result_of_a_function_fails_the_test(stub: StubTransport):
    """The stub is wrong, not the callee."""
    stub.on(charge).runs(lambda _: ORDER)  # type: ignore[call-overload]

    with pytest.raises(StubError, match="billing-charge does not return a valid Charged"):
        CLIENT.call(charge, ORDER)


def test_a_handler_is_invoked_as_by_lambda(stub: StubTransport):
    """With JSON, a context, and the caller's metadata; its own calls are stubbed, too."""
    seen: list[CurrentInvocation | None] = []

    @remote(charge)
    def handler(request: Charge, context: Any) -> Charged:
        seen.append(current_invocation())
        CLIENT.fire(mail, request.order_id)
        return Charged(charge_id=context.function_name)

    stub.on(charge).runs(handler)
    mails = stub.on(mail).accepts()

    assert CLIENT.call(charge, ORDER, idempotency_key="k").charge_id == "billing-charge"
    assert [call.request for call in mails.calls] == ["o-1"]
    assert seen[0] is not None
    assert seen[0].idempotency_key == "k"


def test_a_decorated_handler_is_run_as_lambda_runs_it(stub: StubTransport):
    """A decorator around ``remote`` passes event and context on."""

    @remote(charge)
    def handler(request: Charge) -> Charged:
        return Charged(charge_id=request.order_id)

    @wraps(handler)
    def traced(event: Any, context: Any) -> Any:
        return handler(event, context)

    stub.on(charge).runs(traced)

    assert CLIENT.call(charge, ORDER).charge_id == "o-1"


def test_a_plain_handler_gets_event_and_context(stub: StubTransport):
    """As on Lambda."""
    stub.on("f").runs(lambda event, context: [event, context.function_name])

    assert CLIENT.call("f", 1) == [1, "f"]


@pytest.mark.parametrize("name", ["returns", "raises", "throttles", "times_out", "crashes", "denies"])
def test_the_number_of_times_must_be_positive(stub: StubTransport, name: str):
    """Zero times would do nothing."""
    words = {"returns": (), "raises": ()}.get(name, (0,))
    with pytest.raises(ContractError):
        getattr(stub.on(charge), name)(*words)


def test_unused_stubs_fail(stub: StubTransport):
    """All of a script or a part; the calls are listed."""
    stub.on(charge).throttles(2).returns(DONE)
    stub.on(mail).accepts()
    stub.on("optional", optional=True).returns(1)
    stub.on("nothing")
    with pytest.raises(ThrottledError):
        CLIENT.call(charge, ORDER, retry=RetryPolicy.never())

    with pytest.raises(UnusedStubError) as unused:
        stub.verify()
    assert str(unused.value).splitlines() == [
        "no call used these stubs:",
        "  billing-charge: throttles, returns Charged",
        "  mail: accepts",
        "  nothing: no call",
        "calls of this test:",
        "  call billing-charge <- {'orderId': 'o-1', 'cents': 500}: TooManyRequestsException",
    ]


def test_the_context_manager_verifies_at_the_end():
    """Unless the test has failed already."""

    def leave_unused(error: Exception | None) -> None:
        with StubTransport() as stub:
            stub.on(charge).returns(DONE)
            if error is not None:
                raise error

    with pytest.raises(UnusedStubError, match="the test made no call"):
        leave_unused(None)
    with pytest.raises(LookupError):
        leave_unused(LookupError())


def test_an_unexpected_call_is_raised_again_at_the_end():
    """If something caught it."""

    def bear_everything() -> None:
        with StubTransport(), suppress(Exception):
            CLIENT.call(charge, ORDER)

    with pytest.raises(UnstubbedCallError, match="call billing-charge"):
        bear_everything()


def test_passed_to_a_client_it_receives_only_its_calls():
    """Other clients are not affected."""
    outer, inner = StubTransport(), StubTransport()
    outer.on("f").returns("outer")
    inner.on("f").returns("inner")
    with outer, LambdaClient(inner) as mine:
        assert (mine.call("f", None), CLIENT.call("f", None)) == ("inner", "outer")


def test_threads_use_each_step_once(stub: StubTransport):
    """No response is lost or used twice."""
    numbers = stub.on("f").returns(*range(200))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: CLIENT.call("f", number), range(200)))

    assert sorted(map(int, answers)) == list(range(200))
    assert len(numbers.calls) == 200


def test_an_unexpected_call_of_another_thread_is_kept(stub: StubTransport):
    """The exception ends in the thread."""

    def work() -> None:
        with pytest.raises(UnstubbedCallError):
            CLIENT.call("f", None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(error).partition("\n")[0] for error in stub.unstubbed] == [
        "unexpected call to 'f': add stub.on('f').returns(...), or on(contract, 'f')"
    ]


def test_hedging(stub: StubTransport):
    """Both attempts are calls of the stub."""
    stub.on(twice).returns(DONE)

    assert CLIENT.call(twice, ORDER, retry=RetryPolicy(hedge_after=0.001)) == DONE


def test_requests_are_compared_field_by_field(stub: StubTransport):
    """The message has the differences."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(charge, ORDER)
    charges.assert_called_with(ORDER)

    with pytest.raises(StubError) as failed:
        charges.assert_called_with(Charge(orderId="o-1", cents=5000), Charge(orderId="o-2", cents=1))
    assert str(failed.value).splitlines() == [
        "billing-charge was not called as expected",
        "  call 1: cents: expected 5000, got 500",
        "  call 2: expected Charge(order_id='o-2', cents=1), but there was no such call",
    ]


def test_an_additional_request_is_reported(stub: StubTransport):
    """If none was expected."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(charge, ORDER)

    with pytest.raises(StubError, match=r"call 1: unexpected call with Charge\(order_id='o-1', cents=500\)"):
        charges.assert_called_with()


@dataclass
class NotCallable:
    name: str


@pytest.mark.parametrize("target", [None, 3, NotCallable("f"), Charge])
def test_an_invalid_target_cannot_be_stubbed(stub: StubTransport, target: Any):
    """The message lists valid ones."""
    with pytest.raises(ContractError, match="pass a Contract, a handler made by remote, a name or an ARN"):
        stub.on(target)


def test_its_repr_has_the_stubbed_functions(stub: StubTransport):
    """And describe() the calls."""
    stub.on(charge, qualifier="live").returns(DONE)
    stub.on("f").returns(1)

    assert repr(stub) == "StubTransport(billing-charge:live, f)"
    assert stub.describe() == "no calls"
    CLIENT.call("f", [1])
    assert stub.describe() == "call f <- [1]: 200"
    assert [call.request for call in stub.calls] == [[1]]


def test_a_name_is_not_percent_decoded(stub: StubTransport):
    """An encoded name is not another function's."""
    stub.on("f", optional=True).returns(1)

    outcome = stub.send(Invocation("%66", payload=b"null"), timeout=1)
    assert (outcome.status, outcome.error_code) == (400, "ValidationException")
