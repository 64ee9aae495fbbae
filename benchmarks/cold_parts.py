"""Where the instructions of a typed cold start go, part by part, and which settings of pydantic change that.

Each row is a program of the parts so far, ended without a teardown, less the program before it. Counts repeat to within
a percent, however busy the machine is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

from cost.environment import Environment, prepare
from cost.measure import count_instructions

SETUP: Final = "import os; os.environ['AWS_LAMBDA_RUNTIME_API'] = '127.0.0.1:9001'"
PARTS: Final = {
    "`import pydantic`": "from pydantic import BaseModel",
    "two models": "from cost.models import Order",
    "lambdachain's modules": "from lambdachain import Contract, LambdaClient",
    "contract, client and payload": (
        "from cost.orders import FUNCTION, make_order; order = Order.model_validate(make_order(3)); "
        "contract = Contract(FUNCTION, request=Order, response=Order); client = LambdaClient()"
    ),
    "modules of the transport": "import lambdachain._transports.http.transport",
    "first call": "client.call(contract, order)",
}
DEFERRED: Final = "BaseModel.model_config['defer_build'] = True"
SETTINGS: Final[Mapping[str, tuple[Mapping[str, str], str]]] = {
    "as installed": ({}, ""),
    "PYDANTIC_DISABLE_PLUGINS": ({"PYDANTIC_DISABLE_PLUGINS": "true"}, ""),
    "defer_build": ({}, DEFERRED),
}


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter whose installation is measured")
    with prepare(parser.parse_args().python, [3]) as where:
        counted = {setting: count_parts(where, setting, list(PARTS)) for setting in SETTINGS}
    print("\n".join(to_table(counted)))


def count_parts(where: Environment, setting: str, parts: Sequence[str]) -> list[float]:
    """Count the instructions of each of the first parts of a cold start, with a setting of pydantic."""
    variables, statement = SETTINGS[setting]
    changed = where._replace(variables={**where.variables, **variables})
    lines = [PARTS[part] for part in parts]
    lines[:1] = ["\n".join((lines[0], statement))]

    def count(number: int) -> float:
        program = "\n".join([SETUP, *lines[:number], "os._exit(0)"])
        return count_instructions([where.python, "-c", program], changed)

    with ThreadPoolExecutor(2) as pool:
        totals = list(pool.map(count, range(len(lines) + 1)))
    return [after - before for before, after in pairwise(totals)]


def to_table(counted: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the table, in millions of instructions."""
    columns = [[*counts, sum(counts)] for counts in counted.values()]
    rows = zip([*PARTS, "together"], *columns, strict=True)
    return [
        f"| millions of instructions | {' | '.join(counted)} |",
        f"|---|{'--:|' * len(counted)}",
        *(f"| {part} | {' | '.join(f'{count / 1e6:,.0f}' for count in counts)} |" for part, *counts in rows),
    ]


if __name__ == "__main__":
    main()
