"""Generate pydantic models by datamodel-code-generator, and format Python by ruff."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lambdachain._core.extras import explain_missing
from lambdachain.cli._exit_status import InputError, to_one_line

from .definitions import JsonSchema

# The command line of the generator is stable; the parameters of its functions move between releases.
_OPTIONS: Final = (
    "--input-file-type=jsonschema",
    "--output-model-type=pydantic_v2.BaseModel",
    "--target-python-version=3.11",
    "--use-annotated",
    "--field-constraints",
    "--use-standard-collections",
    "--use-union-operator",
    "--use-schema-description",
    "--enum-field-as-literal=one",
    "--strict-nullable",
    "--use-unique-items-as-set",
    "--use-specialized-enum",
    "--set-default-enum-member",
    "--use-tuple-for-fixed-items",
    "--collapse-root-models",
    "--use-double-quotes",
    "--disable-timestamp",
)


def require_generator() -> None:
    """Check that the extra ``generate`` is installed.

    Raises:
        InputError: It is not.
    """
    missing = [name for module, name in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise InputError(explain_missing("lambdachain generate", " and ".join(missing), "generate"))


_PACKAGES: Final = {"datamodel_code_generator": "datamodel-code-generator", "ruff": "ruff"}


def generate_models(document: JsonSchema, class_name: str, errors: Collection[str]) -> str:
    """Return the source of the models of a JSON Schema.

    Args:
        document: The schema, with its definitions in ``$defs``.
        class_name: The name of the class of the schema itself.
        errors: The names of the definitions that are subclasses of ``RemoteError``.

    Raises:
        InputError: datamodel-code-generator rejects the schema.
    """
    # An empty directory: the generator would read the settings of a pyproject.toml.
    with TemporaryDirectory() as directory:
        source, output = Path(directory, "schema.json"), Path(directory, "models.py")
        source.write_text(json.dumps(document), encoding="utf-8")
        options = [*_OPTIONS, f"--class-name={class_name}", f"--input={source.name}", f"--output={output.name}"]
        if errors:
            options.append(f"--base-class-map={json.dumps(dict.fromkeys(errors, 'lambdachain.RemoteError'))}")
        ran = _run_module("datamodel_code_generator", options, cwd=directory)
        if ran.returncode or not output.exists():
            raise InputError(f"datamodel-code-generator rejects the schema: {to_one_line(ran.stderr[-1000:])}")
        return output.read_text(encoding="utf-8")


def format_python(source: str, path: Path) -> str:
    """Return *source* without unused imports, and formatted as ``ruff`` formats a file at *path*."""
    checked = _run_ruff(["check", "--select=I,F401", "--ignore-noqa", "--fix", "--quiet", "--exit-zero"], source, path)
    return _run_ruff(["format", "--quiet"], checked, path)


def _run_ruff(options: list[str], source: str, path: Path) -> str:
    ran = _run_module("ruff", [*options, f"--stdin-filename={path}", "-"], text=source)
    if ran.returncode:
        raise InputError(f"ruff cannot format the generated module: {to_one_line(ran.stderr[-1000:])}")
    return ran.stdout


def _run_module(
    module: str, options: list[str], *, text: str = "", cwd: str | None = None
) -> subprocess.CompletedProcess[str]:
    # Isolated from the current directory: a file of the user's may have the name of a module.
    command = [sys.executable, "-P", "-W", "ignore", "-m", module, *options]
    return subprocess.run(command, input=text, cwd=cwd, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
