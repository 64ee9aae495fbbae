"""Read text files with a limit on their size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_BYTES: Final = 16 * 1024 * 1024


def read_text_file(path: Path) -> str:
    """Read a text file; an endless one, such as a device, is refused instead of filling memory.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not UTF-8, or is larger than any file of a deployment.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES:,} bytes")
    return data.decode("utf-8-sig")
