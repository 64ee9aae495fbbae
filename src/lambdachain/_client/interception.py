"""How a call runs inside its interceptors; imported with the first call that has one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.interceptors import Operation, StartedCall, intercept_call
from lambdachain._core.results import InvokeResult

from .base_invoker import BaseInvoker, ProcessInterceptors


@contextmanager
def enter(
    invoker: BaseInvoker[Any, Any], operation: Operation, bound: BoundTarget, payload: object
) -> Generator[StartedCall]:
    """Enter the interceptors of a call: those of the process, and inside them those of the client."""
    seen = StartedCall(bound.target, operation, payload, bound.options)
    with intercept_call(seen, (*ProcessInterceptors.calling, *invoker.interceptors)):
        yield seen


def to_seen_result(result: object) -> object:
    """Return what interceptors see as the result: of ``invoke`` the value, as of ``call``."""
    return cast("InvokeResult[object]", result).value if isinstance(result, InvokeResult) else result
