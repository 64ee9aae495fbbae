"""Evaluating expressions."""

from __future__ import annotations

import ast
from pathlib import Path

from lambdachain._analysis.survey.evaluation import ExpressionEvaluator
from lambdachain._analysis.survey.project import Project
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.values import Constant


def test_a_deleted_expression_is_not_confused_with_another(tmp_path: Path):
    """An annotation in quotes is parsed, evaluated and deleted, and the next one may get its address in memory."""
    (tmp_path / "code.py").write_text("")
    project = Project(read_sources([tmp_path]))
    evaluator, (scope, *_) = ExpressionEvaluator(project, {}), project.scopes()

    found = [evaluator.evaluate(ast.Constant(number), scope) for number in range(1000)]

    assert found == [(Constant(number),) for number in range(1000)]
