"""The async client: one for all loops, hooks, hedging, stand-ins, and what it has at its end."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from lambdachain import (
    AsyncBotoTransport,
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    ConnectError,
    Contract,
    ContractError,
    HttpTransport,
    InProcessTransport,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Outcome,
    PermissionReason,
    Progress,
    RetryPolicy,
    ServiceError,
    ThrottledError,
    Trouble,
    remote,
)
from lambdachain._transports.async_adapter import ThreadAdapter, to_async_transport
from lambdachain._transports.boto import async_transport as async_boto
from lambdachain._transports.default import default_async_transport
from lambdachain.testing import LambdaContext, RealInvokeBlockedError, StubTransport, UnstubbedCallError
from tests.support import faults
from tests.support.laboratory import Laboratory

double = Contract("double", request=int, response=int, idempotent=True)
CALL = Invocation("double", payload=b"21")


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    """A server that responds as Lambda does to a success, unless a test sets something else."""
    with Laboratory() as running:
        running.play(faults.SUCCESS)
        yield running


class Scripted:
    """A transport that returns one reply after the other, each when the test releases it."""

    def __init__(self, *replies: Outcome | NoAnswerError) -> None:
        self.replies = list(replies)
        self.sent: list[Invocation] = []
        self.closed = self.cancelled = 0

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - a transport's
        self.sent.append(invocation)
        if not self.replies:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        reply = self.replies.pop(0)
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def pause(self, seconds: float) -> None:
        """Return immediately instead of waiting."""

    async def close(self) -> None:
        self.closed += 1


ANSWER = Outcome(200, b"42", executed_version="$LATEST")
THROTTLED = Outcome(429, error_code="TooManyRequestsException")


# --- one client, many loops ---------------------------------------------------------------------------------------


def test_a_client_at_module_scope_serves_one_loop_after_the_other(laboratory: Laboratory) -> None:
    """Connections are a loop's own, and those of a loop that has ended are closed."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))

    async def twice() -> None:
        for _ in range(2):
            await client.call("orders", None)

    for _ in range(3):
        asyncio.run(twice())
    asyncio.run(client.aclose())

    assert (3, 6) == (laboratory.connections, laboratory.received)
    laboratory.settle(idle_too=True)


def test_loops_in_several_threads_share_a_client(laboratory: Laboratory) -> None:
    """No connection is used in two of them."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))
    together, failures = threading.Barrier(4), list[BaseException]()

    async def many() -> None:
        await asyncio.gather(*[client.call("orders", number) for number in range(20)])

    def run() -> None:
        together.wait(10)
        try:
            asyncio.run(many())
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(client.aclose())

    assert ([], 80) == (failures, laboratory.received)
    laboratory.settle(idle_too=True)


def test_a_client_is_closed_while_other_loops_call_over_it(laboratory: Laboratory) -> None:
    """Their calls end in peace, and their connections are closed then."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))
    begun, finish = threading.Event(), threading.Event()

    def act(connection: Any) -> None:
        connection.read_request()
        begun.set()
        finish.wait(20)
        connection.send(faults.SUCCESSFUL["RequestResponse"])

    laboratory.play(faults.SUCCESS)
    answers = list[Any]()

    async def slow() -> None:
        answers.append(await client.call("orders", None))
        laboratory.play(faults.Fault("slow", act))
        answers.append(await client.call("orders", None))
        with pytest.raises(ConnectError, match="closed"):
            await client.call("orders", None)

    thread = threading.Thread(target=asyncio.run, args=(slow(),))
    thread.start()
    begun.wait(20)
    asyncio.run(client.aclose())
    finish.set()
    thread.join()

    assert len(answers) == 2
    laboratory.settle(idle_too=True)


