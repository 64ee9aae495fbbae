"""The state of a call over its attempts, with a simulated clock and scripted replies."""

from __future__ import annotations

import base64
import itertools
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from lambdachain import (
    Attempt,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    Contract,
    CredentialsError,
    DeadlineExceededError,
    Execution,
    FunctionError,
    FunctionNotReadyError,
    InvocationType,
    LambdaClient,
    NoAnswerError,
    NotInvokedError,
    Outcome,
    Progress,
    RequestTooLargeError,
    RetryPolicy,
    ServiceError,
    ThrottledError,
    Trouble,
)
from lambdachain._calling.attempts import AttemptRequest, AttemptRunner, CallState
from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.prepared_call import Moment, PreparedCall, prepare
from lambdachain._calling.response import CallResponse
from lambdachain._calling.target import locate

CANARY = "canary-4111"
GOOD = Outcome(200, b"42", executed_version="7", request_id="r-good")
THROTTLED = Outcome(
    429, error_code="TooManyRequestsException", error_reason="CallerRateLimitExceeded", request_id="r-1"
)
NOT_READY = Outcome(502, error_code="ENINotReadyException", request_id="r-2")
BROKEN = Outcome(500, error_code="ServiceException", request_id="r-3")
EXPIRED = Outcome(403, error_code="ExpiredTokenException", request_id="r-4")
DENIED = Outcome(403, error_code="AccessDeniedException", request_id="r-5")
FAILED = Outcome(200, b'{"errorType": "Deadlock"}', function_error="Unhandled", executed_version="7", request_id="r-6")
REFUSED = NoAnswerError("refused", progress=Progress.NOTHING_SENT)
LOST = NoAnswerError("reset", progress=Progress.PERHAPS_SENT)
CUT = NoAnswerError("cut short", progress=Progress.ANSWER_BEGUN)
LATE = NoAnswerError("no answer in time", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT)

Reply = Outcome | NoAnswerError
EAGER = RetryPolicy(initial_delay=0.0, budget=None)
STEADY = RetryPolicy(initial_delay=tenacity.wait_fixed(1), budget=None)


def _prepare(
    *, kind: InvocationType = InvocationType.REQUEST_RESPONSE, idempotent: bool = False, **options: Any
) -> PreparedCall:
    contract: Contract[Any, Any] = Contract("f", request=Any, response=int, idempotent=idempotent)
    compiled = compile_call(locate(contract), kind, {"retry": EAGER, **options})
    return prepare(compiled, CANARY, within=None, now=Moment(monotonic=1000.0, epoch=1e9))


def _process(state: CallState, request: AttemptRequest, reply: Any, now: float) -> CallResponse | float:
    """Process the reply to an attempt, as ``send_with_retries`` does."""
    attempt = AttemptRunner(None, state, request)  # type: ignore[arg-type] - nothing is sent here
    attempt.reply = reply
    try:
        outcome = state.raise_for_failure(reply)
    except CallError as exc:
        error = exc
    else:
        return state.record_success(outcome, attempt, now)
    return state.record_failure(error, attempt, now)


class Driver:
    """Runs a call as ``send_with_retries`` does, with a clock that only attempts and pauses advance."""

    def __init__(
        self, call: PreparedCall, replies: Sequence[Reply], *, each: float = 0.25, overslept: float = 0.0
    ) -> None:
        self.now = 1000.0
        self.sent: list[AttemptRequest] = []
        self.paused: list[float] = []
        self._state = CallState(call, self.now)
        self._replies = iter(replies)
        self._each = each
        self._overslept = overslept

    def run(self) -> CallResponse:
        """Send and pause until there is a response, or an error."""
        while True:
            self.sent.append(self._state.start_attempt(self.now))
            self.now += self._each
            done = _process(self._state, self.sent[-1], next(self._replies), self.now)
            if isinstance(done, CallResponse):
                return done
            self.paused.append(done)
            self.now += done + self._overslept

    def fail(self) -> CallError:
        """Run until the error that the call must end with."""
        with pytest.raises(CallError) as failed:
            self.run()
        return failed.value


