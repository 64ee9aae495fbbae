"""``boto3.session`` with safe calls of Lambda functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import boto3.session

from ._protection import protect
from ._settings import CallSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from lambdachain._calling.retry import RetryPolicy

    from ._types import Boto3Client

__all__ = ["Session"]


class Session(boto3.session.Session):
    """``boto3.Session``, whose ``client("lambda")`` has safe calls.

    >>> session = Session(region_name="eu-west-1")
    >>> session.client("lambda", idempotent={"price"}).meta.region_name
    'eu-west-1'
    """

    @overload  # type: ignore[override]
    def client(
        self,
        service_name: Literal["lambda"],
        *args: Any,
        idempotent: Iterable[str] = ...,
        timeout: float | timedelta | None = ...,
        retry: RetryPolicy | None = ...,
        metadata: bool = ...,
        **options: Any,
    ) -> Boto3Client: ...
    @overload
    def client(self, service_name: str, *args: Any, **options: Any) -> Any: ...
    def client(  # pyright: ignore[reportIncompatibleMethodOverride] - fewer overloads, with more options
        self,
        service_name: str,
        *args: Any,
        idempotent: Iterable[str] = (),
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
        metadata: bool = True,
        **options: Any,
    ) -> Any:
        """Return a client; see ``lambdachain.compat.client``."""
        settings = CallSettings.check(
            service_name, idempotent=idempotent, timeout=timeout, retry=retry, metadata=metadata
        )
        boto3s: Any = super()
        return protect(boto3s.client(service_name, *args, **options), settings)
