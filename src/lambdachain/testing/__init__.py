"""Tests without AWS: scripted responses, real handlers in this process, and checks of contracts.

The pytest plugin of lambdachain has fixtures for them: ``lambda_stub``, ``lambda_inprocess``,
``lambda_endpoint`` and ``lambda_context``.
"""

from __future__ import annotations

from lambdachain._transports.transport_override import RealInvokeBlockedError, StubError

from ._call_log import InProcessCall
from ._compatibility import Breakage, Change, IncompatibleContractError, assert_compatible, compatibility
from ._contract_verification import UnfulfilledContractError, assert_handler_fulfils
from ._endpoint_fixture import LambdaEndpoint
from ._in_process import InProcessTransport
from ._lambda_context import LambdaContext
from ._sqs_event import sqs_event
from ._stub import Stub, StubCall
from ._stub_transport import StubTransport, UnstubbedCallError, UnusedStubError

__all__ = [
    "Breakage",
    "Change",
    "InProcessCall",
    "InProcessTransport",
    "IncompatibleContractError",
    "LambdaContext",
    "LambdaEndpoint",
    "RealInvokeBlockedError",
    "Stub",
    "StubCall",
    "StubError",
    "StubTransport",
    "UnfulfilledContractError",
    "UnstubbedCallError",
    "UnusedStubError",
    "assert_compatible",
    "assert_handler_fulfils",
    "compatibility",
    "sqs_event",
]
