"""Function errors of every runtime, as on the wire, and what a caller gets for each.

Recorded bodies are those of LocalStack's AWS-validated snapshots; the others follow the runtimes' own sources. Every
one of them has status 200 and the header ``X-Amz-Function-Error``, whose value carries no information.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient, RemoteError
from tests.support.responses import http_response

REQUEST_ID = "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"
PLATFORM = f"RequestId: {REQUEST_ID} Error: "
TOO_LARGE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
RAN, DID_NOT_RUN, UNKNOWN = Execution.EXECUTED, Execution.NOT_EXECUTED, Execution.UNKNOWN


class CardDeclined(RemoteError):
    """A declared error with its fields."""

    reason: str
    retry_after_days: int | None = None


@dataclass(frozen=True)
class Failing:
    """The error a caller gets, with the callee's details; ``retryable`` without and with idempotency."""

    error: type[lc.CallError]
    error_type: str | None
    error_message: str | None
    stack_trace: tuple[str, ...] = ()
    execution: Execution = RAN
    retryable: tuple[bool, bool] = (False, False)
    fields: Mapping[str, Any] = field(default_factory=dict)


def platform(error_type: str, error: type[lc.CallError], execution: Execution = RAN, **more: Any) -> Any:
    """Return an error of the platform by its type."""
    body = b'{"errorType":"%s","errorMessage":"RequestId: %s Error: it"}' % (error_type.encode(), REQUEST_ID.encode())
    return pytest.param(body, Failing(error, error_type, f"{PLATFORM}it", (), execution, **more), id=error_type)


