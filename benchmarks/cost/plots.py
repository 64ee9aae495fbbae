"""The plots of the tables, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .callees import PLAIN
from .figures import above, medians
from .page import Measured

Series = Mapping[str, Mapping[str, float]]
"""By place on the axis, what each name took."""


def draw(measured: Measured, folder: Path) -> None:
    """Draw every plot into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    cold = {f"{2 + more}": medians(rounds) for more, rounds in measured.cold.items()}
    warm = {size: medians(rounds) for size, rounds in measured.warm.items()}
    callee = {size: medians(above(rounds, PLAIN)) for size, rounds in measured.callee.items()}
    _lines(folder / "warm.svg", warm, 1e6, "CPU of a call, µs", "payload and answer, each")
    _lines(folder / "callee.svg", callee, 1e6, "CPU added to a plain handler, µs", "event and answer, each")
    _bars(folder / "cold.svg", cold, 1e3, "CPU of a process with one call, ms", "models")
    _bars(folder / "memory.svg", measured.peak, 1 / 1024, "most memory held, MB", "payload and answer, each")


def _lines(path: Path, series: Series, unit: float, what: str, along: str) -> None:
    figure, axes = _figure(what, along)
    for name in series[next(iter(series))]:
        axes.plot(list(series), [values[name] * unit for values in series.values()], marker="o", label=name)
    axes.set_yscale("log")
    _write(figure, axes, path)


def _bars(path: Path, series: Series, unit: float, what: str, along: str) -> None:
    figure, axes = _figure(what, along)
    names = list(series[next(iter(series))])
    width = 0.8 / len(names)
    for position, name in enumerate(names):
        places = [place + (position - len(names) / 2) * width for place in range(len(series))]
        axes.bar(places, [values.get(name, 0) * unit for values in series.values()], width, label=name)
    axes.set_xticks(range(len(series)), list(series))
    _write(figure, axes, path)


def _figure(what: str, along: str) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "lambdachain"  # the same measurements make the same file
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(ylabel=what, xlabel=along)
    axes.grid(visible=True, axis="y", alpha=0.3)
    return figure, axes


def _write(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
