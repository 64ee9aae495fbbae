"""The version of the Serverless Framework that a ``serverless.yml`` is written for."""

from __future__ import annotations

import re

from .document import Document


def get_framework_version(document: Document) -> int | None:
    """Return the lowest major version that the service allows, or ``None`` if it allows any."""
    major = re.search(r"\d+", str(document.get("frameworkVersion") or ""))
    return int(major[0]) if major else None
