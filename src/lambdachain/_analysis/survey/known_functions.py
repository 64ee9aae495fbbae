"""What calls return: functions in the code, and the models of functions outside of it.

``_FUNCTIONS`` has the model of each external function that the survey understands, by its qualified name;
``_evaluate_method`` has those of methods. A call of anything else evaluates to ``UNRESOLVED``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Final

from lambdachain._core.arn import FunctionArn, Qualifier, parse_target
from lambdachain._core.errors import ContractError, InvalidArnError
from lambdachain._core.type_guards import is_list, is_mapping

from .arguments import add_partial, bind_arguments, evaluate_arguments
from .boto3_calls import evaluate_service, is_lambda_service, may_be_method
from .classes import AUTO, is_enum
from .client_values import CLIENT_FUNCTIONS, evaluate_bind, evaluate_client_subclass
from .contract_values import evaluate_contract, evaluate_remote
from .dynamic_imports import evaluate_import_module
from .environment import read_variables
from .evaluator import Evaluator
from .installed import explain_missing_module
from .name_resolution import evaluate_from_env, evaluate_mapping, evaluate_prefix
from .objects import bind_receiver, copy_instance, create_instance, has_parameters, to_fields
from .results import DeclaredContract
from .scopes import Scope, get_keyword
from .string_values import evaluate_slice, evaluate_string_method
from .syntax import evaluate_keywords
from .values import (
    UNRESOLVED,
    Arguments,
    BoundFunctionValue,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    DecoratorValue,
    EnumMemberValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    PartialValue,
    SuperValue,
    Unresolved,
    Value,
    Values,
    get_key,
    merge_mappings,
    string_constants,
    union,
    unresolved_reasons,
)

_COMPUTED: Final = Unresolved("it is computed at run time")

_Model = Callable[[Evaluator, ast.Call, Scope], Values]


def evaluate_call(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what a call may return."""
    if isinstance(node.func, ast.Attribute):
        receivers = merge_mappings(evaluator.evaluate(node.func.value, scope))
        found = union(_evaluate_method(evaluator, receiver, node, scope) for receiver in receivers)
        if found:
            return found
    return union(
        _evaluate_function(evaluator, function, node, scope) for function in evaluator.evaluate(node.func, scope)
    )


def evaluate_item(evaluator: Evaluator, value: Value, key: ast.expr, scope: Scope) -> Values:  # noqa: PLR0911 - a table
    """Return what ``value[key]`` may be."""
    match value:
        case ExternalName("os.environ"):
            return read_variables(evaluator.environment, evaluator.evaluate(key, scope))
        case Constant() | Unresolved() if isinstance(key, ast.Slice):
            return evaluate_slice(evaluator, value, key, scope)
        case Unresolved(why):
            return (Unresolved(why),)
        case ClassValue(inner) if is_enum(evaluator, inner):
            member = evaluator.evaluate_string(key, scope)
            return evaluator.evaluate_attribute(value, member) if member else (InstanceValue(inner),)
        case ExternalName(name):
            # ``Contract[int, str]`` is still the class Contract.
            return (value,) if name.startswith("lambdachain.") else UNRESOLVED
        case MappingValue():
            keys = evaluator.evaluate(key, scope)
            return union(_get_entry(value, one) for one in keys) if keys else _get_all_entries(value)
        case CollectionValue(items, ordered):
            return _get_position(ordered, evaluator.evaluate(key, scope)) or items
        case _:
            return UNRESOLVED


def _get_position(ordered: tuple[Values, ...] | None, index: Values) -> Values:
    """Return the values at a position that is known."""
    match index:
        case (Constant(int(number)),) if ordered is not None and -len(ordered) <= number < len(ordered):
            return ordered[number]
        case _:
            return ()


