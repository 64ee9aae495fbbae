"""Read each service model of botocore once: a new session reads it again, which takes longer than most tests."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.loaders import JSONFileLoader

_load_file = JSONFileLoader.load_file


@cache
def _load_once(file_path: str) -> Any:
    return _load_file(JSONFileLoader(), file_path)


@contextmanager
def shared_service_models() -> Generator[None]:
    """Have all sessions of this process share what they load, as all clients of one session do."""

    def load_file(_: JSONFileLoader, file_path: str) -> Any:
        return _load_once(file_path)

    with patch.object(JSONFileLoader, "load_file", load_file):
        yield
