"""The requirement by which a new project gets the lambdachain that wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, Final

from lambdachain._core.version import __version__

# The package index's own name may belong to another project, so an installation from elsewhere names where it is from.
_RECORD: Final = "direct_url.json"


def find_requirement() -> str:
    """Return the requirement that installs lambdachain as it is installed here.

    From a directory, an archive or a repository it is that one, as recorded by the installer
    (`PEP 610 <https://peps.python.org/pep-0610/>`_); from a package index, it is at least this version.
    """
    try:
        record = distribution("lambdachain").read_text(_RECORD)
    except PackageNotFoundError:  # a source tree on the search path
        record = None
    return format_requirement(json.loads(record) if record else None)


def format_requirement(record: Mapping[str, Any] | None) -> str:
    """Format the requirement for a record of where lambdachain was installed from.

    >>> format_requirement({"url": "https://example.com/repo", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}})
    'lambdachain @ git+https://example.com/repo@1a2b'

    Args:
        record: The content of ``direct_url.json``, or ``None`` if it was installed from an index.
    """
    if record is None:
        return f"lambdachain>={__version__}"
    url = record["url"]
    if repository := record.get("vcs_info"):
        url = f"{repository['vcs']}+{url}@{repository['commit_id']}"
    if folder := record.get("subdirectory"):
        url = f"{url}#subdirectory={folder}"
    return f"lambdachain @ {url}"