def _evaluate_function(evaluator: Evaluator, function: Value, node: ast.Call, scope: Scope) -> Values:  # noqa: PLR0911 - a table
    match function:
        case ExternalName(name):
            model = _FUNCTIONS.get(name)
            return model(evaluator, node, scope) if model else (_explain_call(evaluator, name),)
        case ClassValue(inner):
            created = create_instance(evaluator, inner, node, scope)
            return (created, *evaluate_client_subclass(evaluator, inner, node, scope))
        case FunctionValue(inner, contract=None) if not evaluator.follows_calls:
            return evaluator.evaluate_return(inner)
        case FunctionValue(inner, contract=None) if inner.returns and has_parameters(inner):
            called = bind_receiver(evaluator, function, node, scope)
            arguments = evaluate_arguments(evaluator, node, scope)
            return evaluator.evaluate_call(called, bind_arguments(evaluator, called, arguments))
        case FunctionValue(inner, contract=None):
            return evaluator.evaluate_call(function, {})
        case DecoratorValue(make):
            decorated = evaluator.evaluate(node.args[0], scope) if node.args else ()
            return tuple(replace(one, contract=make(one)) for one in decorated if isinstance(one, FunctionValue))
        case Unresolved():
            return (function,)
        case _:
            return UNRESOLVED


def _evaluate_method(evaluator: Evaluator, receiver: Value, node: ast.Call, scope: Scope) -> Values:  # noqa: C901, PLR0911, PLR0912 - a table
    """Return what a method with a model may return; nothing for any other, which is evaluated as a function."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    match receiver, name:
        case (ClientValue() | FunctionValue(contract=DeclaredContract()), "bind"):
            return tuple(evaluate_bind(evaluator, receiver, node, scope))
        case BoundFunctionValue(contract, address, resolution, options), "with_options":
            merged = {**dict(options.entries), **dict(evaluate_keywords(evaluator, node, scope).entries)}
            return (BoundFunctionValue(contract, address, resolution, MappingValue(tuple(merged.items()))),)
        case Constant(str(address)), "with_qualifier" if node.args:
            qualifiers = evaluator.evaluate(node.args[0], scope)
            target = address  # a name of its own, for the type checkers
            return tuple(_apply(lambda text: str(parse_target(target).with_qualifier(text)), qualifiers))
        case Constant(str(address)), "without_qualifier":
            return tuple(_apply(lambda text: str(parse_target(text).without_qualifier()), (receiver,)))
        case MappingValue(entries), "values":
            return (CollectionValue(union(values for _, values in entries)),)
        case MappingValue(entries), "items":
            pairs = [((Constant(key),), values) for key, values in entries if get_key((Constant(key),)) == key]
            return (_make_list(CollectionValue(union(pair), pair) for pair in pairs),)
        case ExternalName("os.environ"), "get" if node.args:
            return _evaluate_getenv(evaluator, node, scope)
        case ((ExternalName() | Unresolved()), ("client" | "create_client")) if is_lambda_service(
            evaluator, node, scope
        ):
            return _evaluate_boto3_client(evaluator, node, scope)
        case ExternalName("boto3.client.lambda"), ("__enter__" | "__aenter__"):
            return (receiver,)
        case _, ("enter_context" | "enter_async_context") if node.args:
            return evaluator.evaluate(node.args[0], scope)
        case MappingValue(), "copy":
            return (receiver,)
        case MappingValue(), "get" if node.args:
            return _evaluate_get(evaluator, receiver, node, scope)
        case InstanceValue(), ("_replace" | "model_copy"):
            return (copy_instance(evaluator, receiver, _get_changed(evaluator, node, scope)),)
        case InstanceValue(), ("_asdict" | "model_dump"):
            return (_evaluate_dump(evaluator, receiver, node),)
        case Constant(str()), _:
            return evaluate_string_method(evaluator, receiver, node, scope)
        case _:
            return ()


def _explain_call(evaluator: Evaluator, name: str) -> Unresolved:
    """Return why it is unknown what a function outside of the code returns."""
    module = name.rpartition(".")[0]
    if "." not in name or name.startswith(("builtins.", "boto3.", "lambdachain.")):
        return _COMPUTED
    if not evaluator.project.is_missing(module):
        return _COMPUTED
    return Unresolved(f"{name} returns it, {explain_missing_module(module)}")


def _get_entry(mapping: MappingValue, key: Value) -> Values:
    """Return what a mapping has at a key; at a key that is unknown, any of its entries."""
    text = get_key((key,))
    if text is None:
        return _get_all_entries(mapping)
    name = key.name if isinstance(key, EnumMemberValue) else key.value if isinstance(key, Constant) else text
    return mapping.get(text) or (Unresolved(f"no entry {name!r} is visible in the mapping"),)


def _get_all_entries(mapping: MappingValue) -> Values:
    return union(values for _, values in mapping.entries)


def _evaluate_get(evaluator: Evaluator, mapping: MappingValue, node: ast.Call, scope: Scope) -> Values:
    """Return what ``mapping.get(key, default)`` may be: any entry or the default if the key is unknown."""
    text = get_key(evaluator.evaluate(node.args[0], scope))
    default = evaluator.evaluate(node.args[1], scope) if len(node.args) > 1 else ()
    if text is None:
        return union([_get_all_entries(mapping), default])
    return mapping.get(text) or default or (Constant(None),)


def _evaluate_getenv(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    names = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    return read_variables(evaluator.environment, names)


def _apply(function: Callable[[Any], str], values: Values) -> Iterator[Value]:
    """Apply one of lambdachain's own functions to constants; what it rejects is unresolved, with its message."""
    for value in values:
        if not isinstance(value, Constant):
            yield value if isinstance(value, Unresolved) else UNRESOLVED[0]
            continue
        try:
            yield Constant(function(value.value))
        except (InvalidArnError, ContractError, TypeError) as exc:
            yield Unresolved(str(exc))


