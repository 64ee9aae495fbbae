"""Offload payloads that are too large for Lambda to S3, and send a reference in their place ("claim check" pattern)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, cast
from weakref import WeakSet

from lambdachain._core.errors import ContractError, LambdaChainError
from lambdachain._core.fork_hooks import register_fork_hooks
from lambdachain._core.invocation import NoAnswerError
from lambdachain._core.loopback import get_host, is_loopback
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.transport_override import guard_sends, is_mocked, network_guard, without_credentials

REFERENCE: Final = "__lambdachain_s3__"
TAG: Final = ("lambdachain", "offload")
# A runtime writes a response with blanks that are not counted here, so some room is left below Lambda's 6 MiB.
DEFAULT_THRESHOLD: Final = 5 * 1024 * 1024
_EVENT_THRESHOLD: Final = 1024 * 1024 - 16 * 1024
_MAX_THRESHOLD: Final = 6 * 1024 * 1024
MAX_SIZE: Final = 256 * 1024 * 1024
_MISMATCH: Final = "the payload in S3 is not the one that was sent: its size or SHA-256 differs"
_PREFIX_OF_REFERENCE: Final = b'{"%b"' % REFERENCE.encode()


class OffloadError(LambdaChainError):
    """A payload could not be written to S3 or read from it, or is not the one that was written."""


@dataclass(frozen=True, slots=True, repr=False)
class S3Offload:
    """The S3 bucket that a contract's large payloads go through: requests and responses larger than *threshold*.

    Both sides have it in their contract, and need permission for the bucket: ``s3:PutObject``, ``s3:PutObjectTagging``
    and ``s3:GetObject``. Each object is tagged ``lambdachain=offload``, for a lifecycle rule that deletes it:
    lambdachain does not. A payload that is read is checked against its size and SHA-256. The maximum is 256 MiB: a
    reference that claims more is rejected before anything is downloaded.

    >>> S3Offload("orders-payloads", threshold=1_000_000)
    S3Offload(bucket='orders-payloads', threshold=1000000, prefix='lambdachain/', region=None, endpoint_url=None)

    Attributes:
        bucket: The bucket's name.
        threshold: The largest payload that is sent directly, in bytes of JSON: 5 MiB by default. For events it is at
            most 1,008 KiB, since Lambda accepts 1 MiB.
        prefix: The prefix of each key; keys without it are not read.
        region: The bucket's region; by default that of the environment.
        endpoint_url: The endpoint of S3, if it is not AWS's.

    Raises:
        ContractError: The threshold is larger than Lambda's limit, the bucket is missing, or an argument has a wrong
            type.
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
        # Not isinstance(): True is an int, too.
        if type(threshold) is not int:
            raise ContractError(f"offload: threshold must be a number of bytes, not {type(threshold).__name__}")
        if not 0 <= self.threshold <= _MAX_THRESHOLD:
            raise ContractError(f"offload: threshold must be 0 to {_MAX_THRESHOLD:,} bytes, not {self.threshold!r}")

    def __repr__(self) -> str:
        from lambdachain._core.redaction import redact_url

        settings = f"region={self.region!r}, endpoint_url={redact_url(self.endpoint_url)!r}"
        return f"S3Offload(bucket={self.bucket!r}, threshold={self.threshold!r}, prefix={self.prefix!r}, {settings})"

    def takes(self, size: int, *, event: bool = False) -> bool:
        """Check whether a payload of *size* bytes goes into S3."""
        return size > (min(self.threshold, _EVENT_THRESHOLD) if event else self.threshold)

    def put(self, data: bytes) -> dict[str, Any]:
        """Write a payload to the bucket, and return the reference to send instead.

        Raises:
            OffloadError: S3 does not accept it, or it is larger than the maximum.
        """
        reference, key = self.reference_to(data)
        with _translate_errors(f"could not write the payload of {len(data):,} bytes to the bucket {self.bucket}"):
            self._client().put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType="application/json", Tagging="=".join(TAG)
            )
        return reference

    def reference_to(self, data: bytes) -> tuple[dict[str, Any], str]:
        """Return the reference to send instead of a payload, and the new key that is in it.

        Raises:
            OffloadError: The payload is larger than the maximum.
        """
        if len(data) > MAX_SIZE:
            raise OffloadError(
                f"the payload of {len(data):,} bytes is too large: the maximum through S3 is {MAX_SIZE:,}"
            )
        digest = hashlib.sha256(data).hexdigest()
        key = f"{self.prefix}{_generate_name()}.json"
        return {REFERENCE: {"bucket": self.bucket, "key": key, "size": len(data), "sha256": digest}}, key

    def get(self, reference: Mapping[str, Any]) -> bytes:
        """Read the payload that *reference* refers to.

        Raises:
            OffloadError: S3 does not return it, it is not the one that was written, or the reference is to another
                bucket or prefix.
        """
        # A reference comes from outside: it must not make this function read any object that its role may read.
        location: Any = reference[REFERENCE]
        key = location.get("key") if is_mapping(location) else None
        if not is_mapping(location) or not isinstance(key, str) or location.get("bucket") != self.bucket:
            raise OffloadError(f"the reference does not name the bucket {self.bucket} of the contract")
        if not key.startswith(self.prefix):
            raise OffloadError(f"the payload's key does not begin with {self.prefix}, the prefix of the contract")
        size = _parse_size(location)
        with _translate_errors(f"could not read the payload from the bucket {self.bucket}"):
            data = _find_in_memory(key)  # a test's transport may have kept it there
            if data is None:
                data = _read_object(self._client().get_object(Bucket=self.bucket, Key=key), size)
        if hashlib.sha256(data).hexdigest() != location.get("sha256"):
            raise OffloadError(_MISMATCH)
        return data

    @property
    def is_simulated(self) -> bool:
        """Whether S3 is simulated: by moto in this process, or by a server on loopback."""
        return is_mocked() or is_loopback(self._host)

    @property
    def _host(self) -> str:
        """The host of S3; "" if a client could not determine it either."""
        if self.endpoint_url:
            return get_host(self.endpoint_url)
        try:
            from botocore.exceptions import BotoCoreError
        except ImportError:
            return ""
        try:
            return get_host(str(without_credentials(None, "s3", self.region).meta.endpoint_url))
        except (BotoCoreError, ValueError):
            return ""

    def _client(self) -> Any:
        if network_guard.closed and not is_mocked():
            network_guard.check_access(f"use the bucket {self.bucket} for an offloaded payload", self._host)
        return _client(self.region, self.endpoint_url)


