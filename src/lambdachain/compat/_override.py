"""Calls of boto3's client that go to the transport of a test, such as ``lambda_stub``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.response import StreamingBody

from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.invocation import Invocation, InvocationType, Outcome, Transport
from lambdachain._transports.streaming import ResponseStream, StreamEnd, open_stream

from ._attempts import Attempts, accept
from ._request_hooks import merge_client_contexts

_PAYLOADS: Final = ("Payload", "InvokeArgs")


class OverriddenAttempts(Attempts):
    """The attempts of one call, sent over the transport that a test has put in AWS's place."""

    def __init__(self, client: Any, operation: str, parameters: Mapping[str, Any], transport: Transport) -> None:
        super().__init__()
        self.reached = self.may_repeat = True
        self._client = client
        self._operation = operation
        self._parameters = parameters
        self._transport = transport
        self._payload = _read_payload(next((parameters[name] for name in _PAYLOADS if name in parameters), b""))

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send the call once; see ``Transport.send``."""
        self.response = self._raised = None
        request = self._to_invocation(invocation)
        if self._operation == "InvokeWithResponseStream":
            stream = open_stream(self._transport, request, timeout)
            outcome = stream.outcome
            body: dict[str, Any] = {"EventStream": TransportEventStream(stream)}
        else:
            outcome = self._transport.send(request, timeout=timeout)
            body = {"Payload": StreamingBody(io.BytesIO(outcome.payload), len(outcome.payload))}
        if outcome.status >= 300:
            self._raised = self._to_client_error(outcome)
            return outcome
        members = _to_members(outcome)
        if self._operation == "InvokeAsync":
            members, body = {"ResponseMetadata": members["ResponseMetadata"]}, {"Status": outcome.status}
        self.response = {**members, **body}
        return accept(request.invocation_type, outcome)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts, as the transport does."""
        from lambdachain._calling.attempts import pause

        pause(self._transport, seconds)

    def _to_invocation(self, invocation: Invocation) -> Invocation:
        get = self._parameters.get
        name, qualifier = split_qualifier(invocation.function_name, invocation.qualifier, InvalidArnError)
        ours, theirs = invocation.client_context, get("ClientContext")
        return Invocation(
            name,
            invocation.invocation_type,
            self._payload or (b"" if invocation.invocation_type is InvocationType.DRY_RUN else b"{}"),
            qualifier,
            theirs if ours is None else merge_client_contexts(theirs, ours),
            get("LogType") == "Tail",
            get("TenantId"),
            get("DurableExecutionName"),
        )

    def _to_client_error(self, outcome: Outcome) -> Exception:
        error = {"Code": outcome.error_code, "Message": outcome.error_message or ""}
        response = {**_to_members(outcome), "Error": error}
        if outcome.error_reason is not None:
            response["Reason"] = outcome.error_reason
        kind = self._client.exceptions.from_code(outcome.error_code)
        raised: Exception = kind(response, self._operation)
        return raised


class TransportEventStream:
    """A stream of a test's transport, as botocore's events."""

    def __init__(self, stream: ResponseStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while isinstance(chunk := self._stream.read(), bytes):
            yield {"PayloadChunk": {"Payload": chunk}}
        yield {"InvokeComplete": _to_complete(chunk)}

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _to_complete(end: StreamEnd) -> dict[str, str]:
    members = {"ErrorCode": end.error_code, "ErrorDetails": end.error_details, "LogResult": end.log_result}
    return {name: text for name, text in members.items() if text is not None}


def _to_members(outcome: Outcome) -> dict[str, Any]:
    members = {
        "FunctionError": outcome.function_error,
        "ExecutedVersion": outcome.executed_version,
        "LogResult": outcome.log_result,
        "DurableExecutionArn": outcome.durable_execution_arn,
    }
    metadata: dict[str, Any] = {"HTTPStatusCode": outcome.status, "HTTPHeaders": {}, "RetryAttempts": 0}
    if outcome.request_id is not None:
        metadata["RequestId"] = outcome.request_id
    known = {name: text for name, text in members.items() if text is not None}
    return {"ResponseMetadata": metadata, "StatusCode": outcome.status, **known}


def _read_payload(payload: Any) -> bytes:
    if isinstance(payload, str):
        return payload.encode()
    return bytes(payload.read() if hasattr(payload, "read") else payload)
