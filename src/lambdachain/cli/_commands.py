"""The list of commands; each is imported when it is run, and none for the list itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from lambdachain._core.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """Where a command is, as ``module:function`` below this package, and what it does in a line."""

    place: str
    help: str


COMMANDS: Final = {
    "call": Entry("_call:call", "Run a function and show its answer."),
    "fire": Entry("_call:fire", "Queue an event for a function, and do not wait for it."),
    "can-invoke": Entry("_call:can_invoke", "Ask whether a function may be invoked, without running it."),
    "map": Entry("_map.command:command", "Call a function once for each line of a file of JSON."),
    "schema": Entry("_schema:schema", "Print the schema of a contract."),
    "check": Entry("_check:check", "Say whether two versions of a contract understand each other."),
    "policy": Entry("_policy:command", "Print the policy that allows exactly the calls that code makes."),
    "graph": Entry("_graph:command", "Draw who calls whom, and warn of what will not go well."),
    "doctor": Entry("_doctor:command", "Look whether calls can work from here, and say what would mend them."),
    "serve": Entry("_serve.command:command", "Serve every function of a system on this machine."),
    "completion": Entry("_completion:completion", "Print the script with which a shell completes the command."),
}


class Commands(click.Group):
    """Imports a command where it is run; its name and its line of help stand in the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(import_module(f"lambdachain.cli.{module}"), function)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; whatever ends it is one line and a status, unless it is a mistake of ours."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as exc:
            from ._exit_status import ended_by

            status = ended_by(exc)
            if status is None:
                raise
            ctx.exit(status)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, or an option."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="lambdachain %(version)s")
def commands() -> None:
    """Call AWS Lambda functions from functions: the tools around it."""


def run() -> int:
    """Run the command that the arguments name, and give the status to exit with."""
    try:
        status: object = commands.main(prog_name="lambdachain", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None  # which click has made this of
    return status if isinstance(status, int) else 0
