"""What a local function is: its code, its limits, its environment, checked as soon as it is declared."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lambdachain._arn import MAX_NAME_LENGTH

MAX_TIMEOUT: Final = 900.0
MIN_MEMORY: Final = 128
MAX_MEMORY: Final = 10_240

_NAME: Final = re.compile(rf"[a-zA-Z0-9_.-]{{1,{MAX_NAME_LENGTH}}}")
_HANDLER: Final = re.compile(r"[^\s.]\S*\.[^\s.]+")

RESERVED_VARIABLES: Final = frozenset({
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """A function for a `LocalEndpoint` to serve.

    >>> LocalFunction("orders", "app.handler", directory="orders", timeout=10).handler
    'app.handler'

    Attributes:
        name: What callers call it: up to 64 letters, digits, ``-``, ``_`` and ``.``.
        handler: Lambda's handler setting, ``module.function``, looked up in *directory*.
        directory: The function's code; its processes start there.
        timeout: Seconds that one invocation may take, up to 900; then its process is killed. Before its first
            invocation a process has 10 seconds, or this if it is longer, to load the module.
        memory: What the function is told it has, in MB (``context.memory_limit_in_mb``). Reported, not enforced.
        environment: Variables added to those that Lambda sets. Lambda's reserved names are refused, but for the
            credentials: those may be replaced for a function that calls more than this endpoint.
        reserved_concurrency: The number of calls it takes at a time; one more is throttled (429). 0 throttles all.
        max_sandboxes: The number of processes it may have; calls beyond that wait for a free one.
        python: The interpreter to run it, with ``awslambdaric`` installed.

    Raises:
        ValueError: A value is out of Lambda's range or malformed; the message names the function and the field.
    """

    name: str
    handler: str
    directory: str | Path = field(default=".", kw_only=True)
    timeout: float = field(default=3.0, kw_only=True)
    memory: int = field(default=128, kw_only=True)
    environment: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True, repr=False, hash=False)
    reserved_concurrency: int | None = field(default=None, kw_only=True)
    max_sandboxes: int | None = field(default=None, kw_only=True)
    python: str = field(default=sys.executable, kw_only=True)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"function {self.name!r}: {problem}")
        object.__setattr__(self, "environment", dict(self.environment))

    def _problems(self) -> Iterable[str]:
        if not _NAME.fullmatch(self.name):
            yield f"a name is 1 to {MAX_NAME_LENGTH} letters, digits, '-', '_' and '.'"
        if not _HANDLER.fullmatch(self.handler):
            yield f"handler {self.handler!r} is not of the form 'module.function'"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield f"timeout must be more than 0 and at most {MAX_TIMEOUT:g} seconds, not {self.timeout!r}"
        if not MIN_MEMORY <= self.memory <= MAX_MEMORY:
            yield f"memory must be {MIN_MEMORY} to {MAX_MEMORY} MB, not {self.memory!r}"
        if self.reserved_concurrency is not None and self.reserved_concurrency < 0:
            yield f"reserved_concurrency must be 0 or more, not {self.reserved_concurrency!r}"
        if self.max_sandboxes is not None and self.max_sandboxes < 1:
            yield f"max_sandboxes must be 1 or more, not {self.max_sandboxes!r}"
        if reserved := sorted(RESERVED_VARIABLES & self.environment.keys()):
            yield f"environment sets {', '.join(reserved)}, which Lambda reserves for itself"
        for name in _not_text(self.environment):
            yield f"environment variable {name!r} must be text, not {type(self.environment[name]).__name__}"


def _not_text(environment: Mapping[str, object]) -> list[str]:
    return [name for name, value in environment.items() if not isinstance(value, str)]


def index_by_name(functions: Iterable[LocalFunction]) -> dict[str, LocalFunction]:
    """Check *functions* against each other and the file system, and give them by name, their directories absolute.

    Raises:
        ValueError: There are none, two share a name, or a directory is missing; the message names the function.
    """
    by_name: dict[str, LocalFunction] = {}
    for function in functions:
        if function.name in by_name:
            raise ValueError(f"function {function.name!r}: declared twice; every name needs to be used once")
        directory = Path(function.directory).resolve()
        if not directory.is_dir():
            raise ValueError(f"function {function.name!r}: directory {str(directory)!r} does not exist")
        by_name[function.name] = replace(function, directory=directory)
    if not by_name:
        raise ValueError("no functions to serve: give LocalEndpoint at least one LocalFunction")
    return by_name
