"""What all calls of one target with the same options have in common: validated, and worked out once."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from lambdachain._core.invocation import InvocationType
from lambdachain._json.codec import Codec, codec_for

from .options import (
    CallOptions,
    to_seconds,
    validate_client_context,
    validate_idempotency_key,
    validate_name,
    wants_log_tail,
)
from .retry import RetryPolicy
from .retry_budget import TokenBucket, bucket_for
from .target import Target

_DEFAULT_POLICY: Final = RetryPolicy()


class CompiledCall(NamedTuple):
    """A target and the options of its calls, validated for one way to invoke it.

    Attributes:
        target: The contract and the address.
        kind: How the function is invoked.
        address: The function with its qualifier, as errors name it.
        request_codec: Encodes the payload.
        response_codec: Decodes the response.
        policy: When a call may be retried.
        bucket: The function's budget for retries; ``None`` for no limit.
        hedge_after: Seconds without a response after which a duplicate is sent; ``None`` for never.
        timeout: Seconds for a whole call; ``None`` for as long as a function may run.
        idempotency_key: The same for every attempt of a call; ``None`` without one.
        custom: The user's own texts for the ClientContext.
        repeatable: Whether the function may run twice: by the contract, or by an option of the call.
        log_tail: Whether to request the end of the function's log.
        tenant_id: The tenant, for a function with tenant isolation.
        durable_name: Lambda's own deduplication, for durable functions.
    """

    target: Target
    kind: InvocationType
    address: str
    request_codec: Codec
    response_codec: Codec
    policy: RetryPolicy
    bucket: TokenBucket | None
    hedge_after: float | None
    timeout: float | None
    idempotency_key: str | None
    custom: Mapping[str, str]
    repeatable: bool
    log_tail: bool
    tenant_id: str | None
    durable_name: str | None

    def within(self, seconds: float) -> Self:
        """Return the call for one that ends in *seconds* at the latest."""
        return self._replace(timeout=seconds if self.timeout is None else min(seconds, self.timeout))


def compile_call(target: Target, kind: InvocationType, options: CallOptions) -> CompiledCall:
    """Validate the options of a target's calls.

    Args:
        target: The contract and the address.
        kind: How the function is invoked.
        options: The options, with the defaults of the client.

    Raises:
        InvalidRequestError: Lambda does not accept an option.
        DeadlineExceededError: The timeout leaves no time.
    """
    contract, address = target.contract, target.address
    key = validate_idempotency_key(options.get("idempotency_key"), kind, contract.envelope, address)
    durable_name = validate_name("durable_name", options.get("durable_name"), address)
    policy = options.get("retry") or _DEFAULT_POLICY
    repeatable = contract.idempotent or key is not None or durable_name is not None
    return CompiledCall(
        target=target,
        kind=kind,
        address=address,
        request_codec=codec_for(contract.request),
        response_codec=codec_for(contract.response),
        policy=policy,
        bucket=bucket_for(policy.budget, address) if policy.budget else None,
        hedge_after=policy.hedge_after if repeatable and kind is InvocationType.REQUEST_RESPONSE else None,
        timeout=to_seconds(options.get("timeout"), address),
        idempotency_key=key,
        custom=validate_client_context(options.get("client_context"), kind, address),
        repeatable=repeatable,
        log_tail=wants_log_tail(options.get("log_tail", False), kind, address),
        tenant_id=validate_name("tenant_id", options.get("tenant_id"), address),
        durable_name=durable_name,
    )


class BoundTarget:
    """A target with the options of its calls; compiled at the first call, inside the interceptors of that."""

    __slots__ = ("_compiled", "options", "target")

    def __init__(self, target: Target, options: CallOptions) -> None:
        self.target = target
        self.options = options
        self._compiled: dict[InvocationType, CompiledCall] = {}

    def compile(self, kind: InvocationType) -> CompiledCall:
        """Return the compiled call of one way to invoke the target; see ``compile_call``."""
        compiled = self._compiled.get(kind)
        if compiled is None:
            compiled = compile_call(self.target, kind, self.options)
            # A mapping may change until the next call, and is validated for each.
            if self.options.get("client_context") is None:
                self._compiled[kind] = compiled
        return compiled

    def __reduce__(self) -> tuple[object, ...]:
        return BoundTarget, (self.target, self.options)
