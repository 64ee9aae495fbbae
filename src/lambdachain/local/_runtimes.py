"""The runtimes: the process that runs a function, and the variables that only this runtime sets.

A runtime client is a process that finds the address of a Runtime API in ``AWS_LAMBDA_RUNTIME_API`` and polls it for
invocations. Everything else is the same for all runtimes. To add one, implement `Runtime`, add it to ``RUNTIMES``, and
add its name to ``RuntimeKind``.
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
_DESCRIBE: Final = "import sys; print('python%d.%d' % sys.version_info[:2], flush=True); import awslambdaric"


class Runtime(Protocol):
    """How to run the functions of one runtime."""

    def identifier(self, function: LocalFunction) -> str:
        """Return the identifier of the corresponding Lambda runtime, such as ``python3.13``.

        Raises:
            ValueError: The runtime client is not installed, or the function has nothing to run; the message, in one
                line, says what to do.
        """
        ...

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Return the command line; it is started in the function's directory."""
        ...

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Return the variables that the images of this runtime set on Lambda."""
        ...

    def takes_path(self, function: LocalFunction) -> bool:
        """Check whether the process accepts a Runtime API address with a path, ``host:port/path``."""
        ...


class PythonRuntime:
    """AWS's ``awslambdaric``, in the function's interpreter."""

    def identifier(self, function: LocalFunction) -> str:
        """Return the identifier for the version of the interpreter."""
        return identify_python(function.python)

    def command(self, function: LocalFunction) -> Sequence[str]:
        """Run the runtime client from a script, as Lambda does; it reads the handler setting from ``_HANDLER``."""
        return (function.python, str(_PYTHON_CLIENT))

    def environment(self, function: LocalFunction) -> Mapping[str, str]:
        """Return the name of the runtime, on which the client's encoding of results depends."""
        return {"AWS_EXECUTION_ENV": f"AWS_Lambda_{self.identifier(function)}", "PYTHONUNBUFFERED": "1"}

    def takes_path(self, function: LocalFunction) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return true: the script makes the client accept one."""
        return True


RUNTIMES: Final[Mapping[RuntimeKind, Runtime]] = {
    "python": PythonRuntime(),
    "nodejs": NodeRuntime(),
    "provided": ProvidedRuntime(),
}


def runtime_for(function: LocalFunction) -> Runtime:
    """Return the runtime of a function, after checking that it can run the function.

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
    """Return the command line that starts a sandbox of a function, in the function's directory.

    Raises:
        ValueError: The runtime cannot run it; the message names the function.
    """
    return wrap_command(function, runtime_for(function).command(function))


@cache
def identify_python(python: str) -> str:
    """Return the identifier of an interpreter's version, such as ``python3.13``, after starting it once.

    Raises:
        ValueError: It cannot run functions; the message says what to do.
    """
    # The usual case needs no process: awslambdaric is a dependency of this extra.
    if python == sys.executable:
        return "python{}.{}".format(*sys.version_info)
    try:
        described = subprocess.run(  # noqa: S603 - the interpreter is the user's own choice
            [python, "-c", _DESCRIBE], capture_output=True, text=True, check=True, timeout=60
        )
    except subprocess.CalledProcessError as exc:
        # A shim of pyenv, for a version that is not active, is on the PATH too, and starts nothing.
        if not exc.stdout.startswith("python"):
            raise ValueError(f"interpreter {python!r} cannot be started: exit status {exc.returncode}") from None
        raise ValueError(
            f"interpreter {python!r} does not have awslambdaric: run {python} -m pip install awslambdaric"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ValueError(f"interpreter {python!r} cannot be started: {exc}") from None
    return described.stdout.strip()
