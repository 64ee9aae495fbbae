"""The parent's role allows the parent's one call; the template says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from least_privilege_demo import QUESTIONS, is_allowed, lambdachain, policy

SYSTEM = str(Path(__file__).parents[2] / "parent_child")


def test_the_call_is_allowed_and_similar_ones_are_denied() -> None:
    document = policy()

    assert [question for question, asked in QUESTIONS.items() if is_allowed(document, *asked)] == [
        "calling ChildFunction"
    ]


def test_the_template_grants_what_the_code_calls() -> None:
    ran = lambdachain("policy", SYSTEM, "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("resource", ["function:ChildFunction*", "function:ReportFunction"])
def test_a_template_that_grants_something_else_is_reported(tmp_path: Path, resource: str) -> None:
    text = (Path(__file__).parents[1] / "template.yaml").read_text()
    wrong = tmp_path / "template.yaml"
    wrong.write_text(text.replace("function:ChildFunction\n", f"{resource}\n").replace("../parent_child", SYSTEM))
    ran = lambdachain("policy", SYSTEM, "--check", str(wrong))

    assert ran.returncode == 1
    assert ran.stdout
