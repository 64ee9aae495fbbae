"""JSON from the user: payloads. JSON to the user: indented and colored on a terminal, compact in a pipe."""

from __future__ import annotations

import json
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import click

from ._exit_status import InputError

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract
    from lambdachain._core.invocation import JsonText

_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>true|false|null)|-?\d\S*?(?=[,\s]|$)'
)
# Only numbers of this form can exceed the largest float, 1.8e308: all others skip the slow check.
_MAY_BE_INFINITE: Final = re.compile(rb"\d[eE]\+?\d{3}|\d{200}")
# Marks a number that a float would round, kept as text; the random part keeps anybody else from writing a mark.
_MARK: Final = f"number {uuid4().hex} "
_MARKED: Final = re.compile(f'"{_MARK}([^"]*)"')
_COLOURS: Final = {"key": "blue", "text": "green", "word": "magenta", None: "cyan"}


def read_payload(payload: str | None) -> tuple[str, bytes]:
    """Read a payload: the argument itself, ``@FILE``, or standard input (``-`` or absent); return its name for messages
    and its bytes.

    Raises:
        InputError: There is no payload, or its file cannot be read.
    """
    if payload is None and sys.stdin.isatty():
        raise InputError("no payload: pass JSON, @FILE, or - for standard input")
    if payload is None or payload == "-":
        return "standard input", sys.stdin.buffer.read()
    if not payload.startswith("@"):
        return "the payload", payload.encode(errors="surrogateescape")
    try:
        return payload[1:], Path(payload[1:]).read_bytes()
    except OSError as exc:
        raise InputError(f"{payload[1:]}: {exc.strerror}") from None


def parse_json(name: str, text: bytes) -> JsonText:
    """Check that *text* is valid JSON, and keep it as written: a number may have more digits than a float.

    Raises:
        InputError: It is not valid JSON; the message names the position.
    """
    from pydantic_core import from_json

    from lambdachain._core.invocation import JsonText

    if not text.strip():
        raise InputError(f"{name} is empty; JSON is expected, for example null")
    try:
        # Not json.loads, which accepts NaN and Infinity.
        value = from_json(text, allow_inf_nan=False)
    except ValueError as exc:
        hint = _advise(text) if name == "the payload" else ""
        reason = str(exc) if b"\n" in text.strip() else str(exc).replace(" at line 1 column ", " at column ")
        raise InputError(f"{name} is not valid JSON: {reason}{hint}") from None
    # from_json() reads 1e400 as infinity even with allow_inf_nan=False.
    if _MAY_BE_INFINITE.search(text):
        _check_finite(name, value)
    return JsonText(text)


def _advise(argument: bytes) -> str:
    """Return what to do about an argument that is not JSON: it may be the name of a file."""
    name = os.fsdecode(argument)
    try:
        is_file = Path(name).is_file()
    except (OSError, ValueError):  # too long, or with a null character
        is_file = False
    return f"; to send a file, write @{name}" if is_file else "; in a shell, put it in single quotes"


def _check_finite(name: str, value: object) -> None:
    """Raise for a number that a float would turn into infinity: it would not be sent as written."""
    from lambdachain._json.codec import codec_for
    from lambdachain._json.payload_validation import PayloadValidationError

    try:
        codec_for(Any).encode(value)
    except PayloadValidationError:
        raise InputError(f"{name} has a number out of range: more than 1.8e308 would become infinity") from None


def parse_request(contract: Contract[Any, Any], name: str, text: bytes, address: str) -> Any:
    """Parse JSON as a contract's request.

    Raises:
        InputError: It is not valid JSON.
        InvalidRequestError: It does not fit the request type.
    """
    from lambdachain._core.errors import InvalidRequestError
    from lambdachain._json.codec import codec_for, type_name
    from lambdachain._json.payload_validation import PayloadValidationError

    parse_json(name, text)
    try:
        return codec_for(contract.request).decode(text)
    except PayloadValidationError as exc:
        message, details = f"{name} does not fit {type_name(contract.request)}: {exc}", exc.details
    raise InvalidRequestError(message, function=address, errors=details)


def encode_response(contract: Contract[Any, Any] | None, value: Any, address: str) -> bytes:
    """Serialize a response as compact JSON; without a contract, *value* is the JSON as received.

    Raises:
        ResponseError: It cannot be serialized: the type's serializer does not accept what its validator produced.
    """
    from pydantic_core import from_json, to_json

    from lambdachain._core.errors import ResponseError
    from lambdachain._json.codec import MAY_EXCEED_FLOAT_PRECISION, codec_for, type_name
    from lambdachain._json.payload_validation import PayloadValidationError

    if contract is None:
        return (
            to_compact_json(load_json(value)).encode()
            if re.search(MAY_EXCEED_FLOAT_PRECISION, value)
            else to_json(from_json(value))
        )
    try:
        return codec_for(contract.response).encode(value)
    except PayloadValidationError as exc:
        message, details = f"the response cannot be serialized as {type_name(contract.response)}: {exc}", exc.details
    raise ResponseError(message, function=address, errors=details)


def format_json(value: Any) -> str:
    """Format a JSON value for standard output: indented and colored on a terminal, otherwise in one line."""
    if not sys.stdout.isatty():
        return to_compact_json(value)
    return _TOKEN.sub(_highlight, _dump(value, indent=2))


def to_compact_json(value: Any) -> str:
    """Serialize as JSON without whitespace."""
    return _dump(value, separators=(",", ":"))


def load_json(text: bytes) -> Any:
    """Parse JSON that will be serialized again, and keep every digit of its numbers."""
    return json.loads(text, parse_float=_parse_number)


def _parse_number(token: str) -> float | str:
    number = float(token)
    return number if Decimal(token) == Decimal(str(number)) else f"{_MARK}{token}"


def _dump(value: Any, **form: Any) -> str:
    return _MARKED.sub(r"\1", json.dumps(value, ensure_ascii=False, **form))


def _highlight(token: re.Match[str]) -> str:
    return click.style(token[0], fg=_COLOURS[token.lastgroup])
