"""``call``, ``fire`` and ``can-invoke`` as a user runs them, against functions of the real runtime client."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction

CONTRACTS = """
from pydantic import BaseModel

from lambdachain import Contract, RemoteError


class ChargeRequest(BaseModel):
    order_id: str
    cents: int


class ChargeResponse(BaseModel):
    charge_id: str


class CardDeclined(RemoteError):
    reason: str


charge = Contract("billing-charge", request=ChargeRequest, response=ChargeResponse, errors=[CardDeclined])
other = Contract("billing-charge", request=ChargeRequest, response=int)
elsewhere = Contract("billing-elsewhere", request=int, response=int)
idempotent = Contract("nobody", request=ChargeRequest, response=int, idempotent=True)
number = 7
"""
APP = """
import json
import os
import time
from decimal import Decimal

from billing_contracts import CardDeclined, ChargeResponse, charge
from lambdachain import current_invocation, remote


@remote(charge)
def handler(request):
    print("charging", request.cents)
    if request.cents > 1000:
        raise CardDeclined(reason="limit")
    return ChargeResponse(charge_id="c-" + request.order_id)


def echo(event, context):
    given = context.client_context.custom if context.client_context else {}
    return {"event": event, "custom": {name: text for name, text in given.items() if name == "who"}}


def exact(event, context):
    return {"amount": Decimal(event), "text": f'"{event}"', "ratio": 0.1}


def fail(event, context):
    print("about to fail")
    raise ValueError("on purpose\\nin two lines")


