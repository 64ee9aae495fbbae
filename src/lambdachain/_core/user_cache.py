"""Where this user's commands keep what they can compute again, and under which names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def find_cache_directory() -> Path | None:
    """Return the directory of what is kept across runs and can be deleted; ``None`` for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache", "lambdachain")
    except RuntimeError:
        return None


def compute_key(parts: Iterable[str | bytes]) -> str:
    """Return the name under which a cache has what depends on *parts* and on nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part if isinstance(part, bytes) else part.encode(errors="surrogatepass")
        # With its length, so that no other parts have the same text when they are put together.
        digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()[:32]
