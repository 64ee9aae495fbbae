"""Each kind of change: what it is called, whom it breaks, why, and what to do about it."""

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
    """Make a model whose fields are required, but for those that are a type and a default."""
    complete = {name: form if isinstance(form, tuple) else (form, ...) for name, form in fields.items()}
    return create_model(title, __config__=config, **complete)


def described(old: Any, new: Any) -> list[str]:
    """Say in lines what has changed, without what to do about it."""
    lines: list[str] = []
    for change in compatibility(old, new):
        lines += [f"{change.path}: {change.what}", *(f"  {one.who}: {one.why}" for one in change.breaks)]
    return lines


def taking(form: Any) -> Contract[Any, Any]:
    """Make a contract whose request is of a type."""
    return Contract[Any, Any]("f", request=form, response=int)


def giving(form: Any) -> Contract[Any, Any]:
    """Make a contract whose response is of a type."""
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
    """Stand for a function that may refuse a value."""
    return number


INTEGERS = "array of integer"
INSIDE = "looks for it inside another field of what"
MAY_REFUSE = "which may refuse what"
AS_PLAIN = "so it comes as a plain FunctionError"
ENVELOPED = "send events in an envelope"

# What becomes of a request that was `old` and is `new`, and then the other way round.
REQUESTS: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "a required field": (
        A,
        A_AND_B,
        [
            "request.b: added: string, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
        ["request.b: removed", "  new callers: new callers send none, the old callee requires it"],
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
            "  other callers: other callers may leave it out, the new callee requires it",
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
            "  new callers: new callers send none, the old callee requires it",
            "request.b: added: integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
        [
            "request.b: removed",
            "  new callers: new callers send none, the old callee requires it",
            "request.a: added: integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
    ),
    "an alias": (
        A,
        model(a=(int, Field(alias="A"))),
        [
            "request.a: removed",
            "  new callers: new callers send none, the old callee requires it",
            "request.A: added: integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
        [
            "request.A: removed",
            "  new callers: new callers send none, the old callee requires it",
            "request.a: added: integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
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
            "  new callers: new callers send none, the old callee requires it",
            "request.b: added: integer, required",
        ],
        [
            "request.b: removed",
            "request.a: added: integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
    ),
    "another type": (
        A,
        model(a=str),
        [
            "request.a: was integer, is string now",
            "  old callers: old callers send integer, the new callee takes string",
            "  new callers: new callers send string, the old callee takes integer",
            "  other callers: other callers send integer, the new callee takes string",
        ],
        [
            "request.a: was string, is integer now",
            "  old callers: old callers send string, the new callee takes integer",
            "  new callers: new callers send integer, the old callee takes string",
            "  other callers: other callers send string, the new callee takes integer",
        ],
    ),
    "a wider type": (
        A,
        model(a=float),
        [
            "request.a: was integer, is number now",
            "  new callers: new callers send number, the old callee takes integer",
        ],
        [
            "request.a: was number, is integer now",
            "  old callers: old callers send number, the new callee takes integer",
            "  other callers: other callers send number, the new callee takes integer",
        ],
    ),
    "a value to choose": (
        Literal["x", "y"],
        Literal["x", "y", "z"],
        ['request: may be "z" now', '  new callers: new callers may send "z", the old callee takes "x" or "y"'],
        [
            'request: may no longer be "z"',
            '  old callers: old callers may send "z", the new callee takes "x" or "y"',
            '  other callers: other callers may send "z", the new callee takes "x" or "y"',
        ],
    ),
    "a limit": (
        A,
        model(a=Annotated[int, Field(ge=1)]),
        [
            "request.a: was integer, is integer (≥ 1) now",
            "  old callers: old callers may send integer, the new callee takes integer (≥ 1)",
            "  other callers: other callers may send integer, the new callee takes integer (≥ 1)",
        ],
        [
            "request.a: was integer (≥ 1), is integer now",
            "  new callers: new callers may send integer, the old callee takes integer (≥ 1)",
        ],
    ),
    "a size": (
        list[int],
        Annotated[list[int], Field(max_length=3)],
        [
            "request: maxItems was none, is 3 now",
            f"  old callers: old callers may send {INTEGERS}, the new callee takes {INTEGERS} (at most 3 items)",
            f"  other callers: other callers may send {INTEGERS}, the new callee takes {INTEGERS} (at most 3 items)",
        ],
        [
            "request: maxItems was 3, is none now",
            f"  new callers: new callers may send {INTEGERS}, the old callee takes {INTEGERS} (at most 3 items)",
        ],
    ),
    "unknown fields": (
        A_AND_B,
        model(config=ConfigDict(extra="forbid"), a=int),
        [
            "request.b: removed",
            "  old callers: old callers send it, the new callee refuses fields that are not declared",
            "  new callers: new callers send none, the old callee requires it",
            "  other callers: other callers send it, the new callee refuses fields that are not declared",
            "request: refuses unknown fields now",
        ],
        [
            "request.b: added: string, required",
            "  old callers: old callers send none, the new callee requires it",
            "  new callers: new callers send it, the old callee refuses fields that are not declared",
            "  other callers: other callers send none, the new callee requires it",
            "request: takes unknown fields now",
        ],
    ),
    "null": (
        model(a=int | None),
        A,
        [
            "request.a: may no longer be null",
            "  old callers: old callers may send null, the new callee takes integer",
            "  other callers: other callers may send null, the new callee takes integer",
        ],
        ["request.a: may be null now", "  new callers: new callers may send null, the old callee takes integer"],
    ),
    "an alternative": (
        model(a=Circle | None),
        model(a=Circle | Square | None),
        [
            "request.a: may be Square now",
            "  new callers: new callers send object Square, the old callee takes Circle or null",
        ],
        [
            "request.a: may no longer be Square",
            "  old callers: old callers send object Square, the new callee takes Circle or null",
            "  other callers: other callers send object Square, the new callee takes Circle or null",
        ],
    ),
    "an alternative that a field tells": (
        Circle,
        Annotated[Circle | Square, Field(discriminator="kind")],
        [
            "request: may be Square now",
            "  new callers: new callers send object Square, the old callee takes object Circle",
        ],
        [
            "request: may no longer be Square",
            "  old callers: old callers send object Square, the new callee takes object Circle",
            "  other callers: other callers send object Square, the new callee takes object Circle",
        ],
    ),
    "a field inside": (
        dict[str, list[A]],
        dict[str, list[A_AND_B]],
        [
            "request.*[].b: added: string, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
        ["request.*[].b: removed", "  new callers: new callers send none, the old callee requires it"],
    ),
    "keys": (
        dict[str, int],
        dict[int, int],
        [
            "request.*: keys were any text, are integer now",
            "  old callers: old callers may send keys that are string, the new callee takes integer",
            "  other callers: other callers may send keys that are string, the new callee takes integer",
        ],
        [
            "request.*: keys were integer, are any text now",
            "  new callers: new callers may send keys that are string, the old callee takes integer",
        ],
    ),
    "a validator": (
        A,
        model(a=Annotated[int, AfterValidator(even)]),
        [
            "request.a: is checked by even now",
            f"  old callers: cannot tell: the new callee checks it with even, {MAY_REFUSE} old callers send",
            f"  other callers: cannot tell: the new callee checks it with even, {MAY_REFUSE} other callers send",
        ],
        [
            "request.a: is no longer checked by even",
            f"  new callers: cannot tell: the old callee checks it with even, {MAY_REFUSE} new callers send",
        ],
    ),
    "a place to look": (
        model(a=list[int]),
        model(b=(int, Field(validation_alias=AliasChoices(AliasPath("a", 0), "b")))),
        [
            "request.a: removed",
            "  new callers: new callers send none, the old callee requires it",
            "request.b: added: integer, required",
            f"  old callers: cannot tell: the new callee {INSIDE} old callers send",
            f"  other callers: cannot tell: the new callee {INSIDE} other callers send",
        ],
        [
            "request.b: removed",
            "  new callers: cannot tell: the old callee looks for it inside another field of what new callers send",
            "request.a: added: array of integer, required",
            "  old callers: old callers send none, the new callee requires it",
            "  other callers: other callers send none, the new callee requires it",
        ],
    ),
}


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS.keys())
def test_what_a_change_of_the_request_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """The callee reads it: old callers meet the new callee, and new callers the old one."""
    old, new, forth, back = case

    assert described(taking(old), taking(new)) == forth
    assert described(taking(new), taking(old)) == back


RESPONSES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "a field": (
        A,
        A_AND_B,
        ["response.b: added: string, required", "  new callers: the old callee sends none, new callers require it"],
        [
            "response.b: removed",
            "  old callers: the new callee sends none, old callers require it",
            "  other callers: the new callee sends none, other callers require it",
        ],
    ),
    "an optional field": (
        A,
        model(a=int, b=(str, "x")),
        ["response.b: added: string, optional"],
        ["response.b: removed", "  other callers: the new callee sends none, other callers require it"],
    ),
    "another type": (
        A,
        model(a=str),
        [
            "response.a: was integer, is string now",
            "  old callers: the new callee sends string, old callers take integer",
            "  new callers: the old callee sends integer, new callers take string",
            "  other callers: the new callee sends string, other callers take integer",
        ],
        [
            "response.a: was string, is integer now",
            "  old callers: the new callee sends integer, old callers take string",
            "  new callers: the old callee sends string, new callers take integer",
            "  other callers: the new callee sends integer, other callers take string",
        ],
    ),
    "a value to choose": (
        Literal["x"],
        Literal["x", "y"],
        [
            'response: may be "y" now',
            '  old callers: the new callee may send "y", old callers take "x"',
            '  other callers: the new callee may send "y", other callers take "x"',
        ],
        ['response: may no longer be "y"', '  new callers: the old callee may send "y", new callers take "x"'],
    ),
    "a limit": (
        A,
        model(a=Annotated[int, Field(ge=1)]),
        [
            "response.a: was integer, is integer (≥ 1) now",
            "  new callers: the old callee may send integer, new callers take integer (≥ 1)",
        ],
        [
            "response.a: was integer (≥ 1), is integer now",
            "  old callers: the new callee may send integer, old callers take integer (≥ 1)",
            "  other callers: the new callee may send integer, other callers take integer (≥ 1)",
        ],
    ),
    "null": (
        int,
        int | None,
        [
            "response: may be null now",
            "  old callers: the new callee may send null, old callers take integer",
            "  other callers: the new callee may send null, other callers take integer",
        ],
        ["response: may no longer be null", "  new callers: the old callee may send null, new callers take integer"],
    ),
    "unknown fields": (
        A,
        model(config=ConfigDict(extra="forbid"), a=int),
        ["response: refuses unknown fields now"],
        ["response: takes unknown fields now"],
    ),
}


@pytest.mark.parametrize("case", RESPONSES.values(), ids=RESPONSES.keys())
def test_what_a_change_of_the_response_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """The callers read it: the new callee answers old callers, and the old callee new ones."""
    old, new, forth, back = case

    assert described(giving(old), giving(new)) == forth
    assert described(giving(new), giving(old)) == back


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


def test_a_model_that_holds_itself_is_compared_once():
    """What is missing in it is missing in those inside it too, and said at the top."""
    assert described(taking(Node), taking(Leaf)) == [
        "request.label: added: string, required",
        "  old callers: old callers send none, the new callee requires it",
        "  other callers: other callers send none, the new callee requires it",
    ]
    assert described(taking(Checked), taking(Checked)) == []


def _holding_each_other(names: Sequence[str], **fields: Any) -> Any:
    """Make models that hold any of each other, of which the last has more fields."""
    module = ModuleType("holding_each_other")
    any_of = " | ".join(names)
    for name in names:
        parts = {"one": (f"{any_of} | None", None), "more": (f"list[{any_of}]", ...), f"of_{name}": (int, ...)}
        added = {key: (form, ...) for key, form in fields.items()} if name == names[-1] else {}
        setattr(module, name, create_model(name, __module__=module.__name__, **parts, **added))
    for name in names:
        getattr(module, name).model_rebuild(_types_namespace=vars(module))
    return getattr(module, names[0])


def test_types_that_hold_each_other_are_no_maze():
    """What is missing in one of them is told at a few places, not on every way there."""
    names = [f"Form{number}" for number in range(8)]
    changes = compatibility(taking(_holding_each_other(names)), taking(_holding_each_other(names, added=str)))

    assert 0 < len([change for change in changes if change.breaks]) < 100


def test_what_refers_to_itself_and_fits_only_by_another_alternative_is_looked_at_again():
    """A definition is taken to fit while it is compared, and is not where it turns out that it does not."""

    class Old(BaseModel):
        inner: Old | None = None
        left: int

    class New(BaseModel):
        inner: New | int | None = None
        left: str

    assert [change.path for change in compatibility(taking(Old), taking(New)) if change.breaks_any("old callers")] == [
        "request.left"
    ]


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


def test_what_fits_only_because_it_was_taken_to_fit_does_not():
    """A branch seems to fit while its tree is compared; the tree is read as something else, and the branch is not."""
    found = compatibility(taking(tuple[OldTree, OldBranch]), taking(tuple[NewTree | Blank, NewBranch]))

    assert [change.path for change in found if change.breaks_any("old callers")] == ["request[1].tree"]


class CardDeclined(RemoteError):
    reason: str


def declared(name: str, **fields: Any) -> type[RemoteError]:
    """Declare an error."""
    return type(RemoteError)(name, (RemoteError,), {"__annotations__": fields, "__module__": __name__})


def failing(*errors: type[RemoteError], **options: Any) -> Contract[Any, Any]:
    """Make a contract with errors, or of another name, or with other options."""
    return Contract[Any, Any](options.pop("name", "f"), request=int, response=int, errors=errors, **options)


PLAIN = failing()
IN_ACCOUNT = "arn:aws:lambda:eu-west-1:123456789012:function:f"
OF_ANOTHER = "arn:aws:lambda:eu-west-1:210987654321:function:f"

PROMISES: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "an error": (
        PLAIN,
        failing(CardDeclined),
        [
            "errors.CardDeclined: added",
            "  old callers: the new callee raises CardDeclined, old callers get a plain FunctionError",
            "  other callers: the new callee raises CardDeclined, other callers know of no such error",
        ],
        [
            "errors.CardDeclined: removed",
            "  new callers: the old callee raises CardDeclined, new callers get a plain FunctionError",
        ],
    ),
    "an error's name": (
        failing(CardDeclined),
        failing(declared("Declined", reason=str)),
        [
            "errors.Declined: added, it seems to be CardDeclined renamed",
            "  old callers: the new callee raises Declined, old callers get a plain FunctionError",
            "  other callers: the new callee raises Declined, other callers know of no such error",
            "errors.CardDeclined: removed",
            "  new callers: the old callee raises CardDeclined, new callers get a plain FunctionError",
        ],
        [
            "errors.CardDeclined: added, it seems to be Declined renamed",
            "  old callers: the new callee raises CardDeclined, old callers get a plain FunctionError",
            "  other callers: the new callee raises CardDeclined, other callers know of no such error",
            "errors.Declined: removed",
            "  new callers: the old callee raises Declined, new callers get a plain FunctionError",
        ],
    ),
    "an error's field": (
        failing(CardDeclined),
        failing(declared("CardDeclined", reason=str, days=int)),
        [
            "errors.CardDeclined.days: added: integer, required",
            f"  new callers: the old callee sends none, new callers require it, {AS_PLAIN}",
        ],
        [
            "errors.CardDeclined.days: removed",
            f"  old callers: the new callee sends none, old callers require it, {AS_PLAIN}",
            f"  other callers: the new callee sends none, other callers require it, {AS_PLAIN}",
        ],
    ),
    "the name": (
        PLAIN,
        failing(name="g"),
        [
            "function: was f, is g now",
            "  old callers: old callers go on calling f",
            "  new callers: new callers call g, the old callee is not there",
        ],
        [
            "function: was g, is f now",
            "  old callers: old callers go on calling g",
            "  new callers: new callers call f, the old callee is not there",
        ],
    ),
    "a longer form of the name": (
        PLAIN,
        failing(name=IN_ACCOUNT),
        [f"function: was f, is {IN_ACCOUNT} now"],
        [f"function: was {IN_ACCOUNT}, is f now"],
    ),
    "the account": (
        failing(name=IN_ACCOUNT),
        failing(name=OF_ANOTHER),
        [
            f"function: was {IN_ACCOUNT}, is {OF_ANOTHER} now",
            f"  old callers: old callers go on calling {IN_ACCOUNT}",
            f"  new callers: new callers call {OF_ANOTHER}, the old callee is not there",
        ],
        [
            f"function: was {OF_ANOTHER}, is {IN_ACCOUNT} now",
            f"  old callers: old callers go on calling {OF_ANOTHER}",
            f"  new callers: new callers call {IN_ACCOUNT}, the old callee is not there",
        ],
    ),
    "the qualifier": (
        PLAIN,
        failing(qualifier="live"),
        [
            "qualifier: was $LATEST, is live now",
            "  old callers: cannot tell: old callers go on calling $LATEST",
            "  new callers: cannot tell: live may not be there yet when new callers call it",
        ],
        [
            "qualifier: was live, is $LATEST now",
            "  old callers: cannot tell: old callers go on calling live",
            "  new callers: cannot tell: $LATEST may not be there yet when new callers call it",
        ],
    ),
    "idempotent": (
        PLAIN,
        failing(idempotent=True),
        [
            "idempotent: was false, is true now",
            "  new callers: new callers retry what may have run, and the old callee does it twice",
        ],
        [
            "idempotent: was true, is false now",
            "  old callers: old callers retry what may have run, and the new callee does it twice",
        ],
    ),
    "envelope": (
        PLAIN,
        failing(envelope=True),
        [
            "envelope: was false, is true now",
            f"  new callers: new callers {ENVELOPED}, and the old callee does not open it",
        ],
        [
            "envelope: was true, is false now",
            f"  old callers: old callers {ENVELOPED}, and the new callee does not open it",
        ],
    ),
}


@pytest.mark.parametrize("case", PROMISES.values(), ids=PROMISES.keys())
def test_what_a_change_of_another_promise_breaks(case: tuple[Any, Any, list[str], list[str]]):
    """Errors, the address, and what is said of running it twice."""
    old, new, forth, back = case

    assert described(old, new) == forth
    assert described(new, old) == back


ADVICE = [
    (taking(A), taking(A_AND_B), "Give it a default, or deploy the callers first."),
    (taking(A_AND_B), taking(A), "Deploy the callee first."),
    (taking(A), taking(model(a=str)), "Let the callee take both first, deploy it, then change the callers."),
    (giving(A), giving(model(a=str)), "Let the callers take both first, deploy them, then change the callee."),
    (giving(A), giving(A_AND_B), "Give it a default, or deploy the callee first."),
    (giving(A_OR_NOT), giving(model()), "Keep it for callers that lambdachain did not make, or tell them."),
    (
        taking(model(a=int, c=int)),
        taking(model(b=int, c=int)),
        'If it is "a" renamed, read both names first: Field(validation_alias=AliasChoices("b", "a")).',
    ),
    (
        taking(A),
        taking(model(a=Annotated[int, AfterValidator(even)])),
        'Look at it; if it is fine, allow=["request.a"].',
    ),
    (PLAIN, failing(name="g"), "Deploy it under both names, until nobody calls the old one."),
    (PLAIN, failing(qualifier="live"), 'If the function has both, allow=["qualifier"].'),
    (PLAIN, failing(idempotent=True), "Deploy the callee first."),
    (PLAIN, failing(envelope=True), "Deploy the callee first."),
    (
        failing(envelope=True),
        PLAIN,
        "Deploy the callers first, and the callee when no event of theirs is queued any more.",
    ),
]


@pytest.mark.parametrize(("old", "new", "advice"), ADVICE, ids=[advice[:20] for *_, advice in ADVICE])
def test_what_to_do_about_it(old: Any, new: Any, advice: str):
    """The last change says it."""
    assert compatibility(old, new)[-1].advice == advice


def test_first_says_whose_old_version_is_met():
    """A callee that is deployed first meets old callers only, and the other way round."""
    wider = taking(model(a=int | None))

    assert_compatible(taking(A), wider, first="callee")
    assert_compatible(wider, taking(A), first="caller")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(taking(A), wider, first="caller")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(wider, taking(A), first="callee")
    with pytest.raises(IncompatibleContractError):
        assert_compatible(taking(A), wider)


def test_other_callers_count_if_they_are_said_to():
    """Those that lambdachain did not make leave out what has a default."""
    assert_compatible(taking(A_OR_NOT), taking(A))
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(taking(A_OR_NOT), taking(A), other_callers=True)

    assert [(change.path, [one.who for one in change.breaks]) for change in raised.value.changes] == [
        ("request.a", ["other callers"])
    ]


def test_what_is_allowed_breaks_nobody():
    """By its path, and only that."""
    new = taking(model(a=str, b=int))

    assert_compatible(taking(A), new, allow=["request.a", "request.b"])
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(taking(A), new, allow=["request.b"])
    assert [change.path for change in raised.value.changes] == ["request.a"]


def test_an_allowance_that_allows_nothing_is_refused():
    """It would hide the next change."""
    with pytest.raises(
        IncompatibleContractError, match=r"allow has request\.a, where no change is breaking: remove it"
    ):
        assert_compatible(taking(A), taking(A), allow=["request.a"])


def test_the_report_says_all_of_it():
    """What has changed, whom it breaks, what to do, and which order of deployment is safe."""
    with pytest.raises(IncompatibleContractError) as raised:
        assert_compatible(taking(A), taking(A_AND_B))

    assert str(raised.value).splitlines() == [
        "the contract of f has changed in a way that breaks calls",
        "",
        "request.b: added: string, required",
        "  breaks old callers: old callers send none, the new callee requires it",
        "  Give it a default, or deploy the callers first.",
        "",
        'Deploy every caller first, then the callee: assert_compatible(..., first="caller") checks that order.',
    ]
    assert isinstance(raised.value, StubError)


def test_the_report_says_that_no_order_is_safe():
    """Where both old and new callers break."""
    with pytest.raises(IncompatibleContractError, match="No order of deployment is safe for all of it: make two"):
        assert_compatible(taking(A), taking(model(a=str)))


def test_a_schema_from_a_file_is_as_good_as_a_contract():
    """Every way round."""
    old, new = giving(A), giving(A_AND_B)
    old_file, new_file = (json.loads(json.dumps(version.schema())) for version in (old, new))
    found = compatibility(old, new)

    assert found == compatibility(old_file, new) == compatibility(old, new_file) == compatibility(old_file, new_file)
    assert compatibility(old, old_file) == ()


def test_what_never_fitted_is_told_with_its_place():
    """A type that does not read what it writes is no contract, old or new."""
    one_way = model(a=(int, Field(validation_alias="in", serialization_alias="out")))

    with pytest.raises(ContractError, match="cannot read what it writes: 'a' is written as 'out' and read as 'in'"):
        taking(one_way)


def test_a_model_that_is_built_late_is_told_when_two_versions_are_compared():
    """What the contract's declaration could not show."""

    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)

        a: int = Field(validation_alias="in", serialization_alias="out")

    late = taking(Late)

    with pytest.raises(ContractError, match="Late cannot read what it writes: 'a' is written as 'out'"):
        assert_compatible(taking(int), late)


