"""Examples in docstrings become code blocks."""

from __future__ import annotations

import pytest

from website.doctest_fences import fence_doctests


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Add.\n\n>>> 1 + 1\n2\n\nText.", "Add.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nText."),
        ("Add.\n\n>>> 1 + 1\n2", "Add.\n\n```pycon\n>>> 1 + 1\n2\n```"),
        (
            "Args:\n    a: As in\n\n        >>> f(a)",
            "Args:\n    a: As in\n\n        ```pycon\n        >>> f(a)\n        ```",
        ),
        (">>> f()  # doctest: +ELLIPSIS\n1...", "```pycon\n>>> f()\n1...\n```"),
        ("Without an example.", "Without an example."),
    ],
    ids=["between texts", "at the end", "indented", "with a flag", "none"],
)
def test_an_example_is_fenced(docstring: str, expected: str):
    """From its prompt to the next blank line."""
    assert fence_doctests(docstring) == expected
