"""Edit the models that datamodel-code-generator wrote: put types in the place of placeholders."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeGuard

from .definitions import JsonSchema
from .python_types import KEYED_DICT, PLACEHOLDERS

IMPORTS: Final = {
    "Annotated": "typing",
    "Any": "typing",
    "Literal": "typing",
    "Decimal": "decimal",
    "Fraction": "fractions",
    "AnyUrl": "pydantic",
    "AwareDatetime": "pydantic",
    "Field": "pydantic",
    "FutureDate": "pydantic",
    "FutureDatetime": "pydantic",
    "HttpUrl": "pydantic",
    "NaiveDatetime": "pydantic",
    "PastDate": "pydantic",
    "PastDatetime": "pydantic",
    "PlainSerializer": "pydantic",
    "SecretStr": "pydantic",
    "StringConstraints": "pydantic",
    "TypeAdapter": "pydantic",
    "UrlConstraints": "pydantic",
    "SkipJsonSchema": "pydantic.json_schema",
    "Contract": "lambdachain",
    "RemoteError": "lambdachain",
}
"""The names that edited models may need, and the modules that have them."""

IS_ABSENT: Final = "is_absent"
"""The function that a module needs if it has fields that are left out."""

_PLAIN: Final = frozenset({"int", "float", "str", "bool", "list[int]", "list[float]", "list[str]", "list[bool]"})
_FROM_TEXT: Final = {
    "Decimal": "Decimal",
    "Fraction": "Fraction",
    "dt.datetime": "dt.datetime.fromisoformat",
    "dt.date": "dt.date.fromisoformat",
    "dt.time": "dt.time.fromisoformat",
}


def to_import_lines(code: str) -> list[str]:
    """Return the imports of all names in *code* that need one."""
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    lines = ["import datetime as dt"] if "dt" in names else []
    # The annotations are text only inside strings, which the generator does not write.
    return lines + [f"from {module} import {name}" for name, module in IMPORTS.items() if name in names]


class ModelEditor(ast.NodeTransformer):
    """Replace placeholders, and take out the class that holds the types of the contracts.

    Args:
        expressions: The type of each placeholder.
        definitions: The schema of each class.
        holder: The name of the class whose fields are the types of the contracts.
        errors: The names of the classes that are errors, by those that the generator knows them by.
        sent: The names of the classes that callers send.

    Attributes:
        errors: As passed.
        annotations: The types of the contracts, in the order of the fields of *holder*.
    """

    def __init__(
        self,
        expressions: Mapping[str, str],
        definitions: Mapping[str, JsonSchema],
        holder: str,
        errors: Mapping[str, str],
        sent: Collection[str],
    ) -> None:
        self.annotations: list[str] = []
        self._expressions = expressions
        self._definitions = definitions
        self._holder = holder
        self.errors = errors
        self._sent = sent
        self._class: str | None = None

    def edit(self, source: str) -> ast.Module:
        """Return the edited models."""
        tree = ast.parse(source)
        self.visit(tree)
        holder = next(node for node in tree.body if _is_class(node, self._holder))
        fields = [node for node in holder.body if isinstance(node, ast.AnnAssign)]
        self.annotations = [ast.unparse(node.annotation) for node in fields]
        tree.body = [node for node in tree.body if node is not holder and not self._is_superfluous(node)]
        return tree

    def _is_superfluous(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.module == PLACEHOLDERS
        return isinstance(node, ast.Expr) and ast.unparse(node).startswith(f"{self._holder}.")

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Edit the fields of a class, and its configuration."""
        node.name = self._class = self.errors.get(node.name, node.name)
        self.generic_visit(node)
        self._class = None
        docstring = ast.get_docstring(node)
        if docstring is not None:
            node.body[0] = ast.Expr(ast.Constant(docstring))
        node.body = [kept for kept in node.body if not self._is_empty_config(kept, node.name)] or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Edit a field."""
        is_special = any(self._is_placeholder(inner) for inner in ast.walk(node.annotation))
        self.generic_visit(node)
        is_special = is_special or "tuple[" in ast.unparse(node.annotation)
        if node.value is not None and (is_special or _has_structure(node.value)):
            node.value = _to_default(node.value, node.annotation)
        if node.value is not None and _is_none(node.value) and self._may_be_absent(node):
            self._let_be_absent(node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Replace ``tuple[KeyedDict, K, V]`` by a dict, and ``tuple[Placeholder, X]`` by an annotated array."""
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
        is_dict = len(inner) == 3 and isinstance(inner[0], ast.Name) and inner[0].id == KEYED_DICT
        is_limited = len(inner) == 2 and self._is_placeholder(inner[0]) and ast.unparse(node.value) == "tuple"
        is_limited = is_limited and self._expressions[ast.unparse(inner[0])].startswith("Field(")
        self.generic_visit(node)
        if _is_annotated(node):
            return _flatten(node)
        if is_limited and isinstance(node.slice, ast.Tuple):
            limits, array = node.slice.elts
            return _flatten(ast.Subscript(ast.Name("Annotated"), ast.Tuple([array, limits])))
        if not is_dict:
            return node
        return ast.Subscript(ast.Name("dict"), ast.Tuple(inner[1:]))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Put a type in the place of a placeholder."""
        if node.id in self.errors:
            return ast.Name(self.errors[node.id])
        if not self._is_placeholder(node) or node.id == KEYED_DICT:
            return node
        return _parse(self._expressions[node.id])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Remove the setting that placeholders needed, and the default that a field has already."""
        self.generic_visit(node)
        if ast.unparse(node.func) == "Field":
            node.args = []
        node.keywords = [one for one in node.keywords if one.arg != "arbitrary_types_allowed"]
        return node

    def _is_placeholder(self, node: ast.AST) -> TypeGuard[ast.Name]:
        return isinstance(node, ast.Name) and node.id in self._expressions

    def _is_empty_config(self, node: ast.stmt, name: str) -> bool:
        is_config = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "model_config"
        # An error is not a model: it has no configuration.
        return is_config and (name in self.errors.values() or ast.unparse(node).endswith("ConfigDict()"))

    def _let_be_absent(self, node: ast.AnnAssign) -> None:
        """Change ``X | None = None`` into a field that is not written where it is ``None``, which is no X."""
        annotation = node.annotation
        elements = annotation.slice.elts if _is_annotated(annotation) else [annotation]
        union = elements[0]
        if isinstance(union, ast.BinOp) and _is_none(union.right) and not self._accepts_null(node):
            elements[0] = ast.BinOp(union.left, ast.BitOr(), _parse("SkipJsonSchema[None]"))
        if not _is_annotated(annotation):
            node.annotation = elements[0]
        exclude = f", exclude_if={IS_ABSENT}" if self._class in self._sent else ""
        node.value = _parse(f"Field(default_factory=lambda: None{exclude})")

    def _accepts_null(self, node: ast.AnnAssign) -> bool:
        schema = self._get_property(node) or {}
        return any(option.get("type") == "null" for option in schema.get("anyOf", [])) or "null" in schema.get(
            "type", ""
        )

    def _may_be_absent(self, node: ast.AnnAssign) -> bool:
        """Check whether a field is optional and has no default: the callee knows what its absence means."""
        schema = self._get_property(node)
        return schema is not None and "default" not in schema

    def _get_property(self, node: ast.AnnAssign) -> JsonSchema | None:
        properties: Mapping[str, JsonSchema] = self._definitions.get(self._class or "", {}).get("properties", {})
        return properties.get(_find_alias(node.annotation) or ast.unparse(node.target))