def test_async_handlers_call_with_it_from_one_warm_invocation_to_the_next(laboratory: Laboratory) -> None:
    """Their loop is kept, and so are its connections."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))

    @remote("relay")
    async def relay(number: int) -> list[str]:
        answers = await asyncio.gather(*[client.call("orders", number) for _ in range(3)])
        return [answer["charge_id"] for answer in answers]  # type: ignore[index,call-overload,misc]

    assert [["c-1"] * 3] * 5 == [relay(1, LambdaContext()) for _ in range(5)]

    assert 15 == laboratory.received
    assert laboratory.connections <= 3
    asyncio.run(client.aclose())
    laboratory.settle(idle_too=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_shares_no_connection(laboratory: Laboratory) -> None:
    """The parent's loop still watches its own."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))

    async def main() -> int:
        await client.call("orders", None)
        pid = os.fork()
        if pid == 0:
            [sender] = client._invoker._transport._senders.values()  # type: ignore[union-attr]
            os._exit(len(next(iter(sender._pools.values()))._idle))
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        await client.call("orders", None)
        await client.aclose()
        return os.waitstatus_to_exitcode(status)

    assert 0 == asyncio.run(main())
    assert (1, 2) == (laboratory.connections, laboratory.received)


# --- what it decides, it decides as the blocking one ----------------------------------------------------------------


async def test_what_provably_did_not_run_is_sent_again() -> None:
    """Its attempts are recorded."""
    transport = Scripted(THROTTLED, NoAnswerError(progress=Progress.NOTHING_SENT), ANSWER)

    result = await AsyncLambdaClient(transport).invoke(double, 21)

    assert (42, ["ThrottledError", "ConnectError", None]) == (result.value, [a.error for a in result.attempts])


async def test_what_may_have_run_is_not_sent_again() -> None:
    """Unless the contract is idempotent."""
    lost = NoAnswerError(progress=Progress.PERHAPS_SENT, trouble=Trouble.CONNECTION)
    once = Contract("double", request=int, response=int)

    with pytest.raises(Exception, match="unknown"):
        await AsyncLambdaClient(Scripted(lost, ANSWER)).call(once, 21)
    assert 42 == await AsyncLambdaClient(Scripted(lost, ANSWER)).call(double, 21)


async def test_a_bound_function_has_options_of_its_own() -> None:
    """As that of the blocking client."""
    transport = Scripted(ANSWER, Outcome(202), Outcome(204))
    bound = AsyncLambdaClient(transport).bind(double, "deployed", log_tail=True).with_options(log_tail=False)

    assert 42 == await bound.call(21)
    assert (await bound.fire(21)).attempts
    assert await bound.can_invoke()
    assert {"deployed"} == {sent.function_name for sent in transport.sent}


async def test_a_missing_qualifier_differs_from_a_missing_function() -> None:
    """By a second request."""
    missing = Outcome(404, error_code="ResourceNotFoundException")

    unqualified = await AsyncLambdaClient(Scripted(missing)).can_invoke("orders")
    unknown = await AsyncLambdaClient(Scripted(missing, missing)).can_invoke("orders:live")
    unknown_alias = await AsyncLambdaClient(Scripted(missing, Outcome(204))).can_invoke("orders:live")
    denied = await AsyncLambdaClient(Scripted(Outcome(403, error_code="AccessDeniedException"))).can_invoke("orders")

    reasons = [permission.reason for permission in (unqualified, unknown, unknown_alias, denied)]
    assert [
        PermissionReason.NO_SUCH_FUNCTION,
        PermissionReason.NO_SUCH_FUNCTION,
        PermissionReason.NO_SUCH_QUALIFIER,
        PermissionReason.DENIED,
    ] == reasons


async def test_a_late_call_is_hedged() -> None:
    """The first response counts, and attempts still in flight are abandoned."""

    class Late(Scripted):
        async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as above
            if self.sent:
                self.sent.append(invocation)
                return ANSWER
            return await super().send(invocation, timeout=timeout)

    transport, tasks = Late(), asyncio.all_tasks()
    client = AsyncLambdaClient(transport, retry=RetryPolicy(max_attempts=2, hedge_after=0.01, budget=None))

    assert 42 == await client.call(double, 21)
    assert (2, 1, tasks) == (len(transport.sent), transport.cancelled, asyncio.all_tasks())


