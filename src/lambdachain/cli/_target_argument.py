"""What a command is to call: a function by its name or ARN, or a contract by ``module:contract``."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lambdachain._contracts.contract import Contract, HasContract

from ._exit_status import Refusal, one_line

_FOUND_IN: Final = "contracts there are"


def target_of(text: str) -> HasContract[Any, Any] | str:
    """Read a target: ``module:contract`` where there is such a module, else what Lambda takes for a function.

    Raises:
        Refusal: The module does not import, or has no such contract.
        InvalidArnError: It is neither.
    """
    from lambdachain._core.arn import parse_target

    module, _, name = text.partition(":")
    if name and ":" not in name and _has_module(module):
        return contract_in(module, name, instead=f"; for a function and its qualifier, write function:{text}")
    parse_target(text)
    return text


def contract_at(text: str) -> Contract[Any, Any]:
    """Read ``module:contract``, and nothing else.

    Raises:
        Refusal: It is none.
    """
    module, _, name = text.partition(":")
    if not name:
        raise Refusal(f"{text!r} names no contract: write module:contract, such as billing_contracts:charge")
    if not _has_module(module):
        raise Refusal(f"there is no module {module!r} here or on PYTHONPATH")
    return contract_in(module, name).contract


def contract_in(module: str, name: str, *, instead: str = "") -> HasContract[Any, Any]:
    """Import a contract, or a handler made by ``remote``.

    Args:
        module: The module's name.
        name: The contract's name in it, with dots where it is an attribute of something.
        instead: What to do if something else was meant.

    Raises:
        Refusal: The module does not import, or has no such contract.
    """
    imported = _imported(module)
    try:
        found: object = attrgetter(name)(imported)
    except AttributeError:
        raise Refusal(f"{module} has no {name!r}; {_contracts_in(imported)}{instead}") from None
    if not isinstance(found, HasContract):
        raise Refusal(f"{module}:{name} is no contract, but {type(found).__name__}; {_contracts_in(imported)}")
    return found  # pyright: ignore[reportUnknownVariableType]


def hint_of(text: str) -> str:
    """Describe what a target that was not found may have been meant for."""
    module, _, name = text.partition(":")
    if name and ":" not in name and "." not in name and not name.isdigit():
        return f" (nor is there a module {module!r} here or on PYTHONPATH)"
    return ""


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except Exception as exc:
        raise Refusal(f"{module} does not import: {_where(exc)}{type(exc).__name__}: {one_line(str(exc))}") from exc


def _has_module(name: str) -> bool:
    """Check whether there is such a module, in this directory too, as with ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    package = name.partition(".")[0]  # looking for what is in it would import it
    try:
        return bool(package) and find_spec(package) is not None
    except ValueError:  # a module that says not where it is from
        return package in sys.modules


def _where(exc: BaseException) -> str:
    """Name the file and line that an import failed at."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{exc.filename}:{exc.lineno}: "
    trace = exc.__traceback__
    place = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            place = f"{file}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place


def _contracts_in(module: ModuleType) -> str:
    names = sorted(name for name, value in vars(module).items() if isinstance(value, HasContract))
    return f"{_FOUND_IN} {', '.join(names)}" if names else "there is no contract in it"
