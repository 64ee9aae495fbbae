"""The declaration of a local function: code, limits, environment, versions; validated when it is created."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from lambdachain._core.arn import MAX_NAME_LENGTH
from lambdachain._lambda_api.aws_location import LATEST

from ._argument_types import FLAG, MAPPING, NUMBER, PATH, TEXT, WHOLE, ArgumentType, describe_type, find_type_errors
from ._event_config import EventConfig
from ._versions import LocalAlias, LocalVersion, find_version_problems

MAX_TIMEOUT: Final = 900.0
MIN_MEMORY: Final = 128
MAX_MEMORY: Final = 10_240

RuntimeKind: TypeAlias = Literal["python", "nodejs", "provided"]
RecursiveLoop: TypeAlias = Literal["Terminate", "Allow"]

_NAME: Final = re.compile(rf"[a-zA-Z0-9_.-]{{1,{MAX_NAME_LENGTH}}}")
_HANDLER: Final = re.compile(r"[^\s.:][^\s:]*\.[^\s.:]+")

_ARGUMENT_TYPES: Final = {
    "name": TEXT,
    "handler": TEXT,
    "runtime": TEXT,
    "directory": PATH,
    "timeout": NUMBER,
    "memory": WHOLE,
    "environment": MAPPING,
    "reserved_concurrency": WHOLE.or_none(),
    "max_sandboxes": WHOLE.or_none(),
    "python": PATH,
    "tenant_isolation": FLAG,
    "versions": MAPPING,
    "aliases": MAPPING,
    "events": ArgumentType((EventConfig,), "an EventConfig"),
    "recursive_loop": TEXT,
}

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

    >>> orders = LocalFunction(
    ...     "orders",
    ...     "app.handler",
    ...     timeout=10,
    ...     versions={"1": LocalVersion(handler="old.handler"), "2": LocalVersion()},
    ...     aliases={"live": LocalAlias("1", routing={"2": 0.1})},
    ... )
    >>> orders.as_published("1").handler
    'old.handler'

    Attributes:
        name: The name that callers use: up to 64 letters, digits, ``-``, ``_`` and ``.``.
        handler: Lambda's handler setting, ``module.function``, looked up in *directory*.
        runtime: ``python`` (``awslambdaric``), ``nodejs`` (npm's ``aws-lambda-ric`` if it is installed and built,
            otherwise lambdachain's own client), or ``provided``: an executable ``bootstrap`` in *directory* that
            implements the Runtime API.
        directory: The function's code, and the working directory of its processes.
        timeout: Seconds that one invocation may take, up to 900; then its process is killed. To load the module before
            its first invocation, a process has 10 seconds, or this if it is longer.
        memory: Memory limit in MB. A process that takes more is killed, on systems that report memory (Linux).
        environment: Variables added to those that Lambda sets. Lambda's reserved names are rejected, except for the
            credentials, which a function needs to call more than this endpoint.
        reserved_concurrency: Maximum number of concurrent calls of all versions; more are throttled (429). 0 throttles
            every call.
        max_sandboxes: Maximum number of processes of each version; further calls wait for a free one.
        python: The interpreter that runs it, with ``awslambdaric`` installed.
        tenant_isolation: Whether each tenant has its own processes. If so, every call must name a tenant; if not, none
            may.
        versions: Published versions by number, ``"1"``, ``"2"``, each with its differences from the function.
        aliases: Names for versions, each with the version that it points to.
        events: Settings for asynchronous invocation.
        recursive_loop: Whether a loop of calls is stopped after about 16 invocations of this function.

    Raises:
        ValueError: A value is malformed or out of Lambda's range; the message names the function and the field.
    """

    name: str
    handler: str
    runtime: RuntimeKind = field(default="python", kw_only=True)
    directory: str | Path = field(default=".", kw_only=True)
    timeout: float = field(default=3.0, kw_only=True)
    memory: int = field(default=128, kw_only=True)
    environment: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True, repr=False, hash=False)
    reserved_concurrency: int | None = field(default=None, kw_only=True)
    max_sandboxes: int | None = field(default=None, kw_only=True)
    python: str = field(default=sys.executable, kw_only=True)
    tenant_isolation: bool = field(default=False, kw_only=True)
    versions: Mapping[str, LocalVersion] = field(default_factory=dict[str, LocalVersion], kw_only=True, hash=False)
    aliases: Mapping[str, LocalAlias | str] = field(
        default_factory=dict[str, "LocalAlias | str"], kw_only=True, hash=False
    )
    events: EventConfig = field(default_factory=EventConfig, kw_only=True)
    recursive_loop: RecursiveLoop = field(default="Terminate", kw_only=True)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"function {self.name!r}: {problem}")
        object.__setattr__(self, "environment", dict(self.environment))
        object.__setattr__(self, "versions", dict(self.versions))
        object.__setattr__(self, "aliases", self._whole_aliases())
        # Creates each version's function, which validates the values that differ.
        for version in self.versions:
            self.as_published(version)

    def as_published(self, version: str) -> Self:
        """Return the function as it is in a version: ``"1"``, ``"2"``, ... or ``"$LATEST"``.

        Raises:
            KeyError: There is no such version.
            ValueError: The version has a value out of Lambda's range.
        """
        if version == LATEST:
            return self
        try:
            return replace(self, versions={}, aliases={}, **self.versions[version].differences)
        except ValueError as exc:
            raise ValueError(f"{exc} (version {version!r})") from None

    def alias(self, name: str) -> LocalAlias:
        """Return an alias by its name.

        Raises:
            KeyError: There is no alias of this name.
        """
        found = self.aliases[name]
        return LocalAlias(found) if isinstance(found, str) else found

    @property
    def qualifiers(self) -> frozenset[str]:
        """Every version and alias that a call may use as its qualifier."""
        return frozenset({LATEST, *self.versions, *self.aliases})

    def _whole_aliases(self) -> dict[str, LocalAlias]:
        return {name: LocalAlias(alias) if isinstance(alias, str) else alias for name, alias in self.aliases.items()}

    def _problems(self) -> Iterable[str]:
        yield from find_type_errors({name: getattr(self, name) for name in _ARGUMENT_TYPES}, _ARGUMENT_TYPES)
        yield from _find_item_type_errors("versions", self.versions, LocalVersion, "a LocalVersion")
        yield from _find_item_type_errors("aliases", self.aliases, LocalAlias | str, "a LocalAlias or a version")
        if not _NAME.fullmatch(self.name):
            yield f"a name must have 1 to {MAX_NAME_LENGTH} letters, digits, '-', '_' and '.'"
        if self.runtime not in get_args(RuntimeKind):
            yield f"runtime must be {_join_choices(RuntimeKind)}, not {self.runtime!r}"
        if self.runtime != "provided" and not _HANDLER.fullmatch(self.handler):
            yield f"handler {self.handler!r} is not 'module.function', such as {_similar_handler(self.handler)!r}"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield f"timeout must be more than 0 and at most {MAX_TIMEOUT:g} seconds, not {self.timeout!r}"
        if not MIN_MEMORY <= self.memory <= MAX_MEMORY:
            yield f"memory must be {MIN_MEMORY} to {MAX_MEMORY} MB, not {self.memory!r}"
        if self.reserved_concurrency is not None and self.reserved_concurrency < 0:
            yield f"reserved_concurrency must be 0 or more, not {self.reserved_concurrency!r}"
        if self.max_sandboxes is not None and self.max_sandboxes < 1:
            yield f"max_sandboxes must be 1 or more, not {self.max_sandboxes!r}"
        if self.recursive_loop not in get_args(RecursiveLoop):
            yield f"recursive_loop must be {_join_choices(RecursiveLoop)}, not {self.recursive_loop!r}"
        yield from _find_environment_problems(self.environment)
        yield from find_version_problems(self.versions, self._whole_aliases())


