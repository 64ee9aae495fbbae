"""Working out expressions."""

from __future__ import annotations

import ast
from pathlib import Path

from lambdachain._analysis.survey.evaluation import ExpressionEvaluator
from lambdachain._analysis.survey.project import Project
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.values import Constant


def test_an_expression_that_is_gone_is_not_taken_for_another(tmp_path: Path):
    """A type that stands in a text is parsed, looked at and dropped, and the next one may get its place in memory."""
    (tmp_path / "code.py").write_text("")
    project = Project(read_sources([tmp_path]))
    evaluator, (scope, *_) = ExpressionEvaluator(project, {}), project.scopes()

    found = [evaluator.evaluate(ast.Constant(number), scope) for number in range(1000)]

    assert found == [(Constant(number),) for number in range(1000)]
