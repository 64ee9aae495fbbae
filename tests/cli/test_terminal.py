"""Output on a real terminal: colors, indents, a progress bar, and Ctrl-C from the keyboard."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from lambdachain.cli._exit_status import echo
from tests.support.terminal import Terminal

pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid of util-linux")


@pytest.fixture
def server(fast_lambda: Any) -> Any:
    """Start a server that takes a moment for each call."""
    return fast_lambda(0.05)


@pytest.fixture
def terminal(
    command: list[str], environment: dict[str, str], server: Any, tmp_path: Path
) -> Iterator[Callable[..., Terminal]]:
    """Open terminals in which ``lambdachain`` runs against the server."""
    opened: list[Terminal] = []

    def start(*arguments: str, **variables: str) -> Terminal:
        around = {**environment, **server.environment, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
        opened.append(Terminal([*command, *arguments], cwd=tmp_path, env=around))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_response_is_indented_and_colored(terminal: Any):
    """Without colors if ``NO_COLOR`` is set."""
    colored, plain = terminal("call", "f", '{"a": [true]}'), terminal("call", "f", "1", NO_COLOR="1")

    assert [colored.end(), plain.end()] == [0, 0]
    assert '\x1b[34m"a"\x1b[0m: [\r\n      \x1b[35mtrue\x1b[0m\r\n' in colored.shown
    assert plain.shown.startswith('{\r\n  "got": 1\r\n}\r\nversion 3, ')
    assert "\x1b" not in plain.shown


def test_a_failure_is_colored(terminal: Any):
    """Its label."""
    failed = terminal("call", "f", '{"do": "fail"}')

    assert failed.end() == 5
    assert failed.shown.startswith("\x1b[31m\x1b[1merror:\x1b[0m FunctionError: f: ValueError: on purpose [executed")


def test_without_a_payload_a_terminal_is_not_waited_for(terminal: Any):
    """It would look as if the command hung."""
    asked = terminal("call", "f")

    assert asked.end() == 2
    assert "no payload: pass JSON, @FILE, or - for standard input" in asked.shown


def test_a_map_draws_a_bar_with_rate_and_time_left(terminal: Any, tmp_path: Path):
    """And leaves it above the summary."""
    (tmp_path / "in.jsonl").write_text("".join(f"{n}\n" for n in range(1000)))
    drawn = terminal("map", "f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20")

    assert drawn.show(r"f: +\d+%\|.+\| \d+/1000 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+call/s, failed=0, in_flight=20")
    assert drawn.end() == 0
    assert re.search(r"f: 100%\|.+\| 1000/1000 .*\r\n1,000 lines done, in out.jsonl\r\n$", drawn.shown)


def test_results_on_a_terminal_have_no_bar_between_them(terminal: Any, tmp_path: Path):
    """They are printed as lines."""
    (tmp_path / "in.jsonl").write_text("1\n2\n")
    printed = terminal("map", "f", "in.jsonl")

    assert printed.end() == 0
    assert printed.shown == '{"line":1,"value":{"got":1}}\r\n{"line":2,"value":{"got":2}}\r\n2 lines done\r\n'


def test_ctrl_c_on_the_keyboard_stops_a_map_and_it_goes_on(terminal: Any, server: Any, tmp_path: Path):
    """Calls in flight complete; the next run reports what is done and draws what remains."""
    (tmp_path / "in.jsonl").write_text("".join(f"{n}\n" for n in range(2000)))
    arguments = ("map", "f", "in.jsonl", "-o", "out.jsonl", "--concurrency", "20")
    first = terminal(*arguments)
    first.show(r"\| \d\d\d/2000 ")
    first.press(b"\x03")
    first.show(r"stopping: waiting for \d+ calls in flight; press Ctrl-C again to abandon them")
    status = first.end()
    done = re.search(r"stopped: ([\d,]+) lines done, in out.jsonl\r\nrun the same command again to resume", first.shown)
    second = terminal(*arguments)

    assert (status, second.end()) == (130, 0)
    assert done is not None
    assert f"resuming: {done[1]} lines done, " in second.shown
    assert sorted(server.received()) == list(range(2000))
    assert "Traceback" not in first.shown + second.shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        # As bash breaks them: at blanks, and at ":", "=" and "@".
        (["can"], ["can-invoke"]),
        (["call", "bill"], ["billing_contracts:charge", "billing_contracts:refund"]),
        (["call", "billing_contracts", ":"], ["charge", "refund"]),
        (["call", "billing_contracts", ":", "ch"], ["charge"]),
        (["map", "shop.app", ":", ""], ["handler"]),
        (["call", "billing_contracts", ":", "charge", "@", "or"], ["orders/", "order.json"]),
        (["call", "billing_contracts", ":", "charge", "@", "order."], ["order.json"]),
        (["fire", "billing_contracts:charge", "@orders/a"], ["@orders/a.json"]),
        (["schema", "b"], ["billing_contracts:charge", "billing_contracts:refund"]),
        (["check", "or"], ["order.json", "orders/"]),
        (["serve", "ser"], ["serverless.yml"]),
        (["serve", "x", "=", "sh"], ["shop/app.handler", "shop/app.run"]),
        (["serve", "x", "=", "shop/"], ["shop/app.handler", "shop/app.run"]),
        (["serve", "--stage", "=", "dev", "x", "=", "shop/app.h"], ["shop/app.handler"]),
        (["serve", "x", "=", "nothing"], []),
        (["call", "nothing-here"], []),
    ],
)
def test_the_printed_script_completes_in_bash(
    command: list[str], environment: dict[str, str], tmp_path: Path, words: list[str], completed: list[str]
):
    """Commands, contracts and files, as after the tab key; the contracts are read, and not imported."""
    contracts = "raise SystemExit('imported')\ncharge = Contract('c')\nrefund = lambdachain.Contract('r')\nother = 1\n"
    files = {
        "billing_contracts.py": contracts,
        "shop/app.py": "@remote('shop')\ndef handler(x): ...\ndef helper(x): ...\ndef run(event, context): ...\n",
        "broken.py": "def (",
        "order.json": "{}",
        "orders/a.json": "{}",
        "serverless.yml": "",
        "bin/lambdachain": f'#!/bin/sh\nexec {command[0]} -c "{command[2]}" "$@"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin" / "lambdachain").chmod(0o755)
    typed = shlex.join(["lambdachain", *words])
    script = (
        f'eval "$(lambdachain completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; '
        '_lambdachain_completion lambdachain; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    around = {**environment, "PATH": f"{tmp_path / 'bin'}:{environment['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=around, capture_output=True, text=True, check=True)

    assert sorted(filter(None, ran.stdout.split("\n"))) == sorted(completed), ran.stderr


def test_a_file_name_cannot_control_a_terminal(terminal: Any, tmp_path: Path):
    """The author of a file must not control the terminals of its readers."""
    code = "import boto3\nboto3.client('lambda').invoke(FunctionName='charge')\n"
    (tmp_path / "a\x1b]0;owned\x07b\x1b[2Jc.py").write_text(code)
    drawn = terminal("graph", ".")

    assert drawn.end() == 0
    assert "a\\x1b]0;owned\\x07b\\x1b[2Jc.py" in drawn.shown
    assert not {"\x1b]", "\x07", "\x1b[2J"} & {sign for sign in ("\x1b]", "\x07", "\x1b[2J") if sign in drawn.shown}


class _Tty(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [_Tty, StringIO])
def test_a_functions_log_cannot_control_a_terminal(kind: type[StringIO]):
    """Its colors are kept; in a file the text is unchanged, but without colors."""
    log = "START\n\x1b[31mred\x1b[0m\tx\n\x1b]52;c;b3duZWQ=\x07\x9b2J\u202e\nEND"
    file = kind()
    echo(log, file=file)
    escaped = "START\n\x1b[31mred\x1b[0m\tx\n\\x1b]52;c;b3duZWQ=\\x07\\x9b2J\\u202e\nEND\n"
    assert file.getvalue() == (escaped if kind is _Tty else f"{log}\n".replace("\x1b[31m", "").replace("\x1b[0m", ""))
