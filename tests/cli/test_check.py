"""``schema`` and ``check``: with files, the working tree, and revisions of a real git repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdachain._core.version import __version__
from lambdachain.testing import assert_compatible

Run = Callable[..., subprocess.CompletedProcess[str]]

OLD = """
from pydantic import BaseModel

from lambdachain import Contract, RemoteError


class Request(BaseModel):
    order_id: str
    cents: int


class Response(BaseModel):
    charge_id: str


class CardDeclined(RemoteError):
    reason: str


charge = Contract("billing-charge", request=Request, response=Response, errors=[CardDeclined])
"""
STRICTER = OLD.replace("cents: int", "cents: int\n    currency: str")
LOOSER = OLD.replace("cents: int", 'cents: int\n    currency: str = "EUR"')
ANSWERS_MORE = OLD.replace("charge_id: str", "charge_id: str\n    bank: str")


@pytest.fixture
def here(tmp_path: Path, environment: dict[str, str]) -> Path:
    """Create a repository with the old version in its first revision, in ``src``, and run the command there."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "billing.py").write_text(OLD)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "old"], ["tag", "deployed"]):
        names = [f"{who}_{what}" for who in ("GIT_AUTHOR", "GIT_COMMITTER") for what in ("NAME", "EMAIL")]
        around = {**environment, **dict.fromkeys(names, "nina@example.org"), "GIT_CONFIG_GLOBAL": "/dev/null"}
        subprocess.run(["git", *arguments], cwd=tmp_path, env=around, check=True)
    return tmp_path


