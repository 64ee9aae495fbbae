"""Payloads that are too large for Lambda: put into S3, with a reference to travel in their place ("claim check")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, cast
from weakref import WeakSet

from lambdachain._core.errors import ContractError, LambdaChainError
from lambdachain._core.loopback import host_of, is_loopback
from lambdachain._core.process_copies import register_fork_hooks
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.transport_override import guard_sends, is_mocked, network_guard, without_credentials

REFERENCE: Final = "__lambdachain_s3__"
TAG: Final = ("lambdachain", "offload")
# A runtime writes an answer with blanks that we do not count, so that there has to be some room below 6 MiB.
DEFAULT_THRESHOLD: Final = 5 * 1024 * 1024
_EVENT_THRESHOLD: Final = 1024 * 1024 - 16 * 1024
_MAX_THRESHOLD: Final = 6 * 1024 * 1024
MAX_SIZE: Final = 256 * 1024 * 1024
_DIFFERENT: Final = "the payload in S3 is not the one that was put there: its size or its SHA-256 differs"
_MARK: Final = b'{"%b"' % REFERENCE.encode()


class OffloadError(LambdaChainError):
    """A payload could not be put into S3 or got from there, or is not what was put."""


@dataclass(frozen=True, slots=True, repr=False)
class S3Offload:
    """Where a contract's large payloads go: requests and answers beyond *threshold* travel through an S3 bucket.

    Both sides have it in their contract, and permission for the bucket: ``s3:PutObject``, ``s3:PutObjectTagging`` and
    ``s3:GetObject``. Each object is tagged ``lambdachain=offload``, for a lifecycle rule that deletes it: nothing here
    does. A payload is checked against its size and its SHA-256 where it is taken out. The longest is of 256 MiB: a
    reference that claims more is refused before anything is loaded.

    >>> S3Offload("orders-payloads", threshold=1_000_000)
    S3Offload(bucket='orders-payloads', threshold=1000000, prefix='lambdachain/', region=None, endpoint_url=None)

    Attributes:
        bucket: The bucket's name.
        threshold: Bytes of JSON beyond which a payload goes there; 5 MiB if not given, and for events at most 1,008
            KiB, for Lambda takes less of them.
        prefix: What each key begins with; keys without it are not read.
        region: The bucket's region; the program's own without it.
        endpoint_url: Where S3 is, in place of AWS.

    Raises:
        ContractError: The threshold is none that Lambda would leave room for, there is no bucket, or an argument is not
            what it has to be.
    """

    bucket: str
    threshold: int = DEFAULT_THRESHOLD
    prefix: str = "lambdachain/"
    region: str | None = None
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        bucket, threshold, prefix = (cast("Any", value) for value in (self.bucket, self.threshold, self.prefix))
        if not isinstance(bucket, str) or not bucket:
            raise ContractError("offload: S3Offload needs the name of a bucket")
        if not isinstance(prefix, str):
            raise ContractError(f"offload: prefix must be text, not {type(prefix).__name__}")
        for name in ("region", "endpoint_url"):
            if not isinstance(getattr(self, name), str | None):
                raise ContractError(f"offload: {name} must be text, not {type(getattr(self, name)).__name__}")
        if type(threshold) is not int:
            raise ContractError(f"offload: threshold must be a number of bytes, not {type(threshold).__name__}")
        if not 0 <= self.threshold <= _MAX_THRESHOLD:
            raise ContractError(f"offload: threshold must be 0 to {_MAX_THRESHOLD:,} bytes, not {self.threshold!r}")

    def __repr__(self) -> str:
        from lambdachain._core.text import public_url

        where = f"region={self.region!r}, endpoint_url={public_url(self.endpoint_url)!r}"
        return f"S3Offload(bucket={self.bucket!r}, threshold={self.threshold!r}, prefix={self.prefix!r}, {where})"

    def takes(self, size: int, *, event: bool = False) -> bool:
        """Check whether a payload of *size* bytes goes into S3."""
        return size > (min(self.threshold, _EVENT_THRESHOLD) if event else self.threshold)

    def put(self, data: bytes) -> dict[str, Any]:
        """Put a payload into the bucket, and give what travels in its place.

        Raises:
            OffloadError: S3 does not take it, or it is longer than what is read back.
        """
        reference, key = self.reference_to(data)
        with _in_words(f"the payload of {len(data):,} bytes could not be put into the bucket {self.bucket}"):
            self._client().put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType="application/json", Tagging="=".join(TAG)
            )
        return reference

    def reference_to(self, data: bytes) -> tuple[dict[str, Any], str]:
        """Return what travels in the place of a payload, and the new key that it names.

        Raises:
            OffloadError: The payload is longer than what is read back.
        """
        if len(data) > MAX_SIZE:
            raise OffloadError(f"the payload of {len(data):,} bytes is too large: at most {MAX_SIZE:,} go through S3")
        digest = hashlib.sha256(data).hexdigest()
        key = f"{self.prefix}{_new_name()}.json"
        return {REFERENCE: {"bucket": self.bucket, "key": key, "size": len(data), "sha256": digest}}, key

    def get(self, reference: Mapping[str, Any]) -> bytes:
        """Get the payload that *reference* stands for.

        Raises:
            OffloadError: S3 does not give it, it is not what was put, or it is in another place than this one.
        """
        where: Any = reference[REFERENCE]
        key = where.get("key") if is_mapping(where) else None
        if not is_mapping(where) or not isinstance(key, str) or where.get("bucket") != self.bucket:
            raise OffloadError(f"the payload is not in the bucket {self.bucket}, which the contract names")
        if not key.startswith(self.prefix):
            raise OffloadError(f"the payload's key does not begin with {self.prefix}, as the contract says")
        size = _claimed_size(where)
        with _in_words(f"the payload could not be got from the bucket {self.bucket}"):
            data = _remembered(key)
            if data is None:
                data = _read(self._client().get_object(Bucket=self.bucket, Key=key), size)
        if hashlib.sha256(data).hexdigest() != where.get("sha256"):
            raise OffloadError(_DIFFERENT)
        return data

    @property
    def is_simulated(self) -> bool:
        """Whether S3 is on this machine or in this process: a server on loopback, or moto's."""
        return is_mocked() or is_loopback(self._host)

    @property
    def _host(self) -> str:
        """Where S3 is; "" where a client would not know either."""
        if self.endpoint_url:
            return host_of(self.endpoint_url)
        try:
            from botocore.exceptions import BotoCoreError
        except ImportError:
            return ""
        try:
            return host_of(str(without_credentials(None, "s3", self.region).meta.endpoint_url))
        except (BotoCoreError, ValueError):
            return ""

    def _client(self) -> Any:
        if network_guard.closed and not is_mocked():
            network_guard.check_access(f"use the bucket {self.bucket} for an offloaded payload", self._host)
        return _client(self.region, self.endpoint_url)


