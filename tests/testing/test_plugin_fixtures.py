"""The plugin's fixtures, and what pytest shows for a failing test: real runs of pytest on small projects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.testing.pytest_run import Run

ORDERS = '''
from pydantic import BaseModel

from lambdachain import Contract, LambdaClient, RemoteError, remote


class Charge(BaseModel):
    cents: int


class Charged(BaseModel):
    charge_id: str


class Declined(RemoteError):
    reason: str


charge = Contract("billing-charge", request=Charge, response=Charged, errors=[Declined])
mail = Contract("mail", request=str, response=None)
client = LambdaClient()


@remote("orders")
def handler(cents: int) -> str:
    done = client.call(charge, Charge(cents=cents))
    client.fire(mail, done.charge_id)
    return done.charge_id


def careful(cents: int) -> str | None:
    """Ignore every failure, as a handler should not."""
    try:
        return handler.local(cents)
    except Exception:
        return None
'''

STUBBED = """
import threading
import unittest

import pytest
from orders import Charge, Charged, Declined, careful, charge, handler, mail

from lambdachain.testing import UnstubbedCallError


def test_fine(lambda_stub):
    charges = lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    lambda_stub.on(mail).accepts()
    assert handler.local(5) == "c-1"
    assert [call.request for call in charges.calls] == [Charge(cents=5)]


