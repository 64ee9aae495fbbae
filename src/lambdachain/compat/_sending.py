"""Send a call of boto3's client with lambdachain's retries, deadlines and metadata, and return boto3's response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lambdachain._calling.attempts import send_with_retries
from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import Moment, PreparedCall, prepare
from lambdachain._calling.target import Target
from lambdachain._contracts.contract import PlainContract
from lambdachain._core import clock
from lambdachain._core.current_invocation import current_invocation
from lambdachain._core.errors import CallError, FunctionError
from lambdachain._core.invocation import JsonText
from lambdachain._transports.transport_override import transport_override

from ._attempts import get_kind
from ._boto_attempts import BotoAttempts
from ._errors import to_boto_error
from ._settings import policy_for, settings_for

_CONTRACT: Final = PlainContract("boto3", request=Any, response=Any)


def send_call(client: Any, operation: str, parameters: Mapping[str, Any], send: Callable[[], Any]) -> Any:
    """Send a call until it succeeds, or no other attempt is allowed; return boto3's response.

    If the function fails, the response has ``FunctionError``, as in boto3.

    Args:
        client: The client.
        operation: boto3's name of the operation.
        parameters: Its parameters; botocore validates and serializes them.
        send: Sends them once, by botocore's own method.

    Raises:
        Exception: botocore's exception, which is also the ``CallError`` that says whether the function ran.
    """
    call, substitute = _prepare(client, operation, parameters), transport_override()
    if isinstance(call, CallError):
        raised = to_boto_error(call, None, client, operation)
        raise raised from raised.__cause__
    if substitute is None:
        return BotoAttempts(client, operation, call).run(send)
    from ._override import OverriddenAttempts

    attempts = OverriddenAttempts(client, operation, parameters, substitute)
    try:
        send_with_retries(attempts, call, (attempts.observe,))
    except FunctionError:
        pass  # the response has it
    except CallError as error:
        raised = to_boto_error(error, attempts.find_cause(error), client, operation, retries=attempts.count - 1)
        raise raised from raised.__cause__
    attempts.count_retries(attempts.response)
    return attempts.response


def _prepare(client: Any, operation: str, parameters: Mapping[str, Any]) -> PreparedCall | CallError:
    settings = settings_for(client)
    function, qualifier = str(parameters.get("FunctionName", "")), parameters.get("Qualifier")
    qualifier = qualifier if isinstance(qualifier, str) else None
    target = Target(_CONTRACT, function, qualifier)
    now = Moment(clock.monotonic(), clock.epoch())
    options: CallOptions = {"timeout": settings.timeout, "retry": policy_for(client)}
    durable_name = parameters.get("DurableExecutionName") or None
    repeatable = settings.may_run_twice(function, qualifier) or durable_name is not None
    try:
        compiled = compile_call(target, get_kind(operation, parameters), options)
        # Checked by botocore, as all parameters are.
        compiled = compiled._replace(repeatable=repeatable, durable_name=durable_name)
        # The payload is botocore's to serialize, so an empty one is prepared in its place.
        call = prepare(compiled, JsonText(b"{}"), within=current_invocation(), now=now)
    except CallError as error:
        return error
    return call if settings.metadata else call._replace(metadata=None)