def _claimed_size(where: Mapping[str, Any]) -> int | None:
    """Return how long a reference says that its payload is; ``None`` if it does not say so.

    Raises:
        OffloadError: That is no size, or the payload would be too large to be loaded.
    """
    size = where.get("size")
    if size is None and "size" not in where:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise OffloadError("the reference to a payload in S3 claims a size that is not a number of bytes")
    _check_loadable(size)
    return size


def _check_loadable(size: int) -> None:
    if size > MAX_SIZE:
        raise OffloadError(f"the payload in S3 has more than {MAX_SIZE:,} bytes: it is not loaded")


def _read(found: Mapping[str, Any], claimed: int | None) -> bytes:
    """Read an object that has the size which a reference claimed, and no more than that.

    Raises:
        OffloadError: It has another size, or one that is too large.
    """
    body, size = found["Body"], int(found["ContentLength"])
    try:
        if claimed is not None and size != claimed:
            raise OffloadError(_DIFFERENT)
        _check_loadable(size)
        return bytes(body.read(size + 1))
    finally:
        body.close()


class OffloadMemory:
    """Payloads that a test's transport keeps in S3's place.

    Args:
        yields_to_s3: Whether S3 is used all the same where it is simulated, by moto or on loopback.
    """

    def __init__(self, *, yields_to_s3: bool = False) -> None:
        self._yields_to_s3 = yields_to_s3
        self._payloads: dict[str, bytes] = {}
        _memories.add(self)

    def takes_from(self, offload: S3Offload) -> bool:
        """Check whether the payloads of *offload* are kept here."""
        return not (self._yields_to_s3 and offload.is_simulated)

    def put(self, offload: S3Offload, data: bytes) -> dict[str, Any]:
        """Keep a payload, and return what travels in its place."""
        reference, key = offload.reference_to(data)
        self._payloads[key] = data
        return reference

    def get(self, key: str) -> bytes | None:
        """Return the payload at *key*, if it is here."""
        return self._payloads.get(key)


