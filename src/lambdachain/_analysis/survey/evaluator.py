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
    """Determines what expressions of a project may evaluate to; ``evaluation.Evaluation`` is the one that does."""

    @property
    def project(self) -> Project:
        """The files."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What is known of environment variables."""
        ...

    def values(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, written in *scope*, may evaluate to."""
        ...

    def text(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the only text that an expression may evaluate to, or ``None``."""
        ...

    def applied(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter returns for *text*."""
        ...

    def annotated(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation says of a value."""
        ...

    def declared(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        ...

    def returned(self, scope: Scope) -> Values:
        """Return what a function may return."""
        ...

    def bases(self, scope: Scope) -> list[Scope]:
        """Return the bases of a class that are in the code."""
        ...

    def schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the schema of the type that *expr* names."""
        ...
