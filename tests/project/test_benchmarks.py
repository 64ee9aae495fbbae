"""The benchmarks work: every variant is measured in every respect. Their figures are not checked here."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import cli_start
import cold_parts
import fan_out
import first_call
import pytest
import warm_parts
from cost import __main__ as bench
from cost.callees import CALLEES, PLAIN
from cost.environment import prepare
from cost.figures import above, in_turn, medians, ratios
from cost.measure import instructions
from cost.page import Measured, goals, page
from cost.plots import draw
from cost.variants import FLOOR, OURS, TYPED
from local_endpoint import __main__ as local_bench
from local_endpoint import measure as local
from local_endpoint.page import goals as local_goals
from local_endpoint.page import page as local_page
from marked_sections import replace


@pytest.fixture(scope="module")
def variants() -> list[str]:
    """The variants that this installation can run."""
    return bench.find_variants(sys.executable)


@pytest.fixture(scope="module")
def measured(variants: list[str]) -> Iterator[Measured]:
    """Measure once, quickly."""
    with prepare(sys.executable, [size.items for size in bench.QUICK.sizes.values()]) as where:
        yield bench.measure(where, bench.QUICK, variants)


def _sane(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(math.isfinite(value) for value in values)


@pytest.mark.timeout(300)
def test_every_variant_is_measured_in_every_respect(measured: Measured, variants: list[str]) -> None:
    """Cold and warm, in each size, with more models, and its memory: a finite figure for each."""
    assert set(variants) == set(measured.cold[0]) == set(measured.memory)
    assert set(measured.cold[1]) == set(variants) & set(TYPED)
    assert list(bench.QUICK.sizes) == list(measured.warm) == list(measured.peak)
    assert all(set(variants) == set(rounds) for rounds in measured.warm.values())
    assert [set(CALLEES)] == [set(rounds) for rounds in measured.callee.values()]
    for rounds in (*measured.cold.values(), measured.memory, *measured.warm.values(), *measured.callee.values()):
        assert all(_sane(values) for values in rounds.values())
    assert all(value > 0 for rounds in measured.warm.values() for values in rounds.values() for value in values)
    assert all(held > 0 for peaks in measured.peak.values() for held in peaks.values())


@pytest.mark.timeout(300)
def test_the_page_has_a_row_for_each_variant(measured: Measured, variants: list[str]) -> None:
    """In each table; a goal is shown next to the figure."""
    written = list(page(measured, bench.facts(sys.executable)))
    rows = [line.split(" | ")[0].removeprefix("| ") for line in written if line.startswith("| ")]

    assert all(rows.count(variant) == 3 for variant in variants)
    assert all(rows.count(name) == 1 for name in CALLEES if name != PLAIN)
    assert 11 == len(goals(measured))
    assert all(math.isfinite(goal.found) for goal in goals(measured))
    assert "saved" in written[0]
    assert 4 == len([line for line in written if line.endswith("% |")])
    assert any("lambdachain" in line for line in written if line.startswith("Measured by"))


@pytest.mark.timeout(300)
def test_instruction_counts_are_shown_next_to_times(measured: Measured, variants: list[str]) -> None:
    """Of a cold start, and of a further call; a missed goal is in bold."""
    counted = dict.fromkeys(variants, (100.0, 10.0)) | {OURS: (57.0, 1.0)}
    written = list(page(measured._replace(instructions=counted), ["facts"]))
    goals_written = [line for line in written if "≤" in line]

    assert [line.rsplit("|", 2)[1].strip() for line in goals_written[:3]] == ["**0.570**", "**0.570**", "0.100"]
    assert goals_written[4].endswith("|  |  |")


@pytest.mark.timeout(300)
@pytest.mark.skipif(find_spec("matplotlib") is None, reason="the dependency group plots is not installed")
def test_the_plots_are_drawn(measured: Measured, tmp_path: Path) -> None:
    """One for each section."""
    draw(measured, tmp_path)

    assert ["callee.svg", "cold.svg", "memory.svg", "warm.svg"] == sorted(path.name for path in tmp_path.iterdir())
    assert all("<svg" in path.read_text() for path in tmp_path.iterdir())


@pytest.mark.timeout(300)
@pytest.mark.skipif(which("valgrind") is None, reason="valgrind is not installed")
def test_the_instructions_of_a_further_call_exclude_a_full_collection() -> None:
    """And the teardown of the interpreter: both would be millions, where a call over a raw socket takes thousands."""
    with prepare(sys.executable, [3]) as where:
        counted = instructions(where, [FLOOR], 3, calls=10)

    assert counted is not None
    first, further = counted[FLOOR]
    assert 1e6 < first
    assert 1e4 < further < 1e5


@pytest.mark.timeout(300)
@pytest.mark.skipif(which("valgrind") is None, reason="valgrind is not installed")
def test_the_parts_of_a_cold_start_are_counted() -> None:
    """From the import of pydantic to the first call; here only the first part, which takes millions."""
    with prepare(sys.executable, [3]) as where:
        counts = cold_parts.count_parts(where, "defer_build", list(cold_parts.PARTS)[:1])

    assert len(counts) == 1
    assert counts[0] > 1e6


def test_the_parts_of_a_cold_start_are_shown_with_their_sum() -> None:
    """A column for each setting."""
    columns = dict.fromkeys(cold_parts.SETTINGS, [1e6] * len(cold_parts.PARTS))
    table = cold_parts.to_table(columns)

    assert [*cold_parts.PARTS, "together"] == [line.split(" | ")[0].removeprefix("| ") for line in table[2:]]
    assert "| together | 6 | 6 | 6 |" == table[-1]


@pytest.mark.timeout(300)
def test_a_part_of_a_warm_call_is_done_as_often_as_requested() -> None:
    """Each part is prepared; the whole call is done, and the process ends well."""
    with prepare(sys.executable, [3]) as where:
        command = [where.python, "-m", "warm_parts_probe", warm_parts.CALL, "2"]
        done = subprocess.run(command, env=where.variables, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_the_parts_of_a_warm_call_are_shown_without_the_parts_inside() -> None:
    """What no row has is in the last row but one, and the last one is the whole call."""
    counts = {"call": 1e6, "head": 3e5, "digests": 1e5, "json": 2e5, "pydantic": 1e5, "exchange": 2e5, "parse": 1e5}
    table = warm_parts.to_table({**counts, "metadata": 1e5})

    assert [100, 200, 100, 100, 100, 100, 100, 200, 1000] == [
        int(line.split("|")[2].replace(",", "")) for line in table[2:]
    ]
    assert "| together | 1,000 | 100% |" == table[-1]


def test_ratios_are_taken_pair_by_pair() -> None:
    """A round in which everything took twice as long changes no ratio."""
    rounds = {"base": [1.0, 2.0, 1.0], "other": [0.5, 1.0, 0.5]}

    assert {"base": 1.0, "other": 0.5} == ratios(rounds, "base")
    assert {"base": 1.0, "other": 0.5} == medians(rounds)
    assert {"other": [-0.5, -1.0, -0.5]} == above(rounds, "base")


def test_every_round_begins_with_another_variant() -> None:
    """So that no variant always follows the same one."""
    assert [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]] == [in_turn("abc", n) for n in range(4)]


@pytest.mark.timeout(300)
def test_the_local_endpoint_is_compared_with_the_runtime_client() -> None:
    """Cold, warm, concurrently, and its memory; AWS's emulator only where it is installed."""
    measured = local.measure(sys.executable, None, local_bench.QUICK)
    written = list(local_page(measured, local_bench.QUICK.together, local_bench.facts(sys.executable, None)))

    assert {local.OURS, local.BARE} == set(measured.cold)
    assert {local.OURS, local.BARE, local.CLIENT} == set(measured.warm)
    assert all(_sane(values) for rounds in (measured.cold, measured.warm) for values in rounds.values())
    assert all(math.isfinite(goal.found) for goal in local_goals(measured, local_bench.QUICK.together))
    assert 3 == len([line for line in written if line.startswith(f"| {local.OURS} |")])
    assert "lambdachain" in written[0]


