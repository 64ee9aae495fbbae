"""The transport as a whole: which settings it reads, what it leaves to boto3, and when it is the default."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
import pytest

from lambdachain import (
    AsyncLambdaClient,
    BotoTransport,
    ContractError,
    HttpTransport,
    Invocation,
    LambdaClient,
    NoAnswerError,
    Progress,
    Trouble,
)
from lambdachain._transports.default import default_transport
from lambdachain._transports.http.sender import Sender
from lambdachain._transports.http.transport import _BotoSender
from lambdachain._transports.transport_override import RealInvokeBlockedError, network_guard
from tests.support import faults
from tests.support.laboratory import Fault, Laboratory

CALL = Invocation("orders")


@pytest.fixture(autouse=True)
def _no_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without boto3's default session, as a new process does."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def sender_for(transport: HttpTransport, function: str = "orders") -> Any:
    """Return the sender of a call of *function*."""
    return transport._sender_for(Invocation(function).region, function)


def get_url(transport: HttpTransport, function: str = "orders") -> str:
    """Return the URL of a call of *function*, and check that boto3 would send it there, too."""
    sender = sender_for(transport, function)
    region = Invocation(function).region or transport._region
    theirs = boto3.client("lambda", region_name=region, endpoint_url=transport._endpoint_url)
    url = theirs.meta.endpoint_url
    theirs.close()
    if isinstance(sender, Sender):
        endpoint = sender._pool._endpoint
        assert url.removesuffix("/") == endpoint.url
        return endpoint.url
    return f"over boto3: {url}"


LOCAL = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "https://lambda.eu-west-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, "https://lambda.cn-north-1.amazonaws.com.cn"),
        ({"AWS_REGION": "us-east-1"}, "https://lambda.eu-west-1.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "https://lambda-fips.eu-west-1.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "True"}, "https://lambda.eu-west-1.api.aws"),
        ({"AWS_USE_FIPS_ENDPOINT": "no"}, "https://lambda.eu-west-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL_LAMBDA": LOCAL, "AWS_ENDPOINT_URL": "http://elsewhere"}, LOCAL),
        ({"AWS_ENDPOINT_URL": LOCAL}, LOCAL),
        (
            {"AWS_ENDPOINT_URL": LOCAL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://lambda.eu-west-1.amazonaws.com",
        ),
        ({"AWS_DEFAULT_REGION": "us-moon-1"}, "https://lambda.us-moon-1.amazonaws.com"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ""}, "over boto3: https://lambda.eu-west-1.amazonaws.com"),
        ({"https_proxy": "http://proxy:3128", "NO_PROXY": ""}, "over boto3: https://lambda.eu-west-1.amazonaws.com"),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": ""}, "https://lambda.eu-west-1.amazonaws.com"),
        (
            {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "", "AWS_ENDPOINT_URL": "http://lambda.test"},
            "over boto3: http://lambda.test",
        ),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".amazonaws.com"}, "https://lambda.eu-west-1.amazonaws.com"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "https://lambda.eu-west-1.amazonaws.com"),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_settings_in_the_environment(environment: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both transports read the same."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert url == get_url(HttpTransport())


@pytest.mark.parametrize(
    ("profile", "url"),
    [
        ("default", "https://lambda.ap-south-1.amazonaws.com"),
        ("fips", "https://lambda-fips.us-east-1.amazonaws.com"),
        ("dual", "https://lambda.us-east-1.api.aws"),
        ("elsewhere", f"over boto3: {LOCAL}"),
        ("services", f"over boto3: {LOCAL}"),
        ("ignoring", "https://lambda.us-east-1.amazonaws.com"),
    ],
)
def test_settings_in_a_profile(profile: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Region and options; an endpoint in a profile is left to boto3."""
    (tmp_path / "config").write_text(
        "[default]\nregion = ap-south-1\n"
        "[profile fips]\nregion = us-east-1\nuse_fips_endpoint = true\n"
        "[profile dual]\nregion = us-east-1\nuse_dualstack_endpoint = true\n"
        f"[profile elsewhere]\nregion = us-east-1\nendpoint_url = {LOCAL}\n"
        "[profile services]\nregion = us-east-1\nservices = local\n"
        f"[services local]\nlambda =\n  endpoint_url = {LOCAL}\n"
        f"[profile ignoring]\nregion = us-east-1\nendpoint_url = {LOCAL}\nignore_configured_endpoint_urls = true\n"
    )
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", profile)

    assert url == get_url(HttpTransport())


