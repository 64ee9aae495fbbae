"""``map --on step-functions`` as a user runs it: moto's Step Functions and S3, and a function that counts its calls."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from moto_distributed_map import LocalStepFunctions, local_step_functions

from lambdachain.cli import main
from lambdachain.stepfunctions._map_run import run
from tests.support.service_models import shared_service_models

from .test_map import CONTRACTS

ROLE = "arn:aws:iam::123456789012:role/maps"
REMOTE = ("--on", "step-functions", "--role", ROLE, "--bucket", "maps", "--concurrency", "8")


class RemoteMaps:
    """Runs ``lambdachain map`` in a directory, on Step Functions or not, and reads its files."""

    def __init__(
        self, directory: Path, command: list[str], environment: dict[str, str], aws: LocalStepFunctions
    ) -> None:
        self.directory = directory
        self.aws = aws
        self._command = command
        self._environment = environment

    def write(self, lines: list[Any], name: str = "in.jsonl") -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (self.directory / name).write_text("".join(f"{text}\n" for text in texts))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a map in a process of its own."""
        around = {**self._environment, **self.aws.environment}
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*self._command, "map", *arguments], cwd=self.directory, env=around, **pipes)

    def run(self, *arguments: str, engine: tuple[str, ...] = REMOTE) -> tuple[int, str]:
        """Run a map to its end, in this process; return its status and what it printed."""
        printed = TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True)
        with (
            patch.object(sys, "argv", ["lambdachain", "map", *arguments, *engine]),
            redirect_stdout(printed),
            redirect_stderr(printed),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        printed.seek(0)
        return int(str(ended.value.code or 0)), printed.read()

    def lines(self, name: str = "out.jsonl") -> list[Any]:
        path = self.directory / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def failures(self) -> dict[int, tuple[str, str]]:
        return {each["line"]: (each["error"], each["execution"]) for each in self.lines("out.failures.jsonl")}

    def executions(self) -> list[str]:
        client = self.aws.client("stepfunctions")
        machines = client.list_state_machines()["stateMachines"]
        lists = (client.list_executions(stateMachineArn=each["stateMachineArn"])["executions"] for each in machines)
        return [execution["executionArn"] for each in lists for execution in each]


@pytest.fixture
def function(fast_lambda: Any) -> Any:
    """Start a function that counts its calls."""
    return fast_lambda(0.01)


@pytest.fixture
def maps(
    tmp_path: Path,
    command: list[str],
    environment: dict[str, str],
    function: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RemoteMaps]:
    """Serve Step Functions and S3; each file of results has at most three items."""
    (tmp_path / "contracts.py").write_text(CONTRACTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "contracts", raising=False)
    with shared_service_models(), local_step_functions(function.url, items_a_file=3) as aws:
        aws.client("s3").create_bucket(Bucket="maps")
        yield RemoteMaps(tmp_path, command, environment, aws)


def test_it_writes_the_same_files_as_a_map_of_this_process(maps: RemoteMaps, function: Any) -> None:
    """Only what the results of Step Functions do not have differs."""
    maps.write([{"n": 1}, "", {"n": 2}, *({"n": n, "do": "fail" if n % 4 == 0 else ""} for n in range(3, 13))])

    local = maps.run("contracts:again", "in.jsonl", "-o", "local.jsonl", engine=())
    remote = maps.run("contracts:again", "in.jsonl", "-o", "out.jsonl")

    assert (local[0], remote[0]) == (1, 1)
    assert maps.lines() == maps.lines("local.jsonl")
    # The results do not have the requests of Step Functions, and their times.
    unknown = ("request_id", "elapsed", "attempts")
    failures = (maps.lines("out.failures.jsonl"), maps.lines("local.failures.jsonl"))
    for mine, other in zip(*(sorted(each, key=lambda failure: failure["line"]) for each in failures), strict=True):
        assert mine == other | {name: mine[name] for name in unknown}
    assert remote[1].splitlines()[-1] == local[1].splitlines()[-1].replace("local.", "out.")
    assert set(Counter(map(json.dumps, function.received())).values()) == {2}  # once by each


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something has happened."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within a minute")


