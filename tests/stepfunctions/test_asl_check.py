"""`lambdachain asl check`: what is wrong with a definition, and what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from lambdachain import Contract, S3Offload
from lambdachain.resolvers import prefix
from lambdachain.stepfunctions import choice, distributed_map, read_error, state_machine, task
from lambdachain.stepfunctions._checks.check import check_definition
from lambdachain.stepfunctions._checks.issues import KnownFunctions
from tests.support.orders_contracts import CardDeclined, charge, charge_again, purchase, refund, ship

CHARGED = {"order_id.$": "$.order_id", "cents.$": "$.cents"}


def find_issues(definition, *contracts, timeouts=None, **options) -> list[tuple[str, str]]:
    """Return the kind and path of each finding."""
    known = KnownFunctions(contracts or (charge, ship, purchase, refund), timeouts or {})
    return [(str(one.kind), one.path) for one in check_definition(definition, known, **options).findings]


def with_member(contract=charge, /, **members):
    """Return the definition of a task with other members."""
    after = {"Next": "Done"} if "Catch" in members else {}
    state = {**task(contract), **members}
    done = {"Done": {"Type": "Succeed"}} if after else {}
    return {"StartAt": "A", "States": {"A": state, **done}}


def retry(*names: str, **options):
    """Return a Retry."""
    return {"Retry": [{"ErrorEquals": list(names), **options}]}


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_what_this_package_makes_is_fine(language):
    """Its own states have no findings."""
    options = {"query_language": language}
    states = {
        "Which": choice("kind", {purchase: "Charge", refund: "Map"}, **options),
        "Charge": task(charge, payload=None, catch={CardDeclined: "Failed", "States.ALL": "Failed"}, **options),
        "Map": distributed_map(charge, with_index=True, **options),
        "Failed": {"Type": "Fail"},
    }

    assert find_issues(state_machine(states, **options), timeouts={"charge": 900}) == []


@pytest.mark.parametrize(
    "names",
    [
        ["States.ALL"],
        ["States.TaskFailed"],
        ["States.Timeout"],
        ["Lambda.Unknown"],
        ["Lambda.TooManyRequestsException", "Lambda.ServiceException"],
        ["Lambda.SdkClientException"],
        ["Sandbox.Timedout"],
        ["CardDeclined"],
        ["Runtime.ExitError"],
    ],
)
def test_a_retry_that_can_run_a_function_twice(names):
    """By a name, a wildcard, or an error that it raised itself; not if running twice does no harm."""
    definition = with_member(**retry(*names))

    assert find_issues(definition) == [("retry", "A.Retry[0]")]
    assert find_issues(definition, charge_again) == []


@pytest.mark.parametrize(
    "members",
    [
        retry("Lambda.TooManyRequestsException"),
        retry("Lambda.ENINotReadyException", "Lambda.EniNotReadyException", MaxAttempts=5),
        retry("States.ALL", MaxAttempts=0),
        retry("Runtime.ImportModuleError"),
        {},
    ],
)
def test_a_retry_that_cannot(members):
    """What did not run, or no attempt."""
    assert find_issues(with_member(**members)) == []


def test_a_path_from_a_catch_back_to_the_task_is_a_retry():
    """Through other states, too."""
    states = {
        "A": {**task(charge), "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Wait"}]},
        "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Which"},
        "Which": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "A"}], "Default": "End"},
        "End": {"Type": "Succeed"},
    }
    assert find_issues({"StartAt": "A", "States": states}) == [("retry", "A.Catch[0]")]

    states["A"]["Catch"] = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "Wait"}]
    assert find_issues({"StartAt": "A", "States": states}) == []


def test_a_loop_over_items_that_skips_a_failed_one_is_no_retry():
    """It joins the path of a success, which leads to the next item."""
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Note"}]
    states = {
        "A": {**task(charge, next="Advance"), "Catch": caught},
        "Note": {"Type": "Pass", "Next": "Advance"},
        "Advance": {"Type": "Pass", "Next": "More"},
        "More": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "A"}], "Default": "End"},
        "End": {"Type": "Succeed"},
    }
    assert find_issues({"StartAt": "A", "States": states}) == []

    states["Note"]["Next"] = "A"
    assert find_issues({"StartAt": "A", "States": states}) == [("retry", "A.Catch[0]")]


@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_a_path_from_an_outer_catch_back_is_a_retry_of_all(kind):
    """As a Retry of the map or the parallel state."""
    inner = {"StartAt": "A", "States": {"A": task(charge)}}
    caught = {"Catch": [{"ErrorEquals": ["States.Permissions"], "Next": "Wait"}], "Next": "End"}
    state = {"Type": kind, **({"ItemProcessor": inner} if kind == "Map" else {"Branches": [inner]}), **caught}
    wait = {"Type": "Wait", "Seconds": 5, "Next": "M"}
    definition = {"StartAt": "M", "States": {"M": state, "Wait": wait, "End": {"Type": "Succeed"}}}

    assert find_issues(definition) == [("retry", "M.Catch[0]")]
    wait["Next"] = "End"
    assert find_issues(definition) == []


EVENT = {"FunctionName": "charge", "InvocationType": "Event", "Payload": CHARGED}
SDK = {"Resource": "arn:aws:states:::aws-sdk:lambda:invoke"}
TOKEN = {"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [({"Parameters": EVENT}, ["catch"]), (SDK, ["catch"]), (TOKEN, []), ({}, [])],
)
def test_an_error_that_the_task_does_not_fail_with(members, expected):
    """Of a function that it does not wait for, or whose error the SDK returns; a callback may send any."""
    caught = [{"ErrorEquals": ["CardDeclined"], "Next": "Done"}]

    assert [kind for kind, _ in find_issues(with_member(Catch=caught, **members))] == expected
    caught[0]["ErrorEquals"] = ["SentByTheCallback"]
    unknown = [] if members == TOKEN else ["catch"]
    assert [kind for kind, _ in find_issues(with_member(Catch=caught, **members))] == unknown


@pytest.mark.parametrize("members", [{"Parameters": EVENT}, SDK, TOKEN])
def test_a_task_without_the_response_is_not_compared_with_the_next(members):
    """Nor with the time that the function takes, if the task does not wait for it."""
    states = {"A": {**task(charge, next="B"), **members}, "B": task(refund)}

    assert find_issues({"StartAt": "A", "States": states}) == []
    if "Parameters" in members:
        definition = {**with_member(TimeoutSeconds=5, **members), "TimeoutSeconds": 6}
        assert find_issues(definition, timeouts={"charge": 30}) == []


def test_what_a_template_fills_in_is_read_or_reported():
    """A partition is not needed; a function is."""
    partition = with_member(Resource="arn:${partition}:states:::lambda:invoke", **retry("States.ALL"))
    assert find_issues(partition) == [("retry", "A.Retry[0]")]

    for resource in ("${ChargeFunctionArn}", "arn:${AWS::Partition}:lambda:${AWS::Region}:1:function:charge"):
        state = {"Type": "Task", "Resource": resource, "End": True}
        result = check_definition({"StartAt": "A", "States": {"A": state}}, KnownFunctions([charge]))
        assert (result.checked, result.skipped) == (0, (f"A: no contract for {resource}",))


@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_a_retry_around_tasks_runs_all_of_them_again(kind):
    """Whatever it retries, except that a distributed map could not read its items."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    inner = {"ProcessorConfig": config, "StartAt": "A", "States": {"A": task(charge)}}
    state = {"Type": kind, **({"ItemProcessor": inner} if kind == "Map" else {"Branches": [inner]}), "End": True}

    for names, expected in (
        (["Lambda.TooManyRequestsException"], [("retry", "M.Retry[0]")]),
        (["States.ItemReaderFailed"], [] if kind == "Map" else [("retry", "M.Retry[0]")]),
    ):
        definition = {"StartAt": "M", "States": {"M": {**state, **retry(*names)}}}
        assert find_issues(definition) == expected
        assert find_issues(definition, charge_again) == []


