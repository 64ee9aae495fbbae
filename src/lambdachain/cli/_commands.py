"""The list of commands; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from lambdachain._version import __version__

COMMANDS: Final = ("serve",)


class Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"lambdachain.cli.{cmd_name}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="lambdachain %(version)s")
def commands() -> None:
    """Call AWS Lambda functions from functions: the tools around it."""
