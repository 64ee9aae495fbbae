"""How the calls of one client are sent: the options of ``compat.client``, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from lambdachain._calling.options import check_bound_options
from lambdachain._calling.retry import RetryPolicy
from lambdachain._core.arn import FunctionArn, FunctionName, parse_target
from lambdachain._core.errors import ContractError, InvalidArnError
from lambdachain._transports.argument_checks import describe_kind

OPERATIONS: Final = ("Invoke", "InvokeWithResponseStream", "InvokeAsync")
"""The operations that run a function."""
_Function = FunctionArn | FunctionName
_ATTRIBUTE: Final = "_lambdachain_settings"


class ProtectionOptions(TypedDict, total=False):
    """The options of ``compat.client``; see ``lambdachain.compat.upgrade``."""

    idempotent: Iterable[str]
    timeout: float | timedelta | None
    retry: RetryPolicy | None
    metadata: bool


class CallSettings(NamedTuple):
    """How the calls of one client are sent; see ``lambdachain.compat.upgrade``."""

    idempotent: frozenset[str] = frozenset()
    timeout: float | timedelta | None = None
    retry: RetryPolicy | None = None
    metadata: bool = True

    @classmethod
    def check(cls, service: object, /, **options: Unpack[ProtectionOptions]) -> CallSettings:
        """Check and return the settings.

        Raises:
            ContractError: One of them is not valid, or *service* is another one, whose client would ignore them.
        """
        timeout, retry = options.get("timeout"), options.get("retry")
        check_bound_options({"timeout": timeout, "retry": retry})
        if retry is not None and retry.hedge_after is not None:
            raise ContractError("RetryPolicy(hedge_after=...) is for LambdaClient: boto3's client sends no duplicates")
        names = _check_names(options.get("idempotent", ()))
        settings = cls(names, timeout, retry, options.get("metadata", True))
        if service != "lambda" and settings != cls():
            raise ContractError(
                f'idempotent, timeout, retry and metadata are for client("lambda"), not for {service!r}'
            )
        return settings

    def may_run_twice(self, function: str, qualifier: str | None = None) -> bool:
        """Check whether calls of *function*, a name or an ARN, may run it twice."""
        if not self.idempotent or function in self.idempotent:
            return bool(self.idempotent)
        try:
            called = parse_target(function)
        except InvalidArnError:  # Lambda, and not lambdachain, checks what is called
            return False
        return any(_includes(parse_target(one), called, called.qualifier or qualifier) for one in self.idempotent)


def _check_names(names: Any) -> frozenset[str]:
    given, kind = names, describe_kind(names)
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ContractError(f'idempotent must be the names of functions, such as {{"price"}}, not {kind}')
    found: frozenset[Any] = frozenset(given)
    for name in found:
        if not isinstance(name, str):
            raise ContractError(f"idempotent must be the names of functions, and contains {describe_kind(name)}")
        try:
            parse_target(name)
        except InvalidArnError as exc:
            raise ContractError(f"idempotent must be the names of functions: {exc}") from None
    return found


def _includes(listed: _Function, called: _Function, qualifier: str | None) -> bool:
    """Check whether a listed function is the one that is called; what the listed address leaves out may be anything."""
    pairs = [(listed.name, called.name), (listed.qualifier, qualifier)]
    pairs += [(listed.account_id, called.account_id), (listed.region, called.region)]
    return all(wanted in (None, found) for wanted, found in pairs)


def set_settings(client: Any, settings: CallSettings) -> None:
    """Keep the settings of a client, in the client."""
    vars(client)[_ATTRIBUTE] = settings


def settings_for(client: Any) -> CallSettings:
    """Return the settings of a protected client."""
    settings: CallSettings = getattr(client, _ATTRIBUTE)
    return settings


def policy_for(client: Any) -> RetryPolicy:
    """Return the retry policy of a client: its own, or the default with as many attempts as its configuration says."""
    own = settings_for(client).retry
    configured: Mapping[str, object] = client.meta.config.retries or {}
    attempts = configured.get("total_max_attempts")
    if own is not None or not isinstance(attempts, int) or attempts < 1:
        return own or RetryPolicy()
    return RetryPolicy(max_attempts=attempts)
