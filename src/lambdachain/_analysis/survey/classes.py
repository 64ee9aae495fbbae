"""What is known of classes: who inherits from whom, what ``self`` and ``cls`` are, and what a field may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .evaluator import Evaluator
from .scopes import Assignment, Definition, Scope, keyword, last_name
from .syntax import CLIENTS, DEFINITIONS, evaluate_keywords
from .values import UNRESOLVED, ClassValue, Constant, ExternalName, InstanceValue, Unresolved, Values, union

# Bases that call none of a class's own methods but the special ones; what pydantic calls is decorated.
_QUIET: Final = ("abc.", "builtins.", "dataclasses.", "enum.", "pydantic.", "typing.")
_OF_THE_CLASS: Final = ("__new__", "__init_subclass__", "__class_getitem__")
_RECORDS: Final = frozenset({"dataclass", "define", "frozen", "BaseModel", "BaseSettings", "NamedTuple"})
_PROPERTIES: Final = frozenset({"property", "cached_property"})


def evaluate_bases(evaluator: Evaluator, scope: Scope) -> Values:
    """Return what a class is built of; of ``Base[int]``, the base."""
    exprs = scope.node.bases if isinstance(scope.node, ast.ClassDef) else []
    return union(
        evaluator.evaluate(expr.value if isinstance(expr, ast.Subscript) else expr, scope.parent or scope)
        for expr in exprs
    )


def lineage(evaluator: Evaluator, scope: Scope) -> list[Scope]:
    """Return a class and its bases that are in the code, the nearest first."""
    found = [scope]
    for one in found:
        found += [base for base in evaluator.base_classes(one) if base not in found]
    return found


def _outside(evaluator: Evaluator, scope: Scope) -> Iterator[str]:
    """Yield the names of bases that are not in the code; of one that is not told, nothing."""
    for one in lineage(evaluator, scope):
        for value in evaluate_bases(evaluator, one):
            if not isinstance(value, ClassValue):
                yield value.name if isinstance(value, ExternalName) else ""


def may_call_any_method(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a base that is not in the code may call a class's methods, as ``Thread`` calls ``run``."""
    return any(not name.startswith(_QUIET) for name in _outside(evaluator, scope))


def get_receiver_type(scope: Scope) -> type[InstanceValue | ClassValue] | None:
    """Return what a method's first parameter is: an object, the class, or (``None``) a parameter like any other."""
    if scope.owner is None:
        return None
    decorated = _decorators(scope)
    if "staticmethod" in decorated:
        return None
    return ClassValue if "classmethod" in decorated or scope.name.endswith(_OF_THE_CLASS) else InstanceValue


def is_property(scope: Scope) -> bool:
    """Check whether a method is called where its name is only read."""
    return scope.kind == "function" and not _PROPERTIES.isdisjoint(_decorators(scope))


def _decorators(scope: Scope) -> frozenset[str]:
    decorators = scope.node.decorator_list if isinstance(scope.node, (*DEFINITIONS, ast.ClassDef)) else []
    return frozenset(last_name(one.func if isinstance(one, ast.Call) else one) for one in decorators)


def find_constructor(evaluator: Evaluator, scope: Scope) -> Scope | None:
    """Return the ``__init__`` that makes objects of a class, if the code has one."""
    for home in lineage(evaluator, scope):
        for binding, _ in home.bindings.get("__init__", ()):
            if isinstance(binding, Definition):
                return binding.scope
    return None


def get_call_names(evaluator: Evaluator, scope: Scope) -> list[str]:
    """Return the names that a function may be called by; ``__init__`` by those of its class and of the classes
    below.
    """
    if scope.owner is None or not scope.name.endswith(".__init__"):
        return [scope.short_name]
    return ["__init__", *_names_below(evaluator, scope.owner)]


def _names_below(evaluator: Evaluator, scope: Scope) -> list[str]:
    family = evaluator.project.get_family(scope, evaluator.base_classes)
    return list(dict.fromkeys(["cls", *(one.short_name for one in family)]))


def evaluate_field(evaluator: Evaluator, scope: Scope, name: str) -> Values:
    """Return what a field of an object may hold, where no ``__init__`` of the code's own says so."""
    homes = lineage(evaluator, scope)
    home = next((one for one in homes if name in one.fields), None)
    if home is None:
        return ()
    annotated = evaluator.evaluate_annotation(home.fields[name], home)
    if find_constructor(evaluator, scope) is not None:
        is_set = any(name in one.bindings or name in one.attributes for one in homes)
        return () if is_set else annotated
    given = union(_given(evaluator, home, name))
    found = given or _default(evaluator, home, name)
    if not given and _is_record(evaluator, home):
        found = (*found, Unresolved(f"it is the field {name!r} of {home.name}, which is not made in this code"))
    return annotated if annotated and any(isinstance(value, Unresolved) for value in found) else found


def _is_record(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether others make objects of a class, from JSON or the like, by its fields."""
    return not _RECORDS.isdisjoint(_decorators(scope)) or any(
        name.rpartition(".")[2] in _RECORDS for name in _outside(evaluator, scope)
    )


def _given(evaluator: Evaluator, home: Scope, name: str) -> Iterator[Values]:
    """Yield what each call that makes an object passes for a field, or the default."""
    for called in _names_below(evaluator, home):
        for call, caller in evaluator.project.find_calls(called):
            for value in evaluator.evaluate(call.func, caller):
                if isinstance(value, ClassValue) and home in lineage(evaluator, value.scope):
                    passed = _passed(evaluator, call, caller, value.scope, name)
                    yield _default(evaluator, home, name) if passed is None else passed


def _passed(evaluator: Evaluator, call: ast.Call, caller: Scope, made: Scope, name: str) -> Values | None:
    options = evaluate_keywords(evaluator, call, caller, {name: name})
    if (found := options.get(name)) is not None:
        return found
    fields = list(dict.fromkeys(one for home in reversed(lineage(evaluator, made)) for one in home.fields))
    before = call.args[: fields.index(name) + 1]
    if any(isinstance(one, ast.Starred) for one in before):
        return UNRESOLVED
    return evaluator.evaluate(before[-1], caller) if len(before) > fields.index(name) else None


def _default(evaluator: Evaluator, home: Scope, name: str) -> Values:
    """Return the default of a field; that of settings is the environment's to decide."""
    if not any(base.endswith(".BaseSettings") for base in _outside(evaluator, home)):
        return evaluator.evaluate_class_name(home, name)
    key = f"{_prefix(evaluator, home)}{name}".upper()
    known = {variable.upper(): text for variable, text in evaluator.environment.items()}
    if key in known:
        return (Constant(known[key]),)
    return (Unresolved(f"the environment variable {key} decides it: give --env {key}=VALUE"),)


def _prefix(evaluator: Evaluator, scope: Scope) -> str:
    for home in lineage(evaluator, scope):
        for binding, _ in home.bindings.get("model_config", ()):
            if isinstance(binding, Assignment) and isinstance(binding.expr, ast.Call):
                prefix = keyword(binding.expr, "env_prefix")
                return (prefix and evaluator.evaluate_string(prefix, home)) or ""
    return ""


def is_client_class(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is built on lambdachain's client."""
    return any(name in CLIENTS for name in _outside(evaluator, scope))
