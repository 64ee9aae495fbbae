"""Reading the files of a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_FILE: Final = 16 * 1024 * 1024


def read_bounded(path: Path) -> str:
    """Read a text file, and no endless one such as a device.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text, or larger than any file of this kind.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"it has more than {MAX_FILE:,} bytes")
    return data.decode("utf-8-sig")
