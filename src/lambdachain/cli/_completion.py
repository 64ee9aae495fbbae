"""``lambdachain completion``: the script with which a shell completes the command."""

from __future__ import annotations

import click

from ._exit_status import echo
from ._help import Command


@click.command(
    "completion",
    cls=Command,
    examples=[
        'eval "$(lambdachain completion bash)"                                       in ~/.bashrc',
        'eval "$(lambdachain completion zsh)"                                        in ~/.zshrc',
        "lambdachain completion fish > ~/.config/fish/completions/lambdachain.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the script with which a shell completes commands and options."""
    from click.shell_completion import get_completion_class

    from ._commands import commands

    writer = get_completion_class(shell)
    if writer is None:
        raise click.UsageError(f"this click knows no completion for {shell}")
    echo(writer(commands, {}, "lambdachain", "_LAMBDACHAIN_COMPLETE").source())