@pytest.fixture
def lambdachain(command: list[str], environment: dict[str, str], here: Path) -> Run:
    """Run ``lambdachain`` in the repository."""

    def to_the_end(*arguments: str, below: str = ".", path: str = "src") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=here / below,
            env={**environment, "PYTHONPATH": str(here / path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return to_the_end


def test_the_schema_is_that_of_the_library(lambdachain: Run):
    """The output can be written to a file as it is."""
    ran = lambdachain("schema", "billing:charge")
    schema: Any = json.loads(ran.stdout)

    assert (ran.returncode, schema["function"]) == (0, "billing-charge")
    assert ran.stdout == json.dumps(schema, indent=2) + "\n"
    assert_compatible(schema, schema)


def test_nothing_has_changed(lambdachain: Run, here: Path):
    """Between a revision, a file and the working tree."""
    (here / "billing.json").write_text(lambdachain("schema", "billing:charge").stdout)
    ran = [lambdachain("check", old, "billing:charge") for old in ("billing.json", "deployed:billing:charge")]

    assert [(one.returncode, one.stdout) for one in ran] == [(0, "billing-charge: no changes\n")] * 2


def test_a_breaking_change_is_explained_and_sets_the_status(lambdachain: Run, here: Path):
    """Which side breaks, why, and in which order to deploy."""
    (here / "src" / "billing.py").write_text(STRICTER)
    either = lambdachain("check", "HEAD:billing:charge", "billing:charge")
    callers_first = lambdachain("check", "HEAD:billing:charge", "billing:charge", "--first", "caller")
    callee_first = lambdachain("check", "HEAD:billing:charge", "billing:charge", "--first", "callee")

    assert either.returncode == 1
    assert either.stdout == (
        "request.currency: added: string, required\n"
        "  breaks old callers: old callers do not send it, but the new callee requires it\n"
        "  Give it a default, or deploy the callers first.\n"
        "\n"
        "billing-charge: not compatible. "
        "Deploy every caller first, then the callee: --first caller checks that order.\n"
    )
    assert callers_first.returncode == 0
    assert callers_first.stdout.endswith("billing-charge: compatible, if the callers are deployed first\n")
    assert callee_first.returncode == 1


def test_a_compatible_change_is_listed_too(lambdachain: Run, here: Path):
    """With status 0, unless other callers count, which may not send the new field."""
    (here / "src" / "billing.py").write_text(LOOSER)
    ran = lambdachain("check", "deployed:billing:charge", "billing:charge")

    assert (ran.returncode, "request.currency: added" in ran.stdout) == (0, True)
    assert ran.stdout.endswith("billing-charge: compatible, whichever side is deployed first\n")


def test_a_change_may_be_allowed(lambdachain: Run, here: Path):
    """Only a change that breaks something can be allowed."""
    (here / "src" / "billing.py").write_text(ANSWERS_MORE)
    allowed = lambdachain("check", "HEAD:billing:charge", "billing:charge", "--allow", "response.bank")
    idle = lambdachain("check", "HEAD:billing:charge", "HEAD:billing:charge", "--allow", "response.bank")

    assert allowed.returncode == 0
    assert (idle.returncode, "--allow has response.bank, where no change is breaking: remove it" in idle.stdout) == (
        1,
        True,
    )


def test_other_callers_are_checked_on_request(lambdachain: Run, here: Path):
    """Callers that do not use lambdachain."""
    (here / "src" / "billing.py").write_text(LOOSER)
    (here / "looser.json").write_text(lambdachain("schema", "billing:charge").stdout)
    (here / "src" / "billing.py").write_text(STRICTER)
    own = lambdachain("check", "looser.json", "billing:charge")
    others = lambdachain("check", "looser.json", "billing:charge", "--other-callers")

    assert (own.returncode, others.returncode) == (0, 1)
    assert "other callers" not in own.stdout
    assert "breaks other callers: other callers may omit it, but the new callee requires it" in others.stdout


def test_changes_as_json(lambdachain: Run, here: Path):
    """For programs."""
    (here / "src" / "billing.py").write_text(STRICTER)
    ran = lambdachain("check", "HEAD:billing:charge", "billing:charge", "--json")
    output = json.loads(ran.stdout)

    assert (ran.returncode, output["compatible"]) == (1, False)
    assert [change["path"] for change in output["changes"]] == ["request.currency"]
    assert {one["who"] for one in output["changes"][0]["breaks"]} == {"old callers", "other callers"}


def test_a_file_of_a_revision(lambdachain: Run, here: Path, environment: dict[str, str]):
    """Its path is relative to the current directory."""
    (here / "src" / "billing.json").write_text(lambdachain("schema", "billing:charge").stdout)
    subprocess.run(["git", "add", "-A"], cwd=here, env=environment, check=True)
    tree = subprocess.run(["git", "write-tree"], cwd=here, env=environment, check=True, capture_output=True, text=True)
    ran = lambdachain("check", f"{tree.stdout.strip()}:billing.json", "billing.json", below="src")

    assert (ran.returncode, ran.stdout) == (0, "billing-charge: no changes\n")


def test_reading_a_revision_changes_nothing(lambdachain: Run, here: Path):
    """The repository and its work tree are unchanged, and the running lambdachain is this one."""
    before = {path: path.read_bytes() for path in (here / ".git").rglob("*") if path.is_file()}
    (here / "src" / "billing.py").write_text(f"{STRICTER}\nassert False, {__version__!r}\n")
    ran = lambdachain("check", "HEAD:billing:charge", "deployed:billing:charge", below="src")
    after = {path: path.read_bytes() for path in (here / ".git").rglob("*") if path.is_file()}

    assert (ran.returncode, ran.stdout) == (0, "billing-charge: no changes\n")
    assert before == after


@pytest.mark.parametrize(
    ("old", "output"),
    [
        (
            "nowhere.json",
            "no such file: nowhere.json; a contract is written as module:contract or revision:module:contract",
        ),
        ("nowhere:billing:charge", "no such revision: nowhere"),
        ("HEAD:nowhere:charge", "HEAD:nowhere:charge: cannot import nowhere"),
        ("HEAD:billing:chrge", "HEAD:billing:chrge: billing has no 'chrge'; it has the contracts charge"),
        ("HEAD:json:dumps", "json:dumps is not a contract but the function dumps"),
        ("HEAD:nowhere.json", "no such file in revision HEAD: nowhere.json"),
        ("torn.json", "torn.json: not valid JSON"),
        (
            "other.json",
            "other.json: not a contract schema: pass what Contract.schema() returned, read from its file as JSON",
        ),
        ("nowhere:charge", "no module 'nowhere' in this directory or on PYTHONPATH"),
    ],
)
def test_a_usage_error_is_one_line(lambdachain: Run, here: Path, old: str, output: str):
    """With the exit status for usage errors."""
    (here / "torn.json").write_text("{")
    (here / "other.json").write_text("{}")
    ran = lambdachain("check", old, "billing:charge")

    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert output in ran.stderr


def test_code_that_is_not_in_the_repository_has_no_revision(lambdachain: Run, tmp_path_factory: pytest.TempPathFactory):
    """Otherwise an installed module would be compared with itself."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "installed.py").write_text(OLD)
    ran = lambdachain("check", "HEAD:installed:charge", "installed:charge", path=str(outside))

    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "HEAD:installed:charge: installed is not in that revision; /" in ran.stderr


def test_a_revision_needs_a_repository(command: list[str], environment: dict[str, str], tmp_path: Path):
    """Without one, it is an error."""
    ran = subprocess.run(
        [*command, "check", "HEAD:billing:charge", "HEAD:billing:charge"],
        cwd=tmp_path,
        env={**environment, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr.startswith("error: git rev-parse: fatal: not a git repository")) == (2, True)
