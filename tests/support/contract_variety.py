"""Contracts of many kinds of types, for the tests that write a contract as something else and read it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID

from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FutureDatetime,
    HttpUrl,
    NaiveDatetime,
    NonNegativeInt,
    PastDate,
    PlainSerializer,
    PositiveInt,
    RootModel,
    SecretStr,
    StringConstraints,
    computed_field,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from lambdachain import Contract, RemoteError

T = TypeVar("T")


class Color(StrEnum):
    red = "red"
    blue = "blue"


class Level(IntEnum):
    low = 1
    high = 2


class Mixed(Enum):
    text = "text"
    number = 2


class Address(BaseModel):
    """Where to send it."""

    street: str = Field(min_length=1, max_length=80, description="Street and number.")
    postcode: Annotated[str, StringConstraints(pattern=r"^\d{5}$")]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    name: str
    children: list[Tree] = []
    parent: Tree | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = None


class Scalars(BaseModel):
    r"""Every scalar; "quoted", with a \d backslash and */ a comment's end."""

    model_config = ConfigDict(extra="forbid")

    integer: int
    number: float
    flag: bool
    text: str
    nothing: None = None
    identifier: UUID
    raw: bytes
    address: IPv4Address
    path: Path
    anything: Any
    literal: Literal["a", 1] | None
    one: Literal["one"] = "one"


class Constrained(BaseModel):
    positive: PositiveInt
    natural: NonNegativeInt = 0
    even: Annotated[int, Field(ge=2, lt=100, multiple_of=2)]
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    code: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=8)]
    short: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=3)]
    strict: Annotated[int, Field(strict=True, gt=0)]
    loose: Annotated[str, Field(coerce_numbers_to_str=True)]


class Money(BaseModel):
    amount: Decimal
    fee: Decimal = Decimal("1.50")
    tip: Decimal | None = None
    price: Annotated[Decimal, Field(gt=0, max_digits=8, decimal_places=2)]
    shares: list[Decimal] = []
    by_name: dict[str, Decimal]
    ratio: Fraction
    either: Decimal | bool


class Moments(BaseModel):
    date: date
    time: time
    datetime: datetime
    duration: timedelta = timedelta(minutes=5)
    aware: AwareDatetime
    naive: NaiveDatetime | None = None
    past: PastDate
    future: FutureDatetime
    since: Annotated[datetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC))] = datetime(2021, 1, 1, tzinfo=UTC)
    day: date = date(2020, 1, 1)
    length: Annotated[timedelta, Field(le=timedelta(hours=1))]


class Collections(BaseModel):
    numbers: list[int] = [1, 2]
    unique: set[str] = {"a"}
    frozen: frozenset[int] = frozenset()
    pair: tuple[int, str] = (1, "a")
    many: tuple[int, ...] = ()
    by_name: dict[str, Address] = {}
    by_number: dict[int, list[Address]] = {}
    by_color: dict[Color, int] = {}
    by_level: dict[Level, int]
    by_day: dict[date, Decimal]
    nested: list[dict[str, list[Pet]]] = []
    optional: list[Address | None]
    maybe: list[int] | None = None
    free: dict[str, Any] = {}


class Choices(BaseModel):
    color: Color = Color.red
    level: Level
    second: Level = Level.high
    mixed: Mixed = Mixed.number
    several: list[Color] = [Color.blue]
    pet: Pet
    pets: list[Pet] = []
    either: int | str | None = 3
    address: Address | int
    preset: Address = Address(street="A 1", postcode="12345")


class Names(BaseModel):
    camel: str = Field(alias="camelCase")
    dashed: int = Field(alias="da-shed")
    keyword: str = Field(alias="class")
    underscored: int | None = Field(default=None, alias="_private")
    copied: int = Field(alias="copy")
    digit: int = Field(1, alias="1st")
    schema_: str = Field("x", alias="schema")


class Field_(BaseModel):  # noqa: N801 - its title is that of pydantic's function
    model_config = ConfigDict(title="Field")
    value: int


class Imported(BaseModel):
    model_config = ConfigDict(title="Decimal")
    value: Decimal
    field: Field_


class Absent(BaseModel):
    names: list[str] = Field(default_factory=list)
    address: Address = Field(default_factory=lambda: Address(street="A", postcode="12345"))
    maybe: int | None = Field(default_factory=lambda: 3)
    stamped: datetime = Field(default_factory=lambda: datetime(2020, 1, 1, tzinfo=UTC))


class Typed(TypedDict):
    name: str
    age: NotRequired[int]
    note: NotRequired[str | None]


@dataclass
class Plain:
    name: str
    tags: list[str] = field(default_factory=list)
    size: int = 3


@pydantic_dataclass
class Checked:
    name: str
    inner: Plain


class Point(NamedTuple):
    x: int
    y: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Numbers(RootModel[dict[str, int]]):
    pass


class Links(BaseModel):
    site: HttpUrl
    any: AnyUrl
    maybe: HttpUrl | None = None


class Secrets(BaseModel):
    token: Annotated[
        SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json")
    ]


class Total(BaseModel):
    cents: int = 0
    again: Total | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def euros(self) -> float:
        return self.cents / 100


class Declined(RemoteError):
    """The bank has refused."""

    reason: str
    days: int = 3
    address: Address | None = None
    cost: Decimal
    color: Color = Color.red


class Locked(RemoteError):
    pass


class bad_Name(RemoteError):  # noqa: N801 - the name is sent as it is
    when: datetime


MODELS = [
    Scalars, Constrained, Money, Moments, Collections, Choices, Names, Imported, Absent, Tree, Page[Address], Page[int],
    Typed, Plain, Checked, Open, Numbers, Links, Secrets, Address,
]  # fmt: skip
ROOTS: dict[str, Any] = {
    "integer": int,
    "text": str,
    "flag": bool,
    "nothing": None,
    "any": Any,
    "decimal": Decimal,
    "moment": datetime,
    "list": list[Address],
    "dict": dict[str, list[Cat]],
    "by_number": dict[int, Address],
    "maybe": Address | None,
    "union": Pet,
    "either": Cat | Dog | int,
    "literal": Literal["a", "b"],
    "constrained": Annotated[int, Field(gt=0)],
    "tuple": tuple[int, Address],
    "point": Point,
    "enum": Color,
    "identifier": UUID,
}

CONTRACTS: dict[str, Contract[Any, Any]] = {
    **{model.__name__: Contract("takes-it", request=model, response=model) for model in MODELS},
    **{f"root {name}": Contract("takes-it", request=kind, response=kind) for name, kind in ROOTS.items()},
    "computed": Contract("total", request=int, response=Total),
    "errors": Contract("pay", request=Address, response=Money, errors=[Declined, Locked, bad_Name]),
    "options": Contract(
        "arn:aws:lambda:eu-west-1:123456789012:function:pay-Card_2:live",
        request=Address,
        response=Address,
        errors=[Locked],
        idempotent=True,
        envelope=True,
        description='Pay "by" card.\nTwice? */ No.',
    ),
}
