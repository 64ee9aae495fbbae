"""Read the fields of pydantic models and dataclasses from their class bodies.

Anything that may change what is valid, and that this module does not know, raises ``UnsupportedTypeError``: a schema
that might be wrong would lead to wrong warnings.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from .evaluator import Evaluator
from .scopes import Scope, get_keyword
from .values import ClassValue, Constant, ExternalName

_MODELS: Final = frozenset({"pydantic.BaseModel", "lambdachain.RemoteError", "typing.TypedDict"})
_ENUMS: Final = frozenset({"enum.Enum", "enum.StrEnum", "enum.IntEnum"})
_GENERATORS: Final = frozenset({"to_camel", "to_pascal", "to_snake"})
# Decorators of methods that may reject or change any value, which no schema shows.
_HOOKS: Final = ("pydantic.field_validator", "pydantic.model_validator", "pydantic.field_serializer")
_HOOKS_TOO: Final = ("pydantic.model_serializer", "pydantic.computed_field", "pydantic.validator")
_IGNORED_SETTINGS: Final = frozenset(
    {"frozen", "populate_by_name", "validate_by_name", "title", "str_strip_whitespace"}
)
LIMITS: Final = frozenset(
    {"gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "max_digits", "decimal_places"}
)


# Arguments of Field() that do not change what is valid, or that are read below.
_KNOWN_ARGUMENTS: Final = LIMITS | frozenset(
    {"alias", "validation_alias", "serialization_alias", "default", "default_factory", "title", "description"}
    | {"examples", "json_schema_extra", "deprecated", "repr", "kw_only", "frozen", "compare", "hash", "metadata"}
)


class UnsupportedTypeError(Exception):
    """The source of a type does not determine its schema; the message has the reason."""


@dataclass(frozen=True, slots=True)
class ModelField:
    """A field of a model.

    Attributes:
        sent_as: Its name in serialized JSON.
        read_as: Its name in JSON that is validated.
        annotation: Its type.
        scope: The scope in which the annotation is evaluated.
        required: Whether it has no default.
        limits: The constraints in ``Field(...)``: ``ge``, ``max_length``, ...
    """

    sent_as: str
    read_as: str
    annotation: ast.expr
    scope: Scope
    required: bool
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ModelFields:
    """The fields of a class, and whether it forbids others (``extra="forbid"``)."""

    fields: tuple[ModelField, ...]
    forbids_extra: bool


@dataclass(frozen=True, slots=True)
class _Settings:
    rename: Callable[[str], str] | None = None
    forbids_extra: bool = False


def read_model_fields(evaluator: Evaluator, scope: Scope) -> ModelFields:
    """Return the fields of a class, those of its bases first.

    Raises:
        UnsupportedTypeError: It is not a model, or does something that its source does not show.
    """
    lineage = list(_lineage(evaluator, scope))
    settings = _Settings()
    found: dict[str, ModelField] = {}
    # Settings are inherited, and those of a subclass apply to inherited fields: so read all of them first.
    for one in reversed(lineage):
        settings = _read_settings(evaluator, one, settings)
    for one in reversed(lineage):
        _reject_hooks(evaluator, one)
        found |= dict(_read_own_fields(evaluator, one, settings))
    return ModelFields(tuple(found.values()), settings.forbids_extra)


def is_enum(evaluator: Evaluator, scope: Scope) -> bool:
    """Check whether a class is an enum."""
    return any(isinstance(base, ExternalName) and base.name in _ENUMS for base in _bases(evaluator, scope))


def read_enum_values(evaluator: Evaluator, scope: Scope) -> list[Any]:
    """Return the values of an enum.

    Raises:
        UnsupportedTypeError: A value is not a constant.
    """
    values: list[Any] = []
    for statement in _body(scope):
        if isinstance(statement, ast.Assign):
            match evaluator.evaluate(statement.value, scope):
                case (Constant(value),):
                    values.append(value)
                case _:
                    raise UnsupportedTypeError(f"a value of {scope.name} is computed at run time")
    return values


def _body(scope: Scope) -> list[ast.stmt]:
    return scope.node.body if isinstance(scope.node, ast.ClassDef) else []


def _bases(evaluator: Evaluator, scope: Scope) -> Iterator[ClassValue | ExternalName]:
    for expr in scope.node.bases if isinstance(scope.node, ast.ClassDef) else []:
        for value in evaluator.evaluate(expr, scope.parent or scope):
            if isinstance(value, ClassValue | ExternalName):
                yield value
            else:
                raise UnsupportedTypeError(f"the base class {ast.unparse(expr)} of {scope.name} is not supported")


def _lineage(evaluator: Evaluator, scope: Scope) -> Iterator[Scope]:
    """Yield a class and its bases; the topmost must be a known model or a dataclass."""
    keywords = scope.node.keywords if isinstance(scope.node, ast.ClassDef) else []
    for one in (one for one in keywords if one.arg not in _IGNORED_SETTINGS):
        raise UnsupportedTypeError(f"the class argument {ast.unparse(one)} of {scope.name} is not supported")
    yield scope
    bases = list(_bases(evaluator, scope))
    if not bases and not _is_dataclass(evaluator, scope):
        raise UnsupportedTypeError(f"{scope.name} is not a pydantic model or a dataclass")
    for base in bases:
        if isinstance(base, ClassValue):
            yield from _lineage(evaluator, base.scope)
        elif base.name not in _MODELS:
            name = base.name.removeprefix("builtins.")
            raise UnsupportedTypeError(f"the base class {name} of {scope.name} is not supported")


def _is_dataclass(evaluator: Evaluator, scope: Scope) -> bool:
    decorators = scope.node.decorator_list if isinstance(scope.node, ast.ClassDef) else []
    named = [one.func if isinstance(one, ast.Call) else one for one in decorators]
    return any(
        isinstance(value, ExternalName) and value.name in ("dataclasses.dataclass", "pydantic.dataclasses.dataclass")
        for one in named
        for value in evaluator.evaluate(one, scope.parent or scope)
    )


def _reject_hooks(evaluator: Evaluator, scope: Scope) -> None:
    for child in scope.children:
        for decorator in child.node.decorator_list if isinstance(child.node, ast.FunctionDef) else []:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            for value in evaluator.evaluate(function, scope):
                if isinstance(value, ExternalName) and value.name in (*_HOOKS, *_HOOKS_TOO):
                    raise UnsupportedTypeError(f"{child.name} may accept or reject any value")


def _read_own_fields(evaluator: Evaluator, scope: Scope, settings: _Settings) -> Iterator[tuple[str, ModelField]]:
    for statement in _body(scope):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        name = statement.target.id
        if name == "model_config" or name.startswith("_") or "ClassVar" in ast.unparse(statement.annotation):
            continue
        yield name, _read_field(evaluator, scope, name, statement, settings)


def _read_field(
    evaluator: Evaluator, scope: Scope, name: str, statement: ast.AnnAssign, settings: _Settings
) -> ModelField:
    value = statement.value
    alias = settings.rename(name) if settings.rename else name
    if not (isinstance(value, ast.Call) and ast.unparse(value.func).rsplit(".", 1)[-1] in ("Field", "field")):
        return ModelField(alias, alias, statement.annotation, scope, value is None)
    for one in value.keywords:
        if one.arg not in _KNOWN_ARGUMENTS:
            raise UnsupportedTypeError(f"the argument {ast.unparse(one)} of {scope.name}.{name} is not supported")
    arguments = {one.arg: one.value for one in value.keywords if one.arg is not None}
    constants = {each: _get_constant(evaluator, expr, scope) for each, expr in arguments.items()}
    common = constants.get("alias") or alias
    if not all(
        isinstance(constants.get(each, ""), str) for each in ("alias", "validation_alias", "serialization_alias")
    ):
        raise UnsupportedTypeError(f"an alias of {scope.name}.{name} is computed at run time")
    # ``Field(...)`` with a literal Ellipsis means: required.
    has_default = bool(value.args) and not (isinstance(value.args[0], ast.Constant) and value.args[0].value is ...)
    return ModelField(
        sent_as=constants.get("serialization_alias") or common,
        read_as=constants.get("validation_alias") or common,
        annotation=statement.annotation,
        scope=scope,
        required=not (has_default or arguments.keys() & {"default", "default_factory"}),
        limits={each: constants[each] for each in LIMITS & constants.keys()},
    )


def _get_constant(evaluator: Evaluator, expr: ast.expr, scope: Scope) -> Any:
    match evaluator.evaluate(expr, scope):
        case (Constant(value),):
            return value
        case _:
            return None


def _read_settings(evaluator: Evaluator, scope: Scope, before: _Settings) -> _Settings:
    expr = next(_find_config(scope), None)
    if expr is None:
        return before
    if not isinstance(expr, ast.Call):
        raise UnsupportedTypeError(f"the model_config of {scope.name} is not supported")
    forbids = _get_constant(evaluator, get_keyword(expr, "extra") or ast.Constant(""), scope) == "forbid"
    unknown = {one.arg for one in expr.keywords} - _IGNORED_SETTINGS - {"extra", "alias_generator"}
    if unknown:
        raise UnsupportedTypeError(
            f"the model_config of {scope.name} sets {', '.join(sorted(map(str, unknown)))}, which is not supported"
        )
    generator = get_keyword(expr, "alias_generator")
    rename = before.rename if generator is None else _get_alias_generator(generator)
    return _Settings(rename, forbids or before.forbids_extra)


def _get_alias_generator(expr: ast.expr) -> Callable[[str], str]:
    name = ast.unparse(expr).rsplit(".", 1)[-1]
    if name not in _GENERATORS:
        raise UnsupportedTypeError(f"the alias_generator {name} is not supported")
    rename: Callable[[str], str] = getattr(import_module("pydantic.alias_generators"), name)
    return rename


def _find_config(scope: Scope) -> Iterator[ast.expr]:
    for statement in _body(scope):
        match statement:
            case ast.Assign(targets=[ast.Name(id="model_config")], value=value):
                yield value
            case ast.AnnAssign(target=ast.Name(id="model_config"), value=ast.expr() as value):
                yield value
            case _:
                continue
