"""Which function a task calls, and with what: by the service integration of Lambda, or by its ARN as the resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lambdachain._core.type_guards import is_mapping

from ._query_language import QueryLanguage, is_expression

PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
# A template may leave the partition, or the whole resource, to be filled in.
_PARTITION: Final = rf"(?:[a-z-]+|{PLACEHOLDER.pattern})"
_INTEGRATION: Final = re.compile(
    rf"arn:{_PARTITION}:states:::(?P<sdk>aws-sdk:)?lambda:invoke(?P<pattern>\.waitForTaskToken)?"
)
_FUNCTION: Final = re.compile(rf"arn:{_PARTITION}:lambda:|{PLACEHOLDER.pattern}$")


class TaskInvocation(NamedTuple):
    """What a task sends to Lambda.

    Attributes:
        function: The address as written, with a qualifier that is passed separately; ``None`` if it is only known at
            run time.
        payload: The payload template, or the expression that it is; ``None`` for the state's whole input.
        is_expression: Whether the whole payload is evaluated at run time.
        is_direct: Whether the response itself, without Lambda's headers, is the result of the task.
        waits_for_token: Whether the task ends by a callback.
        is_sdk: Whether the result is that of the SDK: the response is a text, and an error of the function a member.
        is_synchronous: Whether the task ends after the function, and not when Lambda has queued the request.
    """

    function: str | None
    payload: object
    is_expression: bool = False
    is_direct: bool = False
    waits_for_token: bool = False
    is_sdk: bool = False
    is_synchronous: bool = True

    @property
    def returns_response(self) -> bool:
        """Whether what the function returned or raised is what the task returns, or fails with."""
        return self.is_synchronous and not self.is_sdk and not self.waits_for_token


def parse_invocation(state: Mapping[str, Any], language: QueryLanguage) -> TaskInvocation | None:
    """Return what a state sends to Lambda; ``None`` if it calls no function."""
    resource: Any = state.get("Resource")
    if state.get("Type") != "Task" or not isinstance(resource, str):
        return None
    arguments: Any = state.get("Parameters" if language == "JSONPath" else "Arguments")
    if _FUNCTION.match(resource):
        return TaskInvocation(resource, arguments, arguments is None, is_direct=True)
    found = _INTEGRATION.fullmatch(resource)
    if found is None:
        return None
    members: Mapping[str, Any] = arguments if is_mapping(arguments) else {}
    # Without a payload, the function gets an empty object.
    payload: Any = members.get("Payload.$", members.get("Payload", {}))
    # In JSONPath, a text that looks like a path is a constant unless its name ends with ".$".
    is_dynamic = "Payload.$" in members if language == "JSONPath" else is_expression(payload, language)
    return TaskInvocation(
        _get_address(members, language),
        payload,
        is_dynamic,
        waits_for_token=found["pattern"] is not None,
        is_sdk=found["sdk"] is not None,
        is_synchronous=members.get("InvocationType") not in ("Event", "DryRun"),
    )


def _get_address(arguments: Mapping[str, Any], language: QueryLanguage) -> str | None:
    address: Any = arguments.get("FunctionName")
    qualifier: Any = arguments.get("Qualifier")
    # A placeholder of a template, ${ChargeFunctionArn}, is filled in before the definition runs.
    is_dynamic = language == "JSONata" and (is_expression(address, language) or is_expression(qualifier, language))
    if not isinstance(address, str) or is_dynamic or "Qualifier.$" in arguments:
        return None
    return f"{address}:{qualifier}" if isinstance(qualifier, str) else address
