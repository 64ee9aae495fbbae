"""`lambdachain policy`: printing policies, checking templates, and resource-based policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Write = Callable[[Mapping[str, str]], Path]

CODE = {
    "orders/app.py": """
        import os
        from lambdachain import Contract, LambdaClient, remote, resolvers
        charge = Contract("billing-charge", request=int, response=int)
        named = Contract("mail-send", request=int, response=int, idempotent=True)
        client = LambdaClient()
        by_variable = LambdaClient(resolve=resolvers.from_env())
        @remote("orders-place")
        def handler(n: int) -> int:
            by_variable.fire(named, n)
            return client.call(charge, n)
    """,
    "billing/app.py": """
        from lambdachain import LambdaClient, remote
        @remote("billing-charge")
        def handler(n: int) -> int:
            return n
        def lambda_handler(event, context):
            LambdaClient().call("stock:live", event)
    """,
}
SAM = """
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Other: {{Type: String}}
    Globals:
      Function: {{Runtime: python3.13}}
    Resources:
      Orders:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: orders
          Handler: app.handler
          Environment:
            Variables:
              LAMBDACHAIN_MAIL_SEND: !Ref Mail
          Policies:
{policies}
      Billing:
        Type: AWS::Serverless::Function
        Properties: {{FunctionName: billing-charge, CodeUri: billing, Handler: app.handler}}
      Mail:
        Type: AWS::Serverless::Function
        Properties: {{CodeUri: mail, Handler: app.handler}}
"""
EXACT = """
            - Statement:
                - Effect: Allow
                  Action: lambda:InvokeFunction
                  Resource: [!GetAtt Billing.Arn, !GetAtt Mail.Arn]
"""


def sam(policies: str) -> str:
    """Write a template with policies for one function."""
    return SAM.format(policies=policies.strip("\n"))


def lines(ran: CompletedProcess[str]) -> list[str]:
    """Return the printed lines."""
    return ran.stdout.splitlines()


def test_a_template_that_grants_what_is_called_passes(run: Run, write: Write):
    """Names are resolved with the environment variables that the template sets."""
    write({**CODE, "template.yaml": sam(EXACT)})
    ran = run("policy", ".", "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.splitlines() == [
        "note: template.yaml:24: Resources.Mail: not checked: the code of Mail is not among the files read",
        "template.yaml: 2 functions checked: grants match the calls",
    ]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (
            "            - AWSLambdaBasicExecutionRole",
            [
                "8: missing: Orders: Mail is called at orders/app.py:10",
                "8: missing: Orders: billing-charge is called at",
            ],
        ),
        (
            f"{EXACT}            - LambdaInvokePolicy: {{FunctionName: !Ref Billing}}",
            ["21: wildcard: Orders: arn:aws:lambda:us-east-1:123456789012:function:billing-charge* allows more"],
        ),
        (f"{EXACT}            - AWSLambdaRole", ["21: wildcard: Orders: * allows more than is called (AWSLambdaRole)"]),
        (
            EXACT.replace("Billing.Arn, ", "Billing.Arn, !Sub '${Orders.Arn}', "),
            ["20: unused: Orders: arn:aws:lambda:us-east-1:123456789012:function:Orders is allowed"],
        ),
        (
            f"{EXACT}            - Statement: {{Effect: Deny, Action: 'lambda:*', Resource: '*'}}",
            ["21: denied: Orders: Mail is called at", "21: denied: Orders: billing-charge is called at"],
        ),
    ],
    ids=["missing", "SAM's policy template", "a managed policy", "unused", "denied"],
)
def test_grants_of_a_template_are_compared_with_the_calls(run: Run, write: Write, policies: str, expected: list[str]):
    """Each finding is a line with the template's line number; the exit status is 1."""
    write({**CODE, "template.yaml": sam(policies)})
    ran = run("policy", ".", "--check", "template.yaml")

    assert ran.returncode == 1
    assert [line.startswith(f"template.yaml:{start}") for line, start in zip(lines(ran), expected, strict=True)] == [
        True for _ in expected
    ], ran.stdout


