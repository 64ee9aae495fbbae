"""Redact secrets in what messages, logs and reprs show: passwords and query values of URLs, and quoted requests.

Which headers are never shown is decided here, too: AWS's messages about a signature quote ``Authorization`` and the
canonical request. (``_transports.boto.errors.check_headers`` names a header that cannot be sent, never its value.)
Characters that a terminal or a log must not receive raw are escaped in ``_core.escaping``.
"""

from __future__ import annotations

import re
from typing import Final

_QUERY_VALUE: Final = re.compile(r"(?<==)[^&#]+")

# What the service quotes of a request in its messages: values of parameters, parts of the payload, signed headers.
_QUOTED_REQUEST: Final = (
    r"(?<=\bValue )'.*?'(?= at )",
    r"(?<=[Uu]nrecognized token )'.*?'",
    r"\[Source: .*",
    r"The Canonical String for this request.*",
    r"Authorization=.*",
    r"(?<=in Authorization header: )'.*",
)


def redact_url(url: str | None) -> str | None:
    """Redact what may be a secret in a URL: user and password, and the values of its query.

    >>> redact_url("https://user:password@example.com/path?token=secret")
    'https://***@example.com/path?token=***'
    """
    if url is None:
        return None
    front, mark, query = url.partition("?")
    host = front.rpartition("@")[2]
    # Without "://" it is not a URL that a client accepts, but it may still be one with a password, mistyped.
    front = redact_passwords(front) if "://" in front or host == front else f"***@{host}"
    return front + mark + _QUERY_VALUE.sub("***", query)


def redact_passwords(text: str) -> str:
    """Redact users and passwords of the URLs in a text.

    >>> redact_passwords('cannot connect to "https://user:pass/word@example.com/"')
    'cannot connect to "https://***@example.com/"'
    """
    # Up to the last "@": a password that is not percent-encoded may contain "/" or "@".
    return re.sub(r"(?<=://)\S*@", "***@", text)


def redact_request(message: str) -> str:
    """Redact what a message of the service quotes of the request: parameters, payload, signed headers.

    >>> redact_request("Value 'secret' at 'qualifier' failed to satisfy constraint")
    "Value (withheld) at 'qualifier' failed to satisfy constraint"
    """
    for pattern in _QUOTED_REQUEST:
        message = re.sub(pattern, "(withheld)", message, flags=re.DOTALL)
    return message
