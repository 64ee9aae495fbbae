"""``map`` as a user runs it: a file of lines in, files of lines out, and its error messages."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

CONTRACTS = """
from pydantic import BaseModel

from lambdachain import Contract


class Order(BaseModel):
    n: int


class Got(BaseModel):
    got: Order


echo = Contract("echo", request=Order, response=Got)
again = Contract("echo", request=dict[str, int | str], response=Got, idempotent=True)
wrong = Contract("echo", request=Order, response=int)
"""


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of lines, JSON each or text as it is."""

    def write(values: Iterable[Any], name: str = "in.jsonl") -> Path:
        texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
        (tmp_path / "contracts.py").write_text(CONTRACTS)
        return tmp_path / name

    return write


@pytest.fixture
def near(fast_lambda: Any) -> Any:
    """Start a server that responds within 10 ms."""
    return fast_lambda(0.01)


@pytest.fixture
def launch(command: list[str], environment: dict[str, str], tmp_path: Path, near: Any) -> Callable[..., Any]:
    """Start ``lambdachain map`` against the server."""

    def start(*arguments: str, server: Any = near, **pipes: Any) -> subprocess.Popen[str]:
        around = {**environment, **server.environment}
        pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen([*command, "map", *arguments], cwd=tmp_path, env=around, text=True, **pipes)

    return start


@pytest.fixture
def lambdachain(launch: Callable[..., Any]) -> Run:
    """Run ``lambdachain map`` to its end."""

    def run(*arguments: str, stdin: str = "", **pipes: Any) -> subprocess.CompletedProcess[str]:
        process = launch(*arguments, **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **pipes})
        stdout, stderr = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run


