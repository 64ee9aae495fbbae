"""How a map goes about it: its options, checked before anything is sent, and the word of how far it has come."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict, cast

from lambdachain._calling.options import CallOptions
from lambdachain._core.errors import ContractError

DEFAULT_CONCURRENCY: Final = 100
_ONE_CALLS: Final = ("idempotency_key", "durable_name")


@dataclass(frozen=True, slots=True)
class MapProgress:
    """How far a map has come; what ``on_progress`` is given.

    Attributes:
        done: Payloads that are through, the failed ones among them.
        failed: Those whose call failed.
        total: How many there are in all; ``None`` where the payloads do not say (a generator).
        in_flight: Calls of this map that are under way.
        limit: How many calls of the function may be under way at present: what Lambda was found to bear.
    """

    done: int
    failed: int
    total: int | None
    in_flight: int
    limit: int


OnProgress = Callable[[MapProgress], object]


class MapMethodOptions(TypedDict, total=False):
    """What a map may say about itself, beside the options of its calls.

    ``max_concurrency``: how many calls may be in flight, however many Lambda would take; 100 if not given.
    ``ordered``: give results in the order of their payloads, which is what happens if not given; or as they come.
    ``on_progress``: called with a ``MapProgress`` as the map goes on, in the thread (or loop) that consumes it.
    """

    max_concurrency: int
    ordered: bool
    on_progress: OnProgress | None


class MapOptions(CallOptions, MapMethodOptions, total=False):
    """What ``map`` and ``fire_map`` of a client take: see ``MapMethodOptions``, and ``CallOptions`` for what goes
    with a call.

    ``timeout`` is for the whole map, from the first result that is asked for; that of the client, or of a bound
    function, is for each call. ``idempotency_key`` and ``durable_name``, which are one call's, are refused.
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
    """Check how a map shall go about it.

    Raises:
        ContractError: A number is out of range.
    """
    number: Any = options.get("max_concurrency", DEFAULT_CONCURRENCY)
    if type(number) is not int or number < 1:
        raise ContractError(f"max_concurrency must be 1 or more, not {number!r}")
    on_progress: Any = options.get("on_progress")
    if on_progress is not None and not callable(on_progress):
        raise ContractError(f"on_progress must be a function of a MapProgress, not {type(on_progress).__name__}")
    return MapSettings(number, options.get("ordered", True), return_exceptions, options.get("on_progress"), timeout)


def split(options: MapOptions) -> tuple[CallOptions, MapMethodOptions]:
    """Accept the options of a map apart into those of its calls and its own; ``timeout`` is in neither."""
    own = {name: value for name, value in options.items() if name in MapMethodOptions.__optional_keys__}
    calls = {name: value for name, value in options.items() if name not in own and name != "timeout"}
    return cast("CallOptions", calls), cast("MapMethodOptions", own)


def check_options(options: CallOptions) -> None:
    """Refuse what is for one call only.

    Raises:
        ContractError: There is such an option.
    """
    for name in _ONE_CALLS:
        if options.get(name) is not None:
            raise ContractError(
                f"{name} is for one call: with the same one for every payload, only the first would be run. "
                "Declare Contract(..., idempotent=True), or call one by one"
            )


def check_payloads(payloads: object, *, asynchronous: bool = False) -> None:
    """Refuse what is one payload, by the look of it.

    Raises:
        ContractError: It is.
    """
    kind = type(payloads).__name__
    one = isinstance(payloads, str | bytes | bytearray | Mapping)
    many = isinstance(payloads, Iterable) or (asynchronous and isinstance(payloads, AsyncIterable))
    if one or not many:
        raise ContractError(f"a map takes an iterable of payloads, not {kind}: for one there is call")


MapOptions.__module__ = "lambdachain"
MapProgress.__module__ = "lambdachain"
