"""Credentials are found where boto3 finds them, for all settings of a program."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from lambdachain import NoAnswerError, Progress, Trouble
from lambdachain._transports.http.credentials import Credentials, keys_from_environment
from lambdachain._transports.http.settings import find_session
from lambdachain._transports.http.signing import SigningKeys
from tests.support import faults
from tests.support.laboratory import Fault, Laboratory, Request
from tests.support.responses import http_response

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def _no_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without boto3's default session, as a new process does."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without credentials."""
    for name in SECRETS:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def files(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A configuration file and a credentials file, both with profiles."""
    (tmp_path / "config").write_text(
        "[default]\nregion = ap-south-1\n"
        f"[profile processed]\ncredential_process = {sys.executable} {tmp_path / 'process.py'}\n"
    )
    answer = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s", "SessionToken": "t"}
    (tmp_path / "process.py").write_text(f"print({json.dumps(json.dumps(answer))})")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n"
        "[billing]\naws_access_key_id = AKIABILLING\naws_secret_access_key = s\n"
    )
    environment.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def find_keys(given: Any = None) -> SigningKeys:
    """Find credentials as a transport does, and check that boto3 finds the same."""
    keys = Credentials(find_session(given), explicit=given is not None).current()
    session: Any = given or boto3.DEFAULT_SESSION or boto3.Session()
    theirs = session.get_credentials().get_frozen_credentials()
    assert tuple(keys) == (theirs.access_key, theirs.secret_key, theirs.token)
    return keys


def test_the_environment_takes_precedence_over_profiles(files: Path, environment: pytest.MonkeyPatch) -> None:
    """Before any profile, even one that a variable names."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "s")
    environment.setenv("AWS_PROFILE", "billing")

    assert "AKIAENV" == find_keys().access_key


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"])
def test_a_token_has_two_names(name: str, environment: pytest.MonkeyPatch) -> None:
    """The second is an old name."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "s")
    environment.setenv(name, "the-token")

    assert "the-token" == find_keys().token


@pytest.mark.parametrize(
    ("profile", "key"), [(None, "AKIADEFAULT"), ("billing", "AKIABILLING"), ("processed", "AKIAPROCESS")]
)
def test_credentials_of_a_profile(profile: str | None, key: str, files: Path, environment: pytest.MonkeyPatch) -> None:
    """Keys in a file, or a program that prints them."""
    if profile is not None:
        environment.setenv("AWS_PROFILE", profile)

    assert key == find_keys().access_key


@pytest.mark.parametrize("kind", ["boto3", "botocore", "default"])
def test_a_session_takes_precedence_over_everything(kind: str, files: Path, environment: pytest.MonkeyPatch) -> None:
    """Of boto3 or botocore; or boto3's default one, if a program has created it."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "s")
    low = botocore.session.Session(profile="billing")
    if kind == "default":
        boto3.setup_default_session(profile_name="billing")

    keys = find_keys({"boto3": boto3.Session(botocore_session=low), "botocore": low, "default": None}[kind])

    assert "AKIABILLING" == keys.access_key


def _container_credentials() -> Callable[[Request], bytes]:
    """Make responses as ECS, EKS and SnapStart send them to a container, each with new credentials."""
    serials = count(1)

    def to_response(request: Request) -> bytes:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        keys = {"AccessKeyId": f"AKIA{next(serials)}", "SecretAccessKey": "s", "Token": "t"}
        status = "200 OK" if request.headers["authorization"] == "the-pod" else "403 Forbidden"
        return http_response(status, json.dumps({**keys, "Expiration": until.isoformat()}).encode())

    return to_response


@pytest.fixture
def container(environment: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    """A container's credentials endpoint, on this machine."""
    with Laboratory() as laboratory:
        laboratory.play(Fault("credentials", faults.respond(_container_credentials())))
        environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{laboratory.url}/creds")
        environment.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-pod")
        yield laboratory


@pytest.mark.usefixtures("container")
def test_credentials_of_a_container_are_refreshed() -> None:
    """Once for many requests, and again when AWS says that they have expired."""
    credentials = Credentials(None, explicit=False)

    first = [credentials.current().access_key for _ in range(3)]
    credentials.renew()
    second = [credentials.current().access_key for _ in range(3)]

    assert ["AKIA1"] * 3 == first
    assert ["AKIA2"] * 3 == second


def test_credentials_are_refreshed_before_they_expire() -> None:
    """As botocore refreshes them: up to a quarter of an hour, and at least ten minutes, before they expire."""
    fetched: list[str] = []

    def fetch() -> dict[str, str]:
        fetched.append(f"AKIA{len(fetched)}")
        minutes = 5 if len(fetched) == 1 else 60
        until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        return {"access_key": fetched[-1], "secret_key": "s", "token": "t", "expiry_time": until.isoformat()}

    session = botocore.session.Session()
    session._credentials = RefreshableCredentials.create_from_metadata(fetch(), refresh_using=fetch, method="test")
    credentials = Credentials(session, explicit=True)

    assert ["AKIA1"] * 3 == [credentials.current().access_key for _ in range(3)]


def test_credentials_in_the_environment_with_an_expiry_are_refreshed(environment: pytest.MonkeyPatch) -> None:
    """A program that sets an expiry keeps the variables fresh."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "s")
    environment.setenv("AWS_CREDENTIAL_EXPIRATION", (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat())
    credentials = Credentials(None, explicit=False)
    assert "AKIAOLD" == credentials.current().access_key

    environment.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    assert "AKIAOLD" == credentials.current().access_key
    credentials.renew()

    assert "AKIANEW" == credentials.current().access_key


@pytest.mark.parametrize("missing", [SECRETS[:2], SECRETS[:1], SECRETS[1:2]], ids=["all", "key", "secret"])
def test_missing_credentials_are_reported(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, and a retry would not help."""
    for name in missing:
        monkeypatch.delenv(name)

    with pytest.raises(NoAnswerError, match="AWS_ACCESS_KEY_ID") as caught:
        Credentials(None, explicit=False).current()

    assert (Trouble.CREDENTIALS, Progress.NOTHING_SENT) == (caught.value.trouble, caught.value.progress)


def test_a_failing_credential_process_is_reported(files: Path, environment: pytest.MonkeyPatch) -> None:
    """Its own output is not quoted."""
    (files / "process.py").write_text("raise SystemExit('no ticket')")
    environment.setenv("AWS_PROFILE", "processed")

    with pytest.raises(NoAnswerError) as caught:
        Credentials(find_session(None), explicit=False).current()

    assert Trouble.CREDENTIALS is caught.value.trouble


def test_a_secret_with_a_line_break_is_reported_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file read into a variable ends with a line break."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token\n")

    with pytest.raises(NoAnswerError, match="such as a line break") as caught:
        Credentials(None, explicit=False).current()

    assert (Trouble.CREDENTIALS, True) == (caught.value.trouble, "the-token" not in str(caught.value))


def test_the_environment_alone_needs_no_botocore() -> None:
    """The same holds for every other module that takes long to import."""
    heavy = ["botocore", "boto3", "urllib3", "urllib.parse", "http.client", "email", "asyncio", "pathlib", "pydantic"]
    script = (
        "import sys\nfrom lambdachain._transports.http.credentials import Credentials\n"
        "import lambdachain._transports.http.transport\n"
        "print(Credentials(None, explicit=False).current().access_key)\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ["AKIATESTTESTTESTTEST", "[]"] == ran.stdout.split("\n")[:2]


def test_incomplete_keys_are_left_to_botocore() -> None:
    """Botocore says what is wrong with only one of the two."""
    assert keys_from_environment({"AWS_ACCESS_KEY_ID": "AKIA"}) is None
    assert keys_from_environment({"AWS_SECRET_ACCESS_KEY": "s"}) is None
    assert keys_from_environment({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": ""}) is None
