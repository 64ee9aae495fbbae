"""A handler's result is serialized as by the real runtime client, which is the oracle."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from collections import OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from awslambdaric.lambda_runtime_exception import FaultException
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdachain.testing._marshal import ESCAPES, marshal, to_json

ESCAPING, AS_IT_IS = None, "AWS_Lambda_python3.13"
Pair = namedtuple("Pair", ["left", "right"])  # noqa: PYI024 - both kinds of named tuple


class Point(NamedTuple):
    x: Any
    y: Any


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "a word of its own"


class Count(int):
    def __repr__(self) -> str:
        return "a count of its own"

    __str__ = __repr__


class Share(float):
    def __repr__(self) -> str:
        return "a share of its own"


class Row:
    """Not a tuple, but with the method of a named one."""

    def __init__(self, fields: Any) -> None:
        self.fields = fields

    def _asdict(self) -> Any:
        return self.fields


class Plain:
    pass


class Callables:
    _asdict = 3


texts = st.text(st.characters(exclude_categories=[]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers().map(Count)
    | st.floats()
    | st.floats().map(Share)
    | st.decimals()
    | st.just(Decimal("sNaN"))
    | texts
    | texts.map(Word)
    | st.binary(max_size=8)
    | st.sampled_from([Level.HIGH, Color.RED])
)
odd = st.sampled_from([dt.date(2026, 1, 2), uuid.UUID(int=7), {1}, Fraction(1, 2), Plain(), Callables(), 1j, range(3)])
keys = (
    texts
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.binary(max_size=4)
    | st.decimals(allow_nan=False)
)
keys |= texts.map(Word) | st.integers().map(Count) | st.sampled_from([Level.HIGH, Color.RED, (1,)])


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Build containers of other values."""
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4).map(OrderedDict)
        | st.builds(Point, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(texts, inner, max_size=2).map(Row)
        | st.lists(inner, max_size=2).map(Row)
    )


values = st.recursive(scalars | odd, containers, max_leaves=12)


def oracle(value: object, runtime: str | None) -> str:
    """Serialize with the real marshaller, or return the error that the runtime reports."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("AWS_EXECUTION_ENV", raising=False)
        if runtime:
            environment.setenv("AWS_EXECUTION_ENV", runtime)
        try:
            text = LambdaMarshaller().marshal_response([value])[0][1:-1]
        except FaultException as fault:
            return fault.msg
    return text


def ours(value: object, *, escapes: bool) -> str:
    """Serialize with ours, for comparison."""
    try:
        return to_json(value, escapes=escapes)
    except Exception as exc:
        return f"Unable to marshal response: {exc}"


@settings(max_examples=200, deadline=None)
@given(values)
@example({1: "a", "1": "b", None: 2, 2.5: 3, b"k": 4})
@example({True: 1, False: 2})
@example([Decimal("1.10"), Decimal("1E+5"), Decimal("-0"), Decimal("Infinity"), Decimal("-NaN"), Decimal("sNaN")])
@example([float("nan"), float("inf"), -float("inf"), -0.0, 1e400, 1e22, 5e-324])
@example({"half": "\ud800", "rocket": "\U0001f680", "lines": "\u2028\u2029\x7f", "é": '\x00\x1f"\\/'})
@example([12345678901234567890123, b"bytes", b"\xff", ()])
@example([b"bytes", Point(1, Pair({}, [])), Row({}), Row({"a": 1}), [], {}, ()])
@example({dt.date(2026, 1, 1): 1})
@example({"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)})
@example({Decimal(1): 1})
@pytest.mark.parametrize("runtime", [ESCAPING, AS_IT_IS])
def test_it_serializes_as_the_runtime_client(runtime: str | None, value: object):
    """Character by character, with the same error messages."""
    assert ours(value, escapes=runtime is ESCAPING) == oracle(value, runtime)


def test_a_circular_reference_is_an_error():
    """The same value twice is not."""
    circle: list[Any] = []
    circle.append({"again": circle})
    same = [1]

    assert ours(circle, escapes=True) == oracle(circle, ESCAPING)
    assert "Circular reference" in ours(circle, escapes=True)
    assert ours([same, same], escapes=True) == oracle([same, same], ESCAPING) == "[[1], [1]]"


@pytest.mark.parametrize("depth", [100, 700, 100_000])
def test_it_nests_as_deep_as_python_allows(depth: int):
    """Beyond that is an error that the runtime reports like any other."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]

    written = ours(value, escapes=True)
    assert written.startswith("[[[") == (depth < 1_000)
    assert written.startswith("[[[") or "maximum recursion depth exceeded" in written


def test_bytes_are_sent_unchanged():
    """They are taken as JSON."""
    assert marshal(b'{"ready": 1}') == LambdaMarshaller().marshal_response(b'{"ready": 1}')[0] == b'{"ready": 1}'


def test_escaping_is_that_of_the_runtime_for_this_python():
    """From Python 3.12 on, Lambda's runtimes send UTF-8."""
    assert json.loads(marshal("é")) == "é"
    assert marshal("é") == (rb'"\u00e9"' if ESCAPES else '"é"'.encode())
