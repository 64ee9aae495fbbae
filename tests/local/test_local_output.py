"""The pipe between a sandbox and the log, without a sandbox."""

from __future__ import annotations

import asyncio
import os

from lambdachain.local._sandbox_output import SandboxOutput


def collect(*steps):
    """Write bytes to a sandbox's pipe and add platform lines, without running the event loop; return the tail."""

    async def run():
        output = SandboxOutput("orders")
        for step in steps:
            if isinstance(step, bytes):
                os.write(output.write_end, step)
            else:
                output.append_platform_line(step)
        output.close_write_end()
        output.close()
        return output.take_tail()

    return asyncio.run(run())


def test_output_precedes_the_platform_line():
    """Output from before a platform line stays before it, even if it was not read yet."""
    assert b"one\nSTART\ntwo\nEND\n" == collect(b"one\n", "START\n", b"two\n", "END\n")


def test_what_is_left_is_read_on_closing():
    """Closing reads the last output of the process."""
    assert b"START\nlast words" == collect("START\n", b"last words")


def test_tail_is_limited():
    """Only the last 4,096 bytes are kept."""
    assert b"x" * 4092 + b"END\n" == collect(b"x" * 60_000, "END\n")


def test_tracebacks_are_unfolded():
    """The runtime's one-line traceback is unfolded; other carriage returns are the function's own."""
    assert b"10%\r20%\n[ERROR] E: x\nTraceback:\n\xc2\xa0at\n" == collect(
        b"10%\r20%\n[ERROR] E: x\rTraceback:\r\xc2\xa0at\n"
    )


def test_lines_are_logged_whole(caplog):
    """A line that arrives in pieces is logged once it is complete, the last one when the pipe closes."""
    caplog.set_level("INFO", logger="lambdachain.local")
    collect(b"on", "MARK\n", b"e\ntw", "MARK\n", b"o\nthree")

    assert ["orders: one", "orders: two", "orders: three"] == caplog.messages
