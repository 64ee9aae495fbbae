"""The runtimes: which process runs a function, and what its environment has beyond what every function's has.

A runtime client is a process that is told the address of a Runtime API (``AWS_LAMBDA_RUNTIME_API``) and asks there for
work. Everything else is the same for all of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from ._exec_wrapper import wrap_command
from ._function_config import LocalFunction, RuntimeKind
from ._runtimes_node import NodeRuntime
from ._runtimes_provided import ProvidedRuntime

_PYTHON_CLIENT: Final = Path(__file__).parent / "python" / "bootstrap.py"
_DESCRIBE: Final = "import sys, awslambdaric; print('python%d.%d' % sys.version_info[:2])"


class Runtime(Protocol):
    """How the functions of one runtime are run."""

    def identifier(self, function: LocalFunction) -> str:
        """Name Lambda's runtime that this stands for, such as ``python3.13``.

        Raises:
            ValueError: The runtime client is not installed, or the function has nothing for it to run; in one line,
                with what to do.
        """
        ...

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Return the program and its arguments; it starts in the function's directory."""
        ...

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Return the variables that this runtime's own images set."""
        ...

    def takes_path(self, function: LocalFunction) -> bool:
        """Check whether the process takes a Runtime API's address with a path, ``host:port/path``."""
        ...


class PythonRuntime:
    """AWS's ``awslambdaric``, in the function's interpreter."""

    def identifier(self, function: LocalFunction) -> str:
        """Name the version of the interpreter."""
        return _python_identifier(function.python)

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the runtime client by a script, as Lambda does; it finds the handler setting in ``_HANDLER``."""
        return (function.python, str(_PYTHON_CLIENT))

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Describe which runtime it is: the client encodes results by it."""
        return {"AWS_EXECUTION_ENV": f"AWS_Lambda_{self.identifier(function)}", "PYTHONUNBUFFERED": "1"}

    def takes_path(self, function: LocalFunction) -> bool:  # noqa: ARG002 - as of every runtime
        """Accept one, by that script."""
        return True


RUNTIMES: Final[Mapping[RuntimeKind, Runtime]] = {
    "python": PythonRuntime(),
    "nodejs": NodeRuntime(),
    "provided": ProvidedRuntime(),
}


def runtime_for(function: LocalFunction) -> Runtime:
    """Return the runtime of a function, after a look at whether it can run it.

    Raises:
        ValueError: It cannot; the message names the function.
    """
    runtime = RUNTIMES[function.runtime]
    try:
        runtime.identifier(function)
    except ValueError as exc:
        raise ValueError(f"function {function.name!r}: {exc}") from None
    return runtime


def start_command(function: LocalFunction) -> Sequence[str]:
    """Return the program and its arguments that start a sandbox of a function, in the function's directory.

    Raises:
        ValueError: The runtime cannot run it; the message names the function.
    """
    return wrap_command(function, runtime_for(function).command(function))


@cache
def _python_identifier(python: str) -> str:
    if python == sys.executable:
        return "python{}.{}".format(*sys.version_info)
    try:
        described = subprocess.run(  # noqa: S603 - the interpreter is the user's own choice
            [python, "-c", _DESCRIBE], capture_output=True, text=True, check=True, timeout=60
        )
    except subprocess.CalledProcessError:
        raise ValueError(f"interpreter {python!r} has no awslambdaric: {python} -m pip install awslambdaric") from None
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ValueError(f"interpreter {python!r} does not start: {exc}") from None
    return described.stdout.strip()
