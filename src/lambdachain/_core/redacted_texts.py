"""A mapping of texts whose repr shows the names only: values may be tokens, tenants or personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class RedactedTexts(Mapping[str, str]):
    """Texts by name, read-only."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"<metadata: {', '.join(self._texts) or 'empty'}>"
