"""Tests without AWS (lazy while its parts are being written)."""

from importlib import import_module

from lambdachain._stand_in import RealInvokeBlockedError, StubError

_M = {
    "_compatibility": ("Change", "IncompatibleContractError", "assert_compatible", "compatibility"),
    "_context": ("LambdaContext",),
    "_fulfils": ("assert_handler_fulfils",),
    "_in_process": ("InProcessTransport",),
    "_stub": ("Stub", "StubCall", "StubTransport", "UnstubbedCallError", "UnusedStubError"),
}


def __getattr__(name):
    for m, names in _M.items():
        if name in names:
            return getattr(import_module(f".{m}", __name__), name)
    raise AttributeError(name)
