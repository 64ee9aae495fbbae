"""A contract: the name of a function, the types of its request and response, and the errors that it may raise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import field
from functools import lru_cache
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, overload

from lambdachain._core.arn import Address, FunctionArn, FunctionName, Qualifier, parse_target
from lambdachain._core.errors import ContractError
from lambdachain._core.lean_dataclass import dataclass
from lambdachain._json.codec import check_json_type, type_name

if TYPE_CHECKING:
    from typing_extensions import TypeForm, TypeIs

    from .contract_schema import ContractSchema
    from .remote_error import RemoteError
    from .s3_offload import S3Offload

Req = TypeVar("Req")
Resp = TypeVar("Resp")


class HasContract(ABC, Generic[Req, Resp]):
    """Base of what can be called by its contract: a ``Contract``, or a handler decorated with ``remote``."""

    @property
    @abstractmethod
    def contract(self) -> Contract[Req, Resp]:
        """The contract of the function."""


@dataclass(frozen=True, init=False, repr=False)
class Contract(HasContract[Req, Resp]):
    """What both sides of a call agree on. Caller and callee share it; it does nothing by itself.

    >>> from pydantic import BaseModel
    >>> class ChargeRequest(BaseModel):
    ...     order_id: str
    ...     cents: int
    >>> class ChargeResponse(BaseModel):
    ...     charge_id: str
    >>> Contract("billing-charge", request=ChargeRequest, response=ChargeResponse)
    Contract('billing-charge', ChargeRequest -> ChargeResponse)

    Attributes:
        function: The function's name, partial ARN or ARN, as text and without qualifier.
        request: The type of the payload: anything pydantic can handle.
        response: The type of the response.
        errors: The domain errors that the callee may raise. The caller catches them as the same classes.
        idempotent: Whether running the function twice for one call does no harm. If so, a call that may have run is
            ``retryable``.
        qualifier: The version or alias that is called; ``None`` for the unpublished version.
        offload: The S3 bucket that payloads too large for Lambda go through, an ``S3Offload`` that both sides have;
            ``None`` to reject such payloads.
        envelope: Whether ``fire`` sends events in an envelope that carries metadata, including the idempotency key.
            Only for callees whose handlers are made by ``remote``.
        description: What the function does, for people and for models that choose a tool; ``None`` if nothing is said.
            It is part of the schema, but not of equality: better wording does not make it another contract.

    Raises:
        ContractError: A type cannot be serialized as JSON, an error is not a subclass of ``RemoteError``, the
            description is not text or is blank, or the qualifier is passed twice.
        InvalidArnError: *function* or *qualifier* is not a name that Lambda accepts.
    """

    function: str
    request: Any
    response: Any
    errors: tuple[type[RemoteError], ...]
    idempotent: bool
    qualifier: str | None
    envelope: bool
    offload: S3Offload | None
    description: str | None = field(compare=False)

    @overload
    def __init__(
        self,
        function: Address,
        /,
        *,
        request: type[Req],
        response: type[Resp],
        errors: Sequence[type[RemoteError]] = (),
        idempotent: bool = False,
        qualifier: str | None = None,
        envelope: bool = False,
        offload: S3Offload | None = None,
        description: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Address,
        /,
        *,
        request: TypeForm[Req],
        response: TypeForm[Resp],
        errors: Sequence[type[RemoteError]] = (),
        idempotent: bool = False,
        qualifier: str | None = None,
        envelope: bool = False,
        offload: S3Offload | None = None,
        description: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        function: Address,
        /,
        *,
        request: Any,
        response: Any,
        errors: Sequence[type[RemoteError]] = (),
        idempotent: bool = False,
        qualifier: str | None = None,
        envelope: bool = False,
        offload: S3Offload | None = None,
        description: str | None = None,
    ) -> None:
        check_json_type(_check_type("request", request), "request")
        self._set_fields(
            function,
            request=request,
            response=response,
            errors=errors,
            idempotent=idempotent,
            qualifier=qualifier,
            envelope=envelope,
            offload=offload,
            description=description,
        )

    def _set_fields(
        self,
        function: Address,
        /,
        *,
        request: Any,
        response: Any,
        errors: Sequence[type[RemoteError]] = (),
        idempotent: bool = False,
        qualifier: str | None = None,
        envelope: bool = False,
        offload: S3Offload | None = None,
        description: str | None = None,
    ) -> None:
        _check_arguments(idempotent, envelope, offload, description)
        name, qualifier = split_qualifier(function, qualifier, ContractError)
        check_json_type(_check_type("response", response), "response")
        options = (idempotent, qualifier, envelope, offload, description)
        values = (name, request, response, _to_error_classes(errors), *options)
        # A generated __init__ could not have the overloads from which type checkers infer Req and Resp.
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def contract(self) -> Contract[Req, Resp]:
        """The contract itself."""
        return self

    def schema(self) -> ContractSchema:
        """Return the contract as JSON: for a file in your repository, and for callers in other languages.

        ``request``, ``response`` and ``errors`` are JSON Schemas of what the callee accepts and returns. Equal
        contracts have equal schemas, in every process, but for the description.
        ``lambdachain.testing.assert_compatible`` compares two.

        >>> double = Contract("orders-double", request=int, response=int)
        >>> schema = double.schema()
        >>> schema["function"], schema["request"]["type"]
        ('orders-double', 'integer')

        Raises:
            ContractError: A type refers to another that is not defined yet.
        """
        from .contract_schema import to_schema

        return to_schema(self)

    def __repr__(self) -> str:
        name = f"{self.function}:{self.qualifier}" if self.qualifier else self.function
        return f"Contract({name!r}, {type_name(self.request)} -> {type_name(self.response)})"


def has_contract(value: object) -> TypeIs[HasContract[Any, Any]]:
    """Check whether a value can be called by its contract; a handler of ``remote`` can also under other decorators."""
    if isinstance(value, HasContract):
        return True
    return isinstance(value, FunctionType) and isinstance(vars(value).get("contract"), Contract)


def make_readable_contract(function: Address, /, *, request: Any, response: Any, **options: Any) -> Contract[Any, Any]:
    """Make the contract of a handler, which reads requests: only a caller needs to serialize one.

    The models of events that AWS sends can be read, but not always written. A call through the contract raises the
    ``ContractError`` that a declaration would.

    Raises:
        ContractError: As ``Contract``, except that the request may have no JSON form.
    """
    # mypy and pyright infer different types.
    contract = cast("Contract[Any, Any]", object.__new__(Contract))  # type: ignore[redundant-cast]
    check_json_type(_check_type("request", request), "request", is_read_only=True)
    contract._set_fields(function, request=request, response=response, **options)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return contract


class PlainContract(Contract[Any, Any]):
    """The contract of a plain name or ARN, for which none was declared: it accepts any JSON."""


def split_qualifier(function: Address, qualifier: str | None, error: type[Exception]) -> tuple[str, str | None]:
    """Split an address into the function and its qualifier, which may be passed in it or separately, but not twice."""
    if qualifier is None and isinstance(function, str):
        return _split_text(function)
    target = function if isinstance(function, FunctionArn | FunctionName) else parse_target(function)
    if qualifier is None:
        return str(target.without_qualifier()), target.qualifier
    if target.qualifier is not None:
        raise error(f"{target} already has a qualifier, and qualifier={qualifier!r} is passed, too: remove one of them")
    return str(target), Qualifier(qualifier)


@lru_cache(maxsize=1024)
def _split_text(function: str) -> tuple[str, str | None]:
    target = parse_target(function)
    return str(target.without_qualifier()), target.qualifier


def _check_arguments(idempotent: Any, envelope: Any, offload: Any, description: Any) -> None:
    for name, value in (("idempotent", idempotent), ("envelope", envelope)):
        if not isinstance(value, bool):
            raise ContractError(f"{name} must be True or False, not {type(value).__name__}")
    # Not isinstance(): that would import S3Offload at every cold start.
    if offload is not None and (isinstance(offload, type) or not hasattr(offload, "reference_to")):
        kind = f"the class {offload.__name__}" if isinstance(offload, type) else type(offload).__name__
        raise ContractError(f'offload must be an S3Offload, such as S3Offload("bucket"), not {kind}')
    if description is None:
        return
    if not isinstance(description, str):
        raise ContractError(f"description must be text, not {type(description).__name__}")
    if not description.strip():
        raise ContractError("description must not be blank: describe what the function does, or leave it out")


# pydantic would accept these, or raise an error that shows their contents.
_VALUE_TYPES: Final = (dict, list, set, frozenset, tuple, bytes, bytearray, FunctionType, MethodType)


def _check_type(role: str, annotation: Any) -> Any:
    """Return an argument that is a type, and not a value such as an instance of a model."""
    kind = cast("Any", type(annotation))
    is_handler = has_contract(annotation) and not isinstance(annotation, Contract)
    if is_handler or kind in _VALUE_TYPES:
        raise ContractError(f"{role} must be a type, such as a pydantic model, not {kind.__name__}")
    if hasattr(kind, "__pydantic_validator__") or (
        hasattr(kind, "__dataclass_fields__") and kind.__module__ != "typing"
    ):
        name = kind.__name__
        raise ContractError(f"{role} must be a type, not an instance of {name}: {role}={name}")
    return annotation


def _class_name(value: object) -> str:
    return type(value).__name__


def _to_error_classes(errors: Any) -> tuple[type[RemoteError], ...]:
    if isinstance(errors, type):
        raise ContractError(f"errors must be a list of classes: errors=[{errors.__name__}]")
    if not isinstance(errors, Collection) or isinstance(errors, str | bytes):
        raise ContractError(f"errors must be a list of subclasses of RemoteError, not {type(errors).__name__}")
    if not errors:
        return ()
    from .remote_error import RemoteError

    classes: tuple[Any, ...] = tuple(errors)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for error in classes:
        if RemoteError not in getattr(error, "__mro__", ()):
            described = repr(error) if isinstance(error, type) else f"an instance of {_class_name(error)}"
            raise ContractError(f"errors: {described} is not a subclass of RemoteError")
    names = [error.__name__ for error in classes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ContractError(f"errors: two classes are named {twice.pop()}: names must differ, since only they are sent")
    return classes


Contract.__module__ = "lambdachain"