RUNTIMES = [
    pytest.param(
        rb'{"errorMessage": "Handler fails", "errorType": "Exception", '
        rb'"requestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70", "stackTrace": ["  File \"/var/task/'
        rb'lambda_handler_error.py\", line 2, in handler\n    raise Exception(\"Handler fails\")\n"]}',
        Failing(
            lc.FunctionError,
            "Exception",
            "Handler fails",
            ('  File "/var/task/lambda_handler_error.py", line 2, in handler\n    raise Exception("Handler fails")\n',),
        ),
        id="python 3.9 and later",
    ),
    pytest.param(
        rb'{"errorMessage": "Failed: some_error_msg", "errorType": "Exception", "stackTrace": ["  File \"/var/task/'
        rb'handler.py\", line 3, in handler\n    raise Exception(f\"Failed: {msg}\")\n"]}',
        Failing(
            lc.FunctionError,
            "Exception",
            "Failed: some_error_msg",
            ('  File "/var/task/handler.py", line 3, in handler\n    raise Exception(f"Failed: {msg}")\n',),
        ),
        id="python 3.8, without requestId",
    ),
    pytest.param(
        rb'{"errorMessage": "Runtime startup fails", "errorType": "Exception", "requestId": "", "stackTrace": '
        rb'["  File \"/var/lang/lib/python3.13/importlib/__init__.py\", line 88, in import_module\n    return '
        rb'_bootstrap._gcd_import(name[level:], package, level)\n", "  File \"/var/task/lambda_runtime_error.py\", '
        rb'line 1, in <module>\n    raise Exception(\"Runtime startup fails\")\n"]}',
        Failing(
            lc.FunctionInitError,
            "Exception",
            "Runtime startup fails",
            (
                (
                    '  File "/var/lang/lib/python3.13/importlib/__init__.py", line 88, in import_module\n    return '
                    "_bootstrap._gcd_import(name[level:], package, level)\n"
                ),
                (
                    '  File "/var/task/lambda_runtime_error.py", line 1, in <module>\n    raise Exception("Runtime '
                    'startup fails")\n'
                ),
            ),
            DID_NOT_RUN,
        ),
        id="python, raised while its module was imported",
    ),
    pytest.param(
        rb'{"errorMessage": "", "errorType": "MyError", "requestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70", '
        rb'"stackTrace": []}',
        Failing(lc.FunctionError, "MyError", ""),
        id="python, an error without text",
    ),
    pytest.param(
        rb'{"errorType":"Error","errorMessage":"some_error_msg","trace":["Error: some_error_msg","    at '
        rb'Runtime.handler (file:///var/task/index.mjs:4:9)"]}',
        Failing(
            lc.FunctionError,
            "Error",
            "some_error_msg",
            ("Error: some_error_msg", "    at Runtime.handler (file:///var/task/index.mjs:4:9)"),
        ),
        id="nodejs, whose stack is called trace",
    ),
    pytest.param(
        rb'{"errorType":"string","errorMessage":"no","trace":[]}',
        Failing(lc.FunctionError, "string", "no"),
        id="nodejs, a string thrown",
    ),
    pytest.param(
        rb'{"errorType":"handled","errorMessage":"callback called with Error argument, but there was a problem"}',
        Failing(lc.FunctionError, "handled", "callback called with Error argument, but there was a problem"),
        id="nodejs, an error that does not serialize",
    ),
    pytest.param(
        rb'{"errorMessage":"Error: some_error_msg","errorType":"java.lang.RuntimeException","stackTrace":'
        rb'["echo.Handler.handleRequest(Handler.java:20)","java.base/jdk.internal.reflect.X.invoke(Unknown Source)"]}',
        Failing(
            lc.FunctionError,
            "java.lang.RuntimeException",
            "Error: some_error_msg",
            (
                "echo.Handler.handleRequest(Handler.java:20)",
                "java.base/jdk.internal.reflect.X.invoke(Unknown Source)",
            ),
        ),
        id="java",
    ),
    pytest.param(
        rb'{"errorMessage":"Class not found: echo.Handler","errorType":"java.lang.ClassNotFoundException",'
        rb'"stackTrace":null}',
        Failing(lc.FunctionError, "java.lang.ClassNotFoundException", "Class not found: echo.Handler"),
        id="java, without a stack",
    ),
    pytest.param(
        rb'{"errorMessage":"Error: some_error_msg","errorType":"errorString"}',
        Failing(lc.FunctionError, "errorString", "Error: some_error_msg"),
        id="go",
    ),
    pytest.param(
        rb'{"errorMessage":"boom","errorType":"string","stackTrace":[{"path":"github.com/aws/aws-lambda-go/lambda/'
        rb'errors.go","line":39,"label":"lambdaPanicResponse"},{"path":"main.go","line":7,"label":"handler"}]}',
        Failing(
            lc.FunctionError,
            "string",
            "boom",
            (
                '{"path": "github.com/aws/aws-lambda-go/lambda/errors.go", "line": 39, "label": "lambdaPanicResponse"}',
                '{"path": "main.go", "line": 7, "label": "handler"}',
            ),
        ),
        id="go, a panic, whose frames are objects",
    ),
    pytest.param(
        b'{\n  "errorType": "Exception",\n  "errorMessage": "Error: some_error_msg",\n  "stackTrace": [\n    "at '
        b'dotnet.Function.FunctionHandler(Object input) in /tmp/Function.cs:line 24",\n    "at lambda_method(Closure)"'
        b'\n  ],\n  "cause":   {\n    "errorType": "IOException",\n    "errorMessage": "disk"\n  },\n  "causes": '
        b"[]\n}\n",
        Failing(
            lc.FunctionError,
            "Exception",
            "Error: some_error_msg",
            (
                "at dotnet.Function.FunctionHandler(Object input) in /tmp/Function.cs:line 24",
                "at lambda_method(Closure)",
            ),
        ),
        id="dotnet, with a cause, in many lines",
    ),
    pytest.param(
        rb'{"errorMessage":"Exception exceeded maximum payload size of 256KB."}',
        Failing(lc.FunctionError, None, "Exception exceeded maximum payload size of 256KB."),
        id="dotnet, an error above 256 KB, without a type",
    ),
    pytest.param(
        rb'{"errorMessage":"Error: some_error_msg","errorType":"Function<RuntimeError>","stackTrace":'
        rb"""["/var/task/function.rb:4:in `handler'"]}""",
        Failing(
            lc.FunctionError,
            "Function<RuntimeError>",
            "Error: some_error_msg",
            ("/var/task/function.rb:4:in `handler'",),
        ),
        id="ruby",
    ),
    pytest.param(
        rb'{"errorType":"&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",'
        rb'"errorMessage":"Error: \"some_error_msg\""}',
        Failing(
            lc.FunctionError,
            "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
            'Error: "some_error_msg"',
        ),
        id="rust",
    ),
    pytest.param(b'"it broke"', Failing(lc.FunctionError, None, "it broke"), id="custom, a text"),
    pytest.param(b'[1, {"a": 2}]', Failing(lc.FunctionError, None, '[1, {"a": 2}]'), id="custom, a list"),
    pytest.param(b"null", Failing(lc.FunctionError, None, "null"), id="custom, null"),
    pytest.param(b"it broke\n", Failing(lc.FunctionError, None, "it broke\n"), id="custom, no JSON"),
    pytest.param(b"br\xf6ken", Failing(lc.FunctionError, None, "br\ufffdken"), id="custom, no UTF-8"),
    pytest.param(b"", Failing(lc.FunctionError, None, ""), id="custom, nothing"),
    pytest.param(b"[" * 9_000, Failing(lc.FunctionError, None, "[" * 9_000), id="custom, nested beyond reading"),
    pytest.param(
        b'{"errorType": 7, "errorMessage": ["a"], "stackTrace": "one"}',
        Failing(lc.FunctionError, None, None),
        id="custom, an object of other things",
    ),
    pytest.param(
        b'{"errorType":"E","errorMessage":"m","StackTrace":["s", 1, null]}',
        Failing(lc.FunctionError, "E", "m", ("s", "1", "null")),
        id="custom, StackTrace in capitals",
    ),
]

