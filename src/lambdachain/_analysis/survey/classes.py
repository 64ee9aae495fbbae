"""What is known of classes: who inherits from whom, what ``self`` and ``cls`` are, and what a field may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .evaluator import Evaluator
from .scopes import Assigned, Defined, Scope, keyword, last_name
from .syntax import CLIENTS, DEFINITIONS, options_of
from .values import NOT_FOLLOWED, Class, Constant, Instance, Library, Unknown, Values, union

# Bases that call none of a class's own methods but the special ones; what pydantic calls is decorated.
_QUIET: Final = ("abc.", "builtins.", "dataclasses.", "enum.", "pydantic.", "typing.")
_OF_THE_CLASS: Final = ("__new__", "__init_subclass__", "__class_getitem__")
_RECORDS: Final = frozenset({"dataclass", "define", "frozen", "BaseModel", "BaseSettings", "NamedTuple"})
_PROPERTIES: Final = frozenset({"property", "cached_property"})


def bases(evaluation: Evaluator, scope: Scope) -> Values:
    """Return what a class is built of; of ``Base[int]``, the base."""
    exprs = scope.node.bases if isinstance(scope.node, ast.ClassDef) else []
    return union(
        evaluation.values(expr.value if isinstance(expr, ast.Subscript) else expr, scope.parent or scope)
        for expr in exprs
    )


def lineage(evaluation: Evaluator, scope: Scope) -> list[Scope]:
    """Return a class and its bases that are in the code, the nearest first."""
    found = [scope]
    for one in found:
        found += [base for base in evaluation.bases(one) if base not in found]
    return found


def _outside(evaluation: Evaluator, scope: Scope) -> Iterator[str]:
    """Yield the names of bases that are not in the code; of one that is not told, nothing."""
    for one in lineage(evaluation, scope):
        for value in bases(evaluation, one):
            if not isinstance(value, Class):
                yield value.name if isinstance(value, Library) else ""


def may_call_any_method(evaluation: Evaluator, scope: Scope) -> bool:
    """Check whether a base that is not in the code may call a class's methods, as ``Thread`` calls ``run``."""
    return any(not name.startswith(_QUIET) for name in _outside(evaluation, scope))


def receiver_of(scope: Scope) -> type[Instance | Class] | None:
    """Return what a method's first parameter is: an object, the class, or (``None``) a parameter like any other."""
    if scope.owner is None:
        return None
    decorated = _decorators(scope)
    if "staticmethod" in decorated:
        return None
    return Class if "classmethod" in decorated or scope.name.endswith(_OF_THE_CLASS) else Instance


def is_property(scope: Scope) -> bool:
    """Check whether a method is called where its name is only read."""
    return scope.kind == "function" and not _PROPERTIES.isdisjoint(_decorators(scope))


def _decorators(scope: Scope) -> frozenset[str]:
    decorators = scope.node.decorator_list if isinstance(scope.node, (*DEFINITIONS, ast.ClassDef)) else []
    return frozenset(last_name(one.func if isinstance(one, ast.Call) else one) for one in decorators)


def constructor_of(evaluation: Evaluator, scope: Scope) -> Scope | None:
    """Return the ``__init__`` that makes objects of a class, if the code has one."""
    for home in lineage(evaluation, scope):
        for binding, _ in home.bindings.get("__init__", ()):
            if isinstance(binding, Defined):
                return binding.scope
    return None


def called_by(evaluation: Evaluator, scope: Scope) -> list[str]:
    """Return the names that a function may be called by; ``__init__`` by those of its class and of the classes
    below.
    """
    if scope.owner is None or not scope.name.endswith(".__init__"):
        return [scope.last]
    return ["__init__", *_names_below(evaluation, scope.owner)]


def _names_below(evaluation: Evaluator, scope: Scope) -> list[str]:
    family = evaluation.project.family(scope, evaluation.bases)
    return list(dict.fromkeys(["cls", *(one.last for one in family)]))


def field_of(evaluation: Evaluator, scope: Scope, name: str) -> Values:
    """Return what a field of an object may hold, where no ``__init__`` of the code's own says so."""
    homes = lineage(evaluation, scope)
    home = next((one for one in homes if name in one.fields), None)
    if home is None:
        return ()
    annotated = evaluation.annotated(home.fields[name], home)
    if constructor_of(evaluation, scope) is not None:
        is_set = any(name in one.bindings or name in one.attributes for one in homes)
        return () if is_set else annotated
    given = union(_given(evaluation, home, name))
    found = given or _default(evaluation, home, name)
    if not given and _is_record(evaluation, home):
        found = (*found, Unknown(f"it is the field {name!r} of {home.name}, which is not made in this code"))
    return annotated if annotated and any(isinstance(value, Unknown) for value in found) else found


def _is_record(evaluation: Evaluator, scope: Scope) -> bool:
    """Check whether others make objects of a class, from JSON or the like, by its fields."""
    return not _RECORDS.isdisjoint(_decorators(scope)) or any(
        name.rpartition(".")[2] in _RECORDS for name in _outside(evaluation, scope)
    )


def _given(evaluation: Evaluator, home: Scope, name: str) -> Iterator[Values]:
    """Yield what each call that makes an object passes for a field, or the default."""
    for called in _names_below(evaluation, home):
        for call, caller in evaluation.project.calls_of(called):
            for value in evaluation.values(call.func, caller):
                if isinstance(value, Class) and home in lineage(evaluation, value.scope):
                    passed = _passed(evaluation, call, caller, value.scope, name)
                    yield _default(evaluation, home, name) if passed is None else passed


def _passed(evaluation: Evaluator, call: ast.Call, caller: Scope, made: Scope, name: str) -> Values | None:
    options = options_of(evaluation, call, caller, {name: name})
    if (found := options.get(name)) is not None:
        return found
    fields = list(dict.fromkeys(one for home in reversed(lineage(evaluation, made)) for one in home.fields))
    before = call.args[: fields.index(name) + 1]
    if any(isinstance(one, ast.Starred) for one in before):
        return NOT_FOLLOWED
    return evaluation.values(before[-1], caller) if len(before) > fields.index(name) else None


def _default(evaluation: Evaluator, home: Scope, name: str) -> Values:
    """Return the default of a field; that of settings is the environment's to decide."""
    if not any(base.endswith(".BaseSettings") for base in _outside(evaluation, home)):
        return evaluation.declared(home, name)
    key = f"{_prefix(evaluation, home)}{name}".upper()
    known = {variable.upper(): text for variable, text in evaluation.environment.items()}
    if key in known:
        return (Constant(known[key]),)
    return (Unknown(f"the environment variable {key} decides it: give --env {key}=VALUE"),)


def _prefix(evaluation: Evaluator, scope: Scope) -> str:
    for home in lineage(evaluation, scope):
        for binding, _ in home.bindings.get("model_config", ()):
            if isinstance(binding, Assigned) and isinstance(binding.expr, ast.Call):
                prefix = keyword(binding.expr, "env_prefix")
                return (prefix and evaluation.text(prefix, home)) or ""
    return ""


def is_client(evaluation: Evaluator, scope: Scope) -> bool:
    """Check whether a class is built on lambdachain's client."""
    return any(name in CLIENTS for name in _outside(evaluation, scope))