def test_a_follower_that_is_killed_loses_and_repeats_nothing(maps: RemoteMaps, function: Any) -> None:
    """The progress has the execution before it is started."""
    maps.write([{"n": n} for n in range(12)])
    follower = maps.start("contracts:echo", "in.jsonl", "-o", "out.jsonl", *REMOTE)
    wait_for(function.received)
    follower.kill()
    follower.communicate()

    status, printed = maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl")

    assert (status, len(maps.executions())) == (0, 1)
    assert f"following {maps.executions()[0]}" in printed
    assert [line["value"]["got"]["n"] for line in maps.lines()] == list(range(12))
    assert sorted(each["n"] for each in function.received()) == list(range(12))
    assert not (maps.directory / "out.jsonl.progress.sqlite").exists()


def test_ctrl_c_leaves_it_running_and_the_same_command_comes_back(maps: RemoteMaps, function: Any) -> None:
    """The process that follows is not needed; another engine must not run its lines."""
    maps.write([{"n": n} for n in range(12)])
    follower = maps.start("contracts:echo", "in.jsonl", "-o", "out.jsonl", *REMOTE)
    wait_for(function.received)
    follower.send_signal(signal.SIGINT)
    _, printed = follower.communicate(timeout=30)

    assert follower.returncode == 130
    (execution,) = maps.executions()
    assert f"the execution continues\n  {execution}\n" in printed
    assert f"aws stepfunctions stop-execution --execution-arn {execution}" in printed
    assert printed.endswith("run the same command again to resume\n")
    local = maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl", engine=())
    assert local[0] == 2
    assert "may still run lines" in local[1]

    assert maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl")[0] == 0
    assert sorted(each["n"] for each in function.received()) == list(range(12))


def test_what_an_execution_that_was_stopped_leaves_is_distinguished(maps: RemoteMaps, function: Any) -> None:
    """What ran, what may have run, and what was never started."""
    maps.write([{"n": 1}, {"n": 2, "do": "wait"}, {"n": 3}, {"n": 4}])
    one_by_one = (*REMOTE[:-1], "1")
    follower = maps.start("echo", "in.jsonl", "-o", "out.jsonl", *one_by_one)
    wait_for(lambda: len(function.received()) == 2)
    (execution,) = maps.executions()
    maps.aws.client("stepfunctions").stop_execution(executionArn=execution)

    _, printed = follower.communicate(timeout=30)

    assert follower.returncode == 1, printed
    assert [line["line"] for line in maps.lines()] == [1]
    assert maps.failures() == {
        2: ("OutcomeUnknownError", "unknown"),
        3: ("NotInvokedError", "not executed"),
        4: ("NotInvokedError", "not executed"),
    }
    assert "1 line may have run: --rerun-unknown runs it again" in printed
    assert "2 lines did not run: --rerun-not-executed runs them again" in printed

    status, _ = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--rerun-not-executed")

    assert (status, [line["line"] for line in maps.lines()]) == (1, [1, 3, 4])
    assert sorted(each["n"] for each in function.received()) == [1, 2, 3, 4]
    assert len(maps.executions()) == 2


def test_redrive_runs_what_has_failed_in_another_execution_if_the_map_succeeded(
    maps: RemoteMaps, function: Any
) -> None:
    """Nothing runs twice before somebody asks for it."""
    maps.write([{"n": 1}, {"n": 2, "do": "fail"}, {"n": 3, "do": "cut"}])

    first = maps.run("echo", "in.jsonl", "-o", "out.jsonl")
    again = maps.run("echo", "in.jsonl", "-o", "out.jsonl")

    assert (first[0], again[0], len(maps.executions())) == (1, 1, 1)
    assert maps.failures()[2] == ("FunctionError", "executed")
    assert maps.failures()[3][1] == "unknown"
    assert Counter(each["n"] for each in function.received()) == {1: 1, 2: 1, 3: 1}  # whatever Step Functions retries

    redriven = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--redrive")
    twice = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--redrive")

    assert (redriven[0], twice[0], len(maps.executions())) == (1, 1, 3)
    assert Counter(each["n"] for each in function.received()) == {1: 1, 2: 3, 3: 3}
    assert sorted(maps.failures()) == [2, 3]
    assert [line["line"] for line in maps.lines()] == [1]


