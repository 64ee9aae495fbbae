"""Published versions of a function, and aliases that point to them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from lambdachain._core.arn import MAX_QUALIFIER_LENGTH
from lambdachain._lambda_api.aws_location import LATEST

VERSION: Final = re.compile(r"[1-9][0-9]*")
_ALIAS: Final = re.compile(rf"(?![0-9]+$)[a-zA-Z0-9_-]{{1,{MAX_QUALIFIER_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalVersion:
    """A published version: its differences from the function. ``None`` means no difference.

    >>> LocalVersion(handler="old.handler", environment={"STAGE": "before"}).handler
    'old.handler'

    Attributes:
        handler: As of `LocalFunction`.
        directory: The code of this version.
        timeout: Seconds.
        memory: MB.
        environment: All of its variables; those of the function do not apply.
        python: Its interpreter.
    """

    handler: str | None = None
    directory: str | Path | None = None
    timeout: float | None = None
    memory: int | None = None
    environment: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    python: str | None = None

    @property
    def differences(self) -> dict[str, Any]:
        """The fields in which it differs from its function."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}


@dataclass(frozen=True, slots=True)
class LocalAlias:
    """A name for a version, or for two versions of which one receives a share of the calls (a canary).

    >>> LocalAlias("1", routing={"2": 0.1})
    LocalAlias(version='1', routing={'2': 0.1})

    Attributes:
        version: The version that it points to: ``"1"``, ``"2"``, ... or ``"$LATEST"``.
        routing: Another version and its share of the calls, 0 to 1: AWS's ``AdditionalVersionWeights``.
    """

    version: str
    routing: Mapping[str, float] = field(default_factory=dict[str, float], hash=False)


def find_version_problems(versions: Iterable[str], aliases: Mapping[str, LocalAlias]) -> Iterable[str]:
    """Yield what is invalid in the versions and aliases of a function."""
    published = set(versions)
    for version in published:
        if not VERSION.fullmatch(version):
            yield f"version {version!r} is not a positive whole number as text, such as '1'"
    for name, alias in aliases.items():
        if not _ALIAS.fullmatch(name):
            yield f"alias {name!r} must have 1 to {MAX_QUALIFIER_LENGTH} letters, digits, '-' and '_', not only digits"
        if alias.version not in {*published, LATEST}:
            yield f"alias {name!r} points to version {alias.version!r}, which is not declared"
        yield from _find_routing_problems(name, alias, published)


def _find_routing_problems(name: str, alias: LocalAlias, published: set[str]) -> Iterable[str]:
    if not alias.routing:
        return
    if alias.version == LATEST:
        yield f"alias {name!r} points to {LATEST}, but Lambda routes between published versions only"
    if len(alias.routing) > 1:
        yield f"alias {name!r} routes to {len(alias.routing)} additional versions, but Lambda allows one"
    for version, weight in alias.routing.items():
        if version not in published or version == alias.version:
            yield f"alias {name!r} routes to {version!r}, which is not another declared version"
        share: Any = weight
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            yield f"alias {name!r} routes {weight!r} of the calls to {version!r}, but a weight must be 0 to 1"


LocalAlias.__module__ = "lambdachain.local"
LocalVersion.__module__ = "lambdachain.local"
