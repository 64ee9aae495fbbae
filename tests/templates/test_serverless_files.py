"""A ``serverless.yml`` becomes functions, named and set up as the framework would."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambdachain.local import EventConfig, LocalVersion
from tests.templates.reading import SYSTEMS, functions, one, problems, read, read_system


def test_a_service_is_served_as_it_would_be_deployed():
    """Names of service and stage, the provider's defaults, variables, a file, references, destinations."""
    reading = read_system("serverless/serverless.yml")
    served = functions(reading)
    place, charge, receipt = served["shop-dev-place"], served["shop-dev-charge-card"], served["receipt-dev"]

    assert problems(reading) == []
    assert (place.handler, place.directory) == ("orders/app.handler", SYSTEMS / "serverless")
    assert (place.timeout, place.memory, place.versions) == (20, 256, {"1": LocalVersion()})
    assert place.environment == {
        "STAGE": "dev",
        "TABLE": "orders-dev",
        "LOG_LEVEL": "DEBUG",
        "GREETING": "hello",
        "CHARGE": "shop-dev-charge-card",
        "CHARGE_ARN": "arn:aws:lambda:us-east-1:123456789012:function:shop-dev-charge-card",
        "QUEUE": "https://sqs.us-east-1.amazonaws.com/123456789012/failures-dev",
        "BUCKET": "shop-${AWS::AccountId}",
        "ENABLED": "yes",
    }
    assert (charge.timeout, charge.reserved_concurrency) == (5, 2)
    assert receipt.events == EventConfig(
        max_retries=0,
        max_age=300,
        on_success="arn:aws:lambda:us-east-1:123456789012:function:shop-dev-place",
        on_failure="arn:aws:sqs:us-east-1:123456789012:failures-dev",
    )


def test_the_stage_and_the_environment_choose():
    """``--stage`` and this process's variables."""
    served = functions(read_system("serverless/serverless.yml", stage="prod", environment={"SHOP_LOG_LEVEL": "INFO"}))

    assert list(served) == ["shop-prod-place", "shop-prod-charge-card", "receipt-prod"]
    assert served["shop-prod-place"].memory == 1024
    assert served["shop-prod-place"].environment["LOG_LEVEL"] == "INFO"


SERVICE = """\
service: shop
custom:
  name: nina
  flag: true
  none: null
  list: [a, b]
  nested: {dev: {deep: 7}}
  indirect: ${self:custom.nested}
  loop: ${self:custom.loop}
params:
  default: {rate: 5}
  dev: {fee: 6}
provider: {name: aws, runtime: python3.11}
functions:
  f:
    handler: app.handler
    environment:
      X: %s
"""


def environment_of(expression: str, **given_values: Any) -> Any:
    """Give the variable X, or the problem with it."""
    reading = read(SERVICE % expression, "serverless.yml", **given_values)
    return problems(reading) or functions(reading)["shop-dev-f"].environment.get("X")


VALUES = {
    "plain": "plain",
    "${self:custom.name}": "nina",
    "a-${self:custom.name}-${sls:stage}": "a-nina-dev",
    "${self:custom.nested.${sls:stage}.deep}": "7",
    "${self:custom.indirect.dev.deep}": "7",
    "${self:custom.list.1}": "b",
    "${self:custom.flag}": "true",
    "${self:service}": "shop",
    "${self:custom.missing, 'spare'}": "spare",
    "${self:custom.missing, self:custom.name}": "nina",
    "${self:custom.missing, ${self:custom.name}}": "nina",
    "${opt:x, ${env:Y, 'a, b'}}": "a, b",
    "${opt:x, 5}": "5",
    "${opt:x, true}": "true",
    "${opt:x, 'a-${sls:stage}'}": "a-dev",
    "${opt:x, null}": None,
    "${env:HOME_OF_SHOP}": "here",
    "${opt:region}": "us-east-1",
    "${aws:region}/${aws:accountId}": "us-east-1/123456789012",
    "${param:rate}${param:fee}": "56",
    "${strToBool(1)}": "true",
    "${AWS::Region}": "${AWS::Region}",
    '!Sub "${AWS::Region}-${self:custom.name}"': "us-east-1-nina",
    "!Ref FLambdaFunction": "shop-dev-f",
    "on": "on",
    "2024-01-31": "2024-01-31",
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=VALUES)
def test_variables_give_what_the_framework_gives(expression: str, value: str | None):
    """Each, in a variable of a function."""
    assert environment_of(expression, environment={"HOME_OF_SHOP": "here"}) == value


