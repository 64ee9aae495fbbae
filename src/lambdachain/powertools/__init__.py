"""Powertools for AWS Lambda: its Logger, its circuit breaker and its idempotency, around handlers and calls.

``pip install "lambdachain[powertools]"`` installs it. Its decorators can stand above and below ``remote``.
"""

from importlib import import_module

from lambdachain._core.extras import explain_missing

try:
    import_module("aws_lambda_powertools")
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.powertools", "aws-lambda-powertools", "powertools")) from exc

from ._circuit_breaker import CircuitBreakerInterceptor, CircuitOpenError
from ._idempotency import idempotent_by_caller_key
from ._logger import LoggerInterceptor

__all__ = ["CircuitBreakerInterceptor", "CircuitOpenError", "LoggerInterceptor", "idempotent_by_caller_key"]

# Tracebacks and help() then show the names where users import them from.
for _public in (CircuitBreakerInterceptor, CircuitOpenError, LoggerInterceptor, idempotent_by_caller_key):
    _public.__module__ = __name__
