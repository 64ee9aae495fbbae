"""JSONPath and JSONata: how a definition refers to the data of an execution.

Source: "Transforming data with JSONata in Step Functions"
(https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from lambdachain._core.type_guards import is_mapping, is_sequence

QueryLanguage = Literal["JSONPath", "JSONata"]
Place = tuple[str | int, ...]
# An intrinsic function, such as States.UUID().
_INTRINSIC: Final = re.compile(r"States\.\w+\(")


def is_expression(value: object, language: QueryLanguage) -> bool:
    """Check whether a text is evaluated at run time: a path, a context path or an intrinsic function; or JSONata."""
    if not isinstance(value, str):
        return False
    if language == "JSONata":
        return value.startswith("{%") and value.endswith("%}")
    return value.startswith("$") or _INTRINSIC.match(value) is not None


def set_member(target: dict[str, Any], name: str, value: object, language: QueryLanguage) -> None:
    """Add a member to a payload template; its name ends with ``.$`` if JSONPath evaluates its value."""
    dynamic = language == "JSONPath" and is_expression(value, language)
    target[f"{name}.$" if dynamic else name] = value


def split_template(template: object, language: QueryLanguage) -> tuple[Any, set[Place]]:
    """Return a payload template as JSON, with ``None`` for what is evaluated at run time, and the places of that."""
    places = set[Place]()
    return _to_sample(template, language, (), places), places


def _to_sample(template: object, language: QueryLanguage, place: Place, dynamic: set[Place]) -> Any:
    if language == "JSONata" and is_expression(template, language):
        dynamic.add(place)
        return None
    if is_mapping(template):
        return dict(_sample_members(template, language, place, dynamic))
    if is_sequence(template):
        return [_to_sample(item, language, (*place, index), dynamic) for index, item in enumerate(template)]
    return template


def _sample_members(
    template: Mapping[Any, Any], language: QueryLanguage, place: Place, dynamic: set[Place]
) -> Iterator[tuple[str, Any]]:
    for key, value in template.items():
        name = str(key)
        if language == "JSONPath" and name.endswith(".$"):
            name = name.removesuffix(".$")
            dynamic.add((*place, name))
            yield name, None
        else:
            yield name, _to_sample(value, language, (*place, name), dynamic)
