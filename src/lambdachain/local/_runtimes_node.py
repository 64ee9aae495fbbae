"""Node.js: npm's ``aws-lambda-ric`` where it is installed, else the client of our own beside this file."""

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
    """AWS's ``aws-lambda-ric`` or, where there is none, a client that answers as it does; in the path's ``node``."""

    def identifier(self, function: LocalFunction) -> str:
        """Name the version of Node.js, after a look at whether the client that was asked for is there."""
        find_client(function)
        return _node_identifier(_node())

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the runtime client as a script; only ``aws-lambda-ric`` wants the handler setting as an argument."""
        client = find_client(function)
        return (_node(), str(client), *(() if client == _BUNDLED_CLIENT else (function.handler,)))

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Describe which runtime it is."""
        return {"AWS_EXECUTION_ENV": f"AWS_Lambda_{self.identifier(function)}"}

    def takes_path(self, function: LocalFunction) -> bool:
        """Accept one in the client beside this file; ``aws-lambda-ric`` leaves it out of streams and failed starts."""
        return find_client(function) == _BUNDLED_CLIENT


def find_client(function: LocalFunction, host: Mapping[str, str] = os.environ) -> Path:
    """Find the script that runs a function.

    The nearest ``node_modules/aws-lambda-ric`` upwards of the function's directory, as Node.js itself looks for it; the
    package that ``LAMBDACHAIN_NODE_RIC`` names; our own. A package whose native part is not built (npm did not run its
    scripts, or on macOS, where there is none) is passed by.

    Raises:
        ValueError: ``LAMBDACHAIN_NODE_RIC`` names something else than a package that is built.
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
            f"{RIC_VARIABLE} is {named!r}, which is not aws-lambda-ric with its native part built: install it with "
            "npm on Linux, with autoconf, automake, libtool and cmake there, or unset the variable"
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
        ran = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - the user's own
    except (OSError, subprocess.SubprocessError) as exc:
        raise ValueError(f"{node!r} does not start: {exc}") from None
    version = re.match(r"v(\d+)\.", ran.stdout)
    if version is None or int(version[1]) < _MIN_NODE_VERSION:
        raise ValueError(
            f"runtime 'nodejs' needs Node.js {_MIN_NODE_VERSION} or later; {node!r} is {ran.stdout.strip()!r}"
        )
    return f"nodejs{version[1]}.x"
