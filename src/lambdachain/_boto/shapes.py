"""An invocation as the parameters of boto3's methods, and what boto3 gives back as an ``Outcome``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambdachain._invocation import Invocation, Outcome
from lambdachain._wire import retry_after

OPERATIONS: Final = ("Invoke", "InvokeWithResponseStream")


def parameters(invocation: Invocation) -> dict[str, Any]:
    """Write an invocation as boto3 takes it."""
    optional = {
        "Qualifier": invocation.qualifier,
        "ClientContext": invocation.client_context,
        "TenantId": invocation.tenant_id,
        "DurableExecutionName": invocation.durable_name,
        "LogType": "Tail" if invocation.log_tail else None,
    }
    return {
        "FunctionName": invocation.function_name,
        "InvocationType": invocation.invocation_type.value,
        "Payload": invocation.payload,
        **{name: str(value) for name, value in optional.items() if value is not None},
    }


def answered(response: Mapping[str, Any], payload: bytes) -> Outcome:
    """Read a success, whose body is *payload*."""
    return Outcome(
        status=response["StatusCode"],
        payload=payload,
        function_error=response.get("FunctionError"),
        executed_version=response.get("ExecutedVersion"),
        log_result=response.get("LogResult"),
        durable_execution_arn=response.get("DurableExecutionArn"),
        request_id=response.get("ResponseMetadata", {}).get("RequestId"),
    )


def refused(response: Mapping[str, Any]) -> Outcome:
    """Read the response of a ``ClientError``."""
    metadata = response.get("ResponseMetadata", {})
    error = response.get("Error", {})
    return Outcome(
        status=metadata.get("HTTPStatusCode", 400),
        request_id=metadata.get("RequestId"),
        error_code=error.get("Code"),
        error_message=error.get("Message"),
        error_reason=response.get("Reason"),
        retry_after=retry_after(metadata.get("HTTPHeaders", {})),
    )