def test_express_executions_run_at_least_once():
    """Of a distributed map, and of a whole state machine."""
    express = state_machine({"Map": distributed_map(charge_again, execution_type="EXPRESS")})

    assert find_issues(express, charge)[-1] == ("retry", "Map.ItemProcessor.ProcessorConfig.ExecutionType")
    assert find_issues(express, charge_again) == []
    assert find_issues(state_machine({"A": task(charge)}), is_express=True) == [("retry", "Type")]


@pytest.mark.parametrize(
    "name", ["OutOfStock", "CardDeclind", "ValueError", "Lambda.TooManyRequests", "States.Timedout"]
)
@pytest.mark.parametrize("member", ["Catch", "Retry"])
def test_an_error_that_nobody_declares(name, member):
    """Neither the function, nor Lambda, nor Step Functions."""
    rule = {"ErrorEquals": [name], "Next": "Done"} if member == "Catch" else {"ErrorEquals": [name], "MaxAttempts": 0}

    assert find_issues(with_member(**{member: [rule]})) == [(member.lower(), f"A.{member}[0]")]


def test_the_remedy_names_what_was_meant():
    """If a known name is close."""
    definition = with_member(Catch=[{"ErrorEquals": ["CardDeclind"], "Next": "Done"}])
    [finding] = check_definition(definition, KnownFunctions([charge])).findings

    assert "write CardDeclined" in finding.remedy
    assert "charge does not declare CardDeclind" in finding.reason