def _make_string_model(function: Callable[[Any], str]) -> _Model:
    """Make the model of a function that takes and returns a string, or something that is written as one."""

    def model(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
        values = evaluator.evaluate(node.args[0], scope) if node.args else (Constant(None),)
        return tuple(_apply(function, values))

    return model


def _evaluate_arn_build(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    arguments = {"name": node.args[0]} if node.args else {}
    arguments |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    alternatives = [[(name, value) for value in evaluator.evaluate(expr, scope)] for name, expr in arguments.items()]
    return tuple(_build_arn(chosen) for chosen in product(*alternatives))


def _build_arn(arguments: tuple[tuple[str, Value], ...]) -> Value:
    unresolved = unresolved_reasons(value for _, value in arguments)
    if unresolved:
        return Unresolved(unresolved[0])
    constants: Any = {name: value.value for name, value in arguments if isinstance(value, Constant)}
    try:
        return Constant(str(FunctionArn.build(**constants)))
    except (InvalidArnError, TypeError) as exc:
        return Unresolved(str(exc))


def _evaluate_boto3_client(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the client that ``boto3.client(service)`` may be: one for each possible service."""
    services = evaluate_service(evaluator, node, scope)
    clients = [ExternalName(f"boto3.client.{name}") for name in string_constants(services)]
    return (*clients, *(Unresolved(why) for why in unresolved_reasons(services))) or UNRESOLVED


def _evaluate_getattr(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``getattr(something, name)`` may be."""
    if len(node.args) < 2:
        return UNRESOLVED
    names = evaluator.evaluate(node.args[1], scope)
    found = [
        evaluator.evaluate_attribute(value, name)
        for value in evaluator.evaluate(node.args[0], scope)
        for name in string_constants(names)
    ]
    return union([*found, tuple(Unresolved(why) for why in unresolved_reasons(names))]) or UNRESOLVED


def _evaluate_partial(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``functools.partial(function, ...)`` is: the function, with the arguments added."""
    functions = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    own = dict(evaluate_keywords(evaluator, node, scope, {}).entries)
    found: list[Value] = []
    for function in functions:
        match function:
            case FunctionValue():
                found.append(add_partial(function, evaluate_arguments(evaluator, node, scope, 1)))
            case PartialValue(method, keywords):
                merged = {**dict(keywords.entries), **own}
                found.append(PartialValue(method, MappingValue(tuple(merged.items()))))
            case ExternalName() if may_be_method(function):
                found.append(PartialValue(function, MappingValue(tuple(own.items()))))
            case _:
                found.append(UNRESOLVED[0])
    return tuple(found)


def _evaluate_dict_call(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``dict(other, name=value)`` is."""
    keys = [None if keyword.arg is None else ast.Constant(keyword.arg) for keyword in node.keywords]
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    merged = evaluator.evaluate(ast.Dict([*(None for _ in node.args), *keys], values), scope)
    return merged if isinstance(merged[0], MappingValue) else UNRESOLVED


def _make_list(items: Iterable[Value]) -> CollectionValue:
    listed = tuple(items)
    return CollectionValue(listed, tuple((one,) for one in listed))


def _evaluate_enumerate(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the pairs of numbers and items; the numbers are not followed."""
    items = evaluator.list_items(evaluator.evaluate(node.args[0], scope)) if node.args else UNRESOLVED
    return (_make_list(CollectionValue((*UNRESOLVED, item), (UNRESOLVED, (item,))) for item in items),)


def _evaluate_zip(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the tuples of what stands at each position of several lists."""
    columns: list[tuple[Values, ...]] = []
    for argument in node.args:
        match evaluator.evaluate(argument, scope):
            case (CollectionValue(ordered=tuple(ordered)),):
                columns.append(ordered)
            case _:
                return UNRESOLVED
    return (_make_list(CollectionValue(union(row), row) for row in zip(*columns, strict=False)),)


def _evaluate_json(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what a text that is known is parsed to: the names of functions in one variable, for example."""
    texts = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    return union(_parse_json(value) for value in texts)


def _parse_json(text: Value) -> Values:
    if not isinstance(text, Constant) or not isinstance(text.value, str):
        return (text,) if isinstance(text, Unresolved) else UNRESOLVED
    try:
        return (_from_json(json.loads(text.value)),)
    except (ValueError, RecursionError):
        return (Unresolved("it is parsed from a text that is not JSON"),)


def _from_json(tree: Any) -> Value:
    if is_mapping(tree):
        return MappingValue(tuple((str(name), (_from_json(one),)) for name, one in tree.items()))
    if is_list(tree):
        return _make_list(map(_from_json, tree))
    return Constant(tree)


def _evaluate_super(evaluator: Evaluator, _node: ast.Call, scope: Scope) -> Values:
    enclosing: Scope | None = scope
    while enclosing is not None and enclosing.owner is None:  # a function or lambda inside of a method
        enclosing = enclosing.parent
    owner = None if enclosing is None else enclosing.owner
    if enclosing is None or owner is None or not evaluator.base_classes(owner):
        return UNRESOLVED
    first = next(iter(enclosing.bindings), "self")
    bound = [one for one in evaluator.evaluate_name(first, enclosing) if isinstance(one, InstanceValue | ClassValue)]
    return (SuperValue(owner, bound[0] if bound else None),)


def _evaluate_field_default(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the default that ``field(...)`` or ``Field(...)`` declares."""
    default = node.args[0] if node.args else get_keyword(node, "default")
    if default is not None:
        return evaluator.evaluate(default, scope)
    factory = get_keyword(node, "default_factory")
    functions = evaluator.evaluate(factory, scope) if factory is not None else ()
    return union(_evaluate_function(evaluator, function, node, scope) for function in functions)


def _get_changed(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Arguments:
    """Return the fields that a copy of an object gets: pydantic's are in one mapping."""
    if (update := get_keyword(node, "update")) is None:
        return evaluate_arguments(evaluator, node, scope, 1)
    call = ast.Call(node.func, [], [ast.keyword(None, update)])
    return evaluate_arguments(evaluator, call, scope)


def _evaluate_replace(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    changed = _get_changed(evaluator, node, scope)
    return tuple(copy_instance(evaluator, one, changed) for one in _evaluate_first_argument(evaluator, node, scope))


def _evaluate_asdict(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return tuple(_evaluate_dump(evaluator, one, node) for one in _evaluate_first_argument(evaluator, node, scope))


def _evaluate_dump(evaluator: Evaluator, value: Value, node: ast.Call) -> Value:
    """Return the fields of an object; options that leave out or rename fields are not followed."""
    options = {keyword.arg for keyword in node.keywords}
    if not options <= {"mode", "exclude_none"}:
        return UNRESOLVED[0]
    return to_fields(evaluator, value, without_none="exclude_none" in options)


def _evaluate_first_argument(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    return evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED


_FUNCTIONS: Final[Mapping[str, _Model]] = {
    "lambdachain.Contract": evaluate_contract,
    "lambdachain.remote": evaluate_remote,
    **CLIENT_FUNCTIONS,
    "lambdachain.resolvers.prefix": evaluate_prefix,
    "lambdachain.resolvers.mapping": evaluate_mapping,
    "lambdachain.resolvers.from_env": evaluate_from_env,
    # Addresses and qualifiers are strings here: that is what their objects are written as in an ARN.
    "lambdachain.FunctionArn.build": _evaluate_arn_build,
    "lambdachain.FunctionArn.parse": _make_string_model(lambda text: str(FunctionArn.parse(text))),
    "lambdachain.parse_target": _make_string_model(lambda text: str(parse_target(text))),
    "lambdachain.Qualifier": _make_string_model(Qualifier),
    "lambdachain.Qualifier.alias": _make_string_model(Qualifier.alias),
    "lambdachain.Qualifier.parse": _make_string_model(Qualifier.parse),
    "lambdachain.Qualifier.version": _make_string_model(Qualifier.version),
    "lambdachain.Qualifier.latest": _make_string_model(lambda _: Qualifier.latest()),
    **dict.fromkeys(("builtins.dict", "types.SimpleNamespace"), _evaluate_dict_call),
    "enum.auto": lambda _evaluator, _node, _scope: (AUTO,),
    "builtins.enumerate": _evaluate_enumerate,
    "builtins.zip": _evaluate_zip,
    "json.loads": _evaluate_json,
    "builtins.super": _evaluate_super,
    **dict.fromkeys(("dataclasses.field", "pydantic.Field"), _evaluate_field_default),
    "builtins.getattr": _evaluate_getattr,
    **dict.fromkeys(("importlib.import_module", "builtins.__import__"), evaluate_import_module),
    "functools.partial": _evaluate_partial,
    **dict.fromkeys(("dataclasses.replace", "copy.replace", "attr.evolve", "attrs.evolve"), _evaluate_replace),
    **dict.fromkeys(("dataclasses.asdict", "attr.asdict", "attrs.asdict", "builtins.vars"), _evaluate_asdict),
    **dict.fromkeys(("boto3.client", "lambdachain.compat.client"), _evaluate_boto3_client),
    # They prefer the environment to a file with defaults, as Lambda's configuration is preferred here.
    **dict.fromkeys(("os.getenv", "decouple.config", "environs.Env()", "environ.Env()"), _evaluate_getenv),
    **dict.fromkeys(("environs.Env().str", "environ.Env().str"), _evaluate_getenv),
    "environs.Env": lambda _evaluator, _node, _scope: (ExternalName("environs.Env()"),),
    "environ.Env": lambda _evaluator, _node, _scope: (ExternalName("environ.Env()"),),
    "os.environ.get": _evaluate_getenv,
    # For the survey these return their argument: a list of the same items, an equal object, or the same client.
    **dict.fromkeys(
        (
            *("builtins.str", "builtins.list", "builtins.tuple", "builtins.sorted", "contextlib.closing"),
            *("copy.copy", "copy.deepcopy", "lambdachain.compat.upgrade"),
        ),
        _evaluate_first_argument,
    ),
}
