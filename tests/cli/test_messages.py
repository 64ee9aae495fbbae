"""What ``serve`` tells people: a line for each thing, whatever functions, callers and errors are called."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lambdachain import InvocationType
from lambdachain._templates.problem import Diagnostic, Location
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
    """Its error is the function's own word, and a name that is refused the caller's."""
    for told in (
        replace(invocation, error=NASTY * 1000),
        replace(invocation, function=NASTY * 1000),
        replace(invocation, caller=NASTY * 1000),
    ):
        text = to_text(told, "12:00:00")
        assert not set("\r\n\x07\x85\u202e\x00") & set(text)
        assert "\x1b]" not in text
        assert len(text) < 3000


def test_what_a_function_prints_keeps_its_colours_and_nothing_else():
    """It is the user's own function, and what it prints may be anybody's."""
    text = to_text(Printed("f", "\x1b[31mred\x1b[0m \x1b]0;t\x07"), "12:00:00")
    assert text.endswith("\x1b[31mred\x1b[0m \\x1b]0;t\\x07")


@pytest.fixture
def invocation() -> LocalInvocation:
    """Make one that went well."""
    return LocalInvocation(
        "f", None, "id", InvocationType.REQUEST_RESPONSE, status=200, error=None, duration=0.1, init=None, caller=None
    )
