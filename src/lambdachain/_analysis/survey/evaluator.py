"""What the parts of an evaluation ask of the whole: a protocol, so that they need not import what imports them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Protocol

from .project import Project
from .results import SourceSchema
from .scopes import Scope
from .values import Values


class Evaluator(Protocol):
    """What the parts of an evaluation ask of the whole; ``evaluation.ExpressionEvaluator`` implements it."""

    @property
    def project(self) -> Project:
        """The files."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What is known of environment variables."""
        ...

    def evaluate(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, written in *scope*, may evaluate to."""
        ...

    def evaluate_string(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the only text that an expression may evaluate to, or ``None``."""
        ...

    def apply_to_string(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter returns for *text*."""
        ...

    def evaluate_annotation(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation says of a value."""
        ...

    def evaluate_class_name(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        ...

    def evaluate_return(self, scope: Scope) -> Values:
        """Return what a function may return."""
        ...

    def base_classes(self, scope: Scope) -> list[Scope]:
        """Return the bases of a class that are in the code."""
        ...

    def read_schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the schema of the type that *expr* names."""
        ...
