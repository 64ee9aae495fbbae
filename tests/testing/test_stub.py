"""What a stub answers, which calls it is for, and what it remembers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
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
    """Stand in for AWS, without the fixture's own check at the end."""
    from lambdachain._transports.transport_override import override_transport

    stub = StubTransport()
    with override_transport(stub):
        yield stub


def test_an_answer_goes_through_the_contract(stub: StubTransport):
    """Aliases, decimals and all: what the caller gets was JSON."""
    charges = stub.on(charge).returns(DONE)
    answer = CLIENT.call(charge, ORDER)

    assert answer == DONE
    assert answer is not DONE
    assert [call.request for call in charges.calls] == [ORDER]


def test_one_value_is_the_answer_to_every_call(stub: StubTransport):
    """As often as they come."""
    stub.on(charge).returns(DONE)

    assert [CLIENT.call(charge, ORDER) for _ in range(3)] == [DONE] * 3
    stub.verify()


def test_several_values_are_for_one_call_each(stub: StubTransport):
    """And one call more is one too many."""
    stub.on(charge).returns(DONE, Charged(charge_id="c-2"))

    assert [CLIENT.call(charge, ORDER).charge_id for _ in range(2)] == ["c-1", "c-2"]
    with pytest.raises(
        UnstubbedCallError, match=r"returns Charged, returns Charged  \(all its responses are used up\)"
    ):
        CLIENT.call(charge, ORDER)


def test_words_are_answered_in_order_and_the_last_one_holds(stub: StubTransport):
    """What came before it is for one call, unless it says how often."""
    stub.on(charge).returns(DONE).raises(Declined(reason="limit"))

    assert CLIENT.call(charge, ORDER) == DONE
    for _ in range(2):
        with pytest.raises(Declined) as declined:
            CLIENT.call(charge, ORDER)
        assert declined.value == Declined(reason="limit")


def test_a_word_added_after_calls_came_takes_over(stub: StubTransport):
    """The one before it has been said often enough."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(charge, ORDER)
    charges.returns(Charged(charge_id="c-2"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-2"


def test_a_value_that_drifts_from_the_contract_is_refused_where_it_is_said(stub: StubTransport):
    """Not where it is called."""
    wrong: Any = Charge(orderId="o", cents=1)
    with pytest.raises(StubError, match="the stub of billing-charge does not return a valid Charged"):
        stub.on(charge).returns(wrong)
    with pytest.raises(ContractError, match=r"use returns\(None\)"):
        stub.on(charge).returns()


def test_nothing_is_an_answer(stub: StubTransport):
    """Of a function that says so."""
    stub.on(mail).returns(None)

    assert CLIENT.call(mail, "to") is None


def test_an_answer_too_large_for_lambda_is_too_large_here(stub: StubTransport):
    """The stub cannot say what AWS would not."""
    stub.on("large").returns("x" * 7_000_000)

    with pytest.raises(ResponseTooLargeError):
        CLIENT.call("large", None)


def test_a_plain_name_takes_and_gives_json(stub: StubTransport):
    """Models too, on the stub's side."""
    legacy = stub.on("legacy").returns(DONE)

    assert CLIENT.call("legacy", {"a": [1]}) == {"charge_id": "c-1", "amount": "5.00"}
    assert legacy.calls[0].request == {"a": [1]}


@pytest.mark.parametrize(
    "address", ["f", "arn:aws:lambda:eu-west-1:123456789012:function:f", "123456789012:function:f"]
)
def test_a_name_stands_for_the_function_wherever_it_is(stub: StubTransport, address: str):
    """In any account and region."""
    stub.on("f").returns(1)

    assert CLIENT.call(address, None) == 1


def test_an_arn_stands_for_the_function_that_is_there(stub: StubTransport):
    """And for no other of that name."""
    stub.on("arn:aws:lambda:eu-west-1:123456789012:function:f").returns(1)

    assert CLIENT.call("arn:aws:lambda:eu-west-1:123456789012:function:f", None) == 1
    with pytest.raises(UnstubbedCallError):
        CLIENT.call("arn:aws:lambda:eu-west-2:123456789012:function:f", None)


