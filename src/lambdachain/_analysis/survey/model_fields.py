"""The fields of a model, from its text: what pydantic and dataclasses make of a class body."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from .evaluator import Evaluator
from .scopes import Scope, keyword
from .values import ClassValue, Constant, ExternalName

_MODELS: Final = frozenset({"pydantic.BaseModel", "lambdachain.RemoteError", "typing.TypedDict"})
_ENUMS: Final = frozenset({"enum.Enum", "enum.StrEnum", "enum.IntEnum"})
_GENERATORS: Final = frozenset({"to_camel", "to_pascal", "to_snake"})
# What a class may have beside its fields that no schema shows: it may refuse or change any value.
_HOOKS: Final = ("pydantic.field_validator", "pydantic.model_validator", "pydantic.field_serializer")
_HOOKS_TOO: Final = ("pydantic.model_serializer", "pydantic.computed_field", "pydantic.validator")
_IGNORED_SETTINGS: Final = frozenset(
    {"frozen", "populate_by_name", "validate_by_name", "title", "str_strip_whitespace"}
)
LIMITS: Final = frozenset(
    {"gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "max_digits", "decimal_places"}
)


# What says nothing of the values, or is taken account of.
_TOLD: Final = LIMITS | frozenset(
    {"alias", "validation_alias", "serialization_alias", "default", "default_factory", "title", "description"}
    | {"examples", "json_schema_extra", "deprecated", "repr", "kw_only", "frozen", "compare", "hash", "metadata"}
)


class UnsupportedTypeError(Exception):
    """The text does not tell; the message says what."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model.

    Attributes:
        sent_as: Its name on the wire.
        read_as: The name that it is read by.
        annotation: Its type.
        scope: Where its type's name means something.
        required: Whether there is no default.
        limits: What ``Field(...)`` says of its values.
    """

    sent_as: str
    read_as: str
    annotation: ast.expr
    scope: Scope
    required: bool
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Model:
    """A class whose objects are JSON objects."""

    fields: tuple[Field, ...]
    forbids_others: bool


@dataclass(frozen=True, slots=True)
class _Settings:
    rename: Callable[[str], str] | None = None
    forbids_others: bool = False


def read_model_fields(evaluator: Evaluator, scope: Scope) -> Model:
    """Read the fields of a class, those of its bases first.

    Raises:
        UnsupportedTypeError: It is no model, or does something that its text does not show.
    """
    lineage = list(_lineage(evaluator, scope))
    settings = _Settings()
    found: dict[str, Field] = {}
    for one in reversed(lineage):
        settings = _settings(evaluator, one, settings)
    for one in reversed(lineage):
        _refuse_hooks(evaluator, one)
        found |= dict(_own(evaluator, one, settings))
    return Model(tuple(found.values()), settings.forbids_others)


def is_enum(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is an enumeration."""
    return any(isinstance(base, ExternalName) and base.name in _ENUMS for base in _bases(evaluator, scope))


def read_enum_values(evaluator: Evaluator, scope: Scope) -> list[Any]:
    """Return the values of an enumeration.

    Raises:
        UnsupportedTypeError: One is no constant.
    """
    values: list[Any] = []
    for statement in _body(scope):
        if isinstance(statement, ast.Assign):
            match evaluator.evaluate(statement.value, scope):
                case (Constant(value),):
                    values.append(value)
                case _:
                    raise UnsupportedTypeError(f"a value of {scope.name} is worked out at run time")
    return values


def _body(scope: Scope) -> list[ast.stmt]:
    return scope.node.body if isinstance(scope.node, ast.ClassDef) else []


def _bases(evaluator: Evaluator, scope: Scope) -> Iterator[ClassValue | ExternalName]:
    for expr in scope.node.bases if isinstance(scope.node, ast.ClassDef) else []:
        for value in evaluator.evaluate(expr, scope.parent or scope):
            if isinstance(value, ClassValue | ExternalName):
                yield value
            else:
                raise UnsupportedTypeError(f"{scope.name} is built of {ast.unparse(expr)}, which is not known here")


def _lineage(evaluator: Evaluator, scope: Scope) -> Iterator[Scope]:
    """Yield a class and its bases; they must end where fields mean what they say."""
    keywords = scope.node.keywords if isinstance(scope.node, ast.ClassDef) else []
    for one in (one for one in keywords if one.arg not in _IGNORED_SETTINGS):
        raise UnsupportedTypeError(f"{scope.name} is built with {ast.unparse(one)}")
    yield scope
    bases = list(_bases(evaluator, scope))
    if not bases and not _is_dataclass(evaluator, scope):
        raise UnsupportedTypeError(f"{scope.name} is neither a pydantic model nor a dataclass")
    for base in bases:
        if isinstance(base, ClassValue):
            yield from _lineage(evaluator, base.scope)
        elif base.name not in _MODELS:
            raise UnsupportedTypeError(
                f"{scope.name} is built of {base.name.removeprefix('builtins.')}, which is not known here"
            )


