"""Addresses: every form that Invoke accepts is parsed, and nothing that Lambda's own pattern rejects."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re
from importlib import resources
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdachain import FunctionArn, FunctionName, InvalidArnError, Qualifier, parse_target

# Transcribed from botocore's service model for Invoke: NamespacedFunctionName and Qualifier. Lambda's \d is ASCII.
LAMBDA_FUNCTION: Final = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)
LAMBDA_QUALIFIER: Final = re.compile(r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", re.ASCII)
ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:orders"

often = settings(max_examples=200, deadline=None)


def _lambda_accepts(text: str) -> bool:
    """Check as Lambda does: its pattern, at most 256 characters, a name of at most 64."""
    match = LAMBDA_FUNCTION.fullmatch(text)
    return match is not None and len(text) <= 256 and len(match[11]) <= 64


def _lambda_accepts_qualifier(text: str) -> bool:
    return LAMBDA_QUALIFIER.fullmatch(text) is not None and 1 <= len(text) <= 128


def _regions() -> list[tuple[str, str]]:
    data = json.loads(resources.files("botocore").joinpath("data/partitions.json").read_text())
    return [
        (partition["id"], region)
        for partition in data["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    ]


def _from_pattern(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)


names = st.one_of(
    st.text("abcXYZ019-_.", min_size=1, max_size=64),
    st.sampled_from(["function", "arn", "aws", "lambda", "eu-west-1", "us-gov-east-1", "123456789012", "1", "a" * 64]),
)
qualifiers = st.one_of(
    st.text("abcXYZ019-_", min_size=1, max_size=128),
    st.sampled_from(["$LATEST", "$LATEST.PUBLISHED", "1", "live", "function", "0" * 128]),
)
places = st.sampled_from(_regions())
accounts = st.text("0123456789", min_size=12, max_size=12)
arns = st.builds(
    lambda place, account, name, qualifier: FunctionArn(place[0], place[1], account, name, qualifier),
    places,
    accounts,
    names,
    st.none() | qualifiers,
)
function_names = st.builds(
    FunctionName,
    names,
    st.none() | qualifiers,
    st.none() | accounts,
    st.none() | places.map(lambda place: place[1]),
)


@st.composite
def mutated_addresses(draw: st.DrawFn) -> str:
    """Draw a valid address, and change one place of it."""
    text = str(draw(arns | function_names))
    at = draw(st.integers(0, len(text)))
    junk = draw(st.sampled_from([":", "", "$", "\n", " ", "é", "٣", "A", "0", "-", ".", "/", "\x00", "::"]) | st.text())
    return text[:at] + junk + text[at + draw(st.integers(0, 3)) :]


def _parse_or_none(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except InvalidArnError:
        return None


@often
@given(arns)
def test_parsing_str_of_an_arn_returns_the_arn(arn: FunctionArn) -> None:
    """Parsing is the inverse of str(), for every part of an ARN."""
    assert arn == FunctionArn.parse(str(arn)) == parse_target(str(arn))


@often
@given(arns | function_names)
@example(FunctionName("function", "live"))
@example(FunctionName("arn", "live"))
@example(FunctionName("eu-west-1", "live"))
@example(FunctionName("123456789012", "live"))
@example(FunctionName("123456789012", "live", region="eu-west-1"))
@example(FunctionName("function"))
@example(FunctionName("eu-west-1", account_id="123456789012"))
def test_parsing_str_of_a_target_returns_the_target(target: FunctionArn | FunctionName) -> None:
    """Parsing is the inverse of str() for names, too, including those that look like another part of an address."""
    assert target == parse_target(str(target))
    assert _lambda_accepts(str(target))


@often
@given(qualifiers)
def test_a_qualifier_keeps_its_string(text: str) -> None:
    """Parsing a qualifier keeps its string."""
    assert text == str(Qualifier.parse(text)) == Qualifier.parse(str(Qualifier.parse(text)))


@often
@given(
    st.one_of(
        mutated_addresses(),
        st.text(),
        st.text(":$.-_aé\n0123456789", max_size=80),
        _from_pattern(LAMBDA_FUNCTION.pattern),
        st.builds("".join, st.lists(st.sampled_from(["arn", ":", "aws", "lambda", "eu-west-1", "123456789012", "f"]))),
        st.text("ab:", min_size=240, max_size=300),
    )
)
@example("orders\n")
@example(f"{ARN}\n")
@example(f"{ARN}:live\n")
@example(ARN.replace("123456789012", "١٢٣٤٥٦٧٨٩٠١٢"))
@example("arn:aws:lambda:eu-west-1:123456789012:function:orders:")
@example("a" * 65)
@example("a" * 257)
@example(f"arn:aws{'-x' * 90}:lambda:eu-west-1:123456789012:function:orders")
def test_nothing_is_accepted_that_lambda_rejects(text: str) -> None:
    """Lambda's own pattern and lengths accept everything that our parsers accept; it is kept, or made canonical."""
    target = _parse_or_none(parse_target, text)
    arn = _parse_or_none(FunctionArn.parse, text)

    assert target is None or _lambda_accepts(text)
    assert arn is None or (_lambda_accepts(text) and str(arn) == text)
    assert target is None or parse_target(str(target)) == target


