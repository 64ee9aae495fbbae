"""Help texts that end with examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class CommandWithExamples(click.Command):
    """A click command with an Examples section: ``@click.command("call", cls=CommandWithExamples, examples=[...])``.

    Args:
        *args: As for ``click.Command``.
        examples: Shell command lines, printed as they are.
        **kwargs: As for ``click.Command``.
    """

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        # Not an epilog text: click would wrap its lines, and a wrapped command cannot be pasted into a shell.
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
