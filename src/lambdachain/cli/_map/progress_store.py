"""The journal of a map: a line for all that happens, written before anything else is done about it.

It alone says what has become of each line of the input; the output is made of it. Each record is a line: its
checksum, a letter, and

- ``H`` what the map is of, as JSON;
- ``B`` the boot of the machine that a run of the map began in;
- ``R`` lines that are started from now on, on the disk before any of them is;
- ``S`` a line that is sent next, and its checksum;
- ``D`` a line that is done, and what stands in the output for it;
- ``F`` a line that has failed, its ``State``, and what stands among the failures for it;
- ``N`` a line that did not run after all, and is to be run once more.

A process that is killed leaves a whole journal but for the last record. A machine that stops may lose what was not
yet on the disk: then all that was reserved counts as started.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from lambdachain.cli._exit_status import Refusal

from .append_only_file import AppendOnlyFile, sync_directory
from .line_states import LineStates, State

_FORMAT: Final = 1
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_SUM: Final = 9


class JournalRecord(NamedTuple):
    """A line of the journal, and where what it says of a result begins; ``kind`` is empty where it is damaged."""

    kind: str
    body: bytes
    place: int


class Journal:
    """The journal in a file, open for one process.

    Args:
        path: The file; if it is there, the map goes on.
        subject: What the map is of, which has to be the same when it goes on.
        ledger: What is known of the lines already.
        anew: Whether to begin anew, whatever is there.

    Raises:
        Refusal: The journal is of another map, or of one that is running, or is none.
    """

    def __init__(self, path: Path, subject: Mapping[str, str], ledger: LineStates, *, anew: bool = False) -> None:
        self.path = path
        self.ledger = ledger
        self._file = AppendOnlyFile(path, private=True)
        _lock(self._file, path)
        self._file.cut(0 if anew else _whole_size(path))
        if self._file.size:
            self._replay(subject)
        else:
            header = {"lambdachain map": _FORMAT, **subject}
            self._write(b"H", json.dumps(header).encode())
        self._write(b"B", _boot().encode())
        self._file.sync()
        sync_directory(path)

    def reserve(self, lines: Sequence[int]) -> None:
        """Announce lines; after that they may be started, whatever happens to the machine."""
        if lines:
            self._write(b"R", ",".join(map(str, lines)).encode())
            self._file.sync()

    def start(self, line: int, text: bytes) -> None:
        """Announce that a line is sent."""
        mark = mark_of(text)
        self._write(b"S", b"%d %d" % (line, mark))
        self.ledger.start(line, mark)

    def done(self, line: int, written: bytes) -> None:
        """Keep the result of a line."""
        place = self._write(b"D", b"%d " % line, written)
        self.ledger.end(line, State.DONE, place)

    def failed(self, line: int, state: State, written: bytes) -> None:
        """Keep the failure of a line."""
        place = self._write(b"F", b"%d %d " % (line, state), written)
        self.ledger.end(line, state, place)

    def release(self, line: int) -> None:
        """Record that a line was not started after all: its function did not run, and shall."""
        self._write(b"N", b"%d" % line)
        self.ledger.end(line, State.OPEN)

    def written(self, line: int) -> bytes:
        """Return what was kept of a line that is done or has failed."""
        return self._file.line_at(self.ledger.place(line))

    def results(self) -> Iterator[int]:
        """Yield the lines that are done, in the order in which they were."""
        for record in _records(self.path):
            if record.kind == "D":
                line = int(record.body.split(b" ", 1)[0])
                if self.ledger.state(line) is State.DONE and self.ledger.place(line) == record.place:
                    yield line

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Close the file, and let the next process have it."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it: nothing is left to be done."""
        self.close()
        self.path.unlink()
        sync_directory(self.path)

    def _write(self, kind: bytes, head: bytes, written: bytes = b"") -> int:
        body = b"%s %s%s" % (kind, head, written)
        begun = self._file.append(b"%08x %s\n" % (crc32(body), body))
        return begun + _SUM + len(kind) + 1 + len(head)

    def _replay(self, subject: Mapping[str, str]) -> None:
        """Learn from the records what has become of each line."""
        records = _records(self.path)
        _check_header(next(records), self.path, subject)
        boot, intact = "", True
        for record in records:
            if record.kind == "B":
                self.ledger.settle(exact=intact and bool(boot) and boot == record.body.decode())
                boot, intact = record.body.decode(), True
            elif record.kind:
                _take(self.ledger, record)
            else:
                intact = False
        self.ledger.settle(exact=intact and bool(boot) and boot == _boot())


def mark_of(text: bytes) -> int:
    """Return the checksum by which a line of the input is known again.

    >>> mark_of(b'{"a": 1}') == mark_of(b'{"a": 1} ')
    True
    """
    return crc32(text.strip())


def _take(ledger: LineStates, record: JournalRecord) -> None:
    if record.kind == "R":
        for line in record.body.split(b","):
            ledger.reserve(int(line))
        return
    line, _, rest = record.body.partition(b" ")
    if record.kind == "S":
        ledger.start(int(line), int(rest))
    elif record.kind == "D":
        ledger.end(int(line), State.DONE, record.place)
    elif record.kind == "F":
        ledger.end(int(line), State(int(rest[:1])), record.place)
    elif record.kind == "N":
        ledger.end(int(line), State.OPEN)


def _records(path: Path) -> Iterator[JournalRecord]:
    with path.open("rb") as file:
        begun = 0
        for line in file:
            sum_, body = line[: _SUM - 1], line[_SUM:-1]
            is_whole = line.endswith(b"\n") and sum_ == b"%08x" % crc32(body)
            yield _record(body, begun + _SUM) if is_whole else JournalRecord("", b"", begun)
            begun += len(line)


def _record(body: bytes, begun: int) -> JournalRecord:
    kind, rest = body[:1].decode(), body[2:]
    heads = {"D": 1, "F": 2}.get(kind, 0)
    head = sum(len(part) + 1 for part in rest.split(b" ", heads)[:heads])
    return JournalRecord(kind, rest, begun + 2 + head)


def _whole_size(path: Path) -> int:
    """Return how much of a journal to keep: not the record that its writer was killed in."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while size:
            begun = max(0, size - 65536)
            file.seek(begun)
            end = file.read(size - begun).rfind(b"\n")
            if end >= 0:
                return begun + end + 1
            size = begun
    return 0


def _check_header(record: JournalRecord, path: Path, subject: Mapping[str, str]) -> None:
    try:
        header: dict[str, object] = json.loads(record.body) if record.kind == "H" else {}
    except ValueError:
        header = {}
    if header.get("lambdachain map") != _FORMAT:
        raise Refusal(f"{path} is no journal of a map, or damaged: move it away, or choose another output")
    for name, value in subject.items():
        if header.get(name) != value:
            words = f"{path} is of a map whose {name} is {header.get(name)}, not {value}"
            raise Refusal(f"{words}: go on with the same, or choose another output")


def _lock(file: AppendOnlyFile, path: Path) -> None:
    """Keep others out for as long as this process lives."""
    try:
        import fcntl
    except ImportError:  # Windows has none
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Refusal(f"{path}: another map is at work on it: wait for its end, or choose another output") from None


def _boot() -> str:
    """Name this boot of the machine, so far as that can be known."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