def test_a_resolved_name_is_named(stub: StubTransport):
    """What clients call is what is stubbed; the message shows both names."""
    client = LambdaClient(resolve=resolvers.prefix("prod-"))
    stub.on(charge, "prod-billing-charge").returns(DONE)
    assert client.call(charge, ORDER) == DONE

    with pytest.raises(UnstubbedCallError, match=r"call billing-charge <-.*\n.*\n    on\('prod-billing-charge'\)"):
        CLIENT.call(charge, ORDER)


def test_a_qualifier_tells_stubs_apart(stub: StubTransport):
    """One for the qualifier comes before one for any, whichever was made first."""
    stub.on(charge, qualifier="beta").returns(Charged(charge_id="beta"))
    stub.on(charge).returns(DONE)

    assert CLIENT.call(charge, ORDER, qualifier="beta").charge_id == "beta"
    assert CLIENT.call(charge, ORDER, qualifier="live").charge_id == "c-1"
    assert CLIENT.call(charge, ORDER).charge_id == "c-1"


def test_a_stub_for_one_qualifier_is_for_no_other(stub: StubTransport):
    """And the message says so."""
    stub.on(charge, qualifier="live").returns(DONE)

    with pytest.raises(UnstubbedCallError, match=r"\(not for calls without a qualifier\)"):
        CLIENT.call(charge, ORDER)
    with pytest.raises(UnstubbedCallError, match=r"\(not for qualifier beta\)"):
        CLIENT.call(charge, ORDER, qualifier="beta")


def test_the_version_that_ran_is_told(stub: StubTransport):
    """A version is itself; an alias leads to one."""
    stub.on("f").returns(1)

    assert CLIENT.invoke("f", None).executed_version == "$LATEST"
    assert CLIENT.invoke("f:7", None).executed_version == "7"
    assert CLIENT.invoke("f:live", None).executed_version == "1"


def test_when_reads_the_typed_request(stub: StubTransport):
    """One with a condition comes before one without, whichever was made first."""
    stub.on(charge, when=lambda request: request.cents > 1000).raises(Declined(reason="limit"))
    stub.on(charge).returns(DONE)

    assert CLIENT.call(charge, ORDER) == DONE
    with pytest.raises(Declined):
        CLIENT.call(charge, Charge(orderId="o-2", cents=1001))


