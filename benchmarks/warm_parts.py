"""Where the instructions of a typed warm call over ``HttpTransport`` go, part by part.

Each part is done many times in a process of its own, whose count is compared with that of one that does nothing as
often. A row is a part without those parts of it that have rows of their own. Counts repeat to within a percent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from cost.environment import Environment, prepare
from cost.measure import count_instructions

TIMES: Final = 200
NOTHING, CALL = "nothing", "call"


class Part(NamedTuple):
    """A part of a warm call: its name in ``warm_parts_probe``, and the part that it belongs to."""

    name: str
    within: str = CALL


PARTS: Final[Mapping[str, Part]] = {
    "SHA-256 and HMAC of the signature": Part("digests", within="head"),
    "the rest of the request's head": Part("head"),
    "pydantic: order to JSON, JSON to order": Part("pydantic", within="json"),
    "checks around pydantic: NaN, undeclared fields, overflow": Part("json"),
    "parsing the response": Part("parse", within="exchange"),
    "sending, receiving and TLS": Part("exchange"),
    "correlation id and ClientContext": Part("metadata"),
}


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter whose installation is measured")
    with prepare(parser.parse_args().python, [3]) as where:
        counted = count_parts(where, [CALL, *(part.name for part in PARTS.values())])
    print("\n".join(to_table(counted)))


def count_parts(where: Environment, names: Sequence[str]) -> dict[str, float]:
    """Count the instructions of each part."""
    # Inside Lambda's runtime, where a client without a transport takes HttpTransport.
    inside = where._replace(variables={**where.variables, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})

    def count(name: str, times: int) -> float:
        return count_instructions([where.python, "-m", "warm_parts_probe", name, str(times)], inside)

    def count_once(name: str) -> float:
        return (count(name, TIMES) - count(name, 0)) / TIMES

    count(NOTHING, 0)  # writes .pyc files
    with ThreadPoolExecutor(2) as pool:
        nothing, *counts = pool.map(count_once, [NOTHING, *names])
    return {name: value - nothing for name, value in zip(names, counts, strict=True)}


def to_table(counted: Mapping[str, float]) -> list[str]:
    """Return the table, in thousands of instructions."""
    inner = {name: sum(counted[part.name] for part in PARTS.values() if part.within == name) for name in counted}
    rows = {label: counted[part.name] - inner[part.name] for label, part in PARTS.items()}
    rows |= {"everything else": counted[CALL] - inner[CALL], "together": counted[CALL]}
    return [
        "| part of a warm call | thousands of instructions | share |",
        "|---|--:|--:|",
        *(f"| {label} | {count / 1e3:,.0f} | {count / counted[CALL]:.0%} |" for label, count in rows.items()),
    ]


if __name__ == "__main__":
    main()
