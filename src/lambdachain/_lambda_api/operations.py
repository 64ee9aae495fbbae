"""The operations of Lambda's API that are served, by method and path, as in botocore's service model."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from . import responses


class Operation(Enum):
    """An operation of Lambda's API."""

    INVOKE = auto()
    INVOKE_STREAM = auto()
    GET_FUNCTION = auto()
    GET_CONFIGURATION = auto()
    LIST_FUNCTIONS = auto()


_FUNCTIONS: Final = "/2015-03-31/functions"
_ROUTES: Final = [
    (Operation.INVOKE, "POST", re.compile(rf"{_FUNCTIONS}/([^/]+)/invocations/?")),
    (
        Operation.INVOKE_STREAM,
        "POST",
        re.compile("/2021-11-15/functions/([^/]+)/response-streaming-invocations/?"),
    ),
    (Operation.GET_CONFIGURATION, "GET", re.compile(rf"{_FUNCTIONS}/([^/]+)/configuration/?")),
    (Operation.GET_FUNCTION, "GET", re.compile(rf"{_FUNCTIONS}/([^/]+)/?")),
    # The empty group stands where other paths have the function's name.
    (Operation.LIST_FUNCTIONS, "GET", re.compile(rf"{_FUNCTIONS}/?()")),
]


def parse_operation(method: str, path: str) -> tuple[Operation, str]:
    """Return the operation and the function name in the path, still percent-encoded, or "" if it has none.

    Raises:
        ApiError: The operation is not served.
    """
    for operation, verb, route in _ROUTES:
        if method == verb and (found := route.fullmatch(path)):
            return operation, found[1]
    raise responses.unknown_operation(method, path)