def test_the_stub_made_last_comes_first(stub: StubTransport):
    """So a test may have another answer than its fixture."""
    stub.on(charge, optional=True).returns(DONE)
    stub.on(charge).returns(Charged(charge_id="c-2"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-2"
    stub.verify()


def test_a_condition_that_says_no_is_named(stub: StubTransport):
    """In the message of the call that nothing was said about."""
    stub.on(charge, when=lambda _: False).returns(DONE)

    with pytest.raises(UnstubbedCallError, match=r"when=<lambda>\): returns Charged  \(when= returned False\)"):
        CLIENT.call(charge, ORDER)


def test_throttled_twice_then_fine(stub: StubTransport):
    """The client's real policy decides; the pauses pass without waiting."""
    charges = stub.on(charge).throttles(2).returns(DONE)
    result = CLIENT.invoke(charge, ORDER)

    assert [(attempt.error, attempt.status) for attempt in result.attempts] == [
        ("ThrottledError", 429),
        ("ThrottledError", 429),
        (None, 200),
    ]
    assert [call.metadata.attempt for call in charges.calls if call.metadata] == [1, 2, 3]


def test_throttled_for_good(stub: StubTransport):
    """With what Lambda says of it."""
    stub.on(charge).throttles(reason="CallerRateLimitExceeded", retry_after=7)
    with pytest.raises(ThrottledError) as throttled:
        CLIENT.call(charge, ORDER, retry=RetryPolicy.never())

    assert (throttled.value.reason, throttled.value.retry_after) == ("CallerRateLimitExceeded", 7)


def test_pauses_count_against_the_timeout(stub: StubTransport):
    """Time that is skipped has passed."""
    stub.on(charge).throttles(retry_after=60)

    with pytest.raises(DeadlineExceededError, match="no time left to try again after ThrottledError"):
        CLIENT.call(charge, ORDER, timeout=30, retry=RetryPolicy(max_delay=100))


def test_what_may_have_run_is_not_sent_again(stub: StubTransport):
    """The stub lets the time pass, and the policy decides as it would on AWS."""
    charges = stub.on(charge).times_out()
    with pytest.raises(CallTimeoutError):
        CLIENT.call(charge, ORDER)

    assert len(charges.calls) == 1


def test_what_may_run_twice_is_sent_again_while_there_is_time(stub: StubTransport):
    """Without a timeout there is; with one, it has been used up."""
    stub.on(twice).times_out(1).returns(DONE)
    assert CLIENT.call(twice, ORDER) == DONE

    charges = stub.on(twice).times_out(1).returns(DONE)
    with pytest.raises(CallTimeoutError):
        CLIENT.call(twice, ORDER, timeout=5)
    assert len(charges.calls) == 1


def test_a_crash_is_the_functions(stub: StubTransport):
    """It ran."""
    stub.on(charge).crashes()

    with pytest.raises(FunctionCrashedError, match="exit status 1"):
        CLIENT.call(charge, ORDER)


def test_denied_is_denied_to_calls_events_and_questions(stub: StubTransport):
    """With AWS's words."""
    denied = stub.on(mail).denies()

    assert CLIENT.can_invoke(mail).reason is PermissionReason.DENIED
    assert (
        "not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda"
        in CLIENT.can_invoke(mail).message
    )
    with pytest.raises(Exception, match="is not authorized"):
        CLIENT.fire(mail, "to")
    assert len(denied.dry_runs) == 2


def test_asking_is_answered_yes_where_nothing_else_is_said(stub: StubTransport):
    """And is no call."""
    mails = stub.on(mail)

    assert CLIENT.can_invoke(mail)
    assert mails.calls == ()
    assert [call.invocation_type for call in mails.dry_runs] == [InvocationType.DRY_RUN]
    stub.verify()
    with pytest.raises(UnstubbedCallError, match=r"on\('mail'\): no responses  \(has no response for call\)"):
        CLIENT.call(mail, "to")


def test_a_condition_says_nothing_about_asking(stub: StubTransport):
    """There is no request to decide by."""
    stub.on(mail, when=lambda _: True).denies()

    assert CLIENT.can_invoke(mail)


def test_asking_about_a_function_that_nothing_is_said_about_is_a_call_too_many(stub: StubTransport):
    """Strict here as well."""
    with pytest.raises(UnstubbedCallError, match=r"can_invoke mail\n  this test has no stubs"):
        CLIENT.can_invoke(mail)


def test_an_event_is_accepted_and_not_run(stub: StubTransport):
    """By the word for it; a call needs its own."""
    mails = stub.on(mail).accepts()

    assert CLIENT.fire(mail, "to").request_id == mails.calls[0].request_id
    assert [(call.invocation_type, call.request) for call in mails.calls] == [(InvocationType.EVENT, "to")]
    with pytest.raises(UnstubbedCallError, match=r"on\('mail'\): accepts  \(has no response for call\)"):
        CLIENT.call(mail, "to")


def test_calls_and_events_have_words_of_their_own(stub: StubTransport):
    """One stub, or two of the same function."""
    stub.on(mail).accepts().returns(None)
    stub.on(charge).returns(DONE)
    stub.on(charge).accepts()

    for _ in range(2):
        CLIENT.fire(mail, "to")
        CLIENT.call(mail, "to")
        CLIENT.fire(charge, ORDER)
        assert CLIENT.call(charge, ORDER) == DONE


def test_an_event_that_nothing_is_said_about(stub: StubTransport):
    """What is missing is named."""
    stub.on(mail).returns(None)

    with pytest.raises(
        UnstubbedCallError,
        match=r"unexpected event for 'mail': add stub.on\('mail'\).accepts\(\), or on\(contract, 'mail'\)",
    ):
        CLIENT.fire(mail, "to")


def test_an_envelope_is_opened(stub: StubTransport):
    """And what it told is there."""
    events = stub.on(wrapped).accepts()
    CLIENT.fire(wrapped, "to", idempotency_key="k")

    assert events.calls[0].request == "to"
    assert events.calls[0].metadata is not None
    assert events.calls[0].options.get("idempotency_key") == "k"


def test_what_was_sent_is_remembered(stub: StubTransport):
    """Options and metadata, as they came."""
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


def test_the_log_comes_where_it_is_asked_for(stub: StubTransport):
    """As Lambda writes it."""
    stub.on("f").returns(1)
    result = CLIENT.invoke("f", None, log_tail=True)

    assert f"START RequestId: {result.request_id} Version: $LATEST" in str(result.log_tail)


def test_a_request_that_the_contract_refuses_is_rejected_as_the_callee_would(stub: StubTransport):
    """Callers by name get the callee's error, and it is no call of the function."""
    charges = stub.on(charge, optional=True).returns(DONE)

    with pytest.raises(RequestRejectedError) as rejected:
        CLIENT.call("billing-charge", {"orderId": "o", "cents": "many"})
    assert [(error["loc"], error["type"]) for error in rejected.value.errors] == [(("cents",), "int_parsing")]
    assert charges.calls == ()


def test_a_function_of_the_request_answers(stub: StubTransport):
    """With the contract's types on both sides."""
    stub.on(charge).runs(lambda request: Charged(charge_id=f"c-{request.cents}"))

    assert CLIENT.call(charge, ORDER).charge_id == "c-500"


def test_a_coroutine_function_answers(stub: StubTransport):
    """In a loop of its own, also while the test's is running."""

    async def answer(request: Charge) -> Charged:
        await asyncio.sleep(0)
        return Charged(charge_id=request.order_id)

    async def main() -> Charged:
        return CLIENT.call(charge, ORDER)

    stub.on(charge).runs(answer)
    assert asyncio.run(main()).charge_id == "o-1"


def test_what_a_stub_runs_calls_through_it():
    """Awaited or not, and also where the stub was given to one client, and stands in for no other."""
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


def test_what_a_function_of_the_request_raises_is_the_callees_failure(stub: StubTransport):
    """A declared error by its class, any other by its name."""

    def answer(request: Charge) -> Charged:
        raise Declined(reason="limit") if request.cents == 500 else LookupError("no such order")

    stub.on(charge).runs(answer)
    with pytest.raises(Declined):
        CLIENT.call(charge, ORDER)
    with pytest.raises(FunctionError) as failed:
        CLIENT.call(charge, Charge(orderId="o", cents=1))
    assert (failed.value.error_type, failed.value.error_message) == ("LookupError", "no such order")
    assert "raise Declined" in failed.value.stack_trace[0]


def test_an_assertion_of_the_tests_own_function_fails_the_test(stub: StubTransport):
    """It is no failure of the callee."""

    def answer(request: Charge) -> Charged:
        assert request.cents == 1
        return DONE

    stub.on(charge).runs(answer)
    with pytest.raises(AssertionError):
        CLIENT.call(charge, ORDER)


def test_a_function_that_answers_what_does_not_fit_fails_the_test(stub: StubTransport):
    """The stub has drifted, not the callee."""
    stub.on(charge).runs(lambda _: ORDER)  # type: ignore[call-overload]

    with pytest.raises(StubError, match="billing-charge does not return a valid Charged"):
        CLIENT.call(charge, ORDER)


def test_a_handler_runs_as_lambda_runs_it(stub: StubTransport):
    """JSON, a context, and what the caller told; its own calls are stubbed too."""
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


def test_a_plain_handler_gets_event_and_context(stub: StubTransport):
    """As Lambda calls it."""
    stub.on("f").runs(lambda event, context: [event, context.function_name])

    assert CLIENT.call("f", 1) == [1, "f"]


@pytest.mark.parametrize("name", ["returns", "raises", "throttles", "times_out", "crashes", "denies"])
def test_a_word_said_no_times_is_refused(stub: StubTransport, name: str):
    """It would say nothing."""
    words = {"returns": (), "raises": ()}.get(name, (0,))
    with pytest.raises(ContractError):
        getattr(stub.on(charge), name)(*words)


def test_what_no_call_asked_for_fails(stub: StubTransport):
    """All of it, or a part; what came is shown beside it."""
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


def test_as_a_context_manager_it_checks_at_the_end():
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


def test_a_call_too_many_is_raised_again_at_the_end():
    """Whoever caught it."""

    def bear_everything() -> None:
        with StubTransport(), suppress(Exception):
            CLIENT.call(charge, ORDER)

    with pytest.raises(UnstubbedCallError, match="call billing-charge"):
        bear_everything()


def test_given_to_a_client_it_takes_that_clients_calls_only():
    """The others go where they went."""
    outer, inner = StubTransport(), StubTransport()
    outer.on("f").returns("outer")
    inner.on("f").returns("inner")
    with outer, LambdaClient(inner) as mine:
        assert (mine.call("f", None), CLIENT.call("f", None)) == ("inner", "outer")


def test_threads_are_served_and_lose_nothing(stub: StubTransport):
    """Each of many answers once."""
    numbers = stub.on("f").returns(*range(200))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: CLIENT.call("f", number), range(200)))

    assert sorted(map(int, answers)) == list(range(200))
    assert len(numbers.calls) == 200


