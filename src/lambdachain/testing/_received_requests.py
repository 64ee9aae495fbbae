"""Requests as a stub receives them: checked as Lambda checks them, and decoded as the callee would."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from lambdachain._calling.options import CallOptions
from lambdachain._contracts.contract import Contract
from lambdachain._contracts.s3_offload import is_reference
from lambdachain._core.arn import FunctionArn, FunctionName, parse_target
from lambdachain._core.client_context import unwrap_envelope
from lambdachain._core.errors import InvalidArnError, RequestRejectedError
from lambdachain._core.invocation import Invocation, InvocationType
from lambdachain._core.metadata import TRACE_NAMES, Metadata, read_metadata
from lambdachain._core.type_guards import is_mapping
from lambdachain._json.codec import codec_for
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.delivery import Body, Delivery, InvokeRequest
from lambdachain._lambda_api.invoke_api import read_invoke

from ._lambda_context import HOME

_HEADERS: Final = {
    "X-Amz-Client-Context": "client_context",
    "X-Amz-Tenant-Id": "tenant_id",
    "X-Amz-Durable-Execution-Name": "durable_name",
}


def location_for(invocation: Invocation) -> AwsLocation:
    """Return the account and region of the call, with defaults: a function is wherever its caller expects it."""
    try:
        called = parse_target(invocation.function_name)
    # check_invocation() rejects the name as Lambda does; until then any location will do.
    except InvalidArnError:
        return HOME
    return AwsLocation(called.account_id or HOME.account_id, called.region or HOME.region)


def check_invocation(
    invocation: Invocation, *, request_id: str, location: AwsLocation, functions: Mapping[str, Container[str]]
) -> InvokeRequest:
    """Check an invocation as Lambda checks an HTTP request; see ``read_invoke``.

    Raises:
        ApiError: Lambda would reject it.
    """
    return read_invoke(
        # read_invoke() expects the escaped path segment of the HTTP request.
        quote(invocation.function_name, safe=""),
        invocation.qualifier,
        _to_headers(invocation),
        Body(invocation.payload, len(invocation.payload)),
        request_id=request_id,
        location=location,
        functions=functions,
    )


def _to_headers(invocation: Invocation) -> dict[str, str]:
    """Convert an invocation's options to the headers of the HTTP request."""
    headers = {name: getattr(invocation, option) for name, option in _HEADERS.items()}
    headers["X-Amz-Invocation-Type"] = invocation.invocation_type.value
    headers["X-Amz-Log-Type"] = "Tail" if invocation.log_tail else None
    return {name: text for name, text in headers.items() if text is not None}


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that passed Lambda's checks.

    Attributes:
        invocation: The invocation, as the client sent it.
        timeout: Seconds that the client waits.
        delivery: The invocation, as the function receives it.
        log_tail: Whether the response includes the end of the log.
        location: The account and region of the function.
    """

    invocation: Invocation
    timeout: float | None
    delivery: Delivery
    log_tail: bool
    location: AwsLocation

    @property
    def invocation_type(self) -> InvocationType:
        """RequestResponse, Event or DryRun."""
        return self.invocation.invocation_type

    @property
    def called(self) -> FunctionArn | FunctionName:
        """The parsed address of the function, as the caller wrote it."""
        return parse_target(self.invocation.function_name)

    @property
    def qualifier(self) -> str | None:
        """The version or alias of the call."""
        return parse_target(self.arn).qualifier

    @property
    def arn(self) -> str:
        """The function's ARN, with the qualifier if the call has one."""
        return self.delivery.invoked_arn

    def payload(self) -> Any:
        """Return the decoded payload, including its envelope if it has one."""
        return None if self.invocation_type is InvocationType.DRY_RUN else json.loads(self.delivery.payload)

    def metadata(self) -> Metadata | None:
        """Return the metadata in the ClientContext."""
        return None if self.invocation_type is InvocationType.DRY_RUN else read_metadata(self.custom())

    def custom(self) -> Mapping[str, Any]:
        """Return the custom members of the ClientContext."""
        context: Any = json.loads(self.delivery.client_context or "{}")
        custom: Any = context.get("custom") if is_mapping(context) else None
        return custom if is_mapping(custom) else {}

    def options(self, metadata: Metadata | None) -> CallOptions:
        """Return the options of the call; ``timeout`` is the time that was left for this attempt."""
        custom = {name: text for name, text in self.custom().items() if _is_from_user(name)}
        sent = CallOptions(
            timeout=self.timeout,
            idempotency_key=metadata.idempotency_key if metadata else None,
            qualifier=self.qualifier,
            tenant_id=self.invocation.tenant_id,
            durable_name=self.invocation.durable_name,
            client_context=custom or None,
            log_tail=self.log_tail,
        )
        # Only the options that were set, so that a test can compare with what the code under test passed.
        return cast("CallOptions", {name: value for name, value in sent.items() if value})


def receive(invocation: Invocation, timeout: float | None, request_id: str) -> ReceivedRequest:
    """Check a request as Lambda does, for any function: only the stubs know which functions exist.

    Raises:
        ApiError: Lambda would reject it.
    """
    location = location_for(invocation)
    invoke = check_invocation(invocation, request_id=request_id, location=location, functions=_EveryFunction())
    return ReceivedRequest(invocation, timeout, invoke.delivery, invoke.log_tail, location)


def decode_request(contract: Contract[Any, Any], payload: Any) -> tuple[Any, Metadata | None]:
    """Decode a payload as the callee does, from its envelope and from S3 if the contract has them.

    Raises:
        RequestRejectedError: The payload is not valid; the callee would report the same.
    """
    payload, metadata = unwrap_envelope(payload) if contract.envelope else (payload, None)
    if contract.offload is not None and is_reference(payload):
        payload = json.loads(contract.offload.get(payload))
    try:
        return codec_for(contract.request).validate_event(payload), metadata
    except PayloadValidationError as exc:
        rejected = RequestRejectedError(errors=exc.details)
    raise rejected


def _is_from_user(name: str) -> bool:
    return not name.startswith("lc-") and name not in TRACE_NAMES


class _Everything(Container[str]):
    def __contains__(self, _: object) -> bool:
        return True


class _EveryFunction(dict[str, Container[str]]):
    """A mapping that has every function, with every qualifier."""

    def get(self, _name: object, _default: object = None, /) -> Any:
        return _Everything()