async def test_hedged_attempts_that_all_fail_are_one_failure() -> None:
    """With every attempt in it."""
    broken = Outcome(500, error_code="ServiceException")
    client = AsyncLambdaClient(Scripted(broken, broken, broken), retry=RetryPolicy(hedge_after=0.0, budget=None))

    with pytest.raises(ServiceError) as failed:
        await client.call(double, 21)

    assert 3 == len(failed.value.attempts)


# --- hooks --------------------------------------------------------------------------------------------------------


async def test_hooks_stand_around_every_attempt() -> None:
    """The first one outermost; failures reach them as what they are."""
    story = list[str]()

    def telling(name: str) -> Any:
        async def hook(invocation: Invocation, proceed: Callable[[], Awaitable[Outcome]]) -> Outcome:
            story.append(f"{name}>")
            try:
                return await proceed()
            except ThrottledError:
                story.append(f"{name} throttled")
                raise
            finally:
                story.append(f"<{name}")

        return hook

    client = AsyncLambdaClient(Scripted(THROTTLED, ANSWER), hooks=[telling("a"), telling("b")])

    assert 42 == await client.call(double, 21)
    assert "a> b> b throttled <b a throttled <a a> b> <b <a" == " ".join(story)


async def test_a_hook_that_awaits_nothing_is_refused() -> None:
    """A blocking client's hook would take a coroutine for an outcome."""

    def blocking(invocation: Invocation, proceed: Any) -> Any:
        return ANSWER

    with pytest.raises(ContractError, match="async def"):
        await AsyncLambdaClient(Scripted(ANSWER), hooks=[blocking]).call(double, 21)


async def test_a_hook_may_proceed_once() -> None:
    """Not even twice at the same time."""

    async def both(invocation: Invocation, proceed: Callable[[], Awaitable[Outcome]]) -> Outcome:
        first, _ = await asyncio.gather(proceed(), proceed())
        return first

    transport = Scripted(ANSWER, ANSWER)
    with pytest.raises(ContractError, match=r"call proceed\(\) once"):
        await AsyncLambdaClient(transport, hooks=[both]).call(double, 21)
    assert 1 == len(transport.sent)


# --- in tests -----------------------------------------------------------------------------------------------------


async def test_a_stub_responds_in_the_order_of_the_calls(lambda_stub: StubTransport) -> None:
    """Concurrent calls are recorded in order, so that a test can check them."""
    doubles = lambda_stub.on(double).throttles(1).runs(lambda number: number * 2)
    client = AsyncLambdaClient()

    answers = await asyncio.gather(*[client.call(double, number) for number in range(50)])

    assert [number * 2 for number in range(50)] == answers
    assert [0, *range(50)] == [call.request for call in doubles.calls]


