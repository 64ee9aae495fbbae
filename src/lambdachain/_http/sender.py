"""The way of an invocation to one endpoint: signed, sent once, and its answer read."""

from __future__ import annotations

import time

from lambdachain._invocation import Invocation, Outcome
from lambdachain._stand_in import guard
from lambdachain._wire import EXPIRED

from .outcome import outcome_of
from .pool import Pool
from .request import RequestWriter
from .ways import Destination


class Sender:
    """Sends to *destination*."""

    def __init__(self, destination: Destination) -> None:
        self._host = destination.endpoint.host
        self._credentials = destination.credentials
        self._writer = RequestWriter(destination.endpoint, destination.region)
        self._pool = Pool(destination.endpoint, destination.trust)

    def send(self, invocation: Invocation, deadline: float) -> Outcome:
        """Send *invocation* once and give the answer, by *deadline* on the monotonic clock; see ``Transport.send``."""
        if guard.closed:
            guard.check(invocation.function, self._host)
        keys = self._credentials.current()
        now = time.time()
        head = self._writer.head(invocation, keys, now)
        connection = self._pool.take(now, deadline)
        response = connection.exchange(head, invocation.payload, deadline)
        if response.reusable:
            self._pool.give_back(connection)
        else:
            connection.close()
        outcome = outcome_of(response)
        if outcome.error_code in EXPIRED:
            self._credentials.renew()
        return outcome

    def close(self) -> None:
        """Close the connections that wait."""
        self._pool.close()
