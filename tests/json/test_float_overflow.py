"""Numbers beyond the range of a float are valid JSON that Python reads as infinity; they are rejected like NaN."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, JsonValue

from lambdachain import (
    AsyncLambdaClient,
    Contract,
    InProcessTransport,
    Invocation,
    LambdaClient,
    Outcome,
    RequestRejectedError,
    ResponseError,
    remote,
)
from lambdachain._json.codec import codec_for
from lambdachain._json.float_overflow_scan import may_overflow
from lambdachain._json.payload_validation import PayloadValidationError
from tests.support.async_as_sync import iterated

HUGE = ["1e400", "-1e400", "1E+400", "1e0000400", "9" * 400, f"-{'9' * 309}", f"{'9' * 300}e99", f"{'9' * 310}.5"]


class Reading(BaseModel):
    """A number in a field, by an alias."""

    model_config = ConfigDict(extra="allow")

    value: float = 0
    inner: Reading | None = None


@dataclass(slots=True)
class Slotted:
    """A number in a slot."""

    value: float


class Pair(NamedTuple):
    """A number next to a name."""

    name: str
    value: float


FORMS: list[tuple[Any, str, tuple[str | int, ...]]] = [
    (float, "{}", ()),
    (float | None, "{}", ()),
    (float | str, "{}", ()),
    (list[float], "[1.5, {}]", (1,)),
    (tuple[str, float], '["a", {}]', (1,)),
    (Pair, '["a", {}]', (1,)),
    (dict[str, float], '{{"secret": {}}}', ("*",)),
    (Reading, '{{"value": {}}}', ("value",)),
    (Reading, '{{"inner": {{"inner": {{"value": {}}}}}}}', ("inner", "inner", "value")),
    (Slotted, '{{"value": {}}}', ("value",)),
]
UNTYPED: list[tuple[Any, str, tuple[str | int, ...]]] = [
    (Any, "{}", ()),
    (JsonValue, '{{"secret": [true, {}]}}', ("*", 1)),
    (dict[str, Any], '{{"secret": {}}}', ("*",)),
    (object, "[{}]", (0,)),
    (Reading, '{{"undeclared": [{}]}}', ("*", 0)),
]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(("form", "text", "loc"), FORMS)
def test_a_typed_float_that_overflows_is_refused(form: Any, text: str, loc: tuple[str | int, ...], number: str):
    """For every type; the location is named, and keys are masked."""
    with pytest.raises(PayloadValidationError) as failed:
        codec_for(form).decode(text.format(number).encode())

    assert number not in str(failed.value)
    if "e" in number or "." in number:  # pydantic 2.10 itself refuses a long integer for a float, in its own words
        assert [(detail["loc"], detail["type"]) for detail in failed.value.details] == [(loc, "finite_number")]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1E+400", f"{'9' * 310}.5"])
@pytest.mark.parametrize(("form", "text", "loc"), UNTYPED)
def test_an_untyped_number_that_overflows_is_refused(form: Any, text: str, loc: tuple[str | int, ...], number: str):
    """An integer of any length is exact there; a number with a point or an exponent is a float."""
    with pytest.raises(PayloadValidationError) as failed:
        codec_for(form).decode(text.format(number).encode())

    assert [detail["loc"] for detail in failed.value.details] == [loc]


def test_exact_numbers_are_decoded():
    """An integer of 400 digits, a Decimal of as many, the largest float, a tiny one, and strings."""
    assert codec_for(Any).decode(b"9" * 400) == int("9" * 400)
    assert codec_for(int).decode(b"9" * 400) == int("9" * 400)
    assert codec_for(Decimal).decode(b'"1e400"') == Decimal("1e400")
    assert codec_for(float).decode(b"1.7976931348623157e308") == 1.7976931348623157e308
    assert codec_for(float).decode(b"1e-400") == 0.0
    assert codec_for(Any).decode(b'["1e400 ", "Infinity", 0.1]') == ["1e400 ", "Infinity", 0.1]
    assert codec_for(dict[str, str]).decode(b'{"1e400 ":"a"}') == {"1e400 ": "a"}


def test_an_unknown_field_may_have_any_number():
    """Unknown fields are ignored, so there is no infinity in the value."""

    @dataclass
    class Small:
        value: float

    assert codec_for(Small).decode(b'{"value": 1.5, "other": 1e400}') == Small(1.5)


def test_a_string_may_be_read_as_infinity():
    """As with ``ser_json_inf_nan="strings"``."""
    assert codec_for(list[float]).decode(b'["Infinity", 1e300]') == [math.inf, 1e300]


@pytest.mark.parametrize("name", ["plain", "mapped", "async mapped", "untyped"])
def test_a_response_out_of_range_is_a_response_error(name: str):
    """For a call and in a map, with and without a type."""

    class Huge:
        def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
            answer = b"1e400" if invocation.payload == b"1" else invocation.payload
            return Outcome(200, answer, executed_version="1", request_id="r-1")

        def close(self) -> None:
            """No-op."""

    contract = Contract("f", request=int, response=float)
    if name in ("plain", "untyped"):
        with pytest.raises(ResponseError, match="beyond the range of a float"):
            LambdaClient(Huge()).call("f" if name == "untyped" else contract, 1)
        return
    client = LambdaClient(Huge()) if name == "mapped" else AsyncLambdaClient(Huge())  # type: ignore[arg-type]
    results: Any = client.map(contract, range(4), return_exceptions=True)
    came = list(results if name == "mapped" else iterated(results))

    assert (came[0], *came[2:]) == (0.0, 2.0, 3.0)
    assert isinstance(came[1], ResponseError)


class Small(BaseModel):
    """An event."""

    cents: float
    note: Any = None


@pytest.mark.parametrize("event", [{"cents": math.inf}, {"cents": 1, "note": [-math.inf]}, {"cents": math.nan}])
def test_an_event_out_of_range_is_rejected(event: Any):
    """The runtime client reads ``1e400`` with Python's json, which turns it into infinity."""
    ran = list[Small]()
    contract = Contract("f", request=Small, response=None)

    @remote(contract)
    def handler(request: Small) -> None:
        ran.append(request)

    with pytest.raises(RequestRejectedError) as rejected:
        handler(event, None)
    assert [error["type"] for error in rejected.value.errors] == ["finite_number"]
    assert ran == []
    with InProcessTransport({"f": handler}) as system:
        outcome = system.send(Invocation("f", payload=b'{"cents": 1e400}'), timeout=None)
    assert json.loads(outcome.payload)["errorType"] == "RequestRejectedError"


