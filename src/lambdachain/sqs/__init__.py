"""Queues between functions: handlers of SQS batches with a contract, and ``fire`` through a queue of one's own.

Lambda's own event queue retries twice and then drops an event or sends it to a destination. A queue of one's own keeps
messages for up to 14 days, has a dead-letter queue, and limits how many functions run at a time.
"""

from __future__ import annotations

from ._batch import BatchItemFailure, BatchResponse
from ._handler import QueueHandler, queue
from ._route import QueueRoute
from ._transport import SqsTransport

__all__ = ["BatchItemFailure", "BatchResponse", "QueueHandler", "QueueRoute", "SqsTransport", "queue"]

for _public in (BatchItemFailure, BatchResponse, QueueHandler, QueueRoute, SqsTransport, queue):
    _public.__module__ = "lambdachain.sqs"
