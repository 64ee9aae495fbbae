"""``warm_up()``: the first call finds everything done, and nothing has been invoked for it."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import DeferredRefreshableCredentials
from pydantic import BaseModel, ConfigDict

import lambdachain._client.async_warm_up as async_warm_up_module
import lambdachain._client.warm_up as warm_up_module
from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    AsyncTransportWrapper,
    BotoTransport,
    ConnectError,
    Contract,
    HttpTransport,
    Interceptor,
    Invocation,
    LambdaClient,
    Outcome,
    RequestTooLargeError,
    RetryPolicy,
    S3Offload,
    TransportWrapper,
    remote,
    use,
)
from lambdachain._core.metadata import _spare
from lambdachain.sqs import SqsTransport
from lambdachain.testing import InProcessTransport, StubTransport
from tests.core.snapshots import FORGET, printed_around_snapshot
from tests.support import faults
from tests.support.certificates import Authority, write_self_signed
from tests.support.laboratory import Laboratory

BLOCKING = [HttpTransport, BotoTransport]
RESTORE = "for restore, given, named in snapshot_restore_py.get_after_restore(): restore(*given, **named)\n"
PLAIN = Contract("f", request=int, response=dict[str, str])


PATIENT = (
    "from lambdachain._client import async_warm_up, warm_up\n"
    "warm_up.WARM_UP_TIMEOUT = async_warm_up.WARM_UP_TIMEOUT = 60"
)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    for module in (warm_up_module, async_warm_up_module):
        monkeypatch.setattr(module, "WARM_UP_TIMEOUT", 60)


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    """A TLS server in Lambda's place, whose certificate is trusted."""
    certificate = write_self_signed(tmp_path / "server.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with Laboratory(certificate) as running:
        running.play(faults.SUCCESS)
        yield running


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The debug records of the package."""
    caplog.set_level(logging.DEBUG, "lambdachain")
    return caplog


def warmed(records: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """Return what was warmed up, and the error of each."""
    fields = [vars(record) for record in records.records]
    found = [field for field in fields if field.get("lambdachain_record") == "warm_up"]
    return [(field["lambdachain_function"], field["lambdachain_error"]) for field in found]


@pytest.mark.parametrize("kind", BLOCKING)
@pytest.mark.parametrize("targets", [(), (PLAIN,), ("f", PLAIN, "g:live")])
def test_the_first_call_opens_no_connection(kind: Any, targets: tuple[Any, ...], laboratory: Laboratory) -> None:
    """Nor does warm_up() send a request; its TLS tickets do not make the connection look closed."""
    with LambdaClient(kind(endpoint_url=laboratory.url)) as client:
        client.warm_up(*targets)
        assert (1, 0) == (laboratory.connections, laboratory.received)
        client.warm_up(*targets)
        client.call(PLAIN, 1)
        client.call(PLAIN, 2)

    assert (1, 2) == (laboratory.connections, laboratory.received)


def test_the_first_call_in_the_same_loop_opens_no_connection(laboratory: Laboratory) -> None:
    """Connections of an asynchronous client belong to the loop; what else was found is kept for the next one."""
    client = AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url))
    with asyncio.Runner() as runner:
        runner.run(client.warm_up(PLAIN))
        assert (1, 0) == (laboratory.connections, laboratory.received)
        runner.run(client.warm_up(PLAIN))
        runner.run(client.call(PLAIN, 1))
        assert (1, 1) == (laboratory.connections, laboratory.received)
    asyncio.run(client.call(PLAIN, 2))

    assert (2, 2) == (laboratory.connections, laboratory.received)


def test_a_blocking_transport_of_an_async_client_is_warmed_up_in_a_thread(laboratory: Laboratory) -> None:
    """As its calls are."""

    async def run() -> None:
        async with AsyncLambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
            await client.warm_up(PLAIN)
            assert (1, 0) == (laboratory.connections, laboratory.received)
            await client.call(PLAIN, 1)

    asyncio.run(run())

    assert (1, 1) == (laboratory.connections, laboratory.received)


@pytest.mark.parametrize("kind", BLOCKING)
def test_credentials_are_fetched_once(kind: Any, laboratory: Laboratory) -> None:
    """By warm_up(); the first call signs with them."""
    fetched: list[int] = []

    def fetch() -> dict[str, str]:
        fetched.append(laboratory.received)
        return {"access_key": "AKIA", "secret_key": "s", "token": "t", "expiry_time": "2099-01-01T00:00:00Z"}

    session: Any = botocore.session.Session()
    session._credentials = DeferredRefreshableCredentials(refresh_using=fetch, method="test")
    with LambdaClient(kind(session=session, endpoint_url=laboratory.url, region="eu-west-1")) as client:
        client.warm_up()
        assert [0] == fetched
        client.call(PLAIN, 1)

    assert ([0], 1) == (fetched, laboratory.connections)


def test_validators_are_built(laboratory: Laboratory) -> None:
    """Of the request and the response, also where pydantic has put it off; of a plain name, there is none."""

    class Order(BaseModel):
        model_config = ConfigDict(defer_build=True)
        cents: int

    class Placed(BaseModel):
        model_config = ConfigDict(defer_build=True)
        total: int

    contract = Contract("place", request=Order, response=Placed)
    built = [Order.__pydantic_complete__, Placed.__pydantic_complete__]
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        client.warm_up("any", contract)

    assert [False, False] == built
    assert [True, True] == [Order.__pydantic_complete__, Placed.__pydantic_complete__]


_MODULES = f"""
import sys
{PATIENT}
from pydantic import BaseModel
from lambdachain import Contract, HttpTransport, LambdaClient

class Order(BaseModel):
    cents: int

client = LambdaClient(HttpTransport(endpoint_url=sys.argv[1]))
contract = Contract("f", request=Order, response=dict)
client.warm_up(contract)
before = set(sys.modules)
client.call(contract, Order(cents=1))
print(sorted(set(sys.modules) - before))
"""


def test_the_first_call_imports_nothing(laboratory: Laboratory) -> None:
    """Each module that it needs has been imported by warm_up()."""
    laboratory.respond(b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Length: 2\r\n\r\n{}")
    ran = subprocess.run([sys.executable, "-c", _MODULES, laboratory.url], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_each_region_of_an_arn_has_a_connection(laboratory: Laboratory) -> None:
    """And the client's own region only if a target is in it."""
    arns = [f"arn:aws:lambda:{region}:123456789012:function:f" for region in ("eu-west-1", "us-east-1")]
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        client.warm_up(*arns, Contract(arns[0], request=int, response=int))
        assert (2, 0) == (laboratory.connections, laboratory.received)
        for arn in arns:
            client.call(arn, 1)

    assert (2, 2) == (laboratory.connections, laboratory.received)


def test_a_bound_function_is_a_target(laboratory: Laboratory) -> None:
    """With its own address and options."""
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        function = client.bind(PLAIN, "arn:aws:lambda:us-east-1:123456789012:function:g", timeout=30)
        client.warm_up(function)
        function.call(1)

    assert (1, 1) == (laboratory.connections, laboratory.received)
    assert "%3Aus-east-1%3A" in laboratory.requests[0].path


def functions_of_call(client: LambdaClient) -> set[str]:
    """Return the names of the functions of the package that a call runs."""
    names = set[str]()

    def record(frame: Any, event: str, _argument: object) -> None:
        if event == "call" and "lambdachain" in frame.f_code.co_filename:
            names.add(frame.f_code.co_name)

    sys.setprofile(record)
    try:
        client.call(PLAIN, 1)
    finally:
        sys.setprofile(None)
    return names


def test_the_first_call_runs_what_the_next_one_runs(laboratory: Laboratory) -> None:
    """The random ids, the token bucket and the signing key are there already; only the function's path is not."""
    _spare.clear()
    of_path = {"_build_address", "percent_encoded", "_canonical_path", "<listcomp>"}
    of_region = {"_find_region", "parse_target", "_check_text", "_parse_cached"}
    of_second = {"_format_timestamp"}  # run by whichever call is the first in its second
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        client.warm_up(PLAIN)
        first, second = functions_of_call(client), functions_of_call(client)

    assert first - second <= of_path | of_region | of_second
    assert {"prepare", "authorization", "decode_response"} <= second


@pytest.mark.parametrize("threshold", [0, 1_000_000])
def test_the_rehearsal_stores_nothing_in_s3(
    threshold: int, laboratory: Laboratory, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where a contract sends every payload through a bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", laboratory.url)
    contract = Contract("f", request=int, response=int, offload=S3Offload("bucket", threshold=threshold))
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        client.warm_up(contract)

    assert ([("default", None)], 1, 0) == (warmed(records), laboratory.connections, laboratory.received)


def test_a_call_that_cannot_be_sent_is_a_debug_record(laboratory: Laboratory, records: Any) -> None:
    """As the call would raise it: here its ClientContext is too large."""
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        function = client.bind(PLAIN, client_context={"tenant": "secret" * 1000})
        client.warm_up(function)
        assert [("f", "RequestTooLargeError")] == warmed(records)
        with pytest.raises(RequestTooLargeError):
            function.call(1)

    assert "secret" not in records.text


def test_hooks_interceptors_and_logs_see_no_call(laboratory: Laboratory, records: pytest.LogCaptureFixture) -> None:
    """Because there is none: neither of this client nor of the process."""
    seen: list[object] = []

    class Counting(Interceptor):
        def calling(self, call: Any) -> Any:
            seen.append(call)
            return ExitStack()

    def hook(invocation: Any, proceed: Any) -> Any:
        seen.append(invocation)
        return proceed(invocation)

    transport = HttpTransport(endpoint_url=laboratory.url)
    with use(Counting()), LambdaClient(transport, hooks=[hook], interceptors=[Counting()]) as client:
        client.warm_up(PLAIN)

    assert ([], 1, 0) == (seen, laboratory.connections, laboratory.received)
    assert ["warm_up"] == [vars(record).get("lambdachain_record") for record in records.records]


def _unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"https://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("kind", BLOCKING)
def test_a_refused_connection_is_a_debug_record(kind: Any, records: pytest.LogCaptureFixture) -> None:
    """Raised by the call, not here."""
    with LambdaClient(kind(endpoint_url=_unused_url()), retry=RetryPolicy.never()) as client:
        client.warm_up(PLAIN)
        assert [("default", "NoAnswerError")] == warmed(records)
        with pytest.raises(ConnectError):
            client.call(PLAIN, 1)


@pytest.mark.parametrize("kind", BLOCKING)
def test_an_untrusted_certificate_is_a_debug_record(
    kind: Any, laboratory: Laboratory, records: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: Any
) -> None:
    """As is any failure of TLS."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority("another").write_to(tmp_path / "other.pem")))
    with LambdaClient(kind(endpoint_url=laboratory.url)) as client:
        client.warm_up()

    assert [("default", "NoAnswerError")] == warmed(records)


@pytest.mark.parametrize("kind", BLOCKING)
def test_missing_settings_are_debug_records(
    kind: Any, laboratory: Laboratory, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No credentials; no region."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    # A session of its own: boto3's default one may have found credentials in another test.
    LambdaClient(kind(session=botocore.session.Session(), endpoint_url=laboratory.url)).warm_up()
    assert [("default", "NoAnswerError")] == warmed(records)

    records.clear()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    LambdaClient(kind(session=botocore.session.Session())).warm_up()
    assert ["default"] == [what for what, error in warmed(records) if error is not None]


def test_a_mistake_is_a_debug_record(laboratory: Laboratory, records: pytest.LogCaptureFixture) -> None:
    """What is not a target is left to the call; the other targets are warmed up all the same."""
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        client.warm_up(42, "not a name!", PLAIN)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert [("int", "ContractError"), ("not a name!", "InvalidArnError"), ("default", None)] == warmed(records)
        assert laboratory.connections == 1

        records.clear()
        client.warm_up(42)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert [("int", "ContractError")] == warmed(records)
    records.clear()
    client.warm_up()
    assert [("default", "ConnectError")] == warmed(records)


def test_a_failing_resolver_is_a_debug_record(records: pytest.LogCaptureFixture) -> None:
    """And so is any exception of a user's own; its text is not logged."""

    def resolve(name: str) -> str:
        raise RuntimeError(f"secret of {name}")

    LambdaClient(StubTransport(), resolve=resolve).warm_up(PLAIN)

    assert [("f", "RuntimeError")] == warmed(records)
    assert "secret" not in records.text


@pytest.mark.parametrize("kind", BLOCKING)
def test_a_peer_that_hangs_is_left_alone(
    kind: Any, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After WARM_UP_TIMEOUT, which the test shortens."""
    monkeypatch.setattr(warm_up_module, "WARM_UP_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = LambdaClient(kind(endpoint_url=f"https://127.0.0.1:{listener.getsockname()[1]}"))
        client.warm_up()
        for thread in [each for each in threading.enumerate() if each.name == "lambdachain-warm-up"]:
            thread.join(60)

    assert [("default", "NoAnswerError")] == warmed(records)


def test_a_peer_that_hangs_is_left_alone_by_an_event_loop(
    records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which continues."""
    monkeypatch.setattr("lambdachain._client.async_warm_up.WARM_UP_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        asyncio.run(AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url)).warm_up())

    assert [True] == [error in ("NoAnswerError", "CancelledError") for _, error in warmed(records)]


def test_the_network_guard_holds(records: pytest.LogCaptureFixture) -> None:
    """In a test, no connection to AWS is opened, and no error raised."""
    for kind in BLOCKING:
        LambdaClient(kind(region="eu-west-1")).warm_up()
    asyncio.run(AsyncLambdaClient(AsyncHttpTransport(region="eu-west-1")).warm_up())

    assert [("default", "RealInvokeBlockedError")] * 3 == warmed(records)


def test_transports_of_tests_have_nothing_to_warm_up(records: pytest.LogCaptureFixture) -> None:
    """Both as a client's own and in place of AWS's."""

    @remote(PLAIN)
    def handler(payload: Any) -> Any:
        return payload

    for transport in (StubTransport(), InProcessTransport({PLAIN: handler})):
        LambdaClient(transport).warm_up(PLAIN)
        asyncio.run(AsyncLambdaClient(transport).warm_up(PLAIN))
    with StubTransport():
        LambdaClient(HttpTransport(region="eu-west-1")).warm_up(handler)

    assert [("default", None)] * 5 == warmed(records)


class Own:
    """A transport of a user's."""

    def __init__(self) -> None:
        self.regions: list[str | None] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Respond."""
        return Outcome(200, b"1", executed_version="1")

    def warm_up(self, region: str | None, /, *, timeout: float) -> None:
        """Remember the region."""
        assert 0 < timeout <= warm_up_module.WARM_UP_TIMEOUT
        self.regions.append(region)

    def close(self) -> None:
        """Close nothing."""


class AsyncOwn(Own):
    """The same for event loops."""

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # type: ignore[override]  # noqa: ASYNC109
        """Respond."""
        return Outcome(200, b"1", executed_version="1")

    async def warm_up(self, region: str | None, /, *, timeout: float) -> None:  # type: ignore[override]  # noqa: ASYNC109
        """Remember the region."""
        self.regions.append(region)

    async def close(self) -> None:  # type: ignore[override]
        """Close nothing."""


def test_a_transport_of_ones_own_may_have_the_method() -> None:
    """Wrappers pass it on, and so do the adapters of asynchronous clients and SqsTransport."""
    own, async_own = Own(), AsyncOwn()
    for transport in (own, TransportWrapper(own), SqsTransport(transport=own)):
        LambdaClient(transport).warm_up(PLAIN)
    for other in (async_own, AsyncTransportWrapper(async_own), own, TransportWrapper(own)):
        asyncio.run(AsyncLambdaClient(other).warm_up(PLAIN))

    assert ([None] * 5, [None] * 2) == (own.regions, async_own.regions)


def test_many_threads_may_warm_up_one_client(laboratory: Laboratory, records: pytest.LogCaptureFixture) -> None:
    """Each finds or opens a connection."""
    with LambdaClient(HttpTransport(endpoint_url=laboratory.url)) as client:
        threads = [threading.Thread(target=client.warm_up, args=(PLAIN,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [("default", None)] * 8 == warmed(records)
        opened = laboratory.connections
        client.call(PLAIN, 1)

    assert (True, opened, 1) == (1 <= opened <= 8, laboratory.connections, laboratory.received)


def test_a_copy_of_a_client_is_cold(laboratory: Laboratory) -> None:
    """A pickled client has the settings only."""
    with LambdaClient(HttpTransport(region="eu-west-1", endpoint_url=laboratory.url)) as client:
        client.warm_up(PLAIN)
        with pickle.loads(pickle.dumps(client)) as copied:
            copied.call(PLAIN, 1)

    assert (2, 1) == (laboratory.connections, laboratory.received)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("kind", BLOCKING)
def test_a_forked_process_opens_a_connection_of_its_own(kind: Any, laboratory: Laboratory) -> None:
    """And the parent keeps its own."""
    with LambdaClient(kind(endpoint_url=laboratory.url)) as client:
        client.warm_up(PLAIN)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                client.call(PLAIN, 1)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert (2, 1) == (laboratory.connections, laboratory.received)
        client.call(PLAIN, 2)

    assert (2, 2) == (laboratory.connections, laboratory.received)


_SNAPSHOT = """
import asyncio, os
PATIENT
from pathlib import Path
from tests.support import faults
from tests.support.laboratory import Laboratory
from lambdachain import AsyncHttpTransport, AsyncLambdaClient, BotoTransport, HttpTransport, LambdaClient

with Laboratory(Path(os.environ["AWS_CA_BUNDLE"])) as laboratory, asyncio.Runner() as runner:
    def blocking(kind):
        client = LambdaClient(kind(endpoint_url=laboratory.url))
        return client, client.warm_up, client.call
    def in_loop(kind):
        client = AsyncLambdaClient(kind(endpoint_url=laboratory.url))
        return client, lambda *a: runner.run(client.warm_up(*a)), lambda *a: runner.run(client.call(*a))
    for make, kind in ((blocking, HttpTransport), (blocking, BotoTransport), (in_loop, AsyncHttpTransport)):
        laboratory.play(faults.SUCCESS)
        client, warm_up, call = make(kind)
        warm_up("f")
        counts = [laboratory.connections]
        FORGET
        assert not laboratory.received
        RESTORE
        counts.append(laboratory.connections)
        call("f", 1)
        print(*counts, laboratory.connections, laboratory.received)
        del client, warm_up, call
"""


def test_connections_are_taken_up_again_after_a_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed before the snapshot; after a restore, they are opened before the first call."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(write_self_signed(tmp_path / "server.pem")))
    program = (
        _SNAPSHOT.replace("PATIENT", PATIENT)
        .replace("        FORGET\n", f"        {FORGET}")
        .replace("        RESTORE\n", f"        {RESTORE}")
    )

    assert ["1 2 2 1"] * 3 == printed_around_snapshot(program).splitlines()


_HANDLER = """
from pydantic import BaseModel, ConfigDict
from lambdachain import remote

class Order(BaseModel):
    model_config = ConfigDict(defer_build=True)
    cents: "Cents"

@remote("undefined")
def early(order: Order) -> None: ...

Cents = int

class Placed(BaseModel):
    model_config = ConfigDict(defer_build=True)
    total: int

@remote("place")
def handler(order: Order) -> Placed:
    return Placed(total=order.cents)

print(Order.__pydantic_complete__, Placed.__pydantic_complete__)
assert handler({"cents": 1}) == {"total": 1}
"""


@pytest.mark.parametrize("inside", [True, False])
def test_validators_of_a_handler_are_built_at_import_in_lambda(inside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere in its first call, as before; a type that is not defined yet is no error."""
    if inside:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "place")
    ran = subprocess.run([sys.executable, "-c", _HANDLER], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == [str(inside), str(inside)]
