"""JSON that a user gives, and JSON for the user's eyes or the next program."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import click

from ._exit_status import Refusal

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract
    from lambdachain._core.invocation import JsonText

_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>true|false|null)|-?\d\S*?(?=[,\s]|$)'
)
# Only such numbers can exceed what 64 bits hold, 1.8e308.
_MAY_BE_INFINITE: Final = re.compile(rb"\d[eE]\+?\d{3}|\d{200}")
# Stands before a number that Python would not keep, in a text: nobody outside of this process can write it.
_MARK: Final = f"number {uuid4().hex} "
_MARKED: Final = re.compile(f'"{_MARK}([^"]*)"')
_COLOURS: Final = {"key": "blue", "text": "green", "word": "magenta", None: "cyan"}


def given_text(payload: str | None) -> tuple[str, bytes]:
    """Read a payload: the argument itself, ``@FILE``, or standard input (``-``, or nothing); with what to call it.

    Raises:
        Refusal: There is none, or its file cannot be read.
    """
    if payload is None and sys.stdin.isatty():
        raise Refusal("no payload: give JSON, @FILE, or - for standard input")
    if payload is None or payload == "-":
        return "standard input", sys.stdin.buffer.read()
    if not payload.startswith("@"):
        return "the payload", payload.encode(errors="surrogateescape")
    try:
        return payload[1:], Path(payload[1:]).read_bytes()
    except OSError as exc:
        raise Refusal(f"{payload[1:]}: {exc.strerror}") from None


def parsed(name: str, text: bytes) -> JsonText:
    """Check that *text* is JSON, and keep it as it is written: a number may have more digits than a float.

    Raises:
        Refusal: It is none; the message says where.
    """
    from pydantic_core import from_json

    from lambdachain._core.invocation import JsonText

    if not text.strip():
        raise Refusal(f"{name} is empty: it has to be JSON, which may be null")
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as exc:
        quotes = "; in a shell, put it between single quotes" if name == "the payload" else ""
        words = str(exc) if b"\n" in text.strip() else str(exc).replace(" at line 1 column ", " at column ")
        raise Refusal(f"{name} is not JSON: {words}{quotes}") from None
    if _MAY_BE_INFINITE.search(text):
        _check_finite(name, value)
    return JsonText(text)


def _check_finite(name: str, value: object) -> None:
    """Refuse a number that is read as infinite: it would not be sent as it was written."""
    from lambdachain._json.codec import codec_of
    from lambdachain._json.payload_validation import PayloadValidationError

    try:
        codec_of(Any).encode(value)
    except PayloadValidationError:
        raise Refusal(f"{name} has a number that is too large: over 1.8e308 it is infinite once it is read") from None


def typed(contract: Contract[Any, Any], name: str, text: bytes, address: str) -> Any:
    """Read JSON as a contract's request.

    Raises:
        Refusal: It is no JSON.
        InvalidRequestError: It does not fit.
    """
    from lambdachain._core.errors import InvalidRequestError
    from lambdachain._json.codec import codec_of, type_name
    from lambdachain._json.payload_validation import PayloadValidationError

    parsed(name, text)
    try:
        return codec_of(contract.request).decode(text)
    except PayloadValidationError as exc:
        words, details = f"{name} does not fit {type_name(contract.request)}: {exc}", exc.details
    raise InvalidRequestError(words, function=address, errors=details)


def written(contract: Contract[Any, Any] | None, value: Any, address: str) -> bytes:
    """Write an answer as JSON, in as few characters as it takes; without a contract, *value* is the JSON that came.

    Raises:
        ResponseError: It cannot be read back as its type says: its reader and its writer do not agree.
    """
    from pydantic_core import from_json, to_json

    from lambdachain._core.errors import ResponseError
    from lambdachain._json.codec import MAY_EXCEED_FLOAT_PRECISION, codec_of, type_name
    from lambdachain._json.payload_validation import PayloadValidationError

    if contract is None:
        return (
            in_one_line(loaded(value)).encode()
            if MAY_EXCEED_FLOAT_PRECISION.search(value)
            else to_json(from_json(value))
        )
    try:
        return codec_of(contract.response).encode(value)
    except PayloadValidationError as exc:
        words, details = f"the answer cannot be written as {type_name(contract.response)}: {exc}", exc.details
    raise ResponseError(words, function=address, errors=details)


def shown(value: Any) -> str:
    """Write what JSON says for standard output: with indents and colours on a terminal, else in one line."""
    if not sys.stdout.isatty():
        return in_one_line(value)
    return _TOKEN.sub(_coloured, _dumped(value, indent=2))


def in_one_line(value: Any) -> str:
    """Write JSON in as few characters as it takes."""
    return _dumped(value, separators=(",", ":"))


def loaded(text: bytes) -> Any:
    """Read JSON that will be written again, with every digit of its numbers."""
    return json.loads(text, parse_float=_number)


def _number(token: str) -> float | str:
    number = float(token)
    return number if Decimal(token) == Decimal(str(number)) else f"{_MARK}{token}"


def _dumped(value: Any, **form: Any) -> str:
    return _MARKED.sub(r"\1", json.dumps(value, ensure_ascii=False, **form))


def _coloured(token: re.Match[str]) -> str:
    return click.style(token[0], fg=_COLOURS[token.lastgroup])