def test_a_missing_profile_is_a_setup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """In botocore's words."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(NoAnswerError, match="nobody") as caught:
        HttpTransport().send(CALL, timeout=1)

    assert (Progress.NOTHING_SENT, Trouble.SETUP) == (caught.value.progress, caught.value.trouble)


def test_aws_region_is_used_if_nothing_else_sets_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda sets it in addition to the variable that boto3 reads."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "ca-central-1")

    assert "https://lambda.ca-central-1.amazonaws.com" == sender_for(HttpTransport())._pool._endpoint.url


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an ARN's region before all others, but not before the endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    arn = "arn:aws-cn:lambda:cn-north-1:123456789012:function:orders"

    assert LOCAL == get_url(HttpTransport(endpoint_url=LOCAL, region="us-east-1"))
    assert LOCAL == get_url(HttpTransport(endpoint_url=LOCAL), arn)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "https://lambda.us-east-1.amazonaws.com" == get_url(HttpTransport(region="us-east-1"))
    assert "https://lambda.cn-north-1.amazonaws.com.cn" == get_url(HttpTransport(region="us-east-1"), arn)


def test_settings_of_a_session() -> None:
    """Its region, for both kinds of session."""
    low = botocore.session.Session()
    low.set_config_variable("region", "sa-east-1")

    for session in (boto3.Session(region_name="sa-east-1"), low):
        assert (
            "https://lambda.sa-east-1.amazonaws.com" == sender_for(HttpTransport(session=session))._pool._endpoint.url
        )


def test_boto3s_default_session_is_used_if_there_is_one() -> None:
    """A program that has created it wants its settings."""
    boto3.setup_default_session(region_name="sa-east-1")

    assert "https://lambda.sa-east-1.amazonaws.com" == get_url(HttpTransport())


@pytest.mark.parametrize(
    ("environment", "region", "url"),
    [
        ({}, "fips-us-east-1", None),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, None, "http://127.0.0.1:1"),
        ({}, None, "http://127.0.0.1:1/?a=b"),
    ],
    ids=["a pseudonym", "FIPS and an endpoint", "a query"],
)
def test_settings_that_only_botocore_supports_fall_back_to_it(
    environment: dict[str, str], region: str | None, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what it rejects, in its own words."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert isinstance(sender_for(HttpTransport(region=region, endpoint_url=url)), _BotoSender)


@pytest.fixture
def proxied_transport(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTransport]:
    """A transport that must use a proxy."""
    monkeypatch.setenv("HTTP_PROXY", laboratory.url)
    monkeypatch.setenv("NO_PROXY", "")
    transport = HttpTransport(endpoint_url="http://lambda.invalid")
    yield transport
    transport.close()


@pytest.mark.allow_real_invokes  # through a proxy on this machine
def test_a_proxy_is_used(proxied_transport: HttpTransport, laboratory: Laboratory) -> None:
    """Over boto3, with the same arguments."""
    assert 200 == proxied_transport.send(CALL, timeout=10).status
    assert "lambda.invalid" == laboratory.requests[0].headers["host"]


@pytest.mark.allow_real_invokes  # through a proxy on this machine
@pytest.mark.parametrize(("fault", "progress"), [(faults.CONNECTION_FAULTS[3], Progress.PERHAPS_SENT)])
def test_a_proxy_that_resets_may_have_passed_the_request_on(
    fault: Fault, progress: Progress, proxied_transport: HttpTransport, laboratory: Laboratory
) -> None:
    """The same as over boto3."""
    laboratory.play(fault)

    with pytest.raises(NoAnswerError) as caught:
        proxied_transport.send(CALL, timeout=10)

    assert progress is caught.value.progress


@pytest.mark.allow_real_invokes  # through a proxy on this machine
def test_a_deadline_holds_over_a_proxy(proxied_transport: HttpTransport, laboratory: Laboratory) -> None:
    """The time that finding it took is subtracted."""
    laboratory.play(faults.SILENT)

    with pytest.raises(NoAnswerError) as caught:
        proxied_transport.send(CALL, timeout=0.3)

    assert Trouble.TIMEOUT is caught.value.trouble


@pytest.mark.allow_real_invokes
def test_without_a_region_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the error says what to do."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(NoAnswerError, match="set AWS_REGION") as caught:
        HttpTransport().send(CALL, timeout=1)

    assert (Progress.NOTHING_SENT, Trouble.SETUP) == (caught.value.progress, caught.value.trouble)


@pytest.mark.parametrize("environment", [{}, {"AWS_DEFAULT_REGION": ""}, {"AWS_ENDPOINT_URL": "http://192.0.2.1"}])
def test_the_network_guard_blocks_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, laboratory: Laboratory
) -> None:
    """Nothing leaves this machine; requests to this machine are sent."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(network_guard, "closed", True)

    with pytest.raises(RealInvokeBlockedError, match="orders"):
        HttpTransport().send(CALL, timeout=1)

    local = HttpTransport(endpoint_url=laboratory.url, region="eu-west-1")
    assert 200 == local.send(CALL, timeout=10).status
    local.close()


