"""Node.js: npm's ``aws-lambda-ric`` if it is installed, otherwise the client in the directory ``node`` here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from ._function_config import LocalFunction

RIC_VARIABLE: Final = "LAMBDACHAIN_NODE_RIC"

_BUNDLED_CLIENT: Final = Path(__file__).parent / "node" / "bootstrap.mjs"
_MIN_NODE_VERSION: Final = 18


class NodeRuntime:
    """AWS's ``aws-lambda-ric`` or, if it is not installed, a client that behaves alike; run by ``node`` on the PATH."""

    def identifier(self, function: LocalFunction) -> str:
        """Return the identifier for the version of Node.js, after checking that the selected client is installed."""
        find_client(function)
        return identify_node()

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the runtime client as a script; only ``aws-lambda-ric`` needs the handler setting as an argument."""
        client = find_client(function)
        return (_node(), str(client), *(() if client == _BUNDLED_CLIENT else (function.handler,)))

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Return the name of the runtime."""
        return {"AWS_EXECUTION_ENV": f"AWS_Lambda_{self.identifier(function)}"}

    def takes_path(self, function: LocalFunction) -> bool:
        """Return true for the bundled client; ``aws-lambda-ric`` leaves it out of streams and initialization errors."""
        return find_client(function) == _BUNDLED_CLIENT


def identify_node() -> str:
    """Return the identifier of the runtime for the version of Node.js on the ``PATH``.

    Raises:
        ValueError: It is missing or too old; the message says what to do.
    """
    return _node_identifier(_node())


def find_client(function: LocalFunction, host: Mapping[str, str] = os.environ) -> Path:
    """Find the script of the runtime client for a function.

    In this order: the nearest ``node_modules/aws-lambda-ric`` in the function's directory or its parents, as Node.js
    resolves it; the package that ``LAMBDACHAIN_NODE_RIC`` names; the bundled client. A package whose native addon is
    not built (npm did not run its scripts, or the system is macOS, which it does not support) is skipped.

    Raises:
        ValueError: ``LAMBDACHAIN_NODE_RIC`` does not name a built package.
    """
    packages = (folder / "node_modules" / "aws-lambda-ric" for folder in _parents_from(Path(function.directory)))
    for package in packages:
        if _is_built(package):
            return _script(package)
    named = host.get(RIC_VARIABLE)
    if named is None:
        return _BUNDLED_CLIENT
    if not _is_built(Path(named)):
        raise ValueError(
            f"{RIC_VARIABLE}={named!r} is not an aws-lambda-ric package with its native addon built: install it with "
            "npm on Linux, where autoconf, automake, libtool and cmake are installed, or unset the variable"
        )
    return _script(Path(named).resolve())


def _parents_from(directory: Path) -> Iterator[Path]:
    yield directory.resolve()
    yield from directory.resolve().parents


def _script(package: Path) -> Path:
    return package / "bin" / "index.mjs"


def _is_built(package: Path) -> bool:
    return _script(package).is_file() and (package / "dist" / "rapid-client.node").is_file()


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise ValueError(
            f"runtime 'nodejs' needs Node.js {_MIN_NODE_VERSION} or later, and no 'node' is on the PATH: install it"
        )
    return node


@cache
def _node_identifier(node: str) -> str:
    try:
        ran = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - from the user's PATH
    except (OSError, subprocess.SubprocessError) as exc:
        raise ValueError(f"{node!r} cannot be started: {exc}") from None
    version = re.match(r"v(\d+)\.", ran.stdout)
    if version is None or int(version[1]) < _MIN_NODE_VERSION:
        raise ValueError(
            f"runtime 'nodejs' needs Node.js {_MIN_NODE_VERSION} or later; {node!r} is {ran.stdout.strip()!r}"
        )
    return f"nodejs{version[1]}.x"
