"""Classes: inheritance, what ``self`` and ``cls`` are, and what a field may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .environment import read_variable
from .evaluator import Evaluator
from .scopes import Assignment, Definition, Scope, get_keyword, last_name
from .syntax import CLIENTS, DEFINITIONS, evaluate_keywords
from .values import (
    UNRESOLVED,
    ClassValue,
    CollectionValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    Unresolved,
    Value,
    Values,
    union,
    unresolved_reasons,
)

# External bases that call only special methods of a subclass. (What pydantic calls is decorated, and found by that.)
_PASSIVE_BASES: Final = ("abc.", "builtins.", "dataclasses.", "enum.", "pydantic.", "typing.")
_IMPLICIT_CLASS_METHODS: Final = ("__new__", "__init_subclass__", "__class_getitem__")
_DATA_CLASSES: Final = frozenset({"dataclass", "define", "frozen", "BaseModel", "BaseSettings", "NamedTuple"})
# The member of a StrEnum that is set to ``auto()`` is its own name in lower case.
AUTO: Final = ExternalName("enum.auto()")
_PROPERTIES: Final = frozenset({"property", "cached_property"})


def evaluate_bases(evaluator: Evaluator, scope: Scope) -> Values:
    """Return the values of the base expressions of a class; for ``Base[int]``, of ``Base``."""
    exprs = scope.node.bases if isinstance(scope.node, ast.ClassDef) else []
    return union(
        evaluator.evaluate(expr.value if isinstance(expr, ast.Subscript) else expr, scope.parent or scope)
        for expr in exprs
    )


def get_lineage(evaluator: Evaluator, scope: Scope) -> list[Scope]:
    """Return a class and all its bases that are in the code, nearest first."""
    found = [scope]
    for one in found:
        found += [base for base in evaluator.base_classes(one) if base not in found]
    return found


def _find_external_bases(evaluator: Evaluator, scope: Scope) -> Iterator[str]:
    """Yield the qualified names of bases that are not in the code; an empty string for an unresolved one."""
    for one in get_lineage(evaluator, scope):
        for value in evaluate_bases(evaluator, one):
            if not isinstance(value, ClassValue):
                yield value.name if isinstance(value, ExternalName) else ""


def may_call_any_method(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether an external base may call methods of a class, as ``Thread`` calls ``run``."""
    return any(not name.startswith(_PASSIVE_BASES) for name in _find_external_bases(evaluator, scope))


