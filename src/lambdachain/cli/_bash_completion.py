"""Completion for bash, imported only while the shell asks for it."""

from __future__ import annotations

from click.shell_completion import BashComplete, CompletionItem, add_completion_class


class WordBreakingBash(BashComplete):
    """Completion for bash, which breaks words at ``:``, ``=`` and ``@``: ``module:contract`` arrives as three words."""

    _stripped = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor and the one at it, with what bash has broken put together."""
        arguments, incomplete = super().get_completion_args()
        whole: list[str] = []
        for word in [*arguments, incomplete]:
            if whole and (word in (":", "=") or whole[-1].endswith((":", "=")) or whole[-1] == "@"):
                whole[-1] += word
            else:
                whole.append(word)
        last = whole.pop()
        if last != incomplete or last in (":", "=", "@"):
            # bash replaces the part after the break only.
            self._stripped = last[: max(map(last.rfind, ":=@")) + 1]
        return whole, last

    def format_completion(self, item: CompletionItem) -> str:
        """Format an item for the script, without the part that bash keeps."""
        return f"{item.type},{str(item.value).removeprefix(self._stripped)}"


def register() -> None:
    """Make click use ``WordBreakingBash`` for bash."""
    add_completion_class(WordBreakingBash, "bash")
