"""The attempts of one call, sent by botocore's client."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.response import StreamingBody

from lambdachain._calling.attempts import send_with_retries
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._core.errors import CallError, FunctionError
from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Trouble
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.boto.credential_renewal import get_signing_keys, is_refreshable, mark_expired
from lambdachain._transports.boto.errors import credentials_call_error, translate
from lambdachain._transports.boto.exchange import Exchange, find_progress, is_watched
from lambdachain._transports.boto.serialization import get_progress, get_request_id, read_client_error, read_response
from lambdachain._transports.foreign_exceptions import get_frames
from lambdachain._transports.invoke_response import EXPIRED_CREDENTIALS

from ._attempts import ACCEPTED, CURRENT_ATTEMPTS, Attempts, FinalError, accept
from ._errors import to_boto_error
from ._request_hooks import CurrentRequest
from ._settings import OPERATIONS
from ._streams import limit_stream

if TYPE_CHECKING:
    from types import FrameType


class BotoAttempts(Attempts):
    """The attempts of one call, which botocore sends in the place of its one request."""

    def __init__(self, client: Any, operation: str, call: PreparedCall) -> None:
        super().__init__()
        self._client = client
        self._operation = operation
        self._call = call
        self._send: Callable[[CurrentRequest], Any] = _send_nothing
        self._body = _Body(None)
        self._http: Any = None
        self._failure: CallError | None = None
        self._answer: Any = None

    def run(self, send: Callable[[], Any]) -> Any:
        """Return what *send*, botocore's own method, returns: its request is made by ``make_request``.

        Raises:
            Exception: botocore's exception, which is also a ``CallError``.
        """
        token = CURRENT_ATTEMPTS.set(self)
        try:
            return send()
        except Exception as exc:
            failure = self._failure
            if failure is None and not self.count:
                failure = self._classify(exc)
            elif not self._is_own(exc):
                raise  # by make_request(), or by an event handler after the request
            if failure is None:
                raise
            raised = to_boto_error(failure, exc, self._client, self._operation, retries=max(self.count - 1, 0))
            raise raised from raised.__cause__
        finally:
            CURRENT_ATTEMPTS.reset(token)

    def make_request(self, send: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
        """Make the request of the call, with its retries: return the HTTP response, and what botocore has read in it.

        Args:
            send: botocore's method, which sends a request once.
            request: botocore's request.
        """
        # What wraps botocore's method may call it again: that is another call.
        self.count, self._failure, self._answer = 0, None, None
        self._send = lambda current: send(current.add_to(request))
        self._body = _Body(request.get("body"))
        try:
            send_with_retries(self, self._call, (self.observe,))
        except FunctionError:
            pass  # the answer has it
        except FinalError as exc:
            return self._fail(exc.error)
        except CallError as error:
            return self._fail(error)
        self.count_retries(self.response)
        return self._http, self.response

    def _fail(self, error: CallError) -> Any:
        self._failure, cause = error, self.find_cause(error)
        if isinstance(cause, tuple):  # an error of the service, which botocore raises itself
            http, self._answer = cast("tuple[Any, Any]", cause)
            self.count_retries(self._answer)
            return http, self._answer
        raised = to_boto_error(error, cause, self._client, self._operation, retries=self.count - 1)
        raise raised from raised.__cause__

    def _is_own(self, exc: Exception) -> bool:
        """Check whether botocore has raised an exception for what ``make_request`` has returned."""
        return self._answer is not None and getattr(exc, "response", None) is self._answer

    def _classify(self, exc: Exception) -> CallError | None:
        """Return the error for an exception before the request: a stub's, a mock's or an event handler's."""

        def fail(_: CurrentRequest) -> NoReturn:
            raise exc

        self._send = fail
        try:
            send_with_retries(self, self._call, (self.observe,))
        except FinalError as final:
            return final.error
        except CallError as error:
            return error
        return None

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send the call once; see ``Transport.send``."""
        self.response = self._raised = None
        self._body.rewind()
        watched = Exchange(invocation.function, timeout)
        request = CurrentRequest(invocation.client_context, timeout)
        try:
            with watched.sending(), request.sending():
                outcome = self._request(watched, request)
        except NoAnswerError as exc:
            watched.abandon()
            watched.finish()
            raise watched.correct(exc) from exc.__cause__
        except BaseException:
            watched.abandon()
            watched.finish()
            raise
        finally:
            # A payload that cannot be read again cannot be sent again either.
            self.reached, self.may_repeat = request.reached, request.reached and self._body.is_repeatable
        if not limit_stream(self.response, watched, self._client):
            watched.finish()
        return outcome

    def _request(self, watched: Exchange, request: CurrentRequest) -> Outcome:
        kind = self._call.compiled.kind
        try:
            self._http, self.response = self._send(request)
        except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
            self._raised = exc
            return self._to_failure(exc, watched, request)
        if not request.reached or not is_mapping(self.response):
            return accept(kind, Outcome(0))
        if self._http.status_code >= 300:
            self._raised = (self._http, self.response)
            return self._expire_rejected_credentials(read_client_error(self.response), watched)
        over_network = watched.has_sent or not is_watched(self._client)
        outcome = read_response(self.response, self._read_payload(), over_network=over_network)
        if watched.expired and outcome.executed_version is None and outcome.status != ACCEPTED:
            raise NoAnswerError("timed out waiting for the response", trouble=Trouble.TIMEOUT)
        return accept(kind, outcome)

    def _to_failure(self, exc: Exception, watched: Exchange, request: CurrentRequest) -> Outcome:
        """Return the error of the service as an outcome.

        Raises:
            Exception: botocore rejected the parameters, or the exception is not botocore's: it passes unchanged.
            NoAnswerError: There is no response.
        """
        is_botocore_error = isinstance(exc, BotoCoreError | ClientError)
        # Before a request, what is not botocore's is a mock's or an event handler's.
        if isinstance(exc, ParamValidationError) or not (is_botocore_error or request.reached):
            raise exc
        # The code that signs a request reads its payload, too: not everything that it raises is about credentials.
        if self._body.is_file and not is_botocore_error and any(map(_is_payload_frame, get_frames(exc))):
            raise exc
        if not isinstance(exc, ClientError):
            failure = translate(exc, progress=find_progress(self._client, exc))
            raise failure from failure.__cause__
        # A mock may use any name for the operation.
        if request.reached and exc.operation_name not in OPERATIONS:
            raise credentials_call_error(exc)
        outcome = read_client_error(exc.response)
        return self._expire_rejected_credentials(outcome, watched)

    def _expire_rejected_credentials(self, outcome: Outcome, watched: Exchange) -> Outcome:
        credentials: Any = getattr(getattr(self._client, "_request_signer", None), "_credentials", None)
        if outcome.error_code not in EXPIRED_CREDENTIALS:
            return outcome
        refused = get_signing_keys(watched.headers)
        if is_refreshable(credentials):
            mark_expired(credentials, refused)
        return replace(outcome, refused_keys=refused and hash(refused))

    def _read_payload(self) -> bytes | None:
        """Read the body to its end, which returns the connection, and leave a copy of it for the caller to read."""
        body = self.response.get("Payload")
        if not isinstance(body, StreamingBody):
            return None if "EventStream" in self.response else b""
        try:
            data = body.read()
        except Exception as exc:  # noqa: BLE001
            self._raised = exc
            failure = translate(exc, progress=get_progress(self.response))
            failure.request_id = get_request_id(self.response)
            raise failure from failure.__cause__
        finally:
            body.close()
        self.response["Payload"] = StreamingBody(_ReadResponse(data), len(data))
        return data


def _send_nothing(_: CurrentRequest) -> NoReturn:
    raise NotImplementedError


def _is_payload_frame(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "botocore.auth" and frame.f_code.co_name == "payload"


class _ReadResponse(io.BytesIO):
    """A response that has been read; when it is closed, it has no more bytes, as urllib3's."""

    def close(self) -> None:
        self.seek(0, io.SEEK_END)


class _Body:
    """A payload. Each attempt reads a file from the same position."""

    def __init__(self, payload: Any) -> None:
        self.is_repeatable = True
        self.is_file = hasattr(payload, "read")
        self._file: Any = None
        if self.is_file:
            try:
                self._start, self._file = payload.tell(), payload
                payload.seek(self._start)
            except (AttributeError, OSError):  # a pipe
                self.is_repeatable = False

    def rewind(self) -> None:
        if self._file is not None and self.is_repeatable:
            self._file.seek(self._start)
