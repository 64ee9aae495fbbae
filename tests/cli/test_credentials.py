"""The command line with unusable credentials: one line, and the exit status of a call that was not sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environments import environment_without

CANARY = "secret-canary"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": CANARY}
NOT_INVOKED = 3


def run(command: list[str], directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command without any other source of credentials."""
    own = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials"),
    }
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        env={**environment_without("AWS_"), **own, **environment},
        cwd=directory,
        check=False,
    )


@pytest.fixture(params=["expired", "garbage"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Configure credentials that have expired, or a process that prints none."""
    if request.param == "expired":
        return {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2001-01-01T00:00:00Z"}
    (tmp_path / "process.py").write_text(f"print({CANARY!r})")
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {tmp_path / 'process.py'}\n")
    return {}


def test_a_call_fails_with_one_line(command: list[str], unusable: dict[str, str], tmp_path: Path) -> None:
    """And with the exit status for a call that did not run."""
    ran = run(command, tmp_path, "call", "billing", "1", "--endpoint-url", "http://127.0.0.1:9", **unusable)

    assert NOT_INVOKED == ran.returncode
    assert "CredentialsError" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert CANARY not in ran.stdout + ran.stderr


def test_the_doctor_reports_them(command: list[str], unusable: dict[str, str], tmp_path: Path) -> None:
    """As a finding."""
    ran = run(command, tmp_path, "doctor", "--offline", **unusable)

    assert ran.returncode != 0
    assert "credentials" in ran.stdout
    assert "Traceback" not in ran.stderr
    assert CANARY not in ran.stdout + ran.stderr
