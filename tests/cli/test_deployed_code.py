"""The code of deployed functions: handlers that are not plain functions, functions that share code, and copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Write = Callable[[Mapping[str, str]], Path]

CALL = """
import os, boto3
client = boto3.client("lambda")
def send(event, context):
    client.invoke(FunctionName=os.environ["TARGET"], InvocationType="Event")
"""
SERVICE = """
import os, boto3
class Service:
    def __init__(self, suffix):
        self.client = boto3.client("lambda")
        self.suffix = suffix
    def send(self, event, context):
        self.client.invoke(FunctionName=os.environ["TARGET"] + self.suffix, InvocationType="Event")
    __call__ = send
"""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, Handler: app.handler}
Resources:
  First:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: first, CodeUri: src, Environment: {Variables: {TARGET: billing}}}
"""
HANDLERS = {
    "imported": {"src/app.py": "from impl import send as handler\n", "src/impl.py": CALL},
    "imported through a package": {
        "src/app.py": "from impl import handler\n",
        "src/impl/__init__.py": "from .send import send as handler\n",
        "src/impl/send.py": CALL,
    },
    "assigned": {"src/app.py": f"{CALL}handler = send\n"},
    "wrapped by a function in the code": {"src/app.py": f"def wrap(f):\n    return f\n{CALL}handler = wrap(send)\n"},
    "wrapped by a library": {"src/app.py": f"from wrappers import wrap\n{CALL}handler = wrap(send)\n"},
    "an application of routes": {
        "src/app.py": f"from web import App, Adapter\n{CALL}app = App()\n@app.get('/')\ndef index():\n    send(1, 2)\n"
        "handler = Adapter(app)\n"
    },
    "a lambda": {"src/app.py": f"{CALL}handler = lambda event, context: send(event, context)\n"},
    "a bound method": {"src/app.py": f"{SERVICE}handler = Service('').send\n"},
    "an object": {"src/app.py": f"{SERVICE}handler = Service('')\n"},
    "partial": {"src/app.py": f"from functools import partial\n{CALL}handler = partial(send, context=None)\n"},
    "defined if imports fail": {
        "src/app.py": f"{CALL}try:\n    from wrappers import handler\nexcept ImportError:\n    handler = send\n"
    },
}