def test_expired_credentials_are_refreshed(
    laboratory: Laboratory, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the next request, which the retry policy sends."""
    laboratory.play(faults.service_error("ExpiredTokenException", 403), faults.SUCCESS)

    assert 403 == transport.send(CALL, timeout=10).status
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    assert 200 == transport.send(CALL, timeout=10).status

    keys = [request.headers["authorization"].split("Credential=")[1][:7] for request in laboratory.requests]
    assert ["AKIATES", "AKIANEW"] == keys


def test_a_repr_shows_the_arguments() -> None:
    """And no secrets."""
    assert "HttpTransport(region='eu-west-1', endpoint_url=None)" == repr(HttpTransport(region="eu-west-1"))


IN_LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, BotoTransport),
        (IN_LAMBDA, HttpTransport),
        ({"LAMBDACHAIN_TRANSPORT": "http"}, HttpTransport),
        ({"LAMBDACHAIN_TRANSPORT": "boto", **IN_LAMBDA}, BotoTransport),
        ({"LAMBDACHAIN_TRANSPORT": "", **IN_LAMBDA}, HttpTransport),
    ],
)
def test_the_default_depends_on_where_the_program_runs(
    environment: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch, laboratory: Laboratory
) -> None:
    """A variable overrides it."""
    for name, value in {**environment, "AWS_ENDPOINT_URL": laboratory.url}.items():
        monkeypatch.setenv(name, value)

    with LambdaClient() as client:
        assert {"charge_id": "c-1"} == client.call("orders", None)
        assert kind is type(client._invoker._transport)


def test_an_argument_comes_before_the_default(monkeypatch: pytest.MonkeyPatch, laboratory: Laboratory) -> None:
    """The client uses the transport that is passed to it."""
    monkeypatch.setenv("LAMBDACHAIN_TRANSPORT", "boto")

    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        assert client.can_invoke("orders")


@pytest.mark.parametrize("transport", ["boto", "http"])
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "async"])
def test_the_region_of_a_client_is_that_of_its_transport(
    transport: str, blocking: bool, monkeypatch: pytest.MonkeyPatch, laboratory: Laboratory
) -> None:
    """It wins over the environment's: the requests are signed for it; a copy of the client keeps it."""
    for name, value in {"LAMBDACHAIN_TRANSPORT": transport, "AWS_ENDPOINT_URL": laboratory.url}.items():
        monkeypatch.setenv(name, value)

    async def call_later() -> None:
        async with pickle.loads(pickle.dumps(AsyncLambdaClient(region="ap-south-1"))) as client:
            await client.call("orders", None)

    if blocking:
        with pickle.loads(pickle.dumps(LambdaClient(region="ap-south-1"))) as client:
            client.call("orders", None)
    else:
        asyncio.run(call_later())
    assert "/ap-south-1/lambda/" in laboratory.requests[-1].headers["authorization"]


def test_an_unknown_default_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error lists the valid ones."""
    monkeypatch.setenv("LAMBDACHAIN_TRANSPORT", "https")

    with pytest.raises(ContractError, match=r"'http' .* or 'boto'"):
        default_transport()


def test_a_whole_call_loads_no_botocore(laboratory: Laboratory) -> None:
    """Inside Lambda, that saves a quarter of a second."""
    heavy = ["botocore", "boto3", "urllib3", "http.client", "email", "asyncio", "urllib.parse", "pathlib", "tenacity"]
    script = (
        "import sys\nfrom lambdachain import HttpTransport, Invocation\n"
        f"transport = HttpTransport(endpoint_url={laboratory.url!r})\n"
        "print(transport.send(Invocation('orders', payload=b'1'), timeout=10).status)\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))\ntransport.close()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ["200", "[]"] == ran.stdout.split("\n")[:2]


_MAP: Final = """
import sys
from lambdachain import Contract, HttpTransport, LambdaClient

contract = Contract("orders", request=int, response=dict[str, str], idempotent=True)
client = LambdaClient(HttpTransport(endpoint_url=sys.argv[1]))
# Without a length, they are sent in an event loop, and otherwise in threads.
results = client.map(contract, iter(range(3)) if sys.argv[2] == "loop" else range(3), ordered=False)
"""


def run_map(laboratory: Laboratory, way: str, code: str) -> tuple[str, str]:
    """Run code with the results of a map in a process of its own, and return its output and errors."""
    # A name is looked up in a thread.
    url = laboratory.url.replace("127.0.0.1", "localhost")
    ran = subprocess.run([sys.executable, "-c", f"{_MAP}{code}", url, way], capture_output=True, text=True, check=True)
    return ran.stdout, ran.stderr


@pytest.mark.parametrize("way", ["loop", "threads"])
def test_a_process_ends_whose_client_was_not_closed(laboratory: Laboratory, way: str) -> None:
    """Without a traceback: CPython 3.12.0 starts no thread at exit."""
    assert ("3\n", "") == run_map(laboratory, way, "print(len(list(results)))")


@pytest.mark.parametrize("way", ["loop", "threads"])
def test_a_process_ends_that_leaves_a_map(laboratory: Laboratory, way: str) -> None:
    """It does not wait for calls in flight: what would receive their responses has ended."""
    laboratory.play(faults.SUCCESS, faults.SILENT)

    assert ("{'charge_id': 'c-1'}\n", "") == run_map(laboratory, way, "print(next(results))")


def test_concurrent_first_calls_create_one_sender(laboratory: Laboratory, transport: HttpTransport) -> None:
    """What the first call creates is created once."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    start = threading.Barrier(8)

    def first(_: int) -> int:
        start.wait(10)
        return transport.send(CALL, timeout=10).status

    with ThreadPoolExecutor(8) as threads:
        assert [200] * 8 == list(threads.map(first, range(8)))
    assert 1 == len(transport._senders)
