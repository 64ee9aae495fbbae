"""Find the template of a nested stack that is in S3 among the templates that are read together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .context import TemplateContext
from .diagnostics import TemplateError
from .template import load_template

# Files of any stack have these names: a directory tells them apart.
_GENERAL_NAMES: Final = frozenset({"template", "packaged", "packaged-template", "cloudformation", "stack", "main"})
# Neither a version nor a placeholder: ``v1.2.3``, ``<VERSION>``.
_NAME: Final = re.compile(r"(?!v?\d)[A-Za-z][\w.-]*")


def find_passed_template(url: str, passed: Mapping[str, Any], context: TemplateContext) -> Path | None:
    """Return the template among those that are read together that a nested stack is deployed from.

    A template is taken only if it has the name of the object in S3, if CloudFormation would accept the parameters, and
    if no other one is like that.

    Args:
        url: The object in S3.
        passed: The parameters that the nested stack is passed.
        context: What templates may refer to.
    """
    *directories, file = PurePosixPath(url).parts
    name = _find_name(file, directories)
    paths = [path.absolute() for path in context.templates]
    # Only those with the name are read.
    named = [path for path in paths if _find_name(path.name, path.parent.parts) == name]
    found = [path for path in named if _accepts(path, passed, context)]
    if not found and passed and _is_general(file):
        # ``billing/v1/template.yaml`` may be built from ``billing/deployment/charges.yaml``. Only the parameters show
        # it: a project's directory may have the name of its bucket.
        found = [path for path in paths if name in path.parent.parts and _accepts(path, passed, context)]
    return found[0] if len(found) == 1 else None


def _find_name(file: str, directories: Sequence[str]) -> str:
    """Return the name of a template: that of its file or, where any file may have it, of its directory."""
    names = (PurePosixPath(file).stem, *reversed(directories))
    return next((name for name in names if not _is_general(name) and _NAME.fullmatch(name)), "")


def _is_general(file: str) -> bool:
    return PurePosixPath(file).stem in _GENERAL_NAMES


def _accepts(path: Path, passed: Mapping[str, Any], context: TemplateContext) -> bool:
    """Check whether a template declares each parameter that is passed, and needs no other."""
    try:
        found = load_template(path, context).document.get("Parameters")
    except TemplateError:
        # Reported where the file itself is read.
        return False
    declared: Mapping[str, Any] = found if is_mapping(found) else {}
    required = {name for name, each in declared.items() if not (is_mapping(each) and "Default" in each)}
    return required <= passed.keys() <= declared.keys()
