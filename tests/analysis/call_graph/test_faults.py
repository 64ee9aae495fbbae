"""A system of three repositories with one of each fault gives exactly those warnings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambdachain.cli import main  # noqa: F401 - the command that is run below is there

FAULTY = Path(__file__).parent / "faulty"
RUN = [sys.executable, "-c", "from lambdachain.cli import main; main()", "graph", "orders", "billing", "stock"]

EXPECTED = [
    (
        "billing-charge: request.cents: the caller sends string, the callee takes integer (billing/billing_app.py:29)",
        "orders/orders_app.py:27",
        "types",
    ),
    (
        (
            "orders-place -> billing-charge -> ledger-book -> archive-keep: 3 calls wait for each other, and all are "
            "billed while the last one works: fire, or let Step Functions lead"
        ),
        "orders/orders_app.py:38",
        "chain",
    ),
    (
        (
            "billing-charge may take 30 s (template.yaml:8), orders-place, which waits for it, has 10 s "
            "(template.yaml:5): give the caller more, the callee less, or the call a timeout="
        ),
        "orders/orders_app.py:38",
        "timeout",
    ),
    (
        (
            "mail-send is fired and not declared idempotent: Lambda delivers an event at least once: make it bear that "
            "and say Contract(..., idempotent=True), or call it"
        ),
        "orders/orders_app.py:40",
        "fired",
    ),
    (
        (
            "stock-reserve -> stock-refill -> stock-reserve: Lambda stops such a chain after about 16 rounds; have one "
            "of them not call on"
        ),
        "stock/stock_app.py:20",
        "cycle",
    ),
]


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the three repositories."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run([*RUN, *arguments], cwd=FAULTY, env=environment, capture_output=True, text=True, check=False)


def test_each_fault_is_warned_of_once_and_nothing_else_is():
    """By kind, with file and line; nothing is left untold."""
    found = json.loads(ran("--template", "template.yaml", "--json").stdout)

    assert [(one["text"], one["at"], one["kind"]) for one in found["warnings"]] == EXPECTED
    assert found["undecided"] == []


def test_warnings_are_lines_and_a_status_for_ci():
    """On standard error, so that the picture on standard output stays whole."""
    checked = ran("--template", "template.yaml", "--check")
    drawn = ran("--template", "template.yaml", "--as", "mermaid")

    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.splitlines() == [f"warning: {at}: {kind}: {text}" for text, at, kind in EXPECTED]
    assert (drawn.returncode, drawn.stderr) == (0, checked.stderr)
    assert drawn.stdout.startswith("flowchart LR\n")


def test_what_no_template_tells_is_not_warned_of():
    """Without timeouts there is nothing to compare."""
    found = json.loads(ran("--json").stdout)

    assert [one["kind"] for one in found["warnings"]] == [kind for _, _, kind in EXPECTED if kind != "timeout"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template", "nope.yaml"], "error: nope.yaml: no such file"),
        (["nowhere"], "error: nowhere: there is no such directory or file"),
        (["--template", "orders/orders_app.py"], "error: orders/orders_app.py:"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str):
    """With the place; the status says usage."""
    failed = ran(*arguments)

    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith(message)
    assert failed.stderr.count("\n") == 1
