"""``AWS_LAMBDA_EXEC_WRAPPER``: a script of the function that starts the runtime client, with changes of its own.

As on AWS, the script gets the runtime's command line as its arguments, and OS-only runtimes ignore the variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ._function_config import LocalFunction

VARIABLE: Final = "AWS_LAMBDA_EXEC_WRAPPER"

# As the start script of the managed runtimes does (its status 127 was recorded on AWS). On Lambda the code is in
# /var/task, here in LAMBDA_TASK_ROOT.
_START: Final = f"""
wrapper="${VARIABLE}"
case "$wrapper" in /var/task/*) [ -e "$wrapper" ] || wrapper="$LAMBDA_TASK_ROOT/${{wrapper#/var/task/}}" ;; esac
[ -f "$wrapper" ] || {{ echo "{VARIABLE}: $wrapper does not exist"; exit 127; }}
[ -x "$wrapper" ] || {{ echo "{VARIABLE}: $wrapper is not executable: chmod +x it"; exit 126; }}
case "$wrapper" in */*) ;; *) wrapper="./$wrapper" ;; esac
exec "$wrapper" "$@"
"""


def wrap_command(function: LocalFunction, command: Sequence[str]) -> Sequence[str]:
    """Return the command that starts a runtime client: *command*, run by the function's wrapper if it has one."""
    if function.runtime == "provided" or not function.environment.get(VARIABLE):
        return command
    # "bootstrap" becomes $0, so that "$@" is the whole command.
    return ("/bin/sh", "-c", _START, "bootstrap", *command)
