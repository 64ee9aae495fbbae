"""Estimates of a map: pure functions of the number of items, how long one takes, and how many may run at a time.

Sources, read in 2026:

- The number of child executions at a time: "Step Functions service quotas"
  (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
- That 100 Standard and 1,000 Express child executions start a second is an assumption, which the output says: accounts
  and regions differ.
- One transition for each child execution that a distributed map starts: "Transitions"
  (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html). A Standard child has another one, of
  its task.
- The session of a role that was assumed lasts at most 12 hours, and one hour if a role assumed it: DurationSeconds in
  https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. The roles of EC2, ECS and Lambda are renewed.
- An Express execution is paid in steps of 100 ms and 64 MB, and ends after five minutes.
- Five batches at a time at first, 300 more a minute, and at most 1,000: "Configuring scaling behavior for SQS event
  source mappings" (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from .prices import (
    EXPRESS_GB_SECOND,
    EXPRESS_REQUEST,
    LAMBDA_GB_SECOND,
    LAMBDA_REQUEST,
    QUEUE_REQUEST,
    TRANSITION,
)

MAX_CHILDREN: Final = 10_000
STANDARD_STARTS: Final = 100
EXPRESS_STARTS: Final = 1000
EXPRESS_LIMIT: Final = 300.0
MAX_INVOCATION: Final = 900.0
MAX_SESSION: Final = 12 * 3600.0
QUEUE_FIRST: Final = 5
QUEUE_GROWTH: Final = 300 / 60
QUEUE_LIMIT: Final = 1000
_BATCH: Final = 10
# A batch is sent, received and deleted.
_REQUESTS_A_BATCH: Final = 3
_EXPRESS_GB: Final = Decimal(64) / 1024
_EXPRESS_STEP: Final = 0.1


class MapPlan(NamedTuple):
    """What is to be planned.

    Attributes:
        items: How many items there are.
        duration: How many seconds the function takes for one.
        concurrency: How many functions may run at a time.
        memory: The function's memory in MB; ``None`` if it is not known.
        is_idempotent: Whether an item may run twice.
        needs_results: Whether the responses are needed.
    """

    items: int
    duration: float
    concurrency: int
    memory: int | None = None
    is_idempotent: bool = False
    needs_results: bool = True


class Estimate(NamedTuple):
    """What a way to run a map takes.

    Attributes:
        name: The way.
        seconds: How long it takes, without retries and cold starts.
        transitions: How many state transitions are paid.
        cost: What it costs in addition to the function.
        notes: What limits it, and what is not in the figures.
        obstacle: Why it is not possible; ``None`` if it is.
    """

    name: str
    seconds: float
    transitions: int
    cost: Decimal
    notes: tuple[str, ...] = ()
    obstacle: str | None = None


class Choice(NamedTuple):
    """The way that is chosen, and why."""

    name: str
    reason: str


PROCESS: Final = "one process"
STANDARD: Final = "Distributed Map, Standard"
EXPRESS: Final = "Distributed Map, Express"
QUEUE: Final = "SQS"


def estimate_all(plan: MapPlan) -> tuple[Estimate, ...]:
    """Return the estimate of each way."""
    return (estimate_process(plan), estimate_standard(plan), estimate_express(plan), estimate_queue(plan))


def estimate_process(plan: MapPlan) -> Estimate:
    """Estimate a map of one process.

    >>> estimate_process(MapPlan(10_000, duration=0.5, concurrency=100)).seconds
    50.0
    """
    seconds = _rounds(plan.items, plan.concurrency) * plan.duration
    note = "" if seconds <= MAX_INVOCATION else "longer than a function may run (15 min): not from inside Lambda"
    return Estimate(PROCESS, seconds, 0, Decimal(0), _without_empty("network and CPU of the process: unknown", note))


def estimate_standard(plan: MapPlan) -> Estimate:
    """Estimate a distributed map whose child executions are Standard ones, as of ``map --on step-functions``.

    >>> found = estimate_standard(MapPlan(10_000, duration=0.5, concurrency=1000))
    >>> found.seconds, found.transitions, found.cost
    (100.5, 20001, Decimal('0.500025'))
    """
    transitions = 2 * plan.items + 1
    seconds, note = _map_seconds(plan, STANDARD_STARTS)
    cost = transitions * TRANSITION.amount
    return Estimate(STANDARD, seconds, transitions, cost, _without_empty(note, "S3 for items and results: not counted"))


def estimate_express(plan: MapPlan) -> Estimate:
    """Estimate a distributed map whose child executions are Express ones.

    >>> estimate_express(MapPlan(10_000, duration=0.5, concurrency=1000)).obstacle
    'may run an item twice, and the contract is not idempotent'
    """
    transitions = plan.items + 1
    billed = Decimal(math.ceil(round(plan.duration / _EXPRESS_STEP, 6))) * Decimal(str(_EXPRESS_STEP))
    each = EXPRESS_REQUEST.amount + billed * _EXPRESS_GB * EXPRESS_GB_SECOND.amount
    cost = transitions * TRANSITION.amount + plan.items * each
    seconds, note = _map_seconds(plan, EXPRESS_STARTS)
    obstacle = None
    if not plan.is_idempotent:
        obstacle = "may run an item twice, and the contract is not idempotent"
    elif plan.duration >= EXPRESS_LIMIT:
        obstacle = f"an Express execution ends after {EXPRESS_LIMIT:g} s"
    return Estimate(EXPRESS, seconds, transitions, cost, _without_empty(note), obstacle)


def estimate_queue(plan: MapPlan) -> Estimate:
    """Estimate a queue whose messages a function handles, in batches of ten.

    >>> found = estimate_queue(MapPlan(10_000, 0.5, 1000, is_idempotent=True, needs_results=False))
    >>> found.cost, found.obstacle
    (Decimal('0.0012000'), None)
    """
    batches = _rounds(plan.items, _BATCH)
    cost = batches * _REQUESTS_A_BATCH * QUEUE_REQUEST.amount
    limit = min(plan.concurrency, QUEUE_LIMIT)
    seconds = queue_seconds(plan.items * plan.duration, limit)
    # One after the other in a batch, however few there are.
    seconds = max(seconds, min(plan.items, _BATCH) * plan.duration)
    obstacle = None
    if not plan.is_idempotent:
        obstacle = "delivers a message at least once, and the contract is not idempotent"
    elif plan.needs_results:
        obstacle = "returns no responses"
    note = f"at most {QUEUE_LIMIT:,} batches at a time" if plan.concurrency > QUEUE_LIMIT else ""
    return Estimate(QUEUE, seconds, 0, cost, _without_empty(note), obstacle)


def queue_seconds(work: float, limit: int) -> float:
    """Return how long a queue takes for so many seconds of work, when *limit* functions run at most.

    >>> queue_seconds(0, 1000), queue_seconds(1000, 5), round(queue_seconds(10_000, 1000), 1)
    (0.0, 200.0, 62.3)
    """
    start = min(QUEUE_FIRST, limit)
    ramp = (limit - start) / QUEUE_GROWTH
    done = ramp * (start + limit) / 2
    if work >= done:
        return ramp + (work - done) / limit
    # The work after t seconds is start * t + growth * t * t / 2.
    return (-start + math.sqrt(start * start + 2 * QUEUE_GROWTH * work)) / QUEUE_GROWTH


def function_cost(plan: MapPlan) -> Decimal | None:
    """Return what the function costs, in addition to what calls it; ``None`` if its memory is not known.

    >>> function_cost(MapPlan(1_000_000, duration=0.5, concurrency=100, memory=512))
    Decimal('4.36667500000')
    """
    if plan.memory is None:
        return None
    seconds = Decimal(str(plan.duration)) * plan.items
    return plan.items * LAMBDA_REQUEST.amount + seconds * Decimal(plan.memory) / 1024 * LAMBDA_GB_SECOND.amount


def choose(estimates: Sequence[Estimate]) -> Choice:
    """Choose a way: one process where it takes 12 hours or less, or else the cheapest that is possible.

    >>> plan = MapPlan(10_000, duration=0.5, concurrency=100)
    >>> choose(estimate_all(plan)).name
    'one process'
    >>> choose(estimate_all(plan._replace(items=50_000_000))).name
    'Distributed Map, Standard'
    """
    process, *others = estimates
    if process.seconds <= MAX_SESSION:
        return Choice(
            process.name,
            "it costs nothing more, can be resumed, and ends within 12 hours, the longest session of an assumed role",
        )
    possible = [each for each in others if each.obstacle is None]
    cheapest = min(possible, key=lambda each: (each.cost, each.seconds))
    reason = (
        "one process needs more than 12 hours, the longest session of an assumed role; this is the cheapest of the rest"
    )
    return Choice(cheapest.name, reason)


def _map_seconds(plan: MapPlan, starts: int) -> tuple[float, str]:
    """Return how long a distributed map takes, and what limits it."""
    by_concurrency = _rounds(plan.items, min(plan.concurrency, MAX_CHILDREN)) * plan.duration
    by_starts = plan.items / starts + plan.duration
    if by_starts > by_concurrency:
        return by_starts, f"limited by the start of child executions, assumed to be {starts:,} a second"
    return by_concurrency, ""


def _rounds(items: int, at_a_time: int) -> int:
    return -(-items // at_a_time)


def _without_empty(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)
