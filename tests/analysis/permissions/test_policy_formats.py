"""What `lambdachain policy` prints: judged by others, each in the language of the tool that deploys it."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

import botocore.session
import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from lambdachain._analysis.permissions import identity_policy as identity
from lambdachain._analysis.permissions import resource_policy as resource
from lambdachain._analysis.permissions.required_permissions import (
    ACTION,
    FunctionResource,
    RequiredPermission,
    Stack,
    find_required_permissions,
)
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.survey import survey
from tests.support.cloudformation_yaml import load_cloudformation

EXAMPLE = Path(__file__).parents[3] / "examples" / "parent_child"
HERE = Stack("aws", "eu-west-1", "123456789012")
CHILD = "arn:aws:lambda:eu-west-1:123456789012:function:ChildFunction"
LIVE = FunctionResource("billing-charge", "live")
OTHER_ACCOUNT = resource.Caller("111122223333")


def get_parent_permissions() -> Sequence[RequiredPermission]:
    """Return the permissions that the parent of the parent/child example requires."""
    found = survey(read_sources([EXAMPLE]))
    return find_required_permissions(
        found.reachable_from(handler.unit for handler in found.find_handlers("ParentFunction"))
    ).each


def make_permission(target: FunctionResource) -> RequiredPermission:
    """Return a permission for a target."""
    [one] = get_parent_permissions()
    return RequiredPermission(target, one.calls)


def allows(policy: str | dict[str, Any], action: str, arn: str) -> bool:
    """Evaluate a policy with moto."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return IAMPolicy(text).is_action_permitted(action, arn) is PermissionResult.PERMITTED


NEIGHBORS = [
    ("another function", ACTION, CHILD.replace("ChildFunction", "ReportFunction")),
    ("one whose name begins so", ACTION, f"{CHILD}2"),
    ("a version", ACTION, f"{CHILD}:1"),
    ("an alias", ACTION, f"{CHILD}:live"),
    ("$LATEST by name", ACTION, f"{CHILD}:$LATEST"),
    ("another region", ACTION, CHILD.replace("eu-west-1", "us-east-1")),
    ("another account", ACTION, CHILD.replace("123456789012", "210987654321")),
    ("another partition", ACTION, CHILD.replace("arn:aws:", "arn:aws-cn:")),
    ("reading its code", "lambda:GetFunction", CHILD),
    ("deleting it", "lambda:DeleteFunction", CHILD),
    ("calling its URL", "lambda:InvokeFunctionUrl", CHILD),
    ("its old asynchronous call", "lambda:InvokeAsync", CHILD),
]


def test_the_policy_of_the_parent_allows_its_one_call():
    """According to an independent evaluator."""
    assert allows(identity.as_iam(get_parent_permissions(), HERE, "ParentFunction"), ACTION, CHILD)


@pytest.mark.parametrize(("what", "action", "arn"), NEIGHBORS, ids=[one[0] for one in NEIGHBORS])
def test_the_policy_of_the_parent_allows_nothing_else(what: str, action: str, arn: str):
    """Other functions, other qualifiers, other actions."""
    assert not allows(identity.as_iam(get_parent_permissions(), HERE, "ParentFunction"), action, arn)


def test_a_qualifier_is_allowed_by_itself():
    """Not the unqualified function, not other qualifiers."""
    policy = identity.as_iam([make_permission(LIVE)], HERE, "x")
    charge = "arn:aws:lambda:eu-west-1:123456789012:function:billing-charge"

    assert allows(policy, ACTION, f"{charge}:live")
    assert [
        arn for arn in (charge, f"{charge}:1", f"{charge}:$LATEST", f"{charge}:lives") if allows(policy, ACTION, arn)
    ] == []


@pytest.mark.parametrize("operation", ["Invoke", "InvokeWithResponseStream"])
def test_calls_and_streams_require_only_one_action(operation: str):
    """According to botocore's service model; DryRun and Event are invocation types of Invoke."""
    model = botocore.session.get_session().get_service_model("lambda")
    documentation = model.operation_model(operation).documentation

    assert f">{ACTION}<" in documentation
    assert documentation.count("requires permission for the") == 1


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_that_of_the_region(region: str, partition: str):
    """Unless the stack names one."""
    policy = identity.build_policy(get_parent_permissions(), Stack(region=region, account_id="123456789012"))

    assert policy["Statement"][0]["Resource"] == [
        f"arn:{partition}:lambda:{region}:123456789012:function:ChildFunction"
    ]


