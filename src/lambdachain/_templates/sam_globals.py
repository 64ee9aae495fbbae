"""Merge SAM's ``Globals`` into the functions of a template, by the rules of SAM's translator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .document import Document, Path
from .properties import SAM_FUNCTION, is_intrinsic, logical_ids, property_path

_GLOBALS: Final[Path] = ("Globals", "Function")
# SAM refuses these in Globals: each function has its own.
_NOT_SHARED: Final = frozenset({"Role", "Policies", "FunctionName", "Events"})


def merge_globals(document: Document) -> Document:
    """Return the template with ``Globals`` in the properties of each function of SAM's; the lines stay the file's."""
    shared = document.get(*_GLOBALS)
    if not is_mapping(shared) or is_intrinsic(shared):
        return document
    merger = _Merger(document)
    resources = dict(document.get("Resources"))
    for logical_id in logical_ids(document, SAM_FUNCTION):
        ignored = resources[logical_id].get("IgnoreGlobals")
        if ignored == "*":
            continue
        names = ignored if is_list(ignored) else ()
        kept = {name: value for name, value in shared.items() if name not in names and name not in _NOT_SHARED}
        own = resources[logical_id].get("Properties")
        properties = merger.merge(kept, {} if own is None else own, _GLOBALS, property_path(logical_id))
        resources[logical_id] = {**resources[logical_id], "Properties": properties}
    return replace(document, tree={**document.tree, "Resources": resources}, origins=merger.origins)


class _Merger:
    """Merges trees, and records for what comes from ``Globals`` where it is written."""

    def __init__(self, document: Document) -> None:
        self.origins = dict(document.origins)
        self._document = document

    def merge(self, shared: Any, own: Any, shared_path: Path, own_path: Path) -> Any:
        """Return mappings merged and lists joined; of anything else, the function's own."""
        if is_list(shared) and is_list(own):
            return self._join(shared, own, shared_path, own_path)
        # An intrinsic function counts as a scalar, which may be a mapping only after the deployment.
        if not (is_mapping(shared) and is_mapping(own)) or is_intrinsic(shared) or is_intrinsic(own):
            return own
        return self._merge_mappings(shared, own, shared_path, own_path)

    def _merge_mappings(
        self, shared: Mapping[str, Any], own: Mapping[str, Any], shared_path: Path, own_path: Path
    ) -> dict[str, Any]:
        merged: dict[str, Any] = {**shared, **own}
        for key in shared:
            if key in own:
                merged[key] = self.merge(shared[key], own[key], (*shared_path, key), (*own_path, key))
            else:
                self.origins[*own_path, key] = self._document.to_file_path((*shared_path, key))
        return merged

    def _join(self, shared: list[Any], own: list[Any], shared_path: Path, own_path: Path) -> list[Any]:
        sources = [(*shared_path, index) for index in range(len(shared))]
        sources += [(*own_path, index) for index in range(len(own))]
        files = [self._document.to_file_path(source) for source in sources]
        self.origins |= {(*own_path, index): file for index, file in enumerate(files)}
        return [*shared, *own]
