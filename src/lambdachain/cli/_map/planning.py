"""``map --plan``: what each way to run a map takes, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lambdachain._analysis.map_plan.estimates import (
    Choice,
    Estimate,
    MapPlan,
    choose,
    estimate_all,
    function_cost,
)
from lambdachain._analysis.map_plan.prices import CURRENCY, PRICES, REGION
from lambdachain.cli._exit_status import ExitStatus, InputError, echo
from lambdachain.cli._target_argument import parse_target_argument

if TYPE_CHECKING:
    from lambdachain.cli._target_options import TargetOptions

    from .sources import InputLocation

_MINUTE: Final = 60
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class PlanArguments:
    """The options of a plan.

    Attributes:
        items: How many items there are; ``None`` to count the lines of the input.
        duration: How many seconds the function takes for one.
        memory: The function's memory in MB.
        concurrency: How many functions may run at a time.
    """

    items: int | None
    duration: float | None
    memory: int | None
    concurrency: int


def print_plan(
    target: str, where: InputLocation, arguments: PlanArguments, connection: TargetOptions, *, as_json: bool
) -> int:
    """Print the estimates of a map, and which way is chosen; nothing is called.

    Raises:
        InputError: The duration is missing, or the input cannot be read.
    """
    if arguments.duration is None:
        raise InputError("--plan needs --duration: how many seconds the function takes for one item")
    found = parse_target_argument(target)
    contract = None if isinstance(found, str) else found.contract
    plan = MapPlan(
        arguments.items if arguments.items is not None else _count(where, connection),
        arguments.duration,
        arguments.concurrency,
        arguments.memory,
        is_idempotent=contract is not None and contract.idempotent,
        needs_results=contract is None or contract.response not in (None, type(None)),
    )
    estimates = estimate_all(plan)
    chosen = choose(estimates)
    if as_json:
        echo(json.dumps(_to_object(plan, estimates, chosen)))
    else:
        for line in _to_lines(plan, estimates, chosen):
            echo(line)
    return ExitStatus.DONE


def _count(where: InputLocation, connection: TargetOptions) -> int:
    if str(where.path) == "-" and sys.stdin.isatty():
        raise InputError("--plan needs --items, or an input whose lines it can count")
    with closing(where.open(connection.create_s3_client)) as source:
        return sum(bool(line.text.strip()) for lines in iter(source.read_lines, []) for line in lines)


def _to_lines(plan: MapPlan, estimates: tuple[Estimate, ...], chosen: Choice) -> list[str]:
    cost = function_cost(plan)
    function = "unknown: pass --memory" if cost is None else _format_money(cost)
    limits = f"{plan.duration:g} s each, at most {plan.concurrency:,} at a time"
    lines = [
        f"{plan.items:,} items, {limits}; without retries and cold starts",
        f"the function itself, with any of them: {function}",
        "",
        f"{'':<28}{'time':>10}  {'transitions':>14}  {'cost':>12}",
    ]
    for each in estimates:
        figures = f"{_format_time(each.seconds):>10}  {each.transitions:>14,}  {_format_money(each.cost):>12}"
        lines.append(f"{each.name:<28}{figures}")
        notes = (f"not possible: {each.obstacle}",) if each.obstacle else each.notes
        lines += [f"  {note}" for note in notes]
    lines += ["", f"chosen: {chosen.name}: {chosen.reason}", ""]
    lines.append(f"list prices in {CURRENCY}, {REGION}, without free tier, discounts and taxes:")
    lines += [f"  {price.amount.normalize():f} a {price.unit} ({price.date}, {price.source})" for price in PRICES]
    return lines


def _to_object(plan: MapPlan, estimates: tuple[Estimate, ...], chosen: Choice) -> dict[str, Any]:
    cost = function_cost(plan)
    return {
        "plan": plan._asdict(),
        "function_cost": None if cost is None else float(cost),
        "estimates": [{**each._asdict(), "cost": float(each.cost)} for each in estimates],
        "chosen": chosen._asdict(),
        "currency": CURRENCY,
        "region": REGION,
        "prices": [{**price._asdict(), "amount": float(price.amount)} for price in PRICES],
    }


def _format_time(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / _MINUTE:.1f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"


def _format_money(amount: Decimal) -> str:
    return f"{amount:,.2f} {CURRENCY}" if amount >= Decimal("0.01") or not amount else f"<0.01 {CURRENCY}"
