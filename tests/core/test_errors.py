"""The list of errors in ``_core/errors.py``, and the pages that describe each of them."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import pytest

import lambdachain
from lambdachain import (
    CallError,
    FunctionError,
    LambdaChainError,
    NotInvokedError,
    OutcomeUnknownError,
    RemoteError,
    ResponseError,
)
from lambdachain._core import errors

ROOT = Path(__file__).parents[2]
ALL = [getattr(lambdachain, name) for name in lambdachain.__all__ if name.endswith("Error")]
FAMILIES = (NotInvokedError, OutcomeUnknownError, FunctionError, ResponseError)
TREE_ROW = re.compile(r"^((?:[│ ]   )*[├└]── )?(\w+Error)\b", re.MULTILINE)


def documented_tree() -> dict[str, str]:
    """Read the tree in the reference: for each error, the class that it is drawn under."""
    fence = (ROOT / "docs/reference/errors.md").read_text().split("## The tree", 1)[1].split("```")[1]
    parents: dict[str, str] = {}
    path: list[str] = []
    for branch, name in TREE_ROW.findall(fence):
        depth = len(branch) // 4
        path[depth:] = [name]
        parents[name] = path[depth - 1] if depth else ""
    return parents


def test_every_error_of_the_module_is_in_its_list():
    """And in ``lambdachain``, with the three that are defined elsewhere."""
    defined = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LambdaChainError)]

    assert errors.__all__ == sorted(defined)
    assert {kind.__name__ for kind in ALL} - {*defined} == {"NoAnswerError", "OffloadError", "RemoteError"}


def test_the_reference_draws_the_tree_as_it_is():
    """Each error once, under its base class."""
    tree = {kind.__name__: kind.__base__.__name__ if kind is not LambdaChainError else "" for kind in ALL}

    assert documented_tree() == tree


@pytest.mark.parametrize("error", [kind for kind in ALL if issubclass(kind, CallError)], ids=lambda kind: kind.__name__)
def test_the_readme_lists_every_error_of_a_call(error: type[CallError]):
    """By name, or with the other subclasses of ``FunctionError``; the bases of families have no row of their own."""
    table = (ROOT / "README.md").read_text().split("\n| error |", 1)[1].split("\n\n", 1)[0]
    is_base = error in (CallError, NotInvokedError, OutcomeUnknownError)

    assert is_base or error.__name__ in table or issubclass(error, FunctionError)


@pytest.mark.parametrize("error", [kind for kind in ALL if issubclass(kind, CallError)], ids=lambda kind: kind.__name__)
def test_every_error_of_a_call_belongs_to_one_family(error: type[CallError]):
    """By which its exit status on the command line is chosen, and what a caller may conclude of the function."""
    assert error is CallError or len([family for family in FAMILIES if issubclass(error, family)]) == 1


@pytest.mark.parametrize(
    "error",
    [kind for kind in ALL if issubclass(kind, CallError) and kind is not RemoteError],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_a_call_survives_pickling(error: type[CallError]):
    """As process pools need it, with all its attributes."""
    made = error("something happened", function="orders", request_id="r-1")
    copy = pickle.loads(pickle.dumps(made))

    assert type(copy) is error
    assert (str(copy), vars(copy)) == (str(made), vars(made))
