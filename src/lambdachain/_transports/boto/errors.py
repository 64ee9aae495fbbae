"""Translate botocore's exceptions: the one place where the exceptions of an SDK become a ``NoAnswerError``.

What each exception proves was measured on a fault-injecting server: only a failed connect proves that nothing was sent;
a "connection closed" may come before, during or after the request.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from lambdachain._core.errors import LambdaChainError
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.foreign_exceptions import get_frames, is_foreign, is_sdk, raised_by_signal_handler
from lambdachain._transports.invoke_response import OversizedResponseError

if TYPE_CHECKING:
    from types import FrameType

    from botocore.exceptions import ClientError

_MESSAGES = {
    Trouble.CREDENTIALS: "no usable AWS credentials: set up a role, a profile or AWS_ACCESS_KEY_ID",
    Trouble.REQUEST: "botocore rejected the parameters of the request",
    Trouble.TIMEOUT: "timed out waiting for the response",
}
_INVALID_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_SIGNING_HEADERS = ("x-amz-security-token", "authorization")
_EXPIRED = "the AWS credentials have expired, and their provider returned no newer ones: renew them"
_REFRESH = "_protected_refresh"
_CREDENTIALS_CODE = (
    *("botocore.auth", "botocore.credentials", "botocore.tokens"),
    *("aiobotocore.credentials", "aiobotocore.tokens"),
)
_EVENT_CODE = ("botocore.hooks", "aiobotocore.hooks")
_READS_CREDENTIALS = ("get_frozen_credentials", "get_credentials")
_HAVE_CREDENTIALS = ("get_frozen_credentials", "get_deferred_property")
# What these modules call outside of an event, and is not an SDK's, provides credentials, whatever its name.
_ASKS_FOR_CREDENTIALS = ("botocore.session", "botocore.signers", "aiobotocore.session", "aiobotocore.signers")
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


def translate(exc: Exception, *, progress: Progress) -> NoAnswerError:
    """Convert *exc*; *progress* is how far the request may have got if the exception does not show it.

    A foreign exception (a framework's, a stub's, one from a user's event handler) is raised unchanged, even if botocore
    has wrapped it.
    """
    cause = _unwrap(exc)
    interruption = _find_interruption(exc)
    # First of all: a signal handler's exception may have any class, and would be taken for one of those below.
    if interruption is not None:
        raise interruption
    if isinstance(cause, OversizedResponseError):
        return NoAnswerError(str(cause), progress=progress, trouble=Trouble.CONNECTION)
    # Before foreign exceptions pass: a provider of credentials may be the user's, and fail with any class.
    if _is_about_credentials(exc, cause):
        return _credentials_error(exc, cause)
    if is_foreign(cause) or _is_stub_error(cause) or _raised_by_event_handler(exc):
        raise cause
    trouble, reached = _classify(cause, progress)
    failure = NoAnswerError(_message(cause, trouble), progress=reached, trouble=trouble)
    if trouble is not Trouble.REQUEST and not may_quote(cause):  # botocore's message quotes the parameters
        failure.__cause__ = exc
    return failure


def translate_setup_error(exc: Exception) -> NoAnswerError:
    """Convert an exception while a client is created: a setting is wrong, in botocore's words."""
    failure = translate(exc, progress=Progress.NOTHING_SENT)
    if failure.trouble is Trouble.SETUP and isinstance(exc, ValueError):
        from lambdachain._core.redaction import redact_passwords

        failure.args = (redact_passwords(f"{type(exc).__name__}: {exc}"),)
    return failure


def translate_credentials_error(exc: Exception) -> NoAnswerError:
    """Convert an exception while credentials are found, refreshed or read; see ``translate`` for what it raises."""
    from botocore.exceptions import ProfileNotFound

    if isinstance(exc, ProfileNotFound):
        return translate(exc, progress=Progress.NOTHING_SENT)
    if isinstance(exc, LambdaChainError) or raised_by_signal_handler(exc):
        raise exc
    return _credentials_error(exc, _unwrap(exc))


def _is_about_credentials(exc: Exception, cause: Exception) -> bool:
    """Check whether *exc* was raised where credentials are found, refreshed or read; the provider may be the user's."""
    from botocore.exceptions import ProfileNotFound

    if isinstance(cause, LambdaChainError | ProfileNotFound) or raised_by_signal_handler(cause):
        return False
    # A provider of the user's that returns something else than credentials.
    lacks = exc.name if isinstance(exc, AttributeError) else None
    return (
        lacks in _HAVE_CREDENTIALS
        or _is_credentials_file(exc)
        or any(map(_is_credentials_frame, get_frames(exc)))
        or _is_raised_by_provider(exc)
    )


def _credentials_error(exc: Exception, cause: Exception) -> NoAnswerError:
    """Describe a failed provider of credentials by the class of *cause*, whose text may quote a secret."""
    from botocore import exceptions as b

    if isinstance(exc, b.ClientError):
        return credentials_call_error(exc)
    # An invalid URL (ValueError) is also wrapped in an HTTPClientError, but is not worth a retry.
    if isinstance(exc, b.ConnectionError | b.HTTPClientError) and not isinstance(cause, ValueError):
        words = f"cannot reach the provider of the AWS credentials ({type(cause).__name__})"
        return NoAnswerError(words, progress=Progress.NOTHING_SENT, trouble=Trouble.CONNECTION)
    provider = _find_provider(exc)
    detail = f"{provider}: {type(cause).__name__}" if provider else type(cause).__name__
    expired = isinstance(exc, RuntimeError) and any(f.f_code.co_name == _REFRESH for f in get_frames(exc))
    failure = NoAnswerError(
        f"{_EXPIRED if expired else _MESSAGES[Trouble.CREDENTIALS]} ({detail})",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.CREDENTIALS,
    )
    if isinstance(cause, b.BotoCoreError) and not may_quote(cause):
        failure.__cause__ = exc
    return failure


def credentials_call_error(exc: ClientError) -> NoAnswerError:
    """Report that a call of another service failed on the way to Lambda: ``invoke`` fetches credentials inside."""
    code = exc.response.get("Error", {}).get("Code", "")
    return NoAnswerError(
        f"{_MESSAGES[Trouble.CREDENTIALS]} ({exc.operation_name} failed: {code})",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.CREDENTIALS,
    )


def translate_stream_error(exc: Exception, *, progress: Progress) -> NoAnswerError:
    """Convert an exception while the rest of a response is read, including an error event of the service."""
    from botocore.exceptions import ClientError

    if not isinstance(exc, ClientError):
        return translate(exc, progress=progress)
    code = exc.response.get("Error", {}).get("Code", "an error")
    failure = NoAnswerError(f"Lambda ended the stream with {code}", progress=progress)
    failure.__cause__ = exc
    return failure


def check_headers(request: Any, **_: Any) -> None:
    """Reject a request with a line break in a header, the rest of which would be read as another header.

    Raises:
        NoAnswerError: There is one; its value, which may be a secret, is not quoted.
    """
    # Nearly always all is well. botocore's mapping creates an object for each name it is asked for: hence its dict.
    values = "".join(map(_to_text, getattr(request.headers, "_dict", request.headers).values()))
    if values.isascii() and values.isprintable():
        return
    for name, value in request.headers.items():
        text = _to_text(value)
        signs = name.lower() in _SIGNING_HEADERS
        if _INVALID_IN_HEADER.search(text) or (signs and not text.isascii()):
            raise NoAnswerError(
                f"the header {name} has a character that is not allowed, such as a line break",
                progress=Progress.NOTHING_SENT,
                trouble=Trouble.CREDENTIALS if signs else Trouble.REQUEST,
            )


def _to_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def sanitize_error_body(response_dict: dict[str, Any], **_: Any) -> None:
    """Rewrite error bodies that botocore's parser fails on: JSON that is not an object of strings, bytes not in UTF-8.

    botocore also ignores the header with the error's name if a 5xx has an empty body or a page of HTML.
    """
    if response_dict["status_code"] >= 300:
        response_dict["body"] = _sanitize(response_dict["body"])


def _sanitize(body: bytes) -> bytes:
    text = body.decode(errors="replace")
    try:
        members: Any = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not is_mapping(members):
        members = {} if text.lstrip().startswith("<html") else {"message": text}
    return json.dumps({name: word for name, word in members.items() if isinstance(word, str)}).encode()


def _classify(exc: Exception, progress: Progress) -> tuple[Trouble, Progress]:
    if isinstance(exc, _ssl_error()) and any(word in str(exc) for word in _UNTRUSTED) and _in_handshake(exc):
        return Trouble.SETUP, Progress.NOTHING_SENT
    for kinds, trouble, known in _exception_table():
        if isinstance(exc, kinds):
            return trouble, known or progress
    lasts = progress is Progress.NOTHING_SENT and not isinstance(exc, _network_errors())
    return (Trouble.SETUP if lasts else Trouble.CONNECTION), progress


def _in_handshake(exc: BaseException) -> bool:
    """Check whether the TLS handshake was in progress: OpenSSL reports a bad record after it in the same words."""
    link: BaseException | None = exc
    while link is not None:
        if any(frame.f_code.co_name == "do_handshake" for frame, _ in walk_tb(link.__traceback__)):
            return True
        link = link.__cause__ or link.__context__
    return False


@cache
def _exception_table() -> tuple[tuple[tuple[type[Exception], ...], Trouble, Progress | None], ...]:
    """Return the trouble of each exception, and whether it proves that nothing was sent; the first match counts."""
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
    # Subclasses first: EndpointConnectionError is a ConnectionError, and ReadTimeoutError an HTTPClientError, too.
    # urllib3's own timeout comes from event streams, whose reads botocore does not wrap.
    return (
        (credentials, Trouble.CREDENTIALS, Progress.NOTHING_SENT),
        ((b.ParamValidationError,), Trouble.REQUEST, Progress.NOTHING_SENT),
        ((b.EndpointConnectionError, b.ConnectTimeoutError), Trouble.CONNECTION, Progress.NOTHING_SENT),
        ((b.ReadTimeoutError, BodyTimeoutError), Trouble.TIMEOUT, None),
        ((b.HTTPClientError, b.ConnectionError), Trouble.CONNECTION, None),
        (setup, Trouble.SETUP, Progress.NOTHING_SENT),
    )


@cache
def _network_errors() -> tuple[type[Exception], ...]:
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    return (OSError, HTTPError, HTTPException)


def _ssl_error() -> type[Exception]:
    from botocore.exceptions import SSLError

    return SSLError


def _message(exc: Exception, trouble: Trouble) -> str:
    from botocore import exceptions as b

    if isinstance(exc, b.NoRegionError):
        return "no AWS region: set AWS_REGION, pass region= to the client or transport, or address the function by ARN"
    kind = type(exc).__name__
    if trouble is Trouble.SETUP and isinstance(exc, b.BotoCoreError):
        from lambdachain._core.redaction import redact_passwords

        return redact_passwords(f"{kind}: {exc}")
    url = exc.kwargs.get("endpoint_url") if isinstance(exc, b.EndpointConnectionError | b.ConnectTimeoutError) else None
    if isinstance(url, str):
        from lambdachain._transports.endpoint_check import describe_failed_connect

        return describe_failed_connect(url, kind)
    if trouble is Trouble.SETUP:
        return f"cannot create the request ({kind}): check the region, the endpoint and the options"
    return f"{_MESSAGES.get(trouble, 'the connection failed')} ({kind})"


def _unwrap(exc: Exception) -> Exception:
    """Return what botocore has wrapped: any exception in its HTTP client without a class of its own."""
    from botocore.exceptions import HTTPClientError

    inner: Any = exc.kwargs.get("error") if type(exc) is HTTPClientError else None
    return inner if isinstance(inner, Exception) else exc


def _find_interruption(exc: BaseException) -> BaseException | None:
    """Return an exception of a signal handler that an SDK caught and wrapped, as they do with any ``OSError``.

    It is the innermost one: urllib3 raises its own exceptions with the traceback of what it wraps.
    """
    found: BaseException | None = None
    link: BaseException | None = exc
    while link is not None:
        if raised_by_signal_handler(link):
            found = link
        link = link.__cause__ or link.__context__
        catcher = next(get_frames(link), None) if link is not None else None
        if catcher is None or not is_sdk(str(catcher.f_globals.get("__name__"))):
            break  # the exceptions from here on were handled before this request began
    return found


def _is_stub_error(exc: Exception) -> bool:
    from botocore.exceptions import StubResponseError

    return isinstance(exc, StubResponseError)


def _raised_by_event_handler(exc: Exception) -> bool:
    """Check whether *exc* comes from an event handler that is neither botocore's nor ours."""
    called = False
    for frame in get_frames(exc):
        module = str(frame.f_globals.get("__name__"))
        if called and not is_sdk(module):
            return module.partition(".")[0] != "lambdachain"
        called = module in _EVENT_CODE or (called and module == "aiobotocore._helpers")
    return False


def _is_credentials_frame(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") in _CREDENTIALS_CODE or frame.f_code.co_name in _READS_CREDENTIALS


def _is_raised_by_provider(exc: Exception) -> bool:
    """Check whether *exc* comes from what a user has set in place of a session's or a client's credentials."""
    modules = [str(frame.f_globals.get("__name__")) for frame in get_frames(exc)]
    return any(
        caller in _ASKS_FOR_CREDENTIALS and not is_sdk(called) and called.partition(".")[0] != "lambdachain"
        for caller, called in pairwise(modules)
    )


def _is_credentials_file(exc: Exception) -> bool:
    """Check whether *exc* is about the credentials file, which botocore parses together with the configuration."""
    from botocore.exceptions import ConfigParseError

    if not isinstance(exc, ConfigParseError):
        return False
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return Path(str(exc.kwargs.get("path"))) == Path(os.path.expandvars(file)).expanduser()


def _find_provider(exc: Exception) -> str | None:
    """Return botocore's name for the provider of the credentials that *exc* is about, such as ``custom-process``."""
    names = [
        getattr(frame.f_locals.get("self"), name, None)
        for frame in get_frames(exc)
        if frame.f_globals.get("__name__") in _CREDENTIALS_CODE
        for name in ("METHOD", "method")
    ]
    return next((name for name in reversed(names) if isinstance(name, str)), None)


def may_quote(exc: Exception) -> bool:
    """Check whether the text or traceback of *exc* may show a process's output, a header's value or a password."""
    from botocore.exceptions import CredentialRetrievalError

    from lambdachain._core.redaction import redact_passwords

    return isinstance(exc, CredentialRetrievalError | ValueError) or str(exc) != redact_passwords(str(exc))
