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
from .name_resolution import evaluate_resolver, from_env, mapping, prefix, undecided
from .results import UNCHANGED_NAME, DeclaredContract, SourceSchema, UnresolvedError
from .scopes import Scope, get_parameters, keyword
from .syntax import CLIENTS, evaluate_keywords
from .values import (
    UNRESOLVED,
    BoundFunctionValue,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    ContractValue,
    DecoratorValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    SuperValue,
    Unresolved,
    Value,
    Values,
    get_elements,
    merge_mappings,
    string_constants,
    union,
    unresolved_reasons,
)

# What boto3.client("lambda") gives, whatever session makes it.
BOTO: Final = ExternalName("boto3.client.lambda")

_Work = Callable[[Evaluator, ast.Call, Scope], Values]


def called(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what a call may give."""
    if isinstance(node.func, ast.Attribute):
        receivers = merge_mappings(evaluator.evaluate(node.func.value, scope))
        found = union(_method(evaluator, receiver, node, scope) for receiver in receivers)
        if found:
            return found
    return union(_result(evaluator, function, node, scope) for function in evaluator.evaluate(node.func, scope))


def _result(evaluator: Evaluator, function: Value, node: ast.Call, scope: Scope) -> Values:
    match function:
        case ExternalName(name):
            work = _FUNCTIONS.get(name)
            return work(evaluator, node, scope) if work else UNRESOLVED
        case ClassValue(inner):
            return (InstanceValue(inner), *_own_client(evaluator, inner, node, scope))
        case FunctionValue(inner, contract=None):
            return evaluator.evaluate_return(inner)
        case DecoratorValue(make):
            given = evaluator.evaluate(node.args[0], scope) if node.args else ()
            return tuple(FunctionValue(one.scope, make(one)) for one in given if isinstance(one, FunctionValue))
        case Unresolved():
            return (function,)
        case _:
            return UNRESOLVED


def _method(evaluator: Evaluator, receiver: Value, node: ast.Call, scope: Scope) -> Values:  # noqa: PLR0911 - a table
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    match receiver, name:
        case (ClientValue() | FunctionValue(contract=DeclaredContract()), "bind"):
            return tuple(_bound(evaluator, receiver, node, scope))
        case BoundFunctionValue(contract, address, resolution, options), "with_options":
            laid_over = {**dict(options.entries), **dict(evaluate_keywords(evaluator, node, scope).entries)}
            return (BoundFunctionValue(contract, address, resolution, MappingValue(tuple(laid_over.items()))),)
        case Constant(str(address)), "with_qualifier" if node.args:
            given = evaluator.evaluate(node.args[0], scope)
            of = parse_target(address)
            return tuple(_checked(lambda text: str(of.with_qualifier(text)), given))
        case Constant(str(address)), "without_qualifier":
            return tuple(_checked(lambda text: str(parse_target(text).without_qualifier()), (receiver,)))
        case MappingValue(entries), "values":
            return (CollectionValue(union(values for _, values in entries)),)
        case ExternalName("os.environ"), "get" if node.args:
            return _environment(evaluator, node, scope)
        case ((ExternalName() | Unresolved()), ("client" | "create_client")) if node.args and _is_lambda(
            evaluator, node, scope
        ):
            return (BOTO,)
        case _, ("enter_context" | "enter_async_context") if node.args:
            return evaluator.evaluate(node.args[0], scope)
        case MappingValue(), "get" if node.args:
            return _got(evaluator, receiver, node, scope)
        case _:
            return ()


def _is_lambda(evaluator: Evaluator, node: ast.Call, scope: Scope) -> bool:
    return evaluator.evaluate_string(node.args[0], scope) == "lambda"


def _bound(
    evaluator: Evaluator, receiver: ClientValue | FunctionValue, node: ast.Call, scope: Scope
) -> Iterator[Value]:
    options = evaluate_keywords(evaluator, node, scope)
    own = receiver.contract if isinstance(receiver, FunctionValue) else None
    resolution = receiver.resolution if isinstance(receiver, ClientValue) else UNCHANGED_NAME
    arguments = [evaluator.evaluate(argument, scope) for argument in node.args]
    contracts = arguments.pop(0) if own is None and arguments else ()
    addresses = arguments[0] if arguments else (Constant(None),)
    for contract, address in product((own,) if own else map(contract_in, contracts), addresses):
        if contract is None:
            yield Unresolved("its contract is worked out at run time")
        elif isinstance(address, Constant) and (address.value is None or isinstance(address.value, str)):
            yield BoundFunctionValue(contract, address.value, resolution, options)
        else:
            yield Unresolved(*unresolved_reasons([address]) or ("the address given to bind is worked out at run time",))


def contract_in(value: Value) -> DeclaredContract | None:
    """Return the contract that a value is or has."""
    match value:
        case (
            ContractValue(contract)
            | FunctionValue(contract=DeclaredContract() as contract)
            | BoundFunctionValue(contract=contract)
        ):
            return contract
        case _:
            return None


def item(evaluator: Evaluator, value: Value, key: ast.expr, scope: Scope) -> Values:
    """Return what ``value[key]`` may be."""
    match value:
        case ExternalName("os.environ"):
            return _variable(evaluator, evaluator.evaluate(key, scope))
        case ExternalName(name):
            return (value,) if name.startswith("lambdachain.") else UNRESOLVED
        case MappingValue():
            text = evaluator.evaluate_string(key, scope)
            return _any_of(value) if text is None else value.get(text) or (Unresolved(f"nothing is seen at {text!r}"),)
        case CollectionValue(items):
            return items
        case _:
            return UNRESOLVED


def _any_of(table: MappingValue) -> Values:
    return union(values for _, values in table.entries)


def _got(evaluator: Evaluator, table: MappingValue, node: ast.Call, scope: Scope) -> Values:
    """What ``table.get(key, default)`` gives; of an unknown key, any entry or the default."""
    text = evaluator.evaluate_string(node.args[0], scope)
    default = evaluator.evaluate(node.args[1], scope) if len(node.args) > 1 else ()
    if text is None:
        return union([_any_of(table), default])
    return table.get(text) or default or (Constant(None),)


def _contract(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    given = {one.arg: one.value for one in node.keywords if one.arg is not None}
    types = {name: given[name] for name in ("request", "response") if name in given}
    options = evaluate_keywords(evaluator, node, scope)
    names = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    declared = _declared(evaluator, node, scope, options, types)
    return tuple(one if isinstance(one, Unresolved) else ContractValue(one) for one in declared(names))


def _declared(
    evaluator: Evaluator, node: ast.AST, scope: Scope, options: MappingValue, types: Mapping[Any, ast.expr]
) -> Callable[[Values], Iterator[DeclaredContract | Unresolved]]:
    """Prepare to make contracts of names, with the options that stand beside them."""
    errors = _errors(options)
    schemas: dict[str, Callable[[], SourceSchema]] = {
        name: partial(evaluator.read_schema, expr, scope) for name, expr in types.items()
    }
    idempotent = _truth(options.get("idempotent") or (Constant(False),))  # noqa: FBT003 - a value in the code

    def make(names: Values) -> Iterator[DeclaredContract | Unresolved]:
        for name, qualifier in product(names, options.get("qualifier") or (Constant(None),)):
            if missing := unresolved_reasons([name, qualifier]):
                yield Unresolved(f"the contract at {scope.locate(node)} does not tell: {missing[0]}")
                continue
            try:
                function, stated = split_qualifier(_text(name), _text(qualifier) or None, InvalidArnError)
            except InvalidArnError as exc:
                yield Unresolved(f"the contract at {scope.locate(node)}: {exc}")
                continue
            offloads = options.get("offload") not in (None, (Constant(None),))
            place, base = scope.locate(node), scope.source.base
            yield DeclaredContract(function, stated and str(stated), idempotent, errors, offloads, place, base, schemas)

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


def _errors(options: MappingValue) -> tuple[str, ...]:
    found = get_elements(options.get("errors") or ())
    return tuple(sorted(value.scope.short_name for value in found if isinstance(value, ClassValue)))


def _remote(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    found: list[Value] = []
    options = evaluate_keywords(evaluator, node, scope)
    for value in evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED:
        if isinstance(value, ContractValue):
            found.append(DecoratorValue(partial(_same, value.contract)))
        elif isinstance(value, Constant) and isinstance(value.value, str):
            found += _decorator(evaluator, value, node, scope, options)
        else:
            found.append(
                Unresolved(*unresolved_reasons([value]) or ("what remote is given is worked out at run time",))
            )
    return tuple(found)


def _same(contract: DeclaredContract, _function: FunctionValue) -> DeclaredContract:
    return contract


def _decorator(
    evaluator: Evaluator, name: Constant, node: ast.Call, scope: Scope, options: MappingValue
) -> Iterator[Value]:
    """A decorator with a name makes the contract of the function's annotations."""

    def make(function: FunctionValue) -> DeclaredContract:
        types = _annotations(function.scope)
        made = next(_declared(evaluator, node, function.scope, options, types)((name,)))
        if isinstance(made, Unresolved):  # pragma: no cover - tried below, with no types
            raise UnresolvedError(made.why)
        return made

    tried = next(_declared(evaluator, node, scope, options, {})((name,)))
    yield tried if isinstance(tried, Unresolved) else DecoratorValue(make)


def _annotations(scope: Scope) -> dict[str, ast.expr]:
    arguments = get_parameters(scope.node)
    first = next(iter([*arguments.posonlyargs, *arguments.args]), None)
    types = {"request": first.annotation if first else None, "response": getattr(scope.node, "returns", None)}
    return {name: expr for name, expr in types.items() if expr is not None}


def _client(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    expr = keyword(node, "resolve")
    if expr is None:
        hidden = any(one.arg is None for one in node.keywords)
        return (
            ClientValue(
                undecided("a resolver may be in the ** of the client's arguments") if hidden else UNCHANGED_NAME
            ),
        )
    return tuple(
        ClientValue(evaluate_resolver(evaluator, value, expr, scope)) for value in evaluator.evaluate(expr, scope)
    )


def _environment(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return _variable(evaluator, evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED)


def _variable(evaluator: Evaluator, names: Values) -> Values:
    return union(_value_of(evaluator, name) for name in string_constants(names)) or UNRESOLVED


def _value_of(evaluator: Evaluator, name: str) -> Values:
    if name in evaluator.environment:
        return (Constant(evaluator.environment[name]),)
    return (Unresolved(f"the environment variable {name} decides it: give --env {name}=VALUE"),)


def _checked(make: Callable[[Any], str], values: Values) -> Iterator[Value]:
    """Make texts of constants, as the library itself would."""
    for value in values:
        if not isinstance(value, Constant):
            yield value if isinstance(value, Unresolved) else UNRESOLVED[0]
            continue
        try:
            yield Constant(make(value.value))
        except (InvalidArnError, ContractError, TypeError) as exc:
            yield Unresolved(str(exc))


def _through(make: Callable[[Any], str]) -> _Work:
    def work(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
        given = evaluator.evaluate(node.args[0], scope) if node.args else (Constant(None),)
        return tuple(_checked(make, given))

    return work


def _built(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    parts = {"name": node.args[0]} if node.args else {}
    parts |= {one.arg: one.value for one in node.keywords if one.arg is not None}
    chosen = [[(name, value) for value in evaluator.evaluate(expr, scope)] for name, expr in parts.items()]
    found: list[Value] = []
    for each in product(*chosen):
        missing = unresolved_reasons(value for _, value in each)
        settings: Any = {name: value.value for name, value in each if isinstance(value, Constant)}
        try:
            found.append(Unresolved(missing[0]) if missing else Constant(str(FunctionArn.build(**settings))))
        except (InvalidArnError, TypeError) as exc:
            found.append(Unresolved(str(exc)))
    return tuple(found)


def _table(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """``dict(name=value)``; what it is given else is not followed."""
    if node.args or any(one.arg is None for one in node.keywords):
        return UNRESOLVED
    return (evaluate_keywords(evaluator, node, scope),)


def _own_client(evaluator: Evaluator, inner: Scope, node: ast.Call, scope: Scope) -> Values:
    """What the code has built on lambdachain's client is a client; its own ``__init__`` may do anything."""
    if not classes.is_client_class(evaluator, inner):
        return ()
    made = classes.find_constructor(evaluator, inner)
    if made is None:
        return _client(evaluator, node, scope)
    return (ClientValue(undecided(f"a resolver may be made in the __init__ at {made.locate(made.node)}")),)


def _super(evaluator: Evaluator, _node: ast.Call, scope: Scope) -> Values:
    at: Scope | None = scope
    while at is not None and at.owner is None:
        at = at.parent
    owner = None if at is None else at.owner
    return (SuperValue(owner),) if owner is not None and evaluator.base_classes(owner) else UNRESOLVED


def _default(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """The default that ``field(...)`` or ``Field(...)`` gives."""
    stated = node.args[0] if node.args else keyword(node, "default")
    if stated is not None:
        return evaluator.evaluate(stated, scope)
    factory = keyword(node, "default_factory")
    made = evaluator.evaluate(factory, scope) if factory is not None else ()
    return union(_result(evaluator, function, node, scope) for function in made)


def _same_values(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED


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
