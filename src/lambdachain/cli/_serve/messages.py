"""The messages of ``serve``: dataclasses, and each as text for people or as a line of JSON for programs."""

from __future__ import annotations

import json
import shlex
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from click import style

from lambdachain._core.escaping import for_terminal, printable
from lambdachain._templates.diagnostics import Diagnostic
from lambdachain.local import LocalFunction, LocalHttpApi, LocalHttpRoute, LocalInvocation
from lambdachain.local._definitions._function_builder import SkippedFunction
from lambdachain.local._runtimes import runtime_for

_COLOURS: Final = ("cyan", "magenta", "blue", "yellow", "green")
_MAX_TEXT: Final = 300
_HTTP_KINDS: Final = {"rest": "REST API", "http": "HTTP API", "url": "function URL of"}
# Any credentials will do: the endpoint does not check signatures, but SDKs refuse to send without.
_CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass(frozen=True, slots=True)
class ServedHttpApi:
    """An HTTP API or a function URL, and its address."""

    api: LocalHttpApi
    url: str


@dataclass(frozen=True, slots=True)
class Serving:
    """The endpoint is running and serves the functions."""

    url: str
    region: str
    described_by: str
    functions: Sequence[LocalFunction]
    http: Sequence[ServedHttpApi] = ()


@dataclass(frozen=True, slots=True)
class Printed:
    """A function has printed a line."""

    function: str
    line: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Information that does not concern one function; a warning if *loud*."""

    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Functions were reloaded after a file changed."""

    functions: Sequence[str]
    changed: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The endpoint has stopped."""

    reason: str


ServeMessage: TypeAlias = Serving | Printed | LocalInvocation | Diagnostic | Notice | Reloaded | Stopped
# The ``type`` of each message with --json: documented, so independent of the names of the classes.
_TYPES: Final[Mapping[type[ServeMessage], str]] = {
    Serving: "serving",
    Printed: "printed",
    LocalInvocation: "invocation",
    Diagnostic: "problem",
    Notice: "notice",
    Reloaded: "reloaded",
    Stopped: "stopped",
}


def to_text(message: ServeMessage, clock: str) -> str:  # noqa: PLR0911 - one for each type
    """Render a message for people, with colors; *clock* is the time of day."""
    match message:
        case Serving():
            return _render_serving(message)
        case Printed(function, line):
            name = style(f"{printable(function)} |", fg=_color_for(function))
            return "\n".join(f"{name} {for_terminal(part)}" for part in line.split("\n"))
        case LocalInvocation():
            return _render_invocation(message, clock)
        case Diagnostic(fatal=True):
            return f"{style('error:', fg='red', bold=True)} {printable(str(message))}"
        case Diagnostic():
            return f"{style('warning:', fg='yellow', bold=True)} {printable(str(message))}"
        case Notice(text, loud=True):
            return style(f"WARNING: {printable(text)}", fg="red", bold=True)
        case Notice(text):
            return printable(text)
        case Reloaded(functions, changed):
            return f"{style(clock, dim=True)} {printable(changed)} changed, reloaded {', '.join(functions)}"
        case Stopped(reason):
            return f"stopped ({reason})"


def to_json_line(message: ServeMessage) -> str:
    """Serialize a message as one line of JSON, with its ``type``."""
    return json.dumps({"type": _TYPES[type(message)], **_message_fields(message)})


def describe_skipped(skipped: Iterable[SkippedFunction]) -> str:
    """Return one line with the names of the functions that are not served, by the reason."""
    names: dict[str, list[str]] = {}
    for each in skipped:
        # What to do about it is in the error itself, after the first colon.
        reason = each.reason.text.partition(": ")[0]
        # The error itself starts with the setting's key.
        setting = each.reason.location.key.rpartition(".")[2]
        reason = f"{setting} {reason}" if reason.startswith("must be ") else reason
        names.setdefault(reason, []).append(each.name)
    return "not served: " + "; ".join(f"{', '.join(each)} ({reason})" for reason, each in names.items())


def sdk_environment(url: str, region: str) -> dict[str, str]:
    """Return the environment variables that make any AWS SDK call the endpoint."""
    return {"AWS_ENDPOINT_URL_LAMBDA": url, **_CREDENTIALS, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def _message_fields(message: ServeMessage) -> Mapping[str, Any]:  # noqa: PLR0911 - one for each type
    match message:
        case Serving(url, region, described_by, functions, http):
            rows = [_function_to_dict(function) for function in functions]
            return {
                "url": url,
                "described_by": described_by,
                "functions": rows,
                "http": [_http_api_to_dict(each) for each in http],
                "environment": sdk_environment(url, region),
            }
        case Printed(function, line):
            return {"function": function, "line": line}
        case LocalInvocation():
            names = ("function", "version", "request_id", "status", "error", "duration", "init", "caller", "attempt")
            values = {name: getattr(message, name) for name in names}
            return {**values, "invocation_type": str(message.invocation_type), "cold": message.cold}
        case Diagnostic(location, text, fatal):
            return {"source": location.source, "line": location.line, "key": location.key, "text": text, "fatal": fatal}
        case Notice(text, loud):
            return {"text": text, "loud": loud}
        case Reloaded(functions, changed):
            return {"functions": list(functions), "changed": changed}
        case Stopped(reason):
            return {"reason": reason}


def _function_to_dict(function: LocalFunction) -> dict[str, Any]:
    return {
        "function": function.name,
        "handler": function.handler or "bootstrap",
        "runtime": runtime_for(function).identifier(function),
        "timeout": function.timeout,
        "memory": function.memory,
        "qualifiers": sorted(function.qualifiers - {"$LATEST"}),
    }


def _http_api_to_dict(served: ServedHttpApi) -> dict[str, Any]:
    api = served.api
    routes = [
        {"route": key, "function": _target(route), "authorizer": route.authorizer} for key, route in api.targets.items()
    ]
    return {"name": api.name, "kind": api.kind, "url": served.url, "stage": api.stage, "routes": routes}


def _target(route: LocalHttpRoute) -> str:
    return route.function if route.qualifier is None else f"{route.function}:{route.qualifier}"


def _render_http_apis(apis: Sequence[ServedHttpApi]) -> Iterable[str]:
    for served in apis:
        api = served.api
        yield f"{_HTTP_KINDS[api.kind]} {printable(api.name)} at {style(served.url, bold=True)}"
        width = max(map(len, api.targets))
        for key, route in api.targets.items():
            authorizer = "" if route.authorizer is None else f"  authorizer {printable(route.authorizer)}"
            yield f"  {printable(key.ljust(width))}  {printable(_target(route))}{authorizer}"
        yield ""


def _render_serving(message: Serving) -> str:
    count = len(message.functions)
    titles = ("function", "handler", "runtime", "timeout", "memory", "versions and aliases")
    rows = [tuple(_to_cells(_function_to_dict(function))) for function in message.functions]
    lines = [
        f"{message.described_by}: {count} function{'s' if count != 1 else ''} at {style(message.url, bold=True)}",
        "",
        *_render_table(titles, rows),
        "",
        *_render_http_apis(message.http),
        "Call them from another terminal, with any AWS SDK or the AWS CLI:",
        # One line to copy; that terminal may not have this command on its PATH.
        f"  export {' '.join(_render_assignments(sdk_environment(message.url, message.region)))}",
        f"  aws lambda invoke --function-name {message.functions[0].name} /dev/stdout",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


def _render_assignments(environment: Mapping[str, str]) -> Iterable[str]:
    return (f"{name}={shlex.quote(value)}" for name, value in environment.items())


def _to_cells(row: Mapping[str, Any]) -> Iterable[str]:
    yield from (row["function"], row["handler"], row["runtime"])
    yield f"{row['timeout']:g} s"
    yield f"{row['memory']} MB"
    yield " ".join(row["qualifiers"])


def _render_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for index, row in enumerate((titles, *rows)):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  " + "  ".join(cells).rstrip()
        yield style(line, dim=True) if index == 0 else line


def _render_invocation(invocation: LocalInvocation, clock: str) -> str:
    caller = f"{printable(invocation.caller, _MAX_TEXT)} > " if invocation.caller else ""
    version = f":{invocation.version}" if invocation.version not in (None, "$LATEST") else ""
    name = style(printable(invocation.function, _MAX_TEXT), fg=_color_for(invocation.function))
    failed = invocation.error is not None or invocation.status >= 400
    parts = [
        style(clock, dim=True),
        f"{caller}{name}{version}",
        str(invocation.invocation_type),
        style(str(invocation.status), fg="red" if failed else "green"),
        f"{invocation.duration * 1000:.0f} ms",
        f"cold +{invocation.init * 1000:.0f} ms"
        if invocation.init is not None
        else "warm"
        if invocation.version
        else "",
        style(invocation.request_id, dim=True),
        f"delivery {invocation.attempt}" if invocation.attempt > 1 else "",
        style(printable(invocation.error, _MAX_TEXT), fg="red", bold=True) if invocation.error else "",
    ]
    return "  ".join(part for part in parts if part)


def _color_for(function: str) -> str:
    """Return the color of a function's name, the same in every run."""
    # Not hash(), which differs in every process.
    return _COLOURS[zlib.crc32(function.encode(errors="replace")) % len(_COLOURS)]
