"""The files of a map: who can read them, and that no symbolic link has them written elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdachain.cli._exit_status import InputError
from lambdachain.cli._map.arguments import MapArguments
from lambdachain.cli._map.session import run
from lambdachain.cli._target_options import TargetOptions
from lambdachain.testing import StubTransport

HOW = TargetOptions(None, None, None, None, None, None, None, None)


@pytest.fixture
def run_map(tmp_path: Path, lambda_stub: StubTransport) -> Callable[..., Any]:
    """Run a map of two lines in this process; the second line fails."""

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


def test_the_progress_is_private_and_the_umask_applies_to_outputs(run_map: Any, tmp_path: Path, umask: int):
    """Both contain the responses; the output is for the user to share."""
    run_map()
    assert mode(tmp_path / "out.jsonl.progress.sqlite") == 0o600
    assert mode(tmp_path / "out.jsonl") == 0o666 & ~umask
    assert mode(tmp_path / "out.failures.jsonl") == 0o666 & ~umask


def test_progress_that_others_could_read_is_made_private(run_map: Any, tmp_path: Path):
    """It may have been copied."""
    run_map()
    (tmp_path / "out.jsonl.progress.sqlite").chmod(0o644)
    run_map()
    assert mode(tmp_path / "out.jsonl.progress.sqlite") == 0o600


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.progress.sqlite", "out.jsonl.progress.sqlite-wal"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_dangling_link_is_followed(run_map: Any, tmp_path: Path, name: str, overwrite: bool):
    """Otherwise anyone who may write in the directory could choose which file of the user's is created."""
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        run_map(overwrite=overwrite)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.progress.sqlite", "out.jsonl.progress.sqlite-wal"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_circular_links_are_followed(run_map: Any, tmp_path: Path, name: str, overwrite: bool):
    """Python cannot resolve such a path, and raises an error of its own."""
    (tmp_path / name).symlink_to("other")
    (tmp_path / "other").symlink_to(name)
    with pytest.raises(OSError, match="symbolic link"):
        run_map(overwrite=overwrite)


def test_links_in_the_place_of_failures_are_replaced(run_map: Any, tmp_path: Path):
    """By a file: the failures are derived from the progress."""
    (tmp_path / "out.failures.jsonl").symlink_to("other")
    (tmp_path / "other").symlink_to("out.failures.jsonl")
    run_map()
    assert (tmp_path / "out.failures.jsonl").is_file()
    assert (tmp_path / "other").read_bytes() == (tmp_path / "out.failures.jsonl").read_bytes()


def test_no_link_to_progress_is_followed(run_map: Any, tmp_path: Path):
    """Even to an existing file: it would be overwritten."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out.jsonl.progress.sqlite").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        run_map(overwrite=True)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_link_to_an_existing_output_is_followed(run_map: Any, tmp_path: Path):
    """The user asks to have that file overwritten."""
    (tmp_path / "there").write_text("before")
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "there")
    run_map(overwrite=True)
    assert (tmp_path / "there").read_text() == '{"line":1,"value":1}\n'


@pytest.mark.parametrize("overwrite", [False, True])
def test_failures_beside_standard_output_follow_no_such_link_either(run_map: Any, tmp_path: Path, overwrite: bool):
    """They have no progress file."""
    (tmp_path / "failures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        run_map(output=None, failures=tmp_path / "failures", overwrite=overwrite)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "failures").unlink()
    run_map(output=None, failures=tmp_path / "failures")
    assert len((tmp_path / "failures").read_text().splitlines()) == 1
    run_map(output=None, failures=Path("/dev/null"), overwrite=True)


@pytest.mark.parametrize("option", ["output", "failures"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_a_regular_file_is_not_replaced(run_map: Any, tmp_path: Path, option: str, overwrite: bool):
    """A device or a pipe cannot be continued, and removing ``/dev/null`` would harm every program of the machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match=f"{name} is not a regular file"):
            run_map(**{option: tmp_path / name}, overwrite=overwrite)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in tmp_path.glob("*.progress.sqlite")] == ["other.jsonl.progress.sqlite"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
def test_progress_that_is_not_a_regular_file_is_an_error(run_map: Any, tmp_path: Path, suffix: str):
    """It names the file."""
    os.mkfifo(tmp_path / f"out.jsonl.progress.sqlite{suffix}")
    with pytest.raises(OSError, match="is not a regular file") as raised:
        run_map()
    assert raised.value.filename == str(tmp_path / f"out.jsonl.progress.sqlite{suffix}")


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal", "-shm"])
def test_failures_do_not_overwrite_the_progress(run_map: Any, tmp_path: Path, suffix: str):
    """The log of the database is a part of it."""
    path = tmp_path / f"out.jsonl.progress.sqlite{suffix}"
    with pytest.raises(InputError, match="--failures must differ from"):
        run_map(failures=path)
    assert not path.exists()


def test_a_directory_for_failures_that_does_not_exist_is_an_error_before_anything_is_sent(run_map: Any, tmp_path: Path):
    """Not at the first failure."""
    with pytest.raises(OSError, match="No such file or directory"):
        run_map(failures=tmp_path / "nowhere" / "failures")
    assert not (tmp_path / "out.jsonl").exists()
