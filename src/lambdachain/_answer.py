"""A success, and its value as the contract types it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ._codec import codec_of, type_name
from ._errors import Attempt, ResponseError
from ._invocation import Outcome
from ._misfit import MisfitError
from ._plan import Plan


class Answer(NamedTuple):
    """A success as Lambda reports it, before its payload is read."""

    outcome: Outcome
    attempts: tuple[Attempt, ...]
    elapsed: float


def value_of(plan: Plan, answer: Answer) -> Any:
    """Read the answer as the contract types it.

    Raises:
        ResponseError: The function ran, and its answer does not fit the contract.
    """
    response = plan.callee.contract.response
    try:
        return codec_of(response).decode(answer.outcome.payload)
    except MisfitError as exc:
        error = ResponseError(
            f"the answer does not fit {type_name(response)}: {exc}",
            function=plan.callee.address,
            request_id=answer.outcome.request_id,
            errors=exc.details,
        )
    *before, last = answer.attempts
    error.attempts = (*before, replace(last, error=ResponseError.__name__))
    error.elapsed = answer.elapsed
    raise error
