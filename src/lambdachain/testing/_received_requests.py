"""An invocation as a stub receives it: checked as Lambda checks it, and read as its callee would."""

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
from lambdachain._core.client_context import opened
from lambdachain._core.errors import InvalidArnError, RequestRejectedError
from lambdachain._core.invocation import Invocation, InvocationType
from lambdachain._core.metadata import TRACE_NAMES, Metadata, read_metadata
from lambdachain._core.type_guards import is_mapping
from lambdachain._json.codec import codec_of
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


def place_of(invocation: Invocation) -> AwsLocation:
    """Accept the account and region that the call names: functions are wherever their callers believe them to be."""
    try:
        called = parse_target(invocation.function_name)
    except InvalidArnError:
        return HOME
    return AwsLocation(called.account_id or HOME.account_id, called.region or HOME.region)


def checked(
    invocation: Invocation, *, request_id: str, place: AwsLocation, functions: Mapping[str, Container[str]]
) -> InvokeRequest:
    """Check an invocation as Lambda does when it comes in over HTTP; see ``read_invoke``.

    Raises:
        RefusedError: Lambda would refuse it.
    """
    return read_invoke(
        quote(invocation.function_name, safe=""),
        invocation.qualifier,
        _headers_of(invocation),
        Body(invocation.payload, len(invocation.payload)),
        request_id=request_id,
        place=place,
        functions=functions,
    )


def _headers_of(invocation: Invocation) -> dict[str, str]:
    """Write an invocation's options as the headers that carry them over HTTP."""
    headers = {name: getattr(invocation, option) for name, option in _HEADERS.items()}
    headers["X-Amz-Invocation-Type"] = invocation.invocation_type.value
    headers["X-Amz-Log-Type"] = "Tail" if invocation.log_tail else None
    return {name: text for name, text in headers.items() if text is not None}


@dataclass(frozen=True, slots=True)
class Received:
    """A request that Lambda would let in.

    Attributes:
        invocation: As the client sent it.
        timeout: Seconds that the client waits.
        delivery: As the function gets it.
        log_tail: Whether the answer brings the log.
        place: Where the function is.
    """

    invocation: Invocation
    timeout: float | None
    delivery: Delivery
    log_tail: bool
    place: AwsLocation

    @property
    def kind(self) -> InvocationType:
        """How the function is invoked."""
        return self.invocation.invocation_type

    @property
    def called(self) -> FunctionArn | FunctionName:
        """The function as its caller addressed it."""
        return parse_target(self.invocation.function_name)

    @property
    def qualifier(self) -> str | None:
        """The version or alias that was named."""
        return parse_target(self.arn).qualifier

    @property
    def arn(self) -> str:
        """The function's ARN, with the qualifier if one was named."""
        return self.delivery.invoked_arn

    def payload(self) -> Any:
        """Return the decoded payload, in its envelope if it has one."""
        return None if self.kind is InvocationType.DRY_RUN else json.loads(self.delivery.payload)

    def told(self) -> Metadata | None:
        """Return the metadata of the ClientContext."""
        return None if self.kind is InvocationType.DRY_RUN else read_metadata(self.custom())

    def custom(self) -> Mapping[str, Any]:
        """Return the texts of the ClientContext."""
        context: Any = json.loads(self.delivery.client_context or "{}")
        custom: Any = context.get("custom") if is_mapping(context) else None
        return custom if is_mapping(custom) else {}

    def options(self, metadata: Metadata | None) -> CallOptions:
        """Return with which options it was sent; ``timeout`` is what this attempt had of it."""
        texts = {name: text for name, text in self.custom().items() if _is_users(name)}
        sent = CallOptions(
            timeout=self.timeout,
            idempotency_key=metadata.idempotency_key if metadata else None,
            qualifier=self.qualifier,
            tenant_id=self.invocation.tenant_id,
            durable_name=self.invocation.durable_name,
            client_context=texts or None,
            log_tail=self.log_tail,
        )
        return cast("CallOptions", {name: value for name, value in sent.items() if value})


def receive(invocation: Invocation, timeout: float | None, request_id: str) -> Received:
    """Check a request as Lambda does, whatever function it is for.

    Raises:
        RefusedError: Lambda would refuse it.
    """
    place = place_of(invocation)
    invoke = checked(invocation, request_id=request_id, place=place, functions=_EveryFunction())
    return Received(invocation, timeout, invoke.delivery, invoke.log_tail, place)


def read_request(contract: Contract[Any, Any], payload: Any) -> tuple[Any, Metadata | None]:
    """Read a payload as the contract's callee does: out of its envelope and of S3, where the contract has them.

    Raises:
        RequestRejectedError: It does not fit, and the callee would say so.
    """
    payload, metadata = opened(payload) if contract.envelope else (payload, None)
    if contract.offload is not None and is_reference(payload):
        payload = json.loads(contract.offload.get(payload))
    try:
        return codec_of(contract.request).read(payload), metadata
    except PayloadValidationError as exc:
        rejected = RequestRejectedError(errors=exc.details)
    raise rejected


def _is_users(name: str) -> bool:
    return not name.startswith("lc-") and name not in TRACE_NAMES


class _Everything(Container[str]):
    def __contains__(self, _: object) -> bool:
        return True


class _EveryFunction(dict[str, Container[str]]):
    """Stands for functions of which only the stubs know."""

    def get(self, _name: object, _default: object = None, /) -> Any:
        return _Everything()
