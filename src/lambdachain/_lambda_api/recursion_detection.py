"""Count how often a chain of calls has passed a function, in the trace header, as Lambda's loop detection does.

Lambda writes ``Lineage=`` into the trace header that a function gets; SDKs in the function send it on. Here it holds
the functions of the chain, each as a hash with its count: ``Lineage=a87bd80c:1|68fd508a:5``, the form in X-Ray's page
on its header. (What Lambda's own entries of today, such as ``1:7326f8b8:0``, count is not published.)
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

# "Approximately 16" invocations of one function in a chain, says Lambda's page on recursive loop detection.
LOOP_LIMIT: Final = 16

# Less than 1 KB of a header that runtimes accept up to 4 KB of.
_MAX_FUNCTIONS: Final = 64
_FIELD: Final = re.compile(r";?\s*lineage=([^;]*)", re.IGNORECASE)
_ENTRY: Final = re.compile(r"([0-9a-f]{8}):([0-9]{1,5})")


def is_recursive_loop(trace_header: str, arn: str) -> bool:
    """Check whether Lambda would stop one more invocation of the function in this chain."""
    return _counts(trace_header).get(_hash(arn), 0) >= LOOP_LIMIT


def count_invocation(trace_header: str, arn: str) -> str:
    """Return the trace header for a function, with its own invocation counted.

    >>> count_invocation(count_invocation("Root=1-2-3", "a"), "a")
    'Root=1-2-3;Lineage=ca978112:2'

    Args:
        trace_header: As the caller sent it.
        arn: The function's ARN, without a qualifier.
    """
    counts = _counts(trace_header)
    own = _hash(arn)
    # Inserted again at the end: what is dropped beyond the limit are the functions passed longest ago.
    counts[own] = counts.pop(own, 0) + 1
    entries = [f"{name}:{count}" for name, count in counts.items()][-_MAX_FUNCTIONS:]
    return f"{_FIELD.sub('', trace_header)};Lineage={'|'.join(entries)}"


def _counts(trace_header: str) -> dict[str, int]:
    found = _FIELD.search(trace_header)
    entries = [_ENTRY.fullmatch(entry) for entry in found[1].split("|")] if found else []
    return {entry[1]: int(entry[2]) for entry in entries if entry}


def _hash(arn: str) -> str:
    return hashlib.sha256(arn.encode()).hexdigest()[:8]
