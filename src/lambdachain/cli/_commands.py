"""The table of commands. To add one, write its module in this package and add its row to ``COMMANDS``.

A command's module is imported when the command runs; ``--help`` and completion of names need the table only.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from lambdachain._core.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class CommandEntry(NamedTuple):
    """A command: its location, ``module:function`` relative to this package, and its one-line help."""

    location: str
    help: str


# click derives this variable from the program's name: changing it would break completion.
COMPLETE_VARIABLE: Final = "_LAMBDACHAIN_COMPLETE"

COMMANDS: Final = {
    "init": CommandEntry("_init.command:command", "Write a new project: contracts, two functions, tests, a template."),
    "call": CommandEntry("_call:call", "Invoke a function and print its response."),
    "fire": CommandEntry("_call:fire", "Send an event to a function without waiting for it to run."),
    "can-invoke": CommandEntry("_call:can_invoke", "Check whether you may invoke a function, without running it."),
    "map": CommandEntry("_map.command:command", "Call a function once for each line of a JSON Lines file."),
    "schema": CommandEntry("_schema:schema", "Print the schema of a contract as JSON."),
    "generate": CommandEntry("_generate.command:command", "Write a contract module from schemas."),
    "check": CommandEntry("_check:check", "Check whether two versions of a contract are compatible."),
    "policy": CommandEntry("_policy:command", "Print the least-privilege IAM policy for the calls in your code."),
    "export": CommandEntry("_export:command", "Print a state machine of Step Functions, with the role that it needs."),
    "asl": CommandEntry("_asl:command", "Check state machines of Step Functions against your contracts."),
    "graph": CommandEntry("_graph:command", "Draw the call graph, and warn about cycles and conflicting timeouts."),
    "doctor": CommandEntry("_doctor:command", "Check whether calls can work from here, and how to fix them."),
    "serve": CommandEntry(
        "_serve.command:command", "Run every function of a system on this machine, as a Lambda endpoint."
    ),
    "completion": CommandEntry("_completion:completion", "Print the completion script for bash, zsh or fish."),
}


class CommandGroup(click.Group):
    """A group that imports a command only to run it; names and one-line help come from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].location.partition(":")
        command: click.Command = getattr(import_module(f"lambdachain.cli.{module}"), function)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; print a known error in one line and exit with its status. Bugs keep their traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        # Not in run(): click would turn KeyboardInterrupt into Abort on its way there.
        except (Exception, KeyboardInterrupt) as exc:
            from ._exit_status import report_exception

            status = report_exception(exc)
            if status is None:
                raise
            ctx.exit(status)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands from the table, which imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command or of an option."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="lambdachain %(version)s")
def commands() -> None:
    """Call, check and run AWS Lambda functions."""


def run() -> int:
    """Run the command in ``sys.argv`` and return the exit status."""
    if COMPLETE_VARIABLE in os.environ:
        from ._bash_completion import register

        register()
    try:
        status: object = commands.main(prog_name="lambdachain", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None  # click turns Ctrl-C at a prompt into Abort
    return status if isinstance(status, int) else 0