def read(path: Path) -> list[Any]:
    """Read a file of lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_has_its_result_in_the_order_of_the_input(lambdachain: Run, lines: Any, tmp_path: Path):
    """Blank lines are skipped; when every line is done, only the output is left."""
    lines([{"n": n} if n % 10 else "" for n in range(500)])
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl")
    results = read(tmp_path / "out.jsonl")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "450 lines done, in out.jsonl\n")
    assert results == [{"line": n + 1, "value": {"got": {"n": n}}} for n in range(500) if n % 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["contracts.py", "in.jsonl", "out.jsonl"]


def test_a_number_keeps_its_digits_in_each_result(lambdachain: Run, tmp_path: Path):
    """Also one that no float can hold, and a long integer; each result is one line."""
    numbers = ["0.1234567890123456789", "1e-400", "[ 1.50, 1e23 ]", "9" * 400]
    (tmp_path / "in.jsonl").write_text("\n".join(numbers))
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl")
    kept = [numbers[0], "1e-400", "[1.5,1e23]", numbers[3]]

    assert ran.returncode == 0, ran.stderr
    written = (tmp_path / "out.jsonl").read_text().replace("1e+23", "1e23").splitlines()
    assert written == [f'{{"line":{n},"value":{{"got":{number}}}}}' for n, number in enumerate(kept, 1)]


def test_results_as_completed(lambdachain: Run, lines: Any, tmp_path: Path):
    """Each with the number of its line."""
    lines({"n": n} for n in range(300))
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl", "--as-completed")
    results = read(tmp_path / "out.jsonl")

    assert ran.returncode == 0
    assert [result["line"] for result in results] != list(range(1, 301))
    assert sorted(result["line"] for result in results) == list(range(1, 301))
    assert all(result["value"] == {"got": {"n": result["line"] - 1}} for result in results)


@pytest.mark.parametrize("order", [(), ("--as-completed",)])
def test_from_standard_input_to_standard_output(lambdachain: Run, order: tuple[str, ...]):
    """Without a progress file; the last line needs no line break."""
    ran = lambdachain("f", *order, stdin='{"n": 1}\r\n\n{"n": 2}')
    results = [json.loads(line) for line in ran.stdout.splitlines()]

    assert sorted(results, key=lambda result: result["line"]) == [
        {"line": 1, "value": {"got": {"n": 1}}},
        {"line": 3, "value": {"got": {"n": 2}}},
    ]
    assert (ran.returncode, ran.stderr) == (0, "2 lines done\n")


def test_a_result_is_printed_before_the_next_line_arrives(launch: Any):
    """A slow producer need not wait for the end of the input."""
    process = launch("f", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    results = []
    for number in range(3):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        results.append(json.loads(process.stdout.readline()))
    process.communicate()

    assert results == [{"line": number + 1, "value": {"got": number}} for number in range(3)]


def test_failures_go_to_a_file_with_their_class(lambdachain: Run, lines: Any, tmp_path: Path):
    """The other lines are done; a line that may have run is not run again."""
    lines([{"n": 1}, {"do": "fail"}, {"n": 3}, {"do": "cut"}])
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl")
    failures = {failure["line"]: failure for failure in read(tmp_path / "out.failures.jsonl")}

    assert (ran.returncode, [result["line"] for result in read(tmp_path / "out.jsonl")]) == (1, [1, 3])
    assert (failures[2]["error"], failures[2]["error_type"]) == ("FunctionError", "ValueError")
    assert (failures[4]["error"], failures[4]["execution"]) == ("ConnectionLostError", "unknown")
    assert ran.stderr.splitlines() == [
        "2 lines done, in out.jsonl; 2 failed (1 ConnectionLostError, 1 FunctionError), in out.failures.jsonl",
        "1 line may have run: --rerun-unknown runs it again",
    ]


def test_only_the_requested_failures_run_again(lambdachain: Run, lines: Any, near: Any, tmp_path: Path):
    """A second run of the same command calls nothing; ``--rerun-unknown`` runs the lines that may have run."""
    lines([{"n": 1}, {"do": "fail"}, {"do": "cut"}])
    wanted = ("f", "in.jsonl", "-o", "out.jsonl")
    statuses = [lambdachain(*wanted).returncode, lambdachain(*wanted).returncode]
    sent = len(near.received())
    statuses.append(lambdachain(*wanted, "--rerun-unknown").returncode)

    assert (statuses, sent) == ([1, 1, 1], 3)
    assert near.received()[3:] == [{"do": "cut"}]
    assert [failure["line"] for failure in read(tmp_path / "out.failures.jsonl")] == [2, 3]


def test_a_map_adapts_to_throttling(lambdachain: Run, lines: Any, fast_lambda: Any, tmp_path: Path):
    """A throttled call is sent again, and no line fails."""
    lines({"n": n} for n in range(500))
    server = fast_lambda(0.05, room=5)
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl", server=server)

    assert (ran.returncode, ran.stderr) == (0, "500 lines done, in out.jsonl\n")
    assert sorted(payload["n"] for payload in server.received()) == list(range(500))
    assert len(read(tmp_path / "out.jsonl")) == 500


def test_a_contract_types_each_line(lambdachain: Run, lines: Any, tmp_path: Path):
    """And each response."""
    lines([{"n": 1}, {"n": 2}])
    right = lambdachain("contracts:echo", "in.jsonl", "-o", "out.jsonl")
    wrong = lambdachain("contracts:wrong", "in.jsonl", "-o", "wrong.jsonl")

    assert (right.returncode, read(tmp_path / "out.jsonl")[1]) == (0, {"line": 2, "value": {"got": {"n": 2}}})
    assert wrong.returncode == 1
    assert {failure["error"] for failure in read(tmp_path / "wrong.failures.jsonl")} == {"ResponseError"}


BAD: dict[str, tuple[str, str]] = {
    "f": ('{"n": 3016', "in.jsonl:3017 is not valid JSON: EOF while parsing an object at column 10"),
    "contracts:echo": ('{"m": 1}', "in.jsonl:3017 does not fit Order: n: Field required"),
}


def test_a_number_that_cannot_be_sent_is_reported_before_anything_is_sent(lambdachain: Run, lines: Any, near: Any):
    """JSON can contain a number that is infinite once it is parsed."""
    lines([{"n": 1}, '{"n": 1e400}', {"n": 3}])
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl")

    assert (ran.returncode, near.received()) == (2, [])
    assert "in.jsonl:2 has a number out of range" in ran.stderr


@pytest.mark.parametrize("target", BAD)
def test_an_invalid_line_is_reported_with_its_number(lambdachain: Run, lines: Any, near: Any, target: str):
    """Before anything is sent if the input is a file; otherwise the results of the lines before it are kept."""
    line, message = BAD[target]
    path = lines([*({"n": n} for n in range(3016)), line])
    ran = lambdachain(target, "in.jsonl", "-o", "out.jsonl")
    sent = len(near.received())
    fed = lambdachain(target, "-o", "out.jsonl", stdin=path.read_text())
    *_, last = fed.stderr.splitlines()

    assert message in ran.stderr
    assert message.replace("in.jsonl", "standard input") in last
    assert [ran.returncode, fed.returncode] == [2 if target == "f" else 3] * 2
    assert (sent, len(near.received())) == (0, 3016)


def test_a_map_resumes_with_a_corrected_input(lambdachain: Run, near: Any, tmp_path: Path):
    """The lines that were run are not run again."""
    arguments = ("f", "-o", "out.jsonl")
    first = lambdachain(*arguments, stdin="1\n2\n{3\n4\n")
    second = lambdachain(*arguments, stdin="1\n2\n3\n4\n")

    assert (first.returncode, second.returncode) == (2, 0)
    assert sorted(near.received()) == [1, 2, 3, 4]
    assert [result["value"]["got"] for result in read(tmp_path / "out.jsonl")] == [1, 2, 3, 4]


def test_invalid_lines_can_be_skipped(lambdachain: Run, lines: Any, near: Any, tmp_path: Path):
    """They become failures of lines that did not run."""
    lines([{"n": 1}, "{", {"m": 1}, {"n": 4}])
    ran = lambdachain("contracts:echo", "in.jsonl", "-o", "out.jsonl", "--skip-invalid")
    failures = read(tmp_path / "out.failures.jsonl")

    assert (ran.returncode, [result["line"] for result in read(tmp_path / "out.jsonl")]) == (1, [1, 4])
    assert [(one["line"], one["error"], one["execution"]) for one in failures] == [
        (2, "InvalidRequestError", "not executed"),
        (3, "InvalidRequestError", "not executed"),
    ]
    assert len(near.received()) == 2


def test_an_error_that_every_line_would_have_stops_the_map(lambdachain: Run, lines: Any, near: Any, tmp_path: Path):
    """No permission, for example: no line counts as failed, and all of them are run when the map resumes."""
    lines([{"n": 1}, {"do": "deny"}, *({"n": n} for n in range(3, 2000))])
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "2")
    *_, last = ran.stderr.splitlines()

    assert ran.returncode == 3
    assert last.startswith("error: AccessDeniedError: f: AccessDeniedException: User is not authorized")
    assert len(near.received()) < 100
    assert not (tmp_path / "out.failures.jsonl").exists()
    assert "run the same command again to resume" in ran.stderr


def test_an_existing_file_is_not_overwritten(lambdachain: Run, lines: Any, near: Any, tmp_path: Path):
    """Not the output, the failures or the input, unless ``--overwrite`` is given."""
    lines([{"n": 1}])
    (tmp_path / "out.jsonl").write_text("precious")
    (tmp_path / "bad.failures.jsonl").write_text("precious")
    refused = lambdachain("f", "in.jsonl", "-o", "out.jsonl")
    beside = lambdachain("f", "in.jsonl", "-o", "bad.jsonl")
    itself = lambdachain("f", "in.jsonl", "-o", "in.jsonl", "--overwrite")

    assert [ran.returncode for ran in (refused, beside, itself)] == [2, 2, 2]
    assert (
        "error: out.jsonl exists, and there is no out.jsonl.progress.sqlite to resume from: "
        "choose another output, or use --overwrite" in refused.stderr
    )
    assert "bad.failures.jsonl exists" in beside.stderr
    assert "in.jsonl is the input" in itself.stderr
    assert ((tmp_path / "out.jsonl").read_text(), near.received()) == ("precious", [])
    assert lambdachain("f", "in.jsonl", "-o", "out.jsonl", "--overwrite").returncode == 0
    assert len(read(tmp_path / "out.jsonl")) == 1


def test_a_changed_input_is_an_error(lambdachain: Run, lines: Any, near: Any):
    """If a line that was run is different or missing; lines may be appended."""
    wanted = ("f", "in.jsonl", "-o", "out.jsonl")
    lines([{"do": "fail"}, {"n": 2}])
    lambdachain(*wanted)
    lines([{"do": "fail"}, {"n": 3}])
    changed = lambdachain(*wanted)
    lines([{"do": "fail"}])
    shorter = lambdachain(*wanted)
    lines([{"do": "fail"}, {"n": 2}, {"n": 3}])
    longer = lambdachain(*wanted)

    assert (changed.returncode, "in.jsonl:2 has changed since it was run" in changed.stderr) == (2, True)
    assert (shorter.returncode, "in.jsonl ends at line 1, but line 2 has been run" in shorter.stderr) == (2, True)
    assert (longer.returncode, "2 lines done" in longer.stderr) == (1, True)
    assert len(near.received()) == 3


def test_the_progress_of_another_map_is_an_error(lambdachain: Run, lines: Any, tmp_path: Path):
    """Of another function, with other files, or a file that is not a database at all."""
    lines([{"do": "fail"}])
    lambdachain("f", "in.jsonl", "-o", "out.jsonl")
    other = lambdachain("g", "in.jsonl", "-o", "out.jsonl")
    elsewhere = lambdachain("f", "in.jsonl", "-o", "out.jsonl", "--failures", "contracts.py")
    (tmp_path / "no.jsonl.progress.sqlite").write_text("Dear diary\n")
    none = lambdachain("f", "in.jsonl", "-o", "no.jsonl")

    assert (
        other.returncode,
        "out.jsonl.progress.sqlite is the progress of a map with function f, not g" in other.stderr,
    ) == (2, True)
    assert (elsewhere.returncode, "with failures out.failures.jsonl, not contracts.py" in elsewhere.stderr) == (
        2,
        True,
    )
    assert (tmp_path / "contracts.py").read_text() == CONTRACTS
    assert (none.returncode, "no.jsonl.progress.sqlite is not the progress of a map, or is damaged" in none.stderr) == (
        2,
        True,
    )
    assert (tmp_path / "no.jsonl.progress.sqlite").read_text() == "Dear diary\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["f", "nowhere.jsonl"], 2, "error: nowhere.jsonl: No such file or directory"),
        (
            ["f", "in.jsonl", "-o", "nowhere/out.jsonl"],
            7,
            "nowhere/out.jsonl.progress.sqlite: No such file or directory",
        ),
        (["f", "in.jsonl", "-o", "."], 2, "is a directory"),
        (["f", "in.jsonl", "-o", "out", "--failures", "out"], 2, "--failures must differ from --output: both are out"),
        (["f", "in.jsonl", "--json"], 2, "--json requires --output"),
        (["f", "in.jsonl", "--concurrency", "0"], 2, "0 is not in the range x>=1"),
        (["contracts:nothing", "in.jsonl"], 2, "contracts has no 'nothing'"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(
    lambdachain: Run, lines: Any, arguments: list[str], status: int, message: str
):
    """Without a traceback."""
    lines([1])
    ran = lambdachain(*arguments)

    assert (ran.returncode, message in ran.stderr, "Traceback" in ran.stderr) == (status, True, False)


def test_the_summary_as_an_object(lambdachain: Run, lines: Any):
    """For programs; with ``--quiet`` nothing else is printed."""
    lines([{"n": 1}, {"do": "fail"}])
    ran = lambdachain("f", "in.jsonl", "-o", "out.jsonl", "--json", "--quiet")

    assert json.loads(ran.stdout) == {"complete": True, "done": 1, "failed": 1, "classes": {"FunctionError": 1}}
    assert ran.stderr == ""


def test_a_closed_pipe_ends_it_quietly(launch: Any, lines: Any, near: Any):
    """As for any filter; calls in flight are waited for, and no more are started."""
    lines({"n": n} for n in range(5000))
    process = launch("f", "in.jsonl", stdout=subprocess.PIPE)
    printed = [process.stdout.readline() for _ in range(3)]
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()

    assert (len(printed), process.wait(timeout=30)) == (3, 141)
    assert stderr.startswith("stopped: ")
    assert stderr.count("\n") == 1
    assert len(near.received()) < 5000


def test_a_full_disk_behind_standard_output_is_an_error(lambdachain: Run, lines: Any):
    """On one line, with the exit status for files."""
    lines([1, 2])
    with Path("/dev/full").open("w") as full:
        ran = lambdachain("f", "in.jsonl", stdout=full)

    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (7, "error: <stdout>: No space left on device")
    assert "Traceback" not in ran.stderr


@pytest.fixture
def shell(
    command: list[str], environment: dict[str, str], near: Any, tmp_path: Path
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Map one line from standard input in a shell, with a redirection."""

    def run(redirection: str) -> subprocess.CompletedProcess[str]:
        shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command, "map", "f"]
        around = {**environment, **near.environment}
        return subprocess.run(shell, cwd=tmp_path, env=around, input="1\n", capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("closed", "status", "message"),
    [
        ("<&-", 7, "error: standard input: Bad file descriptor"),
        (">&-", 7, "error: <stdout>: Bad file descriptor"),
        ("2>&-", 0, ""),
    ],
)
def test_a_closed_stream_is_an_error_of_one_line(
    shell: Callable[[str], subprocess.CompletedProcess[str]], closed: str, status: int, message: str
):
    """A file of the map must not get the descriptor of a stream, where the interpreter may write messages."""
    ran = shell(closed)

    assert (ran.returncode, ran.stderr.strip().splitlines()[-1:]) == (status, [message] if message else [])
    assert "Traceback" not in ran.stderr