def _flatten(node: Any) -> ast.expr:
    """Return ``Annotated`` without another one in it, and with one ``Field`` at most."""
    kind, *metadata = node.slice.elts
    if _is_annotated(kind):
        kind, *inner = kind.slice.elts
        metadata = [*inner, *metadata]
    fields = [one for one in metadata if isinstance(one, ast.Call) and ast.unparse(one.func) == "Field"]
    others = [one for one in metadata if one not in fields]
    keywords = [keyword for one in fields for keyword in one.keywords]
    metadata = [*([ast.Call(ast.Name("Field"), [], keywords)] if keywords else []), *others]
    return ast.Subscript(ast.Name("Annotated"), ast.Tuple([kind, *metadata])) if metadata else kind


def _has_structure(value: ast.expr) -> bool:
    """Check whether a default in JSON has an object, or an array in an array: of a model or of a tuple, perhaps."""
    if isinstance(value, ast.List):
        return any(isinstance(element, ast.Dict | ast.List) for element in value.elts)
    return isinstance(value, ast.Dict) and bool(value.keys)


def _to_default(value: ast.expr, annotation: ast.expr) -> ast.expr:
    """Return the default of a field, whose value in JSON the generator wrote, as a value of its type."""
    kind = annotation.slice.elts[0] if _is_annotated(annotation) else annotation
    text = re.sub(r" \| None$", "", ast.unparse(kind))
    literal = ast.unparse(value)
    if text.startswith("tuple[") and isinstance(value, ast.List) and not _has_structure(value):
        return ast.Tuple(value.elts)
    is_plain = text in _PLAIN or text.startswith(("dict[str, Any", "Literal["))
    if is_plain or literal in ("[]", "{}", "None") or not _is_json(value):
        return value
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    if text in _FROM_TEXT and is_text:
        return _parse(f"{_FROM_TEXT[text]}({literal})")
    return _parse(f"TypeAdapter[{text}]({text}).validate_python({literal})")


def _is_json(value: ast.expr) -> bool:
    """Check whether a default is as JSON has it, and not a value of its type already."""
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _find_alias(annotation: ast.expr) -> str | None:
    for node in ast.walk(annotation):
        if isinstance(node, ast.keyword) and node.arg == "alias" and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    return None


def _is_class(node: ast.stmt, name: str) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and node.name == name


def _is_annotated(node: Any) -> TypeGuard[Any]:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Annotated"
        and isinstance(node.slice, ast.Tuple)
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
