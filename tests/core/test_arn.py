"""Addresses: every form that Invoke accepts, and nothing that Lambda's own pattern refuses."""

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


def _lambda_takes(text: str) -> bool:
    """Judge as Lambda does: its pattern, at most 256 characters, a name of at most 64."""
    match = LAMBDA_FUNCTION.fullmatch(text)
    return match is not None and len(text) <= 256 and len(match[11]) <= 64


def _lambda_takes_qualifier(text: str) -> bool:
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
def mutated(draw: st.DrawFn) -> str:
    """Take a good address and change one place of it."""
    text = str(draw(arns | function_names))
    at = draw(st.integers(0, len(text)))
    junk = draw(st.sampled_from([":", "", "$", "\n", " ", "é", "٣", "A", "0", "-", ".", "/", "\x00", "::"]) | st.text())
    return text[:at] + junk + text[at + draw(st.integers(0, 3)) :]


def _accepted(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except InvalidArnError:
        return None


@often
@given(arns)
def test_parsing_an_arn_s_text_gives_the_arn(arn: FunctionArn) -> None:
    """Parse is the inverse of str, for every part an ARN can have."""
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
def test_parsing_a_target_s_text_gives_the_target(target: FunctionArn | FunctionName) -> None:
    """Parse is the inverse of str for names too, those included that look like another part of an address."""
    assert target == parse_target(str(target))
    assert _lambda_takes(str(target))


@often
@given(qualifiers)
def test_a_qualifier_s_text_is_what_was_parsed(text: str) -> None:
    """Parsing a qualifier keeps its text."""
    assert text == str(Qualifier.parse(text)) == Qualifier.parse(str(Qualifier.parse(text)))


@often
@given(
    st.one_of(
        mutated(),
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
def test_nothing_is_accepted_that_lambda_refuses(text: str) -> None:
    """Whatever our parsers accept, Lambda's own pattern and lengths accept too; and it is kept or made canonical."""
    target = _accepted(parse_target, text)
    arn = _accepted(FunctionArn.parse, text)

    assert target is None or _lambda_takes(text)
    assert arn is None or (_lambda_takes(text) and str(arn) == text)
    assert target is None or parse_target(str(target)) == target


@often
@given(st.one_of(st.text(), qualifiers, _from_pattern(LAMBDA_QUALIFIER.pattern), st.text("a", min_size=120)))
@example("live\n")
@example("٣")
@example("")
@example("a" * 129)
def test_no_qualifier_is_accepted_that_lambda_refuses(text: str) -> None:
    """A qualifier is what Lambda's pattern takes, of 1 to 128 characters."""
    assert _accepted(Qualifier.parse, text) is None or _lambda_takes_qualifier(text)


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
    """Whatever Lambda's pattern allows for each part, the ARN made of it parses into these parts."""
    text = ":".join(part for part in ("arn", partition, "lambda", region, account, "function", name, qualifier) if part)

    assert _lambda_takes(text)
    assert FunctionArn(partition, region, account, name, qualifier) == FunctionArn.parse(text)


@pytest.mark.parametrize(("partition", "region"), _regions())
def test_every_region_of_aws_builds_to_its_partition(partition: str, region: str) -> None:
    """The region alone tells the partition, for all that botocore knows."""
    arn = FunctionArn.build("orders", region=region, account_id="123456789012", qualifier="live")

    assert partition == arn.partition
    assert _lambda_takes(str(arn))
    assert arn == parse_target(str(arn))


def test_a_stated_partition_wins() -> None:
    """``build`` takes the partition it is told: AWS opens new ones."""
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
def test_bad_text_names_the_part_that_is_wrong(text: str, part: str) -> None:
    """The error is a ValueError too, says which part is wrong and stays short."""
    with pytest.raises(InvalidArnError) as caught:
        parse_target(text)

    assert part in str(caught.value)
    assert len(str(caught.value)) < 500
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("thing", [None, 3, 3.5, b"orders", ["orders"], object()])
@pytest.mark.parametrize("parse", [parse_target, FunctionArn.parse])
def test_what_is_no_text_is_no_target(parse: Any, thing: object) -> None:
    """A number or nothing where a function is wanted gets an answer that says what would do."""
    with pytest.raises(InvalidArnError, match=f"must be text, a FunctionArn or a Contract, not {type(thing).__name__}"):
        parse(thing)


@pytest.mark.parametrize("thing", [None, 3, b"live"])
def test_what_is_no_text_is_no_qualifier(thing: Any) -> None:
    """A number where a qualifier is wanted gets an answer that says how a version is written."""
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
def test_a_part_that_is_no_text_is_named(build: Any, part: str) -> None:
    """Composing an address of the wrong things says which part, and what is wanted."""
    with pytest.raises(InvalidArnError, match=rf"invalid {part}: expected"):
        build()


def test_an_arn_with_another_qualifier() -> None:
    """``with_qualifier`` and ``without_qualifier`` give new ARNs; ``qualified`` tells which it is."""
    plain = FunctionArn.parse(ARN)
    live = plain.with_qualifier("live")

    assert (False, True) == (plain.qualified, live.qualified)
    assert f"{ARN}:live" == str(live)
    assert f"{ARN}:3" == str(live.with_qualifier(Qualifier.version(3)))
    assert plain == live.without_qualifier()
    assert ARN == str(plain)


def test_a_name_with_another_qualifier() -> None:
    """Names change their qualifier as ARNs do."""
    name = parse_target("123456789012:function:orders")

    assert "123456789012:function:orders:live" == str(name.with_qualifier("live"))
    assert name == name.with_qualifier("live").without_qualifier()
    assert name.partition is None


def test_a_bad_qualifier_is_refused_when_it_is_laid_on() -> None:
    """``with_qualifier`` checks."""
    with pytest.raises(InvalidArnError, match="qualifier 'li ve'"):
        FunctionArn.parse(ARN).with_qualifier("li ve")


@often
@given(arns | function_names)
def test_addresses_are_values(target: FunctionArn | FunctionName) -> None:
    """Equal parts make equal, hash-equal addresses that pickle and copy."""
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
def test_bad_qualifiers_say_what_is_wanted(make: Any, wanted: str) -> None:
    """What Lambda refuses as a version or an alias is refused here."""
    with pytest.raises(InvalidArnError, match=re.escape(wanted)):
        make()


def test_qualifiers_know_their_kind() -> None:
    """A qualifier is a version, an alias or one of the two latest; it is text all the same."""
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
