"""What SAM's own translator makes of a template is what is read from the template."""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdachain._analysis.permissions.compare_grants import concerns_calls
from lambdachain._templates.context import TemplateContext
from lambdachain._templates.functions import read_functions
from lambdachain._templates.invocation_config import read_invocation_configs
from lambdachain._templates.policies import PolicyReader
from lambdachain._templates.template import parse_template
from tests.templates.readers import AWS

boto3 = pytest.importorskip("boto3")
translator = pytest.importorskip("samtranslator.translator.translator")
parser = importlib.import_module("samtranslator.parser.parser")
logging.getLogger("samtranslator").setLevel(logging.ERROR)


def translate(tree: dict[str, Any]) -> dict[str, Any]:
    """Translate a template, whose parameters have their defaults."""
    values = {name: each["Default"] for name, each in tree.get("Parameters", {}).items() if "Default" in each}
    session = boto3.Session(region_name="us-east-1")
    copied = json.loads(json.dumps(tree))
    translated: dict[str, Any] = translator.Translator({}, parser.Parser(), boto_session=session).translate(
        copied, values
    )
    return translated


def read_all(tree: dict[str, Any]) -> dict[str, Any]:
    """Read what both kinds of template have: everything but the place of the code, which SAM uploads."""
    template = parse_template(json.dumps(tree), "template.json", Path("/code"), TemplateContext(AWS))
    deployed = list(read_functions(template))
    configs, _ = read_invocation_configs(template, deployed)
    return {
        function.logical_id: (
            function.name.value,
            {name: found.value for name, found in function.properties.items()},
            dict(function.environment),
            dict(configs[function.logical_id].aliases),
            dict(configs[function.logical_id].event_config),
        )
        for function in deployed
    }


def read_grants(tree: dict[str, Any]) -> dict[str, Any]:
    """Read what each function may call."""
    template = parse_template(json.dumps(tree), "template.json", Path("/code"), TemplateContext(AWS))
    policies = PolicyReader(template)
    return {
        function.logical_id: {
            (grant.actions, grant.resource, grant.allows)
            for grant in policies.read_function(function.logical_id)
            if concerns_calls(grant.actions)
        }
        for function in read_functions(template)
    }


NO_VALUE = {"Ref": "AWS::NoValue"}
VARIABLES = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.sampled_from(["text", 5, NO_VALUE, {"Ref": "Text"}, {"Fn::If": ["No", "x", NO_VALUE]}]),
)