@pytest.mark.parametrize(
    "replies",
    [[GOOD], [THROTTLED, GOOD], [REFUSED, NOT_READY, GOOD]],
    ids=["at the first attempt", "at the second", "at the third"],
)
def test_a_call_succeeds_at_last(replies: list[Reply]):
    """A call that did not run is sent again; the response has a record of each attempt."""
    answer = Driver(_prepare(), replies).run()

    assert GOOD is answer.outcome
    assert len(replies) == len(answer.attempts)
    assert Attempt(error=None, status=200, request_id="r-good", elapsed=0.25) == answer.attempts[-1]
    assert 0.25 * len(replies) == answer.elapsed


def test_each_attempt_has_a_record():
    """Class, status, request id and seconds; without a response, status and id are ``None``."""
    failed = Driver(_prepare(), [THROTTLED, REFUSED, NOT_READY]).fail()

    assert (
        Attempt("ThrottledError", 429, "r-1", 0.25),
        Attempt("ConnectError", None, None, 0.25),
        Attempt("FunctionNotReadyError", 502, "r-2", 0.25),
    ) == failed.attempts
    assert (0.75, "r-2", FunctionNotReadyError) == (failed.elapsed, failed.request_id, type(failed))


def test_elapsed_is_the_whole_call_pauses_included():
    """An attempt's own seconds leave out the pause before it."""
    driver = Driver(_prepare(retry=STEADY), [THROTTLED, THROTTLED, GOOD])
    answer = driver.run()

    assert ([1.0, 1.0], 2.75) == (driver.paused, answer.elapsed)
    assert [0.25, 0.25, 0.25] == [attempt.elapsed for attempt in answer.attempts]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_call_gives_up_after_max_attempts(most: int):
    """The first time counts."""
    driver = Driver(_prepare(retry=RetryPolicy(max_attempts=most, initial_delay=0.0, budget=None)), [THROTTLED] * 9)
    failed = driver.fail()

    assert (most, most) == (len(driver.sent), len(failed.attempts))
    assert isinstance(failed, ThrottledError)


@pytest.mark.parametrize(
    ("reply", "error", "execution"),
    [
        (BROKEN, ServiceError, Execution.UNKNOWN),
        (LOST, ConnectionLostError, Execution.UNKNOWN),
        (LATE, CallTimeoutError, Execution.UNKNOWN),
        (DENIED, NotInvokedError, Execution.NOT_EXECUTED),
        (FAILED, FunctionError, Execution.EXECUTED),
    ],
    ids=["500", "lost", "late", "denied", "failed"],
)
def test_what_may_not_be_sent_again_is_sent_once(reply: Reply, error: type[CallError], execution: Execution):
    """What may have run, what ran, and what would fail again."""
    driver = Driver(_prepare(), [reply, GOOD])
    failed = driver.fail()

    assert (1, 1) == (len(driver.sent), len(failed.attempts))
    assert isinstance(failed, error)
    assert (execution, False) == (failed.execution, failed.retryable)


@pytest.mark.parametrize("reply", [BROKEN, LOST, LATE, CUT], ids=["500", "lost", "late", "cut"])
@pytest.mark.parametrize(
    "options",
    [{"idempotent": True}, {"idempotency_key": "k"}, {"durable_name": "n"}],
    ids=lambda options: next(iter(options)),
)
def test_what_may_have_run_is_sent_again_where_that_does_no_harm(reply: Reply, options: dict[str, Any]):
    """By its contract, or by a key or name with which the callee, or Lambda, recognizes a repetition."""
    driver = Driver(_prepare(**options), [reply, reply, GOOD])

    assert 3 == len(driver.run().attempts)


