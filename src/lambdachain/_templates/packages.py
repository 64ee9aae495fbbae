"""Find where the code of a function or a layer is: on this machine, or only in S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from lambdachain._core.type_guards import is_mapping

from .files import read_text_file
from .template import Template


def find_asset(template: Template, logical_id: str, property_name: str) -> str | None:
    """Return the path of the CDK's asset that a resource is deployed from, relative to the template's directory.

    The CDK sets ``Code`` and ``Content`` to an object in S3 that exists after a deployment only. The path is in the
    resource's metadata or, where those are disabled, in the ``*.assets.json`` beside the template.

    Args:
        template: The template.
        logical_id: The resource.
        property_name: The property with the object in S3.
    """
    document = template.document
    path = document.get("Resources", logical_id, "Metadata", "aws:asset:path")
    if isinstance(path, str):
        return path
    key = document.get("Resources", logical_id, "Properties", property_name, "S3Key")
    return find_asset_by_key(template.directory, key) if isinstance(key, str) else None


def find_asset_by_key(directory: FilePath, key: str) -> str | None:
    """Return the path of the CDK's asset that is deployed to an object of this key in S3, or ``None``."""
    # A nested stack has no file of its own: its assets are in that of the stack around it. The names of the objects
    # are hashes of their content, so that all files can be searched.
    files = [(str(path), path.stat().st_mtime_ns) for path in sorted(directory.glob("*.assets.json"))]
    return _read_assets(tuple(files)).get(key)


@lru_cache(maxsize=8)
def _read_assets(files: tuple[tuple[str, int], ...]) -> Mapping[str, str]:
    """Return the paths of the assets by the keys of their objects; the times of the files are there for the cache."""
    assets: dict[str, str] = {}
    for path, _ in files:
        try:
            found: Any = json.loads(read_text_file(FilePath(path)))
        except (OSError, ValueError, RecursionError):
            # Without the file, the code is reported as being in S3.
            continue
        entries = found.get("files") if is_mapping(found) else None
        for asset in entries.values() if is_mapping(entries) else ():
            assets |= _read_asset(asset)
    return assets


def _read_asset(asset: Any) -> dict[str, str]:
    source = asset.get("source") if is_mapping(asset) else None
    path = source.get("path") if is_mapping(source) else None
    destinations = asset.get("destinations") if is_mapping(asset) else None
    if not isinstance(path, str) or not is_mapping(destinations):
        return {}
    keys = [each.get("objectKey") for each in destinations.values() if is_mapping(each)]
    return {key: path for key in keys if isinstance(key, str)}