def test_unknown_grants_of_a_template_are_reported(run: Run, write: Write):
    """An import, an external role, a customer-managed policy: neither guessed nor ignored."""
    imported = "{Effect: Allow, Action: 'lambda:InvokeFunction', Resource: !ImportValue x}"
    policies = f"{EXACT}            - Statement: {imported}\n            - !Ref Other"
    write({**CODE, "template.yaml": sam(policies)})
    ran = run("policy", ".", "--check", "template.yaml")
    output = [line for line in ran.stderr.splitlines() if line.startswith("unresolved: ")]

    assert ran.returncode == 1
    assert "another stack exports 'x': pass --parameter x=VALUE" in output[0]
    assert "parameter 'Other' has no default: pass --parameter Other=VALUE" in output[1]


ROLE = """
    Resources:
      Orders:
        Type: AWS::Lambda::Function
        Properties: {FunctionName: orders-place, Handler: app.handler, Role: !GetAtt Role.Arn, Code: orders}
      Role:
        Type: AWS::IAM::Role
        Properties:
          AssumeRolePolicyDocument: {}
          Policies:
            - PolicyName: calls
              PolicyDocument:
                Statement: {Effect: Allow, Action: [lambda:InvokeFunction], Resource: "arn:aws:lambda:us-east-1:123456789012:function:billing-charge"}
      More:
        Type: AWS::IAM::Policy
        Properties:
          PolicyName: more
          Roles: [!Ref Role]
          PolicyDocument:
            Statement: {Effect: Allow, Action: "lambda:Invoke*", Resource: !Sub "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:mail"}
"""  # noqa: E501 - a template, as it is written
SERVERLESS = """
    service: shop
    provider:
      name: aws
      stage: dev
      iam:
        role:
          statements:
            - Effect: Allow
              Action: lambda:InvokeFunction
              Resource:
                - arn:aws:lambda:us-east-1:123456789012:function:billing-charge
                - !Sub arn:aws:lambda:${AWS::Region}:123456789012:function:mail-${self:provider.stage}
                - !GetAtt OrdersLambdaFunction.Arn
    functions:
      orders:
        name: orders-place
        handler: orders/app.handler
        environment: {LAMBDACHAIN_MAIL_SEND: "mail-${self:provider.stage}"}
"""


def test_roles_and_policies_as_resources_count(run: Run, write: Write):
    """In plain CloudFormation: inline, and attached by a policy resource."""
    write({**CODE, "template.yaml": ROLE})
    ran = run("policy", ".", "--check", "template.yaml", "--env", "LAMBDACHAIN_MAIL_SEND=mail")

    assert [line.split(": ", 1)[1][:60] for line in lines(ran)] == [
        "wildcard: Orders: lambda:Invoke* allows more than is called: "[:60].replace("Orders", "orders-place")[:60]
    ]


def test_a_serverless_service_is_compared_too(run: Run, write: Write):
    """Its variables and intrinsic functions are resolved; every function has the service's role."""
    write({**CODE, "serverless.yml": SERVERLESS})
    ran = run("policy", ".", "--check", "serverless.yml")

    assert lines(ran) == [
        (
            "serverless.yml:14: unused: orders-place: arn:aws:lambda:us-east-1:123456789012:function:orders-place is "
            "allowed, but the code does not call it"
        )
    ]


SHARED = """
service: shop
provider:
  name: aws
  iam:
    role:
      statements:
        - Effect: Allow
          Action: lambda:InvokeFunction
          Resource:
            - arn:aws:lambda:us-east-1:123456789012:function:stock:live
            - arn:aws:lambda:us-east-1:123456789012:function:mail
            - arn:aws:lambda:us-east-1:123456789012:function:nobodys
functions:
  stock: {handler: a.stock}
  mail: {handler: a.mail}
"""


