"""The items of a map: one JSON object for each payload, in one file that is named by its content.

Each item is ``{"index": 7, "payload": ...}``. It is the input of its child execution, so that a result names the item
that it belongs to: the files of results are not in the order of the items.

Source of the limits: "ItemReader (Map)"
(https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html) and "Step Functions service quotas"
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), read in 2026.
"""

from __future__ import annotations

import hashlib
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final, Self

from lambdachain._calling.prepared_call import Moment, prepare
from lambdachain._contracts.s3_offload import REFERENCE, S3Offload, encode_reference
from lambdachain._core.errors import InvalidRequestError, RequestTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdachain._calling.compiled_call import CompiledCall

MAX_CHILD_INPUT: Final = 256 << 10
"""The bytes of JSON that a child execution can be started with."""

MAX_ITEMS: Final = 100_000_000
MAX_FILE_SIZE: Final = 10 * 10**9
"""The bytes of a file that a distributed map reads: 10 GB."""

_WRAPPER: Final = len('{"index":,"payload":}') + len(str(MAX_ITEMS))
_IN_MEMORY: Final = 8 << 20
_NEVER: Final = Moment(0.0, 0.0)


class ItemsFile:
    r"""The items of a map, in a temporary file: a JSON array with one item in each line.

    >>> with ItemsFile() as items:
    ...     items.append(1, b'{"order_id":"o-1"}')
    ...     items.append(2, b'{"order_id":"o-2"}')
    ...     items.finish()
    ...     items.open().read()
    b'[\n{"index":1,"payload":{"order_id":"o-1"}},\n{"index":2,"payload":{"order_id":"o-2"}}\n]\n'

    Attributes:
        count: How many items it has.
        size: Its size in bytes.
    """

    def __init__(self) -> None:
        self.count = self.size = 0
        self._file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._hash = hashlib.sha256()
        self._write(b"[")

    @property
    def digest(self) -> str:
        """The SHA-256 of the contents, in hexadecimal digits."""
        return self._hash.hexdigest()

    def append(self, index: int, payload: bytes) -> None:
        """Add an item.

        Raises:
            InvalidRequestError: There are more items, or more bytes, than a distributed map reads.
        """
        self._write(b'%b\n{"index":%d,"payload":%b}' % (b"," if self.count else b"", index, payload))
        self.count += 1
        if self.count > MAX_ITEMS or self.size > MAX_FILE_SIZE:
            raise InvalidRequestError(
                f"a distributed map reads at most {MAX_ITEMS:,} items and {MAX_FILE_SIZE:,} bytes: split the input"
            )

    def finish(self) -> None:
        """End the array: its digest is that of the whole file now."""
        self._write(b"\n]\n")

    def open(self) -> IO[bytes]:
        """Return the file, at its start."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)


class ItemEncoder:
    """Validates and encodes payloads as a call does; a large one goes to S3 where the contract has ``offload``.

    The key of an offloaded payload is its SHA-256: the same payload is the same item, by which a map is found again.

    Args:
        compiled: The target and its options.
        put: Writes an object to S3: bucket, key, contents.
    """

    def __init__(self, compiled: CompiledCall, put: Callable[[S3Offload, str, bytes], None]) -> None:
        self._compiled = compiled
        self._put = put

    def encode(self, payload: object) -> bytes:
        """Return the JSON of a payload.

        Raises:
            InvalidRequestError: It does not fit the contract.
            RequestTooLargeError: It is larger than Step Functions passes to a child execution.
        """
        data = prepare(self._compiled, payload, within=None, now=_NEVER, store=self._store).payload
        if len(data) <= MAX_CHILD_INPUT - _WRAPPER:
            return data
        offload = self._compiled.target.contract.offload
        if offload is not None:
            return encode_reference(self._store(offload, data))
        message = f"the payload is {len(data):,} bytes of JSON; Step Functions passes at most {MAX_CHILD_INPUT:,}"
        remedy = "send a reference to it instead, or declare Contract(..., offload=S3Offload(...))"
        raise RequestTooLargeError(f"{message}: {remedy}", function=self._compiled.address)

    def _store(self, offload: S3Offload, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        key = f"{offload.prefix}{digest}.json"
        self._put(offload, key, data)
        return {REFERENCE: {"bucket": offload.bucket, "key": key, "size": len(data), "sha256": digest}}
