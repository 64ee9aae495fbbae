"""The functions of SAM and CloudFormation templates; an error is one line, and the other functions are served."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambdachain.local import EventConfig, LocalAlias, LocalFunction, LocalVersion
from tests.templates.readers import SYSTEMS, diagnostics, functions, only_function, parse, read

ONLY_ON_AWS = (
    "layer 'arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python311-x86_64:7' is not on this "
    "machine; the layer is left out"
)
NO_IMAGE = (
    "a function in a container image cannot be served: serve its code without the image instead: "
    "lambdachain serve Bad=DIR/HANDLER, with the handler that the CMD of its Dockerfile names"
)


def test_sam_template_is_served_as_it_would_be_deployed():
    """Globals, parameters, conditions, references between functions, layers, an alias, the settings of events."""
    declarations = read(SYSTEMS / "sam/template.yaml", parameters={"PaymentKey": "k-1"})
    served = functions(declarations)
    order, charge, receipt = served["PlaceOrder"], served["local-charge"], served["Receipt"]
    here = SYSTEMS / "sam"
    file = os.path.relpath(here / "template.yaml")

    assert diagnostics(declarations) == [f"{file}:59: Resources.PlaceOrder.Properties.Layers.1: {ONLY_ON_AWS}"]
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
    }
    assert declarations.functions[0].layers == (here / "layers" / "common",)
    assert (charge.timeout, charge.reserved_concurrency, charge.environment["PAYMENT_KEY"]) == (3, 5, "k-1")
    assert receipt.aliases == {"live": LocalAlias("1")}
    assert receipt.versions == {"1": LocalVersion()}
    assert receipt.events == EventConfig(
        max_retries=1, max_age=120, on_failure="arn:aws:sqs:us-east-1:123456789012:failures-dev"
    )


def test_parameters_decide_what_is_served():
    """Conditions and mappings depend on them."""
    served = functions(read(SYSTEMS / "sam/template.yaml", parameters={"Stage": "prod", "PaymentKey": "k-1"}))

    assert list(served) == ["PlaceOrder", "local-charge", "Receipt", "OnlyInProd"]
    assert served["PlaceOrder"].memory == 1024
    assert served["OnlyInProd"].environment["LOG_LEVEL"] == "WARNING"
    assert served["PlaceOrder"].environment["ONLY_IN_PROD"] == "yes"


def test_cloudformation_template_is_served_with_versions_and_aliases():
    """Inline code, a weighted alias, a dead-letter topic, destinations."""
    declarations = read(SYSTEMS / "plain/template.yaml")
    served = functions(declarations)
    (child,) = (each for each in declarations.functions if each.function.name == "child")

    assert diagnostics(declarations) == []
    assert served["Parent"].environment == {"CHILD": "arn:aws:lambda:us-east-1:123456789012:function:child:live"}
    assert served["Parent"].timeout == 5
    assert served["Parent"].events.dead_letter == "arn:aws:sns:us-east-1:123456789012:DeadLetters"
    assert child.inline == ('def handler(event, context):\n    return {"version": context.function_version}\n')
    assert child.function.versions == {"1": LocalVersion(), "2": LocalVersion()}
    assert child.function.aliases == {"live": LocalAlias("1", routing={"2": 0.1})}
    assert child.function.events == EventConfig(
        max_retries=0, on_success="arn:aws:lambda:us-east-1:123456789012:function:Parent"
    )


def test_cdk_template_is_served():
    """It is JSON, and the metadata name the directory of the code."""
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

    assert (
        str(only_function(parse(json.dumps(template, indent=1), "stack.template.json")).directory) == "/code/asset.0a1b"
    )


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


def resolve_variable(expression: str, **context: Any) -> Any:
    """Return the value of the variable X, or the diagnostics if there are any."""
    declarations = parse(TEMPLATE % expression, **context)
    lines = [str(line) for line in declarations.diagnostics]
    return lines or functions(declarations)["F"].environment.get("X")


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
def test_intrinsic_function_has_the_value_that_cloudformation_gives_it(expression: str, value: str | None):
    """In an environment variable of a function."""
    assert resolve_variable(expression) == value


UNKNOWN = {
    "!Transform {Name: Macro}": (
        "Fn::Transform is not supported: write the value instead, or set the variable with --env-file"
    ),
    "!Ref Nobody": "resource or parameter 'Nobody' is not defined",
    "!Ref Unknown": "parameter 'Unknown' has no default: pass --parameter Unknown=VALUE",
    "!Ref AWS::Mars": "unknown pseudo parameter 'AWS::Mars'",
    "!GetAtt Database.Endpoint.Address": (
        "only AWS knows Database.Endpoint.Address: pass --parameter Database.Endpoint.Address=VALUE"
    ),
    "!ImportValue vpc": "another stack exports 'vpc': pass --parameter vpc=VALUE",
    "!FindInMap [Prices, us, low]": "mapping Prices.us.low is not defined",
    "!If [Perhaps, a, b]": "condition 'Perhaps' is not defined",
    "!If [Loop, a, b]": "condition Loop refers to itself",
    "!Join [a]": "the argument of Fn::Join does not have the form that CloudFormation reads",
    "!Select [7, [a]]": "the argument of Fn::Select does not have the form that CloudFormation reads",
    "!Sub {a: b}": "the argument of Fn::Sub does not have the form that CloudFormation reads",
    '"p-{{resolve:ssm:/shop/password:1}}"': "only AWS resolves {{resolve:...}}: set X with --env-file",
    "[a, b]": "must be text, not a list or a mapping",
    "!Ref Zones": "must be text, not a list or a mapping",
}


@pytest.mark.parametrize(("expression", "text"), UNKNOWN.items(), ids=UNKNOWN)
def test_unresolvable_variable_is_left_out_and_reported_with_its_line(expression: str, text: str):
    """The function is served without the variable."""
    where = "template.yaml:21: Resources.F.Properties.Environment.Variables.X"

    assert resolve_variable(expression) == [f"{where}: {text}; the variable is left out"]
    assert "F" in functions(parse(TEMPLATE % expression))


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
def test_parameter_replaces_any_reference(expression: str, name: str):
    """To what only AWS knows, and to what should have another value here."""
    assert resolve_variable(expression, parameters={name: "http://localhost:1"}) == "http://localhost:1"


def function(properties: str, kind: str = "AWS::Serverless::Function") -> str:
    """Return a template with a function of these properties, and a valid one."""
    lines = "\n".join(f"      {line}" for line in properties.splitlines())
    return (
        f"Resources:\n  Bad:\n    Type: {kind}\n    Properties:\n{lines}\n"
        "  Good:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: good, Handler: app.handler}\n"
    )


IN_S3 = "the code is in S3: to serve the function, set CodeUri to a directory on this machine"
CODE = "CodeUri: code\nHandler: app.handler\n"
WRONG = {
    "no handler": ("CodeUri: code", "2: Resources.Bad: no handler"),
    "code in S3": (
        "CodeUri: s3://bucket/key\nHandler: app.handler",
        f"5: Resources.Bad.Properties.CodeUri: {IN_S3}",
    ),
    "code in a bucket": (
        "CodeUri: {Bucket: b, Key: k}\nHandler: app.handler",
        f"5: Resources.Bad.Properties.CodeUri: {IN_S3}",
    ),
    "an image": (
        "PackageType: Image\nImageUri: app:latest",
        f"5: Resources.Bad.Properties.PackageType: {NO_IMAGE}",
    ),
    "a runtime": (
        CODE + "Runtime: java21",
        "7: Resources.Bad.Properties.Runtime: runtime 'java21' cannot be served: only python, nodejs and provided can",
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
        "6: Resources.Bad.Properties.Handler: handler 'app' is not 'module.function', such as 'app.handler'",
    ),
    "a handler of another stack": (
        "CodeUri: code\nHandler: !ImportValue handler",
        "6: Resources.Bad.Properties.Handler: another stack exports 'handler': pass --parameter handler=VALUE",
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
        ("7: Resources.Good: duplicate function 'Good': template.yaml:2: Resources.Bad is served instead"),
    ),
}


@pytest.mark.parametrize(("properties", "line"), WRONG.values(), ids=WRONG)
def test_invalid_function_is_reported_and_the_other_is_served(properties: str, line: str):
    """With the line of the key that is wrong."""
    text = function(properties)
    declarations = parse(text)
    number, _, rest = line.partition(":")
    if "duplicate function" in line:
        number = str(text.splitlines().index("  Good:") + 1)

    assert diagnostics(declarations) == [f"template.yaml:{number}:{rest}"]
    assert list(functions(declarations)) == ["Good"]


def test_functions_that_are_not_read_are_reported():
    """Those of nested templates that are not on this machine, and those of a loop that cannot be expanded."""
    lines = diagnostics(
        parse(
            """
            Resources:
              Good: {Type: AWS::Serverless::Function, Properties: {CodeUri: good, Handler: app.handler}}
              Stack: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "https://s3/nested.yaml"}}
              App: {Type: AWS::Serverless::Application, Properties: {Location: {ApplicationId: a, SemanticVersion: 1}}}
              Gone: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: nested.yaml}}
              Fn::ForEach::Name: [Name, !Ref Nobody, {"F${Name}": {Type: AWS::Serverless::Function}}]
            """
        )
    )

    text = "the functions of the nested stack {} are not read: "
    elsewhere = "its template is not on this machine: pass its file as well, or set {} to a path"
    assert lines == [
        "template.yaml:4: Resources.Stack.Properties.TemplateURL: "
        + text.format("Stack")
        + elsewhere.format("TemplateURL"),
        "template.yaml:5: Resources.App.Properties.Location: " + text.format("App") + elsewhere.format("Location"),
        "template.yaml:6: Resources.Gone.Properties.TemplateURL: " + text.format("Gone") + "no such file",
        (
            "template.yaml:7: Resources.Fn::ForEach::Name: resource or parameter 'Nobody' is not defined; "
            "what the loop creates is left out"
        ),
    ]


def test_missing_code_is_reported_by_cloudformations_name():
    """``Code`` instead of ``CodeUri``."""
    declarations = parse(function("Handler: app.handler", "AWS::Lambda::Function"))

    (line,) = diagnostics(declarations)
    assert line.startswith("template.yaml:4: Resources.Bad.Properties.Code: ")
    assert line.endswith("no Code: set it to the directory of the code, such as Code: ./bad")


def test_duplicate_logical_id_is_reported():
    """The last counts, as for SAM, which keeps it silently."""
    one_of_them = "  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: %s, Handler: app.handler}}\n"
    declarations = parse("Resources:\n" + one_of_them % "first" + one_of_them % "second")

    assert diagnostics(declarations) == [
        "template.yaml:3: Resources.F: duplicate key, already on line 2: only the last counts"
    ]
    assert str(functions(declarations)["F"].directory) == "/code/second"


BROKEN = {
    "Resources: [": "template.yaml:1: not valid YAML: expected the node content, but found '<stream end>'",
    "a: b": "template.yaml: neither a template (no Resources) nor a serverless.yml (no service)",
    "": "template.yaml: neither a template (no Resources) nor a serverless.yml (no service)",
    "Resources: 5": "template.yaml:1: Resources: Resources must be a mapping",
    "Resources:\n\tF: 5": "template.yaml:2: not valid YAML: found character '\\t' that cannot start any token",
    "Resources: &a\n  F: *a": "template.yaml:1: an alias contains itself",
    "Resources: \x00": "template.yaml:1: not valid YAML: character #x0000 is not allowed",
}


@pytest.mark.parametrize(("text", "line"), BROKEN.items(), ids=range(len(BROKEN)))
def test_unreadable_file_is_one_diagnostic(text: str, line: str):
    """Without a traceback."""
    (found,) = diagnostics(parse(text))

    assert found.startswith(line)


def test_invalid_event_settings_are_left_out_and_the_function_is_served():
    """Only events are affected."""
    declarations = parse(function(CODE + "EventInvokeConfig: {MaximumRetryAttempts: 5}"))

    assert diagnostics(declarations) == [
        (
            "template.yaml:7: Resources.Bad.Properties.EventInvokeConfig: "
            "events: max_retries must be 0 to 2, not 5; left out"
        )
    ]
    assert list(functions(declarations)) == ["Bad", "Good"]


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
def test_any_template_is_read_without_a_traceback(properties: dict[str, Any], variable: Any, condition: Any):
    """The valid function is served, and every other is served or reported."""
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
            "Odd": {"Type": variable, "Properties": properties},
            "Good": good,
        },
    }
    declarations = parse(yaml.safe_dump(template, sort_keys=False))

    assert "Good" in functions(declarations)
    assert len(functions(declarations)) == 3 or declarations.diagnostics
    assert all("\n" not in str(line) for line in declarations.diagnostics)


@given(st.text())
def test_any_text_is_read_without_a_traceback(text: str):
    """As a file of any kind."""
    for source in ("template.yaml", "serverless.yml", "lambdachain.toml"):
        declarations = parse(text, source)
        assert declarations.functions or declarations.diagnostics


@given(
    st.integers(1, 900),
    st.integers(128, 10_240),
    st.integers(0, 1000),
    st.from_regex(r"[a-z_]{1,8}\.[a-z_]{1,8}", fullmatch=True),
)
def test_settings_are_taken_over_unchanged(timeout: int, memory: int, reserved: int, handler: str):
    """From the function, and from Globals and a parameter."""
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
    declarations = parse(json.dumps(template))

    assert diagnostics(declarations) == []
    for served in functions(declarations).values():
        assert (served.timeout, served.memory, served.reserved_concurrency, served.handler) == (
            timeout,
            memory,
            reserved,
            handler,
        )


READ_AS_DEPLOYED = {
    "a name that a condition removes": (
        "FunctionName: !If [Never, x, !Ref AWS::NoValue]",
        lambda served: served.name == "F",
    ),
    "an environment that a condition chooses": (
        "Environment: !If [Never, !Ref AWS::NoValue, {Variables: {A: chosen}}]",
        lambda served: served.environment == {"A": "chosen"},
    ),
    "variables that a condition chooses": (
        "Environment: {Variables: !If [Never, {A: x}, {A: chosen}]}",
        lambda served: served.environment == {"A": "chosen"},
    ),
    "a variable of Globals that is removed": (
        "Environment: {Variables: {SHARED: !Ref AWS::NoValue}}",
        lambda served: served.environment == {},
    ),
    "an alias that a condition removes": (
        "AutoPublishAlias: !If [Never, live, !Ref AWS::NoValue]",
        lambda served: (served.versions, served.aliases) == ({}, {}),
    ),
    "retries with a destination that only AWS knows": (
        "EventInvokeConfig: {MaximumRetryAttempts: 0, DestinationConfig: {OnFailure: {Destination: !ImportValue x}}}",
        lambda served: served.events == EventConfig(max_retries=0),
    ),
}


@pytest.mark.parametrize(("properties", "is_right"), READ_AS_DEPLOYED.values(), ids=READ_AS_DEPLOYED)
def test_property_is_read_as_it_would_be_deployed(properties: str, is_right: Callable[[LocalFunction], bool]):
    """Where an intrinsic function replaces a whole mapping, also that of Globals, or removes a property."""
    declarations = parse(
        f"""
        Conditions: {{Never: !Equals [a, b]}}
        Globals: {{Function: {{Environment: {{Variables: {{SHARED: 1}}}}}}}}
        Resources:
          F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: c, Handler: app.handler, {properties}}}}}
        """
    )
    (served,) = functions(declarations).values()

    assert is_right(served), served
    assert all("OnFailure" in line for line in diagnostics(declarations))


def test_globals_apply_to_sam_functions_only():
    """SAM does not change the functions of CloudFormation."""
    declarations = parse(
        """
        Globals: {Function: {Timeout: 60, Environment: {Variables: {SHARED: 1}}}}
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Code: c, Handler: app.handler}}
        """
    )

    served = only_function(declarations)
    assert (served.timeout, served.environment) == (3, {})


def test_container_image_of_cloudformation_is_reported_as_such():
    """It needs no ``PackageType``, and is not in S3."""
    properties = "Code: {ImageUri: 123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1}"

    assert diagnostics(parse(function(properties, "AWS::Lambda::Function"))) == [
        f"template.yaml:5: Resources.Bad.Properties.Code: {NO_IMAGE}"
    ]


def test_versions_are_numbered_in_the_order_of_the_template():
    """In one pass over all of them."""
    version = "  V%d: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref F}}\n"
    text = "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: c, Handler: app.handler}}\n"
    served = only_function(parse(text + "".join(version % number for number in range(200))))

    assert list(served.versions) == [str(number) for number in range(1, 201)]


def test_version_of_itself_is_reported():
    """Its number depends on its function, which it refers to by its own ARN or number."""
    lines = diagnostics(
        parse(
            """
            Resources:
              F: {Type: AWS::Serverless::Function, Properties: {CodeUri: c, Handler: app.handler}}
              V: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref V}}
              W: {Type: AWS::Lambda::Version, Properties: {FunctionName: !GetAtt W.Version}}
            """
        )
    )

    assert len(lines) == 2
    assert all("itself" in line for line in lines)


def test_json_may_have_tabs_and_surrogates():
    """YAML 1.1 allows neither; CloudFormation reads JSON."""
    text = (
        '{\t"Resources": {"F": {\n\t"Type": "AWS::Serverless::Function", "Properties": {"Handler": "app.handler", '
        '"Environment": {"Variables": {"A": "\\ud83d\\ude00", "B": "a\\tb", "C": "\\\\ud83d"}}}}}}'
    )

    assert only_function(parse(text, "template.json")).environment == {"A": "\U0001f600", "B": "a\tb", "C": "\\ud83d"}


LEFT_OUT = {
    "a resource in a condition": (
        "F: {Fn::If: [A, {Type: AWS::Serverless::Function}, !Ref AWS::NoValue]}",
        "Resources.F.Type: the type is missing, or is not text; the resource is left out",
    ),
    "text": ("F: text", "Resources.F: must be a mapping; the resource is left out"),
    "an included template": (
        "Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://bucket/resources.yaml}}",
        "Resources: Fn::Transform is not supported: write the resources instead; the resource is left out",
    ),
    "a list of variables": (
        "F: {Type: AWS::Serverless::Function, Properties: {Handler: app.f, Environment: {Variables: [a]}}}",
        "Resources.F.Properties.Environment.Variables: must be a mapping; its variables are left out",
    ),
    "an environment of text": (
        "F: {Type: AWS::Serverless::Function, Properties: {Handler: app.f, Environment: text}}",
        "Resources.F.Properties.Environment: must be a mapping; its variables are left out",
    ),
}


@pytest.mark.parametrize(("resource", "line"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_not_a_resource_is_reported(resource: str, line: str):
    """It may be a function that is missing."""
    text = f"Resources:\n  Good: {{Type: AWS::Serverless::Function, Properties: {{Handler: app.good}}}}\n  {resource}\n"
    declarations = parse(text)

    assert [each.partition(": ")[2] for each in diagnostics(declarations)] == [line]
    assert "Good" in functions(declarations)


def test_alias_is_known_by_the_id_that_sam_generates():
    """As well as by the name that SAM documents."""
    declarations = parse(
        """
        Resources:
          F: {Type: AWS::Serverless::Function, Properties: {Handler: app.f, AutoPublishAlias: live-1_a}}
          G:
            Type: AWS::Serverless::Function
            Properties:
              Handler: app.g
              Environment:
                Variables:
                  A: !Ref FAliasliveD1Ua
                  B: !Ref F.Alias
                  C: !Sub "${FAliasliveD1Ua}"
                  D: !GetAtt FAliasliveD1Ua.AliasArn
        """
    )

    assert diagnostics(declarations) == []
    arns = set(functions(declarations)["G"].environment.values())
    assert arns == {"arn:aws:lambda:us-east-1:123456789012:function:F:live-1_a"}


@pytest.mark.parametrize("order", [["$LATEST", "live"], ["live", "$LATEST"]])
def test_events_are_configured_for_the_function_itself(order: list[str]):
    """A configuration of an alias is used if there is no other; of two, the other one is reported."""
    retries = {"$LATEST": 1, "live": 0}
    configs = "".join(
        f"  Events{index}:\n    Type: AWS::Lambda::EventInvokeConfig\n    Properties: "
        f"{{FunctionName: !Ref F, Qualifier: {qualifier}, MaximumRetryAttempts: {retries[qualifier]}}}\n"
        for index, qualifier in enumerate(order)
    )
    text = f"Resources:\n  F: {{Type: AWS::Serverless::Function, Properties: {{Handler: app.f}}}}\n{configs}"
    declarations = parse(text)

    assert functions(declarations)["F"].events.max_retries == 1
    (line,) = diagnostics(declarations)
    assert line.endswith("the events of live are treated as configured for $LATEST")
    alone = text.replace("$LATEST", "live").replace(
        f"MaximumRetryAttempts: {retries['$LATEST']}", "MaximumRetryAttempts: 0"
    )
    assert only_function(parse(alone)).events.max_retries == 0


def test_code_that_only_sam_build_makes_is_reported(tmp_path: Path):
    """A Makefile, of functions and layers; esbuild where the handler's module is its output. Not what it has built."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "beside.ts").write_text("export const handler = 1")
    (tmp_path / "template.yaml").write_text(
        dedent("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {Runtime: nodejs22.x, CodeUri: src}}
        Resources:
          Made:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: makefile}
            Properties: {Handler: beside.handler}
          Built:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: makefile, SamResourceId: Built}
            Properties: {Handler: beside.handler}
          Beside:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: esbuild}
            Properties: {Handler: beside.handler}
          Bundled:
            Type: AWS::Serverless::Function
            Metadata: {BuildMethod: esbuild, BuildProperties: {EntryPoints: [deep/app.ts]}}
            Properties: {Handler: app.handler}
          Layer:
            Type: AWS::Serverless::LayerVersion
            Metadata: {BuildMethod: makefile}
            Properties: {ContentUri: src}
        """)
    )

    declared = read(tmp_path / "template.yaml")

    problems = [each.text.split(": ")[0] for each in declared.diagnostics]
    assert problems == [
        "only sam build runs build-Made of its Makefile",
        "only sam build bundles its EntryPoints to the module that Handler names",
        "only sam build runs build-Layer of its Makefile",
    ]
    assert functions(declared).keys() == {"Made", "Built", "Beside", "Bundled"}
