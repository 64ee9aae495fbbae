"""The check of a request's headers before botocore's client sends them."""

from __future__ import annotations

import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import example, given
from hypothesis import strategies as st

from lambdachain import NoAnswerError, Trouble
from lambdachain._transports.boto.errors import check_headers


class _Prepared:
    def __init__(self, headers: dict[str, str | bytes]) -> None:
        self.headers = HeadersDict(headers)


@given(st.characters(), st.booleans(), st.booleans())
@example("\n", False, False)
@example("\t", False, False)
@example("\x7f", True, True)
@example("é", False, True)
@example("é", True, False)
@example("€", False, False)
def test_only_characters_that_a_header_may_have_are_sent(character: str, signs: bool, as_bytes: bool):
    """Tabs, printable ASCII and Latin-1; in what AWS verifies, ASCII only."""
    allowed = character == "\t" or (" " <= character <= ("~" if signs else "\xff") and character != "\x7f")
    as_bytes = as_bytes and character <= "\xff"
    value = f"a{character}b".encode("latin-1") if as_bytes else f"a{character}b"
    name = "X-Amz-Security-Token" if signs else "User-Agent"
    request = _Prepared({"Host": b"lambda.eu-west-1.amazonaws.com", name: value, "Content-Length": "2"})

    if allowed:
        check_headers(request)
        return
    with pytest.raises(NoAnswerError, match=f"the header {name} has a character that is not allowed") as caught:
        check_headers(request)
    assert caught.value.trouble is (Trouble.CREDENTIALS if signs else Trouble.REQUEST)