def test_a_key_does_not_unlock_what_ran_and_failed():
    """An error of the function's own is a response."""
    driver = Driver(_prepare(idempotency_key="k"), [FAILED, GOOD])

    assert isinstance(driver.fail(), FunctionError)
    assert 1 == len(driver.sent)


def test_what_ran_is_sent_again_where_retry_on_names_it():
    """A policy of one's own may pick errors by their type."""
    policy = RetryPolicy(initial_delay=0.0, retry_on=lambda error: getattr(error, "error_type", "") == "Deadlock")

    assert 2 == len(Driver(_prepare(retry=policy), [FAILED, GOOD]).run().attempts)


def test_the_same_key_goes_with_every_attempt_and_they_are_numbered():
    """All that changes from attempt to attempt is their number and the time left."""
    driver = Driver(_prepare(idempotency_key="k-1", timeout=10), [THROTTLED, BROKEN, GOOD], each=1.5)
    driver.run()
    metadata = [_custom(request) for request in driver.sent]

    assert ["k-1"] * 3 == [custom["lc-idem"] for custom in metadata]
    assert ["1", "2", "3"] == [custom["lc-attempt"] for custom in metadata]
    assert ["10000", "8500", "7000"] == [custom["lc-budget-ms"] for custom in metadata]
    assert 1 == len({custom["lc-deadline-ms"] for custom in metadata})
    assert 1 == len({custom["lc-id"] for custom in metadata})


def _custom(request: AttemptRequest) -> dict[str, str]:
    custom: dict[str, str] = json.loads(base64.b64decode(request.invocation.client_context or ""))["custom"]
    return custom


def test_an_attempt_may_take_the_time_that_is_left():
    """The deadline is the call's: a second attempt has less than the first."""
    driver = Driver(_prepare(timeout=3, retry=STEADY), [THROTTLED, THROTTLED, GOOD], each=0.25)
    driver.run()

    assert [3.0, 1.75, 0.5] == [request.timeout for request in driver.sent]


def test_without_a_deadline_an_attempt_has_no_bound():
    """Except the time that a transport allows a function to run."""
    driver = Driver(_prepare(), [GOOD])
    driver.run()

    assert [None] == [request.timeout for request in driver.sent]


def test_a_deadline_that_has_passed_before_sending():
    """Nothing is sent, and nothing has run."""
    state = CallState(_prepare(timeout=3), 1000.0)
    with pytest.raises(DeadlineExceededError, match="no time left to send it") as late:
        state.start_attempt(1003.0)

    assert (Execution.NOT_EXECUTED, False, ()) == (late.value.execution, late.value.retryable, late.value.attempts)
    assert (3.0, "f") == (late.value.elapsed, late.value.function)


@pytest.mark.parametrize(("reply", "cause"), [(THROTTLED, ThrottledError), (REFUSED, ConnectError)])
def test_no_time_to_try_again_what_did_not_run(reply: Reply, cause: type[CallError]):
    """The pause would outlast the deadline: it is not begun, and the last failure is the cause."""
    driver = Driver(_prepare(timeout=2, retry=STEADY), [reply, reply, reply], each=0.5)
    late = driver.fail()

    assert ([1.0], 2) == (driver.paused, len(driver.sent))
    assert f"no time left to retry after {cause.__name__}" in str(late)
    assert (DeadlineExceededError, Execution.NOT_EXECUTED) == (type(late), late.execution)
    assert isinstance(late.__cause__, cause)
    assert 2 == len(late.attempts)


def test_a_pause_that_ends_with_the_deadline_is_not_begun():
    """Nothing could be sent after it."""
    driver = Driver(_prepare(timeout=1.25, retry=STEADY), [THROTTLED], each=0.25)

    assert isinstance(driver.fail(), DeadlineExceededError)
    assert [] == driver.paused


def test_no_time_to_try_again_what_may_have_run():
    """The failure stays what it is: that the outcome is unknown matters more than the deadline."""
    lost = Driver(_prepare(timeout=1, retry=STEADY, idempotent=True), [BROKEN]).fail()

    assert (ServiceError, Execution.UNKNOWN, 1) == (type(lost), lost.execution, len(lost.attempts))


