"""What ``serve`` tells: values, and each as text for people or as one line of JSON for programs."""

from __future__ import annotations

import json
import shlex
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from click import style

from lambdachain._core.text import for_terminal, printable
from lambdachain._templates.problem import Diagnostic
from lambdachain.local import LocalFunction, LocalInvocation
from lambdachain.local._runtimes import runtime_of

_COLOURS: Final = ("cyan", "magenta", "blue", "yellow", "green")
_LONGEST: Final = 300
_CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass(frozen=True, slots=True)
class Serving:
    """The functions are served."""

    url: str
    region: str
    described_by: str
    functions: Sequence[LocalFunction]


@dataclass(frozen=True, slots=True)
class Printed:
    """A function has printed a line."""

    function: str
    line: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know that is no problem of a function's."""

    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Functions are served as they are now."""

    functions: Sequence[str]
    changed: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The endpoint has ended."""

    reason: str


Message: TypeAlias = Serving | Printed | LocalInvocation | Diagnostic | Notice | Reloaded | Stopped
# What programs that read --json tell them apart by: documented, whatever the classes are called.
_TYPES: Final[Mapping[type[Message], str]] = {
    Serving: "serving",
    Printed: "printed",
    LocalInvocation: "invocation",
    Diagnostic: "problem",
    Notice: "notice",
    Reloaded: "reloaded",
    Stopped: "stopped",
}


def as_text(message: Message, clock: str) -> str:  # noqa: PLR0911 - one for each kind
    """Write a message for people, with colours; *clock* is the time of day."""
    match message:
        case Serving():
            return _welcome(message)
        case Printed(function, line):
            name = style(f"{printable(function)} |", fg=_colour(function))
            return "\n".join(f"{name} {for_terminal(part)}" for part in line.split("\n"))
        case LocalInvocation():
            return _invocation(message, clock)
        case Diagnostic(fatal=True):
            return f"{style('error:', fg='red', bold=True)} {printable(str(message))}"
        case Diagnostic():
            return f"{style('warning:', fg='yellow', bold=True)} {printable(str(message))}"
        case Notice(text, loud=True):
            return style(f"WARNING: {printable(text)}", fg="red", bold=True)
        case Notice(text):
            return printable(text)
        case Reloaded(functions, changed):
            return f"{style(clock, dim=True)} {printable(changed)} changed: {', '.join(functions)} reloaded"
        case Stopped(reason):
            return f"stopped ({reason})"


def as_json(message: Message) -> str:
    """Write a message as one line of JSON; ``type`` says which it is."""
    return json.dumps({"type": _TYPES[type(message)], **_fields(message)})


def exports(url: str, region: str) -> dict[str, str]:
    """Return the variables with which any AWS SDK calls the endpoint."""
    return {"AWS_ENDPOINT_URL_LAMBDA": url, **_CREDENTIALS, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def _fields(message: Message) -> Mapping[str, Any]:  # noqa: PLR0911 - one for each kind
    match message:
        case Serving(url, region, described_by, functions):
            rows = [_row(function) for function in functions]
            return {"url": url, "described_by": described_by, "functions": rows, "environment": exports(url, region)}
        case Printed(function, line):
            return {"function": function, "line": line}
        case LocalInvocation():
            names = ("function", "version", "request_id", "status", "error", "duration", "init", "caller", "attempt")
            values = {name: getattr(message, name) for name in names}
            return {**values, "invocation_type": str(message.invocation_type), "cold": message.cold}
        case Diagnostic(spot, text, fatal):
            return {"source": spot.source, "line": spot.line, "key": spot.key, "text": text, "fatal": fatal}
        case Notice(text, loud):
            return {"text": text, "loud": loud}
        case Reloaded(functions, changed):
            return {"functions": list(functions), "changed": changed}
        case Stopped(reason):
            return {"reason": reason}


def _row(function: LocalFunction) -> dict[str, Any]:
    return {
        "function": function.name,
        "handler": function.handler or "bootstrap",
        "runtime": runtime_of(function).identifier(function),
        "timeout": function.timeout,
        "memory": function.memory,
        "qualifiers": sorted(function.qualifiers - {"$LATEST"}),
    }


def _welcome(serving: Serving) -> str:
    count = len(serving.functions)
    titles = ("function", "handler", "runtime", "timeout", "memory", "versions and aliases")
    rows = [tuple(_cells(_row(function))) for function in serving.functions]
    lines = [
        f"{serving.described_by}: {count} function{'s' if count != 1 else ''} at {style(serving.url, bold=True)}",
        "",
        *_table(titles, rows),
        "",
        "Call them from another terminal, with any AWS SDK or the AWS CLI:",
        *(f"  export {name}={shlex.quote(value)}" for name, value in exports(serving.url, serving.region).items()),
        f"  aws lambda invoke --function-name {serving.functions[0].name} /dev/stdout",
        "",
        "Ctrl-C stops.",
    ]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> Iterable[str]:
    yield from (row["function"], row["handler"], row["runtime"])
    yield f"{row['timeout']:g} s"
    yield f"{row['memory']} MB"
    yield " ".join(row["qualifiers"])


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for index, row in enumerate((titles, *rows)):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  " + "  ".join(cells).rstrip()
        yield style(line, dim=True) if index == 0 else line


def _invocation(done: LocalInvocation, clock: str) -> str:
    caller = f"{printable(done.caller, _LONGEST)} > " if done.caller else ""
    version = f":{done.version}" if done.version not in (None, "$LATEST") else ""
    name = style(printable(done.function, _LONGEST), fg=_colour(done.function))
    failed = done.error is not None or done.status >= 400
    parts = [
        style(clock, dim=True),
        f"{caller}{name}{version}",
        str(done.invocation_type),
        style(str(done.status), fg="red" if failed else "green"),
        f"{done.duration * 1000:.0f} ms",
        f"cold +{done.init * 1000:.0f} ms" if done.init is not None else "warm" if done.version else "",
        style(done.request_id, dim=True),
        f"delivery {done.attempt}" if done.attempt > 1 else "",
        style(printable(done.error, _LONGEST), fg="red", bold=True) if done.error else "",
    ]
    return "  ".join(part for part in parts if part)


def _colour(function: str) -> str:
    """Return a function its colour, the same in every run."""
    return _COLOURS[zlib.crc32(function.encode(errors="replace")) % len(_COLOURS)]