def test_the_start_of_the_command_line_is_measured() -> None:
    """The time of --help next to that of pydantic's import, which comes first."""
    ran = subprocess.run(
        [sys.executable, cli_start.__file__, "--runs", "1"], capture_output=True, text=True, check=True
    )
    told = ran.stdout.splitlines()

    assert [line.split("  ")[0] for line in told] == list(cli_start.COMMANDS)
    assert all(re.search(r"[\d.]+ ms CPU  x [\d.]+$", line) for line in told)


@pytest.mark.timeout(300)
def test_a_first_call_is_measured_with_and_without_warm_up() -> None:
    """In processes of their own: what the init phase takes, and a first call next to warm ones."""
    with prepare(sys.executable, [3]) as where:
        found = first_call.measure(where, None, 1)
    section = first_call.to_section(found, is_limited=False)

    assert set(found) == set(first_call.VARIANTS)
    assert all(value >= 0 and math.isfinite(value) for runs in found.values() for one in runs for value in one.values())
    assert [0] == [one["init_wall"] for one in found["without"]]
    assert all(one[f"{name}_cpu"] > 0 for one in found["warm_up"] for name in ("init", "first", "warm"))
    assert ["not held to a quota"] == re.findall("not held to a quota", section)
    assert all(section.count(f"| {label} | ") == 1 for label in first_call.VARIANTS.values())


@pytest.mark.timeout(300)
def test_a_fan_out_is_measured(tmp_path: Path) -> None:
    """Throughput of both maps, their CPU time and memory, and the memory of many payloads."""
    with fan_out.prepare(sys.executable) as where:
        measured = fan_out.measure(where, fan_out.QUICK, 1, calls=1000)
        held = fan_out.memory(where, 1000)
    section = fan_out.to_section(measured, held)

    assert {variant for variant, _ in measured} == set(held) == {fan_out.MAP, fan_out.ASYNC_MAP}
    assert all(value > 0 and math.isfinite(value) for figures in measured.values() for value in figures.values())
    assert all(len(mbs) == 10 and min(mbs) > 0 for mbs in held.values())
    assert section.count("| lambdachain, `map`") == 4


def test_figures_replace_those_between_their_own_markers(tmp_path: Path) -> None:
    """The rest of the page stays the same."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one:begin -->\nold\n<!-- one:end -->\nb\n<!-- two:begin -->\n<!-- two:end -->\n")
    replace(page, "two", "new")

    assert page.read_text().splitlines()[-4:] == ["b", "<!-- two:begin -->", "new", "<!-- two:end -->"]
    assert page.read_text().startswith("a\n<!-- one:begin -->\nold\n")


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_the_throughput_is_drawn(tmp_path: Path) -> None:
    """Of each variant that was measured."""
    figures = {"new": 1.0, "warm": 2.0, "cpu": 0.1, "memory": 30.0, "used": 20.0}
    fan_out.draw(
        {(variant, number): figures for variant in fan_out.FULL for number in (50, 100)}, tmp_path / "fan-out.svg"
    )

    assert (tmp_path / "fan-out.svg").read_text().count("<svg") == 1
