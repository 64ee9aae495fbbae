"""OpenTelemetry: spans and metrics of calls and handlers, and their trace context on its way between functions.

``pip install "lambdachain[otel]"`` installs what it needs. ``opentelemetry-instrument``, and so AWS's layer for
OpenTelemetry, finds it by itself; elsewhere, switch it on once per process:

>>> from lambdachain.otel import LambdaChainInstrumentor
>>> LambdaChainInstrumentor().instrument()
>>> LambdaChainInstrumentor().uninstrument()
"""

from importlib import import_module

from lambdachain._core.extras import explain_missing

try:
    import_module("opentelemetry.instrumentation")
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.otel", "opentelemetry-instrumentation", "otel")) from exc

from ._instrumentor import LambdaChainInstrumentor

__all__ = ["LambdaChainInstrumentor"]