def test_a_signal_waits_where_nobody_reads_its_message(launch: Any, lines: Any, near: Any, eventually: Any):
    """The results in flight are more than the message."""
    path = lines({"n": n} for n in range(1500))
    read_end, write_end = os.pipe()
    process = launch("f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20", stderr=write_end)
    os.close(write_end)
    eventually(lambda: len(near.received()) > 100)
    os.close(read_end)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    sent = len(near.received())
    second = launch("f", "in.jsonl", "-o", "out.jsonl")
    second.communicate(timeout=60)

    assert 100 < sent < 1500
    assert (second.returncode, len(near.received())) == (0, 1500)
    assert [result["line"] for result in read(path.with_name("out.jsonl"))] == list(range(1, 1501))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_calls_in_flight_and_the_next_run_resumes(
    launch: Any, lines: Any, fast_lambda: Any, number: signal.Signals, eventually: Any
):
    """Nothing is lost, nothing is run twice."""
    path = lines({"n": n} for n in range(1500))
    server = fast_lambda(0.05)
    arguments = ("f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20")
    process = launch(*arguments, server=server)
    eventually(lambda: len(server.received()) > 100)
    process.send_signal(number)
    stderr = process.communicate(timeout=30)[1]
    before = len(server.received())
    second = launch(*arguments, server=server)
    second_stderr = second.communicate(timeout=60)[1]

    assert process.returncode == 128 + number
    assert "calls in flight; press Ctrl-C again to abandon them" in stderr
    assert stderr.endswith("run the same command again to resume\n")
    assert 100 < before < 1500
    assert (second.returncode, f"resuming: {before:,} lines done" in second_stderr) == (0, True)
    assert sorted(payload["n"] for payload in server.received()) == list(range(1500))
    assert [result["line"] for result in read(path.with_name("out.jsonl"))] == list(range(1, 1501))