def run_cfn_lint(path: Path) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint."""
    script = Path(sys.executable).with_name("cfn-lint")
    if not script.exists():
        pytest.skip("cfn-lint is not installed")
    return subprocess.run([script, path], capture_output=True, text=True, check=False)


def test_iams_linter_finds_nothing():
    """The action exists, and applies to this kind of resource."""
    pytest.importorskip("parliament")
    policy = identity.as_iam([*get_parent_permissions(), make_permission(LIVE)], HERE, "ParentFunction")
    script = "import parliament, sys; print(parliament.analyze_policy_string(sys.stdin.read()).findings)"
    ran = subprocess.run([sys.executable, "-c", script], input=policy, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


FUNCTION = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  ParentFunction:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: "def handler(event, context): ..."
      Handler: index.handler
      Runtime: python3.13
"""


@pytest.mark.parametrize("stack", [Stack(), HERE], ids=["deployed anywhere", "deployed here"])
def test_cfn_lint_and_the_sam_translator_accept_the_sam_format(stack: Stack, tmp_path: Path):
    """And the translated role allows the one call."""
    translator = pytest.importorskip("samtranslator.translator.translator")
    printed = identity.as_sam([*get_parent_permissions(), make_permission(LIVE)], stack, "ParentFunction")
    path = tmp_path / "template.yaml"
    path.write_text(FUNCTION + indent(printed, " " * 6))
    judged = run_cfn_lint(path)
    parser = importlib.import_module("samtranslator.parser.parser")
    made = translator.Translator({}, parser.Parser(), boto_session=_session()).translate(
        load_cloudformation(path.read_text()), {}
    )
    [role] = [one for one in made["Resources"].values() if one["Type"] == "AWS::IAM::Role"]
    document = _resolve_pseudo_parameters(role["Properties"]["Policies"][0]["PolicyDocument"])

    assert (judged.returncode, judged.stdout) == (0, "")
    assert allows(document, ACTION, CHILD)
    assert allows(document, ACTION, "arn:aws:lambda:eu-west-1:123456789012:function:billing-charge:live")
    assert not any(allows(document, action, arn) for _, action, arn in NEIGHBORS)


def _session() -> Any:
    import boto3

    return boto3.Session(region_name="eu-west-1")


def _resolve_pseudo_parameters(tree: Any) -> Any:
    """Replace the pseudo parameters of CloudFormation."""
    known = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
    if isinstance(tree, dict):
        if tree.keys() == {"Fn::Sub"}:
            text = tree["Fn::Sub"]
            for name, value in known.items():
                text = text.replace(f"${{{name}}}", value)
            return text
        return {key: _resolve_pseudo_parameters(value) for key, value in tree.items()}
    return [_resolve_pseudo_parameters(one) for one in tree] if isinstance(tree, list) else tree


def test_the_serverless_format_has_the_same_statement():
    """Under the keys where the framework reads it."""
    tree = _resolve_pseudo_parameters(
        load_cloudformation(identity.as_serverless(get_parent_permissions(), Stack(), "ParentFunction"))
    )
    statements = tree["provider"]["iam"]["role"]["statements"]

    assert statements == identity.build_policy(get_parent_permissions(), HERE)["Statement"]


@pytest.mark.parametrize("stack", [Stack(), HERE], ids=["deployed anywhere", "deployed here"])
def test_the_terraform_format_is_parsed_and_formatted(stack: Stack):
    """By an HCL parser and, if it is installed, ``terraform fmt``."""
    hcl2 = pytest.importorskip("hcl2")
    printed = identity.as_terraform([*get_parent_permissions(), make_permission(LIVE)], stack, "ParentFunction")
    tree = hcl2.loads(printed + "\n")
    [statement] = _strip_quotes(tree["data"][-1])["aws_iam_policy_document"]["parent_function_calls"]["statement"]

    assert statement["actions"] == [ACTION]
    assert [arn.rsplit(":function:", 1)[1] for arn in statement["resources"]] == [
        "ChildFunction",
        "billing-charge:live",
    ]
    _is_formatted(printed)


