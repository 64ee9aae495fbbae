"""The results of a distributed map, as ``ResultWriter`` leaves them in S3.

A manifest names files of child executions that succeeded, that failed, timed out or were aborted, and that were never
started. After a redrive there is another manifest, with the succeeded ones of all attempts and the others of the last:
the right outcome of an item is that of the highest rank in all manifests.
Source: "ResultWriter (Map)" (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, NamedTuple

SUCCEEDED: Final = "SUCCEEDED"
PENDING: Final = "PENDING"
_IN_MEMORY: Final = 8 << 20
_CHUNK: Final = 1 << 20
_NEVER_STARTED: Final = 1
_FAILED: Final = 2
_SUCCEEDED: Final = 255


class ItemOutcome(NamedTuple):
    """How the child execution of an item ended.

    Attributes:
        item: The index of the item.
        status: ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED``, or ``PENDING`` if it was never started.
        output: The response as JSON; ``None`` if the item failed, or the results do not have it.
        error: The name of the error.
        cause: The function's response as JSON, or a sentence of Step Functions.
        redrives: How many times it was redriven.
    """

    item: int
    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrives: int = 0

    @property
    def rank(self) -> int:
        """Where several files have the item, the outcome of the highest rank is the right one."""
        if self.status == SUCCEEDED:
            return _SUCCEEDED
        return _NEVER_STARTED if self.status == PENDING else min(_FAILED + self.redrives, _SUCCEEDED - 1)


class ResultFile(NamedTuple):
    """A file that a manifest names."""

    key: str
    size: int | None


def parse_manifest(text: bytes) -> tuple[str, list[ResultFile]]:
    """Return the bucket and the files that a manifest names.

    >>> parse_manifest(b'{"DestinationBucket": "b", "ResultFiles": {"SUCCEEDED": [{"Key": "S_0.json", "Size": 9}]}}')
    ('b', [ResultFile(key='S_0.json', size=9)])
    """
    manifest = json.loads(text)
    files = [file for status in manifest["ResultFiles"].values() for file in status]
    return manifest["DestinationBucket"], [ResultFile(file["Key"], file.get("Size")) for file in files]


def parse_objects(body: IO[bytes]) -> Iterator[dict[str, Any]]:
    r"""Yield the objects of a JSON array, or of JSON Lines, without holding the file in memory: it may have 5 GB.

    >>> from io import BytesIO
    >>> list(parse_objects(BytesIO(b'[{"a": 1}, {"b": 2}]'))) == list(parse_objects(BytesIO(b'{"a": 1}\n{"b": 2}')))
    True
    """
    decoder = json.JSONDecoder()
    text, rest, at_end = "", b"", False
    while not at_end:
        data = body.read(_CHUNK)
        at_end = not data
        # A chunk may end inside a character.
        rest += data
        end = len(rest) if at_end else rest.rfind(b"}") + 1
        text += rest[:end].decode()
        rest = rest[end:]
        position = _skip_separators(text, 0)
        while position < len(text):
            try:
                value, position = decoder.raw_decode(text, position)
            except ValueError:
                if at_end:
                    raise
                break  # the rest of the object is in the next chunk
            yield value
            position = _skip_separators(text, position)
        text = text[position:]


def parse_outcome(record: Mapping[str, Any]) -> ItemOutcome | None:
    """Return the outcome of a child execution; ``None`` if the record does not show its item.

    >>> parse_outcome({"Input": '{"index": 3, "payload": 1}', "Output": "2", "Status": "SUCCEEDED"})
    ItemOutcome(item=3, status='SUCCEEDED', output='2', error=None, cause=None, redrives=0)
    """
    try:
        index = json.loads(record["Input"])["index"]
    except (KeyError, TypeError, ValueError):
        return None
    if type(index) is not int or index < 0:
        return None
    return ItemOutcome(
        index,
        record.get("Status", PENDING),
        record.get("Output"),
        record.get("Error"),
        record.get("Cause"),
        record.get("RedriveCount") or 0,
    )


class ItemOutcomes:
    """The outcome of each item, in the order of the items; on the disk, but for a few bytes an item.

    >>> outcomes = ItemOutcomes()
    >>> outcomes.add_all([ItemOutcome(2, "SUCCEEDED", "4"), ItemOutcome(1, "PENDING"), ItemOutcome(1, "FAILED")])
    >>> [(found.item, found.status) for found in outcomes]
    [(1, 'FAILED'), (2, 'SUCCEEDED')]
    >>> outcomes.close()
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._offsets = array("q")  # plus one: 0 for an item without an outcome
        self._ranks = bytearray()

    def add_all(self, outcomes: Iterable[ItemOutcome]) -> None:
        """Add outcomes; of two for one item, the one of the higher rank stays."""
        end = self._file.seek(0, 2)
        for outcome in outcomes:
            index, rank = outcome.item, outcome.rank
            if index >= len(self._ranks):
                more = index + 1 - len(self._ranks) + len(self._ranks) // 8
                self._ranks.extend(bytes(more))
                self._offsets.frombytes(bytes(more * self._offsets.itemsize))
            if rank <= self._ranks[index]:
                continue
            self._ranks[index], self._offsets[index] = rank, end + 1
            end += self._file.write(json.dumps(outcome).encode() + b"\n")

    def get(self, index: int) -> ItemOutcome | None:
        """Return the outcome of an item; ``None`` if the results do not have it."""
        if index >= len(self._ranks) or not self._ranks[index]:
            return None
        self._file.seek(self._offsets[index] - 1)
        return ItemOutcome(*json.loads(self._file.readline()))

    def __len__(self) -> int:
        return len(self._ranks) - self._ranks.count(0)

    def indexes(self) -> Iterator[int]:
        """Yield the indexes of the items that have an outcome, in their order."""
        return (index for index, rank in enumerate(self._ranks) if rank)

    def __iter__(self) -> Iterator[ItemOutcome]:
        return filter(None, map(self.get, self.indexes()))

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


def _skip_separators(text: str, position: int) -> int:
    while position < len(text) and text[position] in "[], \t\r\n":
        position += 1
    return position
