"""The output of ``serve`` for people: one line per message, for any names of functions, callers and errors."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lambdachain import InvocationType
from lambdachain._templates.diagnostics import Diagnostic, Location
from lambdachain.cli._serve.messages import Notice, Printed, Reloaded, to_json_line, to_text
from lambdachain.local import LocalInvocation

NASTY = "a\r\nforged\x1b]0;t\x07\x85\u202e\x00"


@pytest.mark.parametrize(
    "message",
    [
        Notice(NASTY),
        Notice(NASTY, loud=True),
        Diagnostic(Location(NASTY, NASTY, 3), NASTY),
        Diagnostic(Location(NASTY), NASTY, fatal=False),
        Reloaded(["f"], NASTY),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_one_line(message: Notice | Diagnostic | Reloaded):
    """As text and as JSON."""
    for text in (to_text(message, "12:00:00"), to_json_line(message)):
        assert not set("\r\n\x07\x85\u202e\x00") & set(text)
        assert "\x1b]" not in text
    json.loads(to_json_line(message))


def test_an_invocation_is_one_short_line(invocation: LocalInvocation):
    """The error is the function's own text, and the name of a refused call is the caller's: both may be anything."""
    for told in (
        replace(invocation, error=NASTY * 1000),
        replace(invocation, function=NASTY * 1000),
        replace(invocation, caller=NASTY * 1000),
    ):
        text = to_text(told, "12:00:00")
        assert not set("\r\n\x07\x85\u202e\x00") & set(text)
        assert "\x1b]" not in text
        assert len(text) < 3000


def test_output_of_a_function_keeps_only_its_colors():
    """Other escape sequences are removed: the text may come from anybody."""
    text = to_text(Printed("f", "\x1b[31mred\x1b[0m \x1b]0;t\x07"), "12:00:00")
    assert text.endswith("\x1b[31mred\x1b[0m \\x1b]0;t\\x07")


@pytest.fixture
def invocation() -> LocalInvocation:
    """Create a successful invocation."""
    return LocalInvocation(
        "f", None, "id", InvocationType.REQUEST_RESPONSE, status=200, error=None, duration=0.1, init=None, caller=None
    )
