"""The how-to pages of policy, graph and doctor, followed as by a reader; the picture is the one that is drawn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.dry_run_server import serve_dry_runs

ROOT: Final = Path(__file__).parents[2]
HOW_TO: Final = ROOT / "docs" / "how-to"
PAGES: Final = ["inventory-a-boto3-code-base", "grant-least-privilege", "see-who-calls-whom", "ask-the-doctor"]
ADDRESS: Final = "http://127.0.0.1:9001"

_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def surroundings(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Set a role's credentials, a region, and an endpoint with recorded responses of Lambda."""
    here = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with serve_dry_runs() as (url, _):
        yield {
            **{name: value for name, value in environment.items() if "proxy" not in name.lower()},
            "PATH": here,
            "AWS_ENDPOINT_URL_LAMBDA": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        }


def _pattern(output: str) -> str:
    """Convert expected output to a pattern: ``...`` matches anything in a line, or any lines."""
    lines = [".*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) for line in output.splitlines()]
    return "".join(f"(?:{line}\n)*" if line == ".*" else f"{line}\n" for line in lines)


@pytest.mark.docs
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_correct(name: str, surroundings: dict[str, str], tmp_path: Path):
    """Every file, every command, every line of output."""
    if name == "ask-the-doctor":
        surroundings["AWS_REGION"] = "eu-west-1"
    done = 0
    for kind, body in _FENCE.findall((HOW_TO / f"{name}.md").read_text()):
        if kind != "console":
            title, _, text = body.partition("\n")
            path = tmp_path / title.split(" ")[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            continue
        for one in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, output = one.partition("\n")
            shown = _run_in_shell(command, surroundings, tmp_path).replace(
                surroundings["AWS_ENDPOINT_URL_LAMBDA"], ADDRESS
            )
            assert re.fullmatch(_pattern(output), shown), f"$ {command}\n{shown}"
            done += 1

    assert done >= 4


def _run_in_shell(command: str, environment: dict[str, str], directory: Path) -> str:
    """Run a command in a shell; return standard output before standard error, as pages show them."""
    ran = subprocess.run(
        ["bash", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    status = ran.stdout[ran.stdout.rindex("status ") :] if 'echo "status $?"' in command else ""
    return f"{ran.stdout.removesuffix(status)}{ran.stderr}{status}"


@pytest.mark.docs
def test_the_picture_of_the_examples_is_the_one_that_is_drawn(environment: dict[str, str]):
    """Byte for byte: the page has the command that draws it."""
    page = (HOW_TO / "see-who-calls-whom.md").read_text()
    [command] = re.findall(r"`lambdachain (graph examples .*?)`", page)
    run = [sys.executable, "-c", "from lambdachain.cli import main; main()", *command.split()]
    drawn = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    assert drawn == (HOW_TO / "who-calls-whom.svg").read_text()