@often
@given(st.one_of(st.text(), qualifiers, _from_pattern(LAMBDA_QUALIFIER.pattern), st.text("a", min_size=120)))
@example("live\n")
@example("٣")
@example("")
@example("a" * 129)
def test_no_qualifier_is_accepted_that_lambda_rejects(text: str) -> None:
    """A qualifier is what Lambda's pattern accepts, of 1 to 128 characters."""
    assert _parse_or_none(Qualifier.parse, text) is None or _lambda_accepts_qualifier(text)


@often
@given(
    st.sampled_from(sorted({partition for partition, _ in _regions()})) | _from_pattern("aws[a-zA-Z-]{0,20}"),
    _from_pattern(r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]{1,12}-\d"),
    _from_pattern(r"\d{12}"),
    _from_pattern(r"[a-zA-Z0-9-_\.]{1,64}"),
    st.none() | _from_pattern(r"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]{1,80}"),
)
def test_every_full_arn_that_lambda_accepts_is_accepted(
    partition: str, region: str, account: str, name: str, qualifier: str | None
) -> None:
    """For all parts that Lambda's pattern allows, the ARN composed of them is parsed into these parts."""
    text = ":".join(part for part in ("arn", partition, "lambda", region, account, "function", name, qualifier) if part)

    assert _lambda_accepts(text)
    assert FunctionArn(partition, region, account, name, qualifier) == FunctionArn.parse(text)


@pytest.mark.parametrize(("partition", "region"), _regions())
def test_every_region_of_aws_builds_to_its_partition(partition: str, region: str) -> None:
    """The partition follows from the region, for all regions that botocore knows."""
    arn = FunctionArn.build("orders", region=region, account_id="123456789012", qualifier="live")

    assert partition == arn.partition
    assert _lambda_accepts(str(arn))
    assert arn == parse_target(str(arn))


def test_a_stated_partition_wins() -> None:
    """``build`` keeps the partition that is passed: AWS adds new ones."""
    arn = FunctionArn.build("orders", region="xx-new-1", account_id="123456789012", partition="aws-new")

    assert "arn:aws-new:lambda:xx-new-1:123456789012:function:orders" == str(arn)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "function name ''"),
        ("arn:aws:lambda:eu-west-1:123456789012:function", "7 or 8 parts"),
        (f"{ARN}:live:more", "7 or 8 parts"),
        (ARN.replace("arn:aws:", "arn:gcp:"), "partition 'gcp'"),
        (ARN.replace("lambda", "sns"), "service 'sns'"),
        (ARN.replace("eu-west-1", "europe"), "region 'europe'"),
        (ARN.replace("123456789012", "1234"), "account id '1234'"),
        (ARN.replace(":function:", ":layer:"), "resource type 'layer'"),
        (ARN.replace("orders", "or ders"), "function name 'or ders'"),
        (ARN.replace("orders", "o" * 65), "at most 64 characters (it has 65)"),
        (f"{ARN}:li.ve", "qualifier 'li.ve'"),
        (f"{ARN}:", "qualifier ''"),
        (f"{ARN}:{'q' * 129}", "at most 128 characters (it has 129)"),
        ("orders:$LATEST.DRAFT", "qualifier '$LATEST.DRAFT'"),
        ("orders:live:more", "at most one qualifier"),
        ("x" * 257, "at most 256 characters (it has 257)"),
        ("https://lambda.eu-west-1.amazonaws.com/", "qualifier '//lambda"),
    ],
)
def test_an_invalid_address_raises_an_error_that_names_the_part(text: str, part: str) -> None:
    """The error is also a ValueError, names the invalid part, and stays short."""
    with pytest.raises(InvalidArnError) as caught:
        parse_target(text)

    assert part in str(caught.value)
    assert len(str(caught.value)) < 500
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("thing", [None, 3, 3.5, b"orders", ["orders"], object()])
@pytest.mark.parametrize("parse", [parse_target, FunctionArn.parse])
def test_a_target_must_be_text(parse: Any, thing: object) -> None:
    """A number or None in place of a function raises an error that names the accepted types."""
    with pytest.raises(InvalidArnError, match=f"must be text, a FunctionArn or a Contract, not {type(thing).__name__}"):
        parse(thing)


@pytest.mark.parametrize("thing", [None, 3, b"live"])
def test_a_qualifier_must_be_text(thing: Any) -> None:
    """A number in place of a qualifier raises an error that shows how to write a version."""
    arn = FunctionArn.parse(ARN)

    for use in (Qualifier, Qualifier.parse, Qualifier.alias, arn.with_qualifier, FunctionName("orders").with_qualifier):
        with pytest.raises(InvalidArnError, match=r"qualifier must be text, not .*Qualifier\.version\(3\)"):
            use(thing)


