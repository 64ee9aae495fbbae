"""Mappings whose repr shows the names only: values may be tokens, tenants or personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

V = TypeVar("V")


class RedactedMapping(Mapping[str, V]):
    """Values by name, read-only."""

    _title = "values"

    def __init__(self, values: Mapping[str, V]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> V:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._title}: {', '.join(self._values) or 'empty'}>"


class RedactedTexts(RedactedMapping[str]):
    """Metadata: texts by name."""

    _title = "metadata"


class RedactedOptions(RedactedMapping[Any]):
    """The options of a call, of which ``client_context`` and ``idempotency_key`` may be secret."""

    _title = "options"