def _parse_size(location: Mapping[str, Any]) -> int | None:
    """Return the size that a reference claims for its payload; ``None`` if it has none.

    Raises:
        OffloadError: It is not a valid size, or larger than the maximum.
    """
    size = location.get("size")
    if size is None and "size" not in location:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise OffloadError("the reference to a payload in S3 claims a size that is not a number of bytes")
    _check_loadable(size)
    return size


def _check_loadable(size: int) -> None:
    if size > MAX_SIZE:
        raise OffloadError(f"the payload in S3 is larger than {MAX_SIZE:,} bytes, so it is not downloaded")


def _read_object(found: Mapping[str, Any], expected_size: int | None) -> bytes:
    """Read an object, if it has the expected size.

    Raises:
        OffloadError: It has another size, or is larger than the maximum.
    """
    body, size = found["Body"], int(found["ContentLength"])
    try:
        if expected_size is not None and size != expected_size:
            raise OffloadError(_MISMATCH)
        _check_loadable(size)
        # One byte more than stated: a longer body then fails the check of its SHA-256.
        return bytes(body.read(size + 1))
    finally:
        body.close()


class OffloadMemory:
    """Offloaded payloads that a test's transport keeps in memory instead of S3.

    Args:
        yields_to_s3: Whether S3 is used if it is simulated, by moto or on loopback.
    """

    def __init__(self, *, yields_to_s3: bool = False) -> None:
        self._yields_to_s3 = yields_to_s3
        self._payloads: dict[str, bytes] = {}
        _memories.add(self)

    def takes_from(self, offload: S3Offload) -> bool:
        """Check whether the payloads of *offload* are kept in memory."""
        return not (self._yields_to_s3 and offload.is_simulated)

    def put(self, offload: S3Offload, data: bytes) -> dict[str, Any]:
        """Store a payload, and return the reference to send instead."""
        reference, key = offload.reference_to(data)
        self._payloads[key] = data
        return reference

    def get(self, key: str) -> bytes | None:
        """Return the payload at *key*; ``None`` if it does not exist."""
        return self._payloads.get(key)