@pytest.mark.parametrize(
    "name", ["CardDeclined", "RequestRejectedError", "States.ALL", "States.DataLimitExceeded", "Lambda.Unknown"]
)
def test_errors_that_may_be_caught(name):
    """Those of the contract, of this package's handlers, of Step Functions and Lambda."""
    assert find_issues(with_member(Catch=[{"ErrorEquals": [name], "Next": "Done"}])) == []


def test_a_catch_around_tasks_may_name_the_errors_of_all():
    """And those of functions without a contract here, which are not known."""
    inner = {"StartAt": "A", "States": {"A": task(charge, next="B"), "B": task(ship)}}
    catch = [{"ErrorEquals": ["CardDeclined", "OutOfStock"], "Next": "Done"}]
    outer = {"Type": "Parallel", "Branches": [inner], "Catch": catch, "Next": "Done"}
    definition = {"StartAt": "P", "States": {"P": outer, "Done": {"Type": "Succeed"}}}

    assert find_issues(definition) == []
    outer["Catch"] = [{"ErrorEquals": ["Other"], "Next": "Done"}]
    assert ("catch", "P.Catch[0]") in find_issues(definition)
    assert ("catch", "P.Catch[0]") not in find_issues(definition, ship)


@pytest.mark.parametrize(
    ("payload", "is_wrong"),
    [
        ({"order_id.$": "$.id"}, True),
        ({"order_id.$": "$.id", "cents": "many"}, True),
        ({"order_id.$": "$.id", "cents.$": "$.c", "sku": 1}, True),
        ("text", True),
        ("$.order", True),  # without .$ it is a text
        ({"order_id.$": "$.id", "cents.$": "$.c"}, False),
    ],
)
def test_a_payload_that_cannot_fit(payload, is_wrong):
    """A field is missing, unknown or of the wrong type."""
    definition = with_member(Parameters={"FunctionName": "charge", "Payload": payload})

    assert find_issues(definition) == ([("payload", "A")] if is_wrong else [])


def test_a_task_without_payload_sends_an_empty_object():
    """As Step Functions does."""
    assert find_issues(with_member(Parameters={"FunctionName": "charge"})) == [("payload", "A")]


