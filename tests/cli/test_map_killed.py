"""A map that is killed at random moments and resumed: each line has one result, and no line is run twice.

``make soak-map`` is the long form, of 100,000 lines.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

LINES = int(os.environ.get("LAMBDACHAIN_SOAK_LINES", "4000"))
KILLS = 10


@pytest.mark.parametrize("order", ["in order", "as completed"])
def test_every_line_has_its_result_once_over_ten_kills(
    command: list[str], environment: dict[str, str], fast_lambda: Any, tmp_path: Path, order: str
):
    """A line with an outcome is never run again; a line in flight is unknown until ``--rerun-unknown`` runs it."""
    server = fast_lambda(0.02)
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(LINES)))
    arguments = [*command, "map", "f", "in.jsonl", "-o", "out.jsonl", "--quiet"]
    arguments += ["--as-completed"] if order == "as completed" else []
    around = {"cwd": tmp_path, "env": {**environment, **server.environment}}
    seed = random.randrange(1 << 32)
    moments = sorted(random.Random(seed).sample(range(LINES // 50, LINES - LINES // 50), KILLS))
    for moment in moments:
        _kill_at(moment, arguments, around, server.notes)
    unasked = Counter(payload["n"] for payload in server.received())
    statuses = [subprocess.run(arguments, check=False, **around).returncode]
    once = Counter(payload["n"] for payload in server.received())
    unknown = [json.loads(line)["line"] for line in (tmp_path / "out.failures.jsonl").read_text().splitlines()]
    statuses.append(subprocess.run([*arguments, "--rerun-unknown"], check=False, **around).returncode)
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    runs = Counter(payload["n"] for payload in server.received())

    assert statuses == [1, 0], seed
    assert max(unasked.values()) == max(once.values()) == 1, seed
    assert sorted(result["line"] for result in results) == list(range(1, LINES + 1)), seed
    assert order == "as completed" or [result["line"] for result in results] == list(range(1, LINES + 1)), seed
    assert all(result["value"] == {"got": {"n": result["line"] - 1}} for result in results), seed
    assert {n + 1 for n, count in runs.items() if count > 1} <= set(unknown), seed
    assert len(unknown) <= KILLS * 300, seed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"], seed


def _kill_at(moment: int, arguments: list[str], around: dict[str, Any], notes: Path) -> None:
    """Run until the server has seen so many payloads, then kill without warning."""
    process = subprocess.Popen(arguments, **around)
    while process.poll() is None and notes.stat().st_size < moment * 10:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
