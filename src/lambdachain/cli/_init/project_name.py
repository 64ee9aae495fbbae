"""The names in a new project, derived from its directory."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# CloudFormation's limit for the name of a stack.
_MAX_NAME: Final = 128
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class ProjectName:
    """The name of a project, in each form that it is written in.

    >>> name = ProjectName("web-shop")
    >>> name.distribution, name.contracts
    ('web-shop-contracts', 'web_shop_contracts')

    Attributes:
        name: Lower-case letters, digits and single hyphens, beginning with a letter: valid for a CloudFormation stack.
    """

    name: str

    @property
    def distribution(self) -> str:
        """The distribution of the contract package."""
        return f"{self.name}-contracts"

    @property
    def contracts(self) -> str:
        """The module with the contracts: by its last word, it is neither a keyword nor in the standard library."""
        return self.distribution.replace("-", "_")


def derive_name(directory: str) -> ProjectName | None:
    """Return the name of the project in a directory, or ``None`` if the directory's name has no letters or digits.

    Accents are left out, other characters separate words, and a name that would begin with a digit begins with
    ``app-``.

    >>> derive_name("Café orders"), derive_name("2fa"), derive_name("...")
    (ProjectName(name='cafe-orders'), ProjectName(name='app-2fa'), None)

    Args:
        directory: The last part of the directory's path.
    """
    decomposed = unicodedata.normalize("NFKD", directory.casefold())
    # Without the combining characters that were accents; a letter without an equivalent in ASCII separates words.
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if name[:1].isdigit():
        name = f"app-{name}"
    return ProjectName(name[:_MAX_NAME].rstrip("-")) if name else None


def parse_name(text: str) -> ProjectName:
    """Return a name that the user chose.

    >>> parse_name("Web_Shop")
    ProjectName(name='web-shop')

    Raises:
        ValueError: It is not valid.
    """
    if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a valid name: use ASCII letters and digits with single hyphens between words, at most "
            f"{_MAX_NAME} characters, and begin with a letter"
        )
    return ProjectName(re.sub(r"[-_.]", "-", text.lower()))
