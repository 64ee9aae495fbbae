"""SAM and CloudFormation templates become functions; what is wrong with one is told in a line and harms no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._templates.surroundings import Surroundings
from lambdachain.local import EventConfig, LocalAlias, LocalVersion
from tests.templates.reading import PLACE, SYSTEMS, functions, one, problems, read, read_system


def test_a_sam_template_is_served_as_it_would_be_deployed():
    """Globals, parameters, conditions, references between functions, layers, an alias, what becomes of events."""
    reading = read_system("sam/template.yaml", parameters={"PaymentKey": "k-1"})
    served = functions(reading)
    order, charge, receipt = served["PlaceOrder"], served["local-charge"], served["Receipt"]
    here = SYSTEMS / "sam"
    layer = here / "layers" / "common"

    assert problems(reading) == []
    assert list(served) == ["PlaceOrder", "local-charge", "Receipt"]
    assert (order.directory, order.handler, order.timeout, order.memory) == (here / "orders", "app.handler", 12, 256)
    assert order.environment == {
        "STAGE": "dev",
        "LOG_LEVEL": "INFO",
        "DEBUG": "true",
        "CHARGE_FUNCTION": "local-charge",
        "CHARGE_ARN": "arn:aws:lambda:us-east-1:123456789012:function:local-charge",
        "RECEIPT_FUNCTION": "Receipt:live",
        "TABLE": "OrdersTable",
        "TABLE_ARN": "arn:aws:dynamodb:us-east-1:123456789012:table/OrdersTable",
        "BUS": "local/us-east-1/events",
        "URL": "https://api.us-east-1.amazonaws.com/${literal}",
        "PYTHONPATH": f"{layer}/python:{layer}",
        "NODE_PATH": f"{layer}/nodejs/node_modules",
    }
    assert (charge.timeout, charge.reserved_concurrency, charge.environment["PAYMENT_KEY"]) == (3, 5, "k-1")
    assert receipt.aliases == {"live": LocalAlias("1")}
    assert receipt.versions == {"1": LocalVersion()}
    assert receipt.events == EventConfig(
        max_retries=1, max_age=120, on_failure="arn:aws:sqs:us-east-1:123456789012:failures-dev"
    )


def test_parameters_choose_what_is_served():
    """Conditions and mappings follow them."""
    served = functions(read_system("sam/template.yaml", parameters={"Stage": "prod", "PaymentKey": "k-1"}))

    assert list(served) == ["PlaceOrder", "local-charge", "Receipt", "OnlyInProd"]
    assert served["PlaceOrder"].memory == 1024
    assert served["OnlyInProd"].environment["LOG_LEVEL"] == "WARNING"
    assert served["PlaceOrder"].environment["ONLY_IN_PROD"] == "yes"


def test_a_cloudformation_template_is_served_with_its_versions_and_aliases():
    """Inline code, a canary, dead letters, destinations."""
    reading = read_system("plain/template.yaml")
    served = functions(reading)
    (child,) = (each for each in reading.declared if each.function.name == "child")

    assert problems(reading) == []
    assert served["Parent"].environment == {"CHILD": "arn:aws:lambda:us-east-1:123456789012:function:child:live"}
    assert served["Parent"].timeout == 5
    assert served["Parent"].events.dead_letter == "arn:aws:sns:us-east-1:123456789012:DeadLetters"
    assert child.inline == ('def handler(event, context):\n    return {"version": context.function_version}\n')
    assert child.function.versions == {"1": LocalVersion(), "2": LocalVersion()}
    assert child.function.aliases == {"live": LocalAlias("1", routing={"2": 0.1})}
    assert child.function.events == EventConfig(
        max_retries=0, on_success="arn:aws:lambda:us-east-1:123456789012:function:Parent"
    )


def test_a_template_of_the_cdk_is_served():
    """JSON, and the code where the metadata say that it lies."""
    template = {
        "Resources": {
            "Orders": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Handler": "app.handler",
                    "Code": {"S3Bucket": "b", "S3Key": "k"},
                    "Runtime": "python3.11",
                },
                "Metadata": {"aws:asset:path": "asset.0a1b", "aws:asset:property": "Code"},
            }
        }
    }

    assert str(one(read(json.dumps(template, indent=1), "stack.template.json")).directory) == "/code/asset.0a1b"


TEMPLATE = """\
Parameters:
  Name: {Type: String, Default: nina}
  Size: {Type: Number, Default: 3}
  Zones: {Type: CommaDelimitedList, Default: "a, b,c"}
  Unknown: {Type: String}
