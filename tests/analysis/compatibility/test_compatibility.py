"""Each kind of change: its description, the callers that it breaks, why, and the advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, ConfigDict, Field, Json, create_model

from lambdachain import Contract, ContractError, RemoteError
from lambdachain.testing import IncompatibleContractError, StubError, assert_compatible, compatibility


def model(title: str = "Item", /, *, config: ConfigDict | None = None, **fields: Any) -> Any:
    """Return a model; its fields are required, unless they are a pair of a type and a default."""
    complete = {name: form if isinstance(form, tuple) else (form, ...) for name, form in fields.items()}
    return create_model(title, __config__=config, **complete)


def describe_changes(old: Any, new: Any) -> list[str]:
    """Return the changes as lines, without the advice."""
    lines: list[str] = []
    for change in compatibility(old, new):
        lines += [
            f"{change.path}: {change.what}",
            *(f"  {one.who}{'' if one.certain else ' (maybe)'}: {one.why}" for one in change.breaks),
        ]
    return lines


def make_request_contract(form: Any) -> Contract[Any, Any]:
    """Return a contract with a type of request."""
    return Contract[Any, Any]("f", request=form, response=int)


def make_response_contract(form: Any) -> Contract[Any, Any]:
    """Return a contract with a type of response."""
    return Contract[Any, Any]("f", request=int, response=form)


A = model(a=int)
A_AND_B = model(a=int, b=str)
A_OR_NOT = model(a=(int, 1))


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: int


class Square(BaseModel):
    kind: Literal["square"]
    side: int


def even(number: int) -> int:
    """Represent a validator that may reject a value."""
    return number


INTEGERS = "array of integer"
LIMITED = "array of integer (at most 3 items)"
INSIDE = "looks for it inside another field of what"
MAY_REFUSE = "which may reject what"
AS_PLAIN = "so it is raised as a plain FunctionError"
ENVELOPED = "send events in an envelope"

# What becomes of a request that was `old` and is `new`, and then the other way round.
REQUESTS: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "a required field": (
        A,
        A_AND_B,
        [
            "request.b: added: string, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
        ["request.b: removed", "  new callers: new callers do not send it, but the old callee requires it"],
    ),
    "an optional field": (
        A,
        model(a=int, b=(str, "x")),
        ["request.b: added: string, optional"],
        ["request.b: removed"],
    ),
    "a default": (
        A,
        A_OR_NOT,
        ["request.a: was required, is optional now"],
        [
            "request.a: was optional, is required now",
            "  other callers: other callers may omit it, but the new callee requires it",
        ],
    ),
    "another default": (
        A_OR_NOT,
        model(a=(int, 2)),
        ["request.a: default was 1, is 2 now"],
        ["request.a: default was 2, is 1 now"],
    ),
    "another name": (
        A,
        model(b=int),
        [
            "request.a: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.b: added: integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
        [
            "request.b: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.a: added: integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
    ),
    "an alias": (
        A,
        model(a=(int, Field(alias="A"))),
        [
            "request.a: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.A: added: integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
        [
            "request.A: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.a: added: integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
    ),
    "a second name to read": (
        A,
        model(a=(int, Field(validation_alias=AliasChoices("a", "A")))),
        ["request.a: was read from a, is read from a or A now"],
        ["request.a: was read from a or A, is read from a now"],
    ),
    "a new name, while the old one is read too": (
        A,
        model(b=(int, Field(validation_alias=AliasChoices("b", "a")))),
        [
            "request.a: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.b: added: integer, required",
        ],
        [
            "request.b: removed",
            "request.a: added: integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
    ),
    "another type": (
        A,
        model(a=str),
        [
            "request.a: was integer, is string now",
            "  old callers: old callers send integer, but the new callee accepts string",
            "  new callers: new callers send string, but the old callee accepts integer",
            "  other callers: other callers send integer, but the new callee accepts string",
        ],
        [
            "request.a: was string, is integer now",
            "  old callers: old callers send string, but the new callee accepts integer",
            "  new callers: new callers send integer, but the old callee accepts string",
            "  other callers: other callers send string, but the new callee accepts integer",
        ],
    ),
    "a wider type": (
        A,
        model(a=float),
        [
            "request.a: was integer, is number now",
            "  new callers: new callers send number, but the old callee accepts integer",
        ],
        [
            "request.a: was number, is integer now",
            "  old callers: old callers send number, but the new callee accepts integer",
            "  other callers: other callers send number, but the new callee accepts integer",
        ],
    ),
    "a value to choose": (
        Literal["x", "y"],
        Literal["x", "y", "z"],
        ['request: may be "z" now', '  new callers: new callers may send "z", but the old callee accepts "x" or "y"'],
        [
            'request: may no longer be "z"',
            '  old callers: old callers may send "z", but the new callee accepts "x" or "y"',
            '  other callers: other callers may send "z", but the new callee accepts "x" or "y"',
        ],
    ),
    "a limit": (
        A,
        model(a=Annotated[int, Field(ge=1)]),
        [
            "request.a: was integer, is integer (≥ 1) now",
            "  old callers: old callers may send integer, but the new callee accepts integer (≥ 1)",
            "  other callers: other callers may send integer, but the new callee accepts integer (≥ 1)",
        ],
        [
            "request.a: was integer (≥ 1), is integer now",
            "  new callers: new callers may send integer, but the old callee accepts integer (≥ 1)",
        ],
    ),
    "a size": (
        list[int],
        Annotated[list[int], Field(max_length=3)],
        [
            "request: maxItems was unset, is 3 now",
            f"  old callers: old callers may send {INTEGERS}, but the new callee accepts {LIMITED}",
            f"  other callers: other callers may send {INTEGERS}, but the new callee accepts {LIMITED}",
        ],
        [
            "request: maxItems was 3, is unset now",
            f"  new callers: new callers may send {INTEGERS}, but the old callee accepts {INTEGERS} (at most 3 items)",
        ],
    ),
    "unknown fields": (
        A_AND_B,
        model(config=ConfigDict(extra="forbid"), a=int),
        [
            "request.b: removed",
            "  old callers: old callers send it, but the new callee rejects unknown fields",
            "  new callers: new callers do not send it, but the old callee requires it",
            "  other callers: other callers send it, but the new callee rejects unknown fields",
            "request: rejects unknown fields now",
        ],
        [
            "request.b: added: string, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  new callers: new callers send it, but the old callee rejects unknown fields",
            "  other callers: other callers do not send it, but the new callee requires it",
            "request: accepts unknown fields now",
        ],
    ),
    "null": (
        model(a=int | None),
        A,
        [
            "request.a: may no longer be null",
            "  old callers: old callers may send null, but the new callee accepts integer",
            "  other callers: other callers may send null, but the new callee accepts integer",
        ],
        ["request.a: may be null now", "  new callers: new callers may send null, but the old callee accepts integer"],
    ),
    "an alternative": (
        model(a=Circle | None),
        model(a=Circle | Square | None),
        [
            "request.a: may be Square now",
            "  new callers: new callers send object Square, but the old callee accepts Circle or null",
        ],
        [
            "request.a: may no longer be Square",
            "  old callers: old callers send object Square, but the new callee accepts Circle or null",
            "  other callers: other callers send object Square, but the new callee accepts Circle or null",
        ],
    ),
    "an alternative that a field selects": (
        Circle,
        Annotated[Circle | Square, Field(discriminator="kind")],
        [
            "request: may be Square now",
            "  new callers: new callers send object Square, but the old callee accepts object Circle",
        ],
        [
            "request: may no longer be Square",
            "  old callers: old callers send object Square, but the new callee accepts object Circle",
            "  other callers: other callers send object Square, but the new callee accepts object Circle",
        ],
    ),
    "a field inside": (
        dict[str, list[A]],
        dict[str, list[A_AND_B]],
        [
            "request.*[].b: added: string, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
        ["request.*[].b: removed", "  new callers: new callers do not send it, but the old callee requires it"],
    ),
    "keys": (
        dict[str, int],
        dict[int, int],
        [
            "request.*: keys were any text, are integer now",
            "  old callers: old callers may send keys that are string, but the new callee accepts integer",
            "  other callers: other callers may send keys that are string, but the new callee accepts integer",
        ],
        [
            "request.*: keys were integer, are any text now",
            "  new callers: new callers may send keys that are string, but the old callee accepts integer",
        ],
    ),
    "a validator": (
        A,
        model(a=Annotated[int, AfterValidator(even)]),
        [
            "request.a: is validated by even now",
            f"  old callers (maybe): the new callee validates it with even, {MAY_REFUSE} old callers send",
            f"  other callers (maybe): the new callee validates it with even, {MAY_REFUSE} other callers send",
        ],
        [
            "request.a: is no longer validated by even",
            f"  new callers (maybe): the old callee validates it with even, {MAY_REFUSE} new callers send",
        ],
    ),
    "a place to look": (
        model(a=list[int]),
        model(b=(int, Field(validation_alias=AliasChoices(AliasPath("a", 0), "b")))),
        [
            "request.a: removed",
            "  new callers: new callers do not send it, but the old callee requires it",
            "request.b: added: integer, required",
            f"  old callers (maybe): the new callee {INSIDE} old callers send",
            f"  other callers (maybe): the new callee {INSIDE} other callers send",
        ],
        [
            "request.b: removed",
            "  new callers (maybe): the old callee looks for it inside another field of what new callers send",
            "request.a: added: array of integer, required",
            "  old callers: old callers do not send it, but the new callee requires it",
            "  other callers: other callers do not send it, but the new callee requires it",
        ],
    ),
}


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS.keys())
def test_what_a_change_of_the_request_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """The callee reads it: old callers call the new callee, and new callers the old one."""
    old, new, forth, back = case

    assert describe_changes(make_request_contract(old), make_request_contract(new)) == forth
    assert describe_changes(make_request_contract(new), make_request_contract(old)) == back


RESPONSES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "a field": (
        A,
        A_AND_B,
        [
            "response.b: added: string, required",
            "  new callers: the old callee does not send it, but new callers require it",
        ],
        [
            "response.b: removed",
            "  old callers: the new callee does not send it, but old callers require it",
            "  other callers: the new callee does not send it, but other callers require it",
        ],
    ),
    "an optional field": (
        A,
        model(a=int, b=(str, "x")),
        ["response.b: added: string, optional"],
        ["response.b: removed", "  other callers: the new callee does not send it, but other callers require it"],
    ),
    "another type": (
        A,
        model(a=str),
        [
            "response.a: was integer, is string now",
            "  old callers: the new callee sends string, but old callers accept integer",
            "  new callers: the old callee sends integer, but new callers accept string",
            "  other callers: the new callee sends string, but other callers accept integer",
        ],
        [
            "response.a: was string, is integer now",
            "  old callers: the new callee sends integer, but old callers accept string",
            "  new callers: the old callee sends string, but new callers accept integer",
            "  other callers: the new callee sends integer, but other callers accept string",
        ],
    ),
    "a value to choose": (
        Literal["x"],
        Literal["x", "y"],
        [
            'response: may be "y" now',
            '  old callers: the new callee may send "y", but old callers accept "x"',
            '  other callers: the new callee may send "y", but other callers accept "x"',
        ],
        ['response: may no longer be "y"', '  new callers: the old callee may send "y", but new callers accept "x"'],
    ),
    "a limit": (
        A,
        model(a=Annotated[int, Field(ge=1)]),
        [
            "response.a: was integer, is integer (≥ 1) now",
            "  new callers: the old callee may send integer, but new callers accept integer (≥ 1)",
        ],
        [
            "response.a: was integer (≥ 1), is integer now",
            "  old callers: the new callee may send integer, but old callers accept integer (≥ 1)",
            "  other callers: the new callee may send integer, but other callers accept integer (≥ 1)",
        ],
    ),
    "null": (
        int,
        int | None,
        [
            "response: may be null now",
            "  old callers: the new callee may send null, but old callers accept integer",
            "  other callers: the new callee may send null, but other callers accept integer",
        ],
        [
            "response: may no longer be null",
            "  new callers: the old callee may send null, but new callers accept integer",
        ],
    ),
    "unknown fields": (
        A,
        model(config=ConfigDict(extra="forbid"), a=int),
        ["response: rejects unknown fields now"],
        ["response: accepts unknown fields now"],
    ),
}


@pytest.mark.parametrize("case", RESPONSES.values(), ids=RESPONSES.keys())
def test_what_a_change_of_the_response_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """The callers read it: the new callee responds to old callers, and the old callee to new ones."""
    old, new, forth, back = case

    assert describe_changes(make_response_contract(old), make_response_contract(new)) == forth
    assert describe_changes(make_response_contract(new), make_response_contract(old)) == back


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Leaf(BaseModel):
    value: int
    label: str
    children: list[Leaf] = []


class Checked(BaseModel):
    value: int
    next: Annotated[Checked | None, AfterValidator(even)] = None


def test_a_model_that_contains_itself_is_compared_once():
    """A field that is missing in it is missing at every depth, but is reported only at the top."""
    assert describe_changes(make_request_contract(Node), make_request_contract(Leaf)) == [
        "request.label: added: string, required",
        "  old callers: old callers do not send it, but the new callee requires it",
        "  other callers: other callers do not send it, but the new callee requires it",
    ]
    assert describe_changes(make_request_contract(Checked), make_request_contract(Checked)) == []


def _make_mutually_recursive_models(names: Sequence[str], **fields: Any) -> Any:
    """Return models that may contain each other; the last one has more fields."""
    module = ModuleType("holding_each_other")
    any_of = " | ".join(names)
    for name in names:
        parts = {"one": (f"{any_of} | None", None), "more": (f"list[{any_of}]", ...), f"of_{name}": (int, ...)}
        added = {key: (form, ...) for key, form in fields.items()} if name == names[-1] else {}
        setattr(module, name, create_model(name, __module__=module.__name__, **parts, **added))
    for name in names:
        getattr(module, name).model_rebuild(_types_namespace=vars(module))
    return getattr(module, names[0])


def test_mutually_recursive_types_are_reported_at_a_few_places():
    """A missing field is not reported at each of the endless paths to it."""
    names = [f"Form{number}" for number in range(8)]
    changes = compatibility(
        make_request_contract(_make_mutually_recursive_models(names)),
        make_request_contract(_make_mutually_recursive_models(names, added=str)),
    )

    assert 0 < len([change for change in changes if change.breaks]) < 100


def test_a_recursive_type_is_compared_again_if_an_assumption_was_wrong():
    """A definition is assumed to be compatible while it is compared; here it turns out not to be."""

    class Old(BaseModel):
        inner: Old | None = None
        left: int

    class New(BaseModel):
        inner: New | int | None = None
        left: str

    assert [
        change.path
        for change in compatibility(make_request_contract(Old), make_request_contract(New))
        if change.breaks_any("old callers")
    ] == ["request.left"]


class OldTree(BaseModel):
    branch: OldBranch
    left: int


class OldBranch(BaseModel):
    tree: OldTree | None = None


class NewTree(BaseModel):
    branch: NewBranch
    left: str


class NewBranch(BaseModel):
    tree: NewTree | None = None


class Blank(BaseModel):
    pass


def test_a_result_that_depends_on_a_wrong_assumption_is_dropped():
    """A branch seems compatible while its tree is compared; the tree is read as another type, and the branch is not."""
    found = compatibility(
        make_request_contract(tuple[OldTree, OldBranch]), make_request_contract(tuple[NewTree | Blank, NewBranch])
    )

    assert [change.path for change in found if change.breaks_any("old callers")] == ["request[1].tree"]


class CardDeclined(RemoteError):
    reason: str


def declare_error(name: str, **fields: Any) -> type[RemoteError]:
    """Return a declared error."""
    return type(RemoteError)(name, (RemoteError,), {"__annotations__": fields, "__module__": __name__})


def make_error_contract(*errors: type[RemoteError], **options: Any) -> Contract[Any, Any]:
    """Return a contract with errors, another name, or other options."""
    return Contract[Any, Any](options.pop("name", "f"), request=int, response=int, errors=errors, **options)


PLAIN = make_error_contract()
IN_ACCOUNT = "arn:aws:lambda:eu-west-1:123456789012:function:f"
OF_ANOTHER = "arn:aws:lambda:eu-west-1:210987654321:function:f"

PROMISES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "an error": (
        PLAIN,
        make_error_contract(CardDeclined),
        [
            "errors.CardDeclined: added",
            "  old callers: the new callee raises CardDeclined, which old callers get as a plain FunctionError",
            "  other callers: the new callee raises CardDeclined, which other callers do not know",
        ],
        [
            "errors.CardDeclined: removed",
            "  new callers: the old callee raises CardDeclined, which new callers get as a plain FunctionError",
        ],
    ),
    "an error's name": (
        make_error_contract(CardDeclined),
        make_error_contract(declare_error("Declined", reason=str)),
        [
            "errors.Declined: added, it seems to be CardDeclined renamed",
            "  old callers: the new callee raises Declined, which old callers get as a plain FunctionError",
            "  other callers: the new callee raises Declined, which other callers do not know",
            "errors.CardDeclined: removed",
            "  new callers: the old callee raises CardDeclined, which new callers get as a plain FunctionError",
        ],
        [
            "errors.CardDeclined: added, it seems to be Declined renamed",
            "  old callers: the new callee raises CardDeclined, which old callers get as a plain FunctionError",
            "  other callers: the new callee raises CardDeclined, which other callers do not know",
            "errors.Declined: removed",
            "  new callers: the old callee raises Declined, which new callers get as a plain FunctionError",
        ],
    ),
    "an error's field": (
        make_error_contract(CardDeclined),
        make_error_contract(declare_error("CardDeclined", reason=str, days=int)),
        [
            "errors.CardDeclined.days: added: integer, required",
            f"  new callers: the old callee does not send it, but new callers require it, {AS_PLAIN}",
        ],
        [
            "errors.CardDeclined.days: removed",
            f"  old callers: the new callee does not send it, but old callers require it, {AS_PLAIN}",
            f"  other callers: the new callee does not send it, but other callers require it, {AS_PLAIN}",
        ],
    ),
    "the name": (
        PLAIN,
        make_error_contract(name="g"),
        [
            "function: was f, is g now",
            "  old callers: old callers still call f",
            "  new callers: new callers call g, where the old callee is not deployed",
        ],
        [
            "function: was g, is f now",
            "  old callers: old callers still call g",
            "  new callers: new callers call f, where the old callee is not deployed",
        ],
    ),
    "a longer form of the name": (
        PLAIN,
        make_error_contract(name=IN_ACCOUNT),
        [f"function: was f, is {IN_ACCOUNT} now"],
        [f"function: was {IN_ACCOUNT}, is f now"],
    ),
    "the account": (
        make_error_contract(name=IN_ACCOUNT),
        make_error_contract(name=OF_ANOTHER),
        [
            f"function: was {IN_ACCOUNT}, is {OF_ANOTHER} now",
            f"  old callers: old callers still call {IN_ACCOUNT}",
            f"  new callers: new callers call {OF_ANOTHER}, where the old callee is not deployed",
        ],
        [
            f"function: was {OF_ANOTHER}, is {IN_ACCOUNT} now",
            f"  old callers: old callers still call {OF_ANOTHER}",
            f"  new callers: new callers call {IN_ACCOUNT}, where the old callee is not deployed",
        ],
    ),
    "the qualifier": (
        PLAIN,
        make_error_contract(qualifier="live"),
        [
            "qualifier: was $LATEST, is live now",
            "  old callers (maybe): old callers still call $LATEST",
            "  new callers (maybe): live may not exist yet when new callers call it",
        ],
        [
            "qualifier: was live, is $LATEST now",
            "  old callers (maybe): old callers still call live",
            "  new callers (maybe): $LATEST may not exist yet when new callers call it",
        ],
    ),
    "idempotent": (
        PLAIN,
        make_error_contract(idempotent=True),
        [
            "idempotent: was false, is true now",
            "  new callers: new callers retry calls that may have run, and the old callee may run them twice",
        ],
        [
            "idempotent: was true, is false now",
            "  old callers: old callers retry calls that may have run, and the new callee may run them twice",
        ],
    ),
    "envelope": (
        PLAIN,
        make_error_contract(envelope=True),
        [
            "envelope: was false, is true now",
            f"  new callers: new callers {ENVELOPED}, but the old callee does not unwrap it",
        ],
        [
            "envelope: was true, is false now",
            f"  old callers: old callers {ENVELOPED}, but the new callee does not unwrap it",
        ],
    ),
}


@pytest.mark.parametrize("case", PROMISES.values(), ids=PROMISES.keys())
def test_what_a_change_of_another_promise_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """Errors, the address, idempotence, the envelope."""
    old, new, forth, back = case

    assert describe_changes(old, new) == forth
    assert describe_changes(new, old) == back


ADVICE = [
    (make_request_contract(A), make_request_contract(A_AND_B), "Give it a default, or deploy the callers first."),
    (make_request_contract(A_AND_B), make_request_contract(A), "Deploy the callee first."),
    (
        make_request_contract(A),
        make_request_contract(model(a=str)),
        "Make the callee accept both and deploy it first, then change the callers.",
    ),
    (
        make_response_contract(A),
        make_response_contract(model(a=str)),
        "Make the callers accept both and deploy them first, then change the callee.",
    ),
    (make_response_contract(A), make_response_contract(A_AND_B), "Give it a default, or deploy the callee first."),
    (
        make_response_contract(A_OR_NOT),
        make_response_contract(model()),
        "Keep it for callers that do not use lambdachain, or notify them.",
    ),
    (
        make_request_contract(model(a=int, c=int)),
        make_request_contract(model(b=int, c=int)),
        'If this is "a" under a new name, accept both names first: Field(validation_alias=AliasChoices("b", "a")).',
    ),
    (
        make_request_contract(A),
        make_request_contract(model(a=Annotated[int, AfterValidator(even)])),
        'Check this change by hand; if it is compatible, pass allow=["request.a"].',
    ),
    (PLAIN, make_error_contract(name="g"), "Deploy the function under both names until no caller uses the old one."),
    (PLAIN, make_error_contract(qualifier="live"), 'If the function has both, pass allow=["qualifier"].'),
    (PLAIN, make_error_contract(idempotent=True), "Deploy the callee first."),
    (PLAIN, make_error_contract(envelope=True), "Deploy the callee first."),
    (
        make_error_contract(envelope=True),
        PLAIN,
        "Deploy the callers first, and the callee after the queued events of old callers have been processed.",
    ),
]


@pytest.mark.parametrize(("old", "new", "advice"), ADVICE, ids=[advice[:20] for *_, advice in ADVICE])
def test_the_advice(old: Any, new: Any, advice: str):
    """Of the last change."""
    assert compatibility(old, new)[-1].advice == advice


def test_first_decides_which_callers_count():
    """A callee that is deployed first is called by old callers only; callers deployed first call the old callee."""
    wider = make_request_contract(model(a=int | None))

    assert_compatible(make_request_contract(A), wider, first="callee")
    assert_compatible(wider, make_request_contract(A), first="caller")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(make_request_contract(A), wider, first="caller")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(wider, make_request_contract(A), first="callee")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(make_request_contract(A), wider)


def test_other_callers_count_only_if_asked_for():
    """Callers that do not use lambdachain may omit fields with a default."""
    assert_compatible(make_request_contract(A_OR_NOT), make_request_contract(A))
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(make_request_contract(A_OR_NOT), make_request_contract(A), other_callers=True)

    assert [(change.path, [one.who for one in change.breaks]) for change in raised.value.changes] == [
        ("request.a", ["other callers"])
    ]


def test_an_allowed_change_is_not_reported():
    """Only the change at exactly that path."""
    new = make_request_contract(model(a=str, b=int))

    assert_compatible(make_request_contract(A), new, allow=["request.a", "request.b"])
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(make_request_contract(A), new, allow=["request.b"])
    assert [change.path for change in raised.value.changes] == ["request.a"]


def test_an_unused_allowance_is_refused():
    """It would hide a later change."""
    message = r"allow has request\.a, where no change is breaking: remove it"
    with pytest.raises(IncompatibleContractError, match=message):
        assert_compatible(make_request_contract(A), make_request_contract(A), allow=["request.a"])


def test_the_report_is_complete():
    """The changes, the callers that they break, the advice, and the safe order of deployment."""
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(make_request_contract(A), make_request_contract(A_AND_B))

    assert str(raised.value).splitlines() == [
        "the contract of f has changed in a way that breaks calls",
        "",
        "request.b: added: string, required",
        "  breaks old callers: old callers do not send it, but the new callee requires it",
        "  Give it a default, or deploy the callers first.",
        "",
        'Deploy every caller first, then the callee: assert_compatible(..., first="caller") checks that order.',
    ]
    assert isinstance(raised.value, StubError)


def test_the_report_if_no_order_is_safe():
    """If both old and new callers break."""
    with pytest.raises(IncompatibleContractError, match="No order of deployment is safe: split the change in two"):
        assert_compatible(make_request_contract(A), make_request_contract(model(a=str)))


def test_a_schema_from_a_file_works_like_a_contract():
    """On either side, and on both."""
    old, new = make_response_contract(A), make_response_contract(A_AND_B)
    old_file, new_file = (json.loads(json.dumps(version.schema())) for version in (old, new))
    found = compatibility(old, new)

    assert found == compatibility(old_file, new) == compatibility(old, new_file) == compatibility(old_file, new_file)
    assert compatibility(old, old_file) == ()


def test_a_type_that_cannot_read_what_it_writes_is_refused():
    """It is not valid in a contract, old or new; the message has the path."""
    one_way = model(a=(int, Field(validation_alias="in", serialization_alias="out")))

    with pytest.raises(
        ContractError, match="does not round-trip through JSON: 'a' is written as 'out' but read as 'in'"
    ):
        make_request_contract(one_way)


def test_a_model_that_is_built_late_is_checked_when_two_versions_are_compared():
    """It could not be checked when the contract was declared."""

    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)

        a: int = Field(validation_alias="in", serialization_alias="out")

    late = make_request_contract(Late)

    with pytest.raises(ContractError, match="Late does not round-trip through JSON: 'a' is written as 'out'"):
        assert_compatible(make_request_contract(int), late)


def test_an_error_that_cannot_read_what_it_writes_is_refused_when_two_versions_are_compared():
    """Its fields are checked like those of a request."""

    class Odd(RemoteError):
        numbers: Json[list[int]]

    declared = Contract("orders", request=int, response=int, errors=[Odd])

    with pytest.raises(ContractError, match="error Odd does not round-trip through JSON: at numbers"):
        assert_compatible(declared, declared)


BAD = [
    (None, r"not a contract schema: pass what Contract.schema\(\) returned, read from its file as JSON"),
    ("orders.json", r"not a contract schema: pass what Contract.schema\(\) returned, read from its file as JSON"),
    ({"type": "object"}, r"not a contract schema: pass what Contract.schema\(\) returned, read from its file as JSON"),
    ({**PLAIN.schema(), "lambdachain": 2}, "the schema has format 2, and this version of lambdachain reads format 1"),
    (
        {**PLAIN.schema(), "request": {"$ref": "#/$defs/Gone"}},
        r"refers to #/\$defs/Gone, which is not in its \$defs",
    ),
    ({**PLAIN.schema(), "request": []}, "request in the schema must be a JSON Schema, not list"),
    ({**PLAIN.schema(), "errors": [1]}, "errors in the schema must be a JSON Schema, not list"),
    ({**PLAIN.schema(), "errors": {"E": 1}}, r"errors\.E in the schema must be a JSON Schema, not int"),
    ({**PLAIN.schema(), "function": "no such name!"}, "the schema's function is not valid: .*no such name!"),
    ({**PLAIN.schema(), "function": None}, "the schema's function is not valid"),
]


@pytest.mark.parametrize(("bad", "why"), BAD, ids=[str(bad)[-40:] for bad, _ in BAD])
def test_an_invalid_schema_is_refused(bad: Any, why: str):
    """As the old version and as the new one, with what to do."""
    for versions in ((bad, PLAIN), (PLAIN, bad)):
        with pytest.raises(ContractError, match=why):
            compatibility(*versions)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [(None, "Double it.", "added"), ("Double it.", None, "removed"), ("Double it.", "Doubles it.", "reworded")],
)
def test_a_description_breaks_no_caller(old: str | None, new: str | None, what: str):
    """The change is reported without the texts."""
    before, after = (Contract("f", request=int, response=int, description=text) for text in (old, new))

    assert describe_changes(before, after) == [f"description: {what}"]
    assert_compatible(before, after)