@pytest.mark.parametrize("files", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_need_not_be_a_function_of_its_file(run: Run, write: Write, files: Mapping[str, str]):
    """It is what the name in the handler setting refers to; its module is imported first."""
    write({**files, "template.yaml": TEMPLATE})

    drawn = run("graph", "src", "--template", "template.yaml").stdout
    checked = run("policy", "src", "--check", "template.yaml")
    file = next(file for file, text in files.items() if "client.invoke" in text)
    assert drawn.startswith("billing  (its handler is not in this code)\nfirst\n  fires billing  " + file), drawn
    assert "outside Lambda" not in drawn
    assert "missing: first: billing is called at" in checked.stdout
    assert "1 function checked" in checked.stderr


@pytest.mark.parametrize("code", ["from vendor import handler\n", "def other(event, context):\n    pass\n"])
def test_a_handler_that_is_not_in_the_code_is_not_checked(run: Run, write: Write, code: str):
    """Its grants are not unused, and that nothing was checked is the summary."""
    grant = "Policies: [{Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: '*'}]}]"
    template = TEMPLATE.replace("CodeUri: src,", f"CodeUri: src, {grant},")
    write({"src/app.py": code, "template.yaml": template})
    ran = run("policy", "src", "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "First: not checked: the code of first is not among the files read" in ran.stderr
    assert "template.yaml: 0 functions checked: pass the directories of their code" in ran.stderr


def test_methods_of_two_objects_are_two_handlers(run: Run, write: Write):
    """Each handler runs with the object that its method is bound to."""
    template = f"""{TEMPLATE}
  Second:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: second
      Handler: app.other
      CodeUri: src
      Environment: {{Variables: {{TARGET: billing}}}}
"""
    code = f"{SERVICE}handler = Service('-a').send\nother = Service('-b').send\n"
    write({"src/app.py": code, "template.yaml": template})
    drawn = run("graph", "src", "--template", "template.yaml").stdout

    assert "first\n  fires billing-a  src/app.py:8\nsecond\n  fires billing-b  src/app.py:8\n" in drawn


def test_functions_with_one_handler_have_variables_of_their_own(run: Run, write: Write):
    """One code base is often deployed as several functions."""
    template = f"""{TEMPLATE}
  Second:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: second, CodeUri: src, Environment: {{Variables: {{TARGET: mail}}}}}}
"""
    write({"src/app.py": CALL.replace("send", "handler"), "template.yaml": template})
    drawn = run("graph", "src", "--template", "template.yaml").stdout

    assert "first\n  fires billing  src/app.py:5\n" in drawn
    assert "second\n  fires mail  src/app.py:5\n" in drawn


CDK_TEMPLATE = """
{"Resources": {
  "First": {
    "Type": "AWS::Lambda::Function",
    "Properties": {
      "Code": {"S3Bucket": "assets", "S3Key": "1a.zip"}, "FunctionName": "first", "Handler": "app.handler",
      "Runtime": "python3.13", "Environment": {"Variables": {"TARGET": "billing"}}
    },
    "Metadata": {"aws:asset:path": "asset.1a"}
  },
  "Second": {
    "Type": "AWS::Lambda::Function",
    "Properties": {
      "Code": {"S3Bucket": "assets", "S3Key": "2b.zip"}, "FunctionName": "second", "Handler": "app.handler",
      "Runtime": "python3.13", "Environment": {"Variables": {"TARGET": "mail"}}
    },
    "Metadata": {"aws:asset:path": "asset.2b"}
  }
}}
"""
THIN = "from impl import handler\n"


def test_the_assets_of_the_cdk_are_copies_of_the_code(run: Run, write: Write):
    """Of two handlers that are equal, each asset is of the one whose other modules are in it, too."""
    other = CALL.replace("send", "handler").replace("Event", "RequestResponse")
    write(
        {
            "lambda/first/app.py": THIN,
            "lambda/first/impl.py": CALL.replace("send", "handler"),
            "lambda/second/app.py": THIN,
            "lambda/second/impl.py": other,
            "cdk.out/S.template.json": CDK_TEMPLATE,
            "cdk.out/asset.1a/app.py": THIN,
            "cdk.out/asset.1a/impl.py": CALL.replace("send", "handler"),
            "cdk.out/asset.2b/app.py": THIN,
            "cdk.out/asset.2b/impl.py": other,
        }
    )
    drawn = run("graph", "--template", "cdk.out/S.template.json").stdout
    assert "first\n  fires billing  lambda/first/impl.py:5\n" in drawn, drawn
    assert "second\n  calls mail  lambda/second/impl.py:5\n" in drawn, drawn

    ran = run("policy", "--check", "cdk.out/S.template.json")
    assert "2 functions checked: 2 findings" in ran.stderr


def test_what_sam_builds_is_a_copy_of_the_code(run: Run, write: Write):
    """With the requirements beside it; a copy of other code is not the code that is read."""
    code = CALL.replace("send", "handler")
    directory = write(
        {
            "src/app.py": code,
            ".aws-sam/build/template.yaml": TEMPLATE.replace("CodeUri: src", "CodeUri: First"),
            ".aws-sam/build/First/app.py": code,
            ".aws-sam/build/First/requests/__init__.py": "",
        }
    )
    built = ("graph", "--template", ".aws-sam/build/template.yaml")
    assert "first\n  fires billing  src/app.py:5\n" in run(*built).stdout

    (directory / ".aws-sam/build/First/app.py").write_text(f"{code}# An older version.\n")
    assert "fires $TARGET  src/app.py:5" in run(*built).stdout


def test_a_function_knows_its_own_name(run: Run, write: Write):
    """Lambda sets it, so a call of itself is one of a known function, for each command."""
    grant = "Policies: [{Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: %s}]}]"
    arn = '!Sub "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:first"'
    own = CALL.replace("send", "handler").replace('"TARGET"', '"AWS_LAMBDA_FUNCTION_NAME"')
    template = TEMPLATE.replace("Environment: {Variables: {TARGET: billing}}", grant % arn)
    write({"src/app.py": own, "template.yaml": template})

    assert run("policy", "src", "--check", "template.yaml").returncode == 0
    assert "first\n  fires first  src/app.py:5\n" in run("graph", "src", "--template", "template.yaml").stdout


def test_a_call_that_several_functions_cannot_resolve_is_reported_once(run: Run, write: Write):
    """Each for a reason of its own; a baseline has one line for it."""
    template = f"""{TEMPLATE.replace("{TARGET: billing}", "{OTHER: x}")}
  Second:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: second, CodeUri: src, Environment: {{Variables: {{TARGET: "not a name"}}}}}}
"""
    write({"src/app.py": CALL.replace("send", "handler"), "template.yaml": template})
    ran = run("policy", "src", "--check", "template.yaml", "--baseline", "known.json", "--write-baseline")

    assert "known.json: 1 finding written" in ran.stderr
    ran = run("policy", "src", "--check", "template.yaml")
    assert ran.stderr.count("unresolved: src/app.py:5") == 1, ran.stderr


def test_what_a_role_elsewhere_allows_is_not_missing(run: Run, write: Write):
    """It is not known, which is reported; a grant of the account's own policies is not known either."""
    role = "Role: !Ref RoleArn"
    head = "Parameters: {RoleArn: {Type: String, Default: arn:aws:iam::123456789012:role/x}}"
    policy = "Policies: [arn:aws:iam::123456789012:policy/calls]"
    code = {"src/app.py": CALL.replace("send", "handler")}
    for text in (f"{role}, Environment", f"{policy}, Environment"):
        write({**code, "template.yaml": TEMPLATE.replace("Environment", text).replace("Globals", f"{head}\nGlobals")})
        ran = run("policy", "src", "--check", "template.yaml")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "unknown" in ran.stderr

    # AWS's own policies seldom allow calls, so that a call without any other grant is missing one.
    text = "Policies: [arn:aws:iam::aws:policy/AmazonVPCFullAccess], Environment"
    write({**code, "template.yaml": TEMPLATE.replace("Environment", text)})
    assert "missing: first" in run("policy", "src", "--check", "template.yaml").stdout


def test_a_file_alone_may_be_the_code(run: Run, write: Write):
    """SAM packages it under its own name."""
    template = TEMPLATE.replace("CodeUri: src", "CodeUri: src/app.py")
    write({"src/app.py": CALL.replace("send", "handler"), "template.yaml": template})

    assert "first\n  fires billing  src/app.py:5\n" in run("graph", "src", "--template", "template.yaml").stdout


def test_a_durable_function_does_not_wait(run: Run, write: Write):
    """It is suspended until the other function has returned: its timeout does not run, and nothing is billed."""
    code = (
        "import os\nfrom aws_durable_execution_sdk_python import DurableContext, durable_execution\n"
        "@durable_execution\ndef handler(event, context: DurableContext):\n"
        "    return context.invoke(os.environ['TARGET'], event)\n"
    )
    each = "".join(
        f"""
  {name}:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: {name}, CodeUri: src, Environment: {{Variables: {{TARGET: {callee}}}}}}}
"""
        for name, callee in (("billing", "ledger"), ("ledger", "archive"), ("archive", "mail"))
    )
    write({"src/app.py": code, "template.yaml": TEMPLATE + each})
    ran = run("graph", "src", "--template", "template.yaml", "--check")
    assert (ran.returncode, ran.stderr) == (0, "")

    waiting = code.replace("context.invoke(os.environ['TARGET'], event)", "boto3_invoke(os.environ['TARGET'])") + (
        "def boto3_invoke(name):\n    import boto3\n    boto3.client('lambda').invoke(FunctionName=name)\n"
    )
    write({"src/app.py": waiting})
    ran = run("graph", "src", "--template", "template.yaml", "--check")
    assert [line.split(": ")[2] for line in ran.stderr.splitlines()] == ["chain", "timeout", "timeout", "timeout"]


CALLED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Billing:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: prod-billing, CodeUri: billing, Handler: app.handler, Runtime: python3.13}
Outputs:
  Arn: {Value: !GetAtt Billing.Arn, Export: {Name: billing-arn}}
"""
CALLING = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: orders
      Handler: app.send
      Runtime: python3.13
      Environment: {Variables: {TARGET: !ImportValue billing-arn}}
      Policies:
        - Statement: {Effect: Allow, Action: lambda:InvokeFunction, Resource: !ImportValue billing-arn}
"""


def test_stacks_that_are_read_together_are_connected(run: Run, write: Write):
    """The call has its edge, and the grant of the import is used; alone, the import stands for the function."""
    write(
        {
            "orders.yaml": CALLING,
            "billing.yaml": CALLED,
            "orders/app.py": CALL,
            "billing/app.py": "def handler(event, context):\n    return 1\n",
        }
    )

    alone = run("graph", ".", "--template", "orders.yaml").stdout
    assert "fires import billing-arn  orders/app.py:5" in alone
    both = run("graph", ".", "--template", "orders.yaml", "--template", "billing.yaml").stdout
    assert "Orders\n  fires prod-billing  orders/app.py:5" in both
    checked = run("policy", ".", "--check", "orders.yaml", "--check", "billing.yaml")
    assert (checked.stdout, checked.returncode) == ("", 0), checked.stderr
    assert "orders.yaml, billing.yaml: 2 functions checked: grants match the calls" in checked.stderr


@pytest.mark.parametrize(("handler", "callers"), [
    ("shop/orders/app.send", ["orders"]), ("shop.orders.app.send", ["orders"]), ("other/app.send", ["app.py"]),
])  # fmt: skip
def test_a_handler_may_name_the_directory_of_its_template(run: Run, write: Write, handler: str, callers: list[str]):
    """A ``serverless.yml`` in a package of a larger repository is deployed from the directory above."""
    template = "service: s\nprovider: {name: aws, runtime: python3.13, environment: {TARGET: billing}}\n"
    functions = f"functions: {{orders: {{name: orders, handler: {handler}}}}}\n"
    write({"shop/orders/app.py": CALL, "shop/serverless.yml": template + functions})

    drawn = json.loads(run("graph", ".", "--template", "shop/serverless.yml", "--json").stdout)
    assert [call["caller"] for call in drawn["calls"]] == callers