@pytest.mark.parametrize(
    ("reply", "error"),
    [(THROTTLED, DeadlineExceededError), (BROKEN, ServiceError)],
    ids=["did not run", "may have run"],
)
def test_a_pause_that_lasted_too_long(reply: Reply, error: type[CallError]):
    """A sleep can overrun; whether the function ran is known from the attempt before it."""
    driver = Driver(_prepare(timeout=2, retry=STEADY, idempotent=True), [reply, GOOD], overslept=5)
    late = driver.fail()

    assert (error, 1, 1) == (type(late), len(driver.sent), len(late.attempts))
    assert (Execution.NOT_EXECUTED if reply is THROTTLED else Execution.UNKNOWN) == late.execution


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([BROKEN, THROTTLED, THROTTLED], ServiceError),
        ([LOST, REFUSED, DENIED], ConnectionLostError),
        ([THROTTLED, LATE, REFUSED], CallTimeoutError),
        ([LOST, BROKEN, REFUSED], ServiceError),
    ],
    ids=["500 then throttled", "lost then denied", "late then refused", "the last that may have run"],
)
def test_what_may_have_run_once_is_never_said_not_to_have_run(replies: list[Reply], error: type[CallError]):
    """A later attempt that did not run takes nothing back."""
    failed = Driver(_prepare(idempotent=True), replies).fail()

    assert (error, Execution.UNKNOWN, 3) == (type(failed), failed.execution, len(failed.attempts))


def test_expired_credentials_are_tried_once_more():
    """The transport refreshes them."""
    assert 2 == len(Driver(_prepare(), [EXPIRED, GOOD]).run().attempts)


def test_credentials_are_tried_only_once_more():
    """What is refused twice is not a matter of their age, however many attempts are left."""
    driver = Driver(_prepare(retry=RetryPolicy(max_attempts=9, initial_delay=0.0, budget=None)), [EXPIRED] * 9)
    failed = driver.fail()

    assert (CredentialsError, Execution.NOT_EXECUTED, 2) == (type(failed), failed.execution, len(driver.sent))


def test_credentials_that_expire_after_a_throttle_are_tried_once_more_too():
    """It is a count of refusals, not of attempts."""
    driver = Driver(
        _prepare(retry=RetryPolicy(max_attempts=9, initial_delay=0.0, budget=None)),
        [THROTTLED, EXPIRED, THROTTLED, EXPIRED],
    )

    assert isinstance(driver.fail(), CredentialsError)
    assert 4 == len(driver.sent)


def test_a_hint_of_the_server_is_waited_for():
    """Where there is time."""
    asks = Outcome(429, error_code="TooManyRequestsException", retry_after=3.0)
    driver = Driver(_prepare(timeout=10), [asks, GOOD])
    driver.run()

    assert [3.0] == driver.paused


def test_a_hint_beyond_the_deadline_ends_the_call_at_once():
    """Waiting cannot help."""
    asks = Outcome(429, error_code="TooManyRequestsException", retry_after=3.0)
    driver = Driver(_prepare(timeout=2), [asks, GOOD])

    assert isinstance(driver.fail(), DeadlineExceededError)
    assert ([], 1000.25) == (driver.paused, driver.now)


def test_the_cause_of_a_missing_response_is_kept():
    """What the transport caught stands behind the error."""
    below = OSError("connection reset by peer")
    lost = NoAnswerError("reset")
    lost.__cause__ = below

    assert below is Driver(_prepare(), [lost]).fail().__cause__


