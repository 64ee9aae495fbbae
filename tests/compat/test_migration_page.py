"""The how-to page is correct: its files and commands as a reader would use them, and its tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

import lambdachain as lc
from lambdachain import CallError, Execution
from lambdachain._calling.error_table import SERVICE_ERRORS, Retryability

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-boto3.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (.*) \| `(\w+Error)` \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
RAN = {Execution.NOT_EXECUTED: "no", Execution.UNKNOWN: "unknown"}
AGAIN = {
    Retryability.SAFE: "yes",
    Retryability.REFRESH: "once, with new credentials",
    Retryability.IDEMPOTENT: "if idempotent",
    Retryability.NEVER: "no",
}


def run_console(fence: str, directory: Path, environment: dict[str, str]) -> None:
    """Run the commands of a console, and compare what they print: ``...`` is anything."""
    for block in re.split(r"^\$ ", fence, flags=re.MULTILINE)[1:]:
        command, _, expected = block.partition("\n")
        ran = subprocess.run(
            ["bash", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        pattern = "(?:.*\n)*".join(map(re.escape, re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)))
        assert re.fullmatch(pattern.replace(r"\.\.\.", ".*"), ran.stdout), f"{command}\n{ran.stdout}"


@pytest.mark.docs
def test_the_page_is_correct(tmp_path: Path):
    """Every file, every command, every line of output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for kind, body in FENCE.findall(PAGE):
        if kind == "sh":
            continue  # grep finds nothing here: tests/compat/test_migration.py runs it
        if kind == "console":
            run_console(body, tmp_path, environment)
            continue
        title, _, text = body.partition("\n")
        path = tmp_path / title.removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


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
