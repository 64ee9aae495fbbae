"""The interface of an evaluator, for the modules that evaluate one kind of expression.

``evaluation.ExpressionEvaluator`` implements it and imports those modules, so they cannot import it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from .project import Project
from .results import SourceSchema
from .scopes import Binding, Scope
from .values import Frame, FunctionValue, Value, Values


class Evaluator(Protocol):
    """Determines what expressions of a project may evaluate to."""

    @property
    def project(self) -> Project:
        """The files."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that are known."""
        ...

    @property
    def follows_calls(self) -> bool:
        """Whether what a call returns depends on its arguments."""
        ...

    @property
    def effort_left(self) -> float:
        """How many more steps the current question may take; 0 if something may be unfinished."""
        ...

    def limit_effort(self, effort: float) -> AbstractContextManager[None]:
        """Evaluate one question in at most so many steps; others may take as many again."""
        ...

    def evaluate(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, written in *scope*, may evaluate to."""
        ...

    def evaluate_certainly(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr* may evaluate to; nothing while it depends on a value that is being computed."""
        ...

    def compute_in_scope(self, key: Hashable, scope: Scope, compute: Callable[[], Values]) -> Values:
        """Return the result of *compute*, which is called once for each frame that it may depend on."""
        ...

    def evaluate_string(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the only string that an expression may evaluate to, or ``None``."""
        ...

    def evaluate_name(self, name: str, scope: Scope) -> Values:
        """Return what a name may be in *scope*."""
        ...

    def evaluate_binding(self, binding: Binding, scope: Scope) -> Values:
        """Return what a binding may bind its name to."""
        ...

    def evaluate_annotation(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation reveals of a value: a client, or an object of a class in the code."""
        ...

    def evaluate_attribute(self, value: Value, name: str) -> Values:
        """Return what ``value.name`` may be."""
        ...

    def evaluate_class_name(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        ...

    def evaluate_return(self, scope: Scope) -> Values:
        """Return what a function may return."""
        ...

    def evaluate_call(self, function: FunctionValue, arguments: Mapping[str, Values]) -> Values:
        """Return what a function may return when its parameters hold *arguments*."""
        ...

    def create_frame(
        self, function: FunctionValue, arguments: Mapping[str, Values], created: Scope | None = None
    ) -> Frame:
        """Return the frame of a call of a function; equal calls share one."""
        ...

    def find_frame(self, scope: Scope) -> Frame | None:
        """Return the call that is being followed, as far as *scope* is in it."""
        ...

    def list_items(self, values: Values) -> Values:
        """Return what a loop over *values* may assign to its target."""
        ...

    def in_frame(self, frame: Frame | None) -> AbstractContextManager[None]:
        """Evaluate in a frame: within the function of it, parameters hold its arguments."""
        ...

    def apply_to_string(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter may return for *text*."""
        ...

    def base_classes(self, scope: Scope) -> list[Scope]:
        """Return the direct base classes that are in the code."""
        ...

    def find_getattr_calls(self, scope: Scope) -> Iterator[tuple[ast.Call, str | None]]:
        """Yield the calls ``getattr(something, name)``, with the name if it is known."""
        ...

    def read_schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the JSON Schemas of the type that *expr* names."""
        ...