async def test_what_a_stub_runs_may_await(lambda_stub: StubTransport) -> None:
    """In a loop of its own."""

    async def doubled(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    lambda_stub.on(double).runs(doubled)

    assert 42 == await AsyncLambdaClient().call(double, 21)


async def test_a_stub_given_to_a_client_is_its_own() -> None:
    """A call without a stub fails the test."""
    client = AsyncLambdaClient(StubTransport())

    with pytest.raises(UnstubbedCallError):
        await client.call(double, 21)


async def test_handlers_in_process_run_at_once(lambda_inprocess: InProcessTransport) -> None:
    """Each in a thread of its own: what waits for another one does not hold it up."""
    together = threading.Barrier(20)

    def handler(event: Any, context: Any) -> Any:
        together.wait(10)
        return event * 2

    lambda_inprocess.add("double", handler, timeout=30)
    client = AsyncLambdaClient()

    assert [number * 2 for number in range(20)] == await asyncio.gather(*[client.call(double, n) for n in range(20)])


async def test_async_handlers_in_process_call_each_other(lambda_inprocess: InProcessTransport) -> None:
    """With the client at module scope, through the same transport, however deep."""
    client = AsyncLambdaClient()

    @remote("countdown")
    async def countdown(number: int) -> int:
        return 0 if number == 0 else 1 + await client.call(countdown, number - 1)

    lambda_inprocess.add(countdown, timeout=30)

    assert [5] * 10 == await asyncio.gather(*[client.call(countdown, 5) for _ in range(10)])
    assert 60 == len(lambda_inprocess.calls)


@pytest.mark.parametrize("make", [AsyncHttpTransport, BotoTransport, HttpTransport, lambda: None])
async def test_a_stand_in_takes_the_calls_of_what_sends_to_aws(
    make: Callable[[], Any], lambda_stub: StubTransport
) -> None:
    """Over any transport, awaited or in threads."""
    lambda_stub.on(double).returns(42)

    assert 42 == await AsyncLambdaClient(make()).call(double, 21)


@pytest.mark.parametrize("make", [AsyncHttpTransport, BotoTransport, lambda: None])
async def test_without_one_no_test_reaches_aws(make: Callable[[], Any]) -> None:
    """The guard is before every way."""
    with pytest.raises(RealInvokeBlockedError):
        await AsyncLambdaClient(make()).call(double, 21)


# --- transports ---------------------------------------------------------------------------------------------------


async def test_a_transport_that_blocks_has_threads(laboratory: Laboratory) -> None:
    """What is raised in one, and what context variables are, comes through."""
    async with AsyncLambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        answers = await asyncio.gather(*[client.call("orders", None) for _ in range(20)])
        laboratory.play(faults.service_error("TooManyRequestsException", 429))
        with pytest.raises(ThrottledError):
            await client.call("orders", None, retry=RetryPolicy.never())

    assert 20 == len(answers)
    laboratory.settle(idle_too=True)


async def test_a_call_in_a_thread_is_abandoned_immediately() -> None:
    """It ends by itself, and its response is discarded."""
    finish, ended = threading.Event(), threading.Event()

    class DeferredCall:
        def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
            finish.wait(10)
            ended.set()
            return ANSWER

        def close(self) -> None: ...

    client = AsyncLambdaClient(DeferredCall())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.call(double, 21)
    assert not ended.is_set()
    finish.set()
    assert await asyncio.to_thread(ended.wait, 10)


async def test_what_awaits_is_used_as_it_is() -> None:
    """Only blocking transports get threads."""
    transport = Scripted()

    assert to_async_transport(transport) is transport
    assert isinstance(to_async_transport(BotoTransport()), ThreadAdapter)


async def test_a_closed_client_raises() -> None:
    """Its transport was closed with it, once."""
    transport = Scripted(ANSWER)
    async with AsyncLambdaClient(transport) as client:
        await client.call(double, 21)

    with pytest.raises(ConnectError, match="create a new one"):
        await client.call(double, 21)
    assert 1 == transport.closed


HAS_AIOBOTOCORE = importlib.util.find_spec("aiobotocore") is not None
ELSEWHERE = AsyncBotoTransport if HAS_AIOBOTOCORE else AsyncHttpTransport
ASKED_FOR_BOTO = AsyncBotoTransport if HAS_AIOBOTOCORE else ThreadAdapter


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, ELSEWHERE),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, AsyncHttpTransport),
        ({"LAMBDACHAIN_TRANSPORT": "http"}, AsyncHttpTransport),
        ({"LAMBDACHAIN_TRANSPORT": "boto"}, ASKED_FOR_BOTO),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "LAMBDACHAIN_TRANSPORT": "boto"}, ASKED_FOR_BOTO),
    ],
)
def test_the_default_is_chosen_as_for_threads(
    environment: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where aiobotocore is not installed, boto3 in threads has to be asked for."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert isinstance(default_async_transport(), kind)


def test_without_aiobotocore_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And names the extra."""
    monkeypatch.setattr(async_boto, "is_installed", lambda: False)

    with pytest.raises(ContractError, match=r"lambdachain\[aio\]"):
        AsyncBotoTransport()


@pytest.mark.skipif(not HAS_AIOBOTOCORE, reason="it takes aiobotocore")
async def test_warm_up_over_aiobotocore_creates_the_client_and_fetches_credentials(laboratory: Laboratory) -> None:
    """Once, in the loop that runs; aiohttp connects with the first call, which finds the rest."""
    credentials, session = (
        importlib.import_module("aiobotocore.credentials"),
        importlib.import_module("aiobotocore.session"),
    )
    fetched: list[int] = []

    async def fetch() -> dict[str, str]:
        fetched.append(laboratory.received)
        return {"access_key": "AKIA", "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}

    own = session.AioSession()
    own._credentials = credentials.AioDeferredRefreshableCredentials(fetch, "test")
    transport = AsyncBotoTransport(session=own, region="eu-west-1", endpoint_url=laboratory.url)
    async with AsyncLambdaClient(transport) as client:
        await client.warm_up("orders")
        assert ([0], 0, 0) == (fetched, laboratory.connections, laboratory.received)
        await client.warm_up("orders")
        await client.call("orders", None)

    assert ([0], 1, 1) == (fetched, laboratory.connections, laboratory.received)


@pytest.mark.skipif(not HAS_AIOBOTOCORE, reason="it takes aiobotocore")
async def test_what_fails_in_warm_up_over_aiobotocore_is_a_debug_record(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No credentials, and credentials that cannot be fetched: the call raises it, not warm_up()."""
    credentials, session = (
        importlib.import_module("aiobotocore.credentials"),
        importlib.import_module("aiobotocore.session"),
    )
    caplog.set_level("DEBUG", "lambdachain")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    async def fail() -> dict[str, str]:
        raise RuntimeError("secret")

    failing = session.AioSession()
    failing._credentials = credentials.AioDeferredRefreshableCredentials(fail, "test")
    for own in (session.AioSession(), failing):
        transport = AsyncBotoTransport(session=own, region="eu-west-1", endpoint_url=laboratory.url)
        async with AsyncLambdaClient(transport) as client:
            await client.warm_up("orders")

    ours = [record for record in caplog.records if record.name == "lambdachain"]
    errors = [vars(record)["lambdachain_error"] for record in ours]
    assert (["NoAnswerError", "NoAnswerError"], 0) == (errors, laboratory.connections)
    assert not any("secret" in record.getMessage() for record in ours)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_proxy_is_left_to_botocore(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over aiobotocore where it is installed, else over boto3 in threads."""
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", laboratory.url)

    async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url="http://127.0.0.1:9")) as client:
        answer = await client.call("orders", None)

    assert ({"charge_id": "c-1"}, 1) == (answer, laboratory.received)


def test_a_blocking_client_loads_no_asyncio() -> None:
    """The async modules are loaded with the async client."""
    script = (
        "import sys\nfrom lambdachain import LambdaClient, HttpTransport\nLambdaClient(HttpTransport())\n"
        "print('asyncio' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False" == ran.stdout.strip()


def test_the_repr_of_a_client_has_its_transport() -> None:
    """And nothing secret."""
    over = AsyncHttpTransport(region="eu-west-1")

    assert f"AsyncLambdaClient({over!r})" == repr(AsyncLambdaClient(over))
    assert repr(LambdaClient(HttpTransport())) == "LambdaClient(HttpTransport(region=None, endpoint_url=None))"


@pytest.fixture
def anyio_backend() -> str:
    """Run in asyncio."""
    return "asyncio"


pytestmark = pytest.mark.anyio