def test_a_follower_that_is_killed_while_it_writes_results_goes_on(maps: RemoteMaps, function: Any) -> None:
    """The progress is as after a kill between two of its transactions."""
    maps.write([*({"n": n} for n in range(1, 6)), {"n": 6, "do": "fail"}])
    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1
    before = maps.lines(), maps.failures()
    with closing(sqlite3.connect(maps.directory / "out.jsonl.progress.sqlite")) as progress:
        progress.execute("DELETE FROM lines WHERE line > 2")
        progress.execute("DELETE FROM outcomes WHERE line > 2")
        progress.execute("UPDATE settings SET value = '' WHERE name = 'collected_execution'")
        progress.commit()

    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1

    assert (maps.lines(), maps.failures()) == before
    assert len(function.received()) == 6


def test_a_redrive_whose_follower_is_killed_is_not_lost(maps: RemoteMaps, function: Any) -> None:
    """The same command without --redrive comes back to it, and writes its outcomes over the earlier ones."""
    maps.write([{"n": 1}, {"n": 2, "do": "fail"}])
    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1
    follower = maps.start("echo", "in.jsonl", "-o", "out.jsonl", *REMOTE, "--redrive")
    wait_for(lambda: len(function.received()) == 3)
    follower.kill()
    follower.communicate()

    status, printed = maps.run("echo", "in.jsonl", "-o", "out.jsonl")

    assert (status, len(maps.executions())) == (1, 2)
    assert "following arn:aws:states" in printed
    assert maps.failures() == {2: ("FunctionError", "executed")}
    assert sorted(each["n"] for each in function.received()) == [1, 2, 2]


def test_an_execution_that_was_stopped_is_redriven(maps: RemoteMaps, function: Any) -> None:
    """The same execution runs what it has not done; its successes are not run again."""
    maps.write([{"n": 1}, {"n": 2, "do": "wait"}, {"n": 3}])
    follower = maps.start("echo", "in.jsonl", "-o", "out.jsonl", *REMOTE[:-1], "1")
    wait_for(lambda: len(function.received()) == 2)
    (execution,) = maps.executions()
    maps.aws.client("stepfunctions").stop_execution(executionArn=execution)
    follower.communicate(timeout=60)
    assert sorted(maps.failures()) == [2, 3]
    maps.write([{"n": 1}, {"n": 2, "do": ""}, {"n": 3}])
    assert "in.jsonl:2 has changed since it was run" in maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--redrive")[1]
    maps.write([{"n": 1}, {"n": 2, "do": "wait"}, {"n": 3}])
    follower = maps.start("echo", "in.jsonl", "-o", "out.jsonl", *REMOTE, "--redrive")
    wait_for(lambda: len(function.received()) == 3)
    follower.kill()
    _, printed = follower.communicate()
    maps.aws.client("stepfunctions").stop_execution(executionArn=execution)

    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1
    assert f"redriven {execution}" in printed
    assert maps.executions() == [execution]
    assert [line["line"] for line in maps.lines()] == [1]
    assert maps.failures() == {2: ("OutcomeUnknownError", "unknown"), 3: ("NotInvokedError", "not executed")}
    assert [each["n"] for each in function.received()] == [1, 2, 2]


