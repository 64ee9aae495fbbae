"""The context that Lambda gives a handler, made in a test."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from lambdachain._core import clock
from lambdachain._core.type_guards import is_mapping
from lambdachain._lambda_api.aws_location import LATEST, AwsLocation

HOME: Final = AwsLocation("123456789012", "us-east-1")
_W3C: Final = ("traceparent", "tracestate", "baggage")


class Client:
    """The mobile application that called."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.installation_id: Any = told.get("installation_id")
        self.app_title: Any = told.get("app_title")
        self.app_version_name: Any = told.get("app_version_name")
        self.app_version_code: Any = told.get("app_version_code")
        self.app_package_name: Any = told.get("app_package_name")


class ClientContext:
    """What a caller told beside the payload."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        client = told.get("client")
        self.custom: dict[str, Any] | None = told.get("custom")
        self.env: dict[str, Any] | None = told.get("env")
        self.client: Client | None = None if client is None else Client(client)


class CognitoIdentity:
    """Who called, for callers with a Cognito identity: nobody, in a test."""

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None


class LambdaContext:
    """What Lambda's Python runtime gives a handler as its second argument, for tests.

    >>> context = LambdaContext("orders", timeout=30)
    >>> context.function_name, context.memory_limit_in_mb
    ('orders', '128')
    >>> 29_000 < context.get_remaining_time_in_millis() <= 30_000
    True

    Attributes are those of the real one: ``aws_request_id``, ``function_name``, ``function_version``,
    ``invoked_function_arn``, ``memory_limit_in_mb`` (text), ``log_group_name``, ``log_stream_name``,
    ``client_context``, ``identity`` and ``tenant_id``.

    Args:
        function_name: The function's name.
        timeout: Seconds that the function has; they run from now.
        memory: The function's memory in MB.
        version: The version that runs.
        arn: The ARN it was called by; made of the name without.
        request_id: Lambda's id of the invocation; a new one without.
        client_context: What the caller told: ``{"custom": {...}}``.
        tenant_id: The tenant, of a function with tenant isolation.
    """

    def __init__(
        self,
        function_name: str = "function",
        *,
        timeout: float = 3.0,
        memory: int = 128,
        version: str = LATEST,
        arn: str | None = None,
        request_id: str | None = None,
        client_context: Mapping[str, Any] | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self.aws_request_id = request_id or str(uuid.uuid4())
        self.function_name = function_name
        self.function_version = version
        self.invoked_function_arn = arn or str(HOME.arn(function_name))
        self.memory_limit_in_mb = str(memory)
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = _log_stream(version)
        self.tenant_id = tenant_id
        self.identity = CognitoIdentity()
        self.client_context = None if client_context is None else ClientContext(client_context)
        self._trace = _w3c(client_context)
        self._end = clock.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds the function has left; never less than 0."""
        return max(0, int((self._end - clock.monotonic()) * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the W3C trace context that Lambda delivers."""
        return dict(self._trace)

    def log(self, msg: object) -> None:
        """Write to the function's log."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        return f"LambdaContext({self.function_name!r}, request_id={self.aws_request_id!r})"


def _log_stream(version: str) -> str:
    return f"{time.strftime('%Y/%m/%d', time.gmtime(clock.epoch()))}/[{version}]{uuid.uuid4().hex}"


def _w3c(client_context: Mapping[str, Any] | None) -> dict[str, str]:
    fields = None if client_context is None else client_context.get("w3c")
    if not is_mapping(fields):
        return {}
    return {name: fields[name] for name in _W3C if isinstance(fields.get(name), str)}