def test_a_grant_of_a_shared_role_is_used_if_one_function_uses_it(run: Run, write: Write):
    """A serverless service has one role: a call of one function is granted to all."""
    code = "def {}(event, context): LambdaClient().call('{}', event)\n"
    text = "from lambdachain import LambdaClient\n" + code.format("stock", "stock:live") + code.format("mail", "mail")
    write({"a.py": text, "serverless.yml": SHARED})
    both, one = (
        [line.split(": ")[:3] for line in lines(run("policy", "--check", "serverless.yml", *caller))]
        for caller in ((), ("--caller", "shop-dev-mail"))
    )

    assert both == [["serverless.yml:13", "unused", f"shop-dev-{name}"] for name in ("stock", "mail")]
    assert one == both[1:]


def test_a_check_can_be_limited_to_a_caller_by_each_of_its_names(run: Run, write: Write):
    """The name in the template or the contract, or the handler setting; an unknown name is refused."""
    write({**CODE, "template.yaml": sam(EXACT)})
    ran = {
        name: run("policy", "--check", "template.yaml", "--caller", name).stderr
        for name in ("Orders", "orders-place", "app.handler", "Ordres")
    }

    assert ran["Ordres"] == "error: template.yaml has no function 'Ordres'; it has Orders, billing-charge, Mail\n"
    assert [output.splitlines()[-1].split(": ")[1] for output in ran.values()][:3] == [
        "1 function checked",
        "1 function checked",
        "2 functions checked",
    ]


def test_a_handler_setting_that_several_files_have_is_refused(run: Run, write: Write):
    """Each service has its app.handler: the policy of one would contain the calls of all."""
    code = "from lambdachain import LambdaClient\ndef handler(event, context): LambdaClient().call('to-{}', event)\n"
    write({"a/app.py": code.format("a"), "b/app.py": code.format("b")})
    ran = run("policy", "--caller", "app.handler", "--as", "sam")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "error: 'app.handler' matches several files: write a.app.handler or b.app.handler\n"
    for name in ("b.app.handler", "b/app.handler"):
        output = run("policy", "--caller", name, "--as", "sam").stdout
        assert ("function:to-a" in output, "function:to-b" in output) == (False, True)


def test_a_caller_is_named_by_its_function_or_its_handler_setting(run: Run, write: Write):
    """With or without a decorator; the policy has no calls of other functions."""
    write(CODE)
    place = ("--account-id", "123456789012", "--region", "eu-west-1", "--env", "LAMBDACHAIN_MAIL_SEND=m")
    by_name = json.loads(run("policy", "--caller", "orders-place", *place).stdout)
    by_setting = json.loads(run("policy", "billing", "--caller", "app.lambda_handler", *place).stdout)

    arn = "arn:aws:lambda:eu-west-1:123456789012:function:"
    assert by_name["Statement"][0]["Resource"] == [f"{arn}billing-charge", f"{arn}m"]
    assert by_setting["Statement"][0]["Resource"] == [f"{arn}stock:live"]


def test_names_can_be_resolved_by_an_option(run: Run, write: Write):
    """Instead of the clients' own resolvers: by a prefix, or by single names."""
    write(CODE)
    where = ("policy", "orders", "--json")
    prefixed = json.loads(run(*where, "--resolve", "prefix=prod-").stdout)
    single = json.loads(run(*where, "--resolve", "billing-charge=b-1", "--resolve", "mail-send=m-1").stdout)

    assert [call["function"] for call in prefixed["calls"]] == ["prod-billing-charge", "prod-mail-send"]
    assert [call["function"] for call in single["calls"]] == ["b-1", "m-1"]
    assert prefixed["policy"] is None
    assert prefixed["calls"][0]["places"] == ["orders/app.py:11"]


def test_unresolved_calls_are_listed_and_the_status_is_1(run: Run, write: Write):
    """The rest is printed nevertheless."""
    write(CODE)
    ran = run("policy", "orders", "--as", "sam")

    assert ran.returncode == 1
    assert ran.stderr == (
        "unresolved: orders/app.py:10: the deployed name of mail-send is unknown: it depends on the environment "
        "variable LAMBDACHAIN_MAIL_SEND: add --env LAMBDACHAIN_MAIL_SEND=NAME\n"
    )
    assert "function:billing-charge" in ran.stdout
    assert "mail" not in ran.stdout


