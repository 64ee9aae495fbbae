"""A contract as it is in a revision of a git repository: its files are written out, and imported in a process apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ._exit_status import Refusal

if TYPE_CHECKING:
    from lambdachain._contracts.contract_schema import ContractSchema

_SCRIPT: Final = "from lambdachain.cli._git_revision import print_schema; print_schema()"


def schema_at(revision: str, module: str, name: str) -> ContractSchema:
    """Return the schema of ``module:name`` as it is in a revision of the repository around this directory.

    Raises:
        Refusal: There is no repository, no such revision, or no such contract in it.
    """
    root = Path(_git("rev-parse", "--show-toplevel")).resolve()
    _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", else_say=f"there is no revision {revision!r}")
    with TemporaryDirectory(prefix="lambdachain-check-") as scratch:
        tree = Path(scratch, "tree")
        _write_out(root, revision, Path(scratch, "index"), tree)
        same = tree / Path.cwd().resolve().relative_to(root)
        asked = {"paths": _paths(root, tree), "tree": str(tree), "module": module, "name": name}
        ran = subprocess.run(  # noqa: S603 - this Python, and a constant
            [sys.executable, "-c", _SCRIPT],
            cwd=same if same.is_dir() else tree,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or ["it could not be imported"]
        raise Refusal(f"{revision}:{module}:{name}: {lines[-1].removeprefix('error: ')}")
    schema: ContractSchema = json.loads(ran.stdout.splitlines()[-1])
    return schema


def file_at(revision: str, path: str) -> str:
    """Return the text of a file, relative to this directory, as it is in a revision.

    Raises:
        Refusal: There is no repository, no such revision, or no such file in it.
    """
    return _git("show", f"{revision}:./{path}", else_say=f"there is no {path} in a revision {revision!r}")


def print_schema() -> None:
    """Print the schema of a contract that standard input asks for: what the process apart does."""
    from ._target_argument import contract_in

    asked = json.load(sys.stdin)
    sys.path[0:0] = asked["paths"]
    try:
        found = contract_in(asked["module"], asked["name"]).contract
    except Refusal as refusal:
        refusal.show()
        sys.exit(refusal.exit_code)
    origin = Path(sys.modules[asked["module"]].__file__ or "")
    if not origin.is_relative_to(asked["tree"]):
        Refusal(f"{asked['module']} is not in that revision; what imports is {origin}").show()
        sys.exit(1)
    sys.stdout.write(f"\n{json.dumps(found.schema())}\n")


def _paths(root: Path, tree: Path) -> list[str]:
    """Return where modules are looked for in the tree: where they are looked for in the repository."""
    here = [Path.cwd(), *map(Path, sys.path), root / "src", root]
    inside = [path.resolve().relative_to(root) for path in here if path.resolve().is_relative_to(root)]
    return list(dict.fromkeys(str(tree / path) for path in inside))


def _write_out(root: Path, revision: str, index: Path, tree: Path) -> None:
    """Write the files of a revision, past the repository's own index and work tree."""
    environment = {"GIT_INDEX_FILE": str(index)}
    _git("-C", str(root), "read-tree", revision, **environment)
    tree.mkdir()
    _git("-C", str(root), "checkout-index", "--all", f"--prefix={tree}/", **environment)


def _git(*arguments: str, else_say: str = "", **environment: str) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 - git, by its name, and a revision that was checked first
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
        )
    except FileNotFoundError:
        raise Refusal("git is not installed, and a revision is asked for") from None
    except subprocess.CalledProcessError as exc:
        raise Refusal(else_say or f"git {arguments[0]}: {(exc.stderr or '').strip() or 'it failed'}") from None
    return ran.stdout.strip()
