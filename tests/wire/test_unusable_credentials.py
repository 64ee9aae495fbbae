"""Expired credentials and failing providers: ``CredentialsError`` from every kind of call, without secrets."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

import lambdachain as lc
from lambdachain import BotoTransport, Execution, LambdaClient, RetryPolicy
from lambdachain.doctor import Level, examine

CANARY = "secret-canary"
PATIENCE = 60.0  # guards a hang; no test waits for it
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": CANARY}
PAST = "2001-01-01T00:00:00Z"
PROVIDED = {"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": CANARY, "SessionToken": CANARY}
EXPIRED = {**KEYS, "AWS_CREDENTIAL_EXPIRATION": PAST}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove every source of credentials, as on a new machine."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)


def printing(printed: str, status: int = 0) -> Callable[[Path], str]:
    """Configure a credential process that prints this."""

    def configure(directory: Path) -> str:
        script = directory / "process.py"
        script.write_text(f"import sys\nprint({printed!r})\nprint({CANARY!r}, file=sys.stderr)\nsys.exit({status})\n")
        return f"[default]\ncredential_process = {sys.executable} {script}\n"

    return configure


def saying(text: str) -> Callable[[Path], str]:
    """Write this configuration."""
    return lambda _: text


def _process(**members: object) -> Callable[[Path], str]:
    return printing(json.dumps({**PROVIDED, **members}))


def _spoil(directory: Path) -> str:
    (directory / "credentials").write_text(f"{CANARY}\n")
    return ""


CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
UNUSABLE: dict[str, tuple[dict[str, str], Callable[[Path], str]]] = {
    "expired": (EXPIRED, saying("")),
    "an invalid date": ({**KEYS, "AWS_CREDENTIAL_EXPIRATION": f"{CANARY} day"}, saying("")),
    "a process prints garbage": ({}, printing(f"{CANARY} is not JSON")),
    "a process prints a list": ({}, printing(f'["{CANARY}"]')),
    "a process leaves out a key": ({}, printing(json.dumps({"Version": 1, "AccessKeyId": CANARY}))),
    "a process has another version": ({}, _process(Version=2)),
    "a process prints a number": ({}, _process(AccessKeyId=7)),
    "a process prints a bad date": ({}, _process(Expiration=f"{CANARY} day")),
    "a process prints a number for a date": ({}, _process(Expiration=12)),
    "a process prints a date without a zone": ({}, _process(Expiration="2090-01-01T00:00:00")),
    "a process prints what has expired": ({}, _process(Expiration=PAST)),
    "a process prints a line's end": ({}, _process(SessionToken=f"a\r\nX-Evil: {CANARY}")),
    "a process prints what is not Latin": ({}, _process(SessionToken=f"\u6771{CANARY}")),
    "a process fails": ({}, printing("", status=3)),
    "a process that is not there": ({}, saying("[default]\ncredential_process = /no/such/program\n")),
    "a process without its quote": ({}, saying('[default]\ncredential_process = "/no/such/program\n')),
    "a container on a host that is refused": ({CONTAINER: "http://evil.example/"}, saying("")),
    "a container with a bad port": ({CONTAINER: "http://127.0.0.1:99999/"}, saying("")),
    "a container with a bad token": (
        {CONTAINER: "http://127.0.0.1:9/", "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"a\r\nX: {CANARY}"},
        saying(""),
    ),
    "a container with a token file that is not there": (
        {CONTAINER: "http://127.0.0.1:9/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/no/such/file"},
        saying(""),
    ),
    "a web identity that is not there": (
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/file", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"},
        saying(""),
    ),
    "nobody signed in": (
        {},
        saying(
            "[default]\nsso_start_url=https://sso.invalid\nsso_region=eu-west-1\nsso_account_id=1\nsso_role_name=r\n"
        ),
    ),
    "a role of itself": (
        {},
        saying("[default]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Nothing\n"),
    ),
    "a file that cannot be parsed": ({}, _spoil),
}


@pytest.fixture(params=UNUSABLE)
def unusable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set up each kind of unusable credentials."""
    environment, config = UNUSABLE[request.param]
    (tmp_path / "config").write_text(config(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set credentials in the environment with an expiry time in the past."""
    for name, value in EXPIRED.items():
        monkeypatch.setenv(name, value)


def assert_is_credentials_error(error: BaseException) -> None:
    """Check that an error has the right class, says that nothing ran, and quotes nothing."""
    assert isinstance(error, lc.CredentialsError)
    assert (Execution.NOT_EXECUTED, False) == (error.execution, error.retryable)
    assert CANARY not in f"{error} {error!r} {''.join(traceback.format_exception(error))}"


@pytest.mark.usefixtures("unusable")
@pytest.mark.parametrize("timeout", [None, PATIENCE], ids=["in any time", "in time"])
def test_unusable_credentials_are_a_credentials_error(*, timeout: float | None, server: Any, connect: Any) -> None:
    """Of any provider, with any exception."""
    with pytest.raises(lc.CallError) as caught:
        connect().call("billing", 1, timeout=timeout)

    assert_is_credentials_error(caught.value)
    assert server.requests == []


@pytest.mark.usefixtures("expired")
def test_unusable_credentials_are_a_credentials_error_from_every_kind_of_call(server: Any, connect: Any) -> None:
    """``fire``, ``can_invoke``, ``stream`` and each item of a map, as well as ``call``."""
    client = connect()
    for send in (
        lambda: client.call("billing", 1),
        lambda: client.fire("billing", 1),
        lambda: client.can_invoke("billing"),
        lambda: list(client.stream("billing", 1)),
        lambda: list(client.map("billing", [1])),
    ):
        with pytest.raises(lc.CredentialsError, match="expired") as caught:
            send()
        assert_is_credentials_error(caught.value)

    results = list(client.map("billing", [1, 2], return_exceptions=True))

    assert [lc.CredentialsError] * 2 == [type(result) for result in results]
    assert server.requests == []


class VaultError(Exception):
    """The exception of a user's provider."""


class Vault(Credentials):
    """A user's credentials that cannot be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__(CANARY, CANARY, CANARY, method="vault")
        self.error = error

    def get_frozen_credentials(self) -> object:
        raise self.error


@pytest.mark.parametrize("error", [VaultError(CANARY), KeyError(CANARY), RuntimeError(CANARY), OSError(CANARY)])
@pytest.mark.parametrize("over", ["boto3", "http", "async http"])
def test_a_session_s_own_credentials_may_raise_anything(
    *, error: Exception, server: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the class of the exception, but not its message."""
    session: Any = botocore.session.Session()
    monkeypatch.setattr(session, "_credentials", Vault(error))

    with pytest.raises(lc.CallError, match=type(error).__name__) as caught:
        connect(session=session, region="eu-west-1").call("billing", 1)

    assert_is_credentials_error(caught.value)
    assert server.requests == []


class Odd:
    """Some object in place of credentials."""

    def __init__(self, frozen: object) -> None:
        self.frozen = frozen

    def get_deferred_property(self, _: str) -> None:
        return None

    def get_frozen_credentials(self) -> object:
        return self.frozen


class UnresolvedCall(Vault):
    """Credentials whose check for expiry fails."""

    def refresh_needed(self) -> bool:
        raise self.error


def _as_method(error: Exception) -> Any:
    def fails(*_: Any) -> Any:
        raise error

    return fails


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "get_credentials": _as_method(VaultError(CANARY)),
        "_credentials": UnresolvedCall(VaultError(CANARY)),
        "an object": object(),
        "nothing frozen": Odd(None),
        "a text frozen": Odd(CANARY),
    }.items(),
)
@pytest.mark.parametrize("over", ["boto3", "http", "async http"])
@pytest.mark.parametrize("timeout", [None, PATIENCE], ids=["in any time", "in time"])
def test_a_session_may_return_anything(
    *,
    name: str,
    value: object,
    timeout: float | None,
    server: Any,
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each item of a map is then an error of its own, too."""
    session: Any = botocore.session.Session()
    monkeypatch.setattr(session, name if hasattr(session, name) else "_credentials", value)
    client = connect(session=session, region="eu-west-1")

    with pytest.raises(lc.CallError) as caught:
        client.call("billing", 1, timeout=timeout)
    results = list(client.map("billing", [1, 2], return_exceptions=True, timeout=timeout))

    for error in (caught.value, *results):
        assert_is_credentials_error(error)
    assert server.requests == []


@pytest.mark.usefixtures("expired")
def test_the_doctor_finds_expired_credentials_in_a_test() -> None:
    """The network guard does not affect it, because no network is used."""
    assert ["credentials"] == [finding.subject for finding in examine(reach=False) if finding.level is Level.FAULT]


@pytest.mark.allow_real_invokes  # else the doctor does not ask those who provide credentials
@pytest.mark.usefixtures("unusable")
def test_the_doctor_finds_unusable_credentials(request: pytest.FixtureRequest) -> None:
    """It reports the credentials and nothing else; also for an invalid date."""
    if "not Latin" in request.node.name or "line's end" in request.node.name or "a number]" in request.node.name:
        pytest.skip("they can be read; it is the request that cannot be signed with them")

    findings = [finding for finding in examine(reach=False) if finding.level is Level.FAULT]

    assert [finding.subject for finding in findings] in (["credentials"], ["configuration"])
    assert CANARY not in str(findings)


@pytest.mark.usefixtures("expired")
def test_the_doctor_needs_no_network_for_dates_in_the_environment() -> None:
    """The network guard of tests is closed."""
    findings = [finding for finding in examine(reach=False) if finding.level is Level.FAULT]

    assert [("credentials", True)] == [(finding.subject, "expired" in finding.text) for finding in findings]


@pytest.fixture(name="passed_client")
def _passed_client(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user's client, with retries off."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    config = Config(retries={"total_max_attempts": 1})
    made = boto3.client("lambda", endpoint_url=server.url, config=config)
    yield made
    made.close()


def test_the_credentials_of_a_given_client_are_checked(
    passed_client: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read inside botocore's own call."""
    monkeypatch.setattr(passed_client._request_signer, "_credentials", Vault(VaultError(CANARY)))

    with pytest.raises(lc.CallError, match="VaultError") as caught:
        LambdaClient(BotoTransport(passed_client), retry=RetryPolicy.never()).call("billing", 1)

    assert_is_credentials_error(caught.value)
    assert server.requests == []
