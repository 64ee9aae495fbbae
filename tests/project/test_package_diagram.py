"""The diagram of the packages in "How it is built" shows the imports as they are."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project.test_imports import MODULES, get_imports

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "how-it-is-built.md"


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _package_imports() -> dict[str, set[str]]:
    """Return the other packages that each package imports; the lazy table of names in ``__init__`` is left out."""
    imports = {_package(module): set[str]() for module in MODULES}
    for module in MODULES:
        imports[_package(module)] |= {_package(name) for name in get_imports(module)} - {_package(module)}
    del imports["__init__"]
    return imports


def _reachable(package: str, imports: dict[str, set[str]]) -> set[str]:
    return imports[package].union(*(_reachable(other, imports) for other in imports[package]))


def _without_implied(imports: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the transitive reduction: the imports that do not follow from others."""
    return {
        (package, other)
        for package, others in imports.items()
        for other in others
        if not any(other in _reachable(between, imports) for between in others)
    }


def test_the_diagram_shows_every_import_between_packages():
    """No arrow is missing, and none is drawn that the code does not have."""
    drawn = re.findall(r"^  (\w+) --> (\w+)$", PAGE.read_text(), re.MULTILINE)

    assert sorted(drawn) == sorted(_without_implied(_package_imports()))


def test_the_table_describes_every_package():
    """Each package and public module has its row."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)

    assert set(_package_imports()) <= {name for row in rows for name in re.findall(r"`(\w+)`", row)}
