"""Clients, transports and bound functions are pickled as their settings: a copy opens connections of its own."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    ConnectError,
    Contract,
    ContractError,
    HttpTransport,
    InProcessTransport,
    LambdaClient,
    RetryPolicy,
    TransportWrapper,
    remote,
    resolvers,
)

double = Contract("orders-double", request=int, response=int, idempotent=True)
SECRETS = [b"AKIATESTTESTTESTTEST", b"test-secret-canary-access-key", b"test-session-token-canary"]


@remote("orders-half")
def half(number: int) -> int:
    """Halve a number."""
    return number // 2


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=0)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
LAZY: dict[str, Callable[[], Any]] = {
    "client": LambdaClient,
    "async client": AsyncLambdaClient,
    "settings": lambda: LambdaClient(timeout=3, retry=RetryPolicy(max_attempts=2), hooks=[len]),
    "http": lambda: HttpTransport(region="eu-west-1", endpoint_url="http://127.0.0.1:1"),
    "async http": lambda: AsyncHttpTransport(region="eu-west-1"),
    "boto": lambda: BotoTransport(region="eu-west-1", config=Config(read_timeout=5)),
    "client with transport": lambda: LambdaClient(HttpTransport(region="eu-west-1")),
    "bound": lambda: LambdaClient().bind(double, timeout=3),
    "async bound": lambda: AsyncLambdaClient().bind(double, "other"),
    "handler's": half.bind,
    "prefix": lambda: LambdaClient(resolve=resolvers.prefix("prod-")),
    "mapping": lambda: LambdaClient(resolve=resolvers.mapping({"orders-double": "d"})),
    "from_env": lambda: LambdaClient(resolve=resolvers.from_env()),
    "from_env mapping": lambda: LambdaClient(resolve=resolvers.from_env({double: "DOUBLE_FN"})),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("what", LAZY)
def test_what_is_lazy_is_copied(what: str, how: str):
    """Before anything was opened: Spark, joblib and Dagster send it to their workers."""
    original = LAZY[what]()
    copied = COPIES[how](original)

    assert type(copied) is type(original)
    assert repr(copied) == repr(original)


@pytest.mark.parametrize("how", ["pickle", "oldest pickle", "deepcopy"])
@pytest.mark.parametrize("holder", [lambda system: system, LambdaClient, TransportWrapper])
def test_a_system_in_this_process_is_not_copied(holder: Callable[[Any], Any], how: str):
    """Its handlers and events are here; the message says where to create one."""
    with pytest.raises(ContractError, match=r"cannot pickle or copy InProcessTransport: .* where they are used"):
        COPIES[how](holder(InProcessTransport({half: half})))


class _Doubler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        number = int(self.rfile.read(int(self.headers["Content-Length"])))
        body = str(2 * number).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amz-Executed-Version", "$LATEST")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve() -> Iterator[str]:
    """Serve a function that doubles numbers; yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Doubler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", [HttpTransport, BotoTransport])
@pytest.mark.parametrize("how", COPIES)
def test_a_client_with_connections_is_copied_as_its_settings(kind: Any, how: str):
    """The copy opens its own; closing one leaves the other open."""
    with serve() as url, LambdaClient(kind(endpoint_url=url)) as client:
        assert client.call(double, 21) == 42
        assert list(client.map(double, [1, 2])) == [2, 4]
        bound = COPIES["pickle" if how == "copy" else how](client.bind(double))
        copied = COPIES[how](client.bind(double)._invoker._transport)
        with LambdaClient(copied) as other:
            assert other.call(double, 4) == 8
        assert bound.call(5) == 10
        assert client.call(double, 6) == 12
        bound._invoker.close()


def test_a_pickle_has_no_secret(monkeypatch: pytest.MonkeyPatch):
    """After a call, too, which has read the credentials."""
    with serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        for client in (LambdaClient(), LambdaClient(HttpTransport()), LambdaClient(BotoTransport())):
            with client:
                assert client.call(double, 21) == 42
                pickled = pickle.dumps(client)
                assert not [secret for secret in SECRETS if secret in pickled]


def test_another_process_calls_with_a_pickled_function(monkeypatch: pytest.MonkeyPatch):
    """With its own choice of a transport: the pickle of a plain client has none."""
    with serve() as url, LambdaClient() as client:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        assert client.call(double, 21) == 42
        pickled = pickle.dumps(client.bind(double, timeout=30))
        script = f"import pickle; print(pickle.loads({pickled!r}).call(4))"
        monkeypatch.setenv("LAMBDACHAIN_TRANSPORT", "http")
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "8"
    assert b"BotoTransport" not in pickled


def test_an_async_client_with_connections_is_copied():
    """Outside and inside of its loop."""

    async def run(url: str) -> list[int]:
        async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url=url)) as client:
            first = await client.call(double, 1)
            async with pickle.loads(pickle.dumps(client)) as copied:
                return [first, await copied.call(double, 2), await client.call(double, 3)]

    with serve() as url:
        assert asyncio.run(run(url)) == [2, 4, 6]


def test_a_closed_client_is_copied_closed():
    """A copy does not open what was closed."""
    client, transport = LambdaClient(), HttpTransport(region="eu-west-1", endpoint_url="http://127.0.0.1:1")
    client.close()
    transport.close()

    for closed in (pickle.loads(pickle.dumps(client)), LambdaClient(pickle.loads(pickle.dumps(transport)))):
        with pytest.raises(ConnectError, match="closed"):
            closed.call(double, 1)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", [HttpTransport, BotoTransport, AsyncHttpTransport])
@pytest.mark.parametrize("make", [boto3.Session, botocore.session.Session])
def test_a_session_is_refused(kind: Any, make: Any, how: str):
    """Its credentials may be its own: the message names the region and the profile."""
    with pytest.raises(ContractError, match=r"cannot pickle \w+\(session=...\).*AWS_PROFILE"):
        COPIES[how](kind(session=make()))


def test_a_client_of_the_user_s_is_refused():
    """The message says what to pass instead."""
    client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ContractError, match=r"cannot pickle BotoTransport\(client\).*BotoTransport\(region="):
        pickle.dumps(LambdaClient(BotoTransport(client)))


@pytest.mark.parametrize("url", ["http://user:canary@127.0.0.1:1", "http://127.0.0.1:1/?token=canary"])
@pytest.mark.parametrize("kind", [HttpTransport, BotoTransport])
def test_a_url_with_a_secret_is_refused(kind: Any, url: str):
    """Without the secret in the message."""
    with pytest.raises(ContractError, match="AWS_ENDPOINT_URL_LAMBDA") as caught:
        pickle.dumps(kind(endpoint_url=url))
    assert "canary" not in str(caught.value)


def test_a_proxy_with_a_password_is_refused():
    """Without the password in the message."""
    config = Config(proxies={"https": "http://user:canary@proxy:3128"})
    with pytest.raises(ContractError, match="HTTPS_PROXY") as caught:
        pickle.dumps(BotoTransport(config=config))
    assert "canary" not in str(caught.value)
    without = Config(proxies={"https": "http://proxy:3128"})
    assert pickle.loads(pickle.dumps(BotoTransport(config=without)))


def test_a_subclass_keeps_its_own_settings():
    """Whatever its constructor takes."""
    copied = pickle.loads(pickle.dumps(Tagged("eu")))

    assert copied.tag == "eu"
    assert repr(copied) == repr(Tagged("eu"))


class Tagged(HttpTransport):
    """A transport with an argument of its own."""

    def __init__(self, tag: str) -> None:
        super().__init__(region=f"{tag}-west-1")
        self.tag = tag
