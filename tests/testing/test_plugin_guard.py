"""Under pytest no call reaches AWS unless a test allows it: with the real boto3, moto and a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.testing.pytest_run import Run

NO_NAMES = '''
import socket

import pytest

real = socket.getaddrinfo


@pytest.fixture(autouse=True)
def no_names(monkeypatch):
    """Resolve only this machine's names, so that an unblocked call fails differently."""

    def lookup(host, *arguments, **options):
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise socket.gaierror(f"looked up {host}")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
'''

BLOCKED = """
import os
import threading

import boto3
import botocore.session
import pytest
from botocore.config import Config

from lambdachain import BotoTransport, LambdaClient, remote
from lambdachain.testing import RealInvokeBlockedError

made_at_import = LambdaClient()
OURS = r"f on lambda\\.eu-west-1\\.amazonaws\\.com, and nothing was sent\\. Stub the function with the fixture"


@remote("f")
def function(number: int) -> int:
    return number


def own_client():
    return boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: made_at_import.call("f", {}), id="call"),
        pytest.param(lambda: made_at_import.fire("f", {}), id="fire"),
        pytest.param(lambda: made_at_import.can_invoke("f"), id="can_invoke"),
        pytest.param(lambda: LambdaClient().bind(function).call(1), id="bound"),
        pytest.param(lambda: function.call(1), id="decorated"),
        pytest.param(lambda: LambdaClient(BotoTransport()).call("f", {}), id="transport"),
        pytest.param(lambda: LambdaClient(BotoTransport(own_client())).call("f", {}), id="own_client"),
        pytest.param(lambda: LambdaClient(BotoTransport(session=boto3.Session())).call("f", {}), id="session"),
        pytest.param(
            lambda: LambdaClient(BotoTransport(session=botocore.session.get_session())).call("f", {}), id="botocore"
        ),
    ],
)
def test_blocked(call):
    with pytest.raises(RealInvokeBlockedError, match=OURS):
        call()


def test_another_region():
    with pytest.raises(RealInvokeBlockedError, match=r"on lambda\\.us-east-2\\.amazonaws\\.com"):
        made_at_import.call("arn:aws:lambda:us-east-2:123456789012:function:f", {})


def test_another_endpoint():
    with pytest.raises(RealInvokeBlockedError, match=r"on lambda\\.invalid"):
        LambdaClient(BotoTransport(endpoint_url="https://lambda.invalid")).call("f", {})


def test_another_address():
    with pytest.raises(RealInvokeBlockedError, match=r"on 192\\.0\\.2\\.1"):
        LambdaClient(BotoTransport(endpoint_url="http://192.0.2.1:9")).call("f", {})


def test_another_endpoint_by_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "https://lambda.invalid")
    with pytest.raises(RealInvokeBlockedError, match=r"on lambda\\.invalid"):
        LambdaClient().call("f", {})


def test_missing_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(RealInvokeBlockedError, match="about to call f on lambda"):
        LambdaClient(BotoTransport(session=boto3.Session())).call("f", {})


def test_missing_region(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(RealInvokeBlockedError, match="about to call f on AWS"):
        LambdaClient(BotoTransport(session=boto3.Session())).call("f", {})


def test_code_that_bears_every_failure_of_a_call_does_not_hide_it():
    from lambdachain import CallError

    with pytest.raises(RealInvokeBlockedError):
        try:
            made_at_import.call("f", {})
        except CallError:
            pass


def test_a_thread():
    caught = []

    def run():
        try:
            made_at_import.call("f", {})
        except RealInvokeBlockedError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(caught) == 1
"""

PASSING = """
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from lambdachain import BotoTransport, ConnectError, LambdaClient, RetryPolicy
from lambdachain.local import LocalEndpoint, LocalFunction
from tests.support.laboratory import Laboratory
from tests.support.responses import http_response

once = RetryPolicy.never()


@pytest.fixture
def server():
    with Laboratory() as laboratory:
        laboratory.respond(http_response("200 OK", b"7", {"X-Amz-Executed-Version": "$LATEST"}))
        yield laboratory.url.rpartition(":")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback(server, host):
    with LambdaClient(BotoTransport(endpoint_url=f"http://{host}:{server}"), retry=once) as client:
        assert client.call("f", {}) == 7


def test_loopback_of_ip_6():
    transport = BotoTransport(endpoint_url="http://[::1]:1")
    with pytest.raises(ConnectError, match="cannot connect"):
        LambdaClient(transport, retry=once).call("f", {})


def test_local_endpoint(tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context):\\n    return event + 1\\n")
    with LocalEndpoint([LocalFunction("f", "app.handler", directory=tmp_path, timeout=60)]) as endpoint:
        with LambdaClient(BotoTransport(endpoint_url=endpoint.url)) as client:
            assert client.call("f", 6) == 7


def test_moto():
    with mock_aws(config={"lambda": {"use_docker": False}}), LambdaClient() as client:
        assert client.fire("f", {}).request_id
"""

MARKED = '''
import pytest