PLATFORM_ERRORS = [
    pytest.param(
        b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after 1.00 seconds"}'
        % REQUEST_ID.encode(),
        Failing(lc.FunctionTimeoutError, "Sandbox.Timedout", f"{PLATFORM}Task timed out after 1.00 seconds"),
        id="timeout",
    ),
    pytest.param(
        b'{"errorMessage":"2024-04-08T16:58:04.345Z %s Task timed out after 1.00 seconds"}' % REQUEST_ID.encode(),
        Failing(
            lc.FunctionTimeoutError,
            None,
            f"2024-04-08T16:58:04.345Z {REQUEST_ID} Task timed out after 1.00 seconds",
        ),
        id="timeout until 2024, without a type",
    ),
    pytest.param(
        b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after 30.00 seconds"}'
        % REQUEST_ID.encode(),
        Failing(lc.FunctionTimeoutError, "Sandbox.Timedout", f"{PLATFORM}Task timed out after 30.00 seconds"),
        id="segmentation fault at import",
    ),
    pytest.param(
        b'{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: Runtime exited without providing a '
        b'reason"}' % REQUEST_ID.encode(),
        Failing(lc.FunctionCrashedError, "Runtime.ExitError", f"{PLATFORM}Runtime exited without providing a reason"),
        id="exit",
    ),
    pytest.param(
        b'{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: Runtime exited with error: exit status '
        b'127"}' % REQUEST_ID.encode(),
        Failing(
            lc.FunctionCrashedError,
            "Runtime.ExitError",
            f"{PLATFORM}Runtime exited with error: exit status 127",
        ),
        id="exit status 127",
    ),
    pytest.param(
        b'{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: Runtime exited with error: signal: '
        b'killed"}' % REQUEST_ID.encode(),
        Failing(lc.FunctionCrashedError, "Runtime.ExitError", f"{PLATFORM}Runtime exited with error: signal: killed"),
        id="no memory left: killed",
    ),
    pytest.param(
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}',
        Failing(lc.ResponseTooLargeError, "Function.ResponseSizeTooLarge", TOO_LARGE),
        id="answer of 7 MB",
    ),
    pytest.param(
        rb'{"errorMessage": "Unable to marshal response: Object of type datetime is not JSON serializable", '
        rb'"errorType": "Runtime.MarshalError", "requestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70", '
        rb'"stackTrace": []}',
        Failing(
            lc.FunctionError,
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type datetime is not JSON serializable",
        ),
        id="a response that is not JSON: it ran to its end",
    ),
    pytest.param(
        rb'{"errorMessage": "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)", '
        rb'"errorType": "Runtime.UnmarshalError", "requestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70", '
        rb'"stackTrace": []}',
        Failing(
            lc.FunctionError,
            "Runtime.UnmarshalError",
            "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)",
            (),
            DID_NOT_RUN,
        ),
        id="an event that the runtime could not read",
    ),
    platform("Runtime.OutOfMemory", lc.FunctionCrashedError),
    platform("Runtime.NodeJsExit", lc.FunctionCrashedError),
    platform("Runtime.UnhandledPromiseRejection", lc.FunctionError),
    platform("Runtime.TruncatedResponse", lc.FunctionError),
    platform("Runtime.InvalidResponseModeHeader", lc.FunctionError),
    platform("Runtime.LambdaContextUnmarshalError", lc.FunctionError, DID_NOT_RUN),
    platform("Runtime.ImportModuleError", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.HandlerNotFound", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.MalformedHandlerName", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.UserCodeSyntaxError", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.BuiltInModuleConflict", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.InvalidEntrypoint", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.InvalidWorkingDir", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.InitError", lc.FunctionInitError, DID_NOT_RUN),
    platform("Runtime.BadFunctionCode", lc.FunctionInitError, DID_NOT_RUN),
    platform("Extension.InitError", lc.FunctionCrashedError),
    platform("Extension.ExitError", lc.FunctionCrashedError),
    platform("Extension.Crash", lc.FunctionCrashedError),
    platform("Extension.LaunchError", lc.FunctionCrashedError),
    platform("Sandbox.Failure", lc.FunctionError, UNKNOWN, retryable=(False, True)),
    platform("Runtime.Unavailable", lc.FunctionError, UNKNOWN, retryable=(False, True)),
    platform("Runtime.Unknown", lc.FunctionError, UNKNOWN, retryable=(False, True)),
    platform("TooManyRequestsException", lc.FunctionError),
]