def test_the_region_of_the_environment_is_for_iam_only(run: Run, write: Write):
    """The other formats take the region from their stack."""
    write(CODE)
    region = {"AWS_REGION": "eu-central-1", "LAMBDACHAIN_MAIL_SEND": "m"}
    arguments = ("policy", "orders", "--env", "LAMBDACHAIN_MAIL_SEND=m")

    assert ":eu-central-1:" in run(*arguments, "--account-id", "123456789012", **region).stdout
    assert "eu-central-1" not in run(*arguments, "--as", "sam", **region).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "error: nowhere: no such file or directory"),
        (["empty"], "error: empty: no Python files found"),
        (["orders", "--caller", "orders-plaec"], "error: no handler 'orders-plaec' found in this code; did you mean"),
        (["orders", "--resolve", "prod-"], "error: --resolve 'prod-' is not prefix=TEXT or NAME=DEPLOYED"),
        (["orders", "--resolve", "prefix=p", "--resolve", "a=b"], "error: --resolve: prefix=TEXT cannot be combined"),
        (["orders", "--account-id", "12"], "error: --account-id, --region or --partition is not valid in an ARN"),
        (["billing"], "error: unknown region or account of stock:live: pass --region and --account-id"),
        (["orders", "--check", "nope.yaml"], "error: nope.yaml: no such file"),
        (["orders", "--check", "orders/app.py"], "error: orders/app.py:"),
        (["--callee", "x"], "error: --callee requires --principal or --organization"),
        (["--principal", "111122223333"], "error: --callee requires --principal or --organization"),
        (["--callee", "a b", "--principal", "111122223333"], "error: invalid function name 'a b'"),
        (["--callee", "x", "--principal", "me"], "error: 'me' is not a valid principal"),
    ],
)
def test_invalid_input_is_one_line(run: Run, write: Write, arguments: list[str], message: str):
    """With the problem, its location and the fix; no traceback."""
    (write(CODE) / "empty").mkdir()
    ran = run("policy", *arguments)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(message)
    assert ran.stderr.count("\n") == 1


def test_code_that_calls_nothing_needs_nothing(run: Run, write: Write):
    """It is reported, and is status 1: it may be the wrong directory."""
    write({"quiet.py": "print('no calls')"})
    ran = run("policy", "quiet.py")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "this code calls no functions, so it needs no permissions\n"


BASELINE_CODE = {
    "app.py": """
        import boto3
        client = boto3.client("lambda")
        def handler(event, context):
            client.invoke(FunctionName="billing")
            client.invoke(FunctionName=event["name"])
    """,
    "template.yaml": """
        Resources:
          Caller:
            Type: AWS::Serverless::Function
            Properties: {FunctionName: caller, CodeUri: ., Handler: app.handler}
    """,
}
CHECK = ("policy", "--check", "template.yaml", "--baseline", "known.json")


def test_known_findings_and_unresolved_calls_do_not_fail_a_check(run: Run, write: Write):
    """Not when their lines move, either; a new finding fails, and is the only one printed."""
    directory = write(BASELINE_CODE)
    assert run("policy", "--check", "template.yaml").returncode == 1
    written = run(*CHECK, "--write-baseline")
    assert (written.returncode, written.stdout) == (0, "")
    assert "note: known.json: 2 findings written" in written.stderr

    code = (directory / "app.py").read_text()
    (directory / "app.py").write_text(f"# Moved.\n\n{code}")
    (directory / "template.yaml").write_text(f"# Moved.\n{(directory / 'template.yaml').read_text()}")
    ran = run(*CHECK)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "note: known.json: 2 findings known" in ran.stderr
    assert "checked: no new findings" in ran.stderr

    (directory / "app.py").write_text(f"{code}    client.invoke(FunctionName='mail')\n")
    ran = run(*CHECK)
    assert (ran.returncode, len(ran.stdout.splitlines())) == (1, 1)
    assert "mail is called at app.py" in ran.stdout


def test_fixed_findings_of_a_baseline_are_counted(run: Run, write: Write):
    """So that the file does not keep what would hide the same mistake made again."""
    directory = write(BASELINE_CODE)
    run(*CHECK, "--write-baseline")
    (directory / "app.py").write_text("def handler(event, context):\n    pass\n")

    assert "0 findings known, 2 of the file fixed" in run(*CHECK).stderr


