"""A contract reads what it writes, writes every field of a value, and never writes a secret as asterisks."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    WrapSerializer,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
    model_validator,
)
from typing_extensions import TypedDict

from lambdachain import (
    Contract,
    ContractError,
    InvalidRequestError,
    LambdaClient,
    RemoteError,
    ResponseError,
    remote,
)
from lambdachain._json.codec import codec_for
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain.testing import InProcessTransport, StubTransport

HIDDEN = "tr0ub4dor"


def declare(form: Any) -> Contract[Any, Any]:
    """Declare a contract with *form* in both directions."""
    return Contract("orders", request=form, response=form)


def one_field(form: Any, field: Any = ..., **config: Any) -> type[BaseModel]:
    """Create a model with one field."""
    return create_model("One", __config__=ConfigDict(**config), x=(form, field))


class Masked(SecretStr):
    pass


class Computed(BaseModel):
    @computed_field
    @property
    def token(self) -> SecretStr:
        return SecretStr(HIDDEN)


@dataclasses.dataclass
class Account:
    password: Secret[str]


class Settings(TypedDict):
    password: SecretStr


@pytest.mark.parametrize(
    "form",
    [
        Secret[str],
        Secret[dt.date],
        SecretStr,
        SecretBytes,
        Masked,
        list[SecretStr],
        dict[str, Secret[int]],
        SecretStr | None,
        int | Secret[str],
        Computed,
        Account,
        Settings,
        RootModel[Secret[str]],
        one_field(Secret[str]),
    ],
    ids=str,
)
def test_a_secret_in_a_declared_type_is_refused(form: Any) -> None:
    """Wherever it is, with a remedy."""
    with pytest.raises(ContractError, match="written as asterisks: add a serializer that writes its value"):
        declare(form)


def _plain(secret: Any) -> str:
    return str(secret.get_secret_value())


class ByField(BaseModel):
    password: SecretStr

    @field_serializer("password")
    def _plain(self, secret: SecretStr) -> str:
        return secret.get_secret_value()


class ByModel(BaseModel):
    password: SecretStr

    @model_serializer
    def _plain(self) -> dict[str, str]:
        return {"password": self.password.get_secret_value()}


class ByWrappedModel(BaseModel):
    password: Secret[str]

    @model_serializer(mode="wrap")
    def _plain(self, inner: Any) -> dict[str, str]:
        return {**inner(self), "password": self.password.get_secret_value()}


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (ByField, ByField(password=SecretStr(HIDDEN))),
        (ByModel, ByModel(password=SecretStr(HIDDEN))),
        (ByWrappedModel, ByWrappedModel(password=Secret(HIDDEN))),
        (list[ByModel], [ByModel(password=SecretStr(HIDDEN))]),
        (Annotated[SecretStr, PlainSerializer(_plain)], SecretStr(HIDDEN)),
        (Annotated[Secret[str], PlainSerializer(_plain, when_used="json")], Secret(HIDDEN)),
        (Annotated[SecretStr, WrapSerializer(lambda secret, _: _plain(secret))], SecretStr(HIDDEN)),
    ],
    ids=str,
)
def test_a_secret_with_a_serializer_is_sent(form: Any, value: Any) -> None:
    """For a field, with ``Annotated`` or in a model: it is intended."""
    declare(form)
    codec = codec_for(form)

    assert HIDDEN.encode() in codec.encode(value)
    assert value == codec.decode(codec.encode(value))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Annotated[SecretStr, WrapSerializer(lambda secret, write: write(secret))], SecretStr(HIDDEN)),
        (Any, {"a": [one_field(SecretStr)(x=HIDDEN)]}),
    ],
    ids=["its serializer masks it", "nothing declares it"],
)
def test_a_masked_secret_in_an_undeclared_place_is_refused_when_it_is_sent(form: Any, value: Any) -> None:
    """The type does not show it; the error does not show the secret."""
    with pytest.raises(PayloadValidationError, match="secret is written as asterisks") as caught:
        codec_for(form).encode(value)
    with pytest.raises(PayloadValidationError):
        codec_for(form).dump(value)

    assert HIDDEN not in str(caught.value)


def test_a_string_of_asterisks_is_sent() -> None:
    """It is not a secret."""
    assert b'{"a":"**********"}' == codec_for(Any).encode({"a": "**********"})


class Lone(Enum):
    FIRST = 1


class Named(Enum):
    FIRST = "a"


class Pair(Enum):
    FIRST = (1, 2)


class Number(IntEnum):
    FIRST = 1


class Word(StrEnum):
    FIRST = "a"


class Point(NamedTuple):
    x: int
    y: int


class WithTotal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @computed_field
    @property
    def total(self) -> int:
        return 3


class WithTotalTaken(WithTotal):
    model_config = ConfigDict(extra="ignore")


class WithTotalDropped(WithTotal):
    @model_validator(mode="before")
    @classmethod
    def _drop(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if key != "total"}


@dataclasses.dataclass
class WithInitOnly:
    seed: dataclasses.InitVar[int]


class Swapped(BaseModel):
    a: int = Field(validation_alias="b", serialization_alias="a")
    b: int = Field(validation_alias="a", serialization_alias="b")


DAY = dt.timedelta(days=1)
CHOICES = AliasChoices("in", "out")
# A type, and a value of it: which of them read what they write, pydantic decides.
FORMS: list[tuple[Any, Any]] = [
    (Json[int], 1),
    (one_field(Json[list[int]]), {"x": "[1]"}),
    (one_field(int, Field(alias="out")), {"out": 1}),
    (one_field(int, Field(validation_alias="in", serialization_alias="out")), {"in": 1}),
    (one_field(int, Field(0, serialization_alias="out")), {"x": 1}),
    (one_field(int, Field(validation_alias="in")), {"in": 1}),
    (one_field(int, Field(validation_alias="in"), populate_by_name=True), {"x": 1}),
    (one_field(int, Field(serialization_alias="out"), populate_by_name=True), {"x": 1}),
    (one_field(int, Field(validation_alias=CHOICES, serialization_alias="out")), {"in": 1}),
    (one_field(int, Field(validation_alias=CHOICES)), {"in": 1}),
    (one_field(int, Field(validation_alias=AliasPath("x", 0))), {"x": [1]}),
    (one_field(int, Field(validation_alias=AliasChoices(AliasPath("in", 0), "x"))), {"x": 1}),
    (Swapped, {"b": 1, "a": 2}),
    (one_field(int, Field(exclude=True)), {"x": 1}),
    (one_field(int, Field(5, exclude=True)), {}),
    (WithTotal, {}),
    (WithTotalTaken, {}),
    (WithTotalDropped, {}),
    (WithInitOnly, {"seed": 1}),
    (dict[str, int], {"a": 1}),
    (dict[int, int], {1: 1}),
    (dict[bool, int], {True: 1}),
    (dict[float, int], {1.5: 1}),
    (dict[dt.date, int], {dt.date(2020, 1, 1): 1}),
    (dict[Decimal, int], {Decimal("1.5"): 1}),
    (dict[bytes, int], {b"a": 1}),
    (dict[None, int], {None: 1}),
    (dict[str | None, int], {None: 1}),
    (dict[tuple[int, int], int], {(1, 2): 1}),
    (dict[Point, int], {Point(1, 2): 1}),
    (dict[Lone, int], {Lone.FIRST: 1}),
    (dict[Number, int], {Number.FIRST: 1}),
    (dict[Word, int], {Word.FIRST: 1}),
    (dict[Literal[1], int], {1: 1}),
    (dict[Literal["a"], int], {"a": 1}),
    (dict[int | str, int], {1: 1}),
    (list[dict[tuple[int, ...], int]], [{(1,): 1}]),
    (Pair, Pair.FIRST),
    (Lone, Lone.FIRST),
    (Literal[b"a"], b"a"),
    (Literal[Lone.FIRST], Lone.FIRST),
    (Literal[Number.FIRST], Number.FIRST),
    (Literal[Word.FIRST], Word.FIRST),
    (Literal[Named.FIRST], Named.FIRST),
    (list[Literal["b", Named.FIRST]], [Named.FIRST]),
    (dict[Literal[Number.FIRST], int], {Number.FIRST: 1}),
    (dict[Literal[Word.FIRST, True], int], {Word.FIRST: 1}),
    (one_field(bytes, ser_json_bytes="base64"), {"x": b"ab"}),
    (one_field(bytes, val_json_bytes="hex"), {"x": b"ab"}),
    (one_field(bytes, ser_json_bytes="base64", val_json_bytes="base64"), {"x": b"ab"}),
    (one_field(dict[bytes, int], ser_json_bytes="base64"), {"x": {b"ab": 1}}),
    (one_field(dt.timedelta, ser_json_timedelta="float"), {"x": DAY}),
    (one_field(dt.timedelta, ser_json_timedelta="float", strict=True), {"x": DAY}),
    (one_field(dict[dt.timedelta, int], ser_json_timedelta="float"), {"x": {DAY: 1}}),
    (one_field(set[int], strict=True), {"x": {1}}),
    (one_field(tuple[dt.date, Decimal], strict=True), {"x": (dt.date(2020, 1, 1), Decimal(1))}),
    (one_field(dict[int, dt.date], strict=True), {"x": {1: dt.date(2020, 1, 1)}}),
]


@pytest.mark.parametrize(
    ("form", "value"), FORMS, ids=[f"{position} {form}" for position, (form, _) in enumerate(FORMS)]
)
def test_types_that_do_not_round_trip_are_refused_and_no_others(form: Any, value: Any) -> None:
    """Pydantic itself is the judge: the contract is refused if the value does not come back, and only then."""
    adapter = TypeAdapter[Any](form)
    made = value if form == Json[int] else adapter.validate_python(value)
    try:
        comes_back = adapter.validate_json(adapter.dump_json(made, by_alias=True)) == made
    except ValidationError:
        comes_back = False

    if comes_back:
        declare(form)
        assert made == codec_for(form).decode(codec_for(form).encode(made))
    else:
        with pytest.raises(ContractError, match="does not round-trip through JSON"):
            declare(form)


def test_a_serializer_that_the_type_does_not_read_is_found_at_the_first_value() -> None:
    """The types do not show it; the error names the location, and nothing is invoked."""

    class Charge(BaseModel):
        cents: Annotated[int, PlainSerializer(lambda cents: f"{cents} cents")]

    transport = StubTransport()
    stub = transport.on("charge").returns(1)
    contract = Contract("charge", request=Charge, response=Any)

    with pytest.raises(InvalidRequestError, match=r"cents: Its JSON cannot be read back .*\(int_parsing\)"):
        LambdaClient(transport).call(contract, Charge(cents=5))
    assert not stub.calls

    @remote(Contract("charge", request=None, response=Charge))
    def handler(_: None) -> Charge:
        return Charge(cents=5)

    with pytest.raises(ResponseError, match="cents: Its JSON cannot be read back"):
        handler(None, None)


class EitherWay(BaseModel):
    ways: list[int | Literal[Named.FIRST]] = []


def test_each_value_is_decoded_if_its_parts_decide() -> None:
    """That one value round-trips shows nothing about the next."""
    declare(EitherWay)
    codec = codec_for(EitherWay)

    assert b'{"ways":[1]}' == codec.encode(EitherWay(ways=[1]))
    for _ in range(2):
        with pytest.raises(PayloadValidationError, match="cannot be read back"):
            codec.encode(EitherWay(ways=[Named.FIRST]))


class Item(BaseModel):
    sku: str = "a"


class Gift(Item):
    note: str = "n"


class Same(Item):
    def price(self) -> int:
        return 1


class Open(Item):
    model_config = ConfigDict(extra="allow")


@dataclasses.dataclass
class Parcel:
    weight: int = 1


@dataclasses.dataclass
class Fragile(Parcel):
    limit: int = 2


class Plate(TypedDict):
    item: Item


class Order(BaseModel):
    items: list[Item] = []
    by_name: dict[str, Item] = {}
    best: Item | None = None
    either: Item | int = 1
    parcel: Parcel = Parcel()
    whole: SerializeAsAny[Item] = Item()
    union: Gift | Item = Item()


@pytest.mark.parametrize(
    ("form", "value", "place"),
    [
        (Item, Gift(), "(whole): Gift has 'note', which Item does not declare"),
        (Order, Order(items=[Item(), Gift()]), "items.1: Gift has 'note'"),
        (Order, Order(by_name={HIDDEN: Gift()}), "by_name.*: Gift has 'note'"),
        (Order, Order(best=Gift()), "best: Gift has 'note'"),
        (Order, Order(either=Gift()), "either: Gift has 'note'"),
        (Order, Order(parcel=Fragile()), "parcel: Fragile has 'limit', which Parcel does not declare"),
        (Item, Open(more=1), "Open has 'more'"),  # type: ignore[call-arg]
        (list[Item], [Gift()], "0: Gift has 'note'"),
        (tuple[int, Item], (1, Gift()), "1: Gift has 'note'"),
        (RootModel[list[Item]], RootModel[list[Item]]([Gift()]), "root.0: Gift has 'note'"),
        (Plate, {"item": Gift()}, "item: Gift has 'note'"),
    ],
    ids=str,
)
def test_fields_that_only_a_subclass_has_are_refused(form: Any, value: Any, place: str) -> None:
    """For requests and responses, with a remedy; the keys of a mapping are not shown."""
    for write in (codec_for(form).encode, codec_for(form).dump):
        with pytest.raises(PayloadValidationError) as caught:
            write(value)
        assert place in str(caught.value)
        assert "would not be sent" in str(caught.value)
        assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Item, Item()),
        (Item, Same()),
        (Order, Order(items=[Same()])),
        (Order, Order(whole=Gift(), union=Gift())),
        (SerializeAsAny[Item], Gift()),
        (Item | Gift, Gift()),
        (list[Gift | Item], [Gift(), Item()]),
        (Open, Open(more=1)),  # type: ignore[call-arg]
        (Plate, {"item": Item()}),
        (Any, Gift()),
    ],
    ids=str,
)
def test_a_subclass_that_is_written_completely_is_valid(form: Any, value: Any) -> None:
    """A subclass without fields of its own, a union that has it, ``SerializeAsAny``."""
    assert TypeAdapter[Any](form).dump_json(value) == codec_for(form).encode(value)
    assert TypeAdapter[Any](form).dump_python(value, mode="json") == codec_for(form).dump(value)


def test_undeclared_fields_are_an_error_of_the_sender() -> None:
    """For a caller before anything is invoked, for a handler with its response, for an error when it is created."""
    transport = StubTransport()
    stub = transport.on("orders").returns(1)

    with pytest.raises(InvalidRequestError, match=r"does not fit Item: .*SerializeAsAny\[Item\] or a union with Gift"):
        LambdaClient(transport).call(Contract("orders", request=Item, response=Any), Gift())
    assert not stub.calls

    @remote(Contract("orders", request=None, response=Item))
    def handler(_: None) -> Item:
        return Gift()

    with pytest.raises(ResponseError, match="Gift has 'note'"):
        handler(None, None)

    class Refused(RemoteError):
        item: Item

    class Leaking(RemoteError):
        password: Secret[str]

    assert Refused(item=Item()).item == Item()
    with pytest.raises(ContractError, match="item: Gift has 'note'"):
        Refused(item=Gift())
    with pytest.raises(ContractError, match=r"Leaking cannot be serialized as JSON: .*asterisks"):
        Leaking(password=Secret(HIDDEN))


@pytest.mark.parametrize("payload", [b'{"a": 1}', b"plain", bytearray(b"{}"), '{"a": 1}', " [1]", "[]"], ids=repr)
def test_bytes_and_json_text_are_refused_for_a_plain_name(payload: Any) -> None:
    """They would arrive as a string: what boto3 accepts as Payload is refused, for calls, events and maps."""
    transport = StubTransport()
    stub = transport.on("orders").returns(1)
    client = LambdaClient(transport)

    for send in (client.call, client.fire, lambda name, given: list(client.map(name, [given]))):
        with pytest.raises(InvalidRequestError, match=r"pass the object itself, json\.loads\(payload\)"):
            send("orders", payload)
    assert not stub.calls


@pytest.mark.parametrize("text", ["hello", "12", '"quoted"', "{not json}", "", "[", "null"])
def test_other_strings_are_valid_payloads(text: str) -> None:
    """And with a contract, any string."""
    transport = StubTransport()
    stub = transport.on("orders").returns(1)
    LambdaClient(transport).call("orders", text)
    LambdaClient(transport).call(Contract("orders", request=str, response=int), '{"a": 1}')

    assert [text, '{"a": 1}'] == [call.request for call in stub.calls]


LONG = "123456789012345678901.1234567890123"


class Sum(BaseModel):
    amount: Decimal
    ratio: float = 0.5
    either: Decimal | str = "x"
    parts: list[Decimal] = []
    free: Any = None


@pytest.mark.parametrize(
    ("form", "wire", "value"),
    [
        (Decimal, LONG, Decimal(LONG)),
        (Decimal | None, LONG, Decimal(LONG)),
        (dict[str, Decimal], f'{{"a":-{LONG}}}', {"a": Decimal("-" + LONG)}),
        (
            list[Decimal],
            f'[{LONG},0.1,1e-400,"1.50"]',
            [Decimal(LONG), Decimal("0.1"), Decimal("1e-400"), Decimal("1.50")],
        ),
        (Sum, f'{{"amount":{LONG},"ratio":{LONG}}}', Sum(amount=Decimal(LONG), ratio=float(LONG))),
        (Sum, f'{{"amount":1,"either":{LONG}}}', Sum(amount=Decimal(1), either=Decimal(LONG))),
        (
            Sum,
            f'{{"amount":1,"free":{LONG},"parts":[{LONG}]}}',
            Sum(amount=Decimal(1), free=float(LONG), parts=[Decimal(LONG)]),
        ),
        (float, LONG, float(LONG)),
    ],
    ids=str,
)
def test_a_decimal_in_a_json_number_keeps_its_digits(form: Any, wire: str, value: Any) -> None:
    """And only a decimal: floats, strings and untyped values are read as before."""
    read = codec_for(form).decode(wire.encode())

    assert value == read
    assert repr(value) == repr(read)


def test_a_decimal_in_a_response_keeps_its_digits() -> None:
    """The runtime client of Python writes a Decimal as a number; the caller's types read it."""

    def handler(_event: Any, _context: Any) -> Any:
        return {"amount": Decimal(LONG)}

    client = LambdaClient(InProcessTransport({"sums": handler}))

    assert Sum(amount=Decimal(LONG)) == client.call(Contract("sums", request=None, response=Sum), None)
    assert Sum(amount=Decimal(LONG)) == client.call("sums", None, response=Sum)


def test_many_numbers_of_two_types_take_few_attempts() -> None:
    """Numbers under one key have one type, so they are tried together."""
    wire = ",".join(f'{{"amount":{LONG},"ratio":{LONG}}}' for _ in range(500))

    assert [Sum(amount=Decimal(LONG), ratio=float(LONG))] * 500 == codec_for(list[Sum]).decode(f"[{wire}]".encode())