@pytest.mark.parametrize(
    ("build", "part"),
    [
        (lambda: FunctionArn.build("orders", region="eu-west-1", account_id=123456789012), "account id 123456789012"),  # type: ignore[arg-type]
        (lambda: FunctionArn.build("orders", region=None, account_id="123456789012"), "region None"),  # type: ignore[arg-type]
        (lambda: FunctionArn.build(None, region="eu-west-1", account_id="123456789012"), "function name None"),  # type: ignore[arg-type]
        (lambda: FunctionArn(None, "eu-west-1", "123456789012", "orders"), "partition None"),  # type: ignore[arg-type]
        (lambda: FunctionName(5), "function name 5"),  # type: ignore[arg-type]
        (lambda: FunctionName("orders", account_id=123456789012), "account id 123456789012"),  # type: ignore[arg-type]
        (lambda: FunctionName("orders", region="europe"), "region 'europe'"),
    ],
)
def test_a_part_of_a_wrong_type_is_named(build: Any, part: str) -> None:
    """Composing an address of values of wrong types raises an error that names the part and what is expected."""
    with pytest.raises(InvalidArnError, match=rf"invalid {part}: expected"):
        build()


def test_changing_an_arns_qualifier() -> None:
    """``with_qualifier`` and ``without_qualifier`` return new ARNs; ``qualified`` is whether there is one."""
    plain = FunctionArn.parse(ARN)
    live = plain.with_qualifier("live")

    assert (False, True) == (plain.qualified, live.qualified)
    assert f"{ARN}:live" == str(live)
    assert f"{ARN}:3" == str(live.with_qualifier(Qualifier.version(3)))
    assert plain == live.without_qualifier()
    assert ARN == str(plain)


def test_changing_a_names_qualifier() -> None:
    """Names change their qualifier in the same way as ARNs."""
    name = parse_target("123456789012:function:orders")

    assert "123456789012:function:orders:live" == str(name.with_qualifier("live"))
    assert name == name.with_qualifier("live").without_qualifier()
    assert name.partition is None


def test_with_qualifier_rejects_an_invalid_qualifier() -> None:
    """``with_qualifier`` checks."""
    with pytest.raises(InvalidArnError, match="qualifier 'li ve'"):
        FunctionArn.parse(ARN).with_qualifier("li ve")


@often
@given(arns | function_names)
def test_addresses_are_values(target: FunctionArn | FunctionName) -> None:
    """Equal parts make equal addresses with equal hashes, which can be pickled and copied."""
    twin = parse_target(str(target))

    assert {target} == {twin}
    assert target == pickle.loads(pickle.dumps(target)) == copy.deepcopy(target)
    assert repr(twin).startswith(type(target).__name__)


def test_addresses_are_frozen() -> None:
    """No part can be set."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        FunctionArn.parse(ARN).name = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FunctionName("orders").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: Qualifier.version(0), "an integer from 1"),
        (lambda: Qualifier.version(-1), "an integer from 1"),
        (lambda: Qualifier.version(True), "an integer from 1"),
        (lambda: Qualifier.version("3"), "an integer from 1"),  # type: ignore[arg-type]
        (lambda: Qualifier.version(1.5), "an integer from 1"),  # type: ignore[arg-type]
        (lambda: Qualifier.version(None), "an integer from 1"),  # type: ignore[arg-type]
        (lambda: Qualifier.alias("3"), "but not only digits"),
        (lambda: Qualifier.alias("$LATEST"), "but not only digits"),
        (lambda: Qualifier.alias("$LATEST.PUBLISHED"), "but not only digits"),
        (lambda: Qualifier.alias(""), "an alias of letters"),
        (lambda: Qualifier.parse("$latest"), "a version number"),
        (lambda: Qualifier.parse("a:b"), "a version number"),
    ],
)
def test_invalid_qualifiers_raise_an_error_that_names_what_is_expected(make: Any, wanted: str) -> None:
    """What Lambda rejects as a version or an alias is rejected here."""
    with pytest.raises(InvalidArnError, match=re.escape(wanted)):
        make()


def test_qualifiers_know_their_kind() -> None:
    """A qualifier is a version, an alias or one of the two latest, and always a str."""
    kinds = {
        str(qualifier): (qualifier.is_version, qualifier.is_alias)
        for qualifier in (
            Qualifier.version(3),
            Qualifier.alias("live"),
            Qualifier.latest(),
            Qualifier.latest_published(),
            Qualifier.parse("$LATEST.PUBLISHED"),
        )
    }

    assert {
        "3": (True, False),
        "live": (False, True),
        "$LATEST": (False, False),
        "$LATEST.PUBLISHED": (False, False),
    } == kinds
    assert "Qualifier('live')" == repr(Qualifier.alias("live"))
    assert hash("live") == hash(Qualifier.alias("live"))
    assert Qualifier.alias("live") == pickle.loads(pickle.dumps(Qualifier.alias("live")))
