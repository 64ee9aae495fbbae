"""Which exceptions a transport translates: those of the SDKs and the standard library, wherever they come from.

What passes unchanged is an exception of somebody else's: of a framework, of a test's stand-in, or of ours. Loaded only
where a request has failed.
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


def passes(exc: BaseException) -> bool:
    """Check whether *exc* leaves a call unchanged: its class is somebody else's, or it is a signal handler's.

    So does an assertion of somebody else's, such as a test's that stands where the network would be.
    """
    if not _is_known(type(exc).__module__) or raised_by_signal_handler(exc):
        return True
    return isinstance(exc, AssertionError) and not all(_is_known(_module_of(frame)) for frame in [*frames_of(exc)][-1:])


def raised_by_signal_handler(exc: BaseException) -> bool:
    """Check whether a signal interrupted the work, as frameworks bound the time of a task."""
    handlers = _signal_handlers()
    return any(frame.f_code in handlers for frame in frames_of(exc))


def frames_of(exc: BaseException) -> Iterator[FrameType]:
    """List the frames that *exc* passed through, the outermost first."""
    return (frame for frame, _ in walk_tb(exc.__traceback__))


def is_sdk(module: str) -> bool:
    """Check whether a module is a part of an SDK, or of what SDKs stand on."""
    return module.partition(".")[0] in _SDKS


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_known(module: str) -> bool:
    return module == "builtins" or is_sdk(module) or module.partition(".")[0] in sys.stdlib_module_names


def _signal_handlers() -> set[CodeType]:
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = (getattr(handler, "__code__", None) for handler in handlers)
    return {code for code in codes if isinstance(code, CodeType)}
