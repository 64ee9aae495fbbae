"""The argument TARGET: a function's name or ARN, or a contract as ``module:contract``, which is imported."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lambdachain._contracts.contract import Contract, HasContract, has_contract

from ._exit_status import InputError, to_one_line

_CONTRACTS_THERE: Final = "it has the contracts"


def parse_target_argument(text: str) -> HasContract[Any, Any] | str:
    """Parse a target: ``module:contract`` if there is such a module, otherwise a function's name or ARN.

    Raises:
        InputError: The module does not import, or has no such contract.
        InvalidArnError: It is neither of them.
    """
    from lambdachain._core.arn import parse_target

    module, _, name = text.partition(":")
    # A module takes precedence. A function with a qualifier looks the same; the message below shows how to write that.
    if name and ":" not in name and _has_module(module):
        return import_contract(module, name, instead=f"; for a function and its qualifier, write function:{text}")
    parse_target(text)
    return text


def load_contract(text: str) -> Contract[Any, Any]:
    """Import the contract of ``module:contract``.

    Raises:
        InputError: There is no such module, or no such contract in it.
    """
    module, _, name = text.partition(":")
    if not name:
        raise InputError(f"{text!r} is not module:contract, such as billing_contracts:charge")
    if not _has_module(module):
        raise InputError(f"no module {module!r} in this directory or on PYTHONPATH")
    return import_contract(module, name).contract


def load_contracts_of(module: str) -> list[Contract[Any, Any]]:
    """Import all contracts of a module.

    Raises:
        InputError: There is no such module, or it has no contracts.
    """
    if not _has_module(module):
        raise InputError(f"no module {module!r} in this directory or on PYTHONPATH")
    imported = _import_module(module)
    found = [value.contract for value in vars(imported).values() if has_contract(value)]
    if not found:
        raise InputError(f"{module}: {_describe_contracts(imported)}")
    return list(dict.fromkeys(found))


def find_value(text: str) -> object:
    """Import what ``module:name`` names, whatever it is; ``None`` if there is no such name.

    Raises:
        InputError: There is no such module, or it does not import.
    """
    module, _, name = text.partition(":")
    if not name or not _has_module(module):
        return None
    try:
        return attrgetter(name)(_import_module(module))
    except AttributeError:
        return None


def import_contract(module: str, name: str, *, instead: str = "") -> HasContract[Any, Any]:
    """Import a contract, or a handler made by ``remote``.

    Args:
        module: The module's name.
        name: The contract's name in it, with dots where it is an attribute of something.
        instead: Advice for a target that was meant as something else, appended to the message.

    Raises:
        InputError: The module does not import, or has no such contract.
    """
    imported = _import_module(module)
    try:
        found: object = attrgetter(name)(imported)
    except AttributeError:
        raise InputError(f"{module} has no {name!r}; {_describe_contracts(imported)}{instead}") from None
    if not has_contract(found):
        from lambdachain._transports.argument_checks import describe_object

        raise InputError(
            f"{module}:{name} is not a contract but {describe_object(found)}; {_describe_contracts(imported)}"
        )
    return found


def find_hint(target: HasContract[Any, Any] | str, function: str | None) -> str:
    """Return a hint for a target that Lambda did not find, to append to the error's message.

    Args:
        target: What `parse_target_argument` returned.
        function: The address that replaces the contract's.
    """
    if not isinstance(target, str):
        other = "; if the function is deployed under another name, pass it with --function"
        return other if function is None else ""
    module, _, name = target.rpartition(".")
    if module and ":" not in target and _has_module(module):
        return f"; a contract is written as {module}:{name}"
    module, _, name = target.partition(":")
    if name and ":" not in name and "." not in name and not name.isdigit():
        return f"; if it is a contract: there is no module {module!r} in this directory or on PYTHONPATH"
    return ""


def _import_module(module: str) -> ModuleType:
    try:
        # The module is the user's code, which may raise anything.
        return import_module(module)
    except Exception as exc:
        raise InputError(
            f"cannot import {module}: {_find_failing_line(exc)}{type(exc).__name__}: {to_one_line(str(exc))}"
        ) from exc


def _has_module(name: str) -> bool:
    """Check whether a module can be found, in the current directory too, as with ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    package = name.partition(".")[0]  # find_spec() of a submodule would import its package
    try:
        return bool(package) and find_spec(package) is not None
    except ValueError:  # a module whose __spec__ is None, such as __main__
        return package in sys.modules


def _find_failing_line(exc: BaseException) -> str:
    """Return the file and line at which an import failed."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{exc.filename}:{exc.lineno}: "
    # The innermost frame outside the import machinery is the line of the user's code to look at.
    trace = exc.__traceback__
    location = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            location = f"{file}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return location


def _describe_contracts(module: ModuleType) -> str:
    names = sorted(name for name, value in vars(module).items() if has_contract(value))
    return f"{_CONTRACTS_THERE} {', '.join(names)}" if names else "it has no contracts"
