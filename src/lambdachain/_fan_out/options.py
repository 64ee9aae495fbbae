"""The options of a map, checked before anything is sent, and its progress."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict, cast

from lambdachain._calling.options import CallOptions
from lambdachain._core.errors import ContractError

DEFAULT_CONCURRENCY: Final = 100
_SINGLE_CALL_OPTIONS: Final = ("idempotency_key", "durable_name")


@dataclass(frozen=True, slots=True)
class MapProgress:
    """The progress of a map, as passed to ``on_progress``.

    Attributes:
        done: How many payloads are done, including failed ones.
        failed: How many of them failed.
        total: How many payloads there are; ``None`` if unknown (a generator).
        in_flight: How many calls of this map are in flight.
        limit: How many calls to the function may currently be in flight: the concurrency that Lambda was found to
            accept.
    """

    done: int
    failed: int
    total: int | None
    in_flight: int
    limit: int


OnProgress = Callable[[MapProgress], object]


class MapMethodOptions(TypedDict, total=False):
    """The options of a map itself, in addition to those of its calls.

    ``max_concurrency``: the maximum number of calls in flight, even if Lambda would accept more; 100 by default.
    ``ordered``: whether results come in the order of their payloads (the default), or as they complete.
    ``on_progress``: called with a ``MapProgress`` as the map proceeds, in the thread (or loop) that consumes it.
    """

    max_concurrency: int
    ordered: bool
    on_progress: OnProgress | None


class MapOptions(CallOptions, MapMethodOptions, total=False):
    """The options of a client's ``map`` and ``fire_map``: see ``MapMethodOptions``, and ``CallOptions`` for each call.

    ``timeout`` applies to the whole map, from the first result that is requested; the timeout of the client, or of a
    bound function, applies to each call. ``idempotency_key`` and ``durable_name`` are for one call, and are rejected.
    """


class MapSettings(NamedTuple):
    """A map's own options, checked; ``timeout`` in seconds. With ``numbered``, each result is a ``Numbered``."""

    max_concurrency: int
    ordered: bool
    return_exceptions: bool
    on_progress: OnProgress | None
    timeout: float | None
    numbered: bool = False


class Numbered(NamedTuple):
    """A result and the number of its payload, counted from 0."""

    number: int
    result: Any


def settings_for(options: MapMethodOptions, timeout: float | None, *, return_exceptions: bool) -> MapSettings:
    """Check the options of a map.

    Raises:
        ContractError: An option is not valid.
    """
    number: Any = options.get("max_concurrency", DEFAULT_CONCURRENCY)
    if type(number) is not int or number < 1:
        raise ContractError(f"max_concurrency must be an integer of 1 or more, not {number!r}")
    on_progress: Any = options.get("on_progress")
    if on_progress is not None and not callable(on_progress):
        raise ContractError(f"on_progress must be a function of a MapProgress, not {type(on_progress).__name__}")
    return MapSettings(number, options.get("ordered", True), return_exceptions, options.get("on_progress"), timeout)


def split_options(options: MapOptions) -> tuple[CallOptions, MapMethodOptions]:
    """Split the options of a map into those of its calls and its own; ``timeout`` is in neither."""
    own = {name: value for name, value in options.items() if name in MapMethodOptions.__optional_keys__}
    calls = {name: value for name, value in options.items() if name not in own and name != "timeout"}
    return cast("CallOptions", calls), cast("MapMethodOptions", own)


def check_call_options(options: CallOptions) -> None:
    """Raise for an option that is for a single call only.

    Raises:
        ContractError: There is one.
    """
    for name in _SINGLE_CALL_OPTIONS:
        if options.get(name) is not None:
            raise ContractError(
                f"{name} is for a single call: if every payload had the same one, only the first would run. "
                "Declare Contract(..., idempotent=True), or use call() for each payload"
            )


def check_payloads(payloads: object, *, asynchronous: bool = False) -> None:
    """Check that *payloads* is an iterable of payloads, and not a single one.

    Raises:
        ContractError: It is not.
    """
    kind = type(payloads).__name__
    is_single = isinstance(payloads, str | bytes | bytearray | Mapping)
    is_iterable = isinstance(payloads, Iterable) or (asynchronous and isinstance(payloads, AsyncIterable))
    if is_single or not is_iterable:
        raise ContractError(f"map() takes an iterable of payloads, not {kind}: use call() for a single payload")


MapOptions.__module__ = "lambdachain"
MapProgress.__module__ = "lambdachain"
