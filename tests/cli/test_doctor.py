"""`lambdachain doctor`: its checks, its output, and the secrets that it never prints."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from lambdachain import doctor
from lambdachain._analysis.diagnosis import environment_checks as checks
from lambdachain._analysis.diagnosis.permission_checks import parse_denied_resource
from lambdachain._analysis.diagnosis.report import Level
from tests.support.dry_run_server import serve_dry_runs

KEYS = {"AWS_ACCESS_KEY_ID": "AKIACANARYCANARY", "AWS_SECRET_ACCESS_KEY": "canary-secret", "AWS_REGION": "eu-west-1"}
CODE = """
from lambdachain import Contract, LambdaClient, resolvers
charge = Contract("DeniedCharge", request=int, response=int, qualifier="live")
client = LambdaClient()
client.call(charge, 1)
client.fire("ThereFunction", 1)
client.call("MissingFunction", 1)
client.call("ThereFunction", 1, qualifier="gone")
client.call(compute(), 1)
"""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve Lambda's responses as recorded."""
    with serve_dry_runs() as served:
        yield served


@pytest.fixture
def no_configuration(tmp_path: Path) -> dict[str, str]:
    """Hide this user's AWS configuration."""
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
    }


Run = Callable[..., CompletedProcess[str]]
Write = Callable[[Mapping[str, str]], Path]


def findings_by_subject(ran: CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the findings by subject."""
    return {one["subject"]: one for one in json.loads(ran.stdout)["findings"]}


def test_each_function_that_the_code_calls_is_checked(run: Run, write: Write, endpoint, no_configuration):
    """By DryRun only; a refusal has its reason and the statement that allows the call."""
    url, seen = endpoint
    write({"src/app.py": CODE})
    ran = run("doctor", "src", "--endpoint-url", url, "--json", **KEYS, **no_configuration)
    found = findings_by_subject(ran)
    denied = found["DeniedCharge:live"]
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:DeniedCharge:live"
    policy = IAMPolicy(json.dumps(denied["policy"]))

    assert (ran.returncode, ran.stderr) == (1, "")
    assert found["ThereFunction"]["level"] == "ok"
    assert denied["level"] == "fault"
    assert "no identity-based policy allows" in denied["text"]
    assert denied["policy"]["Statement"][0]["Resource"] == [arn]
    assert policy.is_action_permitted("lambda:InvokeFunction", arn) is PermissionResult.PERMITTED
    assert found["MissingFunction"]["text"].startswith("no such function")
    assert found["ThereFunction:gone"]["text"].startswith("no such qualifier")
    assert found["ThereFunction:gone"]["remedy"] == "publish gone, or use another version or alias"
    assert found["src/app.py:9"]["level"] == "note"
    assert {how for _, how in seen} == {"DryRun"}


def test_a_queue_is_not_checked(run: Run, write: Write, endpoint, no_configuration):
    """Nothing asks whether its messages may be sent, and its function is not invoked from here."""
    code = """
        from lambdachain import Contract, LambdaClient
        from lambdachain.sqs import QueueRoute, SqsTransport
        place = Contract("orders-place", request=int, response=None)
        url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
        LambdaClient(SqsTransport(QueueRoute(place, url))).fire(place, 1)
    """
    ran = run("doctor", write({"app.py": code}), "--endpoint-url", endpoint[0], **KEYS, **no_configuration)

    assert "queue orders: not checked: SQS has no dry run of sqs:SendMessage" in ran.stdout
    assert "orders-place" not in ran.stdout


def test_no_secret_is_printed(run: Run, write: Write, endpoint, no_configuration):
    """Neither keys, tokens nor a proxy's password, as text or as JSON."""
    url, _ = endpoint
    write({"src/app.py": CODE})
    secret = {**KEYS, "AWS_SESSION_TOKEN": "canary-token", "HTTP_PROXY": "http://me:canary-password@127.0.0.1:9"}
    output = ""
    for arguments in ([], ["--json"]):
        ran = run("doctor", "src", "--endpoint-url", url, *arguments, **{**no_configuration, **secret})
        output += ran.stdout + ran.stderr

    assert "temporary, from env" in output
    assert "canary" not in output.lower()


def test_without_region_or_credentials_no_request_is_sent(run: Run, write: Write, endpoint, no_configuration):
    """The problem is reported with its fix."""
    url, seen = endpoint
    write({"src/app.py": CODE})
    ran = run("doctor", "src", "--endpoint-url", url, "--json", **no_configuration)
    found = findings_by_subject(ran)

    assert ran.returncode == 1
    assert (found["region"]["level"], found["credentials"]["level"]) == ("fault", "fault")
    assert "AWS_REGION" in found["region"]["remedy"]
    assert found["permissions"]["text"] == "4 functions that the code calls were not checked"
    assert seen == []


def test_a_healthy_machine_is_status_0_and_plain_text(run: Run, no_configuration):
    """In a pipe there are no colors; every line starts with its level."""
    ran = run("doctor", "--offline", **KEYS, **no_configuration)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert {line.split()[0] for line in ran.stdout.splitlines()} == {"ok"}
    assert "\x1b" not in ran.stdout
    assert "https://lambda.eu-west-1.amazonaws.com" in ran.stdout


def test_an_invalid_number_of_attempts_is_a_fault(run: Run, no_configuration):
    """No client can be created with it: botocore raises ValueError."""
    ran = run("doctor", "--offline", AWS_MAX_ATTEMPTS="many", **KEYS, **no_configuration)

    assert (ran.returncode, ran.stderr) == (1, "")
    faults = [line for line in ran.stdout.splitlines() if line.startswith("fault")]
    assert faults[-1].startswith(
        "fault  botocore's retries: AWS_MAX_ATTEMPTS or max_attempts is not a number: invalid literal"
    )


def test_an_unreachable_endpoint_is_a_fault(run: Run, no_configuration):
    """It is reported once, and no function is checked."""
    ran = run("doctor", "--function", "x", "--endpoint-url", "http://127.0.0.1:9", "--json", **KEYS, **no_configuration)
    found = findings_by_subject(ran)

    assert found["endpoint"]["level"] == "fault"
    assert "no connection in 5 s" in found["endpoint"]["text"]
    assert "x" not in found


def test_no_response_is_not_a_permission(run: Run, endpoint, no_configuration):
    """A throttled request does not show whether it would be allowed."""
    url, _ = endpoint
    ran = run("doctor", "--function", "ThrottledFunction", "--endpoint-url", url, "--json", **KEYS, **no_configuration)

    assert findings_by_subject(ran)["ThrottledFunction"]["text"].startswith("no response: ThrottledError")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "nobody"], "error: The config profile (nobody) could not be found"),
        (["--function", "a b"], "error: invalid function name 'a b'"),
        (
            ["charge"],
            "error: charge: no such file or directory; to check this function, pass --function charge\n",
        ),
        (["no/where"], "error: no/where: no such file or directory\n"),
        (["nowhere.py"], "error: nowhere.py: no such file or directory\n"),
    ],
)
def test_invalid_input_is_one_line(run: Run, no_configuration, arguments: list[str], message: str):
    """Before any check."""
    ran = run("doctor", *arguments, **no_configuration)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(message)
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("functions", [["ThereToo"], "ThereToo"])
def test_inside_a_function_it_is_a_handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint, functions: Any):
    """It checks the function's own code, configuration and role, and returns JSON."""
    url, seen = endpoint
    (tmp_path / "app.py").write_text(CODE)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
    report = json.loads(json.dumps(doctor.handler({"functions": functions}, None)))
    output = {one["subject"]: one["text"] for one in report["findings"]}

    assert report["healthy"] is False
    assert output["place"].startswith("in function orders, version 7, 256 MB")
    assert output["transport"] == "HttpTransport (in a function)"
    assert output["ThereToo"] == "may be invoked"
    assert ("DeniedCharge", "DryRun") in seen


