"""Decide which exceptions a transport translates: those of the SDKs and the standard library, wherever they come from.

All others pass unchanged: exceptions of a framework, of a test's replacement for the network, and lambdachain's own.
Loaded only when a request has failed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from traceback import walk_tb
from types import CodeType, FrameType
from typing import Final

_SDKS: Final = frozenset(
    {
        *("aiobotocore", "boto3", "botocore", "s3transfer", "awscrt", "dateutil", "jmespath"),
        *("aiohttp", "aiosignal", "frozenlist", "multidict", "propcache", "yarl"),
        *("urllib3", "brotli", "certifi", "idna", "socks", "OpenSSL", "cryptography"),
        *("eventlet", "gevent", "greenlet", "uvloop"),
    }
)


def is_foreign(exc: BaseException) -> bool:
    """Check whether *exc* must leave a call unchanged: its class is foreign, or a signal handler raised it.

    An assertion of foreign code passes, too, such as one in a test's replacement for the network.
    """
    # A signal handler may raise a builtin class, such as TimeoutError, which would be taken for the network's.
    if not _is_known(type(exc).__module__) or raised_by_signal_handler(exc):
        return True
    return isinstance(exc, AssertionError) and not all(
        _is_known(_get_module(frame)) for frame in [*get_frames(exc)][-1:]
    )


def raised_by_signal_handler(exc: BaseException) -> bool:
    """Check whether a signal handler raised it, as frameworks do to limit the time of a task."""
    handlers = _signal_handlers()
    return any(frame.f_code in handlers for frame in get_frames(exc))


def get_frames(exc: BaseException) -> Iterator[FrameType]:
    """Return the frames that *exc* passed through, outermost first."""
    return (frame for frame, _ in walk_tb(exc.__traceback__))


def is_sdk(module: str) -> bool:
    """Check whether a module is part of an SDK, or of a library that SDKs are built on."""
    return module.partition(".")[0] in _SDKS


def _get_module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_known(module: str) -> bool:
    return module == "builtins" or is_sdk(module) or module.partition(".")[0] in sys.stdlib_module_names


def _signal_handlers() -> set[CodeType]:
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = (getattr(handler, "__code__", None) for handler in handlers)
    return {code for code in codes if isinstance(code, CodeType)}