@pytest.mark.parametrize("form", [Any, float | str, dict[str, Any], list[float]])
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: x])
def test_no_type_accepts_an_infinite_event(form: Any, wrap: Callable[[Any], Any]):
    """It is refused, or does not fit anyway."""
    with pytest.raises(PayloadValidationError):
        codec_for(form).validate_event(wrap(math.inf))


@pytest.mark.parametrize("depth", [100, 500, 900, 990, 2000, 20_000])
def test_a_deeply_nested_event_is_validated_or_refused(depth: int):
    """It never raises ``RecursionError``."""
    event: Any = "NaN"
    for _ in range(depth):
        event = [event]
    with suppress(PayloadValidationError):
        assert codec_for(Any).validate_event(event) is event


@given(st.integers(0, 80), st.integers(210, 400), st.integers(1, 99), st.sampled_from(["", " ", "\n", "x"]))
def test_the_scan_finds_a_long_number_anywhere(before: int, digits: int, exponent: int, behind: str):
    """With and without a point."""
    for mantissa in ("7" * digits, f"{'7' * (digits - 1)}.7"):
        assert may_overflow(f"{' ' * before}{mantissa}e{exponent}{behind}".encode())


def test_the_scan_ignores_typical_json():
    """Names with an e and digits, digests, arrays of numbers of any length: no second scan."""
    chance = random.Random(7)
    numbers = [chance.random() * 1000 for _ in range(5000)]
    digests = [chance.randbytes(32).hex() for _ in range(2000)]

    assert not may_overflow(json.dumps(numbers).encode())
    assert not may_overflow(json.dumps(digests).encode())
    assert not may_overflow(json.dumps({"e1234": "1e400", "name": "Ada E100 7E400-"}).encode())
    for length in range(1, 60):
        for separator in (",", ", "):
            assert not may_overflow(f"[{separator.join(['1' * length] * 500)}]".encode())
