"""Build functions before they are served: packages of Python and Node.js, TypeScript; many at the same time."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lambdachain.local._function_config import LocalFunction

from ._build_cache import BuildCache
from ._build_tools import Toolbox
from ._node_build import (
    HOOK,
    NODE_MANIFESTS,
    bundle_typescript,
    find_package,
    find_typescript,
    install_packages,
    list_sources,
    to_packages_key,
)
from ._requirements import PYTHON_MANIFESTS, find_python_manifest, install_requirements, to_requirements_key

_NODE_OPTIONS: Final = "NODE_OPTIONS"
MAX_BUILDS: Final = 4


@dataclass(frozen=True, slots=True)
class BuiltFunction:
    """A function after its build.

    Attributes:
        function: The function; one that was compiled has another directory.
        python_packages: Directories of installed Python packages.
        node_packages: Directories that contain installed ``node_modules``.
    """

    function: LocalFunction
    python_packages: tuple[Path, ...] = ()
    node_packages: tuple[Path, ...] = ()


class BuildError(Exception):
    """A function cannot be built; the message says what failed, and ends with the last lines of the tool."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds functions, in any number of threads.

    Args:
        directory: The directory of everything that is built.
        scratch: Returns a temporary directory for compiled code.
        report: Called with a line of progress.
        tools: Runs the tools.
    """

    directory: Path
    scratch: Callable[[], Path]
    report: Callable[[str], None] = field(default=lambda _line: None)
    tools: Toolbox = field(default_factory=Toolbox)
    _requirements: BuildCache = field(init=False)
    _packages: BuildCache = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_requirements", BuildCache(self.directory / "requirements"))
        object.__setattr__(self, "_packages", BuildCache(self.directory / "node"))

    def build(self, function: LocalFunction, layers: Sequence[Path] = ()) -> BuiltFunction:
        """Build a function, and install the packages of its layers.

        Raises:
            BuildError: Something failed.
        """
        if function.runtime == "python":
            return self._build_python(function, layers)
        return self._build_node(function, layers) if function.runtime == "nodejs" else BuiltFunction(function)

    def _build_python(self, function: LocalFunction, layers: Sequence[Path]) -> BuiltFunction:
        installed: list[Path] = []
        # Of two layers, the last one takes precedence.
        for directory in (Path(function.directory), *reversed(layers)):
            manifest = find_python_manifest(directory)
            if manifest is None:
                continue
            try:
                installed += self._install_requirements(function, manifest)
            except (ValueError, OSError) as exc:
                raise BuildError(f"{os.path.relpath(manifest)} cannot be installed: {exc}") from None
        return BuiltFunction(function, tuple(installed))

    def _install_requirements(self, function: LocalFunction, manifest: Path) -> Iterator[Path]:
        key = to_requirements_key(manifest, function.python)
        if key is None:
            return
        yield self._requirements.find_or_build(
            key,
            self._with_progress(
                function, manifest, lambda path: install_requirements(manifest, function.python, path, self.tools)
            ),
        )

    def _build_node(self, function: LocalFunction, layers: Sequence[Path]) -> BuiltFunction:
        directory = Path(function.directory)
        own = self._install_packages(function, directory)
        # A layer has its package.json where npm's output belongs, or where `sam build` takes it from.
        places = [place for layer in reversed(layers) for place in (layer / "nodejs", layer)]
        of_layers = [found for place in places if (found := self._install_packages(function, place)) is not None]
        source = find_typescript(directory, function.handler)
        if source is not None:
            function = self._compile(function, source, own)
        if own is None:
            return BuiltFunction(function, node_packages=tuple(of_layers))
        return BuiltFunction(_with_hook(function, own / HOOK), node_packages=(own, *of_layers))

    def _install_packages(self, function: LocalFunction, directory: Path) -> Path | None:
        package = find_package(directory)
        if package is None:
            return None
        build = self._with_progress(function, package, lambda path: install_packages(package, path, self.tools))
        try:
            return self._packages.find_or_build(to_packages_key(package), build)
        except (ValueError, OSError) as exc:
            raise BuildError(f"{os.path.relpath(package)} cannot be installed: {exc}") from None

    def _compile(self, function: LocalFunction, source: Path, packages: Path | None) -> LocalFunction:
        """Return a function whose handler is compiled, in a directory of that content."""
        output = self.scratch() / f"{function.name}-compiled"
        try:
            bundle_typescript(source, Path(function.directory), output, packages, self.tools)
            content = b"".join(path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file())
            # A changed bundle is another directory, so that a reload replaces the function.
            compiled = output.with_name(f"{function.name}-{hashlib.sha256(content).hexdigest()[:16]}")
            if not compiled.is_dir():
                output.rename(compiled)
        except (ValueError, OSError) as exc:
            raise BuildError(f"{os.path.relpath(source)} cannot be compiled: {exc}") from None
        return replace(function, directory=compiled)

    def _with_progress(
        self, function: LocalFunction, manifest: Path, build: Callable[[Path], None]
    ) -> Callable[[Path], None]:
        def build_and_report(path: Path) -> None:
            name = os.path.relpath(manifest)
            self.report(f"{function.name}: installing {name}")
            started = time.monotonic()
            build(path)
            self.report(f"{function.name}: installed {name} in {time.monotonic() - started:.1f} s")

        return build_and_report


def find_build_files(function: LocalFunction, layers: Sequence[Path]) -> Iterator[Path]:
    """Yield the files whose change needs another build of a function."""
    directory = Path(function.directory)
    manifests = {"python": PYTHON_MANIFESTS, "nodejs": NODE_MANIFESTS}.get(function.runtime, ())
    places = (directory, *(place for layer in layers for place in (layer, layer / "nodejs")))
    yield from (path for place in places for name in manifests if (path := place / name).is_file())
    if function.runtime == "nodejs" and find_typescript(directory, function.handler) is not None:
        yield from list_sources(directory)


def _with_hook(function: LocalFunction, hook: Path) -> LocalFunction:
    own = function.environment.get(_NODE_OPTIONS)
    option = f"--import={hook.as_uri()}"
    options = option if own is None else f"{own} {option}"
    return replace(function, environment={**function.environment, _NODE_OPTIONS: options})