def test_a_redrive_by_somebody_else_is_read_before_anything_runs_again(maps: RemoteMaps, function: Any) -> None:
    """In the console, for example: what failed by then may be done."""
    maps.write([{"n": 1}, {"n": 2, "do": "wait once"}, {"n": 3}])
    client = maps.aws.client("stepfunctions")
    follower = maps.start("echo", "in.jsonl", "-o", "out.jsonl", *REMOTE[:-1], "1")
    wait_for(lambda: len(function.received()) == 2)
    (execution,) = maps.executions()
    client.stop_execution(executionArn=execution)
    follower.communicate(timeout=60)
    assert sorted(maps.failures()) == [2, 3]
    client.redrive_execution(executionArn=execution)
    wait_for(lambda: client.describe_execution(executionArn=execution)["status"] == "SUCCEEDED")

    refused = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--rerun-not-executed")
    status, _ = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--rerun-not-executed")

    assert refused[0] == 2
    assert f"{execution} was redriven since" in refused[1]
    assert (status, maps.failures(), maps.executions()) == (0, {}, [execution])
    assert sorted(line["line"] for line in maps.lines()) == [1, 2, 3]


def test_an_execution_that_step_functions_has_forgotten_is_not_started_again(maps: RemoteMaps, function: Any) -> None:
    """It is forgotten 90 days after its end: a process that comes back later must not run its lines again."""
    maps.write([{"n": 1}, {"n": 2, "do": "fail"}])
    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1
    (execution,) = maps.executions()
    forgotten = execution.replace(":map-", ":map-00")
    for started, recorded_at in ((forgotten, time.time()), ("", time.time() - 31 * 86_400)):
        with closing(sqlite3.connect(maps.directory / "out.jsonl.progress.sqlite")) as progress:
            settings = {
                "execution": forgotten,
                "collected_execution": "",
                "started_execution": started,
                "execution_recorded_at": str(recorded_at),
            }
            progress.executemany(
                "INSERT OR REPLACE INTO settings (value, name) VALUES (?, ?)",
                [(value, name) for name, value in settings.items()],
            )
            progress.commit()

        with patch.object(run, "_MAX_EARLY_LOOKS", 1):
            status, printed = maps.run("echo", "in.jsonl", "-o", "out.jsonl", "--redrive")

        assert f"there is no execution {forgotten}" in printed
        assert status == 4
    with closing(sqlite3.connect(maps.directory / "out.jsonl.progress.sqlite")) as progress:
        elsewhere = forgotten.replace("us-east-1", "eu-west-1")
        progress.execute("UPDATE settings SET value = ? WHERE name = 'execution'", (elsewhere,))
        progress.execute("UPDATE settings SET value = ? WHERE name = 'execution_recorded_at'", (str(time.time()),))
        progress.commit()
    assert "was recorded in another region or account" in maps.run("echo", "in.jsonl", "-o", "out.jsonl")[1]
    assert (len(function.received()), len(maps.executions())) == (2, 1)


def test_a_throttled_item_is_retried_by_step_functions(maps: RemoteMaps, fast_lambda: Any) -> None:
    """It has not run."""
    narrow = fast_lambda(0.05, 2)
    with patch.dict(os.environ, AWS_ENDPOINT_URL_LAMBDA=narrow.url):
        maps.write([{"n": n} for n in range(4)])
        assert maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl")[0] == 0

    assert sorted(each["n"] for each in narrow.received()) == [0, 1, 2, 3]


def test_all_formats_give_the_lines_of_their_file(maps: RemoteMaps, function: Any) -> None:
    """The same for both engines."""
    (maps.directory / "in.csv").write_text('n,note\n1,"two\nlines"\n2,short\n')
    (maps.directory / "in.json").write_text('[\n {"n": 3},\n {"n":\n 4}]')
    maps.aws.client("s3").put_object(Bucket="maps", Key="in/of.jsonl", Body=b'{"n": 5}\n\n{"n": 6}')

    sources = {"in.csv": ("contracts:again", [2, 4]), "in.json": ("contracts:echo", [1, 2])}
    for source, (target, numbers) in {**sources, "s3://maps/in/of.jsonl": ("contracts:echo", [1, 3])}.items():
        for engine in (REMOTE, ()):
            assert maps.run(target, source, "-o", "out.jsonl", "--overwrite", engine=engine)[0] == 0, source
            assert [line["line"] for line in maps.lines()] == numbers

    assert sorted(str(each["n"]) for each in function.received()) == ["1", "1", "2", "2", *"33445566"]


