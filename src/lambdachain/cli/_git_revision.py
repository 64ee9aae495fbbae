"""A contract in a git revision: it is checked out to a temporary directory and imported there, in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ._exit_status import InputError

if TYPE_CHECKING:
    from lambdachain._contracts.contract_schema import ContractSchema

_SCRIPT: Final = "from lambdachain.cli._git_revision import print_schema; print_schema()"


def load_schema_at_revision(revision: str, module: str, name: str) -> ContractSchema:
    """Return the schema of ``module:name`` in a revision of the git repository of the current directory.

    Raises:
        InputError: There is no repository, no such revision, or no such contract in it.
    """
    root = Path(_git("rev-parse", "--show-toplevel")).resolve()
    _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", if_failed=f"no such revision: {revision}")
    with TemporaryDirectory(prefix="lambdachain-check-") as scratch:
        tree = Path(scratch, "tree")
        _check_out(root, revision, Path(scratch, "index"), tree)
        # Run in the same directory of the checkout: imports may depend on it.
        same = tree / Path.cwd().resolve().relative_to(root)
        request = {"paths": _search_paths(root, tree), "tree": str(tree), "module": module, "name": name}
        ran = subprocess.run(  # noqa: S603 - this Python, and a constant
            [sys.executable, "-c", _SCRIPT],
            cwd=same if same.is_dir() else tree,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or ["the import failed"]
        raise InputError(f"{revision}:{module}:{name}: {lines[-1].removeprefix('error: ')}")
    schema: ContractSchema = json.loads(ran.stdout.splitlines()[-1])  # the module may have printed before it
    return schema


def read_file_at_revision(revision: str, path: str) -> str:
    """Return the text of a file in a revision; its path is relative to the current directory.

    Raises:
        InputError: There is no repository, no such revision, or no such file in it.
    """
    return _git("show", f"{revision}:./{path}", if_failed=f"no such file in revision {revision}: {path}")


def print_schema() -> None:
    """Print the schema of the contract that standard input names; runs in the separate process."""
    from ._target_argument import import_contract

    request = json.load(sys.stdin)
    # In front, so that the revision's modules are found before installed ones of the same name.
    sys.path[0:0] = request["paths"]
    try:
        found = import_contract(request["module"], request["name"]).contract
    except InputError as refusal:
        refusal.show()
        sys.exit(refusal.exit_code)
    origin = Path(sys.modules[request["module"]].__file__ or "")
    if not origin.is_relative_to(request["tree"]):
        InputError(f"{request['module']} is not in that revision; {origin} was imported instead").show()
        sys.exit(1)
    sys.stdout.write(f"\n{json.dumps(found.schema())}\n")


def _search_paths(root: Path, tree: Path) -> list[str]:
    """Return the search paths inside the tree that correspond to those inside the repository."""
    here = [Path.cwd(), *map(Path, sys.path), root / "src", root]
    inside = [path.resolve().relative_to(root) for path in here if path.resolve().is_relative_to(root)]
    return list(dict.fromkeys(str(tree / path) for path in inside))


def _check_out(root: Path, revision: str, index: Path, tree: Path) -> None:
    """Check out a revision with an index of its own: the user's index and work tree stay as they are."""
    environment = {"GIT_INDEX_FILE": str(index)}
    _git("-C", str(root), "read-tree", revision, **environment)
    tree.mkdir()
    _git("-C", str(root), "checkout-index", "--all", f"--prefix={tree}/", **environment)


def _git(*arguments: str, if_failed: str = "", **environment: str) -> str:
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
        raise InputError("git is not installed, but a revision was named") from None
    except subprocess.CalledProcessError as exc:
        raise InputError(if_failed or f"git {arguments[0]}: {(exc.stderr or '').strip() or 'failed'}") from None
    return ran.stdout.strip()
