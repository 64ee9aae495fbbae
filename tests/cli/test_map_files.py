"""The files of a map: who can read them, and that no symbolic link has them written elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdachain.cli._map.session import MapArguments, run
from lambdachain.cli._target_options import Connection
from lambdachain.testing import StubTransport

HOW = Connection(None, None, None, None, None, None, None, None)


@pytest.fixture
def mapped(tmp_path: Path, lambda_stub: StubTransport) -> Callable[..., Any]:
    """Run a map of two lines in this process, of which the second fails."""

    def answer(request: Any) -> Any:
        if request == 2:
            raise ValueError("on purpose")
        return request

    lambda_stub.on("f").runs(answer)
    (tmp_path / "in.jsonl").write_text("1\n2\n")

    def again(**options: Any) -> Any:
        asked: dict[str, Any] = dict(  # noqa: C408 - they are keywords
            target="f",
            source=tmp_path / "in.jsonl",
            output=tmp_path / "out.jsonl",
            failures=None,
            concurrency=1,
            ordered=True,
            skip_invalid=False,
            overwrite=False,
            rerun_unknown=False,
            rerun_not_executed=False,
            client_context={},
            quiet=True,
            as_json=False,
        )
        return run(MapArguments(**{**asked, **options}), HOW)

    again(output=tmp_path / "other.jsonl")  # each stub has to be used
    return again


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask of this process."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_reads_a_journal_and_the_umask_says_who_reads_an_output(mapped: Any, tmp_path: Path, umask: int):
    """The payloads' answers are in both; the output is for the user to share."""
    mapped()
    assert mode(tmp_path / "out.jsonl.progress.sqlite") == 0o600
    assert mode(tmp_path / "out.jsonl") == 0o666 & ~umask
    assert mode(tmp_path / "out.failures.jsonl") == 0o666 & ~umask


def test_a_journal_that_others_could_read_is_closed_to_them(mapped: Any, tmp_path: Path):
    """One of an earlier version."""
    mapped()
    (tmp_path / "out.jsonl.progress.sqlite").chmod(0o644)
    mapped()
    assert mode(tmp_path / "out.jsonl.progress.sqlite") == 0o600


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.progress.sqlite"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_link_that_leads_nowhere_is_followed(mapped: Any, tmp_path: Path, name: str, overwrite: bool):
    """Who may write in the directory would else choose which file of the user's is made."""
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        mapped(overwrite=overwrite)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.progress.sqlite"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_links_that_lead_to_each_other_lead_nowhere(mapped: Any, tmp_path: Path, name: str, overwrite: bool):
    """Python resolves no such path, and fails in a way of its own."""
    (tmp_path / name).symlink_to("other")
    (tmp_path / "other").symlink_to(name)
    with pytest.raises(OSError, match="symbolic link"):
        mapped(overwrite=overwrite)


def test_links_in_the_place_of_failures_are_replaced(mapped: Any, tmp_path: Path):
    """By a file, as the output is made of the journal."""
    (tmp_path / "out.failures.jsonl").symlink_to("other")
    (tmp_path / "other").symlink_to("out.failures.jsonl")
    mapped()
    assert (tmp_path / "out.failures.jsonl").is_file()
    assert (tmp_path / "other").read_bytes() == (tmp_path / "out.failures.jsonl").read_bytes()


def test_no_link_is_followed_to_a_journal(mapped: Any, tmp_path: Path):
    """Even to a file that is there: it would be cut."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out.jsonl.progress.sqlite").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        mapped(overwrite=True)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_link_to_an_output_is_the_users_own(mapped: Any, tmp_path: Path):
    """It leads to a file that is there, and the user asks to have it overwritten."""
    (tmp_path / "there").write_text("before")
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "there")
    mapped(overwrite=True)
    assert (tmp_path / "there").read_text() == '{"line":1,"value":1}\n'


@pytest.mark.parametrize("overwrite", [False, True])
def test_failures_beside_standard_output_follow_no_such_link_either(mapped: Any, tmp_path: Path, overwrite: bool):
    """They have no journal."""
    (tmp_path / "failures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        mapped(output=None, failures=tmp_path / "failures", overwrite=overwrite)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "failures").unlink()
    mapped(output=None, failures=tmp_path / "failures")
    assert len((tmp_path / "failures").read_text().splitlines()) == 1
    mapped(output=None, failures=Path("/dev/null"), overwrite=True)