def test_a_second_finding_of_the_same_kind_is_new(run: Run, write: Write):
    """A line of the file stands for one finding."""
    directory = write(BASELINE_CODE)
    run(*CHECK, "--write-baseline")
    with (directory / "app.py").open("a") as file:
        file.write("    client.invoke(FunctionName=event['name'])\n")
    ran = run(*CHECK)

    assert ran.returncode == 1
    assert ran.stderr.count("unresolved:") == 1


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, CHECK, "error: known.json: no such file: create it with --write-baseline"),
        ("[", CHECK, "error: known.json: not a baseline"),
        ("[]", CHECK, "error: known.json: not a baseline of this version"),
        ('{"findings": []}', CHECK, "error: known.json: not a baseline of this version"),
        ('{"version": 1, "findings": [3]}', CHECK, "error: known.json: not a baseline of this version"),
        (None, ("policy", "--check", "template.yaml", "--write-baseline"), "error: --write-baseline requires"),
        (None, ("policy", "--baseline", "known.json"), "error: --baseline requires --check"),
        (None, ("graph", "--baseline", "known.json"), "error: known.json: no such file"),
    ],
)
def test_an_invalid_baseline_is_one_line(
    run: Run, write: Write, content: str | None, arguments: tuple[str, ...], message: str
):
    """With what to do."""
    directory = write(BASELINE_CODE)
    if content is not None:
        (directory / "known.json").write_text(content)
    ran = run(*arguments)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(message)
    assert len(ran.stderr.splitlines()) == 1


def test_known_warnings_of_a_graph_do_not_fail(run: Run, write: Write):
    """A cycle that is known; the picture has it nevertheless."""
    write(
        {
            "app.py": """
                from lambdachain import Contract, LambdaClient, remote
                ping = Contract("ping", request=int, response=int)
                @remote(ping)
                def handler(n):
                    return LambdaClient().call(ping, n)
            """
        }
    )
    assert run("graph", "--check").returncode == 1
    assert run("graph", "--check", "--baseline", "known.json", "--write-baseline").returncode == 0
    ran = run("graph", "--check", "--baseline", "known.json")

    assert (ran.returncode, "cycle" in ran.stderr) == (0, False)


GRANT_CODE = {
    "app.py": """
        import boto3
        def handler(event, context):
            boto3.client("lambda").invoke(FunctionName="billing")
    """
}
FUNCTIONS = """
    Conditions:
      Never: {{"Fn::Equals": [a, b]}}
    Resources:
      Billing:
        Type: AWS::Serverless::Function
        Properties: {{FunctionName: billing, CodeUri: billing, Handler: app.handler}}
      Caller:
        Type: AWS::Serverless::Function
        Properties: {{FunctionName: caller, CodeUri: ., Handler: app.handler{role}}}
      CallerOwnRole:
        Type: AWS::IAM::Role
        Properties: {{RoleName: caller-role, AssumeRolePolicyDocument: {{}}}}
{resources}
"""
DOCUMENT = """
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "lambda:InvokeFunction", Resource: !GetAtt Billing.Arn}
"""
OWN_ROLE = ", Role: !GetAtt CallerOwnRole.Arn"


