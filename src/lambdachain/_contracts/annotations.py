"""Reading annotations without evaluating what is not needed: a context's type may exist for the type checker only."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, get_type_hints


class _Holder:
    """Something for ``get_type_hints`` to look at."""


def own_annotations(thing: Any) -> Mapping[str, Any]:
    """Return the annotations of a class or function as they stand: text where they cannot be evaluated yet."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(thing, format=Format.FORWARDREF)
    return inspect.get_annotations(thing)


def evaluated(
    forms: Mapping[str, Any], global_names: Mapping[str, Any], local_names: Mapping[str, Any]
) -> dict[str, Any]:
    """Evaluate annotations.

    Raises:
        NameError: One of them names something that is not there.
    """
    holder = _Holder()
    holder.__annotations__ = dict(forms)
    return get_type_hints(holder, dict(global_names), dict(local_names), include_extras=True)