def test_an_idempotent_contract_has_no_unknown_lines(launch: Any, lines: Any, fast_lambda: Any, eventually: Any):
    """After a kill, the lines that were in flight are run again automatically: that does no harm."""
    path = lines({"n": n} for n in range(600))
    server = fast_lambda(0.05)
    arguments = ("contracts:again", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20", "--function", "f")
    process = launch(*arguments, server=server)
    eventually(lambda: len(server.received()) > 100)
    process.kill()
    process.communicate()
    second = launch(*arguments, server=server)
    stderr = second.communicate(timeout=60)[1]

    assert (second.returncode, stderr.endswith("600 lines done, in out.jsonl\n")) == (0, True)
    assert [result["line"] for result in read(path.with_name("out.jsonl"))] == list(range(1, 601))
    assert 600 <= len(server.received()) <= 600 + 150


def test_a_second_signal_abandons_the_calls_in_flight(
    launch: Any, lines: Any, near: Any, lambdachain: Run, eventually: Any
):
    """Those lines may have run, and are not run again automatically."""
    path = lines([{"n": 1}, {"do": "wait"}])
    arguments = ("f", "in.jsonl", "-o", "out.jsonl")
    process = launch(*arguments)
    eventually(lambda: len(near.received()) == 2 and path.with_name("out.jsonl").stat().st_size)
    process.send_signal(signal.SIGINT)
    assert "stopping: waiting for 1 call in flight; press Ctrl-C again to abandon it" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    second = lambdachain(*arguments)

    assert (process.returncode, "1 line in flight when it ended: may have run" in stderr) == (130, True)
    assert (second.returncode, len(near.received())) == (1, 2)
    assert read(path.with_name("out.failures.jsonl"))[0]["error"] == "OutcomeUnknownError"


def test_a_signal_while_it_waits_for_its_input(launch: Any):
    """It ends immediately."""
    process = launch("f", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write("1\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    stderr = process.communicate()[1]

    assert (answer, process.returncode) == ('{"line":1,"value":{"got":1}}\n', 130)
    assert stderr == "stopped: 1 line done\n"


def test_two_runs_cannot_share_an_output(launch: Any, lines: Any, near: Any, lambdachain: Run, eventually: Any):
    """The second one is an error, even with ``--overwrite``."""
    lines([{"do": "wait"}])
    arguments = ("f", "in.jsonl", "-o", "out.jsonl")
    process = launch(*arguments)
    eventually(near.received)
    second, third = lambdachain(*arguments), lambdachain(*arguments, "--overwrite")
    process.kill()
    process.communicate()

    assert [second.returncode, third.returncode] == [2, 2]
    assert "out.jsonl.progress.sqlite is in use by another run of map" in second.stderr
    assert len(near.received()) == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="mounts as Linux does")
def test_a_full_disk_loses_no_result(lambdachain: Run, lines: Any, near: Any, disk: Path):
    """The output makes room for calls in flight; with more room, the next run resumes and runs nothing twice."""
    lines({"n": n, "text": "x" * 200} for n in range(2000))
    arguments = ("f", "in.jsonl", "-o", "disk/out.jsonl")
    first = lambdachain(*arguments)
    sent = len(near.received())
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
    second = lambdachain(*arguments)
    results = read(disk / "out.jsonl")

    assert (first.returncode, "No space left on device" in first.stderr.splitlines()[-1]) == (7, True)
    assert 100 < sent < 2000
    assert (second.returncode, [result["line"] for result in results]) == (0, list(range(1, 2001)))
    assert sorted(payload["n"] for payload in near.received()) == list(range(2000))


def test_a_limit_on_the_size_of_files_repeats_nothing(lambdachain: Run, lines: Any, near: Any, tmp_path: Path):
    """SQLite reports it, and a quota, as an input/output error; the room in its log is used again."""
    lines({"n": n, "text": "x" * 100} for n in range(1500))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    arguments = ("f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20")
    first = lambdachain(*arguments, preexec_fn=limit)
    sent = len(near.received())
    second = lambdachain(*arguments)

    assert first.returncode == 7
    assert "a limit on the size of files or a quota may be reached" in first.stderr.splitlines()[-1]
    assert 200 < sent < 1500
    assert second.returncode == 1
    assert sorted(payload["n"] for payload in near.received()) == list(range(1500))
    assert {failure["error"] for failure in read(tmp_path / "out.failures.jsonl")} == {"OutcomeUnknownError"}
    assert len(read(tmp_path / "out.failures.jsonl")) <= 2 * 20


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="mounts as Linux does")
def test_a_read_only_directory_is_an_error(lambdachain: Run, lines: Any, near: Any, disk: Path):
    """Whether the map is new or resumed; nothing is called, and nothing is lost."""
    lines([{"n": 1}, {"do": "fail"}])
    lambdachain("f", "in.jsonl", "-o", "disk/out.jsonl")
    sent = len(near.received())
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    resumed = lambdachain("f", "in.jsonl", "-o", "disk/out.jsonl", "--rerun-unknown")
    new = lambdachain("f", "in.jsonl", "-o", "disk/new.jsonl")
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    again = lambdachain("f", "in.jsonl", "-o", "disk/out.jsonl")

    assert [(ran.returncode, ran.stderr) for ran in (resumed, new)] == [
        (7, f"error: disk/{name}.progress.sqlite: Read-only file system\n") for name in ("out.jsonl", "new.jsonl")
    ]
    assert (again.returncode, len(near.received()), len(read(disk / "out.jsonl"))) == (1, sent, 1)


MEASURED = (
    "import atexit, resource, sys; from lambdachain.cli import main; "
    "atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); main()"
)


def test_the_lines_are_not_kept_in_memory(environment: dict[str, str], lines: Any, near: Any, tmp_path: Path):
    """Fifty megabytes of them take a few megabytes of memory."""

    def kilobytes(name: str) -> int:
        ran = subprocess.run(
            [sys.executable, "-c", MEASURED, "map", "f", name, "-o", f"{name}.out", "--quiet"],
            cwd=tmp_path,
            env={**environment, **near.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 3, ran.stderr
        return int(ran.stdout)

    lines([{"do": "deny"}], "one.jsonl")
    lines([{"do": "deny"}, *({"n": n, "text": "x" * 1000} for n in range(50_000))], "many.jsonl")

    assert kilobytes("many.jsonl") - kilobytes("one.jsonl") < 12_000
