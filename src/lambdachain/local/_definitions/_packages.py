"""Unpack code that is a file: a zip file, or the only file of a function."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from ._build_cache import build_directory

# Lambda's limit for a function with its layers is 250 MB. A layer for several architectures may have more.
MAX_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
ZIP_SUFFIXES: Final = frozenset({".zip", ".jar"})


def unpack(path: Path, scratch: Path) -> Path:
    """Return a directory with the content of a zip file, or with a copy of any other file.

    The directory's name is a hash of the file: a changed file is another directory, so that a reload replaces the
    function, and a process that still runs keeps the code that it started with.

    Args:
        path: The file.
        scratch: The directory to create it in.

    Raises:
        ValueError: The file is not a complete zip file, or is too large; the message names it.
        OSError: It cannot be read, or the directory cannot be written.
    """
    if path.suffix in ZIP_SUFFIXES and not is_zipfile(path):
        raise ValueError(f"{str(path)!r} is not a zip file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    directory = scratch / f"{path.stem}-{digest[:16]}"
    if directory.is_dir():
        return directory

    def fill(partial: Path) -> None:
        if is_zipfile(path):
            _extract(path, partial)
        else:
            shutil.copy2(path, partial)

    return build_directory(directory, fill, prefix=f"{directory.name}.")


def _extract(path: Path, directory: Path) -> None:
    try:
        with ZipFile(path) as archive:
            if (size := sum(each.file_size for each in archive.infolist())) > MAX_UNPACKED_BYTES:
                raise ValueError(f"{str(path)!r} has {size:,} bytes unpacked, more than {MAX_UNPACKED_BYTES:,}")
            for entry in archive.infolist():
                # extract() keeps a name with `..` or an absolute one inside the directory.
                _restore_mode(Path(archive.extract(entry, directory)), entry)
    # RuntimeError: an encrypted file. NotImplementedError: a compression that zipfile does not know.
    except (BadZipFile, RuntimeError, NotImplementedError, EOFError) as exc:
        raise ValueError(f"{str(path)!r} cannot be unpacked: {exc}") from None


def _restore_mode(path: Path, entry: ZipInfo) -> None:
    # zipfile drops the permissions, without which the `bootstrap` of a runtime `provided` cannot be executed.
    mode = entry.external_attr >> 16 & 0o777
    if mode and path.is_file():
        path.chmod(mode | 0o600)
