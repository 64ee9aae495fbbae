"""The result of a run of pytest on a small project."""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (?:\[\d+\] )?\S+?::(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What became of a run of pytest.

    Attributes:
        status: Its exit status.
        text: What it printed, warnings and the like on standard error included.
        outcomes: What the summary says of each test: ``PASSED``; or both ``PASSED`` and ``ERROR``, if it failed when it
            was over.
    """

    status: int
    text: str
    outcomes: dict[str, set[str]]

    def section(self, test: str) -> str:
        """Return what was printed about the failure of a test."""
        heading = rf"^_+ (?:ERROR at \w+ of )?{re.escape(test)} _+$"
        found = re.search(rf"{heading}(.*?)^(?:_{{5}}|={{5}})", self.text, re.MULTILINE | re.DOTALL)
        assert found, self.text
        return found[1]
