"""From Lambda's answer as it goes over HTTP to the ``Outcome`` that a client sees: what botocore's parser reads."""

from __future__ import annotations

import json

from lambdachain._core.invocation import Outcome
from lambdachain._transports.socket_options import retry_after

from .responses import Answer


def outcome_of(answer: Answer, request_id: str) -> Outcome:
    """Read an answer of the Invoke API."""
    if answer.status >= 300:
        return _refused(answer, request_id)
    headers = answer.headers
    return Outcome(
        answer.status,
        answer.body,
        function_error=headers.get("X-Amz-Function-Error"),
        executed_version=headers.get("X-Amz-Executed-Version"),
        log_result=headers.get("X-Amz-Log-Result"),
        request_id=request_id,
    )


def _refused(answer: Answer, request_id: str) -> Outcome:
    members: dict[str, str] = json.loads(answer.body or b"{}")
    return Outcome(
        answer.status,
        error_code=answer.headers.get("x-amzn-ErrorType"),
        error_message=members.get("message") or members.get("Message"),
        error_reason=members.get("Reason"),
        retry_after=retry_after({name.lower(): value for name, value in answer.headers.items()}),
        request_id=request_id,
    )
