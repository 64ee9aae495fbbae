"""What a stub can say of a function that streams its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Outcome
from lambdachain._lambda_api.responses import Answer
from lambdachain._transports.streaming import ResponseStream, StreamEnd, WholeAnswer

from ._received_requests import Received
from ._scripted_errors import failing
from ._scripted_responses import Reply, ended


@dataclass(frozen=True, slots=True)
class PiecewiseAnswer(Answer):
    """An answer that a stream gives in *pieces*; a call gets it as a whole."""

    pieces: tuple[bytes, ...] = ()


def streaming(contract: Contract[Any, Any], pieces: Sequence[bytes | str | Exception]) -> Reply:
    """Answer with *pieces*; the last one may be what the function fails with after the others.

    Raises:
        ContractError: A piece is none, or the function cannot fail so.
        StubError: A domain error is not declared by the contract.
    """
    sent = tuple(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
    failure = sent[-1] if sent and isinstance(sent[-1], Exception) else None
    data = tuple(piece for piece in sent if isinstance(piece, bytes))
    if len(data) + (failure is not None) != len(sent):
        raise ContractError("streams() takes bytes and texts, and at the end, perhaps, what the function fails with")
    fails = None if failure is None else _failing(contract, failure)

    def reply(received: Received, request: Any) -> Answer:
        whole = ended(received, b"".join(data)) if fails is None else fails(received, request)
        return PiecewiseAnswer(whole.status, whole.body, whole.headers, data)

    return reply


def _failing(contract: Contract[Any, Any], error: Exception) -> Reply:
    fails, in_function = failing(contract, error)
    if not in_function:
        raise ContractError(f"streams(): {type(error).__name__} is not what a function fails with; see raises()")
    return fails


def stream_of(answer: Answer, outcome: Outcome) -> ResponseStream:
    """Return an answer as a stream does."""
    return ScriptedStream(answer, outcome) if isinstance(answer, PiecewiseAnswer) else WholeAnswer(outcome)


class ScriptedStream:
    """A stream that plays its pieces; see ``ResponseStream``."""

    def __init__(self, answer: PiecewiseAnswer, outcome: Outcome) -> None:
        self.outcome = replace(outcome, function_error=None, payload=b"")
        said = outcome.payload.decode() if outcome.function_error else None
        end = StreamEnd(outcome.function_error, said, outcome.log_result)
        pieces: tuple[bytes | StreamEnd, ...] = (*answer.pieces, end)
        self._pieces = iter(pieces)

    def read(self) -> bytes | StreamEnd:
        """Return the next piece, or the end."""
        return next(self._pieces)

    def close(self) -> None:
        """No-op: there is no connection."""