def test_an_error_that_cannot_read_what_it_writes_is_told_when_two_versions_are_compared():
    """Its fields are looked at as those of a request."""

    class Odd(RemoteError):
        numbers: Json[list[int]]

    declared = Contract("orders", request=int, response=int, errors=[Odd])

    with pytest.raises(ContractError, match="error Odd cannot read what it writes: at numbers"):
        assert_compatible(declared, declared)


BAD = [
    (None, "this is neither a contract nor what Contract.schema gives: read its file with json.load"),
    ("orders.json", "this is neither a contract nor what Contract.schema gives"),
    ({"type": "object"}, "this is neither a contract nor what Contract.schema gives"),
    ({**PLAIN.schema(), "lambdachain": 2}, "the schema is of format 2, and this lambdachain knows 1"),
    (
        {**PLAIN.schema(), "request": {"$ref": "#/$defs/Gone"}},
        r"refers to #/\$defs/Gone, which is not among its \$defs",
    ),
    ({**PLAIN.schema(), "request": []}, "request in the schema is no JSON Schema, but list"),
    ({**PLAIN.schema(), "errors": [1]}, "errors in the schema is no JSON Schema, but list"),
    ({**PLAIN.schema(), "errors": {"E": 1}}, r"errors\.E in the schema is no JSON Schema, but int"),
    ({**PLAIN.schema(), "function": "no such name!"}, "the schema's function is none: .*no such name!"),
    ({**PLAIN.schema(), "function": None}, "the schema's function is none"),
]


@pytest.mark.parametrize(("bad", "why"), BAD, ids=[str(bad)[-40:] for bad, _ in BAD])
def test_what_is_no_schema_is_refused_with_what_to_do(bad: Any, why: str):
    """As the old version, and as the new one."""
    for versions in ((bad, PLAIN), (PLAIN, bad)):
        with pytest.raises(ContractError, match=why):
            compatibility(*versions)
