"""Values are read as they are deployed: scalars of YAML 1.2, parameters, ``.env`` files, loops, long names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import read_deployment
from tests.templates.readers import AWS, diagnostics, functions, only_function, parse, read

SERVICE = "service: shop\nprovider: {name: aws, runtime: python3.13}\nfunctions:\n  f:\n    handler: app.handler\n"

# As js-yaml reads them, which the Serverless Framework uses, and JavaScript writes them.
SCALARS = {
    "12:30": "12:30",
    "01:23:45:67:89:10": "01:23:45:67:89:10",
    "0644": "644",
    "0o14": "12",
    "0x1F": "31",
    "0b11": "3",
    "012345678901": "12345678901",
    "12345678901234567890": "12345678901234567000",
    "1_000": "1_000",
    "1_": "1_",
    "-.5": "-.5",
    "1e3": "1000",
    "1.50": "1.5",
    "1.0": "1",
    ".5": "0.5",
    "1.2.3": "1.2.3",
    "yes": "yes",
    "No": "No",
    "on": "on",
    "off": "off",
    "TRUE": "true",
    "2024-01-31": "2024-01-31T00:00:00.000Z",
    "2024-01-31 23:30:00.25 -02:00": "2024-02-01T01:30:00.250Z",
    "2024-13-01": "2024-13-01",
    "'2024-01-31'": "2024-01-31",
    "0.00001": "0.00001",
    "1e-7": "1e-7",
    "1e21": "1e+21",
    "=": "=",
    "~": None,
    ".inf": None,
}


@pytest.mark.parametrize("written", SCALARS)
def test_scalar_of_a_service_is_read_by_the_core_schema(written: str):
    """Not by YAML 1.1, which PyYAML reads."""
    served = only_function(parse(f"{SERVICE}    environment: {{V: {written}}}\n", "serverless.yml"))

    assert served.environment.get("V") == SCALARS[written]


def test_null_removes_a_variable_of_the_provider():
    """The framework merges the variables, then removes what is null."""
    text = SERVICE.replace("python3.13", "python3.13, environment: {A: 1, B: 2}") + "    environment: {A: null}\n"

    assert only_function(parse(text, "serverless.yml")).environment == {"B": "2"}


def test_parameters_of_a_stage_take_precedence(tmp_path: Path):
    """Those of ``stages``, version 4's place, before those of ``params``."""
    (tmp_path / "serverless.yml").write_text(
        "stages: {default: {params: {a: s-default, b: s-default}}, dev: {params: {a: s-dev}}}\n"
        "params: {default: {b: p-default, c: p-default}, dev: {a: p-dev, d: p-dev}}\n"
        + SERVICE
        + "    environment: {V: '${param:a} ${param:b} ${param:c} ${param:d}'}\n"
    )

    assert only_function(read(tmp_path / "serverless.yml")).environment == {"V": "s-dev s-default p-default p-dev"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", "from-stage from-all"),
        ("useDotenv: true\nframeworkVersion: '3'\n", "from-stage none"),
        ("useDotenv: false\n", "none none"),
        ("frameworkVersion: '>=3.0.0'\n", "none none"),
    ],
)
def test_variables_of_env_files_are_known(tmp_path: Path, settings: str, expected: str):
    """Where the framework's version reads them."""
    (tmp_path / ".env").write_text("A=from-all\nB='from-all' # shared\n")
    (tmp_path / ".env.dev").write_text('export A="from-stage"\n')
    (tmp_path / "serverless.yml").write_text(
        settings + SERVICE + "    environment: {V: \"${env:A, 'none'} ${env:B, 'none'}\"}\n"
    )

    assert only_function(read(tmp_path / "serverless.yml")).environment == {"V": expected}


def test_variables_of_env_files_refer_to_each_other(tmp_path: Path):
    """And to those of the process; a dollar sign after a backslash is one, and an endless reference ends."""
    (tmp_path / ".env").write_text(
        "A=a\nB=${A}-$C\nC=c\nD=${NO:-default}${NO}\nE=\\$A\nF='$A'\nG=${H}\nH=${G}x\nI=${OUTSIDE}\nJ=5$\n"
    )
    names = "ABCDEFIJ"
    variables = ", ".join(f"{name}: '${{env:{name}}}'" for name in names)
    (tmp_path / "serverless.yml").write_text(f"{SERVICE}    environment: {{{variables}}}\n")
    served = only_function(read(tmp_path / "serverless.yml", environment={"OUTSIDE": "out", "C": "own"}))

    assert "".join(served.environment) == names
    assert list(served.environment.values()) == ["a", "a-own", "own", "default", "$A", "a", "out", "5$"]


VARIABLES = {
    "${opt:no, 'a}b'}": "a}b",
    '${opt:no, "it\'s"}': "it's",
    "${ self:custom.text }": "${ self:custom.text }",
    "\\${self:custom.text}": "${self:custom.text}",
    "\\\\${self:custom.text}": "\\text",
    "$${self:custom.text}": "text",
    "x-${self:custom.date}": "x-2024-01-31T00:00:00.000Z",
    "${self:custom.text}${self:custom.small}": "text0.00001",
}


@pytest.mark.parametrize("written", VARIABLES)
def test_variable_is_replaced_as_by_the_framework(written: str):
    """Quotes, backslashes, spaces and dollar signs around it."""
    custom = "custom: {text: text, date: 2024-01-31, small: 0.00001}\n"
    quoted = written.replace("'", "''")
    text = f"{SERVICE}    environment: {{V: '{quoted}'}}\n{custom}"

    assert only_function(parse(text, "serverless.yml")).environment == {"V": VARIABLES[written]}


