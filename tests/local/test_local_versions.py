"""Versions, aliases, and the share of calls that a canary receives."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from botocore.exceptions import ClientError

from lambdachain._lambda_api.routing import choose_version
from lambdachain.local import LocalAlias, LocalEndpoint, LocalFunction, LocalVersion

FUNCTIONS = Path(__file__).parent / "functions"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:describe"


@pytest.fixture(scope="module")
def serving():
    """Serve a function with two versions and aliases, with a fixed random seed."""
    function = LocalFunction(
        "describe",
        "app.describe",
        directory=FUNCTIONS,
        timeout=30,
        environment={"STAGE": "latest"},
        versions={
            "1": LocalVersion(environment={"STAGE": "one"}, memory=256),
            "2": LocalVersion(handler="app.echo"),
        },
        aliases={
            "live": "1",
            "beta": LocalAlias("2"),
            "canary": LocalAlias("1", routing={"2": 0.25}),
            "tip": "$LATEST",
        },
    )
    with LocalEndpoint([function], random=Random(7)) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def invoke(serving, client_of):
    """Call the function of this module."""
    client = client_of(serving)

    def call(**options):
        response = client.invoke(**{"FunctionName": "describe", "Payload": b'{"order": 1}', **options})
        return response, json.load(response["Payload"])

    return call


@pytest.mark.parametrize(
    ("qualifier", "version", "stage"),
    [
        pytest.param("$LATEST", "$LATEST", "latest", id="latest"),
        pytest.param("1", "1", "one", id="version"),
        pytest.param("live", "1", "one", id="alias of a version"),
        pytest.param("tip", "$LATEST", "latest", id="alias of the latest"),
    ],
)
def test_qualifier(invoke, qualifier, version, stage):
    """A qualifier selects its version: response and context name it, and the ARN keeps the caller's qualifier."""
    response, seen = invoke(Qualifier=qualifier)

    assert version == response["ExecutedVersion"]
    assert (version, f"{ARN}:{qualifier}") == (seen["function_version"], seen["invoked_function_arn"])
    assert (stage, version) == (seen["environment"]["STAGE"], seen["environment"]["AWS_LAMBDA_FUNCTION_VERSION"])
    assert f"[{version}]" in seen["log_stream_name"]


def test_no_qualifier(invoke):
    """Without a qualifier the latest version runs, and the ARN has none."""
    response, seen = invoke()

    assert ("$LATEST", ARN) == (response["ExecutedVersion"], seen["invoked_function_arn"])


def test_what_differs(invoke):
    """A version has its own declared values, and the rest of its function."""
    _, one = invoke(Qualifier="1")
    response, two = invoke(Qualifier="beta")

    assert ("256", "describe") == (one["memory_limit_in_mb"], one["function_name"])
    assert ("2", {"order": 1}) == (response["ExecutedVersion"], two)


def test_versions_have_processes_of_their_own(invoke):
    """No process serves two versions; a version reuses its own."""
    first, latest, again = (invoke(Qualifier=qualifier)[1]["pid"] for qualifier in ("1", "$LATEST", "live"))

    assert first != latest
    assert first == again


def test_canary(invoke):
    """Of the calls of an alias with routing, the other version receives its share: 60 of 240, within 4 sigma."""
    executed = Counter(invoke(Qualifier="canary")[0]["ExecutedVersion"] for _ in range(240))

    assert {"1", "2"} == set(executed)
    assert 33 <= executed["2"] <= 87


def test_canary_by_seed(client_of):
    """The same seed chooses the same versions, so that a test can rely on them."""

    def executed():
        function = LocalFunction(
            "echo",
            "app.echo",
            directory=FUNCTIONS,
            timeout=30,
            versions={"1": LocalVersion(), "2": LocalVersion()},
            aliases={"canary": LocalAlias("1", routing={"2": 0.5})},
        )
        with LocalEndpoint([function], random=Random(3)) as endpoint:
            client = client_of(endpoint)
            return [client.invoke(FunctionName="echo:canary")["ExecutedVersion"] for _ in range(12)]

    expected = Random(3)
    drawn = [choose_version("1", {"2": 0.5}, expected.random()) for _ in range(12)]

    assert drawn == executed() == executed()


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_shares(weight):
    """Over many draws the share is the weight: exact at the ends, within 4 sigma in between."""
    random = Random(11)
    share = sum(choose_version("1", {"2": weight}, random.random()) == "2" for _ in range(10_000)) / 10_000

    assert abs(share - weight) <= 4 * (weight * (1 - weight) / 10_000) ** 0.5


def test_unknown_version(invoke):
    """An undeclared version is not found."""
    with pytest.raises(ClientError, match=f"Function not found: {ARN}:3"):
        invoke(Qualifier="3")


def test_log_names_the_version(serving, client_of):
    """The log of a version starts with it."""
    import base64

    response = client_of(serving).invoke(FunctionName="describe:1", LogType="Tail")

    assert " Version: 1\n" in base64.b64decode(response["LogResult"]).decode()


BAD = [
    pytest.param(
        {"versions": {"one": LocalVersion()}},
        "version 'one' is not a positive whole number as text, such as '1'",
        id="v",
    ),
    pytest.param(
        {"versions": {"0": LocalVersion()}},
        "version '0' is not a positive whole number as text, such as '1'",
        id="zero",
    ),
    pytest.param(
        {"aliases": {"7": "1"}, "versions": {"1": LocalVersion()}},
        "alias '7' must have 1 to 128 letters, digits, '-' and '_', not only digits",
        id="alias like a version",
    ),
    pytest.param(
        {"aliases": {"live": "3"}}, "alias 'live' points to version '3', which is not declared", id="no such version"
    ),
    pytest.param(
        {
            "aliases": {"live": LocalAlias("1", routing={"2": 1.5})},
            "versions": {"1": LocalVersion(), "2": LocalVersion()},
        },
        "alias 'live' routes 1.5 of the calls to '2', but a weight must be 0 to 1",
        id="weight",
    ),
    pytest.param(
        {"aliases": {"live": LocalAlias("1", routing={"1": 0.5})}, "versions": {"1": LocalVersion()}},
        "alias 'live' routes to '1', which is not another declared version",
        id="to itself",
    ),
    pytest.param(
        {"aliases": {"live": LocalAlias("$LATEST", routing={"1": 0.5})}, "versions": {"1": LocalVersion()}},
        "alias 'live' points to $LATEST, but Lambda routes between published versions only",
        id="from latest",
    ),
    pytest.param(
        {"versions": {"1": LocalVersion(memory=64)}},
        "memory must be 128 to 10240 MB, not 64 (version '1')",
        id="memory",
    ),
    pytest.param({"runtime": "cobol"}, "runtime must be 'python' or 'nodejs' or 'provided', not 'cobol'", id="runtime"),
    pytest.param({"recursive_loop": "Maybe"}, "recursive_loop must be 'Terminate' or 'Allow', not 'Maybe'", id="loop"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_bad_declaration(fields, message):
    """A version or alias that Lambda would refuse is refused when it is declared."""
    with pytest.raises(ValueError) as caught:
        LocalFunction("orders", "app.handler", **fields)

    assert f"function 'orders': {message}" == str(caught.value)


def test_directory_of_a_version_missing(tmp_path):
    """The directory of a version must exist too."""
    function = LocalFunction(
        "orders", "app.handler", directory=tmp_path, versions={"1": LocalVersion(directory=tmp_path / "gone")}
    )
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([function])

    assert f"function 'orders': directory '{tmp_path / 'gone'}' does not exist" == str(caught.value)