class _Session:
    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def get_config_variable(self, name: str) -> Any:
        return self._settings.get(name)

    def get_scoped_config(self) -> dict[str, Any]:
        return {name: value for name, value in self._settings.items() if value}


@pytest.mark.parametrize(
    ("botocore", "settings", "output"),
    [
        (
            "1.43.117",
            {},
            "mode legacy (the default of 1.43.117): a plain boto3 client may run a function up to 5 times",
        ),
        ("1.44.5", {}, "mode standard (the default of 1.44.5): a plain boto3 client may run a function up to 3 times"),
        (
            "1.44.5",
            {"retry_mode": "legacy"},
            "mode legacy (configured): a plain boto3 client may run a function up to 5",
        ),
        ("1.44.5", {"max_attempts": 7}, "up to 7 times"),
    ],
)
def test_botocores_retries_are_reported(botocore: str, settings: dict[str, Any], output: str):
    """By version and configuration."""
    assert output in checks.check_retries(_Session(**settings), botocore).text


def test_versions_that_are_too_old_or_missing_are_faults():
    """With the command that installs them."""

    def installed(name: str) -> str:
        if name in ("tenacity", "aiobotocore", "awslambdaric", "aiohttp"):
            raise PackageNotFoundError(name)
        return {"boto3": "1.40.0", "botocore": "1.42.1", "pydantic": "2.10.0b1"}[name]

    found = checks.check_versions(installed)

    assert found.level is Level.FAULT
    assert found.remedy == "pip install 'boto3>=1.42.1' 'tenacity>=8.2.3'"
    assert "boto3 1.40.0" in found.text


def test_the_region_is_reported_with_its_source():
    """An option, a variable or a file."""
    assert checks.check_region(_Session(), "eu-west-1", {}).text == "eu-west-1 (requested)"
    assert checks.check_region(_Session(), None, {"AWS_REGION": "eu-west-1"}).text == "eu-west-1 (AWS_REGION)"
    assert checks.check_region(_Session(region="eu-west-2"), None, {}).text == "eu-west-2 (the configuration file)"


def test_the_resource_of_a_denial_is_parsed():
    """From AWS's message; from any other text, there is no resource."""
    assert parse_denied_resource("no such luck") is None
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
