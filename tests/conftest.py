"""The environment of every test: dummy credentials, no profile of the user, no proxy."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.environments import environment_without
from tests.support.page_reader import PageReader

# Tests must not depend on time: a busy machine is not a defect.
settings.register_profile("lambdachain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lambdachain")

# A shell makes its background jobs ignore Ctrl-C, which programs that a test starts and interrupts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "test-secret-canary-access-key",
    "AWS_SESSION_TOKEN": "test-session-token-canary",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "*",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "LAMBDACHAIN_"))]:
        monkeypatch.delenv(name)
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def page_reader(tmp_path: Path) -> Iterator[PageReader]:
    """Create a reader of a page, who has an empty directory, an empty home, and no settings for AWS."""
    environment = environment_without("AWS_", "LAMBDACHAIN_", "PYTEST_", "PYTHON")
    for name in ("home", "project"):
        (tmp_path / name).mkdir()
    # Nobody asks the network for credentials: a reader on a virtual machine would get those of its role.
    environment |= {"HOME": str(tmp_path / "home"), "AWS_EC2_METADATA_DISABLED": "true"}
    reader = PageReader(tmp_path / "project", environment)
    yield reader
    reader.close()
