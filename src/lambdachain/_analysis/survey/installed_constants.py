"""What a constant or an enum of an installed package is: ``invocation_types.EVENT.value``.

A package that does not mention lambdachain has no contracts, clients or handlers, so it is not part of the survey: its
functions and classes are known by their names only. Function names and invocation types are strings, and these are
looked up where the code reads them.
"""

from __future__ import annotations

from functools import partial

from . import classes
from .evaluator import Evaluator
from .scopes import Import, Scope
from .values import ClassValue, Constant, EnumMemberValue, ExternalName, Value, Values, union


def evaluate_external(evaluator: Evaluator, qualified: str) -> Values:
    """Return the constant or enum of this qualified name in an installed package; for anything else, its name."""
    parts = qualified.lstrip(".").split(".")
    for end in range(len(parts) - 1, 0, -1):
        is_read = end + 1 < len(parts)
        module = evaluator.project.find_defining_module(".".join(parts[:end]), parts[end], is_read=is_read)
        if module is not None:
            with evaluator.in_frame(None):
                compute = partial(_evaluate_path, evaluator, module, parts[end:])
                values = evaluator.compute_in_scope(("external", qualified), module, compute)
            if values and all(_is_constant(evaluator, value) for value in values):
                return values
    return (ExternalName(qualified),)


def _evaluate_path(evaluator: Evaluator, module: Scope, names: list[str]) -> Values:
    values = evaluator.evaluate_name(names[0], module)
    for name in names[1:]:
        values = union(evaluator.evaluate_attribute(value, name) for value in values)
    return values


def evaluate_starred(evaluator: Evaluator, name: str, scope: Scope) -> Values:
    """Return the constant that a module has from ``from package import *``; nothing if it has none of that name."""
    found = (
        evaluate_external(evaluator, f"{binding.module}.{name}")
        for binding, _ in scope.lookup("*")
        if isinstance(binding, Import)
    )
    return union(values for values in found if not any(isinstance(value, ExternalName) for value in values))


def _is_constant(evaluator: Evaluator, value: Value) -> bool:
    match value:
        case Constant(str()):
            return True
        case EnumMemberValue(values=values):
            return all(isinstance(one, Constant) for one in values)
        case ClassValue(scope):
            return classes.is_enum(evaluator, scope)
        case _:
            return False
