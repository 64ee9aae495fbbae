"""The attributes of spans and metrics, by OpenTelemetry's semantic conventions for FaaS, RPC and AWS.

https://opentelemetry.io/docs/specs/semconv/faas/ and https://opentelemetry.io/docs/specs/semconv/rpc/. The names are
written out here, because the package of the conventions calls them unstable and moves them between releases.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from lambdachain import CallAttempt, CallError, FunctionError, HandledInvocation, OutgoingCall, RemoteError
from lambdachain._calling.interceptors import get_api_operation, get_handled_function
from lambdachain._core.arn import FunctionArn, get_function_name, parse_target
from lambdachain._core.errors import InvalidArnError

Attributes: TypeAlias = dict[str, str | int | float | bool]


def read_call(call: OutgoingCall) -> Attributes:
    """Return the attributes of a call that are known when it starts, for its span and its metrics."""
    return {
        "rpc.system": "aws-api",
        # Its name in the conventions of rpc.client.call.duration; those of AWS's API have not renamed it yet.
        "rpc.system.name": "aws-api",
        "rpc.service": "Lambda",
        # The AWS SDK is an RPC system of its own in the conventions.
        "rpc.method": get_api_operation(call),
        "faas.invoked_provider": "aws",
        "faas.invoked_name": get_function_name(call.function),
        "lambdachain.operation": call.operation,
    }


def read_address(address: str) -> Attributes:
    """Return what an address says beyond the name of the function."""
    try:
        target = parse_target(address)
    except InvalidArnError:
        return {}
    found: Attributes = {}
    if isinstance(target, FunctionArn):
        found |= {"faas.invoked_region": target.region, "aws.lambda.invoked_arn": str(target)}
    if target.qualifier is not None:
        found["lambdachain.qualifier"] = str(target.qualifier)
    return found


def get_error_type(error: BaseException) -> str:
    """Return the value of ``error.type``: what the function itself called its error, or the class of the exception."""
    if isinstance(error, FunctionError) and error.error_type:
        return error.error_type
    return type(error).__name__


def read_error(error: BaseException) -> Attributes:
    """Return what a failed call says beside the type of its error."""
    if not isinstance(error, CallError):
        return {}
    return {
        "lambdachain.execution": error.execution.value,
        "lambdachain.error.declared": isinstance(error, RemoteError),
    }


def read_attempt(attempt: CallAttempt) -> Attributes:
    """Return the attributes of the event of one attempt."""
    found: Attributes = {
        "lambdachain.attempt.number": attempt.number,
        "lambdachain.attempt.wait": attempt.wait,
        "lambdachain.attempt.hedge": attempt.hedge,
    }
    optional: dict[str, Any] = {
        "lambdachain.attempt.duration": attempt.duration,
        "aws.request_id": attempt.request_id,
        "http.response.status_code": attempt.status,
        "error.type": get_error_type(attempt.error) if attempt.error is not None else None,
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def read_invocation(invocation: HandledInvocation) -> Attributes:
    """Return the attributes of an invocation, from Lambda's context."""
    context = invocation.context
    arn = getattr(context, "invoked_function_arn", None)
    version = getattr(context, "function_version", None)
    invoked = _parse_arn(arn)
    found: dict[str, Any] = {
        "faas.invocation_id": getattr(context, "aws_request_id", None),
        "faas.name": get_handled_function(invocation),
        "faas.version": version,
        "aws.lambda.invoked_arn": arn,
        "cloud.provider": "aws",
        "cloud.resource_id": _get_resource_id(invoked, version) if invoked is not None else None,
        "cloud.account.id": invoked.account_id if invoked is not None else None,
    }
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _parse_arn(arn: object) -> FunctionArn | None:
    try:
        return FunctionArn.parse(arn) if isinstance(arn, str) else None
    except InvalidArnError:
        return None


def _get_resource_id(invoked: FunctionArn, version: object) -> str:
    """Return the ARN with the version in place of an alias, several of which may lead to one process."""
    if invoked.qualifier is None:
        return str(invoked)
    return str(invoked.with_qualifier(version) if isinstance(version, str) else invoked.without_qualifier())
