"""``lambdachain call``, ``fire`` and ``can-invoke``: one function, once."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from ._exit_status import Status, echo, in_a_line, status_of, tell_error
from ._help import Command
from ._target_options import AS_JSON, CONTEXT, TARGET, Connection, connection_options

if TYPE_CHECKING:
    from lambdachain._core.errors import CallError

# What may have come of it when Ctrl-C is pressed.
_RUN: Final = ": the function may have run"
_QUEUED: Final = ": the event may be queued"
_PAYLOAD: Final = click.argument("payload", required=False, metavar="[JSON | @FILE | -]")
_KEY: Final = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="What the callee tells repetitions by: with it, a call that may have run is sent again.",
)


@click.command(
    "call",
    cls=Command,
    examples=[
        'lambdachain call billing-charge \'{"order_id": "o-1", "cents": 500}\'',
        "lambdachain call billing-charge:live @order.json --logs",
        "lambdachain call billing_contracts:charge @order.json --timeout 5",
        "jq .order event.json | lambdachain call billing-charge --json",
    ],
)
@TARGET
@_PAYLOAD
@click.option("--logs", is_flag=True, help="Show the end of the function's log, on standard error.")
@AS_JSON
@connection_options
@_KEY
@click.option("--durable-name", metavar="NAME", help="For a durable function: one name runs once.")
@CONTEXT
def call(
    *,
    target: str,
    payload: str | None,
    logs: bool,
    as_json: bool,
    idempotency_key: str | None,
    durable_name: str | None,
    client_context: Mapping[str, str],
    **connection: Any,
) -> None:
    """Run a function and show its answer.

    TARGET is a function's name or ARN, or module:contract: then payload and answer are checked against its types.
    The answer goes to standard output, what Lambda said about it to standard error.
    """
    from ._call_output import facts, result_object
    from ._json import loaded, shown, written

    how = Connection(**connection)
    said = {"idempotency_key": idempotency_key, "durable_name": durable_name, "client_context": client_context}
    with _calling(how, target, as_json=as_json, logs=logs, left=_RUN) as (caller, callee, contract):
        options = how.options(**said, log_tail=logs)
        result = caller.invoke(callee, _read(contract, payload, callee.address), options)
        value = loaded(written(contract, result.value, callee.address))
        if as_json:
            echo(shown(result_object(result, value)))
            return
        echo(shown(value))
        echo(click.style(facts(result), dim=True), file=sys.stderr)
        _tell_log(result.log_tail)


@click.command(
    "fire",
    cls=Command,
    examples=[
        'lambdachain fire receipts-mail \'{"charge_id": "c-1"}\'',
        "lambdachain fire receipts_contracts:mail @charge.json",
    ],
)
@TARGET
@_PAYLOAD
@AS_JSON
@connection_options
@_KEY
def fire(*, target: str, payload: str | None, as_json: bool, idempotency_key: str | None, **connection: Any) -> None:
    """Queue an event for a function, and do not wait for it.

    Lambda delivers an event at least once, and again after a failure. The id of the request, by which logs and
    destinations know it, goes to standard output.
    """
    from ._call_output import attempts, receipt_object
    from ._json import shown

    how = Connection(**connection)
    with _calling(how, target, as_json=as_json, left=_QUEUED) as (caller, callee, contract):
        options = how.options(idempotency_key=idempotency_key)
        receipt = caller.fire(callee, _read(contract, payload, callee.address), options)
        if as_json:
            echo(shown(receipt_object(receipt)))
            return
        echo(receipt.request_id or "")
        echo(click.style(f"queued, {attempts(receipt.attempts)}", dim=True), file=sys.stderr)


@click.command(
    "can-invoke",
    cls=Command,
    examples=[
        "lambdachain can-invoke billing-charge:live",
        "lambdachain can-invoke billing_contracts:charge --profile orders && ./deploy.sh",
    ],
)
@TARGET
@AS_JSON
@connection_options
def can_invoke(*, target: str, as_json: bool, **connection: Any) -> None:
    """Ask whether a function may be invoked, without running it.

    The status is 0 for yes and 1 for no; where there is no answer, that of the failure.
    """
    from ._call_output import permission_object
    from ._exit_status import one_line
    from ._json import shown

    how = Connection(**connection)
    with _calling(how, target, as_json=as_json) as (caller, callee, _):
        permission = caller.can_invoke(callee, how.options())
        text = one_line(f"{permission.reason}: {permission.message}") if permission.message else str(permission.reason)
        echo(shown(permission_object(permission)) if as_json else text)
        sys.exit(Status.DONE if permission else Status.NO)


@contextmanager
def _calling(
    how: Connection, text: str, *, as_json: bool, logs: bool = False, left: str = ""
) -> Generator[tuple[Any, Any, Any]]:
    """Return a caller, what it calls, and its contract, if it has one; tell a failure of the call and exit.

    Args:
        how: Whom to call, and over what.
        text: The target.
        as_json: Whether a failure is told as an object, too.
        logs: Whether the end of the log is told, too.
        left: What may have happened when Ctrl-C is pressed.
    """
    from lambdachain._core.errors import CallError

    from ._target_argument import target_of

    target = target_of(text)
    caller = how.caller()
    try:
        yield caller, how.callee(caller, target), getattr(target, "contract", None)
    except CallError as exc:
        _tell_failure(exc, text, as_json=as_json, logs=logs)
        sys.exit(status_of(exc))
    except KeyboardInterrupt:
        tell_error(f"stopped{left}")
        sys.exit(Status.INTERRUPTED)
    finally:
        caller.close()


def _read(contract: Any, payload: str | None, address: str) -> Any:
    from ._json import given_text, parsed, typed

    name, text = given_text(payload)
    return parsed(name, text) if contract is None else typed(contract, name, text, address)


def _tell_failure(error: CallError, text: str, *, as_json: bool, logs: bool) -> None:
    from lambdachain._core.errors import FunctionNotFoundError

    from ._call_output import failure_object
    from ._json import shown
    from ._target_argument import hint_of

    if as_json:
        echo(shown({"error": failure_object(error)}))
    tell_error(in_a_line(error) + (hint_of(text) if isinstance(error, FunctionNotFoundError) else ""))
    if logs and not as_json:
        _tell_log(getattr(error, "log_tail", None))


def _tell_log(tail: str | None) -> None:
    if tail:
        echo(tail.rstrip("\n"), file=sys.stderr)
