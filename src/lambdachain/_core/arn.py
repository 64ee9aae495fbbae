"""Function names, ARNs and qualifiers, as Lambda's Invoke accepts them: parsed, validated and composed.

Patterns and lengths are those of botocore's service model for ``Invoke`` (``NamespacedFunctionName``, ``Qualifier``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final, NoReturn, Self

from .errors import InvalidArnError
from .lean_dataclass import dataclass

MAX_TARGET_LENGTH: Final = 256
MAX_NAME_LENGTH: Final = 64
MAX_QUALIFIER_LENGTH: Final = 128

# Not compiled here: most programs address functions by name, and need few of these.
_PARTITION: Final = r"aws[a-zA-Z-]*"
_REGION: Final = r"(eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9]"
_ACCOUNT: Final = r"[0-9]{12}"
_NAME: Final = r"[a-zA-Z0-9_.-]+"
_QUALIFIER: Final = r"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9_-]+"
_VERSION: Final = r"[0-9]+"

# Invoke reads "function:live" as the function "live": with a qualifier, a function of such a name needs "function:"
# before it.
_READ_AS_PREFIX: Final = rf"arn|function|{_REGION}|{_ACCOUNT}"

_PARTITION_OF_REGION: Final = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)


class Qualifier(str):
    """A version or an alias of a function: the part after the last colon of its address.

    It is a validated ``str``; a plain string is accepted wherever a qualifier is.

    >>> Qualifier.version(3), Qualifier.alias("live"), Qualifier.latest()
    (Qualifier('3'), Qualifier('live'), Qualifier('$LATEST'))
    >>> Qualifier.parse("live") == "live"
    True

    Raises:
        InvalidArnError: The string is longer than 128 characters or has a character that Lambda rejects.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Validate *text*, and keep it unchanged."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - qualifier=3 is the usual slip
            raise InvalidArnError(
                f"qualifier must be text, not {type(text).__name__}; for a version, use Qualifier.version(3)"
            )
        if not re.fullmatch(_QUALIFIER, text):
            _raise_invalid("qualifier", text, "a version number, $LATEST, or an alias of letters, digits, '-' and '_'")
        if len(text) > MAX_QUALIFIER_LENGTH:
            _raise_invalid("qualifier", text, f"at most {MAX_QUALIFIER_LENGTH} characters (it has {len(text)})")
        # str(text) of a member of class Stage(str, Enum) is "Stage.LIVE".
        return super().__new__(cls, str.__str__(text))

    @classmethod
    def latest(cls) -> Self:
        """Return the unpublished version, ``$LATEST``."""
        return cls("$LATEST")

    @classmethod
    def latest_published(cls) -> Self:
        """Return the newest published version of a function on managed instances, ``$LATEST.PUBLISHED``."""
        return cls("$LATEST.PUBLISHED")

    @classmethod
    def version(cls, number: int) -> Self:
        """Return a published version; *number* counts from 1."""
        if type(number) is not int or number < 1:
            _raise_invalid("version", number, "an integer from 1")
        return cls(str(number))

    @classmethod
    def alias(cls, name: str) -> Self:
        """Return an alias; Lambda rejects one of digits only, because that is a version."""
        alias = cls(name)
        if not alias.is_alias:
            _raise_invalid("alias", name, "letters, digits, '-' and '_', but not only digits")
        return alias

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a version number, an alias, ``$LATEST`` or ``$LATEST.PUBLISHED``."""
        return cls(text)

    @property
    def is_version(self) -> bool:
        """Whether this is the number of a published version."""
        return re.fullmatch(_VERSION, self) is not None

    @property
    def is_alias(self) -> bool:
        """Whether this is an alias: neither a version nor ``$LATEST``."""
        return not self.is_version and not self.startswith("$")

    def __repr__(self) -> str:
        return f"Qualifier({str(self)!r})"


@dataclass(frozen=True)
class FunctionName:
    """A function named without a full ARN: ``orders``, ``orders:live`` or ``123456789012:function:orders``.

    Lambda completes it with the caller's own partition, region and (without *account_id*) account.

    Raises:
        InvalidArnError: Lambda would reject a part; the message names it.
    """

    name: str
    qualifier: str | None = None
    account_id: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        _check_parts(self)

    @property
    def partition(self) -> None:
        """Always ``None``: only a full ARN has a partition."""
        return None

    def with_qualifier(self, qualifier: str) -> FunctionName:
        """Return the same function at *qualifier*."""
        return replace(self, qualifier=Qualifier(qualifier))

    def without_qualifier(self) -> FunctionName:
        """Return the same function without a qualifier."""
        return self if self.qualifier is None else replace(self, qualifier=None)

    def __str__(self) -> str:
        is_partial = (
            self.account_id or self.region or (self.qualifier is not None and re.fullmatch(_READ_AS_PREFIX, self.name))
        )
        parts = (self.region, self.account_id, "function" if is_partial else None)
        return ":".join(part for part in (*parts, self.name, self.qualifier) if part is not None)


@dataclass(frozen=True)
class FunctionArn:
    """The full address of a function, or of one of its versions or aliases.

    >>> arn = FunctionArn.parse("arn:aws:lambda:eu-west-1:123456789012:function:orders")
    >>> str(arn.with_qualifier("live"))
    'arn:aws:lambda:eu-west-1:123456789012:function:orders:live'

    Raises:
        InvalidArnError: Lambda would reject a part; the message names it.
    """

    partition: str
    region: str
    account_id: str
    name: str
    qualifier: str | None = None

    def __post_init__(self) -> None:
        if not _matches(self.partition, _PARTITION):
            _raise_invalid("partition", self.partition, "'aws', 'aws-cn', 'aws-us-gov' or another AWS partition")
        _check_parts(self)
        _check_text(str(self))

    @classmethod
    def parse(cls, text: str) -> FunctionArn:
        """Parse a full ARN; ``str()`` of the result is *text* again."""
        _check_text(text)
        parts = text.split(":")
        if parts[0] != "arn":
            _raise_invalid("ARN", text, "arn:<partition>:lambda:<region>:<account id>:function:<name>[:<qualifier>]")
        if len(parts) not in (7, 8):
            _raise_invalid("ARN", text, f"7 or 8 parts between colons (it has {len(parts)})")
        _, partition, service, region, account_id, kind, name, *qualifier = parts
        if service != "lambda":
            _raise_invalid("service", service, "'lambda'", text)
        if kind != "function":
            _raise_invalid("resource type", kind, "'function'", text)
        return cls(partition, region, account_id, name, qualifier[0] if qualifier else None)

    @classmethod
    def build(
        cls,
        name: str,
        *,
        region: str,
        account_id: str,
        qualifier: str | None = None,
        partition: str | None = None,
    ) -> FunctionArn:
        """Compose an ARN; *partition* defaults to the one that *region* belongs to.

        >>> str(FunctionArn.build("orders", region="cn-north-1", account_id="123456789012"))
        'arn:aws-cn:lambda:cn-north-1:123456789012:function:orders'
        """
        return cls(partition or partition_for(str(region)), region, account_id, name, qualifier)

    @property
    def qualified(self) -> bool:
        """Whether the ARN names a version or an alias."""
        return self.qualifier is not None

    def with_qualifier(self, qualifier: str) -> FunctionArn:
        """Return the same function at *qualifier*."""
        return replace(self, qualifier=Qualifier(qualifier))

    def without_qualifier(self) -> FunctionArn:
        """Return the same function without a qualifier."""
        return self if self.qualifier is None else replace(self, qualifier=None)

    def __str__(self) -> str:
        arn = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{self.name}"
        return arn if self.qualifier is None else f"{arn}:{self.qualifier!s}"


# Every form of a function's address.
Address = str | FunctionArn | FunctionName


def get_function_name(address: str) -> str:
    """Return the name in an address: without region, account and qualifier, it has few different values.

    >>> get_function_name("arn:aws:lambda:eu-west-1:123456789012:function:billing-charge:live")
    'billing-charge'
    >>> get_function_name("billing-charge:live")
    'billing-charge'
    """
    try:
        return parse_target(address).name
    except InvalidArnError:
        return address


def parse_target(text: str) -> FunctionArn | FunctionName:
    """Parse any form of function that Invoke accepts: a name, a partial ARN or an ARN, with or without qualifier.

    >>> parse_target("orders:live")
    FunctionName(name='orders', qualifier='live', account_id=None, region=None)
    >>> parse_target("123456789012:function:orders").account_id
    '123456789012'

    Raises:
        InvalidArnError: Lambda would reject *text*; the message names the invalid part.
    """
    _check_text(text)
    return _parse_cached(text)


# Cached: every call parses its address, and a program has few. The length is checked before, so no key is huge.
@lru_cache(maxsize=1024)
def _parse_cached(text: str) -> FunctionArn | FunctionName:
    return FunctionArn.parse(text) if text.startswith("arn:") else _parse_name(text)


def _parse_name(text: str) -> FunctionName:
    parts = text.split(":")
    # Only in front of another part: "123456789012" alone is a function's name.
    region = parts.pop(0) if len(parts) > 1 and re.fullmatch(_REGION, parts[0]) else None
    account_id = parts.pop(0) if len(parts) > 1 and re.fullmatch(_ACCOUNT, parts[0]) else None
    if len(parts) > 1 and parts[0] == "function":
        parts.pop(0)
    if len(parts) > 2:
        _raise_invalid("function", text, "a name, <account id>:function:<name> or an ARN, and at most one qualifier")
    return FunctionName(parts[0], parts[1] if len(parts) == 2 else None, account_id, region)


def partition_for(region: str) -> str:
    """Return the partition that *region* belongs to (``aws`` for every commercial region)."""
    return next((partition for prefix, partition in _PARTITION_OF_REGION if region.startswith(prefix)), "aws")


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise InvalidArnError(f"a function must be text, a FunctionArn or a Contract, not {type(text).__name__}")
    if len(text) > MAX_TARGET_LENGTH:
        _raise_invalid("function", text, f"at most {MAX_TARGET_LENGTH} characters (it has {len(text)})")


def _check_parts(target: FunctionArn | FunctionName) -> None:
    full = isinstance(target, FunctionArn)
    if (full or target.region is not None) and not _matches(target.region, _REGION):
        _raise_invalid("region", target.region, "a region such as 'eu-west-1'")
    if (full or target.account_id is not None) and not _matches(target.account_id, _ACCOUNT):
        _raise_invalid("account id", target.account_id, "text of 12 digits")
    if not _matches(target.name, _NAME):
        _raise_invalid("function name", target.name, "letters, digits, '-', '_' and '.'")
    if len(target.name) > MAX_NAME_LENGTH:
        _raise_invalid(
            "function name", target.name, f"at most {MAX_NAME_LENGTH} characters (it has {len(target.name)})"
        )
    if target.qualifier is not None:
        Qualifier(target.qualifier)


def _matches(part: object, pattern: str) -> bool:
    return isinstance(part, str) and re.fullmatch(pattern, part) is not None


def _raise_invalid(part: str, found: object, wanted: str, whole: str | None = None) -> NoReturn:
    shown = f"{found[:80]}..." if isinstance(found, str) and len(found) > 80 else found
    where = f" in {whole!r}" if whole else ""
    raise InvalidArnError(f"invalid {part} {shown!r}{where}: expected {wanted}")


FunctionArn.__module__ = "lambdachain"
FunctionName.__module__ = "lambdachain"
Qualifier.__module__ = "lambdachain"
parse_target.__module__ = "lambdachain"
