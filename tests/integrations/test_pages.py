"""The pages and docstrings of the integrations run where their libraries are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import INTEGRATIONS

ROOT = Path(__file__).parents[2]
PAGES = [path for path, _ in INTEGRATIONS if not (ROOT / path).is_dir()]


def test_the_pages_run():
    """Each fence and docstring passes, and none is left out. One run for all: importing takes longest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:ddtrace", *PAGES]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "left out" not in ran.stdout