LAMBDACHAIN_ERRORS = [
    pytest.param(
        rb'{"errorMessage": "{\"reason\":\"limit\",\"retry_after_days\":3}", "errorType": "CardDeclined", '
        rb'"requestId": "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70", "stackTrace": []}',
        Failing(
            CardDeclined,
            "CardDeclined",
            '{"reason":"limit","retry_after_days":3}',
            fields={"reason": "limit", "retry_after_days": 3},
        ),
        id="a declared error with its fields",
    ),
    pytest.param(
        rb'{"errorMessage": "{\"reason\":\"limit\",\"new_field\":1}", "errorType": "CardDeclined"}',
        Failing(
            CardDeclined,
            "CardDeclined",
            '{"reason":"limit","new_field":1}',
            fields={"reason": "limit", "retry_after_days": None},
        ),
        id="a declared error of a newer callee",
    ),
    pytest.param(
        rb'{"errorMessage": "card declined", "errorType": "CardDeclined"}',
        Failing(lc.FunctionError, "CardDeclined", "card declined"),
        id="a namesake of a declared error",
    ),
    pytest.param(
        rb'{"errorMessage": "{\"reason\":7}", "errorType": "CardDeclined"}',
        Failing(lc.FunctionError, "CardDeclined", '{"reason":7}'),
        id="a declared error with fields of another type",
    ),
    pytest.param(
        rb'{"errorMessage": "{\"reason\":\"limit\"}", "errorType": "CardStolen"}',
        Failing(lc.FunctionError, "CardStolen", '{"reason":"limit"}'),
        id="an error that is not declared",
    ),
    pytest.param(
        rb'{"errorMessage": "{\"errors\": [{\"loc\": [\"items\", 0, \"cents\"], \"type\": \"int_parsing\", \"msg\": '
        rb'\"Input should be a valid integer\"}]}", "errorType": "RequestRejectedError"}',
        Failing(
            lc.RequestRejectedError,
            "RequestRejectedError",
            '{"errors": [{"loc": ["items", 0, "cents"], "type": "int_parsing", "msg": "Input should be a valid '
            'integer"}]}',
            fields={
                "errors": (
                    {
                        "loc": ("items", 0, "cents"),
                        "type": "int_parsing",
                        "msg": "Input should be a valid integer",
                    },
                ),
            },
        ),
        id="a request that the callee's contract refused",
    ),
    pytest.param(
        rb'{"errorMessage": "no", "errorType": "RequestRejectedError"}',
        Failing(lc.FunctionError, "RequestRejectedError", "no"),
        id="a namesake of our refusal",
    ),
]


@pytest.mark.parametrize("header", ["Unhandled", "Handled"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["", "idempotent"])
@pytest.mark.parametrize(("body", "failing"), [*RUNTIMES, *PLATFORM_ERRORS, *LAMBDACHAIN_ERRORS])
def test_a_function_error_becomes_the_documented_error(
    *,
    body: bytes,
    failing: Failing,
    idempotent: bool,
    header: str,
    server: Any,
    client: LambdaClient,
) -> None:
    """Class, execution, retryable and all details; Handled or Unhandled makes no difference."""
    log = {"X-Amz-Log-Result": base64.b64encode(b"END RequestId\n").decode()}
    headers = {"X-Amz-Executed-Version": "$LATEST", "X-Amz-Function-Error": header, **log}
    server.respond(http_response("200 OK", body, headers))
    contract = Contract("billing", request=dict[str, int], response=int, errors=[CardDeclined], idempotent=idempotent)

    with pytest.raises(lc.FunctionError) as caught:
        client.call(contract, {"cents": 5}, log_tail=True)

    error = caught.value
    assert failing.error is type(error)
    assert (failing.execution, failing.retryable[idempotent]) == (error.execution, error.retryable)
    assert (failing.error_type, failing.error_message) == (error.error_type, error.error_message)
    assert failing.stack_trace == error.stack_trace
    assert ("billing", REQUEST_ID, "END RequestId\n") == (error.function, error.request_id, error.log_tail)
    assert failing.fields == {name: getattr(error, name) for name in failing.fields}
    assert [(failing.error.__name__, 200)] == [(attempt.error, attempt.status) for attempt in error.attempts]
    assert len(server.requests) == 1


def test_an_error_with_megabytes_of_stack_has_a_short_message(server: Any, client: LambdaClient) -> None:
    """The fields keep everything that the callee sent."""
    message, frame = b"m" * 1_000_000, b"f" * 5_000_000
    body = b'{"errorType":"E","errorMessage":"%s","stackTrace":["%s"]}' % (message, frame)
    headers = {"X-Amz-Executed-Version": "$LATEST", "X-Amz-Function-Error": "Unhandled"}
    server.respond(http_response("200 OK", body, headers))

    with pytest.raises(lc.FunctionError) as caught:
        client.call("billing", None)

    assert (message.decode(), (frame.decode(),)) == (caught.value.error_message, caught.value.stack_trace)
    assert len(str(caught.value)) < 2_000
