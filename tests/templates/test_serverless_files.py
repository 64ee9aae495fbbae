"""The functions of a ``serverless.yml`` have the names and settings with which the framework would deploy them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lambdachain.local import EventConfig, LocalVersion
from lambdachain.local._definitions._function_builder import Declarations
from tests.templates.readers import SYSTEMS, diagnostics, functions, only_function, parse, read


def test_service_is_served_as_it_would_be_deployed():
    """Names from service and stage, the provider's defaults, variables, an included file, references, destinations."""
    declarations = read(SYSTEMS / "serverless/serverless.yml")
    served = functions(declarations)
    place, charge, receipt = served["shop-dev-place"], served["shop-dev-charge-card"], served["receipt-dev"]

    assert diagnostics(declarations) == []
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


def test_stage_and_environment_variables_are_taken_from_the_command():
    """From ``--stage`` and from this process's environment."""
    served = functions(
        read(SYSTEMS / "serverless/serverless.yml", stage="prod", environment={"SHOP_LOG_LEVEL": "INFO"})
    )

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


def resolve_variable(expression: str, **context: Any) -> Any:
    """Return the value of the variable X, or the diagnostics if there are any."""
    declarations = parse(SERVICE % expression, "serverless.yml", **context)
    return diagnostics(declarations) or functions(declarations)["shop-dev-f"].environment.get("X")


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
    "2024-01-31": "2024-01-31T00:00:00.000Z",
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=VALUES)
def test_variable_has_the_value_that_the_framework_gives_it(expression: str, value: str | None):
    """In an environment variable of a function."""
    assert resolve_variable(expression, environment={"HOME_OF_SHOP": "here"}) == value


UNKNOWN = {
    "${self:custom.missing}": "${self:custom.missing} has no value",
    "${env:NOT_SET}": "${env:NOT_SET} has no value: set NOT_SET in the environment of this command",
    "${opt:size}": "${opt:size} has no value: pass --parameter size=VALUE",
    "${param:size}": "${param:size} has no value: pass --parameter size=VALUE",
    "${ssm:/shop/key}": "${ssm:/shop/key} has no value outside AWS: pass --parameter ssm:/shop/key=VALUE",
    "${cf:other.Url}": "${cf:other.Url} has no value outside AWS: pass --parameter cf:other.Url=VALUE",
    "${file(nothing.yml):a}": "${file(nothing.yml):a} has no value",
    "${file(made.js):a}": "made.js is a program, which is not run: only YAML, JSON and text files are read",
    "${self:custom.loop}": "${self:custom.loop} refers to itself",
    "a-${self:custom.list}": "'a-${self:custom.list}' inserts a list or a mapping into text",
    "${self:custom.list}": "must be text, not a list or a mapping",
    "!Ref Nobody": "resource or parameter 'Nobody' is not defined",
}


