"""Merge parts of a ``serverless.yml`` as the Serverless Framework does, and record where each value is written.

Mappings merge by key and lists by index; of anything else, the later one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import UnresolvedValue
from .document import Document, Path

# The sections that may be lists of mappings.
_LISTED: Final = ("functions", "resources")


def merge_listed_sections(document: Document, report: Callable[[UnresolvedValue, str], None]) -> Document:
    """Return the service with its lists of functions and of resources merged into one mapping each.

    Args:
        document: The service, whose variables have been replaced.
        report: Takes an item that cannot be resolved, and the section that it is left out of.
    """
    tree = dict(document.tree)
    origins = dict(document.origins)
    for section in _LISTED:
        items = tree.get(section)
        if not is_list(items):
            continue
        merged: Any = {}
        for index, item in enumerate(items):
            if isinstance(item, UnresolvedValue):
                report(item, section)
            elif is_mapping(item):
                merged = merge_trees(merged, item, (section,), (section, index), origins)
        tree[section] = merged
    return replace(document, tree=tree, origins=origins)


def merge_trees(first: Any, second: Any, path: Path, source: Path, origins: dict[Path, Path]) -> Any:
    """Merge *second* into *first*, and return the result.

    Args:
        first: The tree at *path* of the result.
        second: The tree at *source* of the file.
        path: Where the result is.
        source: Where what takes precedence is written.
        origins: Takes the path in the file of what comes from *second*.
    """
    if is_mapping(first) and is_mapping(second):
        merged = dict(first)
        for key, value in second.items():
            merged[key] = merge_trees(merged.get(key), value, (*path, key), (*source, key), origins)
        return merged
    if is_list(first) and is_list(second):
        items = [
            merge_trees(first[at] if at < len(first) else None, item, (*path, at), (*source, at), origins)
            for at, item in enumerate(second)
        ]
        return [*items, *first[len(second) :]]
    origins[path] = source
    return second