def _is_formatted(text: str) -> None:
    if shutil.which("terraform") is None:
        return
    ran = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-"], input=text + "\n", capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def _strip_quotes(tree: Any) -> Any:
    """Remove the quotes that some versions of the HCL parser keep."""
    if isinstance(tree, dict):
        return {key.strip('"'): _strip_quotes(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_strip_quotes(one) for one in tree]
    return tree.strip('"') if isinstance(tree, str) else tree


def test_the_cdk_format_creates_the_same_statement():
    """Run with fakes of two CDK classes, because the real ones need Node.js."""
    made: list[dict[str, Any]] = []

    class Role:
        grant_principal: Any = property(lambda self: self)

        def add_to_principal_policy(self, statement: dict[str, Any]) -> None:
            made.append(statement)

    class AwsLocation:
        partition, region, account = "aws", "eu-west-1", "123456789012"

    printed = identity.as_cdk([*get_parent_permissions(), make_permission(LIVE)], Stack(), "ParentFunction")
    names = _run(printed, {"iam": type("iam", (), {"IGrantable": Role, "PolicyStatement": dict}), "Stack": AwsLocation})
    names["allow_calls"](Role(), AwsLocation())

    assert made == [
        {
            "actions": [ACTION],
            "resources": [CHILD, "arn:aws:lambda:eu-west-1:123456789012:function:billing-charge:live"],
        }
    ]


def _run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run code without its imports; return its globals."""
    tree = ast.parse(code)
    tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom)]
    exec(compile(tree, "cdk", "exec"), names)  # noqa: S102 - it is what we printed
    return names


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (resource.Caller("111122223333"), {"Principal": "111122223333"}),
        (
            resource.Caller("arn:aws:iam::111122223333:role/orders"),
            {"Principal": "arn:aws:iam::111122223333:role/orders"},
        ),
        (resource.Caller("*", "o-abcdefghij"), {"Principal": "*", "PrincipalOrgID": "o-abcdefghij"}),
        (
            resource.Caller("s3.amazonaws.com", source_arn="arn:aws:s3:::uploads", source_account="111122223333"),
            {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::uploads", "SourceAccount": "111122223333"},
        ),
    ],
)
def test_the_resource_policy_is_a_valid_add_permission_request(caller: resource.Caller, expected: dict[str, str]):
    """Validated by Lambda's service model; with the qualifier of the contract."""
    request = resource.build_add_permission_request(LIVE, caller, HERE)
    model = botocore.session.get_session().get_service_model("lambda").operation_model("AddPermission")
    problems = botocore.validate.ParamValidator().validate(request, model.input_shape)

    assert problems.generate_report() == ""
    assert expected.items() <= request.items()
    assert (request["Qualifier"], request["Action"]) == ("live", ACTION)
    assert request["FunctionName"] == "arn:aws:lambda:eu-west-1:123456789012:function:billing-charge"


@pytest.mark.parametrize("target", [LIVE, FunctionResource("billing-charge")], ids=str)
def test_the_resource_policy_is_accepted_by_each_tool(target: FunctionResource, tmp_path: Path):
    """cfn-lint, HCL's parser and ``terraform fmt``, Python's compiler."""
    hcl2 = pytest.importorskip("hcl2")
    printed = {name: write(target, OTHER_ACCOUNT, Stack()) for name, write in resource.WRITERS.items()}
    path = tmp_path / "template.yaml"
    path.write_text(f'AWSTemplateFormatVersion: "2010-09-09"\n{printed["sam"]}\n')
    judged = run_cfn_lint(path)
    [permission] = load_cloudformation(printed["sam"])["Resources"].values()
    [same] = load_cloudformation(printed["serverless"])["resources"]["Resources"].values()
    made: list[dict[str, Any]] = []
    module = type("aws_lambda", (), {"CfnPermission": lambda _scope, _id, **given: made.append(given)})
    _run(printed["cdk"], {"aws_lambda": module, "Construct": object})["allow_call"](None)

    assert (judged.returncode, judged.stdout) == (0, "")
    assert same == permission
    assert permission["Properties"] == {
        "FunctionName": target.address,
        "Action": ACTION,
        "Principal": "111122223333",
    }
    assert made == [{"function_name": target.address, "action": ACTION, "principal": "111122223333"}]
    assert hcl2.loads(printed["terraform"] + "\n")
    _is_formatted(printed["terraform"])


def get_refusal(make: Callable[[], object]) -> str:
    """Return the message of the ContractError that a function raises."""
    from lambdachain import ContractError

    with pytest.raises(ContractError) as raised:
        make()
    return str(raised.value)


def test_a_permission_for_no_principal_or_any_principal_is_refused():
    """The message has what to do instead."""
    anybody = get_refusal(lambda: resource.Caller("*"))
    nobody = get_refusal(lambda: resource.Caller("111122223333", source_arn="arn:aws:s3:::uploads"))
    whole_service = get_refusal(lambda: resource.Caller("s3.amazonaws.com"))
    latest = get_refusal(
        lambda: resource.build_add_permission_request(FunctionResource("f", "$LATEST"), OTHER_ACCOUNT, HERE)
    )

    assert "would allow every AWS account: add --organization" in anybody
    assert "would allow nothing: name the role as the principal" in nobody
    assert "would allow resources of every AWS account" in whole_service
    assert "Lambda does not accept a policy on $LATEST" in latest
    assert "not a valid principal: use a 12-digit account ID" in get_refusal(lambda: resource.Caller("bob"))
    assert "not a valid organization ID" in get_refusal(lambda: resource.Caller("*", "r-1"))
    assert "not a 12-digit account ID" in get_refusal(lambda: resource.Caller("s3.amazonaws.com", source_account="1"))
    assert "not a valid ARN" in get_refusal(lambda: resource.Caller("s3.amazonaws.com", source_arn='arn:aws:s3:::a"b'))


QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
SENDERS = {
    "keywords": ("transport=SqsTransport(QueueRoute(contract=place, queue_url=URL))", ["orders"]),
    "group": ("SqsTransport(QueueRoute(place, URL + '.fifo', group_by=str))", ["orders.fifo"]),
    "handler": ("SqsTransport(QueueRoute(handle, URL))", ["orders"]),
    "starred": ("SqsTransport(*[QueueRoute(place, URL), QueueRoute(mail, URL + '-mail')])", ["orders"]),
    "local": ("SqsTransport(QueueRoute(place, 'http://localhost:4566/000000000000/orders'))", ["orders"]),
    "either": ("SqsTransport(QueueRoute(place, URL)) if make() else None", ["orders", "orders-place"]),
    "of another": ("SqsTransport(QueueRoute(mail, URL))", ["orders-place"]),
    "other transport": ("HttpTransport()", ["orders-place"]),
    "unknown route": ("SqsTransport(make())", ["elsewhere"]),
    "unknown contract": ("SqsTransport(QueueRoute(make(), URL))", ["a contract"]),
    "not a URL": ("SqsTransport(QueueRoute(place, 'https://example.org'))", ["its URL is not"]),
}


@pytest.mark.parametrize("name", SENDERS)
def test_where_a_client_sends_its_events(name: str, tmp_path: Path):
    """By the routes of its transport; what is not known is reported, and never granted in another way."""
    transport, expected = SENDERS[name]
    (tmp_path / "app.py").write_text(f"""
from lambdachain import Contract, HttpTransport, LambdaClient, remote
from lambdachain.sqs import QueueRoute, SqsTransport
from elsewhere import make
URL = {QUEUE!r}
place = Contract("orders-place", request=int, response=None)
mail = Contract("orders-mail", request=int, response=None)
@remote(place)
def handle(n: int) -> None: ...
client = LambdaClient({transport})
client.fire(place, 1)
""")
    found = find_required_permissions(survey(read_sources([tmp_path])))

    names = [one.target.name for one in found.each]
    whys = [one.why for one in found.unresolved if "cannot resolve the queue of fire(orders-place, ...)" in one.why]
    assert names == expected or [why.partition("...): ")[2][: len(expected[0])] for why in whys] == expected


def test_a_call_over_a_transport_of_queues_is_a_call(tmp_path: Path):
    """A route is of events; other calls go to the transport beneath, or are refused."""
    (tmp_path / "app.py").write_text(f"""
from lambdachain import Contract, HttpTransport, LambdaClient
from lambdachain.sqs import QueueRoute, SqsTransport
place = Contract("orders-place", request=int, response=None)
other = Contract("orders-other", request=int, response=None)
client = LambdaClient(SqsTransport(QueueRoute(place, {QUEUE!r}), transport=HttpTransport()))
client.call(other, 1)
client.fire(other, 1)
client.fire(place, 1)
""")
    found = find_required_permissions(survey(read_sources([tmp_path])))

    assert [(one.action, one.target.name, one.methods) for one in found.each] == [
        ("sqs:SendMessage", "orders", ("fire",)),
        (ACTION, "orders-other", ("call", "fire")),
    ]
    assert found.unresolved == ()
