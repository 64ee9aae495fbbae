"""``lambdachain completion``: the shell completion script."""

from __future__ import annotations

import click

from ._exit_status import echo
from ._help import CommandWithExamples


@click.command(
    "completion",
    cls=CommandWithExamples,
    examples=[
        'eval "$(lambdachain completion bash)"                                       in ~/.bashrc',
        'eval "$(lambdachain completion zsh)"                                        in ~/.zshrc',
        "lambdachain completion fish > ~/.config/fish/completions/lambdachain.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the script that makes a shell complete commands, options, contracts and files.

    Load it in your shell's startup file, as in the examples.
    """
    from click.shell_completion import get_completion_class

    from ._commands import COMPLETE_VARIABLE, commands

    writer = get_completion_class(shell)
    if writer is None:
        raise click.UsageError(f"the installed click does not support completion for {shell}")
    echo(writer(commands, {}, "lambdachain", COMPLETE_VARIABLE).source())
