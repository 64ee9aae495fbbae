"""Inputs other than a file of lines: an object in S3, a JSON array, a CSV file, and standard input to be read twice.

Each becomes a temporary file of lines. The number of a line is that of the array's item, or of the row's first line in
the CSV file, as an editor counts: the line of its header, and what a text that contains a line break adds, are blank.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any, Final, Literal, NamedTuple

from lambdachain._core.redaction import redact_passwords, redact_request
from lambdachain.cli._exit_status import InputError

from .lines import Input

Format = Literal["json-lines", "json", "csv"]
FORMATS: Final = ("json-lines", "json", "csv")
_S3: Final = "s3://"
_SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".json": "json"}


class InputLocation(NamedTuple):
    """Where the input is.

    Attributes:
        path: A file, ``-`` for standard input, or the URL of an object in S3, as text.
        format: Its format; by default that of its suffix, and otherwise lines of JSON.
    """

    path: Path | str
    format: Format | None = None

    def open(self, make_s3: Callable[[], Any], *, is_read_twice: bool = False) -> Input:
        """Open it as a file of lines.

        Args:
            make_s3: Creates a client of S3, for an object in it.
            is_read_twice: Whether standard input is to be kept in a file, too.

        Raises:
            InputError: It cannot be read, or is not in its format.
        """
        chosen = self.format or _SUFFIXES.get(PurePosixPath(str(self.path)).suffix.lower(), "json-lines")
        if isinstance(self.path, Path) and chosen == "json-lines":
            source = Input(self.path)
            return Input(self.path, _copy(source)) if is_read_twice and not source.is_file else source
        name = str(self.path)
        body = _open_object(make_s3(), name) if isinstance(self.path, str) else _open_file(self.path)
        if chosen == "json-lines":  # of an object in S3, in a temporary file already
            return Input(self.path, body)
        try:
            return Input(self.path, _CONVERTERS[chosen](name, body))
        finally:
            body.close()


def is_s3_url(text: str) -> bool:
    """Check whether a text is the URL of an object in S3.

    >>> is_s3_url("s3://orders/october.jsonl"), is_s3_url("orders.jsonl")
    (True, False)
    """
    return text.startswith(_S3)


def _open_file(path: Path) -> IO[bytes]:
    import sys

    try:
        return sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from None


def _open_object(s3: Any, url: str) -> IO[bytes]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = url.removeprefix(_S3).partition("/")
    if not bucket or not key:
        raise InputError(f"{url} is not the URL of an object in S3, such as s3://orders/october.jsonl")
    copy = TemporaryFile()  # noqa: SIM115 - closed with the input
    try:
        s3.download_fileobj(bucket, key, copy)
    except (BotoCoreError, ClientError) as exc:
        copy.close()
        raise InputError(f"{url} cannot be read: {redact_passwords(redact_request(str(exc)))}") from None
    copy.seek(0)
    return copy


def _copy(source: Input) -> IO[bytes]:
    copy = TemporaryFile()  # noqa: SIM115 - closed with the input
    while lines := source.read_lines():
        copy.writelines(line.text + b"\n" for line in lines)
    copy.seek(0)
    return copy


def _convert_array(name: str, body: IO[bytes]) -> IO[bytes]:
    """Write each item of a JSON array in a line, as it is written: a number may have more digits than a float."""
    from lambdachain.cli._json import parse_json

    # A number that a float would round is kept only as text, for which the item has to be found in it.
    text = body.read().decode(errors="surrogateescape")
    parse_json(name, text.encode(errors="surrogateescape"))
    copy = TemporaryFile()  # noqa: SIM115 - closed with the input
    for item in _split_array(name, text):
        copy.write(item.replace("\n", " ").replace("\r", " ").encode(errors="surrogateescape") + b"\n")
    copy.seek(0)
    return copy


def _split_array(name: str, text: str) -> Iterator[str]:
    decoder = json.JSONDecoder()
    position = len(text) - len(text.lstrip())
    if text[position : position + 1] != "[":
        raise InputError(f"{name} is not a JSON array: for lines of JSON, use --format json-lines")
    while True:
        position += 1
        while text[position] in " \t\r\n":
            position += 1
        if text[position] == "]":
            return
        start, (_, position) = position, decoder.raw_decode(text, position)
        yield text[start:position]
        while text[position] in " \t\r\n":
            position += 1
        if text[position] == "]":
            return


def _convert_rows(name: str, body: IO[bytes]) -> IO[bytes]:
    """Write each row of a CSV file as an object of texts, by the names in its first row."""
    copy = TemporaryFile()  # noqa: SIM115 - closed with the input
    text = TextIOWrapper(body, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    try:
        headers = next(rows, list[str]())
        if len(set(headers)) < len(headers):
            raise InputError(f"{name}: a name is twice in the header of the CSV file")
        written = 0
        start = rows.line_num
        for row in rows:
            if row:
                if len(row) > len(headers):
                    raise InputError(f"{name}:{start + 1} has {len(row)} fields, and the header {len(headers)}")
                padded = [*row, *[""] * (len(headers) - len(row))]
                copy.write(b"\n" * (start - written) + json.dumps(dict(zip(headers, padded, strict=True))).encode())
                copy.write(b"\n")
                written = start + 1
            start = rows.line_num
    except (csv.Error, UnicodeDecodeError) as exc:
        raise InputError(f"{name}:{rows.line_num} is not valid CSV: {exc}") from None
    finally:
        text.detach()
    copy.seek(0)
    return copy


_CONVERTERS: Final = {"json": _convert_array, "csv": _convert_rows}
