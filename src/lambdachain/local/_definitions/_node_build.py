"""Install the packages of Node.js functions, and compile TypeScript, as ``sam build`` does with npm and esbuild."""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._core.user_cache import compute_key
from lambdachain._templates.files import read_text_file
from lambdachain.local._runtimes_node import identify_node

from ._build_tools import Toolbox

PACKAGE: Final = "package.json"
_LOCKS: Final = ("npm-shrinkwrap.json", "package-lock.json")
# What decides which packages npm installs.
NODE_MANIFESTS: Final = (PACKAGE, *_LOCKS, ".npmrc")
TYPESCRIPT: Final = (".ts", ".mts", ".cts", ".tsx")
HOOK: Final = "packages.mjs"
# NODE_PATH is for `require` only: this makes `import` find the packages too, where it finds none elsewhere.
_HOOK_SOURCE: Final = """\
import { register } from "node:module";
const source = `
const own = ${JSON.stringify(import.meta.url)};
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || /^(?:[./]|[a-z]+:)/.test(specifier)) throw error;
    return next(specifier, { ...context, parentURL: own });
  }
}
`;
register("data:text/javascript," + encodeURIComponent(source));
"""


def find_package(directory: Path) -> Path | None:
    """Return the ``package.json`` of a directory if packages that it names have to be installed."""
    path = directory / PACKAGE
    if not path.is_file():
        return None
    try:
        package: Any = json.loads(read_text_file(path))
    except ValueError:
        # npm says what is wrong with it.
        return path
    dependencies = package.get("dependencies") if is_mapping(package) else None
    folders = [each / "node_modules" for each in (directory, *directory.parents)]
    names = dependencies if is_mapping(dependencies) else ()
    is_complete = all(any((folder / name).is_dir() for folder in folders) for name in names)
    return None if is_complete else path


def to_packages_key(package: Path) -> str:
    """Return the cache's key of the packages that a ``package.json`` and its lock file name."""
    files = [path for name in NODE_MANIFESTS if (path := package.parent / name).is_file()]
    files += [path for _, folder in _find_local_packages(package) for path in _list_files(folder)]
    contents = (part for path in files for part in (str(path.relative_to(package.anchor)), path.read_bytes()))
    return compute_key((identify_node(), sys.platform, platform.machine(), _HOOK_SOURCE, *contents))


def install_packages(package: Path, directory: Path, tools: Toolbox) -> None:
    """Install the packages of a ``package.json``, without those for development only, into a directory.

    Raises:
        ValueError: There is no npm, or it failed; the message has its last lines.
        OSError: A file cannot be read or written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError("no npm is on the PATH: install Node.js with npm")
    local = dict(_find_local_packages(package))
    for name in NODE_MANIFESTS:
        # A lock file has the relative paths of packages on this machine, which are others in the cache.
        if (package.parent / name).is_file() and not (local and name in _LOCKS):
            shutil.copy2(package.parent / name, directory)
    if local:
        _write_package(package, local, directory / PACKAGE)
    command = "ci" if any((directory / name).is_file() for name in _LOCKS) else "install"
    options = ["--omit=dev", "--install-links", "--no-audit", "--no-fund", "--loglevel=error"]
    tools.run([npm, command, *options], directory)
    (directory / HOOK).write_text(_HOOK_SOURCE, encoding="utf-8")


def _find_local_packages(package: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names of the dependencies that are directories or files on this machine, with their paths."""
    try:
        parsed: Any = json.loads(read_text_file(package))
    except ValueError:
        return
    dependencies = parsed.get("dependencies") if is_mapping(parsed) else None
    for name, version in dependencies.items() if is_mapping(dependencies) else ():
        if (match := re.match(r"(?:file:|link:|(?=\.{1,2}/))(.*)", str(version))) is not None:
            yield name, (package.parent / match[1]).resolve()


def _write_package(package: Path, local: Mapping[str, Path], copy: Path) -> None:
    parsed: Any = json.loads(read_text_file(package))
    dependencies = {**parsed["dependencies"], **{name: f"file:{path}" for name, path in local.items()}}
    copy.write_text(json.dumps({**parsed, "dependencies": dependencies}), encoding="utf-8")


def _list_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file())
    return [each for each in found if "node_modules" not in each.relative_to(path).parts]


def find_typescript(directory: Path, handler: str) -> Path | None:
    """Return the TypeScript source of a handler that has no compiled module."""
    module = directory / handler.rpartition(".")[0]
    if any(module.with_name(module.name + end).is_file() for end in (".js", ".mjs", ".cjs")):
        return None
    return next((path for end in TYPESCRIPT if (path := module.with_name(module.name + end)).is_file()), None)


def find_esbuild(directory: Path) -> str | None:
    """Return the ``esbuild`` of a project, as Node.js finds it, or else the one on the ``PATH``."""
    names = (folder / "node_modules" / ".bin" / "esbuild" for folder in (directory, *directory.parents))
    return next((str(path) for path in names if path.is_file()), None) or shutil.which("esbuild")


def bundle_typescript(source: Path, root: Path, directory: Path, packages: Path | None, tools: Toolbox) -> None:
    """Bundle a handler with everything that it imports, into one file at the same place in another directory.

    Args:
        source: The handler's source.
        root: The directory of the function.
        directory: The directory to write to.
        packages: The directory whose ``node_modules`` has the function's packages, if it is not found from the source.
        tools: Runs esbuild.

    Raises:
        ValueError: There is no esbuild, or it failed; the message has its last lines.
    """
    esbuild = find_esbuild(root)
    if esbuild is None:
        raise ValueError(
            f"{source.name} is TypeScript, and there is no esbuild: run npm install --save-dev esbuild, or compile it"
        )
    options = ["--bundle", "--platform=node", "--target=es2020", "--format=cjs", "--sourcemap", "--log-level=error"]
    output = (directory / source.relative_to(root)).with_suffix(".js")
    variables = {} if packages is None else {"NODE_PATH": str(packages / "node_modules")}
    # The versions of the SDK that Lambda has are in its runtime, and need not be installed.
    external = [] if _has_sdk(root, packages) else ["--external:@aws-sdk/*"]
    tools.run([esbuild, str(source), *options, *external, f"--outfile={output}"], root, variables)


def list_sources(directory: Path) -> Iterator[Path]:
    """Yield the TypeScript sources of a function."""
    for path in sorted(directory.rglob("*")):
        if path.suffix in TYPESCRIPT and "node_modules" not in path.relative_to(directory).parts:
            yield path


def _has_sdk(root: Path, packages: Path | None) -> bool:
    folders = (root, *root.parents, *([packages] if packages is not None else []))
    return any((folder / "node_modules" / "@aws-sdk").is_dir() for folder in folders)