@pytest.mark.parametrize(
    ("resource_type", "names", "role"),
    [
        ("AWS::IAM::RolePolicy", "RoleName: !Ref CallerOwnRole", OWN_ROLE),
        ("AWS::IAM::RolePolicy", "RoleName: caller-role", OWN_ROLE),
        ("AWS::IAM::RolePolicy", "RoleName: !Ref CallerRole", ""),
        ("AWS::IAM::ManagedPolicy", "Roles: [!Ref CallerOwnRole]", OWN_ROLE),
        ("AWS::IAM::ManagedPolicy", "Roles: [caller-role]", OWN_ROLE),
        ("AWS::IAM::Policy", "Roles: [!Sub '${CallerOwnRole}']", OWN_ROLE),
        ("AWS::IAM::Policy", "Roles: [!Ref CallerRole]", ""),
    ],
)
def test_policies_that_name_a_role_grant_it(run: Run, write: Write, resource_type: str, names: str, role: str):
    """By the role's logical id, by its name, and by the id of the role that SAM makes for a function."""
    resources = f"""
      Allowed:
        Type: {resource_type}
        Properties:
          {names}
{DOCUMENT}"""
    write({**GRANT_CODE, "template.yaml": FUNCTIONS.format(role=role, resources=resources)})
    ran = run("policy", ".", "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_a_policy_of_another_role_grants_nothing(run: Run, write: Write):
    """Nor does one whose condition is false."""
    resources = f"""
      Other: {{Type: AWS::IAM::Role, Properties: {{AssumeRolePolicyDocument: {{}}}}}}
      ForOther:
        Type: AWS::IAM::RolePolicy
        Properties:
          RoleName: !Ref Other
{DOCUMENT}
      NotDeployed:
        Type: AWS::IAM::RolePolicy
        Condition: Never
        Properties:
          RoleName: !Ref CallerOwnRole
{DOCUMENT}"""
    write({**GRANT_CODE, "template.yaml": FUNCTIONS.format(role=OWN_ROLE, resources=resources)})

    assert [line.split(": ")[1] for line in lines(run("policy", ".", "--check", "template.yaml"))] == ["missing"]


def test_what_cdk_grants_is_a_grant(run: Run, write: Write):
    """``billing.grant_invoke(caller)``: the function and, always, all of its versions."""
    resources = """
      CallerServiceRoleDefaultPolicy:
        Type: AWS::IAM::Policy
        Properties:
          PolicyName: CallerServiceRoleDefaultPolicy
          Roles: [{Ref: CallerOwnRole}]
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Action: lambda:InvokeFunction
                Effect: Allow
                Resource:
                  - {"Fn::GetAtt": [Billing, Arn]}
                  - {"Fn::Join": ["", [{"Fn::GetAtt": [Billing, Arn]}, ":*"]]}
"""
    write({**GRANT_CODE, "template.yaml": FUNCTIONS.format(role=OWN_ROLE, resources=resources)})
    ran = run("policy", ".", "--check", "template.yaml")
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr

    # It is unused, and wide, if the function is not called.
    write({"app.py": "def handler(event, context):\n    pass\n"})
    ran = run("policy", ".", "--check", "template.yaml")
    assert [line.split(": ")[1] for line in lines(ran)] == ["unused", "wildcard"]


def test_connectors_grant_calls_of_functions_only(run: Run, write: Write):
    """A connector to a table allows no calls; one to a function elsewhere names its ARN."""
    resources = """
      Table: {Type: AWS::Serverless::SimpleTable}
      ToTable:
        Type: AWS::Serverless::Connector
        Properties: {Source: {Id: Caller}, Destination: {Id: Table}, Permissions: [Read, Write]}
      ToBilling:
        Type: AWS::Serverless::Connector
        Properties:
          Source: {Id: Caller}
          Destination:
            - Type: AWS::Lambda::Function
              Arn: !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:billing
          Permissions: [Write]
"""
    write({**GRANT_CODE, "template.yaml": FUNCTIONS.format(role="", resources=resources)})
    ran = run("policy", ".", "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_a_function_whose_condition_is_false_is_not_checked(run: Run, write: Write):
    """It is not deployed, so nothing is missing."""
    template = FUNCTIONS.format(role="", resources="").replace(
        "Caller:\n        Type", "Caller:\n        Condition: Never\n        Type"
    )
    write({**GRANT_CODE, "template.yaml": template, "billing/app.py": "def handler(event, context):\n    pass\n"})
    ran = run("policy", ".", "--check", "template.yaml")

    assert (ran.returncode, ran.stdout) == (0, "")
    assert "1 function checked" in ran.stderr


QUEUED = {
    "orders/app.py": """
        import os
        from lambdachain import Contract, LambdaClient, remote
        from lambdachain.sqs import QueueRoute, SqsTransport
        place = Contract("orders-place", request=int, response=None, envelope=True)
        mail = Contract("mail-send", request=int, response=None)
        transport = SqsTransport(QueueRoute(place, os.environ["ORDERS_QUEUE_URL"]))
        client = LambdaClient(transport)
        bound = client.bind(place)
        direct = LambdaClient()
        @remote("orders-take")
        def handler(n: int) -> int:
            client.fire(place, n)
            bound.fire_map([n])
            direct.fire(mail, n)
            return n
    """,
}
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"
QUEUE_SAM = """
    Transform: AWS::Serverless-2016-10-31
    Globals: {{Function: {{Runtime: python3.13}}}}
    Resources:
      Queue: {{Type: AWS::SQS::Queue, Properties: {{QueueName: orders}}}}
      Orders:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: orders
          Handler: app.handler
          Environment: {{Variables: {{ORDERS_QUEUE_URL: !Ref Queue}}}}
          Policies:
            - LambdaInvokePolicy: {{FunctionName: mail-send}}
            - {policy}
"""


def test_events_of_a_route_need_the_queue(run: Run, write: Write):
    """Not the function: Lambda's poller invokes that. Other events do."""
    write(QUEUED)
    ran = run(
        "policy", ".", "--env", f"ORDERS_QUEUE_URL={QUEUE_URL}", "--region", "us-east-1", "--account-id", "111122223333"
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["Statement"] == [
        {
            "Sid": "InvokeFunctions",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": ["arn:aws:lambda:us-east-1:111122223333:function:mail-send"],
        },
        {"Sid": "SendMessages", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": [QUEUE_ARN]},
    ]


@pytest.mark.parametrize("tool", ["sam", "serverless", "cdk", "terraform"])
def test_every_format_has_a_statement_for_queues(run: Run, write: Write, tool: str):
    """With the calls that need it."""
    write(QUEUED)
    ran = run("policy", ".", "--env", f"ORDERS_QUEUE_URL={QUEUE_URL}", "--as", tool)
    before, _, after = ran.stdout.partition("sqs:SendMessage")

    assert ran.returncode == 0, ran.stderr
    assert "mail-send" in before
    assert "lambda:InvokeFunction" in before
    assert QUEUE_ARN in after
    assert "fire at orders/app.py:13, fire_map at orders/app.py:14" in after


def test_a_queue_that_is_not_known_is_unresolved(run: Run, write: Write):
    """With what to do; no permission of the function is granted in its place."""
    write(QUEUED)
    ran = run("policy", ".", "--region", "us-east-1", "--account-id", "111122223333")

    assert ran.returncode == 1
    assert "orders/app.py:13: cannot resolve the queue of fire(orders-place, ...): " in ran.stderr
    assert "Pass --env with the URL, or allow sqs:SendMessage on it by hand" in ran.stderr
    assert "orders-place" not in ran.stdout
    assert "mail-send" in ran.stdout


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("SQSSendMessagePolicy: {QueueName: !GetAtt Queue.QueueName}", []),
        ("Statement: {Effect: Allow, Action: 'sqs:Send*', Resource: !GetAtt Queue.Arn}", []),
        ("AmazonSQSFullAccess", []),
        ("Statement: {Effect: Allow, Action: 'sqs:SendMessage', Resource: !ImportValue x}", []),
        ("AWSLambdaBasicExecutionRole", ["missing: Orders: the queue orders gets events at orders/app.py:13, but no"]),
        ("SQSSendMessagePolicy: {QueueName: other}", ["missing: Orders: the queue orders gets events at"]),
        ("Statement: {Effect: Deny, Action: 'sqs:*', Resource: '*'}", ["denied: Orders: the queue orders gets"]),
    ],
)
def test_a_template_is_checked_for_the_queue(run: Run, write: Write, policy: str, expected: list[str]):
    """Grants of queues are never unused: boto3 may need them."""
    write({**QUEUED, "template.yaml": QUEUE_SAM.format(policy=policy)})
    ran = run("policy", ".", "--check", "template.yaml")
    found = [line.partition(": ")[2] for line in lines(ran) if "wildcard" not in line]

    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected, ran.stdout
    assert "unresolved" not in ran.stderr
