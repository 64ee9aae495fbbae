"""The how-to pages of policy, graph and doctor, followed as by a reader; the picture is the one that is drawn."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.dry_run_server import serve_dry_runs
from tests.support.page_reader import ADDRESS, PageReader, parse_fences

ROOT: Final = Path(__file__).parents[2]
HOW_TO: Final = ROOT / "docs" / "how-to"
PAGES: Final = ["inventory-a-boto3-code-base", "grant-least-privilege", "see-who-calls-whom", "ask-the-doctor"]


@pytest.fixture
def surroundings(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Set a role's credentials, a region, and an endpoint with recorded responses of Lambda."""
    with serve_dry_runs() as (url, _):
        yield {
            **{name: value for name, value in environment.items() if "proxy" not in name.lower()},
            "AWS_ENDPOINT_URL_LAMBDA": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        }


class SurveyReader(PageReader):
    """A reader whose terminal shows standard output before standard error, as the pages do."""

    def run(self, command: str, output: str) -> str:
        """Run a command to its end."""
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        status = ran.stdout[ran.stdout.rindex("status ") :] if 'echo "status $?"' in command else ""
        shown = f"{ran.stdout.removesuffix(status)}{ran.stderr}{status}"
        return shown.replace(self.environment["AWS_ENDPOINT_URL_LAMBDA"], ADDRESS)


@pytest.mark.docs
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_correct(name: str, surroundings: dict[str, str], tmp_path: Path):
    """Every file, every command, every line of output."""
    if name == "ask-the-doctor":
        surroundings["AWS_REGION"] = "eu-west-1"
    reader = SurveyReader(tmp_path, surroundings)
    fences = list(parse_fences((HOW_TO / f"{name}.md").read_text()))
    for fence in fences:
        reader.follow(fence)

    assert sum(fence.body.startswith("$ lambdachain ") for fence in fences) >= 2


@pytest.mark.docs
def test_the_picture_of_the_examples_is_the_one_that_is_drawn(environment: dict[str, str]):
    """Byte for byte: the page has the command that draws it."""
    page = (HOW_TO / "see-who-calls-whom.md").read_text()
    [command] = re.findall(r"`lambdachain (graph examples .*?)`", page)
    run = [sys.executable, "-c", "from lambdachain.cli import main; main()", *command.split()]
    drawn = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    assert drawn == (HOW_TO / "who-calls-whom.svg").read_text()