def has_unresolved_base(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a base of a class is unresolved, so that it may be any class."""
    return "" in _find_external_bases(evaluator, scope)


def get_receiver_type(scope: Scope) -> type[InstanceValue | ClassValue] | None:
    """Return whether a method's first parameter is the object or the class; ``None`` for an ordinary parameter."""
    if scope.owner is None:
        return None
    decorated = _get_decorator_names(scope)
    if "staticmethod" in decorated:
        return None
    return ClassValue if "classmethod" in decorated or scope.name.endswith(_IMPLICIT_CLASS_METHODS) else InstanceValue


def is_property(scope: Scope) -> bool:
    """Check whether a method runs when its name is read."""
    return scope.kind == "function" and not _PROPERTIES.isdisjoint(_get_decorator_names(scope))


def is_setter(scope: Scope) -> bool:
    """Check whether a method runs when its name is assigned."""
    return scope.kind == "function" and "setter" in _get_decorator_names(scope)


def _get_decorator_names(scope: Scope) -> frozenset[str]:
    decorators = scope.node.decorator_list if isinstance(scope.node, (*DEFINITIONS, ast.ClassDef)) else []
    return frozenset(last_name(one.func if isinstance(one, ast.Call) else one) for one in decorators)


def find_constructor(evaluator: Evaluator, scope: Scope) -> Scope | None:
    """Return the ``__init__`` of a class or its bases, if it is in the code."""
    for home in get_lineage(evaluator, scope):
        for binding, _ in home.bindings.get("__init__", ()):
            if isinstance(binding, Definition):
                return binding.scope
    return None


def get_call_names(evaluator: Evaluator, scope: Scope) -> list[str]:
    """Return the names that calls of a function may have: for ``__init__``, those of its class and the subclasses."""
    if scope.owner is None or not scope.name.endswith(".__init__"):
        return [scope.short_name]
    return ["__init__", *_get_class_names(evaluator, scope.owner)]


def _get_class_names(evaluator: Evaluator, scope: Scope) -> list[str]:
    family = evaluator.project.get_family(scope, evaluator.base_classes)
    return list(dict.fromkeys(["cls", *(one.short_name for one in family)]))


def evaluate_field(evaluator: Evaluator, scope: Scope, name: str) -> Values:
    """Return what a field of an object may hold, unless an ``__init__`` in the code assigns it."""
    homes = get_lineage(evaluator, scope)
    home = next((one for one in homes if name in one.fields), None)
    if home is None:
        return ()
    annotated = evaluator.evaluate_annotation(home.fields[name], home)
    if find_constructor(evaluator, scope) is not None:
        is_set = any(name in one.bindings or name in one.attributes for one in homes)
        return () if is_set else annotated
    passed = union(_find_arguments(evaluator, home, name))
    found = passed or _evaluate_default(evaluator, home, name)
    # Objects of data classes are also created by others, from JSON for example: the default is one value of many.
    if not passed and is_data_class(evaluator, home):
        found = (*found, Unresolved(f"it is the field {name!r} of {home.name}, which is not created in this code"))
    return annotated if annotated and any(isinstance(value, Unresolved) for value in found) else found


def evaluate_passed_fields(evaluator: Evaluator, scope: Scope, call: ast.Call, caller: Scope) -> dict[str, Values]:
    """Return what the call that creates an object of a data class passes for its fields."""
    found: dict[str, Values] = {}
    for home in get_lineage(evaluator, scope) if is_data_class(evaluator, scope) else ():
        for name in home.fields:
            if name not in found:
                passed = _evaluate_argument(evaluator, call, caller, scope, name)
                values = _evaluate_default(evaluator, home, name) if passed is None else passed
                annotated = evaluator.evaluate_annotation(home.fields[name], home)
                found[name] = annotated if annotated and unresolved_reasons(values) else values
    return found


def is_data_class(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is a dataclass, attrs class, pydantic model or named tuple."""
    return not _DATA_CLASSES.isdisjoint(_get_decorator_names(scope)) or any(
        name.rpartition(".")[2] in _DATA_CLASSES for name in _find_external_bases(evaluator, scope)
    )


def _find_arguments(evaluator: Evaluator, home: Scope, name: str) -> Iterator[Values]:
    """Yield what each call that creates an object passes for a field, or the default."""
    for class_name in _get_class_names(evaluator, home):
        for call, caller in evaluator.project.find_calls(class_name):
            for value in evaluator.evaluate(call.func, caller):
                if isinstance(value, ClassValue) and home in get_lineage(evaluator, value.scope):
                    passed = _evaluate_argument(evaluator, call, caller, value.scope, name)
                    yield _evaluate_default(evaluator, home, name) if passed is None else passed


def _evaluate_argument(evaluator: Evaluator, call: ast.Call, caller: Scope, created: Scope, name: str) -> Values | None:
    options = evaluate_keywords(evaluator, call, caller, {name: name})
    if (found := options.get(name)) is not None:
        return found
    # Positional arguments are the fields of the bases first, in the order of their annotations.
    fields = list(dict.fromkeys(one for home in reversed(get_lineage(evaluator, created)) for one in home.fields))
    before = call.args[: fields.index(name) + 1]
    if any(isinstance(one, ast.Starred) for one in before):
        return UNRESOLVED
    return evaluator.evaluate(before[-1], caller) if len(before) > fields.index(name) else None


def _evaluate_default(evaluator: Evaluator, home: Scope, name: str) -> Values:
    """Return the default of a field; a field of pydantic-settings is read from the environment instead."""
    if not any(base.endswith(".BaseSettings") for base in _find_external_bases(evaluator, home)):
        return evaluator.evaluate_class_name(home, name)
    # pydantic-settings ignores the case of variable names.
    variables = {variable.upper(): text for variable, text in evaluator.environment.items()}
    alias = _get_alias(evaluator, home, name)
    return read_variable(variables, (alias or f"{_get_env_prefix(evaluator, home)}{name}").upper())


def _get_alias(evaluator: Evaluator, home: Scope, name: str) -> str | None:
    """Return the variable that ``Field(validation_alias=...)`` names, or ``env=`` in pydantic 1; it has no prefix."""
    for binding, _ in home.bindings.get(name, ()):
        if isinstance(binding, Assignment) and isinstance(binding.expr, ast.Call):
            for keyword in ("validation_alias", "alias", "env"):
                expr = get_keyword(binding.expr, keyword)
                text = None if expr is None else evaluator.evaluate_string(expr, home)
                if text:
                    return text
    return None


def _get_env_prefix(evaluator: Evaluator, scope: Scope) -> str:
    for home in get_lineage(evaluator, scope):
        for binding, _ in home.bindings.get("model_config", ()):
            if isinstance(binding, Assignment) and isinstance(binding.expr, ast.Call):
                prefix = get_keyword(binding.expr, "env_prefix")
                return (prefix and evaluator.evaluate_string(prefix, home)) or ""
    return ""


def find_methods_by_name(evaluator: Evaluator, node: ast.Attribute, scope: Scope) -> list[Scope]:
    """Return the methods that an attribute may be whose object is unresolved: all of that name.

    ``super().__init__()`` in a subclass of a library's class runs what the library has, and in the code only what
    multiple inheritance puts between the two. Without this, it would be each ``__init__`` of the code.
    """
    methods = evaluator.project.find_methods(node.attr)
    started = _find_super_class(evaluator, node.value, scope) if methods else None
    if started is None:
        return methods
    homes: set[Scope] = set()
    for related in evaluator.project.get_family(started, evaluator.base_classes):
        if "" in _find_external_bases(evaluator, related):
            return methods  # a base that is unresolved may be any class of the code
        homes.update(get_lineage(evaluator, related))
    return [method for method in methods if method.owner in homes]


def _find_super_class(evaluator: Evaluator, node: ast.expr, scope: Scope) -> Scope | None:
    """Return the class after which ``super()`` continues; ``None`` if an expression is not that."""
    if not isinstance(node, ast.Call) or evaluator.evaluate(node.func, scope) != (ExternalName("builtins.super"),):
        return None
    if node.args:
        values = evaluator.evaluate(node.args[0], scope)
        return values[0].scope if len(values) == 1 and isinstance(values[0], ClassValue) else None
    enclosing: Scope | None = scope
    while enclosing is not None and enclosing.owner is None:
        enclosing = enclosing.parent
    return None if enclosing is None else enclosing.owner


def is_enum(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is an enum."""
    return any(name.startswith("enum.") for name in _find_external_bases(evaluator, scope))


def list_members(evaluator: Evaluator, values: Values) -> Values:
    """Return *values* with each enum replaced by a list of its members: what a loop goes over."""

    def to_list(value: Value) -> Value:
        if isinstance(value, ClassValue) and is_enum(evaluator, value.scope):
            names = [name for name in value.scope.bindings if not name.startswith("_")]
            found = union(evaluator.evaluate_attribute(value, name) for name in names)
            return CollectionValue(tuple(one for one in found if not isinstance(one, FunctionValue)))
        return value

    return tuple(map(to_list, values))


def is_string_enum(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether the members of an enum are strings themselves: ``StrEnum``, or ``str`` among the bases."""
    return any(name in ("enum.StrEnum", "builtins.str") for name in _find_external_bases(evaluator, scope))


def is_client_class(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is a subclass of lambdachain's clients."""
    return any(name in CLIENTS for name in _find_external_bases(evaluator, scope))
