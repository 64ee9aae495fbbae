"""Whether a condition holds for all values that its operands may have; ``None`` if these do not decide it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import product

from .values import (
    BoundFunctionValue,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    ContractValue,
    EnumMemberValue,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    PartialValue,
    Value,
    Values,
)

_OBJECTS = (FunctionValue, ClassValue, ClientValue, ContractValue, BoundFunctionValue, ModuleValue, PartialValue)
_NOT_NONE = (*_OBJECTS, InstanceValue, CollectionValue, MappingValue, EnumMemberValue)


def decide_comparison(op: ast.cmpop, left: Values, right: Values) -> bool | None:
    """Return the result of a comparison, as far as all possible values of its operands agree."""
    is_negated = isinstance(op, ast.NotEq | ast.IsNot | ast.NotIn)
    compare: Callable[[Value, Value], bool | None]
    match op:
        case ast.Eq() | ast.NotEq():
            compare = _is_equal
        case ast.Is() | ast.IsNot():
            compare = _is_same
        case ast.In() | ast.NotIn():
            compare = _is_in
        case _:
            return None
    result = _get_common(compare(*pair) for pair in product(left, right))
    return None if result is None else result is not is_negated


def _is_equal(left: Value, right: Value) -> bool | None:
    match left, right:
        case (Constant(), Constant()) | (EnumMemberValue(), EnumMemberValue()):
            return left == right
        case _:
            return None


def _is_same(left: Value, right: Value) -> bool | None:
    match left, right:
        case Constant(), Constant(None | bool()):
            return type(left.value) is type(right.value) and left.value == right.value
        case EnumMemberValue(), EnumMemberValue():
            return left == right
        case _, Constant(None) if isinstance(left, _NOT_NONE):
            return False
        case _:
            return None


def _is_in(item: Value, container: Value) -> bool | None:
    match container:
        case CollectionValue(items, ordered) if ordered is not None or items:
            results = {_is_equal(item, one) for one in items}
            # The values of one position may be alternatives, so only their absence is certain, or a literal's presence.
            is_literal = ordered is None or all(len(one) == 1 for one in ordered)
            if None in results or (True in results and not is_literal):
                return None
            return True in results
        case MappingValue() if isinstance(item, Constant) and isinstance(item.value, str):
            # Entries may be added elsewhere, so that only their presence is certain.
            return True if container.get(item.value) is not None else None
        case _:
            return None


def get_truth(values: Values) -> bool | None:
    """Return whether a value is true, as far as all possible ones agree."""
    return _get_common(_get_truth(value) for value in values)


def _get_truth(value: Value) -> bool | None:
    match value:
        case Constant(text):
            return bool(text)
        case EnumMemberValue():
            return True
        case _ if isinstance(value, _OBJECTS):
            return True
        case _:
            return None


def _get_common(results: Iterator[bool | None]) -> bool | None:
    """Return the only result; ``None`` if there are several, or none at all, as while a cycle is evaluated."""
    found = set(results)
    return found.pop() if len(found) == 1 else None