def slow(event, context):
    time.sleep(5)
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Serve the functions; yield the directory of the contracts and the variables of a client."""
    code = tmp_path_factory.mktemp("code")
    (code / "billing_contracts.py").write_text(CONTRACTS)
    (code / "app.py").write_text(APP)
    handlers = {"billing-charge": "handler", "echo": "echo", "exact": "exact", "fail": "fail", "slow": "slow"}
    functions = [
        LocalFunction(name, f"app.{handler}", directory=code, timeout=10) for name, handler in handlers.items()
    ]
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    with LocalEndpoint(functions) as endpoint:
        yield code, {**keys, "AWS_ENDPOINT_URL_LAMBDA": endpoint.url, "PYTHONPATH": str(code)}


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lambdachain(command: list[str], serving: Any, environment: dict[str, str], tmp_path: Path) -> Run:
    """Run ``lambdachain`` against the functions."""

    def to_the_end(
        *arguments: str, given: str | None = None, **variables: str | None
    ) -> subprocess.CompletedProcess[str]:
        around = {**environment, **serving[1], **variables}
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={name: value for name, value in around.items() if value is not None},
            input=given or "",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return to_the_end


ORDER = '{"order_id": "o-1", "cents": 500}'


def test_a_function_is_called_by_its_name(lambdachain: Run):
    """The response goes to standard output in one line, its metadata to standard error."""
    ran = lambdachain("call", "echo", '{"a": [1, null, "ä"]}')

    assert (ran.returncode, ran.stdout) == (0, '{"event":{"a":[1,null,"ä"]},"custom":{}}\n')
    assert ran.stderr.startswith("version $LATEST, ")
    assert " ms, 1 attempt, request " in ran.stderr


def test_a_number_is_printed_with_all_of_its_digits(lambdachain: Run):
    """At the top level and inside an object; digits in a string stay a string."""
    number = "-123456789012345678901.1234567890123"
    ran = lambdachain("call", "exact", f'"{number}"')
    output = lambdachain("call", "exact", f'"{number}"', "--json")

    assert ran.stdout == f'{{"amount":{number},"text":"\\"{number}\\"","ratio":0.1}}\n'
    assert f'{{"value":{{"amount":{number},' in output.stdout


def test_a_function_is_called_by_its_arn_and_qualifier(lambdachain: Run, tmp_path: Path):
    """By an ARN, a partial ARN, and the option; a name with a colon and without a module has a qualifier."""
    whole = "arn:aws:lambda:us-east-1:123456789012:function:echo"
    output = [lambdachain("call", target, "1") for target in (whole, "123456789012:function:echo", "echo:$LATEST")]
    (tmp_path / "echo.py").write_text("")
    module, function = lambdachain("call", "echo:$LATEST", "1"), lambdachain("call", "function:echo:$LATEST", "1")
    missing = lambdachain("call", "echo", "1", "--qualifier", "live")

    assert [ran.stdout for ran in (*output, function)] == ['{"event":1,"custom":{}}\n'] * 4
    assert "; for a function and its qualifier, write function:echo:$LATEST" in module.stderr
    assert (missing.returncode, "FunctionNotFoundError: echo:live" in missing.stderr) == (3, True)


@pytest.mark.parametrize("way", ["argument", "file", "standard input", "a dash"])
def test_a_payload_comes_from_an_argument_a_file_or_standard_input(lambdachain: Run, tmp_path: Path, way: str):
    """Each source sends the same payload."""
    (tmp_path / "order.json").write_text(ORDER)
    arguments = {"argument": [ORDER], "file": ["@order.json"], "standard input": [], "a dash": ["-"]}[way]
    ran = lambdachain("call", "echo", *arguments, given=ORDER)

    assert json.loads(ran.stdout)["event"] == json.loads(ORDER)


def test_a_contract_validates_the_payload_and_the_response(lambdachain: Run):
    """An invalid payload is not sent, and an invalid response is reported as such."""
    right = lambdachain("call", "billing_contracts:charge", ORDER)
    wrong = lambdachain("call", "billing_contracts:charge", '{"order_id": "o-1"}')
    answered = lambdachain("call", "billing_contracts:other", ORDER)

    assert (right.returncode, json.loads(right.stdout)) == (0, {"charge_id": "c-o-1"})
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "InvalidRequestError: billing-charge: the payload does not fit ChargeRequest: cents" in wrong.stderr
    assert (answered.returncode, answered.stdout) == (6, "")
    assert "ResponseError: billing-charge: the response does not fit int" in answered.stderr


def test_a_contract_may_be_deployed_under_another_name(lambdachain: Run):
    """``--function`` has the deployed name."""
    ran = lambdachain("call", "billing_contracts:idempotent", ORDER, "--function", "fail")

    assert (ran.returncode, "error: FunctionError: fail: ValueError" in ran.stderr) == (5, True)


def test_a_declared_error_is_printed_with_its_fields(lambdachain: Run):
    """As a line for people, and as an object for programs."""
    ran = lambdachain("call", "billing_contracts:charge", ORDER.replace("500", "5000"), "--json")
    output = json.loads(ran.stdout)["error"]

    assert ran.returncode == 5
    assert ran.stderr == 'error: CardDeclined: {"reason":"limit"}\n'
    assert (output["error"], output["fields"], output["execution"]) == ("CardDeclined", {"reason": "limit"}, "executed")
    assert len(output["attempts"]) == 1


def test_a_failure_is_one_line_and_its_log_is_printed_on_demand(lambdachain: Run):
    """For any message of the callee."""
    ran, logged = lambdachain("call", "fail", "{}"), lambdachain("call", "fail", "{}", "--logs")

    assert (ran.returncode, ran.stderr.count("\n")) == (5, 1)
    assert ran.stderr.startswith("error: FunctionError: fail: ValueError: on purpose in two lines [executed, request ")
    assert "about to fail" in logged.stderr


def test_a_result_as_json_has_all_metadata(lambdachain: Run):
    """The value and its metadata, with the log."""
    output = json.loads(lambdachain("call", "billing_contracts:charge", ORDER, "--json", "--logs").stdout)

    assert (output["value"], output["executed_version"]) == ({"charge_id": "c-o-1"}, "$LATEST")
    assert "charging 500" in output["log_tail"]
    assert [attempt["status"] for attempt in output["attempts"]] == [200]


def test_options_reach_the_callee(lambdachain: Run):
    """Such as custom values in its ClientContext."""
    ran = lambdachain("call", "echo", "1", "--client-context", "who=nina", "--client-context", "why=a=b")

    assert json.loads(ran.stdout)["custom"] == {"who": "nina"}


def test_a_timeout_is_an_unknown_outcome(lambdachain: Run):
    """The function may have run, so the call is not retried."""
    ran = lambdachain("call", "slow", "1", "--timeout", "1")

    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.startswith("error: CallTimeoutError: slow: ")
    assert ran.stderr.endswith(" [unknown]\n")


def test_ctrl_c_during_a_call_says_that_it_may_have_run(
    command: list[str], environment: dict[str, str], fast_lambda: Any, eventually: Any
):
    """One line, and the exit status of an interrupt."""
    server = fast_lambda()
    process = subprocess.Popen(
        [*command, "call", "f", '{"do": "wait"}'],
        env={**environment, **server.environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(server.received)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[1]

    assert (process.returncode, output) == (130, "error: interrupted: the function may have run\n")


def test_a_refused_connection_is_reported_with_the_number_of_attempts(lambdachain: Run):
    """As many as --max-attempts allows."""
    ran = lambdachain("call", "echo", "1", "--endpoint-url", "http://127.0.0.1:1", "--max-attempts", "2")

    assert ran.returncode == 3
    assert "ConnectError: echo: cannot connect to http://127.0.0.1:1 (" in ran.stderr
    assert "; 2 attempts in " in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        (["call", "no such", "1"], 2, "error: invalid function name 'no such'"),
        (
            ["call", "echo", "{'a': 1}"],
            2,
            "error: the payload is not valid JSON: key must be a string at column 2; in a shell",
        ),
        (["call", "echo", "NaN"], 2, "error: the payload is not valid JSON"),
        (["call", "echo", '{"n": 1e400}'], 2, "error: the payload has a number out of range: more than 1.8e308"),
        (["call", "echo", "1" * 305 + ".5e9"], 2, "error: the payload has a number out of range: more than 1.8e308"),
        (["call", "echo"], 2, "error: standard input is empty; JSON is expected, for example null"),
        (["call", "echo", "@nowhere.json"], 2, "error: nowhere.json: No such file or directory"),
        (
            ["call", "billing_contracts:chrge", "1"],
            2,
            "has no 'chrge'; it has the contracts charge, elsewhere, idempotent, other",
        ),
        (
            ["call", "billing_contracts:number", "1"],
            2,
            "error: billing_contracts:number is not a contract but a value of type int",
        ),
        (
            ["call", "billing_contracts.charge", "1"],
            3,
            "]; a contract is written as billing_contracts:charge\n",
        ),
        (
            ["call", "echo", "broken.py"],
            2,
            "expected value at column 1; to send a file, write @broken.py\n",
        ),
        (
            ["call", "billing_contract:charge", "1"],
            3,
            "; if it is a contract: there is no module 'billing_contract' in this directory or on PYTHONPATH",
        ),
        (
            ["call", "billing_contracts:elsewhere", "1"],
            3,
            "]; if the function is deployed under another name, pass it with --function\n",
        ),
        (["call", "billing_contracts:elsewhere", "1", "--function", "gone"], 3, "not executed, request"),
        (["call", "broken:charge", "1"], 2, "error: cannot import broken: "),
        (["call", "echo", "1", "--profile", "nobody"], 2, "error: The config profile (nobody) could not be found"),
        (["call", "echo", "1", "--client-context", "who"], 2, "'who' is not NAME=VALUE"),
        (["call", "echo", "1", "--timeout", "0"], 3, "DeadlineExceededError"),
        (
            ["call", "echo", "1", "--function", "fail"],
            2,
            "--function is the address of a contract's function, but 'echo' is not",
        ),
        (["fire", "echo", "1", "--idempotency-key", "k"], 3, "an event has no ClientContext"),
        (["call"], 2, "Missing argument 'TARGET'"),
        (["cal"], 2, "No such command 'cal'"),
    ],
)
def test_a_usage_error_is_one_line_and_a_status(
    lambdachain: Run, tmp_path: Path, arguments: list[str], status: int, output: str
):
    """Without a traceback, and with advice."""
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    ran = lambdachain(*arguments)

    assert (ran.returncode, ran.stdout) == (status, "")
    assert output in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("\n") == 1 or ran.stderr.startswith("Usage: ")


def test_a_failed_import_is_reported_with_its_location(lambdachain: Run, tmp_path: Path):
    """With file and line."""
    (tmp_path / "broken.py").write_text("\n\nimport no_such_module\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("1 / 0\n")
    (tmp_path / "package" / "contracts.py").write_text("")
    (tmp_path / "unfinished.py").write_text("\ndef (\n")
    failed = lambdachain("call", "broken:charge", "1").stderr
    unfinished = lambdachain("call", "unfinished:charge", "1").stderr
    inside = lambdachain("call", "package.contracts:charge", "1").stderr

    assert f"{tmp_path / 'package' / '__init__.py'}:1: ZeroDivisionError: division by zero" in inside
    assert f"{tmp_path / 'broken.py'}:3: ModuleNotFoundError: No module named 'no_such_module'" in failed
    assert f"{tmp_path / 'unfinished.py'}:2: SyntaxError: " in unfinished


def test_an_event_is_queued(lambdachain: Run):
    """Its request id is printed."""
    ran = lambdachain("fire", "billing_contracts:charge", ORDER)
    output = json.loads(lambdachain("fire", "echo", "1", "--json").stdout)

    assert (ran.returncode, len(ran.stdout.strip()), ran.stderr) == (0, 36, "queued, 1 attempt\n")
    assert len(output["request_id"]) == 36


def test_a_permission_is_a_status(lambdachain: Run):
    """0 for yes, and 1 for no with the reason; if there is no response, the status of that failure."""
    yes, no = lambdachain("can-invoke", "billing_contracts:charge"), lambdachain("can-invoke", "echo:live", "--json")
    nothing = lambdachain("can-invoke", "echo", "--endpoint-url", "http://127.0.0.1:1")

    assert (yes.returncode, yes.stdout) == (0, "allowed\n")
    assert (no.returncode, json.loads(no.stdout)["reason"]) == (1, "no such qualifier")
    assert (nothing.returncode, nothing.stdout) == (3, "")


def test_boto3_sends_the_calls_if_it_is_selected(lambdachain: Run):
    """Any other value of the variable than the two transports is refused."""
    ran = lambdachain("call", "echo", "1", LAMBDACHAIN_TRANSPORT="boto", AWS_DEFAULT_REGION="us-east-1")
    refused = lambdachain("call", "echo", "1", LAMBDACHAIN_TRANSPORT="carrier-pigeon")

    assert (ran.returncode, ran.stdout) == (0, '{"event":1,"custom":{}}\n')
    assert (refused.returncode, "LAMBDACHAIN_TRANSPORT is 'carrier-pigeon'" in refused.stderr) == (2, True)


def test_a_profile_has_its_region_and_keys(lambdachain: Run, tmp_path: Path):
    """Those of the profile take precedence over the environment's."""
    (tmp_path / "config").write_text(
        "[profile shop]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    none = dict.fromkeys(("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    ran = lambdachain("call", "echo", "1", "--profile", "shop", AWS_CONFIG_FILE=str(tmp_path / "config"), **none)

    assert (ran.returncode, ran.stdout) == (0, '{"event":1,"custom":{}}\n')


def test_an_invalid_payload_is_not_printed(lambdachain: Run):
    """Neither on standard output or error nor in the JSON object."""
    ran = lambdachain("call", "billing_contracts:charge", '{"order_id": "o-1", "cents": "secret-canary"}', "--json")

    assert ran.returncode == 3
    assert "canary" not in ran.stdout + ran.stderr
