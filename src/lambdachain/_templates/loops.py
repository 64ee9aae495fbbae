"""Expand ``Fn::ForEach``, the loops over resources, conditions and properties of ``AWS::LanguageExtensions``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .context import TemplateContext
from .diagnostics import Diagnostic, TemplateError
from .document import MAX_VALUES, Document, Path
from .intrinsics import IntrinsicResolver
from .scalars import to_text

_LOOP: Final = "Fn::ForEach::"


def expand_loops(document: Document, context: TemplateContext, stack: str) -> Document:
    """Return the template with its loops expanded; one that cannot be resolved is reported and left out.

    Args:
        document: The template.
        context: What its collections may refer to.
        stack: The stack's name, unless the context's parameters have one.
    """
    # Most templates have no loop, and copying a large one takes time.
    if not any(str(path[-1]).startswith(_LOOP) for path in document.lines):
        return document
    expander = _LoopExpander(document, IntrinsicResolver(document, context, stack))
    tree = expander.expand(document.tree, (), (), {})
    diagnostics = (*document.diagnostics, *expander.diagnostics)
    return replace(document, tree=tree, diagnostics=diagnostics, origins=expander.origins)


class _LoopExpander:
    """Copies a tree with its loops expanded, and records where the copies are written."""

    def __init__(self, document: Document, values: IntrinsicResolver) -> None:
        self.origins = dict(document.origins)
        self.diagnostics: list[Diagnostic] = []
        self._document = document
        self._values = values
        self._copied = 0

    def expand(self, tree: Any, source: Path, path: Path, items: Mapping[str, str]) -> Any:
        """Copy *tree*, which is at *source* in the template, to *path*.

        Args:
            tree: The tree.
            source: Its path in the template.
            path: Its path in the copy.
            items: The item of each loop around it, by the loop's identifier.

        Raises:
            TemplateError: The copies are too many.
        """
        self._copied += 1
        if self._copied > MAX_VALUES:
            text = f"too large: more than {MAX_VALUES:,} values after its loops are expanded"
            raise TemplateError(self._document.location(*source), text)
        if source != path:
            self.origins[path] = self._document.to_file_path(source)
        if is_list(tree):
            return [self.expand(item, (*source, at), (*path, at), items) for at, item in enumerate(tree)]
        if is_mapping(tree):
            if len(tree) == 1 and tree.get("Ref") in items:
                return items[tree["Ref"]]
            return dict(self._expand_members(tree, source, path, items))
        return _insert(tree, items) if isinstance(tree, str) else tree

    def _expand_members(
        self, tree: Mapping[str, Any], source: Path, path: Path, items: Mapping[str, str]
    ) -> Iterator[tuple[str, Any]]:
        for key, value in tree.items():
            if key.startswith(_LOOP):
                yield from self._expand_loop(value, (*source, key), path, items)
            else:
                name = _insert(key, items)
                yield name, self.expand(value, (*source, key), (*path, name), items)

    def _expand_loop(self, loop: Any, source: Path, path: Path, items: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """Yield what a loop produces: an identifier, a collection, and a mapping for each item of that."""
        try:
            identifier, collection, body = loop
            # The collection of an inner loop may contain the items of the outer ones.
            found = self._values.resolve(_insert_each(collection, items), (*source, 1))
            texts = _to_texts(identifier, found, body)
        except TemplateError as exc:
            self._leave_out(source, exc.text)
            return
        except (TypeError, ValueError):
            self._leave_out(source, "does not have the form that CloudFormation reads as Fn::ForEach")
            return
        for text in texts:
            yield from self._expand_members(body, (*source, 2), path, {**items, identifier: text})

    def _leave_out(self, source: Path, text: str) -> None:
        location = self._document.location(*source[:-1])
        key = f"{location.key}.{source[-1]}"
        found = replace(self._document.location(*source), key=key)
        self.diagnostics.append(Diagnostic(found, f"{text}; what the loop creates is left out", fatal=False))


def _to_texts(identifier: Any, collection: Any, body: Any) -> list[str]:
    """Return the items of a loop as texts.

    Raises:
        TypeError: A part of the loop is not of the type that CloudFormation reads.
    """
    if not (isinstance(identifier, str) and is_list(collection) and is_mapping(body)):
        raise TypeError(identifier)
    return [to_text(item) for item in collection]


def _insert_each(tree: Any, items: Mapping[str, str]) -> Any:
    if is_list(tree):
        return [_insert_each(item, items) for item in tree]
    if is_mapping(tree):
        if len(tree) == 1 and tree.get("Ref") in items:
            return items[tree["Ref"]]
        return {key: _insert_each(value, items) for key, value in tree.items()}
    return _insert(tree, items) if isinstance(tree, str) else tree


def _insert(text: str, items: Mapping[str, str]) -> str:
    """Insert the items of loops into a text; ``&{...}`` leaves out what a logical id may not contain.

    >>> _insert("Queue&{Name}-${Name}", {"Name": "a.b"})
    'Queueab-a.b'
    """

    def replacement(match: re.Match[str]) -> str:
        item = items.get(match[2])
        if item is None:
            return match[0]
        return re.sub(r"[^A-Za-z0-9]", "", item) if match[1] == "&" else item

    return re.sub(r"([$&])\{(\w+)\}", replacement, text) if items else text
