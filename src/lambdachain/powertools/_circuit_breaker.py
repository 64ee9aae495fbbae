"""Powertools' circuit breaker around whole calls, which counts only what says that the callee is down."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities import circuit_breaker as powertools_breaker
from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig
from aws_lambda_powertools.utilities.circuit_breaker.exceptions import CircuitBreakerOpenError

from lambdachain import Interceptor, NotInvokedError, OutgoingCall, is_callee_down

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.circuit_breaker import CircuitTransition
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerPersistenceLayer

# The others do not run the function: an event waits in its queue until the function is up again.
_PROTECTED: Final = ("call", "stream")


class CircuitOpenError(NotInvokedError, CircuitBreakerOpenError):
    """The circuit of the function is open: nothing was sent. ``circuit`` is Powertools' description of it.

    Caught as ``CallError``, also from a map with ``return_exceptions=True``, or as Powertools' own error.
    """

    def __init__(self, message: str = "", *, circuit: Any = None, **facts: Any) -> None:
        NotInvokedError.__init__(self, message, **facts)
        self.circuit = circuit

    __str__ = NotInvokedError.__str__


class CircuitBreakerInterceptor(Interceptor):
    """Keeps a circuit for each function that is called, and raises ``CircuitOpenError`` while it is open.

    A call counts once, when it has ended: a throttle that a retry or a map has overcome is not counted. Only what
    ``is_callee_down`` is true for counts; the rest changes nothing, and a response is a success. Events (``fire``) and
    permission checks pass. Powertools keeps the state in its store, which is read at most every ``local_cache_max_age``
    seconds, in the thread or event loop that calls.

    >>> from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig
    >>> from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
    >>> from lambdachain import LambdaClient
    >>> store = CircuitBreakerDynamoDBPersistence(table_name="circuits")
    >>> breaker = CircuitBreakerInterceptor(store, config=CircuitBreakerConfig(failure_threshold=5))
    >>> client = LambdaClient(interceptors=[breaker])

    Args:
        persistence_store: A persistence layer of Powertools' circuit breaker.
        config: The thresholds; ``handled_exceptions`` and ``ignored_exceptions`` are not used.
        name: Returns the name of a call's circuit, by default the address that is called.
        on_transition: Called when a circuit opens, closes or is probed; see Powertools.
    """

    def __init__(
        self,
        persistence_store: CircuitBreakerPersistenceLayer,
        *,
        config: CircuitBreakerConfig | None = None,
        name: Callable[[OutgoingCall], str] = lambda call: call.function,
        on_transition: Callable[[CircuitTransition], None] | None = None,
    ) -> None:
        self._store = persistence_store
        self._config = _count_only_reports(config or CircuitBreakerConfig())
        self._name = name
        self._on_transition = on_transition

    @contextmanager
    def calling(self, call: OutgoingCall, /) -> Generator[None]:
        """Ask the circuit, and report how the call ended."""
        if call.operation not in _PROTECTED:
            yield
            return
        name = self._name(call)
        self._ask(name, call)
        try:
            yield
        except Exception as exc:
            if is_callee_down(exc):
                self._report(name, _CalleeDownError())
            raise
        self._report(name, None)

    # Powertools' breaker runs a function, and an interceptor cannot hand it the call as one. So it runs two functions:
    # one before the call, whose exception does not count, and one after it, which ends as the call has ended.
    def _ask(self, name: str, call: OutgoingCall) -> None:
        try:
            self._run(name, _AdmittedError())
        except _AdmittedError:
            return
        except CircuitBreakerOpenError as exc:
            message = f"the circuit {name!r} is open: its last calls failed, so nothing is sent until it is probed"
            raise CircuitOpenError(message, circuit=exc.circuit, function=call.function) from exc

    def _report(self, name: str, failure: Exception | None) -> None:
        # Another call may have opened the circuit in the meantime.
        with suppress(_CalleeDownError, CircuitBreakerOpenError):
            self._run(name, failure)

    def _run(self, name: str, failure: Exception | None) -> None:
        untyped: Any = powertools_breaker
        protect = untyped.circuit_breaker(
            name=name, persistence_store=self._store, on_transition=self._on_transition, config=self._config
        )
        protect(_end_with)(failure)


class _AdmittedError(Exception):
    """The circuit lets a call pass."""


class _CalleeDownError(Exception):
    """A call failed in a way that counts."""


def _end_with(failure: Exception | None) -> None:
    if failure is not None:
        raise failure


def _count_only_reports(config: CircuitBreakerConfig) -> CircuitBreakerConfig:
    """Return *config* with one kind of exception that counts: the one that reports a failure."""
    return CircuitBreakerConfig(
        failure_threshold=config.failure_threshold,
        recovery_timeout=config.recovery_timeout,
        success_threshold=config.success_threshold,
        local_cache_max_age=config.local_cache_max_age,
        handled_exceptions=_CalleeDownError,
    )
