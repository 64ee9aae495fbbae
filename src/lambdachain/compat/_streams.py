"""Response streams of botocore, ended by the deadline of their call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from botocore.eventstream import EventStream
from botocore.exceptions import ReadTimeoutError

from lambdachain._core.errors import CallTimeoutError
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.boto.exchange import Exchange

from ._errors import to_boto_error


def limit_stream(response: Any, watched: Exchange, client: Any) -> bool:
    """End the stream of a response at the deadline of its call; return whether there are both."""
    stream: Any = response.get("EventStream") if is_mapping(response) else None
    if watched.deadline is None or not isinstance(stream, EventStream):
        return False
    members: Any = response
    members["EventStream"] = LimitedEventStream(stream, watched, client)
    return True


class LimitedEventStream(EventStream):  # type: ignore[type-arg] # pyright: ignore[reportMissingTypeArgument]
    """botocore's stream of events; past the deadline, reading it raises ``ReadTimeoutError``."""

    def __init__(self, stream: Any, watched: Exchange, client: Any) -> None:
        # Not super().__init__(), which would parse the beginning of the response again.
        self.__dict__.update(stream.__dict__)
        self._watched = watched
        self._client = client

    def __iter__(self) -> Iterator[Any]:
        """Yield the events."""
        try:
            yield from super().__iter__()
        except Exception:
            if not self._is_late():
                raise
        finally:
            self._watched.finish()
        # A stream that the deadline has cut looks like one that ends.
        if self._is_late():
            raise self._timeout_error()

    def close(self) -> None:
        """Close the stream."""
        super().close()
        self._watched.finish()

    def _is_late(self) -> bool:
        # The socket's own timeout may come just before that of the deadline.
        deadline = self._watched.deadline
        return self._watched.expired or (deadline is not None and time.monotonic() >= deadline)

    def _timeout_error(self) -> Exception:
        error = CallTimeoutError("timed out reading the stream", function=self._watched.function)
        raised = ReadTimeoutError(endpoint_url=self._client.meta.endpoint_url)
        return to_boto_error(error, raised, self._client, "InvokeWithResponseStream")
