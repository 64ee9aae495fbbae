"""The command ``lambdachain``: its commands are listed in ``_commands``, each with a module or a package here.

Options and arguments that commands share are in ``_target_options``, ``_target_argument`` and ``_code_options``; what
ends a command is in ``_exit_status``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command and exit with its status."""
    if find_spec("click") is None:
        sys.exit("lambdachain: click is not installed: pip install 'lambdachain[cli]'")
    try:
        from ._commands import run

        sys.exit(run())
    except KeyboardInterrupt:  # before a command starts or after it ends
        sys.exit(130)
