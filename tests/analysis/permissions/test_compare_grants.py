"""Comparing grants with calls; patterns match as in IAM."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from lambdachain._analysis.permissions.compare_grants import Grant, compare_grants, matches
from lambdachain._analysis.permissions.required_permissions import ACTION, FunctionResource, RequiredPermission, Stack
from lambdachain._analysis.survey.results import UNCHANGED_NAME, CallMode, CallSite, CodeUnit, SourceLocation

HERE = Stack("aws", "eu-west-1", "123456789012")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:{}"
CALL = CallSite(
    SourceLocation("app.py", 7), CodeUnit("app.py", "f"), "call", CallMode.SYNC, "a", False, None, UNCHANGED_NAME, None
)
NEEDS = [RequiredPermission(FunctionResource("a"), (CALL,)), RequiredPermission(FunctionResource("b", "live"), (CALL,))]


def grant(resource: str, *actions: str, allows: bool = True) -> Grant:
    """Return a grant."""
    return Grant(actions or (ACTION,), resource, "t.yaml:3", allows=allows)


def get_issues(*grants: Grant) -> list[tuple[str, str]]:
    """Return the issues of some grants."""
    return [(str(one.kind), one.text) for one in compare_grants("Caller", "t.yaml:1", NEEDS, grants, HERE)]


BOTH = (grant(ARN.format("a")), grant(ARN.format("b:live")))


def test_grants_that_match_the_calls_have_no_issues():
    """Actions match in upper and lower case; grants of other actions are ignored."""
    other = grant("*", "dynamodb:*")

    assert get_issues(*BOTH, other) == []
    assert get_issues(grant(ARN.format("a"), "LAMBDA:invokefunction"), BOTH[1]) == []


def test_missing_unused_denied_and_wildcard_grants_are_found():
    """Each with the function or ARN in question."""
    wrong_qualifier = grant(ARN.format("b"))

    assert get_issues(BOTH[0], wrong_qualifier) == [
        ("missing", f"b:live is called at app.py:7, but no statement allows {ACTION} on {ARN.format('b:live')}"),
        ("unused", f"{ARN.format('b')} is allowed, but the code does not call it"),
    ]
    assert get_issues(*BOTH, grant(ARN.format("a"), allows=False)) == [
        ("denied", "a is called at app.py:7, but this statement denies it")
    ]
    assert get_issues(grant("*")) == [
        ("wildcard", f"* allows more than is called: the code calls only {ARN.format('a')}, {ARN.format('b:live')}")
    ]
    assert get_issues(*BOTH, grant(ARN.format("a"), "lambda:*")) == [
        ("wildcard", f"lambda:* allows more than is called: the code calls only {ARN.format('a')}")
    ]


def test_a_function_and_its_versions_are_one_grant():
    """``grant_invoke`` allows both; a call of either uses both."""
    versions = grant(f"{ARN.format('b')}:*")

    assert get_issues(BOTH[0], grant(ARN.format("b")), versions) == []
    # Without the function itself, the wildcard is a choice.
    assert [kind for kind, _ in get_issues(BOTH[0], versions)] == ["wildcard"]


def test_what_is_unknown_may_allow_any_call():
    """So nothing is missing, and what is unknown is neither unused nor wide."""
    unknown = Grant((ACTION,), "*", "t.yaml:2", is_unknown=True)

    assert get_issues(unknown) == []
    denied = grant(ARN.format("a"), allows=False)
    assert get_issues(unknown, denied) == [("denied", "a is called at app.py:7, but this statement denies it")]


_PATTERN = st.text("ab*:", max_size=6)


@given(_PATTERN, st.text("ab:", min_size=1, max_size=6))
def test_patterns_match_as_in_motos_evaluator(pattern: str, text: str):
    """Over random mixtures of letters and ``*``; moto does not support ``?``."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": f"arn:aws:x:::{pattern}"}
    policy = IAMPolicy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    permitted = policy.is_action_permitted("x:y", f"arn:aws:x:::{text}") is PermissionResult.PERMITTED

    assert matches(pattern, text) is permitted
