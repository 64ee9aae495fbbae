"""The tables of the how-to page are those of the package; tests/project/test_pages.py follows the page."""

from __future__ import annotations

import re
from pathlib import Path

import botocore.session

import lambdachain as lc
from lambdachain import CallError, Execution
from lambdachain._calling.error_table import SERVICE_ERRORS, Retryability

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-boto3.md").read_text()
ROW = re.compile(r"^\| (.*) \| `(\w+Error)` \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
RAN = {Execution.NOT_EXECUTED: "no", Execution.UNKNOWN: "unknown"}
AGAIN = {
    Retryability.SAFE: "yes",
    Retryability.REFRESH: "once, with new credentials",
    Retryability.IDEMPOTENT: "if idempotent",
    Retryability.NEVER: "no",
}


def test_the_table_of_codes_is_the_table_of_the_package():
    """Every error that botocore declares for Invoke has its row, with the right class."""
    rows = {
        code: row[1:] for row in ROW.findall(PAGE) for code in re.findall(r"`(\w+)`", row[0]) if code in SERVICE_ERRORS
    }
    model = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")

    assert {shape.name for shape in model.error_shapes} <= set(rows)
    assert rows == {
        code: (rule.error.__name__, RAN[rule.execution], AGAIN[rule.retry])
        for code, rule in SERVICE_ERRORS.items()
        if code in rows
    }


def test_every_class_on_the_page_exists():
    """Of botocore and of lambdachain."""
    import botocore.exceptions

    named = set(re.findall(r"`(\w+Error)`", PAGE))
    ours = {name for name in named if hasattr(lc, name)}

    assert len(ours) > 10
    assert all(issubclass(getattr(lc, name), CallError) for name in ours)
    assert {name for name in named - ours if not hasattr(botocore.exceptions, name)} == {"FunctionError"} - ours
