"""``Retry`` of a task: which errors follows from the contract, how often and when from a ``RetryPolicy``.

Source of the fields and their limits: "Retrying after an error" in
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html.
"""

from __future__ import annotations

import math
from typing import Any, Final

from lambdachain._calling.retry import RetryPolicy, safe_to_retry
from lambdachain._core.errors import ContractError

from ._error_names import DID_NOT_RUN, MAY_HAVE_RUN

STATE_RETRIES: Final = RetryPolicy(max_attempts=7, initial_delay=2.0, max_delay=60.0)
"""The policy of a state by default: up to six retries, the last after at most a minute, with full jitter."""

# MaxDelaySeconds must be less than a leap year.
_MAX_DELAY: Final = 31_622_399


def build_retry(policy: RetryPolicy, *, idempotent: bool) -> list[dict[str, Any]]:
    """Return the ``Retry`` of a task.

    What provably did not run is always retried. What may have run is retried only if the contract is idempotent.

    Raises:
        ContractError: Step Functions cannot do what the policy says.
    """
    attempts, delay = _check_policy(policy)
    if attempts == 1:
        return []
    # Step Functions waits for whole seconds: at least one.
    interval = max(1, math.ceil(delay))
    schedule: dict[str, Any] = {
        "IntervalSeconds": interval,
        "MaxAttempts": attempts - 1,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": min(max(interval + 1, math.ceil(policy.max_delay)), _MAX_DELAY),
        "JitterStrategy": policy.jitter.upper(),
    }
    groups = [DID_NOT_RUN, MAY_HAVE_RUN] if idempotent else [DID_NOT_RUN]
    return [{"ErrorEquals": [*names], **schedule} for names in groups]


def _check_policy(policy: RetryPolicy) -> tuple[int, float]:
    """Return the number of attempts and the first delay, if Step Functions can do what the policy says."""
    attempts, delay = policy.max_attempts, policy.initial_delay
    if not isinstance(attempts, int) or not isinstance(delay, int | float):
        raise ContractError("retry: Step Functions cannot run tenacity's objects: pass numbers")
    if policy.retry_on is not safe_to_retry:
        raise ContractError("retry: Step Functions cannot call retry_on: which errors are retried follows the contract")
    if policy.hedge_after is not None:
        raise ContractError("retry: Step Functions sends no duplicate requests: leave hedge_after out")
    return attempts, delay
