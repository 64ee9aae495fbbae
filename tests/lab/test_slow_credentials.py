"""Finding credentials counts against the timeout of a call, from any provider and however often."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lambdachain import (
    AsyncHttpTransport,
    AsyncLambdaClient,
    BotoTransport,
    DeadlineExceededError,
    Execution,
    HttpTransport,
    LambdaClient,
    RetryPolicy,
)
from tests.support.async_as_sync import ASYNC_TRANSPORTS
from tests.support.faults import SUCCESS
from tests.support.laboratory import Connection, Fault, Laboratory
from tests.support.responses import http_response

# Retry budgets that other calls of the process have used up must not matter here.
UNBOUNDED = RetryPolicy(budget=None)
PROCESS = """
import os, sys, time
open(sys.argv[1] + "/begun", "a").write("x")
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.02)
print(sys.argv[2])
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential process that waits for a file."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    (tmp_path / "process.py").write_text(PROCESS)
    (tmp_path / "answer").write_text(json.dumps({"Version": 1, "AccessKeyId": "AKIASLOW", "SecretAccessKey": "s"}))
    starter = tmp_path / "start.sh"
    starter.write_text(
        f'#!/bin/sh\nexec {sys.executable} {tmp_path}/process.py {tmp_path} "$(cat {tmp_path}/answer)"\n'
    )
    starter.chmod(0o700)
    config = tmp_path / "slow-config"
    config.write_text(f"[default]\nregion = eu-west-1\ncredential_process = {starter}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return tmp_path


@pytest.mark.parametrize("kind", [BotoTransport, HttpTransport])
def test_a_slow_credential_process(kind: Any, slow: Path, laboratory: Laboratory) -> None:
    """Nothing was sent at the deadline; one process serves all callers, and the next call uses its result."""
    laboratory.play(SUCCESS)
    with LambdaClient(kind(endpoint_url=laboratory.url), retry=UNBOUNDED) as client:
        errors: list[Any] = []

        def call() -> None:
            try:
                client.call("f", None, timeout=0.5)
            except DeadlineExceededError as exc:
                errors.append(exc)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [Execution.NOT_EXECUTED] * 4 == [error.execution for error in errors]
        assert 0 == laboratory.received

        (slow / "go").touch()
        client.call("f", None, timeout=60)
    assert "x" == (slow / "begun").read_text()


@pytest.mark.parametrize("kind", [BotoTransport, HttpTransport])
def test_closing_does_not_wait_for_a_process(kind: Any, slow: Path, laboratory: Laboratory) -> None:
    """Closing a client abandons the process."""
    laboratory.play(SUCCESS)
    with (
        LambdaClient(kind(endpoint_url=laboratory.url), retry=UNBOUNDED) as client,
        pytest.raises(DeadlineExceededError),
    ):
        client.call("f", None, timeout=0.3)
    (slow / "go").touch()


class _Refreshing:
    """Refreshable keys of a provider that waits."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = 0

    def renew(self) -> dict[str, str]:
        self.begun += 1
        self.go.wait(60)
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))  # in the advisory time
        return {"access_key": "AKIANEW", "secret_key": "s", "token": "t", "expiry_time": expiry}


@pytest.mark.parametrize("form", ["session", "client", "http"])
def test_a_slow_renewal(form: str, laboratory: Laboratory) -> None:
    """Signing does not wait: keys that are due again immediately are not renewed twice for one call."""
    from botocore.credentials import DeferredRefreshableCredentials
    from botocore.session import Session

    laboratory.play(SUCCESS)
    source = _Refreshing()
    session = Session()
    session._credentials = DeferredRefreshableCredentials(source.renew, "test")  # type: ignore[attr-defined]
    transport: Any = {"session": BotoTransport, "http": HttpTransport}.get(form)
    if transport is not None:
        transport = transport(session=session, region="eu-west-1", endpoint_url=laboratory.url)
    else:
        off = Config(retries={"total_max_attempts": 1})
        transport = BotoTransport(
            session.create_client("lambda", region_name="eu-west-1", endpoint_url=laboratory.url, config=off)
        )
    with LambdaClient(transport, retry=UNBOUNDED) as client:
        with pytest.raises(DeadlineExceededError):
            client.call("f", None, timeout=1.5)
        assert 0 == laboratory.received
        source.go.set()
        client.call("f", None, timeout=60)
        assert "AKIANEW" in laboratory.requests[0].headers["authorization"]


@pytest.mark.parametrize("over", ASYNC_TRANSPORTS)
def test_an_async_call_with_a_slow_process(over: str, slow: Path, laboratory: Laboratory) -> None:
    """One process serves all calls of a loop, also those that start after the first ones timed out."""
    laboratory.play(SUCCESS)

    async def main() -> None:
        async with AsyncLambdaClient(ASYNC_TRANSPORTS[over](endpoint_url=laboratory.url), retry=UNBOUNDED) as client:
            for _ in range(2):
                calls = [client.call("f", None, timeout=0.5) for _ in range(3)]
                errors: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
                assert [DeadlineExceededError] * 3 == [type(error) for error in errors]
                assert [Execution.NOT_EXECUTED] * 3 == [error.execution for error in errors]
            assert 0 == laboratory.received
            (slow / "go").touch()
            await client.call("f", None, timeout=60)

    asyncio.run(main())
    assert "x" == (slow / "begun").read_text()


def test_closing_an_async_client_does_not_wait_for_a_process(slow: Path, laboratory: Laboratory) -> None:
    """Neither does closing the loop; aiobotocore then leaves the pipes of the process to the garbage collector."""
    laboratory.play(SUCCESS)

    async def main() -> None:
        async with AsyncLambdaClient(AsyncHttpTransport(endpoint_url=laboratory.url), retry=UNBOUNDED) as client:
            with pytest.raises(DeadlineExceededError):
                await client.call("f", None, timeout=0.3)

    asyncio.run(main())
    (slow / "go").touch()


_EXPIRES = "2099-01-01T00:00:00Z"
_ROLE = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>AKIASLOW</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>{_EXPIRES}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>R:s</AssumedRoleId>
<Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"""
_CONTAINER = json.dumps({"AccessKeyId": "AKIASLOW", "SecretAccessKey": "s", "Token": "t", "Expiration": _EXPIRES})
_MACHINE = json.dumps({**json.loads(_CONTAINER), "Code": "Success", "Type": "AWS-HMAC"})


class _Source:
    """A credential server that waits before it responds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.go = threading.Event()

    def play(self, connection: Connection) -> None:
        while b"\r\n\r\n" not in connection._buffer:
            connection._receive()
        head, _, rest = connection._buffer.partition(b"\r\n\r\n")
        connection._buffer = rest
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        connection.read(int(length.partition(b":")[2]))
        self.go.wait(60)
        connection.send(http_response("200 OK", self._said(head.split(b" ")[1].decode()).encode()))

    def _said(self, path: str) -> str:
        if path.endswith(("/token", "/security-credentials/")):
            return "name"
        return {"/": _ROLE, "/container": _CONTAINER}.get(path, _MACHINE)


def _from_role(source: _Source, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "[default]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
    (directory / "config").write_text(f"{config}[profile base]\naws_access_key_id = a\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", source.url)


def _from_container(source: _Source, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{source.url}/container")


def _from_machine(source: _Source, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", source.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "60")


@pytest.mark.parametrize("place", [_from_role, _from_container, _from_machine], ids=["role", "container", "machine"])
@pytest.mark.parametrize("kind", [BotoTransport, HttpTransport])
def test_a_slow_credential_server(
    kind: Any, place: Any, tmp_path: Path, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Role, container and instance metadata: nothing was sent, and the next call uses the keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    laboratory.play(SUCCESS)
    with Laboratory() as elsewhere:
        source = _Source(elsewhere.url)
        elsewhere.play(Fault("credentials", source.play))
        place(source, tmp_path, monkeypatch)
        with LambdaClient(kind(endpoint_url=laboratory.url), retry=UNBOUNDED) as client:
            with pytest.raises(DeadlineExceededError) as caught:
                client.call("f", None, timeout=1.5)
            assert Execution.NOT_EXECUTED is caught.value.execution
            assert 0 == laboratory.received
            source.go.set()
            client.call("f", None, timeout=60)
    assert "AKIASLOW" in laboratory.requests[0].headers["authorization"]
