"""Limits of Step Functions, in bytes and seconds.

Source: "Service quotas" (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
"""

from __future__ import annotations

from typing import Final

# The input or result of a task, a state or an execution, as UTF-8.
MAX_PAYLOAD: Final = 262_144
# With a function's response, the result of a task has the headers of Lambda's response, about 1 KB.
RESULT_OVERHEAD: Final = 8_192
# An Express workflow, such as a child of a distributed map.
MAX_EXPRESS_DURATION: Final = 300
MAX_FUNCTION_TIMEOUT: Final = 900
# Between the end of a function's timeout and that of the task: the init phase of a new sandbox, and the way back.
TIMEOUT_MARGIN: Final = 60
MAX_MAP_CONCURRENCY: Final = 10_000
