"""A system of three repositories with one problem of each kind: exactly these warnings are printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lambdachain.cli import main  # noqa: F401 - the command that is run below is there
from tests.support.environments import environment_without

FAULTY = Path(__file__).parent / "faulty"
RUN = [sys.executable, "-c", "from lambdachain.cli import main; main()", "graph", "orders", "billing", "stock"]

EXPECTED = [
    (
        (
            "billing-charge: request.cents: the caller sends string, but the callee accepts integer "
            "(billing/billing_app.py:29)"
        ),
        "orders/orders_app.py:27",
        "types",
    ),
    (
        (
            "orders-place -> billing-charge -> ledger-book -> archive-keep: 3 nested synchronous calls, and every "
            "caller is billed while it waits: use fire, or orchestrate the functions with Step Functions"
        ),
        "orders/orders_app.py:38",
        "chain",
    ),
    (
        (
            "billing-charge may take 30 s (template.yaml:8), but its caller orders-place times out after 10 s "
            "(template.yaml:5): raise the caller's timeout, lower the callee's, or pass timeout= to the call"
        ),
        "orders/orders_app.py:38",
        "timeout",
    ),
    (
        (
            "mail-send is fired but not declared idempotent, and Lambda delivers an event at least once: make it "
            "idempotent and declare Contract(..., idempotent=True), or use call"
        ),
        "orders/orders_app.py:40",
        "fired",
    ),
    (
        (
            "stock-reserve -> stock-refill -> stock-reserve: the calls form a cycle, which Lambda stops after about 16 "
            "rounds: remove one of the calls"
        ),
        "stock/stock_app.py:20",
        "cycle",
    ),
]


def run_graph(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the three repositories."""
    environment = environment_without("AWS_")
    return subprocess.run([*RUN, *arguments], cwd=FAULTY, env=environment, capture_output=True, text=True, check=False)


def test_there_is_one_warning_for_each_problem():
    """With kind, file and line; nothing is unresolved."""
    found = json.loads(run_graph("--template", "template.yaml", "--json").stdout)

    assert [(one["text"], one["at"], one["kind"]) for one in found["warnings"]] == EXPECTED
    assert found["undecided"] == []


def test_warnings_are_lines_and_a_status_for_ci():
    """On standard error, so that standard output has nothing but the picture."""
    checked = run_graph("--template", "template.yaml", "--check")
    drawn = run_graph("--template", "template.yaml", "--as", "mermaid")

    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.splitlines() == [f"warning: {at}: {kind}: {text}" for text, at, kind in EXPECTED]
    assert (drawn.returncode, drawn.stderr) == (0, checked.stderr)
    assert drawn.stdout.startswith("flowchart LR\n")


def test_without_a_template_there_are_no_timeout_warnings():
    """The timeouts are unknown then."""
    found = json.loads(run_graph("--json").stdout)

    assert [one["kind"] for one in found["warnings"]] == [kind for _, _, kind in EXPECTED if kind != "timeout"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template", "nope.yaml"], "error: nope.yaml: no such file"),
        (["nowhere"], "error: nowhere: no such file or directory"),
        (["--template", "orders/orders_app.py"], "error: orders/orders_app.py:"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str):
    """With the file; the exit status is that of a usage error."""
    failed = run_graph(*arguments)

    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith(message)
    assert failed.stderr.count("\n") == 1
