"""Finding credentials is part of a call's time, whatever it takes and however often."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from lab_faults import SUCCESS
from laboratory import Laboratory

from lambdachain import BotoTransport, DeadlineExceededError, Execution, HttpTransport, LambdaClient

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
def test_a_process_that_takes_long(kind: Any, slow: Path, laboratory: Laboratory) -> None:
    """Nothing was sent at the deadline; one process serves all callers, and the next call finds what it said."""
    laboratory.play(SUCCESS)
    with LambdaClient(kind(endpoint_url=laboratory.url)) as client:
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
    """Whoever has given up on a call gives up on its credentials."""
    laboratory.play(SUCCESS)
    with LambdaClient(kind(endpoint_url=laboratory.url)) as client, pytest.raises(DeadlineExceededError):
        client.call("f", None, timeout=0.3)
    (slow / "go").touch()


class _Refreshing:
    """Keys that have to be renewed, by something that waits."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = 0

    def renew(self) -> dict[str, str]:
        self.begun += 1
        self.go.wait(60)
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))  # in the advisory time
        return {"access_key": "AKIANEW", "secret_key": "s", "token": "t", "expiry_time": expiry}


@pytest.mark.parametrize("form", ["session", "client", "http"])
def test_a_renewal_that_takes_long(form: str, laboratory: Laboratory) -> None:
    """Signing itself waits for nobody: keys that are due again at once are not renewed a second time for one call."""
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
    with LambdaClient(transport) as client:
        with pytest.raises(DeadlineExceededError):
            client.call("f", None, timeout=1.5)
        assert 0 == laboratory.received
        source.go.set()
        client.call("f", None, timeout=60)
        assert "AKIANEW" in laboratory.requests[0].headers["authorization"]