@pytest.mark.parametrize(("expression", "text"), UNKNOWN.items(), ids=UNKNOWN)
def test_unresolvable_variable_is_left_out_and_reported_with_its_line(
    expression: str, text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    """The function is served without the variable."""
    lines = resolve_variable(expression)

    assert lines == [f"serverless.yml:18: functions.f.environment.X: {text}; the variable is left out"]


def test_parameter_replaces_what_only_aws_knows():
    """Its name is the text of the variable."""
    context = {"ssm:/shop/key": "k-1", "size": "9"}

    assert resolve_variable("${ssm:/shop/key}-${opt:size}", parameters=context) == "k-1-9"


def test_functions_may_be_a_list_of_mappings():
    """As large services have it."""
    declarations = parse(
        "service: shop\nprovider: {name: aws}\nfunctions:\n  - a: {handler: a.handler}\n  - b: {handler: b.handler}\n",
        "serverless.yml",
    )

    assert diagnostics(declarations) == []
    assert list(functions(declarations)) == ["shop-dev-a", "shop-dev-b"]


def test_defaults_are_the_frameworks():
    """Six seconds and 1024 MB."""
    served = only_function(parse("service: shop\nfunctions:\n  f: {handler: app.handler}\n", "serverless.yml"))

    assert (served.timeout, served.memory) == (6, 1024)


WRONG = {
    "image: x": (
        "serverless.yml:5: functions.bad.image: a function in a container image cannot be served: serve its code "
        "without the image instead: lambdachain serve shop-dev-bad=DIR/HANDLER, with the handler that the CMD of its "
        "Dockerfile names"
    ),
    "timeout: 5": "serverless.yml:4: functions.bad: no handler",
    "handler: app": (
        "serverless.yml:5: functions.bad.handler: handler 'app' is not 'module.function', such as 'app.handler'"
    ),
    "handler: ${ssm:x}": (
        "serverless.yml:4: functions.bad.handler: ${ssm:x} has no value outside AWS: pass --parameter ssm:x=VALUE"
    ),
    "{handler: a.b, runtime: go1.x}": (
        "serverless.yml:5: functions.bad.runtime: "
        "runtime 'go1.x' cannot be served: only python, nodejs and provided can"
    ),
}


@pytest.mark.parametrize(("body", "line"), WRONG.items(), ids=WRONG)
def test_invalid_function_is_reported_and_the_other_is_served(body: str, line: str):
    """With the line of the key that is wrong."""
    declarations = parse(
        f"service: shop\nfunctions:\n  good: {{handler: app.handler}}\n  bad:\n    {body}\n", "serverless.yml"
    )
    line = line.replace(":4: functions.bad.handler", ":5: functions.bad.handler")

    assert diagnostics(declarations) == [line]
    assert list(functions(declarations)) == ["shop-dev-good"]


def test_missing_service_name_is_reported():
    """Without it, no function has a name."""
    assert diagnostics(parse("functions:\n  f: {handler: app.handler}\n", "serverless.yml")) == [
        "serverless.yml: service: no service: the name of every function starts with the service's name"
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
def test_any_service_is_read_without_a_traceback(function: dict[str, Any], custom: Any, provider: Any, resources: Any):
    """Every function is served or reported."""
    tree = {
        "service": "shop",
        "custom": custom,
        "provider": provider,
        "resources": resources,
        "functions": {"f": function},
    }
    declarations = parse(yaml.safe_dump(tree, sort_keys=False), "serverless.yml")

    assert len(declarations.functions) == 1 or declarations.diagnostics
    assert all("\n" not in str(line) for line in declarations.diagnostics)


def read_service(directory: Path, service: str, **files: str) -> Declarations:
    """Read a service and the files it includes."""
    for name, text in files.items():
        (directory / f"{name}.yml").write_text(text)
    path = directory / "serverless.yml"
    path.write_text(f"service: shop\n{service}")
    return read(path)


INCLUDED = "handler: app.handler\nenvironment: {A: from-file, YES: yes}\ndestinations: {onSuccess: g}\n"


@pytest.mark.parametrize(
    "service",
    [
        "functions: {f: '${file(one.yml)}', g: {handler: app.handler}}",
        "functions: ['${file(all.yml)}', {g: {handler: app.handler}}]",
        "functions: {f: '${self:custom.f}', g: {handler: app.handler}}\ncustom: {f: '${file(one.yml)}'}",
    ],
)
def test_included_function_is_read_as_a_whole(service: str, tmp_path: Path):
    """Its environment and destinations too; ``yes`` is text, as in the file that includes it."""
    declarations = read_service(
        tmp_path, f"{service}\n", one=INCLUDED, all="f:\n  " + INCLUDED.replace("\n", "\n  ").rstrip()
    )

    assert diagnostics(declarations) == []
    served = functions(declarations)["shop-dev-f"]
    assert served.environment == {"A": "from-file", "YES": "yes"}
    assert served.events.on_success == "arn:aws:lambda:us-east-1:123456789012:function:shop-dev-g"


def test_included_provider_is_read_as_a_whole(tmp_path: Path):
    """Also its environment, which all functions share."""
    provider = "name: aws\ntimeout: 9\nenvironment: {A: from-file}\n"
    declarations = read_service(
        tmp_path, "provider: ${file(aws.yml)}\nfunctions: {f: {handler: app.handler}}\n", aws=provider
    )

    served = only_function(declarations)
    assert (served.timeout, served.environment) == (9, {"A": "from-file"})


def test_missing_provider_is_reported(tmp_path: Path):
    """With a stage of the command, the functions still have their names."""
    (tmp_path / "serverless.yml").write_text(
        "service: shop\nprovider: ${file(aws.yml)}\nfunctions: {f: {handler: app.handler}}\n"
    )
    declarations = read(tmp_path / "serverless.yml", stage="prod")

    (line,) = diagnostics(declarations)
    assert line.endswith("serverless.yml:2: provider: ${file(aws.yml)} has no value")
    assert list(functions(declarations)) == ["shop-prod-f"]


def test_unresolvable_value_hides_nothing_else(tmp_path: Path):
    """Among the resources, where no function needs it, and in an included file."""
    included = "A: known\nB: ${ssm:/key}\n"
    declarations = read_service(
        tmp_path,
        "functions: {f: {handler: app.handler, environment: '${file(env.yml)}', timeout: 7}}\n"
        "resources: {Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: '${ssm:/queue}'}}}}\n",
        env=included,
    )

    (line,) = diagnostics(declarations)
    assert line.endswith(
        "functions.f.environment.B: ${ssm:/key} has no value outside AWS: pass --parameter ssm:/key=VALUE; "
        "the variable is left out"
    )
    assert functions(declarations)["shop-dev-f"].environment == {"A": "known"}


def test_layers_of_the_service_belong_to_functions(tmp_path: Path):
    """A function refers to them by the framework's logical ids; its own replace the provider's."""
    declarations = read_service(
        tmp_path,
        "provider: {layers: [{Ref: AllLambdaLayer}]}\n"
        "functions: {f: {handler: app.f, layers: [{Ref: LibLambdaLayer}]}, g: {handler: app.g}}\n"
        "layers: {lib: {path: lib}, all: {path: all}}\n",
    )

    assert {each.function.name: each.layers for each in declarations.functions} == {
        "shop-dev-f": (tmp_path / "lib",),
        "shop-dev-g": (tmp_path / "all",),
    }


def test_resources_may_have_conditions_and_parameters(tmp_path: Path):
    """The framework merges all sections into its template."""
    declarations = read_service(
        tmp_path,
        "functions:\n"
        "  f: {handler: app.handler, environment: {X: !If [IsLocal, here, there], Y: !Ref Size}}\n"
        "  g: {handler: app.handler, condition: IsRemote}\n"
        "resources:\n"
        "  - Conditions: {IsLocal: !Equals [a, a], IsRemote: !Not [!Condition IsLocal]}\n"
        "  - Parameters: {Size: {Type: Number, Default: 3}}\n",
    )

    assert only_function(declarations).environment == {"X": "here", "Y": "3"}


def test_lists_of_functions_and_resources_are_merged(tmp_path: Path):
    """Mappings by key and lists by index; a later item adds to a function of an earlier one."""
    declarations = read_service(
        tmp_path,
        "functions:\n"
        "  - a: {handler: app.a, timeout: 3, environment: {X: x, Y: y}}\n"
        "  - b: {handler: app.b, environment: {NAME: !GetAtt Q.QueueName}}\n"
        "  - a: {timeout: 9, environment: {Y: later}}\n"
        "resources:\n"
        "  - Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: one, Tags: [{Key: k, Value: v}]}}}\n"
        "  - Resources: {Q: {Properties: {QueueName: two}}}\n",
    )

    assert diagnostics(declarations) == []
    served = functions(declarations)
    assert (served["shop-dev-a"].timeout, served["shop-dev-a"].environment) == (9, {"X": "x", "Y": "later"})
    assert served["shop-dev-b"].environment == {"NAME": "two"}


def test_resources_are_merged_into_what_the_framework_makes(tmp_path: Path):
    """A function of the service under its logical id, and `extensions`; an error has the line of the override."""
    declarations = read_service(
        tmp_path,
        "functions: {a: {handler: app.a, timeout: 3, environment: {X: x, Y: y}}}\n"
        "resources:\n"
        "  Resources:\n"
        "    ALambdaFunction:\n"
        "      Type: AWS::Lambda::Function\n"
        "      Properties:\n"
        "        Timeout: 9\n"
        "        Environment: {Variables: {Y: own, Z: !ImportValue elsewhere}}\n"
        "  extensions: {ALambdaFunction: {Properties: {MemorySize: 300}}}\n",
    )

    (line,) = diagnostics(declarations)
    assert "serverless.yml:9: resources.Resources.ALambdaFunction.Properties.Environment.Variables.Z: " in line
    function = functions(declarations)["shop-dev-a"]
    assert (function.timeout, function.memory, function.environment) == (9, 300, {"X": "x", "Y": "own"})


def test_shared_role_has_the_frameworks_name(tmp_path: Path):
    """Or the one that the provider sets."""
    text = "functions: {f: {handler: app.handler, environment: {ROLE: !GetAtt IamRoleLambdaExecution.Arn}}}\n"
    names = [
        only_function(read_service(tmp_path, provider + text)).environment["ROLE"].rpartition("/")[2]
        for provider in ("", "provider: {name: aws, iam: {role: {name: own}}}\n")
    ]

    assert names == ["shop-dev-us-east-1-lambdaRole", "own"]


def test_function_among_the_resources_is_served(tmp_path: Path):
    """It is deployed with the others, under its own name and with Lambda's defaults."""
    declarations = read_service(
        tmp_path,
        "provider: {name: aws, timeout: 30}\nfunctions: {f: {handler: app.handler}}\n"
        "resources: {Resources: {Plain: {Type: AWS::Lambda::Function, "
        "Properties: {Code: {ZipFile: pass}, Handler: index.handler}}}}\n",
    )

    assert diagnostics(declarations) == []
    assert {name: served.timeout for name, served in functions(declarations).items()} == {"Plain": 3, "shop-dev-f": 30}


def test_unresolvable_destination_leaves_the_others(tmp_path: Path):
    """It is reported with the line of its own key."""
    declarations = read_service(
        tmp_path,
        "functions:\n  f:\n    handler: app.handler\n    maximumRetryAttempts: 1\n    destinations:\n"
        "      onSuccess: !ImportValue elsewhere\n      onFailure: f\n",
    )

    (line,) = diagnostics(declarations)
    assert "serverless.yml:7: functions.f.destinations.onSuccess: another stack exports 'elsewhere'" in line
    events = functions(declarations)["shop-dev-f"].events
    assert (events.max_retries, events.on_success) == (1, None)
    assert events.on_failure == "arn:aws:lambda:us-east-1:123456789012:function:shop-dev-f"
