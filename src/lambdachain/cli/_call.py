"""``lambdachain call``, ``fire`` and ``can-invoke``: one function, once."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from ._exit_status import ExitStatus, echo, exit_status_for, format_call_error, print_error
from ._help import CommandWithExamples
from ._shell_completion import complete_payload
from ._target_options import AS_JSON, CONTEXT, TARGET, TargetOptions, target_options

if TYPE_CHECKING:
    from lambdachain._core.errors import CallError

# Appended to "interrupted" when Ctrl-C is pressed after the request may have left.
_MAY_HAVE_RUN: Final = ": the function may have run"
_MAY_BE_QUEUED: Final = ": the event may be queued"
_PAYLOAD: Final = click.argument(
    "payload", required=False, metavar="[JSON | @FILE | -]", shell_complete=complete_payload
)
_KEY: Final = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Key by which the function detects duplicates; a call that may have run is then retried.",
)


@click.command(
    "call",
    cls=CommandWithExamples,
    examples=[
        'lambdachain call billing-charge \'{"order_id": "o-1", "cents": 500}\'',
        "lambdachain call billing-charge:live @order.json --logs",
        "lambdachain call billing_contracts:charge @order.json --timeout 5",
        "jq .order event.json | lambdachain call billing-charge --json",
    ],
)
@TARGET
@_PAYLOAD
@click.option("--logs", is_flag=True, help="Print the last 4 KB of the function's log to standard error.")
@AS_JSON
@target_options
@_KEY
@click.option("--durable-name", metavar="NAME", help="Execution name for a durable function; each name runs once.")
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
    **options: Any,
) -> None:
    """Invoke a function and print its response.

    TARGET is a function name, an ARN or module:contract. With a contract, the payload and the response are validated
    against its types. The payload is JSON in an argument, @FILE, or - for standard input.

    The response goes to standard output; version, duration and request id go to standard error.
    """
    from ._call_output import result_to_dict, summarize_result
    from ._json import encode_response, format_json, load_json

    settings = TargetOptions(**options)
    more = {"idempotency_key": idempotency_key, "durable_name": durable_name, "client_context": client_context}
    reporting = _invoking(
        settings, target, {**more, "log_tail": logs}, as_json=as_json, logs=logs, if_interrupted=_MAY_HAVE_RUN
    )
    with reporting as (invoker, bound, contract):
        request = _read_request(contract, payload, bound.target.address)
        result = invoker.invoke(bound, request)
        value = load_json(encode_response(contract, result.value, bound.target.address))
        if as_json:
            echo(format_json(result_to_dict(result, value)))
            return
        echo(format_json(value))
        echo(click.style(summarize_result(result), dim=True), file=sys.stderr)
        _print_log_tail(result.log_tail)


@click.command(
    "fire",
    cls=CommandWithExamples,
    examples=[
        'lambdachain fire receipts-mail \'{"charge_id": "c-1"}\'',
        "lambdachain fire receipts_contracts:mail @charge.json",
    ],
)
@TARGET
@_PAYLOAD
@AS_JSON
@target_options
@_KEY
def fire(*, target: str, payload: str | None, as_json: bool, idempotency_key: str | None, **options: Any) -> None:
    """Send an event to a function without waiting for it to run.

    TARGET and the payload are as for `lambdachain call`. Lambda queues the event, delivers it at least once, and
    retries it if the function fails. The request id, which identifies the event in logs and destinations, goes to
    standard output.
    """
    from ._call_output import receipt_to_dict, summarize_attempts
    from ._json import format_json

    settings = TargetOptions(**options)
    more = {"idempotency_key": idempotency_key}
    reporting = _invoking(settings, target, more, as_json=as_json, if_interrupted=_MAY_BE_QUEUED)
    with reporting as (invoker, bound, contract):
        request = _read_request(contract, payload, bound.target.address)
        receipt = invoker.fire(bound, request)
        if as_json:
            echo(format_json(receipt_to_dict(receipt)))
            return
        echo(receipt.request_id or "")
        echo(click.style(f"queued, {summarize_attempts(receipt.attempts)}", dim=True), file=sys.stderr)


@click.command(
    "can-invoke",
    cls=CommandWithExamples,
    examples=[
        "lambdachain can-invoke billing-charge:live",
        "lambdachain can-invoke billing_contracts:charge --profile orders && ./deploy.sh",
    ],
)
@TARGET
@AS_JSON
@target_options
def can_invoke(*, target: str, as_json: bool, **options: Any) -> None:
    """Check whether you may invoke a function, without running it.

    Lambda evaluates the permissions of a real request (invocation type DryRun). The exit status is 0 if it would be
    allowed and 1 if not; if there is no response, it is the status of that failure.
    """
    from ._call_output import permission_to_dict
    from ._exit_status import to_one_line
    from ._json import format_json

    settings = TargetOptions(**options)
    with _invoking(settings, target, {}, as_json=as_json) as (invoker, bound, _):
        permission = invoker.can_invoke(bound)
        reason = str(permission.reason)
        text = to_one_line(f"{reason}: {permission.message}") if permission.message else reason
        echo(format_json(permission_to_dict(permission)) if as_json else text)
        sys.exit(ExitStatus.DONE if permission else ExitStatus.NO)


@contextmanager
def _invoking(
    settings: TargetOptions,
    target: str,
    more: Mapping[str, Any],
    *,
    as_json: bool,
    logs: bool = False,
    if_interrupted: str = "",
) -> Generator[tuple[Any, Any, Any]]:
    """Yield an invoker, the bound target, and its contract, if it has one; report a failed call and exit.

    Args:
        settings: Where the target is, and how to reach it.
        target: The argument TARGET.
        more: Further options of the call.
        as_json: Whether to print a failure as a JSON object too.
        logs: Whether to print the log tail of a failure too.
        if_interrupted: What may have happened, appended to the message when Ctrl-C is pressed.
    """
    from lambdachain._core.errors import CallError, FunctionNotFoundError

    from ._target_argument import find_hint, parse_target_argument

    parsed = parse_target_argument(target)
    invoker = settings.create_invoker()
    try:
        yield invoker, settings.bind_target(invoker, parsed, **more), getattr(parsed, "contract", None)
    except CallError as exc:
        hint = find_hint(parsed, settings.function) if isinstance(exc, FunctionNotFoundError) else ""
        _print_failure(exc, hint, as_json=as_json, logs=logs)
        sys.exit(exit_status_for(exc))
    except KeyboardInterrupt:
        print_error(f"interrupted{if_interrupted}")
        sys.exit(ExitStatus.INTERRUPTED)
    finally:
        invoker.close()


def _read_request(contract: Any, payload: str | None, address: str) -> Any:
    from ._json import parse_json, parse_request, read_payload

    name, text = read_payload(payload)
    # Without a contract the JSON is sent as it is written: parsing it would round long numbers.
    return parse_json(name, text) if contract is None else parse_request(contract, name, text, address)


def _print_failure(error: CallError, hint: str, *, as_json: bool, logs: bool) -> None:
    from ._call_output import error_to_dict
    from ._json import format_json

    if as_json:
        echo(format_json({"error": error_to_dict(error)}))
    print_error(format_call_error(error) + hint)
    if logs and not as_json:
        _print_log_tail(getattr(error, "log_tail", None))


def _print_log_tail(tail: str | None) -> None:
    if tail:
        echo(tail.rstrip("\n"), file=sys.stderr)