_memories: Final[WeakSet[OffloadMemory]] = WeakSet()


def put_payload(offload: S3Offload, data: bytes, transport: object) -> dict[str, Any]:
    """Write a payload to the bucket, or to the memory of a test's *transport*; return the reference to send.

    Raises:
        OffloadError: S3 does not accept it.
    """
    memory: OffloadMemory | None = getattr(transport, "offload_memory", None)
    if memory is not None and memory.takes_from(offload):
        return memory.put(offload, data)
    return offload.put(data)


def _find_in_memory(key: str) -> bytes | None:
    # A copy: another thread may create a transport meanwhile.
    return next((data for memory in tuple(_memories) if (data := memory.get(key)) is not None), None)


def is_reference(value: object) -> bool:
    """Check whether a decoded payload is a reference to one in S3."""
    return is_mapping(value) and set(value) == {REFERENCE}


def reference_in(data: bytes) -> Mapping[str, Any] | None:
    """Parse a payload that is a reference to one in S3; ``None`` for any other, whether or not it is JSON."""
    if not data.startswith(_PREFIX_OF_REFERENCE):
        return None
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply for a reference
        return None
    return value if is_reference(value) else None


def encode_reference(reference: Mapping[str, Any]) -> bytes:
    """Encode a reference as JSON."""
    return json.dumps(reference, separators=(",", ":")).encode()


class _translate_errors:  # noqa: N801 - used like a function, in a with statement
    """Raise OffloadError for an exception of botocore."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: object) -> None:
        if exc is None:
            return
        if isinstance(exc, Exception):
            raise OffloadError(f"{self._message}: {_describe_error(exc)}") from None


def _describe_error(exc: Exception) -> str:
    """Describe an exception of botocore by its code or class only: its message may quote a secret.

    Raises:
        Exception: *exc* itself, if it is not botocore's; see ``is_foreign``.
    """
    if isinstance(exc, NoAnswerError):  # botocore is not installed
        return str(exc)
    from botocore.exceptions import ClientError, HTTPClientError

    from lambdachain._transports.foreign_exceptions import is_foreign

    # botocore wraps every exception of its HTTP session, also that of a user's signal handler, which must pass.
    inner: Any = exc.kwargs.get("error") if type(exc) is HTTPClientError else None
    cause = inner if isinstance(inner, Exception) else exc
    if is_foreign(cause):
        raise cause
    return str(exc.response.get("Error", {}).get("Code")) if isinstance(exc, ClientError) else type(cause).__name__


def _generate_name() -> str:
    import uuid

    return str(uuid.uuid4())


@lru_cache(maxsize=16)
def _client(region: str | None, endpoint_url: str | None) -> Any:
    from lambdachain._transports.sdk_import import import_sdk

    client = import_sdk("boto3", "S3Offload").client("s3", region_name=region, endpoint_url=endpoint_url)
    guard_sends(client, partial(network_guard.check_access, "use S3 for an offloaded payload"))
    _clients.add(client)
    return client


_clients: Final[WeakSet[Any]] = WeakSet()


def _drop_connections() -> None:
    """Drop the connections that a forked or restored process shares with its original."""
    from lambdachain._transports.fork_safety import detach_client

    are_detached = [detach_client(client) for client in _clients]
    if not all(are_detached):
        _client.cache_clear()


register_fork_hooks(in_fork=_drop_connections, before_snapshot=_drop_connections)


OffloadError.__module__ = "lambdachain"
S3Offload.__module__ = "lambdachain"