UNKNOWN = {
    "${self:custom.missing}": "${self:custom.missing} has no value here",
    "${env:NOT_SET}": "${env:NOT_SET} has no value here: set NOT_SET in the environment of this command",
    "${opt:size}": "${opt:size} has no value here: give --parameter size=VALUE",
    "${param:size}": "${param:size} has no value here: give --parameter size=VALUE",
    "${ssm:/shop/key}": "${ssm:/shop/key} has no value here, only in AWS: give --parameter ssm:/shop/key=VALUE",
    "${cf:other.Url}": "${cf:other.Url} has no value here, only in AWS: give --parameter cf:other.Url=VALUE",
    "${file(nothing.yml):a}": "${file(nothing.yml):a} has no value here",
    "${file(made.js):a}": "made.js is a program; only YAML, JSON and text files are read",
    "${self:custom.loop}": "${self:custom.loop} refers to itself",
    "a-${self:custom.list}": "'a-${self:custom.list}' puts a list or a mapping into text",
    "${self:custom.list}": "a variable is text, not a list or a mapping",
    "!Ref Nobody": "there is no resource or parameter 'Nobody'",
}


@pytest.mark.parametrize(("expression", "text"), UNKNOWN.items(), ids=UNKNOWN)
def test_what_cannot_be_known_here_is_told_with_its_line_and_left_out(
    expression: str, text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    """The function is served without the variable."""
    told = environment_of(expression)

    assert told == [f"serverless.yml:18: functions.f.environment.X: {text}; the variable is left out"]


def test_what_only_aws_knows_may_be_given():
    """By the variable's own text."""
    given_values = {"ssm:/shop/key": "k-1", "size": "9"}

    assert environment_of("${ssm:/shop/key}-${opt:size}", parameters=given_values) == "k-1-9"


def test_functions_may_be_a_list_of_mappings():
    """As large services write them."""
    reading = read(
        "service: shop\nprovider: {name: aws}\nfunctions:\n  - a: {handler: a.handler}\n  - b: {handler: b.handler}\n",
        "serverless.yml",
    )

    assert problems(reading) == []
    assert list(functions(reading)) == ["shop-dev-a", "shop-dev-b"]


def test_the_frameworks_own_defaults_hold():
    """Six seconds and 1024 MB."""
    served = one(read("service: shop\nfunctions:\n  f: {handler: app.handler}\n", "serverless.yml"))

    assert (served.timeout, served.memory) == (6, 1024)


WRONG = {
    "image: x": "serverless.yml:5: functions.bad.image: a function in a container image is not served here",
    "timeout: 5": "serverless.yml:4: functions.bad: no handler",
    "handler: app": "serverless.yml:5: functions.bad.handler: handler 'app' is not 'module.function'",
    "handler: ${ssm:x}": (
        "serverless.yml:4: functions.bad.handler: ${ssm:x} has no value here, only in AWS: give --parameter ssm:x=VALUE"
    ),
    "{handler: a.b, runtime: go1.x}": (
        "serverless.yml:5: functions.bad.runtime: runtime 'go1.x' is not served here: python, nodejs and provided are"
    ),
}


@pytest.mark.parametrize(("body", "line"), WRONG.items(), ids=WRONG)
def test_a_function_that_cannot_be_served_is_told_of_and_the_other_is_served(body: str, line: str):
    """With the line of the very key."""
    reading = read(
        f"service: shop\nfunctions:\n  good: {{handler: app.handler}}\n  bad:\n    {body}\n", "serverless.yml"
    )
    line = line.replace(":4: functions.bad.handler", ":5: functions.bad.handler")

    assert problems(reading) == [line]
    assert list(functions(reading)) == ["shop-dev-good"]


def test_a_file_without_a_service_is_told_of():
    """Its name is part of every function's."""
    assert problems(read("functions:\n  f: {handler: app.handler}\n", "serverless.yml")) == [
        "serverless.yml: service: no service: its name is part of every function's"
    ]


LEAVES = st.one_of(
    st.sampled_from(
        [*VALUES, *UNKNOWN, "${", "${}", "${self:}", "${self:functions}", "${a", "}", "${self:custom.f.handler}"]
    ),
    st.integers(-2, 1000),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["handler", "name", "environment", "f", "arn", "Ref", "stage"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)
PARTS = st.sampled_from(
    ["handler", "name", "timeout", "memorySize", "environment", "runtime", "destinations", "onError", "image"]
)


@given(st.dictionaries(PARTS, TREES), TREES, TREES, TREES)
def test_no_service_is_too_wrong_to_be_told_of(function: dict[str, Any], custom: Any, provider: Any, resources: Any):
    """Whatever stands in it: no exception, and every function is served or told of."""
    tree = {
        "service": "shop",
        "custom": custom,
        "provider": provider,
        "resources": resources,
        "functions": {"f": function},
    }
    reading = read(yaml.safe_dump(tree, sort_keys=False), "serverless.yml")

    assert len(reading.declared) == 1 or reading.problems
    assert all("\n" not in str(problem) for problem in reading.problems)