_memories: Final[WeakSet[OffloadMemory]] = WeakSet()


def put_payload(offload: S3Offload, data: bytes, transport: object) -> dict[str, Any]:
    """Put a payload into the bucket, or into the memory of a test's *transport*; return what travels in its place.

    Raises:
        OffloadError: S3 does not take it.
    """
    memory: OffloadMemory | None = getattr(transport, "offload_memory", None)
    if memory is not None and memory.takes_from(offload):
        return memory.put(offload, data)
    return offload.put(data)


def _remembered(key: str) -> bytes | None:
    return next((data for memory in tuple(_memories) if (data := memory.get(key)) is not None), None)


def is_reference(value: object) -> bool:
    """Check whether a decoded payload stands for one in S3."""
    return is_mapping(value) and set(value) == {REFERENCE}


def reference_in(data: bytes) -> Mapping[str, Any] | None:
    """Read a payload that stands for one in S3; ``None`` for any other, whether or not it is JSON."""
    if not data.startswith(_MARK):
        return None
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):  # not JSON, or nothing that a reference of ours looks like
        return None
    return value if is_reference(value) else None


def as_bytes(reference: Mapping[str, Any]) -> bytes:
    """Write a reference as it travels."""
    return json.dumps(reference, separators=(",", ":")).encode()


class _in_words:  # noqa: N801 - used as a statement
    """Translates a failure of botocore's to what it means here."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: object) -> None:
        if exc is None:
            return
        if isinstance(exc, Exception):
            raise OffloadError(f"{self._words}: {_reason(exc)}") from None


def _reason(exc: Exception) -> str:
    """Describe why S3 could not be used: by code or class, for a text may quote a secret.

    Raises:
        Exception: *exc* itself, where it is somebody else's; see ``passes``.
    """
    from botocore.exceptions import ClientError, HTTPClientError

    from lambdachain._transports.foreign_exceptions import passes

    inner: Any = exc.kwargs.get("error") if type(exc) is HTTPClientError else None
    cause = inner if isinstance(inner, Exception) else exc
    if passes(cause):
        raise cause
    return str(exc.response.get("Error", {}).get("Code")) if isinstance(exc, ClientError) else type(cause).__name__


def _new_name() -> str:
    import uuid

    return str(uuid.uuid4())


@lru_cache(maxsize=16)
def _client(region: str | None, endpoint_url: str | None) -> Any:
    from importlib import import_module

    boto3: Any = import_module("boto3")  # its own annotation names every service
    client = boto3.client("s3", region_name=region, endpoint_url=endpoint_url)
    guard_sends(client, partial(network_guard.check_access, "use S3 for an offloaded payload"))
    _clients.add(client)
    return client


_clients: Final[WeakSet[Any]] = WeakSet()


def _begin_anew() -> None:
    """Keep no connection of the process that this one is a copy of."""
    from lambdachain._transports.fork_safety import detach_client

    are_detached = [detach_client(client) for client in _clients]
    if not all(are_detached):
        _client.cache_clear()


register_fork_hooks(in_fork=_begin_anew, before_snapshot=_begin_anew)


OffloadError.__module__ = "lambdachain"
S3Offload.__module__ = "lambdachain"
