"""Install the requirements of Python functions into a cache, as ``sam build`` installs them beside the code."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lambdachain._templates.files import read_text_file
from lambdachain.local._runtimes import identify_python

REQUIREMENTS: Final = "requirements.txt"
_TIMEOUT: Final = 900
# `-r base.txt`, `-c constraints.txt`, `--requirement=base.txt`
_INCLUDED: Final = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")
# What a requirement on this machine starts with, after `-e`, `--editable` or `name @`.
_LOCAL_PATH: Final = re.compile(r"(?:(?:-e|--editable)[ =]\s*|[\w.\[\],-]+\s*@\s*)?(?:file:(?://)?)?([^\s;#]+)")


def cache_directory() -> Path:
    """Return the directory of installed requirements: of this user, kept across runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lambdachain" / "requirements"


def install_requirements(file: Path, python: str, cache: Path) -> Path:
    """Install a ``requirements.txt`` for an interpreter, unless the cache has it, and return the directory.

    Args:
        file: The file.
        python: The interpreter that runs the function.
        cache: The directory of all installed requirements.

    Raises:
        ValueError: The installation failed; the message has the installer's last line.
        OSError: The file cannot be read, or the cache cannot be written.
    """
    directory = cache / compute_key(file, python)
    if directory.is_dir():
        return directory
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=cache))
    try:
        _run_installer(file, python, partial)
        # Under its final name only when it is complete, and only once if two processes install the same.
        try:
            partial.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def compute_key(file: Path, python: str) -> str:
    """Return the name under which the cache has the packages: a hash of everything that they depend on.

    Packages differ by the version of Python, the system and the architecture. A file that the requirements name, such
    as a wheel, a constraints file or a directory with a project, counts with its content.
    """
    digest = hashlib.sha256()
    for part in (identify_python(python), sys.platform, platform.machine(), *_read_contents(file, set())):
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def _read_contents(file: Path, seen: set[Path]) -> Iterator[str | bytes]:
    if file in seen:
        return
    seen.add(file)
    text = read_text_file(file)
    yield text
    for line in map(str.strip, text.splitlines()):
        if included := _INCLUDED.match(line):
            path = file.parent / included[1]
            yield from _read_contents(path, seen) if path.is_file() else ()
        elif found := _LOCAL_PATH.match(line):
            yield from _read_local(file.parent / found[1])


def _read_local(path: Path) -> Iterator[str | bytes]:
    """Yield the content of a file, or of each file of a project's directory, with their names."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for each in files:
        if each.is_file():
            yield str(each.relative_to(path.parent))
            with each.open("rb") as content:
                yield hashlib.file_digest(content, "sha256").digest()


def _run_installer(file: Path, python: str, directory: Path) -> None:
    command = [*_installer(python), "--target", str(directory), "--requirement", file.name]
    try:
        ran = subprocess.run(  # noqa: S603 - what the user asks for with --build
            command,
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ValueError(f"{command[0]} failed: {exc}") from None
    if ran.returncode != 0:
        raise ValueError(_last_error(ran.stderr) or f"{command[0]} exits with status {ran.returncode}")


def _installer(python: str) -> Sequence[str]:
    """Return the command that installs packages for an interpreter, which need not have pip itself."""
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--quiet", "--python", python]
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    return [
        sys.executable,
        "-m",
        "pip",
        *([] if python == sys.executable else ["--python", python]),
        "install",
        *options,
    ]


def _last_error(output: str) -> str:
    """Return the line that says what is wrong: the last of pip's errors, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [""])[-1]
