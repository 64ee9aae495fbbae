"""Credentials that rotate during a map are refreshed once, and do not count against the callee."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final

import boto3
import pytest

from lambdachain import BotoTransport, Contract, CredentialsError, HttpTransport, ResponseError, RetryPolicy
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, client_over, session_for
from tests.support.throttling_server import ThrottlingServer

echo = Contract("echo", request=int, response=int)
KINDS: Final = ("boto3", "http", *ASYNC_TRANSPORTS)
_TOGETHER: Final = 6
_EXPIRED: Final = (
    b"HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: ExpiredTokenException\r\nx-amzn-RequestId: 7f3c1f6e\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


class RotatingServer(ThrottlingServer):
    """Accepts requests signed with the newest keys; rotates them after so many responses.

    Args:
        rotations: After how many responses.
        together: How many requests are refused at the same time after each rotation.
    """

    def __init__(self, *rotations: int, together: int = 1) -> None:
        super().__init__(delay=0.002)
        self.keys = 0
        self.fetched = 0
        self.refused = 0
        self.on_rotation: Callable[[str], None] = lambda _key: None
        self._rotations = list(rotations)
        self._together = together
        self._to_come = set[bytes]()
        self._settled = asyncio.Event()
        self._enough = asyncio.Event()

    async def respond(self, head: bytes, body: bytes) -> bytes | None:
        """Rotate the keys if it is time, and refuse the request if other keys have signed it.

        A rotation waits for the retries of the requests that the last one refused; new requests wait for the rotation.
        """
        while self._is_due() and self._to_come and body not in self._to_come:
            await self._settled.wait()
        if self._is_due() and not self._to_come:
            self._rotations.pop(0)
            self.keys += 1
            self._enough.clear()
            self.on_rotation(f"AKIA{self.keys}")
        signed = re.search(rb"Credential=AKIA(\d+)/", head)
        assert signed is not None
        if not self.refuses(int(signed[1])):
            self._to_come.discard(body)
            if not self._to_come:
                self._settled.set()
            return await super().respond(head, body)
        self.refused += 1
        self._to_come.add(body)
        self._settled.clear()
        if len(self._to_come) >= self._together:
            self._enough.set()
        await self._enough.wait()
        return _EXPIRED

    def refuses(self, signed: int) -> bool:
        """Check whether keys are refused: those before the newest ones.

        A request that a busy machine has held up since the rotation before that is not, or it could be refused twice.
        """
        return signed == self.keys - 1

    def wait_for_refusals(self, number: int) -> None:
        """Wait until so many requests have been refused; not for ever, since none may come."""
        deadline = time.monotonic() + 5
        while self.refused < number and time.monotonic() < deadline:
            time.sleep(0.001)

    def _is_due(self) -> bool:
        return bool(self._rotations) and len(self.seen) >= self._rotations[0]

    def fetch(self) -> dict[str, str]:
        """Return the newest keys, as a credential provider does."""
        self.fetched += 1
        key = f"AKIA{self.keys}"
        return {"access_key": key, "secret_key": "s", "token": f"t{self.keys}", "expiry_time": "2999-01-01T00:00:00Z"}

    async def fetch_async(self) -> dict[str, str]:
        """Return them for aiobotocore."""
        return self.fetch()


def _session(over: str, server: RotatingServer) -> Any:
    session = session_for(over)
    if over == "async boto3":
        from aiobotocore.credentials import AioRefreshableCredentials

        kind, fetch = AioRefreshableCredentials, server.fetch_async
    else:
        from botocore.credentials import RefreshableCredentials

        kind, fetch = RefreshableCredentials, server.fetch
    session._credentials = kind.create_from_metadata(server.fetch(), fetch, "test")
    return session


def _transport(over: str, **options: Any) -> Any:
    if over in ASYNC_TRANSPORTS:
        return AwaitedTransport(ASYNC_TRANSPORTS[over](region="eu-west-1", **options))
    return {"boto3": BotoTransport, "http": HttpTransport}[over](region="eu-west-1", **options)


@pytest.mark.parametrize("over", KINDS)
@pytest.mark.parametrize("rotations", [(60,), (40, 150)])
def test_session_credentials_that_rotate_during_a_map(over: str, rotations: tuple[int, ...]):
    """Every call succeeds, with 50 in flight and all defaults; the keys are fetched once for each rotation."""
    with RotatingServer(*rotations, together=_TOGETHER) as server:
        transport = _transport(over, session=_session(over, server), endpoint_url=server.url)
        client = client_over(transport)
        results = list(client.map(echo, range(200), max_concurrency=50))
        client.close()

    assert results == list(range(200))
    assert server.refused >= _TOGETHER * len(rotations)
    assert server.fetched == 1 + len(rotations)


@pytest.mark.parametrize("over", KINDS)
def test_environment_credentials_that_rotate_during_a_map(
    over: str, monkeypatch: pytest.MonkeyPatch, default_session: Callable[[], None]
):
    """Twice: each change of the environment is noticed."""
    default_session()
    with RotatingServer(40, 150, together=_TOGETHER) as server:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        with client_over(_transport(over, endpoint_url=server.url)) as client:
            server.on_rotation = partial(monkeypatch.setenv, "AWS_ACCESS_KEY_ID")
            results = list(client.map(echo, range(200), max_concurrency=20))

    assert results == list(range(200))
    assert server.keys == 2


def test_a_client_made_during_a_renewal_has_the_new_credentials(
    monkeypatch: pytest.MonkeyPatch, default_session: Callable[[], None]
):
    """Not those of the session before: the calls of other threads would be rejected twice."""
    default_session()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with RotatingServer(1) as server, client_over(BotoTransport(region="eu-west-1", endpoint_url=server.url)) as client:
        server.on_rotation = partial(monkeypatch.setenv, "AWS_ACCESS_KEY_ID")
        other = Thread(target=client.call, args=(echo, 2))
        create = boto3.Session

        def create_while_another_thread_calls(*arguments: Any, **options: Any) -> Any:
            if other.ident is None:
                other.start()
                server.wait_for_refusals(2)
            return create(*arguments, **options)

        assert client.call(echo, 0) == 0
        monkeypatch.setattr(boto3, "Session", create_while_another_thread_calls)
        assert client.call(echo, 1) == 1
        other.join()
        assert client.call(echo, 3) == 3

    assert server.refused == 2


class SuccessionServer(RotatingServer):
    """Accepts the keys of this number only; each fetch returns the next ones, up to the last."""

    def __init__(self, taken: int, last: int) -> None:
        super().__init__()
        self.keys = taken
        self._last = last

    def refuses(self, signed: int) -> bool:
        """Check whether keys are refused: all but those of this number."""
        return signed != self.keys

    def fetch(self) -> dict[str, str]:
        """Fetch keys that may have been replaced already."""
        key = f"AKIA{min(self.fetched, self._last)}"
        self.fetched += 1
        return {"access_key": key, "secret_key": "s", "token": key, "expiry_time": "2999-01-01T00:00:00Z"}


@pytest.mark.parametrize("over", KINDS)
@pytest.mark.parametrize("way", ["call", "stream"])
def test_credentials_that_rotate_twice_during_one_call(over: str, way: str):
    """The second refusal is of other keys, so there is one more attempt with fresh ones."""
    with SuccessionServer(2, last=2) as server:
        transport = _transport(over, session=_session(over, server), endpoint_url=server.url)
        with client_over(transport) as client:
            if way == "call":
                assert client.call(echo, 7) == 7
            else:
                with suppress(ResponseError):  # the server streams nothing
                    b"".join(client.stream("echo", 7))

    assert (server.refused, server.fetched, len(server.seen)) == (2, 3, 1)


@pytest.mark.parametrize("over", KINDS)
@pytest.mark.parametrize("last", [0, 1])
def test_credentials_that_are_refused_twice_are_not_retried(over: str, last: int):
    """The provider returns the same keys, so they are not expired but wrong."""
    with SuccessionServer(9, last) as server:
        transport = _transport(over, session=_session(over, server), endpoint_url=server.url)
        with client_over(transport) as client, pytest.raises(CredentialsError):
            client.call(echo, 7, retry=RetryPolicy(max_attempts=9, initial_delay=0))

    assert server.refused == 2 + last


@pytest.fixture
def default_session(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have boto3 create its default session again."""
    import boto3

    return lambda: monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
