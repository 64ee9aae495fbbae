"""``map --plan``: estimates as a table and as JSON, without a call."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lambdachain._analysis.map_plan.estimates import (
    EXPRESS,
    PROCESS,
    QUEUE,
    STANDARD,
    MapPlan,
    choose,
    estimate_all,
    function_cost,
)
from lambdachain._analysis.map_plan.prices import PRICES

CONTRACTS = """
from lambdachain import Contract

charge = Contract("charge", request=int, response=int)
note = Contract("note", request=int, response=None, idempotent=True)
"""


@pytest.fixture
def plan(command: list[str], environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Run ``lambdachain map --plan`` without credentials."""
    (tmp_path / "plan_contracts.py").write_text(CONTRACTS)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "map", *arguments, "--plan"],
            cwd=tmp_path,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
        )

    return run


def test_it_counts_the_lines_and_says_what_is_not_known(plan: Callable[..., Any], tmp_path: Path):
    """With the currency, the region, and the date and source of each price."""
    (tmp_path / "in.jsonl").write_text("1\n\n2\n3\n")

    text = plan("plan_contracts:charge", "in.jsonl", "--duration", "2").stdout

    assert text.startswith("3 items, 2 s each, at most 100 at a time")
    assert "with any of them: unknown: pass --memory" in text
    assert "list prices in USD, us-east-1" in text
    assert all(f"{price.unit} ({price.date}, {price.source})" in text for price in PRICES)
    assert "\nchosen: one process: " in text


def test_the_contract_decides_what_is_possible(plan: Callable[..., Any]):
    """A function that must not run twice, or whose responses are needed, is not for a queue."""
    sizes = ("--items", "1000000000", "--duration", "1", "--concurrency", "1000", "--memory", "1024", "--json")
    charge, note = (json.loads(plan(f"plan_contracts:{name}", *sizes).stdout) for name in ("charge", "note"))

    assert [bool(each["obstacle"]) for each in charge["estimates"]] == [False, False, True, True]
    assert [bool(each["obstacle"]) for each in note["estimates"]] == [False] * 4
    assert (charge["chosen"]["name"], note["chosen"]["name"]) == (STANDARD, QUEUE)
    assert charge["function_cost"] == note["function_cost"] == 16866.7


def test_a_plan_needs_a_duration(plan: Callable[..., Any]):
    """Nothing measures it."""
    failed = plan("plan_contracts:charge", "--items", "3")

    assert (failed.returncode, failed.stdout) == (2, "")
    assert "--plan needs --duration" in failed.stderr


def test_sizes_are_for_a_plan_only(command: list[str], environment: dict[str, str]):
    """They would have no effect on a map."""
    line = [*command, "map", "f", "--items", "3"]
    failed = subprocess.run(line, env=environment, text=True, capture_output=True, check=False)

    assert (failed.returncode, "--items is for --plan" in failed.stderr) == (2, True)


def test_figures_are_those_of_the_published_examples():
    """Two transitions for each item, and one for the map; the start of child executions limits a short function."""
    plan = MapPlan(1_000_000, duration=0.2, concurrency=5000, is_idempotent=True, memory=1024)
    process, standard, express, queue = estimate_all(plan)

    assert [each.name for each in (process, standard, express, queue)] == [PROCESS, STANDARD, EXPRESS, QUEUE]
    assert (process.seconds, process.cost) == (40.0, 0)
    assert (standard.seconds, standard.transitions, standard.cost) == (10_000.2, 2_000_001, Decimal("50.000025"))
    assert (express.seconds, express.transitions) == (1000.2, 1_000_001)
    # 1 USD for a million requests, and 0.2 s of 1/16 GB for each.
    assert round(express.cost - 25, 4) == round(Decimal(1) + Decimal("0.2") / 16 * Decimal("16.67"), 4)
    assert queue.cost == Decimal("0.12")  # 100,000 batches, three requests each
    assert round(function_cost(plan) or 0, 4) == round(Decimal("0.2") + Decimal("0.2") * Decimal("16.6667"), 4)


@pytest.mark.parametrize("items", [0, 1, 9, 10, 11])
def test_small_plans_have_finite_figures(items: int):
    """Also one without items."""
    for each in estimate_all(MapPlan(items, 0.0, 1, is_idempotent=True)):
        assert each.seconds >= 0
        assert each.cost >= 0
    assert choose(estimate_all(MapPlan(items, 3.0, 1))).name == PROCESS
