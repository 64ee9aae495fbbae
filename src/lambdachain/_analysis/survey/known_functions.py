"""What lambdachain's own names, and a few of Python's, make of their arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any, Final

from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.arn import FunctionArn, Qualifier, parse_target
from lambdachain._core.errors import ContractError, InvalidArnError

from . import classes
from .evaluator import Evaluator
from .name_resolution import from_env, mapping, prefix, resolution_of, undecided
from .results import AS_IT_IS, DeclaredContract, SourceSchema, UnresolvedError
from .scopes import Scope, keyword, parameters_of
from .syntax import CLIENTS, options_of
from .values import (
    NOT_FOLLOWED,
    Bound,
    Class,
    Client,
    Constant,
    Contracted,
    Decorator,
    Function,
    Instance,
    Library,
    Many,
    Super,
    Table,
    Unknown,
    Value,
    Values,
    held,
    merged,
    texts,
    union,
    unknowns,
)

# What boto3.client("lambda") gives, whatever session makes it.
BOTO: Final = Library("boto3.client.lambda")

_Work = Callable[[Evaluator, ast.Call, Scope], Values]


def called(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what a call may give."""
    if isinstance(node.func, ast.Attribute):
        receivers = merged(evaluation.values(node.func.value, scope))
        found = union(_method(evaluation, receiver, node, scope) for receiver in receivers)
        if found:
            return found
    return union(_result(evaluation, function, node, scope) for function in evaluation.values(node.func, scope))


def _result(evaluation: Evaluator, function: Value, node: ast.Call, scope: Scope) -> Values:
    match function:
        case Library(name):
            work = _FUNCTIONS.get(name)
            return work(evaluation, node, scope) if work else NOT_FOLLOWED
        case Class(inner):
            return (Instance(inner), *_own_client(evaluation, inner, node, scope))
        case Function(inner, contract=None):
            return evaluation.returned(inner)
        case Decorator(make):
            given = evaluation.values(node.args[0], scope) if node.args else ()
            return tuple(Function(one.scope, make(one)) for one in given if isinstance(one, Function))
        case Unknown():
            return (function,)
        case _:
            return NOT_FOLLOWED


def _method(evaluation: Evaluator, receiver: Value, node: ast.Call, scope: Scope) -> Values:  # noqa: PLR0911 - a table
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    match receiver, name:
        case (Client() | Function(contract=DeclaredContract()), "bind"):
            return tuple(_bound(evaluation, receiver, node, scope))
        case Bound(contract, address, resolution, options), "with_options":
            laid_over = {**dict(options.entries), **dict(options_of(evaluation, node, scope).entries)}
            return (Bound(contract, address, resolution, Table(tuple(laid_over.items()))),)
        case Constant(str(address)), "with_qualifier" if node.args:
            given = evaluation.values(node.args[0], scope)
            of = parse_target(address)
            return tuple(_checked(lambda text: str(of.with_qualifier(text)), given))
        case Constant(str(address)), "without_qualifier":
            return tuple(_checked(lambda text: str(parse_target(text).without_qualifier()), (receiver,)))
        case Table(entries), "values":
            return (Many(union(values for _, values in entries)),)
        case Library("os.environ"), "get" if node.args:
            return _environment(evaluation, node, scope)
        case ((Library() | Unknown()), ("client" | "create_client")) if node.args and _is_lambda(
            evaluation, node, scope
        ):
            return (BOTO,)
        case _, ("enter_context" | "enter_async_context") if node.args:
            return evaluation.values(node.args[0], scope)
        case Table(), "get" if node.args:
            return _got(evaluation, receiver, node, scope)
        case _:
            return ()


def _is_lambda(evaluation: Evaluator, node: ast.Call, scope: Scope) -> bool:
    return evaluation.text(node.args[0], scope) == "lambda"


def _bound(evaluation: Evaluator, receiver: Client | Function, node: ast.Call, scope: Scope) -> Iterator[Value]:
    options = options_of(evaluation, node, scope)
    own = receiver.contract if isinstance(receiver, Function) else None
    resolution = receiver.resolution if isinstance(receiver, Client) else AS_IT_IS
    arguments = [evaluation.values(argument, scope) for argument in node.args]
    contracts = arguments.pop(0) if own is None and arguments else ()
    addresses = arguments[0] if arguments else (Constant(None),)
    for contract, address in product((own,) if own else map(contract_in, contracts), addresses):
        if contract is None:
            yield Unknown("its contract is worked out at run time")
        elif isinstance(address, Constant) and (address.value is None or isinstance(address.value, str)):
            yield Bound(contract, address.value, resolution, options)
        else:
            yield Unknown(*unknowns([address]) or ("the address given to bind is worked out at run time",))


def contract_in(value: Value) -> DeclaredContract | None:
    """Return the contract that a value is or has."""
    match value:
        case Contracted(contract) | Function(contract=DeclaredContract() as contract) | Bound(contract=contract):
            return contract
        case _:
            return None


