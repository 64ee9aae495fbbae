"""``AWS_LAMBDA_EXEC_WRAPPER``: a script of the function's that starts the runtime client, with what it adds or changes.

As on AWS, the script gets the runtime's command line as its arguments, and the OS-only runtimes do not know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ._function_config import LocalFunction

VARIABLE: Final = "AWS_LAMBDA_EXEC_WRAPPER"

# What the managed runtimes' own start script does (its status 127 is recorded), and /var/task found where it is here.
_START: Final = f"""
wrapper="${VARIABLE}"
case "$wrapper" in /var/task/*) [ -e "$wrapper" ] || wrapper="$LAMBDA_TASK_ROOT/${{wrapper#/var/task/}}" ;; esac
[ -f "$wrapper" ] || {{ echo "{VARIABLE}: $wrapper does not exist"; exit 127; }}
[ -x "$wrapper" ] || {{ echo "{VARIABLE}: $wrapper is not executable: chmod +x it"; exit 126; }}
case "$wrapper" in */*) ;; *) wrapper="./$wrapper" ;; esac
exec "$wrapper" "$@"
"""


def wrapped(function: LocalFunction, command: Sequence[str]) -> Sequence[str]:
    """Return what starts a function's runtime client: *command*, through the function's wrapper if it has one."""
    if function.runtime == "provided" or not function.environment.get(VARIABLE):
        return command
    return ("/bin/sh", "-c", _START, "bootstrap", *command)
