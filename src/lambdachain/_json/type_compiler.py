"""Have pydantic build what a type needs, where it has not done so already; imported only for such types."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from lambdachain._core.errors import ContractError

from .core_schema import CompiledType, NotYetDefinedError, find_compiled, is_deferred

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator


def compile_type(annotation: object, name: str) -> CompiledType:
    """Have pydantic build a type that is not a finished model or dataclass.

    Raises:
        NotYetDefinedError: It refers to another that is not defined yet.
        ContractError: pydantic cannot handle it.
    """
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
    from pydantic_core import SchemaError

    try:
        compiled = find_compiled(_rebuild(annotation)) if is_deferred(annotation) else None
        if compiled is not None:
            return compiled
        adapter = TypeAdapter[Any](cast("Any", annotation))
        adapter.core_schema.get("type")  # a lookup makes pydantic build what it has deferred
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError, ValueError) as exc:
        is_late = getattr(exc, "code", None) in ("class-not-fully-defined", "undefined-annotation")
        error = NotYetDefinedError if is_late else ContractError
        raise error(f"pydantic cannot handle {name}: {exc}") from exc
    return CompiledType(adapter.core_schema, cast("SchemaValidator", adapter.validator), adapter.serializer)


def _rebuild(annotation: Any) -> object:
    """Have pydantic build what it has deferred of a model or dataclass; if that fails, the class is unchanged."""
    from pydantic import BaseModel
    from pydantic.dataclasses import rebuild_dataclass

    rebuild = annotation.model_rebuild if issubclass(annotation, BaseModel) else partial(rebuild_dataclass, annotation)
    rebuild(raise_errors=False)
    return annotation
