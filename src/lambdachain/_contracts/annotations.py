"""Read annotations, and evaluate only those that are needed: a context's type may exist for type checkers only."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, get_type_hints


class _Holder:
    """An object whose annotations ``get_type_hints`` evaluates."""


def own_annotations(thing: Any) -> Mapping[str, Any]:
    """Return the annotations of a class or function, as text where they cannot be evaluated yet."""
    if sys.version_info >= (3, 14):
        # By PEP 649, reading annotations evaluates them, which fails for names that are not defined yet.
        from annotationlib import Format, get_annotations

        return get_annotations(thing, format=Format.FORWARDREF)
    return inspect.get_annotations(thing)


def evaluate_annotations(
    annotations: Mapping[str, Any], global_names: Mapping[str, Any], local_names: Mapping[str, Any]
) -> dict[str, Any]:
    """Evaluate annotations.

    Raises:
        NameError: One of them refers to a name that is not defined.
    """
    holder = _Holder()
    holder.__annotations__ = dict(annotations)
    return get_type_hints(holder, dict(global_names), dict(local_names), include_extras=True)