from lambdachain import ConnectError, LambdaClient, RetryPolicy
from lambdachain.testing import RealInvokeBlockedError

client = LambdaClient(retry=RetryPolicy.never())


def reach_out():
    """Call where the guard would block; the name is unknown, so that nothing is sent."""
    with pytest.raises(ConnectError, match="cannot connect"):
        client.call("f", {})


def be_blocked():
    with pytest.raises(RealInvokeBlockedError):
        client.call("f", {})


@pytest.fixture
def around():
    """Reach out before and after the test."""
    reach_out()
    yield
    reach_out()


@pytest.mark.allow_real_invokes
def test_a_function(around):
    reach_out()


def test_after_it():
    be_blocked()


@pytest.mark.allow_real_invokes
def test_that_fails():
    assert False


def test_after_one_that_failed():
    be_blocked()


@pytest.mark.allow_real_invokes
class TestClass:
    def test_one(self, around):
        reach_out()

    def test_two(self):
        reach_out()


class TestOther:
    def test_blocked(self):
        be_blocked()
'''

MARKED_MODULE = (
    MARKED.partition("@pytest.fixture")[0]
    + """
pytestmark = pytest.mark.allow_real_invokes


def test_of_a_module():
    reach_out()
"""
)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose tests reach no name server."""
    pytester.makeconftest(NO_NAMES)
    return pytester


def test_a_call_that_would_reach_aws_is_blocked(project: pytest.Pytester, run: Callable[..., Run]):
    """By every kind of call, and even if it would fail for lack of credentials or a region."""
    project.makepyfile(BLOCKED)
    ran = run()

    assert ran.status == 0, ran.text
    assert len(ran.outcomes) == 17
    assert set(map(frozenset, ran.outcomes.values())) == {frozenset({"PASSED"})}


def test_calls_to_this_machine_and_to_moto_are_allowed(project: pytest.Pytester, run: Callable[..., Run]):
    """A plain server, the local endpoint, and calls that moto intercepts before a socket is opened."""
    project.makepyfile(PASSING)
    ran = run()

    assert ran.status == 0, ran.text
    assert len(ran.outcomes) == 5


def test_only_marked_tests_classes_and_modules_may_call_aws(project: pytest.Pytester, run: Callable[..., Run]):
    """With their fixtures; after a marked test that failed, the next one is blocked again."""
    project.makepyfile(test_marked=MARKED, test_marked_module=MARKED_MODULE)
    ran = run("--strict-markers")

    assert {test for test, outcome in ran.outcomes.items() if outcome != {"PASSED"}} == {"test_that_fails"}
    assert len(ran.outcomes) == 8


def test_the_configuration_may_allow_every_test_to_call_aws(project: pytest.Pytester, run: Callable[..., Run]):
    """An open guard stays open after a marked test."""
    project.makeini("[pytest]\nlambdachain_allow_real_invokes = true\n")
    project.makepyfile(MARKED.replace("    be_blocked()\n", "    reach_out()\n"))
    ran = run("--strict-config")

    assert {test for test, outcome in ran.outcomes.items() if outcome != {"PASSED"}} == {"test_that_fails"}


def test_a_call_during_the_import_of_a_test_module_is_blocked(project: pytest.Pytester, run: Callable[..., Run]):
    """Collection is guarded, too."""
    project.makepyfile("from lambdachain import LambdaClient\nLambdaClient().call('f', {})\ndef test(): pass\n")
    ran = run()

    assert ran.status == pytest.ExitCode.INTERRUPTED
    assert "RealInvokeBlockedError: this test was about to call f" in ran.text


def test_without_the_plugin_nothing_is_blocked(project: pytest.Pytester, run: Callable[..., Run]):
    """``-p no:lambdachain`` switches off everything."""
    project.makepyfile(
        """
        import pytest
        from lambdachain import ConnectError, LambdaClient, RetryPolicy

        def test_reaches_out():
            with pytest.raises(ConnectError, match="cannot connect"):
                LambdaClient(retry=RetryPolicy.never()).call("f", {})
        """
    )
    monkeypatched = run(plugins=("no:lambdachain",))

    assert monkeypatched.outcomes == {"test_reaches_out": {"PASSED"}}
