"""Each function's own variables name its callees, for graph, policy and doctor alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

from tests.support.dry_run_server import serve_dry_runs

Run = Callable[..., CompletedProcess[str]]
Write = Callable[[Mapping[str, str]], Path]

CODE = """
import os, boto3
lam = boto3.client("lambda")
def handler(event, context):
    lam.invoke(FunctionName=os.environ["TARGET"], InvocationType="Event")
"""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, Handler: app.handler}
Resources:
  First:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: svc-first
      CodeUri: first
      Environment: {Variables: {TARGET: !Ref Second}}
      Policies: [{Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Second.Arn}]}]
  Second:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: svc-second
      CodeUri: second
      Environment: {Variables: {TARGET: !Sub "${Third.Arn}"}}
      Policies: [{Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Third.Arn}]}]
  Third:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: third
      Environment: {Variables: {TARGET: !ImportValue shared-mail}}
      Policies: [{Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt First.Arn}]}]
  Fourth:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: svc-fourth
      CodeUri: fourth
      Environment: {Variables: {TARGET: "{{resolve:ssm:/shop/mail:1}}"}}
  Fifth:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: svc-fifth, CodeUri: fifth}
"""
FILES = {f"{name}/app.py": CODE for name in ("first", "second", "third", "fourth", "fifth")}


def test_the_graph_names_what_each_function_calls(run: Run, write: Write):
    """Functions by their names; what only a deployment knows, by what it is looked up by."""
    write({**FILES, "template.yaml": TEMPLATE})
    drawn = json.loads(run("graph", "--template", "template.yaml", "--json").stdout)

    assert [(one["caller"], one["callee"], one["mode"]) for one in drawn["calls"]] == [
        ("Third", "import shared-mail", "fire"),
        ("svc-fifth", "$TARGET", "fire"),
        ("svc-first", "svc-second", "fire"),
        ("svc-fourth", "ssm /shop/mail", "fire"),
        ("svc-second", "Third", "fire"),
    ]
    assert {one["name"] for one in drawn["functions"] if not one["is_resolved"]} == {
        "import shared-mail",
        "$TARGET",
        "ssm /shop/mail",
    }
    assert {one["file"] for one in drawn["undecided"]} == {"third/app.py", "fourth/app.py", "fifth/app.py"}


def test_what_is_looked_up_during_a_deployment_is_named_by_its_key(run: Run, write: Write):
    """By `Ref` of a parameter, whose default is the key, and by a variable of the Serverless Framework."""
    template = TEMPLATE.replace('"{{resolve:ssm:/shop/mail:1}}"', "!Ref Mail").replace(
        "!ImportValue shared-mail", "!Ref Required"
    )
    ssm = "Type: AWS::SSM::Parameter::Value<String>"
    parameters = f"Parameters:\n  Mail: {{{ssm}, Default: /shop/mail}}\n  Required: {{{ssm}}}\n"
    service = "service: s\nprovider: {name: aws, runtime: python3.13}\nfunctions:\n" + "".join(
        f"  {name}: {{handler: first/app.handler, environment: {{TARGET: '{value}'}}}}\n"
        for name, value in {"a": "${ssm:/shop/a}", "b": "${ssm(eu-west-1):/shop/b}", "c": "${cf:mail.Arn}"}.items()
    )
    write({**FILES, "template.yaml": parameters + template, "serverless.yml": service})
    called = {
        one["caller"]: one["callee"]
        for each in ("template.yaml", "serverless.yml")
        for one in json.loads(run("graph", "--template", each, "--json").stdout)["calls"]
    }

    assert called["svc-fourth"] == "ssm /shop/mail"
    assert called["Third"] == "ssm Required"
    assert [called[f"s-dev-{one}"] for one in "abc"] == ["ssm /shop/a", "ssm /shop/b", "cf mail.Arn"]


def test_the_graph_names_functions_whose_code_it_has_not_read(run: Run, write: Write):
    """An empty picture would say that they call nothing."""
    properties = "{FunctionName: inline, Handler: index.handler, Runtime: nodejs22.x, InlineCode: 'exports.x = 1'}"
    resource = f"{{Type: AWS::Serverless::Function, Properties: {properties}}}"
    write({"app.py": "", "t.yaml": f"Transform: AWS::Serverless-2016-10-31\nResources:\n  F: {resource}\n"})
    ran = run("graph", "--template", "t.yaml")

    told = "note: t.yaml:3: Resources.F: its calls are unknown: the code of inline is not among the files read"
    assert ran.stderr.splitlines() == [told]


