"""Botocore's exceptions as what they say about the request: the one place where foreign exceptions are translated.

Which exception proves what was measured on a fault-injecting server: only a failed connect proves that nothing was
sent; a "connection closed" may come before, during or after the request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from lambdachain._invocation import NoAnswerError, Progress, Trouble
from lambdachain._json.core_schema import is_mapping
from lambdachain._wire import MAX_ANSWER_BYTES, too_long

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_HINTS = {
    Trouble.CREDENTIALS: "no usable AWS credentials: set up a role, a profile or AWS_ACCESS_KEY_ID",
    Trouble.REQUEST: "botocore refuses the request's parameters",
    Trouble.TIMEOUT: "no answer in time",
}
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


def translated(exc: Exception, *, progress: Progress) -> NoAnswerError:
    """Say what *exc* means; *progress* is how far the request may have got where the exception does not tell.

    An exception that botocore only wrapped (a framework's own, raised by a signal while it waited) is raised as it is.
    """
    foreign = _foreign(exc)
    if foreign is not None:
        raise foreign
    trouble, reached = _reading(exc, progress)
    failure = NoAnswerError(_message(exc, trouble), progress=reached, trouble=trouble)
    if trouble is not Trouble.REQUEST:  # botocore's text of that one quotes the parameters
        failure.__cause__ = exc
    return failure


class TooLongAnswerError(Exception):
    """A body is longer than any answer that is read whole."""


def bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on a body's *pieces*, up to the longest answer.

    Raises:
        TooLongAnswerError: It goes on beyond that.
    """
    room = MAX_ANSWER_BYTES
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise TooLongAnswerError(too_long(MAX_ANSWER_BYTES))
        yield piece


def check_length(headers: Mapping[str, str]) -> bool:
    """Check the length that an answer claims, before any of it is read; return whether it claims one.

    Raises:
        TooLongAnswerError: It is longer than any answer.
    """
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        return False
    if len(length) > 15 or int(length) > MAX_ANSWER_BYTES:
        raise TooLongAnswerError(too_long(MAX_ANSWER_BYTES, int(length[:15])))
    return True


def refusal(exc: ClientError) -> NoAnswerError:
    """Say that another service's call failed on the way to Lambda: credentials are fetched inside ``invoke``."""
    code = exc.response.get("Error", {}).get("Code", "")
    return NoAnswerError(
        f"{_HINTS[Trouble.CREDENTIALS]} ({exc.operation_name} failed: {code})",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.CREDENTIALS,
    )


def make_legible(response_dict: dict[str, Any], **_: Any) -> None:
    """Rewrite what botocore's parser of error answers dies of: JSON that is no object of texts, bytes of no UTF-8.

    It also passes over the header that names the error where a 5xx has an empty body or a page of HTML.
    """
    if response_dict["status_code"] >= 300:
        response_dict["body"] = _legible(response_dict["body"])


@cache
def SEND_ERRORS() -> tuple[type[Exception], ...]:  # noqa: N802 - a constant, but for the import it needs
    """List what ``invoke`` may raise; urllib3's own come out of an error answer whose body breaks off."""
    from http.client import HTTPException

    from botocore.exceptions import BotoCoreError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    return (BotoCoreError, ResponseParserError, HTTPError, HTTPException, TooLongAnswerError)


@cache
def READ_ERRORS() -> tuple[type[Exception], ...]:  # noqa: N802 - a constant, but for the import it needs
    """List what reading a body may raise, a bare ``ValueError`` for a garbled length among it."""
    from http.client import HTTPException

    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    return (BotoCoreError, HTTPError, HTTPException, OSError, ValueError, TooLongAnswerError)


def _legible(body: bytes) -> bytes:
    text = body.decode(errors="replace")
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not is_mapping(said):
        said = {} if text.lstrip().startswith("<html") else {"message": text}
    return json.dumps({name: word for name, word in said.items() if isinstance(word, str)}).encode()


def _reading(exc: Exception, progress: Progress) -> tuple[Trouble, Progress]:
    if isinstance(exc, _ssl_error()) and any(word in str(exc) for word in _UNTRUSTED) and _in_handshake(exc):
        return Trouble.SETUP, Progress.NOTHING_SENT
    for kinds, trouble, known in _readings():
        if isinstance(exc, kinds):
            return trouble, known or progress
    return (Trouble.SETUP if progress is Progress.NOTHING_SENT else Trouble.CONNECTION), progress


def _in_handshake(exc: BaseException) -> bool:
    """Tell whether TLS was still being set up: OpenSSL has the same words for a bad record after the request."""
    link: BaseException | None = exc
    while link is not None:
        if any(frame.f_code.co_name == "do_handshake" for frame, _ in walk_tb(link.__traceback__)):
            return True
        link = link.__cause__ or link.__context__
    return False


@cache
def _readings() -> tuple[tuple[tuple[type[Exception], ...], Trouble, Progress | None], ...]:
    """List which exceptions are which trouble, and whether they prove that nothing was sent; the first match counts."""
    from botocore import exceptions as b
    from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

    credentials = (
        b.NoCredentialsError,
        b.PartialCredentialsError,
        b.CredentialRetrievalError,
        b.MetadataRetrievalError,
        b.NoAuthTokenError,
        b.TokenRetrievalError,
        b.SSOError,
        b.UnknownCredentialError,
        b.RefreshWithMFAUnsupportedError,
    )
    setup = (
        b.BaseEndpointResolverError,
        b.EndpointProviderError,
        b.ValidationError,
        b.ProfileNotFound,
        b.ConfigParseError,
        b.ConfigNotFound,
        b.InvalidConfigError,
        b.InvalidProxiesConfigError,
        b.DataNotFoundError,
    )
    return (
        (credentials, Trouble.CREDENTIALS, Progress.NOTHING_SENT),
        ((b.ParamValidationError,), Trouble.REQUEST, Progress.NOTHING_SENT),
        ((b.EndpointConnectionError, b.ConnectTimeoutError), Trouble.CONNECTION, Progress.NOTHING_SENT),
        ((b.ReadTimeoutError, BodyTimeoutError), Trouble.TIMEOUT, None),
        ((b.HTTPClientError, b.ConnectionError), Trouble.CONNECTION, None),
        (setup, Trouble.SETUP, Progress.NOTHING_SENT),
    )


def _ssl_error() -> type[Exception]:
    from botocore.exceptions import SSLError

    return SSLError


def _message(exc: Exception, trouble: Trouble) -> str:
    from botocore import exceptions as b

    if isinstance(exc, b.NoRegionError):
        return "no AWS region: set AWS_REGION, give the transport region=, or address the function by its ARN"
    if isinstance(exc, TooLongAnswerError):
        return str(exc)
    kind = type(exc).__name__
    if trouble is Trouble.SETUP:
        from lambdachain._text import without_passwords

        return without_passwords(f"{kind}: {exc}")
    return f"{_HINTS.get(trouble, 'the connection failed')} ({kind})"


def _foreign(exc: Exception) -> BaseException | None:
    from botocore.exceptions import HTTPClientError, StubResponseError

    if isinstance(exc, StubResponseError):
        return exc
    if type(exc) is not HTTPClientError:
        return None
    inner: Any = exc.kwargs.get("error")
    return inner if isinstance(inner, BaseException) and not isinstance(inner, READ_ERRORS()) else None