def test_a_failed_attempt_is_logged_at_info_and_a_success_at_debug(caplog: pytest.LogCaptureFixture):
    """One record an attempt: type, function, number, class, status, request id, seconds."""
    caplog.set_level(logging.DEBUG, logger="lambdachain")
    Driver(_prepare(), [THROTTLED, REFUSED, GOOD]).run()
    records = [record for record in caplog.records if vars(record)["lambdachain_record"] == "attempt"]

    assert [
        (logging.INFO, "RequestResponse f: attempt 1: ThrottledError, status 429, request r-1, 0.250 s"),
        (logging.INFO, "RequestResponse f: attempt 2: ConnectError, status None, request None, 0.250 s"),
        (logging.DEBUG, "RequestResponse f: attempt 3: ok, status 200, request r-good, 0.250 s"),
    ] == [(record.levelno, record.getMessage()) for record in records]
    assert {"lambdachain"} == {record.name for record in caplog.records}


def test_nothing_secret_is_logged_or_in_an_error(caplog: pytest.LogCaptureFixture):
    """Payload, key and client context appear neither in the log nor in the error."""
    caplog.set_level(logging.DEBUG)
    call = _prepare(idempotency_key=f"{CANARY}-key", client_context={"user": f"{CANARY}-context"})
    throttled = Outcome(429, payload=CANARY.encode(), error_code="TooManyRequestsException")
    driver = Driver(call, [throttled, LOST, REFUSED])
    failed = driver.fail()

    assert CANARY not in caplog.text
    assert CANARY not in f"{failed} {failed!r} {failed.__dict__} {call!r} {driver.sent!r}"


@pytest.mark.parametrize(("kind", "status"), [(InvocationType.EVENT, 202), (InvocationType.DRY_RUN, 204)])
def test_events_and_permission_checks_are_retried_alike(kind: InvocationType, status: int):
    """One loop for all three ways to invoke."""
    answer = Driver(_prepare(kind=kind), [THROTTLED, Outcome(status, request_id="r")]).run()

    assert (status, 2) == (answer.outcome.status, len(answer.attempts))


def test_a_permission_check_runs_nothing_and_so_may_always_be_repeated():
    """With any failure, a DryRun has not run the function."""
    failed = Driver(_prepare(kind=InvocationType.DRY_RUN), [BROKEN, LOST, BROKEN]).fail()

    assert (Execution.NOT_EXECUTED, 3) == (failed.execution, len(failed.attempts))


REPLIES: list[Reply] = [GOOD, THROTTLED, NOT_READY, BROKEN, EXPIRED, DENIED, FAILED, REFUSED, LOST, CUT, LATE]
MAY_HAVE_RUN: list[Reply] = [GOOD, BROKEN, FAILED, LOST, CUT, LATE]


@given(
    replies=st.lists(st.sampled_from(REPLIES), min_size=1, max_size=6),
    most=st.integers(1, 5),
    idempotent=st.booleans(),
    timeout=st.none() | st.floats(0.1, 8),
    each=st.floats(0.01, 2),
    overslept=st.floats(0, 0.5),
)
def test_with_any_replies_the_invariants_hold(  # noqa: PLR0917 - hypothesis gives them by name
    replies: list[Reply], most: int, idempotent: bool, timeout: float | None, each: float, overslept: float
):
    """Not twice, not late, not more often than allowed, and the truth about it."""
    policy = RetryPolicy(max_attempts=most, initial_delay=tenacity.wait_fixed(0.5), budget=None)
    scripted = itertools.islice(itertools.cycle(replies), 10)
    driver = Driver(
        _prepare(timeout=timeout, retry=policy, idempotent=idempotent), list(scripted), each=each, overslept=overslept
    )
    failed = None
    try:
        attempts = driver.run().attempts
    except CallError as error:
        failed, attempts = error, error.attempts
    answered = [replies[n % len(replies)] for n in range(len(driver.sent))]
    ran = [reply for reply in answered if reply in MAY_HAVE_RUN]

    assert len(attempts) == len(driver.sent) <= most
    assert idempotent or len(ran) <= 1
    assert timeout is None or all(
        request.timeout is not None and 0 < request.timeout <= timeout + 1e-6 for request in driver.sent
    )
    assert failed is None or not ran or failed.execution is not Execution.NOT_EXECUTED
    assert failed is None or not isinstance(failed, NotInvokedError) or not ran
    assert (failed is None) == (attempts[-1].error is None)