def item(evaluation: Evaluator, value: Value, key: ast.expr, scope: Scope) -> Values:
    """Return what ``value[key]`` may be."""
    match value:
        case Library("os.environ"):
            return _variable(evaluation, evaluation.values(key, scope))
        case Library(name):
            return (value,) if name.startswith("lambdachain.") else NOT_FOLLOWED
        case Table():
            text = evaluation.text(key, scope)
            return _any_of(value) if text is None else value.get(text) or (Unknown(f"nothing is seen at {text!r}"),)
        case Many(items):
            return items
        case _:
            return NOT_FOLLOWED


def _any_of(table: Table) -> Values:
    return union(values for _, values in table.entries)


def _got(evaluation: Evaluator, table: Table, node: ast.Call, scope: Scope) -> Values:
    """What ``table.get(key, default)`` gives; of an unknown key, any entry or the default."""
    text = evaluation.text(node.args[0], scope)
    default = evaluation.values(node.args[1], scope) if len(node.args) > 1 else ()
    if text is None:
        return union([_any_of(table), default])
    return table.get(text) or default or (Constant(None),)


def _contract(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    given = {one.arg: one.value for one in node.keywords if one.arg is not None}
    types = {name: given[name] for name in ("request", "response") if name in given}
    options = options_of(evaluation, node, scope)
    names = evaluation.values(node.args[0], scope) if node.args else NOT_FOLLOWED
    declared = _declared(evaluation, node, scope, options, types)
    return tuple(one if isinstance(one, Unknown) else Contracted(one) for one in declared(names))


def _declared(
    evaluation: Evaluator, node: ast.AST, scope: Scope, options: Table, types: Mapping[Any, ast.expr]
) -> Callable[[Values], Iterator[DeclaredContract | Unknown]]:
    """Prepare to make contracts of names, with the options that stand beside them."""
    errors = _errors(options)
    forms: dict[str, Callable[[], SourceSchema]] = {
        name: partial(evaluation.schema, expr, scope) for name, expr in types.items()
    }
    idempotent = _truth(options.get("idempotent") or (Constant(False),))  # noqa: FBT003 - a value in the code

    def make(names: Values) -> Iterator[DeclaredContract | Unknown]:
        for name, qualifier in product(names, options.get("qualifier") or (Constant(None),)):
            if missing := unknowns([name, qualifier]):
                yield Unknown(f"the contract at {scope.place(node)} does not tell: {missing[0]}")
                continue
            try:
                function, stated = split_qualifier(_text(name), _text(qualifier) or None, InvalidArnError)
            except InvalidArnError as exc:
                yield Unknown(f"the contract at {scope.place(node)}: {exc}")
                continue
            offloads = options.get("offload") not in (None, (Constant(None),))
            place, base = scope.place(node), scope.source.base
            yield DeclaredContract(function, stated and str(stated), idempotent, errors, offloads, place, base, forms)

    return make


def _truth(values: Values) -> bool | None:
    """Return a truth value; ``None`` where it is decided at run time."""
    match values:
        case (Constant(value),):
            return bool(value)
        case _:
            return None


def _text(value: Value) -> str:
    return value.value if isinstance(value, Constant) and isinstance(value.value, str) else ""


def _errors(options: Table) -> tuple[str, ...]:
    found = held(options.get("errors") or ())
    return tuple(sorted(value.scope.last for value in found if isinstance(value, Class)))


def _remote(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    found: list[Value] = []
    options = options_of(evaluation, node, scope)
    for value in evaluation.values(node.args[0], scope) if node.args else NOT_FOLLOWED:
        if isinstance(value, Contracted):
            found.append(Decorator(partial(_same, value.contract)))
        elif isinstance(value, Constant) and isinstance(value.value, str):
            found += _decorator(evaluation, value, node, scope, options)
        else:
            found.append(Unknown(*unknowns([value]) or ("what remote is given is worked out at run time",)))
    return tuple(found)


def _same(contract: DeclaredContract, _function: Function) -> DeclaredContract:
    return contract


def _decorator(evaluation: Evaluator, name: Constant, node: ast.Call, scope: Scope, options: Table) -> Iterator[Value]:
    """A decorator with a name makes the contract of the function's annotations."""

    def make(function: Function) -> DeclaredContract:
        types = _annotations(function.scope)
        made = next(_declared(evaluation, node, function.scope, options, types)((name,)))
        if isinstance(made, Unknown):  # pragma: no cover - tried below, with no types
            raise UnresolvedError(made.why)
        return made

    tried = next(_declared(evaluation, node, scope, options, {})((name,)))
    yield tried if isinstance(tried, Unknown) else Decorator(make)


def _annotations(scope: Scope) -> dict[str, ast.expr]:
    arguments = parameters_of(scope.node)
    first = next(iter([*arguments.posonlyargs, *arguments.args]), None)
    types = {"request": first.annotation if first else None, "response": getattr(scope.node, "returns", None)}
    return {name: expr for name, expr in types.items() if expr is not None}


def _client(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    expr = keyword(node, "resolve")
    if expr is None:
        hidden = any(one.arg is None for one in node.keywords)
        return (Client(undecided("a resolver may be in the ** of the client's arguments") if hidden else AS_IT_IS),)
    return tuple(Client(resolution_of(evaluation, value, expr, scope)) for value in evaluation.values(expr, scope))


def _environment(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return _variable(evaluation, evaluation.values(node.args[0], scope) if node.args else NOT_FOLLOWED)


def _variable(evaluation: Evaluator, names: Values) -> Values:
    return union(_value_of(evaluation, name) for name in texts(names)) or NOT_FOLLOWED


def _value_of(evaluation: Evaluator, name: str) -> Values:
    if name in evaluation.environment:
        return (Constant(evaluation.environment[name]),)
    return (Unknown(f"the environment variable {name} decides it: give --env {name}=VALUE"),)


def _checked(make: Callable[[Any], str], values: Values) -> Iterator[Value]:
    """Make texts of constants, as the library itself would."""
    for value in values:
        if not isinstance(value, Constant):
            yield value if isinstance(value, Unknown) else NOT_FOLLOWED[0]
            continue
        try:
            yield Constant(make(value.value))
        except (InvalidArnError, ContractError, TypeError) as exc:
            yield Unknown(str(exc))


def _through(make: Callable[[Any], str]) -> _Work:
    def work(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
        given = evaluation.values(node.args[0], scope) if node.args else (Constant(None),)
        return tuple(_checked(make, given))

    return work


def _built(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    parts = {"name": node.args[0]} if node.args else {}
    parts |= {one.arg: one.value for one in node.keywords if one.arg is not None}
    chosen = [[(name, value) for value in evaluation.values(expr, scope)] for name, expr in parts.items()]
    found: list[Value] = []
    for each in product(*chosen):
        missing = unknowns(value for _, value in each)
        settings: Any = {name: value.value for name, value in each if isinstance(value, Constant)}
        try:
            found.append(Unknown(missing[0]) if missing else Constant(str(FunctionArn.build(**settings))))
        except (InvalidArnError, TypeError) as exc:
            found.append(Unknown(str(exc)))
    return tuple(found)


def _table(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """``dict(name=value)``; what it is given else is not followed."""
    if node.args or any(one.arg is None for one in node.keywords):
        return NOT_FOLLOWED
    return (options_of(evaluation, node, scope),)


def _own_client(evaluation: Evaluator, inner: Scope, node: ast.Call, scope: Scope) -> Values:
    """What the code has built on lambdachain's client is a client; its own ``__init__`` may do anything."""
    if not classes.is_client(evaluation, inner):
        return ()
    made = classes.constructor_of(evaluation, inner)
    if made is None:
        return _client(evaluation, node, scope)
    return (Client(undecided(f"a resolver may be made in the __init__ at {made.place(made.node)}")),)


def _super(evaluation: Evaluator, _node: ast.Call, scope: Scope) -> Values:
    at: Scope | None = scope
    while at is not None and at.owner is None:
        at = at.parent
    owner = None if at is None else at.owner
    return (Super(owner),) if owner is not None and evaluation.bases(owner) else NOT_FOLLOWED


def _default(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """The default that ``field(...)`` or ``Field(...)`` gives."""
    stated = node.args[0] if node.args else keyword(node, "default")
    if stated is not None:
        return evaluation.values(stated, scope)
    factory = keyword(node, "default_factory")
    made = evaluation.values(factory, scope) if factory is not None else ()
    return union(_result(evaluation, function, node, scope) for function in made)


def _same_values(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return evaluation.values(node.args[0], scope) if node.args else NOT_FOLLOWED


_FUNCTIONS: Final[Mapping[str, _Work]] = {
    "lambdachain.Contract": _contract,
    "lambdachain.remote": _remote,
    **dict.fromkeys(CLIENTS, _client),
    "lambdachain.resolvers.prefix": prefix,
    "lambdachain.resolvers.mapping": mapping,
    "lambdachain.resolvers.from_env": from_env,
    "lambdachain.FunctionArn.build": _built,
    "lambdachain.FunctionArn.parse": _through(lambda text: str(FunctionArn.parse(text))),
    "lambdachain.parse_target": _through(lambda text: str(parse_target(text))),
    "lambdachain.Qualifier": _through(Qualifier),
    "lambdachain.Qualifier.alias": _through(Qualifier.alias),
    "lambdachain.Qualifier.parse": _through(Qualifier.parse),
    "lambdachain.Qualifier.version": _through(Qualifier.version),
    "lambdachain.Qualifier.latest": _through(lambda _: Qualifier.latest()),
    "builtins.dict": _table,
    "builtins.super": _super,
    **dict.fromkeys(("dataclasses.field", "pydantic.Field"), _default),
    "os.getenv": _environment,
    "os.environ.get": _environment,
    **dict.fromkeys(
        ("builtins.str", "builtins.list", "builtins.tuple", "builtins.sorted", "contextlib.closing"), _same_values
    ),
}
