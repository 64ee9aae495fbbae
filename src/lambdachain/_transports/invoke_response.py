"""An answer as an ``Outcome``, read as botocore reads it, so that every transport gives the same errors."""

from __future__ import annotations

from lambdachain._core.invocation import Outcome
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.socket_options import is_from_lambda, retry_after

from .http.response import Response


def outcome_of(response: Response) -> Outcome:
    """Read an answer, whatever its status."""
    if response.status >= 300:
        return _refused(response)
    get = response.headers.get
    return Outcome(
        status=response.status,
        payload=response.body,
        function_error=get("x-amz-function-error"),
        executed_version=get("x-amz-executed-version"),
        log_result=get("x-amz-log-result"),
        durable_execution_arn=get("x-amz-durable-execution-arn"),
        request_id=_request_id(response.headers),
        complete=response.complete,
        from_lambda=is_from_lambda(response.headers),
    )


def _refused(response: Response) -> Outcome:
    said = _texts(response.body)
    code = _error_code(response, said)
    return Outcome(
        status=response.status,
        request_id=_request_id(response.headers),
        error_code=code,
        error_message=said.get("message", said.get("Message", "")),
        error_reason=said.get("Reason"),
        retry_after=retry_after(response.headers),
        from_lambda=is_from_lambda(response.headers) or not code.isdigit(),
    )


def _error_code(response: Response, said: dict[str, str]) -> str:
    """Extract the error's name from the header, or the body, or else the status; whatever namespace it is in."""
    code = response.headers.get("x-amzn-errortype")
    for key in ("code", "Code", "__type"):
        code = said.get(key) if code is None else code
    if code is None:
        return str(response.status)
    return code.partition(":")[0].rpartition("#")[2]


def _texts(body: bytes) -> dict[str, str]:
    """Return the texts that a service says about an error; what is no JSON is one text, and a page of HTML is none."""
    import json

    text = body.decode(errors="replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if is_mapping(said):
        return {name: word for name, word in said.items() if isinstance(word, str)}
    return {} if text.lstrip().startswith("<html") else {"message": text}


def _request_id(headers: dict[str, str]) -> str | None:
    return headers.get("x-amzn-requestid") or headers.get("x-amz-request-id")