def test_a_role_that_was_corrected_runs_the_recorded_lines(maps: RemoteMaps, function: Any) -> None:
    """The execution was recorded, and could not be started."""
    maps.write([{"n": 1}])
    absent = (*REMOTE[:5], "absent", *REMOTE[6:])

    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl", engine=absent)[0] == 3
    status, printed = maps.run("echo", "in.jsonl", "-o", "out.jsonl")

    assert (status, len(function.received()), len(maps.executions())) == (0, 1, 1)
    assert f"following {maps.executions()[0]}" in printed


def test_without_an_output_results_are_printed_and_found_again(maps: RemoteMaps, function: Any) -> None:
    """The execution is found by its content."""
    maps.write([{"n": 1}, {"n": 2}])

    first, second = maps.run("contracts:echo", "in.jsonl"), maps.run("contracts:echo", "in.jsonl")

    assert (first[0], second[0], len(function.received())) == (0, 0, 2)
    assert '{"line":2,"value":{"got":{"n":2}}}' in first[1]
    assert "started before for the same lines: --overwrite runs them again" in second[1]
    assert maps.run("contracts:echo", "in.jsonl", "--overwrite")[0] == 0
    assert len(function.received()) == 4


def test_a_line_that_cannot_be_sent_is_found_before_anything_is_uploaded(maps: RemoteMaps, function: Any) -> None:
    """As in a map of this process."""
    maps.write([{"n": 1}, {"n": "x"}, {"n": 2}])

    status, printed = maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl")

    assert (status, maps.executions()) == (3, [])
    assert "in.jsonl:2 does not fit" in printed
    assert maps.run("contracts:echo", "in.jsonl", "-o", "out.jsonl", "--skip-invalid")[0] == 1
    assert maps.failures() == {2: ("InvalidRequestError", "not executed")}
    assert [line["line"] for line in maps.lines()] == [1, 3]


def test_a_payload_that_is_too_large_for_step_functions_is_a_failure_of_its_line(
    maps: RemoteMaps, function: Any
) -> None:
    """Lambda would accept it."""
    maps.write([{"n": 1, "text": "x" * 300_000}, {"n": 2}])

    assert maps.run("echo", "in.jsonl", "-o", "out.jsonl")[0] == 1
    assert maps.failures() == {1: ("RequestTooLargeError", "not executed")}
    assert [each["n"] for each in function.received()] == [2]


MISTAKES = [
    (REMOTE[:2], "needs --role"),
    (REMOTE[:4], "needs --bucket"),
    ((*REMOTE, "--timeout", "3"), "--timeout is not for --on step-functions"),
    ((*REMOTE, "--tenant-id", "t"), "--tenant-id is not for --on step-functions"),
    ((*REMOTE, "--client-context", "a=b"), "--client-context is not for --on step-functions"),
    ((*REMOTE, "--redrive"), "--redrive requires --output"),
    (("--role", ROLE), "--role is for --on step-functions"),
    ((*REMOTE[:3], "maps", *REMOTE[4:]), "'maps' is not the ARN of a role"),
    ((*REMOTE[:-1], "10001"), "max_concurrency must be 1 to 10,000"),
    ((*REMOTE[:5], "absent", *REMOTE[6:]), "cannot upload the items to s3://absent/"),
]


def test_a_mistake_is_named(maps: RemoteMaps) -> None:
    """In one line, before anything is started."""
    maps.write([{"n": 1}])

    for arguments, message in MISTAKES:
        status, printed = maps.run("contracts:echo", "in.jsonl", engine=arguments)

        assert status in (2, 3)
        assert message in printed
        assert "Traceback" not in printed
    assert maps.executions() == []
