"""AWS's responses as recorded and documented: the cases that every client of an endpoint must see alike."""

from __future__ import annotations

import sys

import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function"
NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
CONSTRAINT = "failed to satisfy constraint: Member must satisfy"
TOO_LONG = "failed to satisfy constraint: Member must have length less than or equal to"
TENANT_PATTERN = r"[a-zA-Z0-9\._:\/=+\-@ ]+"
LONG_ARN = f"arn:aws:lambda:invalid-region:123456789012:function:my-function-{'a' * 170}"

REFUSED = [
    pytest.param(
        {"FunctionName": "doesnotexist"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function",
    ),
    pytest.param(
        {"FunctionName": "doesnotexist", "InvocationType": "Event"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function, event",
    ),
    pytest.param(
        {"FunctionName": "doesnotexist", "InvocationType": "DryRun"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:doesnotexist:$LATEST"},
        id="unknown function, dry run",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "non-existent-alias"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:non-existent-alias"},
        id="unknown alias",
    ),
    pytest.param(
        {"FunctionName": f"{ARN}:echo:7"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:7"},
        id="unknown version in ARN",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:echo"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
        id="other region",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:us-east-1:210987654321:function:echo"},
        403,
        "AccessDeniedException",
        {
            "Message": "User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:InvokeFunction "
            "on resource: arn:aws:lambda:us-east-1:210987654321:function:echo "
            "because no resource-based policy allows the lambda:InvokeFunction action"
        },
        id="other account",
    ),
    pytest.param(
        {"FunctionName": "arn:aws:lambda:us-east-1:123400000000@function:myfn"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'arn:aws:lambda:us-east-1:123400000000@function:myfn' "
            f"at 'functionName' {CONSTRAINT} regular expression pattern: {NAME_PATTERN}"
        },
        id="bad name",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "invalid-qualifier-with-?-char"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'invalid-qualifier-with-?-char' "
            rf"at 'qualifier' {CONSTRAINT} regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
        },
        id="bad qualifier",
    ),
    pytest.param(
        {"FunctionName": "a" * 65},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:{'a' * 65}:$LATEST"},
        id="name of 65 characters",
    ),
    pytest.param(
        {"FunctionName": ARN},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:function:$LATEST"},
        id="ARN that ends too early",
    ),
    pytest.param(
        {"FunctionName": f"{ARN}:echo", "Qualifier": "$latest"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:$latest"},
        id="$latest",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "$"},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:$"},
        id="a dollar sign as qualifier",
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "a" * 128},
        404,
        "ResourceNotFoundException",
        {"Type": "User", "Message": f"Function not found: {ARN}:echo:{'a' * 128}"},
        id="longest qualifier",
    ),
    *(
        pytest.param(
            {"FunctionName": name},
            400,
            "ValidationException",
            {
                "message": f"1 validation error detected: Value '{name}' "
                f"at 'functionName' {CONSTRAINT} regular expression pattern: {NAME_PATTERN}"
            },
            id=f"bad name {name}",
        )
        for name in (
            "*",
            "$latest",
            "echo:$latest",
            "invalid-account:function:echo",
            "arn:aws:lambda:invalid-region:123456789012:function:echo",
            "arn:aws:ec2:us-east-1:123456789012:instance:i-1234567890abcdef0",
            f"{ARN}:echo:1:2",
            "function:echo:$LATEST:extra",
            "arn:aws:lambda::123456789012:function:echo",
            "arn:aws:lambda:us-east-1::function:echo",
            f"{ARN}:echo:$LATES",
        )
    ),
    pytest.param(
        {"FunctionName": "echo", "Qualifier": "a" * 129},
        400,
        "ValidationException",
        {"message": f"1 validation error detected: Value '{'a' * 129}' at 'qualifier' {TOO_LONG} 128"},
        id="qualifier of 129 characters",
    ),
    pytest.param(
        {"FunctionName": LONG_ARN, "Qualifier": "a" * 129},
        400,
        "ValidationException",
        {
            "message": f"2 validation errors detected: Value '{'a' * 129}' at 'qualifier' {TOO_LONG} 128; "
            f"Value '{LONG_ARN}' at 'functionName' {CONSTRAINT} regular expression pattern: {NAME_PATTERN}"
        },
        id="bad name and bad qualifier",
    ),
    pytest.param(
        {"FunctionName": "a" * 257},
        400,
        "ValidationException",
        {"message": f"1 validation error detected: Value '{'a' * 257}' at 'functionName' {TOO_LONG} 256"},
        id="name of 257 characters",
    ),
    pytest.param(
        {"FunctionName": "e!", "InvocationType": "Later", "LogType": "Head", "TenantId": "a" * 256 + ";"},
        400,
        "ValidationException",
        {
            "message": "5 validation errors detected: "
            f"Value 'e!' at 'functionName' {CONSTRAINT} regular expression pattern: {NAME_PATTERN}; "
            f"Value 'Later' at 'invocationType' {CONSTRAINT} enum value set: [RequestResponse, Event, DryRun]; "
            f"Value 'Head' at 'logType' {CONSTRAINT} enum value set: [None, Tail]; "
            f"Value '{'a' * 256};' at 'tenantId' {CONSTRAINT} regular expression pattern: {TENANT_PATTERN}; "
            f"Value '{'a' * 256};' at 'tenantId' {TOO_LONG} 256"
        },
        id="everything bad",
    ),
    pytest.param(
        {"FunctionName": "echo:$LATEST", "Qualifier": "1"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The derived qualifier from the function name does not match the specified qualifier.",
        },
        id="$LATEST and another qualifier",
    ),
    pytest.param(
        {"FunctionName": "echo:live", "Qualifier": "test"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The derived qualifier from the function name does not match the specified qualifier.",
        },
        id="two qualifiers",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Later"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'Later' "
            f"at 'invocationType' {CONSTRAINT} enum value set: [RequestResponse, Event, DryRun]"
        },
        id="bad invocation type",
    ),
    pytest.param(
        {"FunctionName": "echo", "LogType": "Head"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'Head' "
            f"at 'logType' {CONSTRAINT} enum value set: [None, Tail]"
        },
        id="bad log type",
    ),
    pytest.param(
        {"FunctionName": "echo", "TenantId": "tenant;1"},
        400,
        "ValidationException",
        {
            "message": "1 validation error detected: Value 'tenant;1' "
            rf"at 'tenantId' {CONSTRAINT} regular expression pattern: [a-zA-Z0-9\._:\/=+\-@ ]+"
        },
        id="bad tenant",
    ),
    pytest.param(
        {"FunctionName": "tenants"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The invoked function is enabled with tenancy configuration. "
            "Add a valid tenant ID in your request and try again.",
        },
        id="no tenant where tenants are kept apart",
    ),
    pytest.param(
        {"FunctionName": "echo", "TenantId": "a", "InvocationType": "Event"},
        400,
        "InvalidParameterValueException",
        {
            "Type": "User",
            "message": "The invoked function is not enabled with tenancy configuration. "
            "Remove the tenant ID from your request and try again.",
        },
        id="tenant where it must not be there",
    ),
    pytest.param(
        {"FunctionName": "parked"},
        429,
        "TooManyRequestsException",
        {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."},
        id="reserved concurrency 0",
    ),
    pytest.param(
        {"FunctionName": "echo", "Payload": b"x" * 6_291_457},
        413,
        "RequestEntityTooLargeException",
        {"Type": "User", "message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
        id="request too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Event", "Payload": b"1" * 1_048_577},
        413,
        "RequestEntityTooLargeException",
        {
            "Type": "User",
            "message": "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        },
        id="event too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "InvocationType": "Event", "Payload": b"x" * 7_000_000},
        413,
        "RequestEntityTooLargeException",
        {
            "Type": "User",
            "message": "7000000 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        },
        id="event far too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "ClientContext": "A" * 3_584},
        400,
        "InvalidRequestContentException",
        {"Type": "User", "message": "Client context must be no more than 3583 bytes when base64-encoded."},
        id="client context too large",
    ),
    pytest.param(
        {"FunctionName": "echo", "ClientContext": "{}"},
        400,
        "InvalidRequestContentException",
        {"Type": "User", "message": "Client context must be a valid Base64-encoded JSON object."},
        id="client context not base64",
    ),
    pytest.param(
        {"FunctionName": "echo", "DurableExecutionName": "order-1"},
        400,
        "InvalidParameterValueException",
        {"Type": "User", "message": "DurableExecutionName is only valid for a durable function."},
        id="durable execution",
    ),
]


NOT_JSON = [
    pytest.param(b"\x87{}", "Invalid UTF-8 start byte 0x87", id="not UTF-8"),
    pytest.param(b"{not json", "Expecting property name enclosed in double quotes", id="not JSON"),
    pytest.param(b'{"a": 1} trailing', "Extra data", id="trailing text"),
    pytest.param(b'{"a": NaN}', "Non-standard token 'NaN'", id="NaN"),
    pytest.param(b"[-Infinity]", "Non-standard token '-Infinity'", id="infinity"),
    pytest.param(b"[" * 100_000, "Document nesting depth exceeds the maximum allowed", id="too deep"),
    pytest.param(b"1" * 5_000, "Number value length exceeds the maximum allowed", id="number too long"),
]


EXIT = "RequestId: {request_id} Error: Runtime exited with error: "
NO_REASON = "RequestId: {request_id} Error: Runtime exited without providing a reason"
TIMEOUT = "RequestId: {request_id} Error: Task timed out after 1.00 seconds"
FAILED = [
    pytest.param("end", {"sys_exit": 0}, "Runtime.ExitError", NO_REASON),
    pytest.param("end", {"sys_exit": 1}, "Runtime.ExitError", EXIT + "exit status 1"),
    pytest.param("end", {"os_exit": 127}, "Runtime.ExitError", EXIT + "exit status 127"),
    pytest.param("end", {"signal": 9}, "Runtime.ExitError", EXIT + "signal: killed"),
    pytest.param("end", {"signal": 11}, "Runtime.ExitError", EXIT + "signal: segmentation fault"),
    pytest.param("end", {"signal": 15}, "Runtime.ExitError", EXIT + "signal: terminated"),
    pytest.param("end", {"interrupt": 1}, "Runtime.ExitError", EXIT + "signal: interrupt"),
    pytest.param("exits", {}, "Runtime.ExitError", NO_REASON),
    pytest.param("exits_with_7", {}, "Runtime.ExitError", EXIT + "exit status 7"),
    pytest.param("hasty", {"seconds": 60}, "Sandbox.Timedout", TIMEOUT),
]


BROKEN = [
    pytest.param("raises", "RuntimeError", "no configuration", id="exception"),
    pytest.param(
        "bad_import",
        "Runtime.ImportModuleError",
        "Unable to import module 'bad_import': No module named 'no_such_module_anywhere'",
        id="import",
    ),
    pytest.param("bad_syntax", "Runtime.UserCodeSyntaxError", "Syntax error in module 'bad_syntax': ", id="syntax"),
    pytest.param(
        "no_handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'no_handler'", id="no handler"
    ),
]


DESCRIBED = [
    pytest.param({"FunctionName": "describe"}, "$LATEST", f"{ARN}:describe", id="name"),
    pytest.param({"FunctionName": "function:describe"}, "$LATEST", f"{ARN}:describe", id="function and name"),
    pytest.param({"FunctionName": "123456789012:function:describe"}, "$LATEST", f"{ARN}:describe", id="partial ARN"),
    pytest.param({"FunctionName": f"{ARN}:describe"}, "$LATEST", f"{ARN}:describe", id="ARN"),
    pytest.param(
        {"FunctionName": "describe:$LATEST"}, "$LATEST", f"{ARN}:describe:$LATEST", id="name with a qualifier"
    ),
    pytest.param({"FunctionName": f"{ARN}:published:1"}, "1", f"{ARN}:published:1", id="ARN of a version"),
    pytest.param({"FunctionName": "published", "Qualifier": "live"}, "1", f"{ARN}:published:live", id="alias"),
    pytest.param(
        {"FunctionName": "published:live", "Qualifier": "live"}, "1", f"{ARN}:published:live", id="qualifier twice"
    ),
]
# The runtimes of Python 3.12 and later write characters as they are.
E_ACUTE = "\u00e9".encode() if sys.version_info >= (3, 12) else b"\\u00e9"
RESULTS = [
    pytest.param("nothing", b"{}", b"null", id="None"),
    pytest.param("echo", b'{"a":[1,"\xc3\xa9",null]}', b'{"a": [1, "%b", null]}' % E_ACUTE, id="beyond ASCII"),
    pytest.param("echo", b'"text"', b'"text"', id="text"),
    pytest.param("raw", b"{}", b'{"made": "by hand"}', id="bytes"),
]