def test_a_function_by_its_arn_as_the_resource():
    """Its parameters are the payload."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:charge:live"
    state = {"Type": "Task", "Resource": arn, "Parameters": {"order_id": "o"}, "End": True, **retry("States.ALL")}

    assert find_issues({"StartAt": "A", "States": {"A": state}}) == [("payload", "A"), ("retry", "A.Retry[0]")]


def test_a_response_that_does_not_fit_the_next_request():
    """The unchanged output of a task is the input of the next, through a choice, too."""
    definition = state_machine(
        {
            "Charge": task(charge, next="Which"),
            "Which": choice("cents", {5: "Ship", 6: "Refund"}),
            "Ship": task(ship),
            "Refund": task(refund),
        }
    )
    assert find_issues(definition) == [("payload", "Refund")]

    definition["States"]["Refund"] = task(refund, payload={"kind": "REFUND", "order_id.$": "$.order_id"})
    assert find_issues(definition) == []


def test_a_changed_output_is_not_compared():
    """Nothing is known about it; nor about what is caught."""
    for members in (
        {"ResultPath": "$.charge"},
        {"OutputPath": "$.Payload.order"},
        {"ResultSelector": {"kind.$": "$.Payload.kind"}},
    ):
        state = {**task(charge, next="Refund"), **members}
        assert find_issues({"StartAt": "A", "States": {"A": state, "Refund": task(refund)}}) == []
    caught = task(charge, catch={CardDeclined: "Refund"})
    assert find_issues(state_machine({"A": caught, "Refund": task(refund)})) == []


@pytest.mark.parametrize("member", ["TimeoutSeconds", "HeartbeatSeconds"])
def test_a_task_that_ends_before_its_function(member):
    """The response would be lost, and the function would run on."""
    definition = with_member(**{member: 30})

    assert find_issues(definition, timeouts={"charge": 30}) == [("timeout", f"A.{member}")]
    assert find_issues(definition, timeouts={"charge": 29}) == []
    assert find_issues(definition) == []  # it is not known


def test_an_execution_that_ends_before_its_function():
    """Its own limit, or that of Express executions."""
    definition = {**with_member(), "TimeoutSeconds": 60}
    assert find_issues(definition, timeouts={"charge": 60}) == [("timeout", "TimeoutSeconds")]

    express = state_machine({"Map": distributed_map(charge_again, execution_type="EXPRESS")})
    path = "Map.ItemProcessor.ProcessorConfig.ExecutionType"
    assert find_issues(express, charge_again, timeouts={"charge": 900})[-1] == ("timeout", path)


def test_responses_that_are_not_offloaded():
    """The threshold is above the limit of Step Functions, or the function is not told that it may."""
    large = Contract("report", request=int, response=str, offload=S3Offload("b"))
    small = Contract("report", request=int, response=str, offload=S3Offload("b", threshold=100_000))
    plain = Contract("report", request=int, response=str)

    assert find_issues(state_machine({"A": task(plain)}), large) == [("size", "A")]
    assert find_issues(state_machine({"A": task(plain)}), small) == [("size", "A")]
    assert find_issues(state_machine({"A": task(small)}), small) == []


def test_functions_without_a_contract_are_reported():
    """As not checked."""
    result = check_definition(state_machine({"A": task(charge, next="B"), "B": task(ship)}), KnownFunctions([charge]))

    assert (result.checked, result.skipped) == (1, ("B: no contract for ship",))


def test_a_function_is_found_by_its_deployed_name_and_qualifier():
    """A resolver maps names; of two contracts, that of the called qualifier counts."""
    definition = with_member(charge_again, **retry("States.ALL"))

    assert check_definition(definition, KnownFunctions([charge, charge_again])).findings == ()
    deployed = with_member(charge, Parameters={"FunctionName": "prod-charge", "Payload.$": "$"}, **retry("States.ALL"))
    assert check_definition(deployed, KnownFunctions([charge])).checked == 0
    [finding] = check_definition(deployed, KnownFunctions([charge], resolve=prefix("prod-"))).findings
    assert finding.path == "A.Retry[0]"


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"States": None},
        {"States": {"A": 1, "B": {}, "C": {"Type": "Task", "Resource": 5}}},
        {"States": {"A": {**task(charge), "Retry": 5, "Catch": [None, {"ErrorEquals": 1}]}}},
        {"States": {"A": {"Type": "Map", "ItemProcessor": 1}, "B": {"Type": "Parallel", "Branches": [1]}}},
        {"States": {"A": {**task(charge), "Parameters": None}}},
        {"States": {"A": {**task(charge), "Parameters": {"FunctionName": "a b"}}}},
    ],
)
def test_what_is_not_a_definition_is_no_reason_to_fail(definition):
    """Another tool says what is wrong with it."""
    check_definition(definition, KnownFunctions([charge]))


@pytest.fixture(name="project")
def _project(tmp_path, monkeypatch):
    source = Path(__file__).parents[1] / "support" / "orders_contracts.py"
    (tmp_path / "orders_contracts.py").write_text(source.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [str(Path(sys.executable).parent / "lambdachain"), "asl", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_definition_in_a_file(project):
    """With its findings, one a line, and the exit status of a check."""
    (project / "order.asl.json").write_text(json.dumps(with_member(**retry("States.ALL"), TimeoutSeconds=5)))

    ran = check("order.asl.json", "orders_contracts:charge", "--timeout", "charge=30")

    assert ran.returncode == 1
    assert [line.split(": ")[:3] for line in ran.stdout.splitlines()] == [
        ["order.asl.json", "A.Retry[0]", "retry"],
        ["order.asl.json", "A.TimeoutSeconds", "timeout"],
    ]
    assert ran.stderr == "order.asl.json: 1 task checked: 2 findings\n"


def test_a_definition_in_yaml(project):
    """As JSON, for programs."""
    (project / "order.asl.yaml").write_text(
        dedent("""
        StartAt: A
        States:
          A:
            Type: Task
            Resource: arn:aws:states:::lambda:invoke
            Parameters: { FunctionName: charge, Payload: { order_id: o-1 } }
            End: true
        """)
    )

    ran = check("order.asl.yaml", "orders_contracts", "--json")

    assert (ran.returncode, ran.stderr) == (1, "")
    found = json.loads(ran.stdout)
    assert [(one["kind"], one["path"]) for one in found["findings"]] == [("payload", "A")]
    assert "cents" in found["findings"][0]["reason"]
    assert found["checked"] == 1


def test_the_state_machines_of_a_template(project):
    """Inline or in files, with substitutions, and with the timeouts of the template's functions."""
    (project / "order.asl.json").write_text(json.dumps(state_machine({"A": task(charge, function="${Charge}")})))
    (project / "template.yaml").write_text(
        dedent("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          ChargeFunction:
            Type: AWS::Serverless::Function
            Properties: { FunctionName: charge, Handler: app.handler, Runtime: python3.13, CodeUri: ., Timeout: 30 }
          Inline:
            Type: AWS::Serverless::StateMachine
            Properties:
              Type: EXPRESS
              Definition:
                StartAt: B
                States:
                  B:
                    Type: Task
                    Resource: !Sub "arn:${AWS::Partition}:states:::lambda:invoke"
                    TimeoutSeconds: 20
                    Parameters: { FunctionName: !GetAtt ChargeFunction.Arn, Payload.$: $ }
                    End: true
          File:
            Type: AWS::Serverless::StateMachine
            Properties:
              DefinitionUri: order.asl.json
              DefinitionSubstitutions: { Charge: !Ref ChargeFunction }
          Text:
            Type: AWS::StepFunctions::StateMachine
            Properties:
              RoleArn: arn:aws:iam::123456789012:role/r
              DefinitionString: !Sub |
                {"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": "${ChargeFunction.Arn}",
                 "Retry": [{"ErrorEquals": ["States.Timeout"]}], "End": true}}}
        """)
    )

    ran = check("template.yaml", "orders_contracts", "--json")

    found = json.loads(ran.stdout)
    assert [(one["kind"], one["path"]) for one in found["findings"]] == [
        ("timeout", "Inline.B.TimeoutSeconds"),
        ("retry", "Inline.Type"),
        ("retry", "Text.C.Retry[0]"),
    ]
    assert (ran.returncode, found["checked"], found["unresolved"]) == (1, 3, [])


def test_a_definition_that_is_fine(project):
    """Its exit status is 0; that of one whose functions have no contract is not."""
    (project / "order.asl.json").write_text(json.dumps(state_machine({"A": task(charge)})))

    ran = check("order.asl.json", "orders_contracts")
    assert (ran.returncode, ran.stdout) == (0, "")
    ran = check("order.asl.json", "orders_contracts:ship")
    assert ran.returncode == 1
    assert "A: no contract for charge: not checked" in ran.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("a: 1", "neither a template"),
        ("Resources: {}", "neither a definition"),
        ("{", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_checked(project, text, message):
    """In one line, with the status of a wrong argument."""
    if text is not None:
        (project / "file.json").write_text(text)

    ran = check("file.json", "orders_contracts")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_what_the_example_of_a_read_error_makes_is_fine():
    """The states between are neither tasks nor mistakes."""
    states = {
        "A": task(charge, catch={CardDeclined: "Read"}),
        **read_error("Read", next="End"),
        "End": {"Type": "Succeed"},
    }
    assert find_issues(state_machine(states)) == []