Mappings:
  Prices: {eu: {low: 5}}
Conditions:
  Always: !Equals [a, a]
  Never: !Not [!Condition Always]
  Loop: !Condition Loop
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Handler: app.handler
      AutoPublishAlias: live
      Environment:
        Variables:
          X: %s
  Other:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: !Sub "${Name}-other", Code: code, Handler: app.handler}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Other}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Other, FunctionVersion: "1", Name: blue}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}
  Topic: {Type: AWS::SNS::Topic}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
  Bucket: {Type: AWS::S3::Bucket}
  Setting: {Type: AWS::SSM::Parameter, Properties: {Name: /shop/rate, Type: String, Value: "7"}}
  Machine: {Type: AWS::Serverless::StateMachine, Properties: {Name: flow}}
  Database: {Type: AWS::RDS::DBInstance}
"""


def environment_of(expression: str, **given_values: Any) -> Any:
    """Give the variable X, or the problem with it."""
    reading = read(TEMPLATE % expression, **given_values)
    told = [str(problem) for problem in reading.problems]
    return told or functions(reading)["F"].environment.get("X")


ARN = "arn:aws:lambda:us-east-1:123456789012:function"
VALUES = {
    "text": "text",
    "5": "5",
    "yes": "true",
    "2024-01-31": "2024-01-31",
    "!Ref Name": "nina",
    "!Ref Size": "3",
    "!Ref F": "F",
    "!Ref Other": "nina-other",
    "!Ref F.Alias": f"{ARN}:F:live",
    "!Ref F.Version": f"{ARN}:F:1",
    "!Ref Alias": f"{ARN}:nina-other:blue",
    "!Ref Version": f"{ARN}:nina-other:1",
    "!GetAtt Version.Version": "1",
    "!GetAtt F.Arn": f"{ARN}:F",
    "!GetAtt [Other, Arn]": f"{ARN}:nina-other",
    '{"Fn::GetAtt": "Other.Arn"}': f"{ARN}:nina-other",
    "!Ref Queue": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
    "!GetAtt Queue.Arn": "arn:aws:sqs:us-east-1:123456789012:jobs",
    "!GetAtt Queue.QueueName": "jobs",
    "!GetAtt Queue.QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
    "!Ref Topic": "arn:aws:sns:us-east-1:123456789012:Topic",
    "!GetAtt Bus.Arn": "arn:aws:events:us-east-1:123456789012:event-bus/shop",
    "!Ref Bucket": "Bucket",
    "!GetAtt Bucket.Arn": "arn:aws:s3:::Bucket",
    "!Ref Setting": "/shop/rate",
    "!GetAtt Setting.Value": "7",
    "!Ref Machine": "arn:aws:states:us-east-1:123456789012:stateMachine:flow",
    "!Ref Database": "Database",
    "!Ref AWS::AccountId": "123456789012",
    "!Ref AWS::Region": "us-east-1",
    "!Ref AWS::Partition": "aws",
    "!Ref AWS::StackName": "local",
    "!Ref AWS::URLSuffix": "amazonaws.com",
    "!Ref AWS::NoValue": None,
    '!Sub "${Name}/${F}/${Other.Arn}/${AWS::Region}/${!Kept}"': f"nina/F/{ARN}:nina-other/us-east-1/${{Kept}}",
    '!Sub ["${a}-${Name}", {a: !Ref Size}]': "3-nina",
    '!Join ["-", [a, !Ref Name, !Ref AWS::NoValue]]': "a-nina",
    '!Join [",", !Ref Zones]': "a,b,c",
    "!If [Always, a, b]": "a",
    "!If [Never, a, b]": "b",
    "!If [Never, a, !Ref AWS::NoValue]": None,
    '!Select [1, !Split ["/", "x/y/z"]]': "y",
    "!Select [2, !Ref Zones]": "c",
    "!Select [0, !GetAZs '']": "us-east-1a",
    "!FindInMap [Prices, eu, low]": "5",
    "!Base64 abc": "YWJj",
    "!ToJsonString {a: [1, !Ref Name]}": '{"a":[1,"nina"]}',
    "!Length [a, b]": "2",
    "!If [Always, !If [Never, a, b], c]": "b",
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=VALUES)
def test_intrinsic_functions_give_what_cloudformation_gives(expression: str, value: str | None):
    """Each, in a variable of a function."""
    assert environment_of(expression) == value


UNKNOWN = {
    "!Transform {Name: Macro}": "Fn::Transform is not known here; state the value instead, or give it by --env-file",
    "!Ref Nobody": "there is no resource or parameter 'Nobody'",
    "!Ref Unknown": "parameter 'Unknown' has no default: give --parameter Unknown=VALUE",
    "!Ref AWS::Mars": "there is no pseudo parameter 'AWS::Mars'",
    "!GetAtt Database.Endpoint.Address": (
        "only AWS knows Database.Endpoint.Address: give --parameter Database.Endpoint.Address=VALUE"
    ),
    "!ImportValue vpc": "another stack exports 'vpc': give --parameter vpc=VALUE",
    "!FindInMap [Prices, us, low]": "there is no mapping Prices.us.low",
    "!If [Perhaps, a, b]": "there is no condition 'Perhaps'",
    "!If [Loop, a, b]": "condition Loop refers to itself",
    "!Join [a]": "Fn::Join is not of the form that CloudFormation reads",
    "!Select [7, [a]]": "Fn::Select is not of the form that CloudFormation reads",
    "!Sub {a: b}": "Fn::Sub is not of the form that CloudFormation reads",
    '"p-{{resolve:ssm:/shop/password:1}}"': "only AWS resolves {{resolve:...}}: give X by --env-file",
    "[a, b]": "a variable is text, not a list or a mapping",
    "!Ref Zones": "a variable is text, not a list or a mapping",
}


@pytest.mark.parametrize(("expression", "text"), UNKNOWN.items(), ids=UNKNOWN)
def test_what_cannot_be_known_here_is_told_with_its_line_and_left_out(expression: str, text: str):
    """The function is served without the variable."""
    where = "template.yaml:21: Resources.F.Properties.Environment.Variables.X"

    assert environment_of(expression) == [f"{where}: {text}; the variable is left out"]
    assert "F" in functions(read(TEMPLATE % expression))


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("!Ref Unknown", "Unknown"),
        ("!Ref Database", "Database"),
        ("!GetAtt Database.Endpoint.Address", "Database.Endpoint.Address"),
        ('!Sub "${Database.Endpoint.Address}"', "Database.Endpoint.Address"),
        ("!ImportValue vpc", "vpc"),
        ("!Ref AWS::StackName", "AWS::StackName"),
        ("!Ref Queue", "Queue"),
    ],
)
def test_whatever_a_template_refers_to_may_be_given(expression: str, name: str):
    """What only AWS knows, and what should be another value here."""
    assert environment_of(expression, parameters={name: "http://localhost:1"}) == "http://localhost:1"


def function(properties: str, kind: str = "AWS::Serverless::Function") -> str:
    """Write a template of one function, and another beside it that is well."""
    lines = "\n".join(f"      {line}" for line in properties.splitlines())
    return (
        f"Resources:\n  Bad:\n    Type: {kind}\n    Properties:\n{lines}\n"
        "  Good:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: good, Handler: app.handler}\n"
    )


CODE = "CodeUri: code\nHandler: app.handler\n"
WRONG = {
    "no code": (
        "Handler: app.handler",
        "4: Resources.Bad.Properties.CodeUri: no CodeUri: state the directory of its code, such as CodeUri: ./bad",
    ),
    "no handler": ("CodeUri: code", "2: Resources.Bad: no handler"),
    "code in S3": (
        "CodeUri: s3://bucket/key\nHandler: app.handler",
        "5: Resources.Bad.Properties.CodeUri: the code is in S3: CodeUri needs to be a directory here to be served",
    ),
    "code in a bucket": (
        "CodeUri: {Bucket: b, Key: k}\nHandler: app.handler",
        "5: Resources.Bad.Properties.CodeUri: the code is in S3: CodeUri needs to be a directory here to be served",
    ),
    "an image": (
        "PackageType: Image\nImageUri: app:latest",
        "5: Resources.Bad.Properties.PackageType: a function in a container image is not served here",
    ),
    "a runtime": (
        CODE + "Runtime: java21",
        "7: Resources.Bad.Properties.Runtime: runtime 'java21' is not served here: python, nodejs and provided are",
    ),
    "a timeout": (
        CODE + "Timeout: 901",
        "7: Resources.Bad.Properties.Timeout: timeout must be more than 0 and at most 900 seconds, not 901.0",
    ),
    "a timeout in words": (CODE + "Timeout: soon", "7: Resources.Bad.Properties.Timeout: must be a number, not 'soon'"),
    "memory": (
        CODE + "MemorySize: 64",
        "7: Resources.Bad.Properties.MemorySize: memory must be 128 to 10240 MB, not 64",
    ),
    "half a memory": (
        CODE + "MemorySize: 128.5",
        "7: Resources.Bad.Properties.MemorySize: must be a whole number, not 128.5",
    ),
    "concurrency": (
        CODE + "ReservedConcurrentExecutions: -1",
        "7: Resources.Bad.Properties.ReservedConcurrentExecutions: reserved_concurrency must be 0 or more, not -1",
    ),
    "a handler": (
        "CodeUri: code\nHandler: app",
        "6: Resources.Bad.Properties.Handler: handler 'app' is not 'module.function'",
    ),
    "a handler of another stack": (
        "CodeUri: code\nHandler: !ImportValue handler",
        "6: Resources.Bad.Properties.Handler: another stack exports 'handler': give --parameter handler=VALUE",
    ),
    "a name": (
        CODE + 'FunctionName: "a b"',
        "2: Resources.Bad: a name must have 1 to 64 letters, digits, '-', '_' and '.'",
    ),
    "a reserved variable": (
        CODE + "Environment: {Variables: {AWS_REGION: x}}",
        ("7: Resources.Bad.Properties.Environment.Variables: environment sets AWS_REGION, which Lambda reserves"),
    ),
    "a name that is taken": (
        CODE + "FunctionName: Good",
        (
            "7: Resources.Good: function 'Good' is declared twice: "
            "template.yaml:2: Resources.Bad is the one that is served"
        ),
    ),
}


@pytest.mark.parametrize(("properties", "line"), WRONG.values(), ids=WRONG)
def test_a_function_that_cannot_be_served_is_told_of_and_the_other_is_served(properties: str, line: str):
    """With the line of the very key."""
    text = function(properties)
    reading = read(text)
    number, _, rest = line.partition(":")
    if "is declared twice" in line:
        number = str(text.splitlines().index("  Good:") + 1)

    assert problems(reading) == [f"template.yaml:{number}:{rest}"]
    assert list(functions(reading)) == ["Good"]


def test_functions_that_are_not_read_are_told_of():
    """Those of a nested template, and those that a loop makes."""
    told = problems(
        read(
            """
            Resources:
              Good: {Type: AWS::Serverless::Function, Properties: {CodeUri: good, Handler: app.handler}}
              Stack: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: nested.yaml}}
              App: {Type: AWS::Serverless::Application, Properties: {Location: nested.yaml}}
              Fn::ForEach::Name: [Name, [a, b], {"F${Name}": {Type: AWS::Serverless::Function}}]
            """
        )
    )

    nested = "the functions of a nested template are not served with this one: name its file as well"
    assert told == [
        f"template.yaml:4: Resources.Stack: {nested}",
        f"template.yaml:5: Resources.App: {nested}",
        "template.yaml:6: Resources: Fn::ForEach is not known here: the functions that it makes are not served",
    ]


def test_a_plain_function_needs_code_too():
    """``Code`` is its name there."""
    reading = read(function("Handler: app.handler", "AWS::Lambda::Function"))

    assert problems(reading) == [
        "template.yaml:4: Resources.Bad.Properties.Code: no Code: state the directory of its code, such as Code: ./bad"
    ]


def test_a_logical_id_that_stands_twice_is_told_of():
    """YAML itself would take the last in silence."""
    one_of_them = "  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: %s, Handler: app.handler}}\n"
    reading = read("Resources:\n" + one_of_them % "first" + one_of_them % "second")

    assert problems(reading) == ["template.yaml:3: Resources.F: written twice; line 2 has it already"]
    assert str(functions(reading)["F"].directory) == "/code/first"


BROKEN = {
    "Resources: [": "template.yaml:1: not YAML: expected the node content, but found '<stream end>'",
    "a: b": "template.yaml: neither a template (no Resources) nor a serverless.yml (no service)",
    "": "template.yaml: neither a template (no Resources) nor a serverless.yml (no service)",
    "Resources: 5": "template.yaml:1: Resources: a template has Resources",
    "Resources:\n\tF: 5": "template.yaml:2: not YAML: found character '\\t' that cannot start any token",
    "Resources: &a\n  F: *a": "template.yaml:1: an alias contains itself",
    "Resources: \x00": "template.yaml:1: not YAML: character #x0000 is not allowed",
}


@pytest.mark.parametrize(("text", "line"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_file_that_cannot_be_read_is_one_line(text: str, line: str):
    """No traceback, whatever it contains."""
    (told,) = problems(read(text))

    assert told.startswith(line)


def test_a_wrong_destination_is_left_out_and_the_function_served():
    """It would fail at every event otherwise."""
    reading = read(function(CODE + "EventInvokeConfig: {MaximumRetryAttempts: 5}"))

    assert problems(reading) == [
        (
            "template.yaml:7: Resources.Bad.Properties.EventInvokeConfig: "
            "events: max_retries must be 0 to 2, not 5; left out"
        )
    ]
    assert list(functions(reading)) == ["Bad", "Good"]


NAMES = st.sampled_from(
    ["F", "G", "Stage", "Queue", "Always", "Loop", "AWS::Region", "AWS::NoValue", "Nobody", "F.Arn", "F.Alias"]
)
INTRINSICS = [
    *(
        "Ref",
        "Condition",
        "Fn::GetAtt",
        "Fn::Sub",
        "Fn::Join",
        "Fn::If",
        "Fn::Select",
        "Fn::Split",
        "Fn::Equals",
        "Fn::Not",
    ),
    *(
        "Fn::And",
        "Fn::Or",
        "Fn::FindInMap",
        "Fn::ImportValue",
        "Fn::Base64",
        "Fn::GetAZs",
        "Fn::Length",
        "Fn::ToJsonString",
    ),
    "Fn::Unheard",
]
LEAVES = st.one_of(
    NAMES,
    NAMES.map(lambda name: f"a-${{{name}}}"),
    st.integers(-2, 1000),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
TREES: st.SearchStrategy[Any] = st.deferred(
    lambda: st.one_of(
        LEAVES,
        st.lists(TREES, max_size=3),
        st.dictionaries(NAMES, TREES, max_size=2),
        st.tuples(st.sampled_from(INTRINSICS), TREES).map(lambda pair: {pair[0]: pair[1]}),
    )
)
PROPERTIES = st.dictionaries(
    st.sampled_from(
        [
            "CodeUri",
            "Handler",
            "Runtime",
            "Timeout",
            "MemorySize",
            "Environment",
            "FunctionName",
            "AutoPublishAlias",
            "EventInvokeConfig",
            "Layers",
            "DeadLetterQueue",
            "ReservedConcurrentExecutions",
            "InlineCode",
            "PackageType",
        ]
    ),
    TREES,
)


@given(PROPERTIES, TREES, TREES)
def test_no_template_is_too_wrong_to_be_told_of(properties: dict[str, Any], variable: Any, condition: Any):
    """Whatever stands in it, the functions that are well are served, and each other has a line."""
    good = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "good", "Handler": "app.handler"}}
    template = {
        "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
        "Conditions": {"Always": condition, "Loop": {"Condition": "Loop"}},
        "Resources": {
            "F": {"Type": "AWS::Serverless::Function", "Properties": properties},
            "G": {**good, "Properties": {**good["Properties"], "Environment": {"Variables": {"X": variable}}}},
            "V": {"Type": "AWS::Lambda::Version", "Properties": properties},
            "A": {"Type": "AWS::Lambda::Alias", "Properties": properties},
            "E": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": properties},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": properties},
            "Good": good,
        },
    }
    reading = read(yaml.safe_dump(template, sort_keys=False))

    assert "Good" in functions(reading)
    assert len(functions(reading)) == 3 or reading.problems
    assert all("\n" not in str(problem) for problem in reading.problems)


@given(st.text())
def test_no_text_is_too_wrong_to_be_told_of(text: str):
    """No exception, for any of the kinds of files."""
    for source in ("template.yaml", "serverless.yml", "lambdachain.toml"):
        reading = read(text, source)
        assert reading.declared or reading.problems


@given(
    st.integers(1, 900),
    st.integers(128, 10_240),
    st.integers(0, 1000),
    st.from_regex(r"[a-z_]{1,8}\.[a-z_]{1,8}", fullmatch=True),
)
def test_settings_arrive_as_they_are_written(timeout: int, memory: int, reserved: int, handler: str):
    """Directly, and by way of Globals and a parameter."""
    direct = {"Timeout": timeout, "MemorySize": memory, "ReservedConcurrentExecutions": reserved, "Handler": handler}
    kind = "AWS::Serverless::Function"
    template = {
        "Parameters": {"T": {"Type": "Number", "Default": timeout}},
        "Globals": {"Function": {**direct, "Timeout": {"Ref": "T"}}},
        "Resources": {
            "Own": {"Type": kind, "Properties": {"CodeUri": "c", **direct}},
            "Shared": {"Type": kind, "Properties": {"CodeUri": "c"}},
        },
    }
    reading = read(json.dumps(template), around=Surroundings(PLACE))

    assert problems(reading) == []
    for served in functions(reading).values():
        assert (served.timeout, served.memory, served.reserved_concurrency, served.handler) == (
            timeout,
            memory,
            reserved,
            handler,
        )