def test_forgotten(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    handler.local(5)


def test_forgotten_and_caught_by_the_code(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    assert careful(5) is None


def test_forgotten_in_a_thread(lambda_stub):
    thread = threading.Thread(target=careful, args=(5,))
    thread.start()
    thread.join()


def test_expected_by_the_test_itself(lambda_stub):
    with pytest.raises(UnstubbedCallError, match="this test has no stubs"):
        handler.local(5)


def test_unused(lambda_stub):
    lambda_stub.on(charge).throttles(1).returns(Charged(charge_id="c-1"))


def test_that_fails_by_itself(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    assert not "the test's own failure"


def test_skipped(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    pytest.skip("not today")


@pytest.mark.xfail(raises=Declined, strict=True)
def test_expected_to_fail(lambda_stub):
    lambda_stub.on(charge).raises(Declined(reason="x"))
    handler.local(5)


def test_another_request(lambda_stub):
    charges = lambda_stub.on(charge).returns(Charged(charge_id="c-1"))
    lambda_stub.on(mail).accepts()
    handler.local(5)
    charges.assert_called_with(Charge(cents=50))


class TestClass(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _stub(self, lambda_stub):
        self.stub = lambda_stub

    def test_in_unittest(self):
        self.stub.on(charge).raises(Declined(reason="x"))
        with self.assertRaises(Declined):
            handler.local(5)
"""


@pytest.fixture(name="project")
def _project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(orders=ORDERS)
    return pytester


@pytest.fixture(name="stubbed")
def _stubbed(project: pytest.Pytester, run: Callable[..., Run]) -> Run:
    project.makepyfile(test_stubbed=STUBBED)
    return run()


def test_the_stub_is_strict_both_ways(stubbed: Run):
    """A missing or unused stub fails a test, even if the error was caught; failed and skipped tests are not checked."""
    assert stubbed.outcomes == {
        "test_fine": {"PASSED"},
        "test_forgotten": {"FAILED"},
        "test_forgotten_and_caught_by_the_code": {"PASSED", "ERROR"},
        "test_forgotten_in_a_thread": {"PASSED", "ERROR"},
        "test_expected_by_the_test_itself": {"PASSED"},
        "test_unused": {"PASSED", "ERROR"},
        "test_that_fails_by_itself": {"FAILED"},
        "test_expected_to_fail": {"XFAIL"},
        "test_another_request": {"FAILED"},
        "TestClass::test_in_unittest": {"PASSED"},
    }
    assert "1 skipped" in stubbed.text


def test_a_failure_shows_the_users_frames_and_the_calls(stubbed: Run):
    """No frames of lambdachain or botocore."""
    shown = stubbed.section("test_forgotten")

    assert "handler.local(5)" in shown
    assert "client.fire(mail, done.charge_id)" in shown
    assert "UnstubbedCallError: unexpected event for 'mail': add stub.on('mail').accepts()" in shown
    assert "add stub.on('mail').accepts(), or on(contract, 'mail')" in shown
    assert "call billing-charge <- {'cents': 5}: 200" in shown
    assert "lambdachain/" not in shown


def test_an_error_that_the_code_under_test_caught_is_raised_again(stubbed: Run):
    """At the end of the test, with a note."""
    shown = stubbed.section("test_forgotten_and_caught_by_the_code")

    assert "unexpected event for 'mail'" in shown
    assert "the code under test caught it" in shown


def test_unused_stubs_are_listed_without_a_traceback(stubbed: Run):
    """No line of code is involved."""
    shown = stubbed.section("test_unused")

    assert "UnusedStubError: no call used these stubs:" in shown
    assert "billing-charge: throttles, returns Charged" in shown
    assert "Traceback" not in shown


def test_a_wrong_request_is_shown_field_by_field(stubbed: Run):
    """With the calls of the test."""
    shown = stubbed.section("test_another_request")

    assert "call 1: cents: expected 50, got 5" in shown
    assert "fire mail <- 'c-1': 202" in shown


OTHERS = '''
import pytest
from orders import Charge, Charged, charge, client, handler, mail

from lambdachain import CallTimeoutError, InvocationType, LambdaClient, remote
from lambdachain.local import LocalFunction
from lambdachain.testing import LambdaContext

BILLING = """
def handler(event, context):
    return {"charge_id": f"c-{event['cents']}"}
"""


@remote(charge)
def billing(request: Charge) -> Charged:
    return Charged(charge_id=f"c-{request.cents}")


def test_in_process(lambda_inprocess):
    lambda_inprocess.add(handler)
    lambda_inprocess.add(billing)
    lambda_inprocess.add(mail, lambda event, context: None)
    assert handler.call(7) == "c-7"
    assert ("orders", "mail", InvocationType.EVENT) in lambda_inprocess.graph


def test_that_fails(lambda_inprocess):
    lambda_inprocess.add(billing)
    assert client.call(charge, Charge(cents=1)).charge_id == "c-2"


def test_endpoint(lambda_endpoint, tmp_path):
    (tmp_path / "app.py").write_text(BILLING)
    endpoint = lambda_endpoint(LocalFunction("billing-charge", "app.handler", directory=tmp_path, timeout=60))
    assert client.call(charge, Charge(cents=9)).charge_id == "c-9"

    import boto3

    answer = boto3.client("lambda", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x").invoke(
        FunctionName="billing-charge", Payload=b'{"cents": 3}'
    )
    assert answer["Payload"].read() == b'{"charge_id": "c-3"}'


def test_context(lambda_context):
    assert 2000 < lambda_context.get_remaining_time_in_millis() <= 3000
    assert lambda_context.memory_limit_in_mb == "128"


@pytest.mark.parametrize("number", range(20))
def test_budgets_begin_anew(lambda_stub, number):
    lambda_stub.on(charge).throttles(2).returns(Charged(charge_id="c"))
    assert len(client.invoke(charge, Charge(cents=1)).attempts) == 3


CONTEXT = LambdaContext("orders", timeout=300)


@pytest.mark.parametrize("number", range(2))
def test_time_that_one_test_skips_is_not_taken_from_the_next(lambda_stub, number):
    assert CONTEXT.get_remaining_time_in_millis() > 0
    lambda_stub.on(charge).times_out()
    with pytest.raises(CallTimeoutError):
        client.call(charge, Charge(cents=1))
    assert CONTEXT.get_remaining_time_in_millis() == 0


@pytest.mark.parametrize("number", range(3))
def test_paces_begin_anew(lambda_stub, number):
    lambda_stub.on(charge).throttles(5).returns(Charged(charge_id="c"))
    assert len(list(client.map(charge, [Charge(cents=1)] * 20))) == 20
    lambda_stub.on(charge).throttles()
    list(client.map(charge, [Charge(cents=1)] * 20, return_exceptions=True))
'''


def test_the_other_fixtures(project: pytest.Pytester, run: Callable[..., Run]):
    """Real handlers in the process and in processes of the runtime client, and a context."""
    project.makepyfile(test_others=OTHERS)
    ran = run()

    assert {name: outcome for name, outcome in ran.outcomes.items() if outcome != {"PASSED"}} == {
        "test_that_fails": {"FAILED"}
    }
    assert len(ran.outcomes) == 29
    assert "call billing-charge <- {'cents': 1}: {'charge_id': 'c-1'}" in ran.section("test_that_fails")


PARALLEL = """
import pytest
from orders import Charge, Charged, charge, client


@pytest.mark.parametrize("number", range(12))
def test_one_of_many(lambda_stub, number):
    charges = lambda_stub.on(charge).returns(Charged(charge_id=str(number)))
    assert client.call(charge, Charge(cents=number)).charge_id == str(number)
    assert [call.request.cents for call in charges.calls] == [number]


def test_unused(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c"))
"""

ASYNCIO = """
import asyncio

import pytest
from orders import Charge, Charged, charge, client, handler, mail

from lambdachain import remote
from lambdachain.testing import UnstubbedCallError


@remote(charge)
async def billing(request: Charge) -> Charged:
    await asyncio.sleep(0)
    return Charged(charge_id=f"c-{request.cents}")


@pytest.mark.asyncio
async def test_stub(lambda_stub):
    lambda_stub.on(charge).returns(Charged(charge_id="c"))
    assert client.call(charge, Charge(cents=1)).charge_id == "c"
    answers = await asyncio.gather(*(asyncio.to_thread(client.call, charge, Charge(cents=1)) for _ in range(5)))
    assert {answer.charge_id for answer in answers} == {"c"}


@pytest.mark.asyncio
async def test_in_process(lambda_inprocess):
    lambda_inprocess.add(billing)
    assert client.call(charge, Charge(cents=2)).charge_id == "c-2"


@pytest.mark.asyncio
async def test_expected(lambda_stub):
    with pytest.raises(UnstubbedCallError):
        client.call(charge, Charge(cents=1))


@pytest.mark.asyncio
async def test_unused(lambda_stub):
    lambda_stub.on(mail).accepts()
"""


def test_it_works_with_xdist(project: pytest.Pytester, run: Callable[..., Run]):
    """Each worker has its own transports."""
    project.makepyfile(test_parallel=PARALLEL)
    ran = run("-n", "2", plugins=("lambdachain", "xdist"))

    assert ran.outcomes.pop("test_unused") == {"PASSED", "ERROR"}
    assert len(ran.outcomes) == 12
    assert set.union(*ran.outcomes.values()) == {"PASSED"}


def test_it_works_with_the_asyncio_plugin(project: pytest.Pytester, run: Callable[..., Run]):
    """A stub, a coroutine handler, and strictness."""
    project.makepyfile(test_asyncio=ASYNCIO)
    ran = run("-o", "asyncio_default_fixture_loop_scope=function", plugins=("lambdachain", "asyncio"))

    assert ran.outcomes == {
        "test_stub": {"PASSED"},
        "test_in_process": {"PASSED"},
        "test_expected": {"PASSED"},
        "test_unused": {"PASSED", "ERROR"},
    }


def test_it_works_with_the_anyio_plugin(project: pytest.Pytester, run: Callable[..., Run]):
    """The same tests with another runner."""
    backend = "import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    project.makepyfile(test_anyio=ASYNCIO.replace("mark.asyncio", "mark.anyio") + backend)
    ran = run(plugins=("lambdachain", "anyio"))

    assert ran.outcomes == {
        "test_stub": {"PASSED"},
        "test_in_process": {"PASSED"},
        "test_expected": {"PASSED"},
        "test_unused": {"PASSED", "ERROR"},
    }


def test_an_unused_plugin_imports_next_to_nothing():
    """A project that only has lambdachain installed does not import its dependencies."""
    script = (
        "import pytest, sys\n"
        "pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '-p', 'lambdachain', '/dev/null'])\n"
        "heavy = {'boto3', 'botocore', 'pydantic', 'pydantic_core', 'tenacity', 'asyncio', 'aiohttp', 'urllib3'}\n"
        "ours = sorted(name for name in sys.modules if name.startswith('lambdachain'))\n"
        "print(sorted(heavy & set(sys.modules)), ours)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    own = [
        *("_core", "_core.errors", "_core.fork_hooks", "_pytest_plugin"),
        *("_transports", "_transports.transport_override"),
    ]
    loaded = ["lambdachain", *(f"lambdachain.{module}" for module in own)]
    assert ran.stdout.splitlines()[-1] == f"[] {loaded}"


def test_the_guard_says_what_to_do(project: pytest.Pytester, run: Callable[..., Run]):
    """With the user's own line."""
    project.makepyfile(
        test_unguarded="from orders import handler\n\n\ndef test_order():\n    assert handler.local(5) == 'c-1'\n"
    )
    shown = run().section("test_order")

    assert "RealInvokeBlockedError: this test was about to call billing-charge on " in shown
    assert "@pytest.mark.allow_real_invokes" in shown
    assert "botocore" not in shown
    assert "lambdachain/" not in shown