def either(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Generate values, and conditions in their place."""
    return values | st.tuples(st.sampled_from(["Yes", "No"]), values, values | st.just(NO_VALUE)).map(
        lambda branches: {"Fn::If": list(branches)}
    )


DESTINATIONS = st.fixed_dictionaries(
    {},
    optional={
        "OnSuccess": st.sampled_from([{"Type": "SQS"}, {"Type": "SQS", "Destination": "arn:aws:sqs:us-east-1:1:q"}]),
        "OnFailure": st.sampled_from([{"Type": "SNS"}, {"Type": "SQS", "Destination": {"Fn::GetAtt": "Queue.Arn"}}]),
    },
)
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "Timeout": either(st.sampled_from([1, 900, {"Ref": "Number"}])),
    "MemorySize": st.sampled_from([128, 512]),
    "Environment": either(st.fixed_dictionaries({"Variables": either(VARIABLES)})),
    "AutoPublishAlias": st.sampled_from(["live", {"Ref": "Text"}]),
    "EventInvokeConfig": st.fixed_dictionaries(
        {}, optional={"MaximumRetryAttempts": st.sampled_from([0, 1, 2]), "DestinationConfig": DESTINATIONS}
    ),
}
# SAM refuses IgnoreGlobals of what Globals do not have.
ALWAYS_SHARED = {name: SHARED[name] for name in ("Timeout", "MemorySize", "Environment")}
# The translator gives what it generates for a destination of Globals to the first function, and the others share it by
# accident: Globals have retries only here.
SHARED_EVENTS = st.fixed_dictionaries({}, optional={"MaximumRetryAttempts": st.sampled_from([0, 1, 2])})
OTHERS_SHARED = {"AutoPublishAlias": SHARED["AutoPublishAlias"], "EventInvokeConfig": SHARED_EVENTS}
IGNORED = st.sampled_from(["*", ["Timeout"], ["Environment", "MemorySize"]])


@settings(deadline=None, max_examples=30)
@given(
    st.fixed_dictionaries(ALWAYS_SHARED, optional=OTHERS_SHARED),
    st.fixed_dictionaries({}, optional={**SHARED, "FunctionName": either(st.just("named"))}),
    st.fixed_dictionaries({}, optional={"IgnoreGlobals": IGNORED, "Condition": st.sampled_from(["Yes", "No"])}),
)
def test_function_is_read_as_it_is_translated(shared: dict[str, Any], own: dict[str, Any], attributes: dict[str, Any]):
    """Globals, conditions in place of any value, destinations that SAM generates."""
    required = {"Handler": "app.handler", "Runtime": "python3.13", "CodeUri": "s3://bucket/key"}
    tree = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Text": {"Type": "String", "Default": "text"}, "Number": {"Type": "Number", "Default": 9}},
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Equals": ["a", "b"]}},
        "Globals": {"Function": shared},
        "Resources": {
            "F": {"Type": "AWS::Serverless::Function", "Properties": {**required, **own}, **attributes},
            "Other": {
                "Type": "AWS::Serverless::Function",
                "Properties": {**required, "Environment": {"Variables": {"ROLE": {"Fn::GetAtt": ["FRole", "Arn"]}}}},
            },
            "Queue": {"Type": "AWS::SQS::Queue"},
        },
    }

    assert read_all(tree) == read_all(translate(tree))


def test_lists_of_globals_come_first():
    """SAM joins them with those of the function; a condition in place of one replaces it."""
    layers = {name: {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": name}} for name in "XYZ"}
    function: dict[str, Any] = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Handler": "app.handler", "CodeUri": "."},
    }
    tree: dict[str, Any] = {
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}},
        "Globals": {"Function": {"Layers": [{"Ref": "X"}]}},
        "Resources": {
            **layers,
            "Joined": {**function, "Properties": {**function["Properties"], "Layers": [{"Ref": "Y"}]}},
            "Chosen": {
                **function,
                "Properties": {
                    **function["Properties"],
                    "Layers": {"Fn::If": ["Yes", [{"Fn::If": ["Yes", {"Ref": "Z"}, {"Ref": "Y"}]}], []]},
                },
            },
        },
    }
    template = parse_template(json.dumps(tree), "template.json", Path("/code"), TemplateContext(AWS))

    found = {each.logical_id: [path.name for path in each.layers] for each in read_functions(template)}
    assert found == {"Joined": ["X", "Y"], "Chosen": ["Z"]}


CALLEE = {"Fn::GetAtt": ["Callee", "Arn"]}
STATEMENT = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": CALLEE}
TO_CALLEE = {"Destination": {"Id": "Callee"}, "Permissions": ["Write"]}
GRANTS: dict[str, dict[str, Any]] = {
    "a statement": {"Policies": [{"Version": "2012-10-17", "Statement": [STATEMENT]}]},
    "one statement": {"Policies": {"Version": "2012-10-17", "Statement": STATEMENT}},
    "a policy template": {"Policies": [{"LambdaInvokePolicy": {"FunctionName": {"Ref": "Callee"}}}]},
    "a managed policy": {"Policies": ["arn:aws:iam::aws:policy/service-role/AWSLambdaRole"]},
    "a condition in place of a policy": {
        "Policies": [{"Fn::If": ["Yes", {"Version": "2012-10-17", "Statement": [STATEMENT]}, NO_VALUE]}]
    },
    "a destination": {
        "EventInvokeConfig": {"DestinationConfig": {"OnFailure": {"Type": "Lambda", "Destination": CALLEE}}}
    },
    "a connector": {"Connectors": {"C": {"Properties": TO_CALLEE}}},
    "a connector of a function with a role": {
        "Role": {"Fn::GetAtt": ["OtherRole", "Arn"]},
        "Connectors": {"C": {"Properties": TO_CALLEE}},
    },
    "a role with the name of SAM's": {"Role": {"Fn::GetAtt": ["CallerRole", "Arn"]}},
}


@pytest.mark.parametrize("name", GRANTS)
def test_grants_are_those_of_the_translated_role(name: str):
    """Whether SAM generates the role, or adds to one that the template names."""
    own = dict(GRANTS[name])
    attributes = {"Connectors": own.pop("Connectors")} if "Connectors" in own else {}
    required = {"Handler": "app.handler", "Runtime": "python3.13", "CodeUri": "s3://bucket/key"}
    policies = {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [STATEMENT]}}]}
    named: dict[str, Any] = {"OtherRole": {"Type": "AWS::IAM::Role", "Properties": {}}}
    if name == "a role with the name of SAM's":
        named["CallerRole"] = {"Type": "AWS::IAM::Role", "Properties": policies}
    tree: dict[str, Any] = {
        "Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}},
        "Resources": {
            "Caller": {"Type": "AWS::Serverless::Function", "Properties": {**required, **own}, **attributes},
            "Callee": {"Type": "AWS::Serverless::Function", "Properties": required},
            **named,
        },
    }
    found = read_grants(tree)

    assert found == read_grants(translate(tree))
    assert found["Caller"]
    assert not found["Callee"]