def test_every_format_has_the_unresolved_names(run: Run, write: Write):
    """With the mode of the call, and told apart from functions."""
    write({"app.py": CODE})
    formats = {one: run("graph", "--as", one).stdout for one in ("text", "mermaid", "dot", "svg")}

    assert "$TARGET  (its name is not known before deployment)" in formats["text"]
    assert "  fires $TARGET  app.py:5" in formats["text"]
    assert '{{"$TARGET"}}' in formats["mermaid"]
    assert '"$TARGET" [label="$TARGET", shape=hexagon, style="dashed"];' in formats["dot"]
    assert 'class="unresolved"' in formats["svg"]
    assert ">$TARGET<" in formats["svg"]


def test_no_grant_is_unused_while_a_call_is_unresolved(run: Run, write: Write):
    """The import of Third may be the function that it may call; the grants of the others are used."""
    write({**FILES, "template.yaml": TEMPLATE})
    ran = run("policy", "--check", "template.yaml")

    assert ran.returncode == 1
    assert "unused" not in ran.stdout
    assert "missing" not in ran.stdout
    assert "third/app.py:5" in ran.stderr


def test_code_with_unresolved_calls_is_not_said_to_call_nothing(run: Run, write: Write):
    """It needs permissions that are not known."""
    write({"app.py": CODE})
    ran = run("policy")

    assert ran.returncode == 1
    assert "calls no functions" not in ran.stderr
    assert "none of the calls above could be resolved" in ran.stderr


def test_the_doctor_checks_what_each_function_calls(run: Run, write: Write, tmp_path: Path):
    """With the variables of the template; the rest is a note."""
    write({**FILES, "template.yaml": TEMPLATE})
    keys = {"AWS_ACCESS_KEY_ID": "AKIACANARYCANARY", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_REGION": "eu-west-1"}
    no_configuration = {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with serve_dry_runs() as (url, requests):
        ran = run(
            "doctor", ".", "--template", "template.yaml", "--endpoint-url", url, "--json", **keys, **no_configuration
        )
    notes = [one["subject"] for one in json.loads(ran.stdout)["findings"] if one["level"] == "note"]

    assert {"third/app.py:5", "fourth/app.py:5", "fifth/app.py:5"} <= set(notes)
    assert {"first/app.py:5", "second/app.py:5"}.isdisjoint(notes)
    assert any("svc-second" in str(one) for one in requests)


def test_the_doctor_knows_the_variables_of_a_resolver(run: Run, write: Write):
    """A contract's name that `from_env` resolves is resolved with what the template sets, and reported without it."""
    code = """
        from lambdachain import Contract, LambdaClient
        from lambdachain.resolvers import from_env
        client = LambdaClient(resolve=from_env())
        mail = Contract("mail", request=int, response=None)
        def handler(event, context):
            client.call(mail, 1)
    """
    template = TEMPLATE.replace("TARGET: !Ref Second", "LAMBDACHAIN_MAIL: !Ref Second")
    write({"first/app.py": code, "template.yaml": template})
    known, unknown = (
        run("doctor", ".", *options, "--offline", "--json", AWS_REGION="eu-west-1")
        for options in (["--template", "template.yaml"], [])
    )
    subjects = [{one["subject"] for one in json.loads(ran.stdout)["findings"]} for ran in (known, unknown)]

    assert ["first/app.py:7" in each for each in subjects] == [False, True]


def test_a_default_is_not_called_where_the_variable_is_set(run: Run, write: Write):
    """Not by the function, nor by its file: without the variables, either name is possible."""
    default = CODE.replace('os.environ["TARGET"]', 'os.environ.get("TARGET") or "usual"')
    write({"first/app.py": default, "template.yaml": TEMPLATE})

    graph = json.loads(run("graph", "first", "--template", "template.yaml", "--json").stdout)
    assert [(one["caller"], one["callee"]) for one in graph["calls"]] == [("svc-first", "svc-second")]