@pytest.mark.parametrize(
    ("version", "runtime"),
    [("'3'", "nodejs16.x"), ("^3.28.1", "nodejs16.x"), ("'4'", "nodejs20.x"), (None, "nodejs20.x")],
)
def test_default_runtime_is_that_of_the_frameworks_version(version: str | None, runtime: str):
    """The newest, if the service names none."""
    head = "" if version is None else f"frameworkVersion: {version}\n"
    text = head + "service: shop\nfunctions: {f: {handler: app.handler}}\n"

    assert parse(text, "serverless.yml").functions[0].runtime == runtime


def test_unknown_source_of_a_variable_is_reported():
    """A plugin's: its text is not the value."""
    declarations = parse(f"{SERVICE}    environment: {{A: '${{vault:key}}', B: '\\${{self:b}}'}}\n", "serverless.yml")

    assert functions(declarations)["shop-dev-f"].environment == {"B": "${self:b}"}
    (line,) = diagnostics(declarations)
    assert "${vault:key} has no value outside AWS: pass --parameter vault:key=VALUE" in line


def test_functions_of_another_provider_are_not_read():
    """They are not Lambda functions."""
    lines = diagnostics(parse(SERVICE.replace("name: aws", "name: google"), "serverless.yml"))

    assert "the provider is 'google', not aws: its functions are not Lambda functions" in lines[0]


def test_loop_is_expanded():
    """Nested, with its items in keys, texts and references."""
    declarations = parse(
        """
        Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
        Parameters: {Names: {Type: CommaDelimitedList, Default: "a.b, c"}}
        Mappings: {Sizes: {c: {memory: 256}}}
        Resources:
          Fn::ForEach::Outer:
            - Name
            - !Ref Names
            - Fn::ForEach::Inner:
                - Kind
                - [X, Y]
                - F&{Name}${Kind}:
                    Type: AWS::Serverless::Function
                    Properties:
                      Handler: app.handler
                      CodeUri: "${Name}"
                      MemorySize: !FindInMap [Sizes, !Ref Name, memory, {DefaultValue: 512}]
                      Environment: {Variables: {KIND: !Ref Kind, TEXT: !Sub "${Name}-${Kind}"}}
        """
    )

    assert diagnostics(declarations) == []
    assert {name: (each.memory, dict(each.environment)) for name, each in functions(declarations).items()} == {
        "FabX": (512, {"KIND": "X", "TEXT": "a.b-X"}),
        "FabY": (512, {"KIND": "Y", "TEXT": "a.b-Y"}),
        "FcX": (256, {"KIND": "X", "TEXT": "c-X"}),
        "FcY": (256, {"KIND": "Y", "TEXT": "c-Y"}),
    }


def test_ssm_parameter_is_not_its_name():
    """Only AWS knows the value; the default is where it is."""
    text = """
        Parameters: {Url: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/url}}
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties: {Handler: app.handler, Environment: {Variables: {URL: !Ref Url}}}
        """
    declarations = parse(text)

    assert functions(declarations)["F"].environment == {}
    (line,) = diagnostics(declarations)
    assert "only AWS knows the SSM parameter '/shop/url': pass --parameter Url=VALUE" in line
    assert only_function(parse(text, parameters={"Url": "https://shop"})).environment == {"URL": "https://shop"}


def test_long_logical_id_is_shortened():
    """And the code without a place is in the template's directory."""
    declarations = parse(
        f"Resources: {{{'F' * 70}: {{Type: AWS::Serverless::Function, Properties: {{Handler: app.handler}}}}}}"
    )

    ((name, served),) = functions(declarations).items()
    assert (name, str(served.directory)) == ("F" * 64, "/code")
    assert "a name has at most 64 characters" in diagnostics(declarations)[0]


def test_unknown_limit_does_not_hide_the_function():
    """It runs with Lambda's default, and what is left out is reported."""
    declarations = parse(
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: "
        "{Handler: app.handler, Timeout: !ImportValue t, AutoPublishAlias: !ImportValue a}}}"
    )

    assert functions(declarations)["F"].timeout == 3
    assert [line.rpartition("; ")[2] for line in diagnostics(declarations)] == [
        "the alias is left out",
        "Timeout is left out",
    ]


@pytest.mark.parametrize("handler", ["main", "", ".", "...", "/", "a/b"])
def test_handler_without_a_module_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: str):
    """That of a compiled program, in the current directory, whose path has no name."""
    monkeypatch.chdir(tmp_path)
    Path("template.yaml").write_text(
        f"Resources: {{F: {{Type: AWS::Lambda::Function, Properties: {{Handler: '{handler}', Code: .}}}}}}"
    )

    (function,) = read_deployment(Path("template.yaml"), TemplateContext(AWS)).functions
    assert function.file == ""


def test_template_that_deploys_nothing_says_why():
    """It defines no functions, or their conditions are false."""
    assert diagnostics(parse("Resources: {Q: {Type: AWS::SQS::Queue}}")) == [
        "template.yaml: defines no Lambda functions"
    ]
    never = "Conditions: {Never: !Equals [a, b]}\nResources: {F: {Type: AWS::Serverless::Function, Condition: Never}}"
    assert diagnostics(parse(never)) == ["template.yaml: the condition of every function is false: F (Never)"]
