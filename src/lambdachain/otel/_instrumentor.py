"""The instrumentor, as OpenTelemetry's distributions and ``opentelemetry-instrument`` expect one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

import lambdachain
from lambdachain._core.version import __version__

from ._interceptor import TelemetryInterceptor
from ._metrics import ClientMetrics, HandlerMetrics

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_NAME = "lambdachain"


class LambdaChainInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments every client and handler of the process: existing ones, and those to come.

    A call is one ``CLIENT`` span, whatever it takes: attempts and hedges are its events. A handler of ``remote`` is one
    ``SERVER`` span, whose parent is the span of the call. Payloads, results and messages of exceptions are never
    recorded.

    Like every instrumentor, it is a singleton.
    """

    _remove: Callable[[], None] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the requirement that must be met for ``opentelemetry-instrument`` to use this instrumentor."""
        return ("lambdachain >= 0.1",)

    def _instrument(self, **kwargs: Any) -> None:
        """Start.

        Args:
            **kwargs: ``tracer_provider`` and ``meter_provider``, by default the global ones.
        """
        tracer_provider: TracerProvider | None = kwargs.get("tracer_provider")
        meter_provider: MeterProvider | None = kwargs.get("meter_provider")
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        interceptor = TelemetryInterceptor(
            tracer,
            ClientMetrics(meter),
            HandlerMetrics(meter),
            # The global ones may be set later.
            lambda: (tracer_provider or trace.get_tracer_provider(), meter_provider or metrics.get_meter_provider()),
        )
        self._remove = lambdachain.use(interceptor)

    def _uninstrument(self, **_kwargs: Any) -> None:
        if self._remove is not None:
            self._remove()
            self._remove = None
