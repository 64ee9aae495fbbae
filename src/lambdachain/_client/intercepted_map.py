"""The calls of a map inside interceptors: each payload is a call of its own, also while it waits to be sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context, copy_context

from lambdachain._calling.interceptors import StartedCall
from lambdachain._fan_out.scheduler import MapResult, RequeuedError


class InterceptedPayload:
    """The interceptors of one call of a map; see ``JobScope``.

    A throttled payload goes on in another thread or task. Every part of its call runs in one copy of the context, so
    that the interceptors are left in the context that they were entered in.
    """

    def __init__(self, entering: AbstractContextManager[StartedCall]) -> None:
        self.context: Context = copy_context()
        self._entering = entering
        self._seen: StartedCall | None = None

    @property
    def started(self) -> StartedCall:
        """The call as its interceptors see it, once they have been entered."""
        assert self._seen is not None  # noqa: S101 - for type checkers
        return self._seen

    def run(self, work: Callable[[], MapResult]) -> MapResult:
        """Run *work*, the whole call or what is left of it; see ``JobScope.run``."""
        return self.context.run(self._run, work)

    async def run_async(self, work: Callable[[], Awaitable[MapResult]]) -> MapResult:
        """Await *work*, in a task that runs in the context; see ``JobScope.run_async``."""
        with self._inside() as seen:
            result = await work()
            seen.finish(result.value)
        return result

    def fail(self, error: BaseException) -> BaseException:
        """End a call that is not sent again; see ``JobScope.fail``."""
        try:
            self.context.run(self._leave, error)
        except BaseException as exc:  # noqa: BLE001 - the result of the payload
            return exc
        return error

    def _run(self, work: Callable[[], MapResult]) -> MapResult:
        with self._inside() as seen:
            result = work()
            seen.finish(result.value)
        return result

    @contextmanager
    def _inside(self) -> Generator[StartedCall]:
        """Enter the interceptors, unless an earlier part of the call has; leave them, unless a later part will."""
        if self._seen is None:
            self._seen = self._entering.__enter__()
        try:
            yield self._seen
        except RequeuedError:
            raise
        except BaseException as exc:
            self._leave(exc)
            raise
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        """Leave the interceptors, which may raise another error in place of *error*."""
        if error is None:
            self._entering.__exit__(None, None, None)
        else:
            self._entering.__exit__(type(error), error, error.__traceback__)
