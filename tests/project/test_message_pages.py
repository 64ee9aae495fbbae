"""docs/reference/messages: every message of the package can be searched for there, and says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambdachain import CallError
from lambdachain._core import errors
from tests.support.message_texts import MessageText, find_messages, find_messages_in, split_message

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference" / "messages"
PAGES = sorted(path for path in DIRECTORY.glob("*.md") if path.name != "index.md")
_ROW = re.compile(r"^\| (?P<messages>`.+?`) \| (?P<advice>.+) \|$", re.MULTILINE)
_SPAN = re.compile(r"(?P<marks>`+) ?(?P<text>.+?) ?(?P=marks)(?:<br>|$)")

MESSAGES = find_messages()
# Classes that others are caught by, and are not raised themselves.
BASES = {"CallError", "NotInvokedError", "OutcomeUnknownError"}


def find_rows(text: str) -> list[tuple[list[str], str]]:
    """Return the rows of a page's tables: the messages of each, and what to do."""
    return [
        ([span["text"].replace("\\|", "|") for span in _SPAN.finditer(row["messages"])], row["advice"])
        for row in _ROW.finditer(text)
    ]


ROWS = [(page.name, *row) for page in PAGES for row in find_rows(page.read_text())]
DOCUMENTED = {message for _, messages, _ in ROWS for message in messages}


def test_every_message_is_documented():
    """A new one needs a row, or a place in a row, in the page about its part of the package."""
    missing = {message.text: message for message in MESSAGES if message.text not in DOCUMENTED}
    rows = [
        f"{message.place} ({message.raised or 'no error'}): | `{text}` | ... |" for text, message in missing.items()
    ]

    assert not rows, "add to a page in docs/reference/messages, with what to do:\n" + "\n".join(rows)


def test_every_documented_message_is_in_the_package():
    """A message that was changed or removed leaves its row."""
    texts = {message.text for message in MESSAGES}
    stale = [(page, message) for page, messages, _ in ROWS for message in messages if message not in texts]

    assert not stale, f"correct or remove: {stale}"


def test_every_row_is_read():
    """A row that this test cannot parse would hold nothing."""
    lines = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith("| `")]

    assert len(lines) == len(ROWS) > 300


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_says_what_to_do(page: Path):
    """In a sentence or more."""
    short = [messages for messages, advice in find_rows(page.read_text()) if len(advice.split()) < 4]

    assert not short


def test_a_message_is_in_one_row():
    """One answer to one message."""
    rows = [(page, message) for page, messages, _ in ROWS for message in messages]

    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(
    ("code", "text", "raised"),
    [
        ('raise ValueError(f"{name} is not a number")', "… is not a number", "ValueError"),
        ('raise ValueError("not found")', "not found", "ValueError"),
        ('_WORDS = "the file is not readable"', "the file is not readable", None),
        ('def f():\n    return f"cannot read {name}: {exc}"', "cannot read …: …", None),
        ('log.warning("%s: cannot start %d", a, b)', "…: cannot start …", None),
        ('_ADVICE = "use {name} in place of it"', "use … in place of it", None),
        ('raise self._error(node, "has no name")', "has no name", "_error"),
    ],
)
def test_a_new_message_is_found(code: str, text: str, raised: str | None):
    """Wherever it is written."""
    assert list(find_messages_in(code, "a.py")) == [MessageText(text, f"a.py:{code.count(chr(10)) + 1}", raised)]


@pytest.mark.parametrize(
    "code",
    [
        '"""The docstring of a module, in words."""',
        'option("--name", help="The name of a function.")',
        'db.execute("SELECT line FROM lines WHERE line > 1")',
        'KIND = "on-demand"',
        'def __repr__(self):\n    return f"Thing of the name {self.name}"',
    ],
)
def test_other_texts_are_not_messages(code: str):
    """Docstrings, help, SQL, values and reprs."""
    assert list(find_messages_in(code, "a.py")) == []


def test_messages_are_split_at_values():
    """For a search that does not depend on them."""
    assert split_message("function …: directory … does not exist") == ["function", "directory", "does not exist"]


def test_every_class_of_a_failed_call_is_explained():
    """For messages that are Lambda's, or the function's."""
    text = (DIRECTORY / "calls.md").read_text()
    classes = [name for name in errors.__all__ if issubclass(getattr(errors, name), CallError)]

    assert [name for name in classes if name not in BASES and f"| **`{name}`** |" not in text] == []
