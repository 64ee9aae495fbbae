"""Untrusted text is displayed escaped and redacted: no control character, no line break, no password of a URL."""

from __future__ import annotations

import json
import logging
import pickle
from importlib.util import find_spec

import pytest

import lambdachain as lc
from lambdachain._calling.classify import CallSemantics, error_for_outcome
from lambdachain._core.escaping import for_terminal, json_printable, printable
from lambdachain._core.invocation import Invocation, Outcome
from lambdachain._core.redaction import redact_url

NASTY = "a\x00b\x1b[2Jc\r\n::error::d\x85e\u2028f\u202eg\ud800h\x9b31m\u2066i\ufeffj\x7f"
HARMLESS = {"\x00", "\x1b", "\r", "\n", "\x85", "\u2028", "\u202e", "\ud800", "\x9b", "\u2066", "\ufeff", "\x7f"}


def is_escaped(text: str) -> bool:
    """Check that nothing in a text controls a terminal or ends a line."""
    return not HARMLESS & set(text) and not any(ord(sign) < 32 for sign in text)


class Declined(lc.RemoteError):
    """A declared error."""

    reason: str


def errors_of_every_class() -> list[lc.CallError]:
    """Create an error of every class, with hostile strings."""
    made: list[lc.CallError] = []
    for name in sorted(lc.__all__):
        kind = getattr(lc, name)
        if isinstance(kind, type) and issubclass(kind, lc.CallError) and kind is not lc.RemoteError:
            made.append(kind(NASTY, function=f"f{NASTY}", request_id=NASTY))
    return made


@pytest.mark.parametrize("error", errors_of_every_class(), ids=lambda error: type(error).__name__)
def test_str_of_an_error_is_one_escaped_line(error: lc.CallError):
    """For any parts; the attributes keep them unchanged."""
    assert is_escaped(str(error))
    assert "a\\x00b\\x1b[2Jc\\r\\n::error::d\\x85e\\u2028f\\u202eg\\ud800h\\x9b31m" in str(error)
    assert error.args == (NASTY,)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    str(error).encode()


@pytest.mark.parametrize("error", errors_of_every_class(), ids=lambda error: type(error).__name__)
def test_str_of_an_error_is_bounded(error: lc.CallError):
    """A message of megabytes fills no log."""
    long = type(error)("x" * 1_000_000, function="f" * 10_000, request_id="r" * 10_000)
    assert len(str(long)) < 10_000
    assert "(1000000 characters)" in str(long)


def test_a_callees_strings_are_raw_in_the_attributes_and_escaped_in_str():
    """Programs read the attributes, people the text."""
    report = {"errorType": f"E{NASTY}", "errorMessage": NASTY * 1000, "stackTrace": [NASTY]}
    failure = lc.Outcome(200, json.dumps(report).encode(), function_error="Unhandled", request_id="id\x1b[2J")

    class ConstantTransport:
        def send(self, _invocation: lc.Invocation, /, *, timeout: float | None) -> lc.Outcome:
            return failure

        def close(self) -> None: ...

    with pytest.raises(lc.FunctionError) as caught:
        lc.LambdaClient(ConstantTransport()).call("f", None)
    error = caught.value
    assert is_escaped(str(error))
    assert len(str(error)) < 5000
    assert (error.error_type, error.error_message, error.stack_trace) == (f"E{NASTY}", NASTY * 1000, (NASTY,))
    assert error.request_id == "id\x1b[2J"


def test_a_declared_errors_json_keeps_its_meaning_when_escaped():
    """It is sent over the wire, and so nothing of it is lost."""
    error = Declined(reason="a\x7fb\x9bc\u202ed\U000e0001")
    assert str(error) == '{"reason":"a\\u007fb\\u009bc\\u202ed\\udb40\\udc01"}'
    assert json.loads(str(error)) == {"reason": "a\x7fb\x9bc\u202ed\U000e0001"}