def test_a_call_of_another_thread_that_nothing_is_said_about_is_kept(stub: StubTransport):
    """Nobody sees a thread's exception."""

    def work() -> None:
        with pytest.raises(UnstubbedCallError):
            CLIENT.call("f", None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(error).partition("\n")[0] for error in stub.unstubbed] == [
        "unexpected call to 'f': add stub.on('f').returns(...), or on(contract, 'f')"
    ]


def test_hedging_meets_the_stub(stub: StubTransport):
    """Two attempts beside each other are two calls."""
    stub.on(twice).returns(DONE)

    assert CLIENT.call(twice, ORDER, retry=RetryPolicy(hedge_after=0.001)) == DONE


def test_the_requests_that_came_are_checked_field_by_field(stub: StubTransport):
    """With the difference in words."""
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


def test_one_request_too_many_is_named(stub: StubTransport):
    """Nothing expected, something came."""
    charges = stub.on(charge).returns(DONE)
    CLIENT.call(charge, ORDER)

    with pytest.raises(StubError, match=r"call 1: unexpected call with Charge\(order_id='o-1', cents=500\)"):
        charges.assert_called_with()


@dataclass
class NotCallable:
    name: str


@pytest.mark.parametrize("target", [None, 3, NotCallable("f"), Charge])
def test_what_cannot_be_called_cannot_be_stubbed(stub: StubTransport, target: Any):
    """And the message says what can."""
    with pytest.raises(ContractError, match="it needs a Contract, a handler made by remote, or a name"):
        stub.on(target)


def test_it_shows_what_it_stands_for(stub: StubTransport):
    """And what came."""
    stub.on(charge, qualifier="live").returns(DONE)
    stub.on("f").returns(1)

    assert repr(stub) == "StubTransport(billing-charge:live, f)"
    assert stub.describe() == "no calls"
    CLIENT.call("f", [1])
    assert stub.describe() == "call f <- [1]: 200"
    assert [call.request for call in stub.calls] == [[1]]


def test_a_name_goes_over_the_wire_as_it_is(stub: StubTransport):
    """What looks percent-encoded is no other function's name."""
    stub.on("f", optional=True).returns(1)

    outcome = stub.send(Invocation("%66", payload=b"null"), timeout=1)
    assert (outcome.status, outcome.error_code) == (400, "ValidationException")