class Playing:
    """A transport that plays replies."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.sent = 0

    def send(self, invocation: object, /, *, timeout: float | None) -> Outcome:
        """Play the next one."""
        self.sent += 1
        reply = self.replies.pop(0)
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def close(self) -> None:
        """No-op."""


def _client(*replies: Reply, **options: Any) -> tuple[LambdaClient, Playing]:
    transport = Playing(*replies)
    return LambdaClient(
        transport, retry=RetryPolicy(initial_delay=0.001, max_delay=0.01, budget=None), **options
    ), transport


def test_a_client_retries_and_records_the_attempts():
    """The result has a record of each attempt, and the time of all."""
    whole_pauses = RetryPolicy(initial_delay=0.001, max_delay=0.002, jitter="none", budget=None)
    client, _ = _client(REFUSED, NOT_READY, GOOD)
    result = client.invoke("f-client", 1, retry=whole_pauses)

    assert (42, ["ConnectError", "FunctionNotReadyError", None]) == (result.value, [a.error for a in result.attempts])
    assert result.duration >= 0.001 + 0.002


def test_a_receipt_has_its_attempts_too():
    """Fire is sent again where the event was not queued."""
    client, _ = _client(THROTTLED, Outcome(202, request_id="r-7"))
    receipt = client.fire("f-client", 1)

    assert ("r-7", 2) == (receipt.request_id, len(receipt.attempts))


def test_an_event_that_may_have_been_queued_is_not_queued_twice():
    """A lost response to fire is an unknown outcome, as for a call."""
    client, transport = _client(LOST, Outcome(202))
    with pytest.raises(ConnectionLostError):
        client.fire("f-client", 1)

    assert 1 == transport.sent


def test_a_permission_check_is_repeated():
    """It runs nothing."""
    client, transport = _client(LOST, BROKEN, Outcome(204))

    assert client.can_invoke("f-client")
    assert 3 == transport.sent


def test_a_call_may_have_a_policy_of_its_own():
    """In place of the client's."""
    client, transport = _client(THROTTLED, GOOD)
    with pytest.raises(ThrottledError):
        client.call("f-client", 1, retry=RetryPolicy.never())

    assert 1 == transport.sent


def test_a_bound_function_may_have_one_too():
    """``with_options`` lays it over the client's."""
    client, transport = _client(THROTTLED, GOOD)
    bound = client.bind(Contract("f-client", request=int, response=int), retry=RetryPolicy.never())
    with pytest.raises(ThrottledError):
        bound.call(1)

    assert 42 == bound.with_options(retry=None).call(1)
    assert 2 == transport.sent


def test_a_response_that_does_not_fit_is_not_retried():
    """The function ran, and would return the same; the attempt's record has the error."""
    client, transport = _client(THROTTLED, GOOD, GOOD)
    with pytest.raises(CallError) as failed:
        client.call("f-client", 1, response=str)

    assert (2, ["ThrottledError", "ResponseError"]) == (transport.sent, [a.error for a in failed.value.attempts])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_other_exceptions_of_a_transport_pass_unchanged(error: type[BaseException]):
    """They are not caught, retried or wrapped."""

    class Interrupted(Playing):
        def send(self, invocation: object, /, *, timeout: float | None) -> Outcome:
            self.sent += 1
            raise error

    transport = Interrupted()
    with pytest.raises(error):
        LambdaClient(transport).call("f-client", 1)

    assert 1 == transport.sent


def test_what_this_side_refuses_is_not_sent():
    """Such an error has no attempts."""
    client, transport = _client(GOOD)
    with pytest.raises(RequestTooLargeError) as refused:
        client.call("f-client", 1, client_context={"a": "x" * 3000})

    assert (0, ()) == (transport.sent, refused.value.attempts)
