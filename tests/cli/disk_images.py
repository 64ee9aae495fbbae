"""What a disk contains after its process, or its machine, has stopped: derived from a log of changes and syncs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("=cQqQ")


class Change(NamedTuple):
    """A record of ``disk_log.c``.

    Attributes:
        kind: ``w`` for a write, ``t`` for a truncation, ``s`` for a sync, ``u`` for the removal of a file.
        name: The file, or ``.`` for the directory.
        offset: Where a write begins, -1 for the end of the file; or the size that a truncation leaves.
        data: What was written.
    """

    kind: str
    name: str
    offset: int
    data: bytes


def read_changes(log: Path, directory: Path) -> list[Change]:
    """Read the log of a directory."""
    content, place, changes = log.read_bytes(), 0, []
    while place < len(content):
        kind, name_size, offset, size = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        path, data = content[place : place + name_size], content[place + name_size : place + name_size + size]
        place += name_size + size
        changes.append(Change(kind.decode(), Path(path.decode()).relative_to(directory).as_posix(), offset, data))
    return changes


def files_after_kill(changes: Iterable[Change]) -> dict[str, bytes]:
    """Return the files after the process has stopped: the operating system loses no change that it has accepted."""
    files: dict[str, bytearray] = {}
    for change in changes:
        _apply(files, change)
    return {name: bytes(content) for name, content in files.items()}


def files_after_power_cut(changes: Sequence[Change], random: Random) -> dict[str, bytes]:
    """Return files as they may be after the machine has stopped.

    Each change to a file that its last sync covers is there. Of the later ones some are there, in any combination, and
    some only in part: a disk writes sectors, in an order of its own. A sector that was not written is as it was before,
    or zeros where the file had none.
    """
    disk: dict[str, _File] = {}
    for change in changes:
        if change.kind == "s" and change.name == ".":
            for file in disk.values():
                file.sync_removal()
        elif change.kind == "s":
            disk.setdefault(change.name, _File()).sync()
        else:
            disk.setdefault(change.name, _File()).pending.append(change)
    survival = random.choice([0.0, 0.5, 0.9, 1.0])
    found = {name: file.content_after_cut(random, survival) for name, file in disk.items()}
    return {name: content for name, content in found.items() if content is not None}


@dataclass
class _File:
    synced: bytes | None = None
    pending: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        self.synced, self.pending = self._replay(self.pending), []

    def sync_removal(self) -> None:
        removed = [index for index, change in enumerate(self.pending) if change.kind == "u"]
        if removed:
            self.synced, self.pending = None, self.pending[removed[-1] + 1 :]

    def content_after_cut(self, random: Random, survival: float) -> bytes | None:
        kept = [part for change in self.pending for part in _sectors(change) if random.random() < survival]
        return self._replay(kept)

    def _replay(self, changes: Iterable[Change]) -> bytes | None:
        files = {} if self.synced is None else {"": bytearray(self.synced)}
        for change in changes:
            _apply(files, change._replace(name=""))
        return bytes(files[""]) if files else None


def _sectors(change: Change) -> list[Change]:
    """Cut a write where sectors of the disk end; one at the end of a file is cut without knowing where it begins."""
    if change.kind != "w":
        return [change]
    cuts = range(0, len(change.data), SECTOR)
    offsets = [-1 if change.offset < 0 else change.offset + cut for cut in cuts]
    return [
        change._replace(offset=offset, data=change.data[cut : cut + SECTOR])
        for cut, offset in zip(cuts, offsets, strict=True)
    ]


def _apply(files: dict[str, bytearray], change: Change) -> None:
    if change.kind == "s":
        return
    if change.kind == "u":
        files.pop(change.name, None)
        return
    content = files.setdefault(change.name, bytearray())
    offset = len(content) if change.offset < 0 else change.offset
    content.extend(bytes(max(0, offset - len(content))))
    if change.kind == "t":
        del content[offset:]
    else:
        content[offset : offset + len(change.data)] = change.data
