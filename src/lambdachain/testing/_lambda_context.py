"""A fake of the context that Lambda passes to a handler."""

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
    """The mobile application of the call; the name of the class is that of the runtime client."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.installation_id: Any = fields.get("installation_id")
        self.app_title: Any = fields.get("app_title")
        self.app_version_name: Any = fields.get("app_version_name")
        self.app_version_code: Any = fields.get("app_version_code")
        self.app_package_name: Any = fields.get("app_package_name")


class ClientContext:
    """The ClientContext of the call."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        client = fields.get("client")
        self.custom: dict[str, Any] | None = fields.get("custom")
        self.env: dict[str, Any] | None = fields.get("env")
        self.client: Client | None = None if client is None else Client(client)


class CognitoIdentity:
    """The Cognito identity of the caller; always empty in a test."""

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None


class LambdaContext:
    """A fake of the context that Lambda's Python runtime passes to a handler as its second argument.

    >>> context = LambdaContext("orders", timeout=30)
    >>> context.function_name, context.memory_limit_in_mb
    ('orders', '128')
    >>> 29_000 < context.get_remaining_time_in_millis() <= 30_000
    True

    It has the attributes of the real one: ``aws_request_id``, ``function_name``, ``function_version``,
    ``invoked_function_arn``, ``memory_limit_in_mb`` (text), ``log_group_name``, ``log_stream_name``,
    ``client_context``, ``identity`` and ``tenant_id``.

    Args:
        function_name: The function's name.
        timeout: The function's timeout in seconds; it starts now.
        memory: The function's memory in MB.
        version: The version of the function.
        arn: The ARN that the function was called by; by default, one with the name.
        request_id: Lambda's id of the invocation; a new one by default.
        client_context: The ClientContext of the call: ``{"custom": {...}}``.
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
        # A string in the real context, too: the runtime client reads it from an environment variable.
        self.memory_limit_in_mb = str(memory)
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = _log_stream(version)
        self.tenant_id = tenant_id
        self.identity = CognitoIdentity()
        self.client_context = None if client_context is None else ClientContext(client_context)
        self._trace = _w3c(client_context)
        self._end = clock.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function times out; never less than 0."""
        return max(0, int((self._end - clock.monotonic()) * 1000))

    def w3c(self) -> dict[str, str]:
        """Return the W3C trace context that Lambda delivers."""
        return dict(self._trace)

    def log(self, msg: object) -> None:
        """Write to the function's log."""
        # Without a newline, as the real one.
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        return f"LambdaContext({self.function_name!r}, request_id={self.aws_request_id!r})"


def _log_stream(version: str) -> str:
    return f"{time.strftime('%Y/%m/%d', time.gmtime(clock.epoch()))}/[{version}]{uuid.uuid4().hex}"


def _w3c(client_context: Mapping[str, Any] | None) -> dict[str, str]:
    fields = None if client_context is None else client_context.get("w3c")
    if not is_mapping(fields):
        return {}
    # The runtime client ignores other members, and values that are not strings.
    return {name: fields[name] for name in _W3C if isinstance(fields.get(name), str)}


LambdaContext.__module__ = "lambdachain.testing"