def _similar_handler(text: str) -> str:
    """Return a handler for what was written in its place: a module, a file, or ``module:function``."""
    module, _, function = text.partition(":")
    handler = f"{module.removesuffix('.py').rstrip('.')}.{function or 'handler'}"
    return handler if _HANDLER.fullmatch(handler) else "app.handler"


def _join_choices(choices: object) -> str:
    return " or ".join(map(repr, get_args(choices)))


def _find_item_type_errors(name: str, items: Mapping[Any, Any], expected: Any, description: str) -> Iterable[str]:
    for key, value in items.items():
        if not isinstance(key, str):
            yield f"{name}: {key!r} must be text, not {describe_type(key)}"
        elif not isinstance(value, expected):
            yield f"{name}: {key!r} must be {description}, not {describe_type(value)}"


def _find_environment_problems(environment: Mapping[Any, Any]) -> Iterable[str]:
    if reserved := sorted(RESERVED_VARIABLES.intersection(environment)):
        yield f"environment sets {', '.join(reserved)}, which Lambda reserves"
    for name, value in environment.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            yield f"environment variable {name!r} is not a valid name: it must be text without '='"
        if not isinstance(value, str):
            yield f"environment variable {name!r} must be text, not {type(value).__name__}"
        elif "\0" in value:
            yield f"environment variable {name!r} contains a null character"


def index_by_name(functions: Iterable[LocalFunction]) -> dict[str, LocalFunction]:
    """Check *functions* against each other and the file system, and return them by name, with absolute directories.

    Raises:
        ValueError: There are no functions, two share a name, or a directory is missing; the message names the function.
    """
    by_name: dict[str, LocalFunction] = {}
    for function in _each_function(functions):
        if function.name in by_name:
            raise ValueError(f"function {function.name!r}: declared twice; names must be unique")
        by_name[function.name] = with_absolute_directories(function)
    if not by_name:
        raise ValueError("no functions to serve: pass LocalEndpoint at least one LocalFunction")
    return by_name


def _each_function(functions: Any) -> Iterable[LocalFunction]:
    if isinstance(functions, LocalFunction):
        raise ValueError("functions must be a list: LocalEndpoint([function])")  # noqa: TRY004 - as documented
    if not isinstance(functions, Iterable):
        raise ValueError(f"functions must be a list of LocalFunction, not {describe_type(functions)}")  # noqa: TRY004
    for function in functions:  # pyright: ignore[reportUnknownVariableType]
        _check_function(function)
        yield function


def _check_function(function: Any) -> None:
    if not isinstance(function, LocalFunction):
        raise ValueError(f'{describe_type(function)} is not a LocalFunction: LocalFunction("name", "module.handler")')  # noqa: TRY004


def with_absolute_directories(function: LocalFunction) -> LocalFunction:
    """Return a function with absolute directories, those of its versions too.

    Raises:
        ValueError: One is missing, or *function* is not a function.
    """
    _check_function(function)
    versions = {
        number: replace(version, directory=_to_absolute_directory(function, version.directory))
        if version.directory
        else version
        for number, version in function.versions.items()
    }
    return replace(function, directory=_to_absolute_directory(function, function.directory), versions=versions)


def _to_absolute_directory(function: LocalFunction, directory: str | Path) -> Path:
    path = Path(
        os.path.realpath(directory)
    )  # on a loop of symbolic links Path.resolve() raises RuntimeError; this falls through to is_dir()
    if not path.is_dir():
        raise ValueError(f"function {function.name!r}: directory {str(path)!r} does not exist")
    return path


LocalFunction.__module__ = "lambdachain.local"