def _is_dataclass(evaluator: Evaluator, scope: Scope) -> bool:
    decorators = scope.node.decorator_list if isinstance(scope.node, ast.ClassDef) else []
    named = [one.func if isinstance(one, ast.Call) else one for one in decorators]
    return any(
        isinstance(value, ExternalName) and value.name in ("dataclasses.dataclass", "pydantic.dataclasses.dataclass")
        for one in named
        for value in evaluator.evaluate(one, scope.parent or scope)
    )


def _refuse_hooks(evaluator: Evaluator, scope: Scope) -> None:
    for child in scope.children:
        for decorator in child.node.decorator_list if isinstance(child.node, ast.FunctionDef) else []:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            for value in evaluator.evaluate(function, scope):
                if isinstance(value, ExternalName) and value.name in (*_HOOKS, *_HOOKS_TOO):
                    raise UnsupportedTypeError(f"{child.name} of {scope.name} has a say in what fits")


def _own(evaluator: Evaluator, scope: Scope, settings: _Settings) -> Iterator[tuple[str, Field]]:
    for statement in _body(scope):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        name = statement.target.id
        if name == "model_config" or name.startswith("_") or "ClassVar" in ast.unparse(statement.annotation):
            continue
        yield name, _field(evaluator, scope, name, statement, settings)


def _field(evaluator: Evaluator, scope: Scope, name: str, statement: ast.AnnAssign, settings: _Settings) -> Field:
    value = statement.value
    alias = settings.rename(name) if settings.rename else name
    if not (isinstance(value, ast.Call) and ast.unparse(value.func).rsplit(".", 1)[-1] in ("Field", "field")):
        return Field(alias, alias, statement.annotation, scope, value is None)
    for one in value.keywords:
        if one.arg not in _TOLD:
            raise UnsupportedTypeError(f"{scope.name}.{name} is declared with {ast.unparse(one)}")
    given = {one.arg: one.value for one in value.keywords if one.arg is not None}
    told = {each: _constant(evaluator, expr, scope) for each, expr in given.items()}
    both = told.get("alias") or alias
    if not all(isinstance(told.get(each, ""), str) for each in ("alias", "validation_alias", "serialization_alias")):
        raise UnsupportedTypeError(f"an alias of {scope.name}.{name} is worked out at run time")
    has_default = bool(value.args) and not (isinstance(value.args[0], ast.Constant) and value.args[0].value is ...)
    return Field(
        sent_as=told.get("serialization_alias") or both,
        read_as=told.get("validation_alias") or both,
        annotation=statement.annotation,
        scope=scope,
        required=not (has_default or given.keys() & {"default", "default_factory"}),
        limits={each: told[each] for each in LIMITS & told.keys()},
    )


def _constant(evaluator: Evaluator, expr: ast.expr, scope: Scope) -> Any:
    match evaluator.evaluate(expr, scope):
        case (Constant(value),):
            return value
        case _:
            return None


def _settings(evaluator: Evaluator, scope: Scope, before: _Settings) -> _Settings:
    expr = next((value for value in _config(scope)), None)
    if expr is None:
        return before
    if not isinstance(expr, ast.Call):
        raise UnsupportedTypeError(f"the model_config of {scope.name} is not known here")
    forbids = _constant(evaluator, keyword(expr, "extra") or ast.Constant(""), scope) == "forbid"
    unknown = {one.arg for one in expr.keywords} - _IGNORED_SETTINGS - {"extra", "alias_generator"}
    if unknown:
        raise UnsupportedTypeError(f"the model_config of {scope.name} sets {', '.join(sorted(map(str, unknown)))}")
    generator = keyword(expr, "alias_generator")
    return _Settings(before.rename if generator is None else _generator(generator), forbids or before.forbids_others)


def _generator(expr: ast.expr) -> Callable[[str], str]:
    name = ast.unparse(expr).rsplit(".", 1)[-1]
    if name not in _GENERATORS:
        raise UnsupportedTypeError(f"the alias_generator {name} is not known here")
    rename: Callable[[str], str] = getattr(import_module("pydantic.alias_generators"), name)
    return rename


def _config(scope: Scope) -> Iterator[ast.expr]:
    for statement in _body(scope):
        match statement:
            case ast.Assign(targets=[ast.Name(id="model_config")], value=value):
                yield value
            case ast.AnnAssign(target=ast.Name(id="model_config"), value=ast.expr() as value):
                yield value
            case _:
                continue