@pytest.mark.parametrize("text", ["Grüße", "価格 100", "a\u00a0b", "👩\u200d💻", "\u0645\u06cc\u200c\u062e"])
def test_printable_text_is_unchanged(text: str):
    """Letters, spaces and joiners of any script."""
    assert printable(text) == json_printable(text) == for_terminal(text) == text


def test_a_log_record_is_one_line(caplog: pytest.LogCaptureFixture):
    """A header of the response cannot forge a record."""
    answer = lc.Outcome(500, b"", request_id="id\r\nINFO forged", error_code="ServiceException")

    class ConstantTransport:
        def send(self, _invocation: lc.Invocation, /, *, timeout: float | None) -> lc.Outcome:
            return answer

        def close(self) -> None: ...

    caplog.set_level(logging.DEBUG, "lambdachain")
    with pytest.raises(lc.ServiceError):
        lc.LambdaClient(ConstantTransport()).call("f", None)
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert all(is_escaped(message) for message in messages)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:password@example.com:8443/path", "https://***@example.com:8443/path"),
        ("http://user@example.com", "http://***@example.com"),
        ("https://user:pass/w@rd@example.com/", "https://***@example.com/"),
        ("https://example.com/?token=password&x=secret#f", "https://example.com/?token=***&x=***#f"),
        ("user:password@example.com", "***@example.com"),
        ("https://example.com/path", "https://example.com/path"),
        ("", ""),
        (None, None),
    ],
)
def test_a_url_is_redacted(url: str | None, shown: str | None):
    """Neither user and password, nor the values of a query."""
    assert redact_url(url) == shown


@pytest.mark.parametrize("kind", ["HttpTransport", "AsyncHttpTransport", "BotoTransport", "AsyncBotoTransport"])
def test_no_repr_has_a_password(kind: str):
    """Neither of a transport, nor of its settings."""
    if kind == "AsyncBotoTransport" and find_spec("aiobotocore") is None:
        pytest.skip("it takes aiobotocore")
    made = getattr(lc, kind)(region="eu-west-1", endpoint_url="http://user:password@127.0.0.1:1/?token=password")
    assert "password" not in repr(made)
    assert "127.0.0.1:1" in repr(made)
    client = lc.AsyncLambdaClient(made) if "Async" in kind else lc.LambdaClient(made)
    assert "password" not in repr(client)
    assert "password" not in repr(lc.S3Offload("b", endpoint_url="http://user:password@127.0.0.1"))


@pytest.mark.parametrize("kind", ["HttpTransport", "BotoTransport"])
@pytest.mark.parametrize(
    "url", ["http://user:password@127.0.0.1:1", "http://user:password@bad host", "ftp://user:password@x"]
)
def test_no_error_quotes_a_password(kind: str, url: str):
    """Botocore's own messages do."""
    client = lc.LambdaClient(getattr(lc, kind)(region="eu-west-1", endpoint_url=url), retry=lc.RetryPolicy.never())
    with pytest.raises(lc.CallError) as caught:
        client.call("f", None, timeout=5)
    assert "password" not in f"{caught.value} {caught.value!r}"


def test_only_colors_reach_a_terminal():
    """Not titles, clipboards and cleared screens."""
    assert for_terminal("\x1b[31mred\x1b[0m\n\tx\x1b]0;t\x07\x1b[2J") == "\x1b[31mred\x1b[0m\n\tx\\x1b]0;t\\x07\\x1b[2J"


def test_the_repr_of_a_rejection_is_bounded():
    """Its strings are the callee's, too."""
    details = [{"loc": ["x" * 100_000], "type": "missing", "msg": "y" * 100_000}]
    report = {"errorType": "RequestRejectedError", "errorMessage": json.dumps({"errors": details})}
    outcome = Outcome(200, json.dumps(report).encode(), function_error="Unhandled")
    error = error_for_outcome(Invocation("f"), outcome, CallSemantics())
    assert isinstance(error, lc.RequestRejectedError)
    assert len(repr(error)) < 10_000
    assert error.errors[0]["msg"] == "y" * 100_000
