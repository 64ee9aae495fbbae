"""Many calls from one process, beside boto3 in threads and aiobotocore: ``make bench-fan-out``.

Each way is measured in processes of its own, one after the other, several times; the medians are compared. The server
answers after 50 ms, over TLS.
"""

from __future__ import annotations

import argparse
import datetime as dt
import ipaddress
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

HERE: Final = Path(__file__).parent
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
DELAY: Final = 0.05
BOTO, AIO, MAP, ASYNC_MAP = "boto3, threads", "aiobotocore", "map", "async map"
PLAN: Final = {BOTO: (50, 100), AIO: (50, 100, 500), MAP: (50, 100, 200, 500), ASYNC_MAP: (50, 100, 200, 500)}

Figures = dict[str, float]
Measured = dict[tuple[str, int], Figures]


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter that is measured")
    parser.add_argument("--write", type=Path, help="the page whose figures are to be replaced")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    with place(arguments.python) as environment:
        measured = measure(arguments.python, environment, arguments.repetitions)
    section = written(measured)
    print(section)
    if arguments.write is not None:
        page = arguments.write.read_text()
        before, after = page.partition(BEGIN)[0], page.partition(END)[2]
        arguments.write.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}")
        draw(measured, arguments.write.parent / "performance" / "fan-out.svg")


@contextmanager
def place(python: str) -> Iterator[dict[str, str]]:
    """Run the server; give the environment to call it in."""
    with tempfile.TemporaryDirectory() as directory:
        certificate = Path(directory, "server.pem")
        certificate.write_bytes(_certificate())
        server = subprocess.Popen(  # noqa: S603 - our own
            [python, str(HERE / "fan_out_server.py"), str(certificate), str(DELAY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with server:
            port = int(server.stdout.readline()) if server.stdout else 0
            yield {
                "PATH": os.environ["PATH"],
                "AWS_REGION": "eu-west-1",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_CA_BUNDLE": str(certificate),
                "AWS_ENDPOINT_URL_LAMBDA": f"https://127.0.0.1:{port}",
            }
            if server.stdin:
                server.stdin.close()


def measure(python: str, environment: dict[str, str], repetitions: int) -> Measured:
    """Measure every way by turns; give the medians."""
    runs: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(repetitions):
        for way, numbers in PLAN.items():
            for in_flight in numbers:
                figures = _probed(python, environment, way, in_flight)
                if figures is not None:
                    runs.setdefault((way, in_flight), []).append(figures)
    return {key: {name: median(run[name] for run in taken) for name in taken[0]} for key, taken in runs.items()}


def _probed(python: str, environment: dict[str, str], way: str, in_flight: int) -> Figures | None:
    command = [python, str(HERE / "fan_out_probe.py"), way, str(in_flight), "5"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if "No module named 'aiobotocore'" in ran.stderr:
        return None
    if ran.returncode:
        raise RuntimeError(f"{way}, {in_flight} in flight: {ran.stderr}")
    figures: Figures = json.loads(ran.stdout)
    return figures


def written(measured: Measured) -> str:
    """Write the figures as a page's section."""
    now, machine = dt.datetime.now(dt.UTC).date(), f"{os.cpu_count()} cores, {platform.system()}"
    return "\n".join(
        [
            f"Measured by `make bench-fan-out` on {now}: {machine}, CPython {platform.python_version()}; medians.",
            "",
            *_goals(measured),
            "",
            "![Throughput of 1,000 calls](performance/fan-out.svg)",
            "",
            "| | in flight | new, calls/s | warm, calls/s | CPU of a call, warm, ms | most memory, MB |",
            "|---|--:|--:|--:|--:|--:|",
            *[
                f"| {_named(way)} | {in_flight} | {f['new']:,.0f} | {f['warm']:,.0f} | {f['cpu'] * 1e3:.2f} | "
                f"{f['memory']:.0f} |"
                for (way, in_flight), f in measured.items()
            ],
        ]
    )


def _goals(measured: Measured) -> Iterator[str]:
    threads = [figures for (way, _), figures in measured.items() if way == BOTO]
    best = max(threads, key=lambda figures: figures["warm"])
    ours, awaited = measured[MAP, 500], measured[ASYNC_MAP, 500]
    new, memory = max(figures["new"] for figures in threads), measured[BOTO, 100]["memory"]
    yield "| with 500 in flight, times what boto3 does in threads, as many as serve it best | goal | measured |"
    yield "|---|--:|--:|"
    yield _goal("async map, throughput, warm", awaited["warm"] / best["warm"], least=5.0)
    yield _goal("map, throughput, warm", ours["warm"] / best["warm"], least=5.0)
    yield _goal("async map, throughput, connections to be opened", awaited["new"] / new, least=3.0)
    yield _goal("map, throughput, connections to be opened", ours["new"] / new, least=3.0)
    yield _goal("async map, CPU of a call, warm", awaited["cpu"] / best["cpu"], most=0.15)
    yield _goal("map, CPU of a call, warm", ours["cpu"] / best["cpu"], most=0.15)
    yield _goal("async map, most memory, against boto3 with 100", awaited["memory"] / memory, most=0.7)
    yield _goal("map, most memory, against boto3 with 100", ours["memory"] / memory, most=0.7)


def _goal(what: str, ratio: float, *, least: float | None = None, most: float | None = None) -> str:
    missed = (least is not None and ratio < least) or (most is not None and ratio > most)
    goal = f"≥ {least:g}" if least is not None else f"≤ {most:g}"
    return f"| {what} | {goal} | {f'**{ratio:.2f}**' if missed else f'{ratio:.2f}'} |"


def _named(way: str) -> str:
    return f"lambdachain, `{way}`" if way == MAP else "lambdachain, `map`, awaited" if way == ASYNC_MAP else way


def draw(measured: Measured, path: Path) -> None:
    """Draw throughput against calls in flight."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "lambdachain"  # the same measurements make the same file
    path.parent.mkdir(parents=True, exist_ok=True)
    figure: Any = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for way in PLAN:
        points = [(number, figures["warm"]) for (name, number), figures in measured.items() if name == way]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=_named(way).replace("`", ""))
    axes.set(xlabel="calls in flight", ylabel="calls a second, connections warm")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _certificate() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    return private + made.public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    main()
