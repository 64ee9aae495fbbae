"""A run of ``serve``: everything that happens is a message in one inbox, dealt with by one loop.

The endpoint, its functions, the watcher of files and signals put messages in; only the loop prints, reloads and ends.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import click

from lambdachain._core.loopback import is_loopback
from lambdachain._templates.problem import Diagnostic, Location
from lambdachain.local import LocalEndpoint, LocalFunction

from .file_watcher import Changed, Watch
from .handler_checks import Trials
from .messages import Message, Notice, Printed, Reloaded, Serving, Stopped, as_json, as_text
from .system_loader import Found, Wanted, find_system

_LOGGER: Final = logging.getLogger("lambdachain.local")
# Seconds within which a second signal is taken for the first one's echo.
_PATIENCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve and what to tell."""

    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    queue: Path | None
    reload: bool
    quiet: bool
    as_json: bool
    concurrency: int | None = None

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach the endpoint."""
        return not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Stop:
    """A signal asks to end."""

    signal: signal.Signals


Inbox: TypeAlias = SimpleQueue[Message | Changed | Stop]


def serve(wanted: Wanted, options: Options) -> int:
    """Serve until a signal comes; give the status to exit with."""
    inbox: Inbox = SimpleQueue()
    _listen_to_signals(inbox)
    tell = ServeReporter(options)
    found = find_system(wanted)
    for problem in found.problems:
        tell(problem)
    if not found.functions:
        return 1
    _LOGGER.addHandler(_Relay(inbox))
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
    try:
        endpoint = LocalEndpoint(
            found.functions,
            host=options.host,
            port=options.port,
            account_id=wanted.around.place.account_id,
            region=wanted.around.place.region,
            queue=options.queue,
            services=found.services,
            allowed_hosts=options.allowed_hosts,
            observer=inbox.put,
            concurrency=options.concurrency,
        ).start()
    except (OSError, ValueError) as exc:
        tell(Diagnostic(Location("lambdachain serve"), _why_not_started(exc, options)))
        return 1
    with endpoint_closed(endpoint):
        stop = _Run(wanted, options, inbox, tell, endpoint).until_stopped(found)
    tell.all_of(inbox)
    tell(Stopped(stop.signal.name))
    return 128 + stop.signal


class ServeReporter:
    """Prints messages, as text or JSON: problems to standard error, all else to standard output."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._color = False if os.environ.get("NO_COLOR") else None
        self._broken = False

    def __call__(self, message: Message) -> None:
        """Print a message, or not where it is too quiet for that."""
        is_problem = isinstance(message, Diagnostic) or (isinstance(message, Notice) and message.loud)
        if self._broken or (self._options.quiet and not is_problem):
            return
        line = as_json(message) if self._options.as_json else as_text(message, time.strftime("%H:%M:%S"))
        try:
            click.echo(line, err=is_problem and not self._options.as_json, color=self._color)
        except BrokenPipeError:
            # Nobody reads any more, as behind `| head`; serving goes on.
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def all_of(self, inbox: Inbox) -> None:
        """Print the messages that are left."""
        try:
            while True:
                message = inbox.get_nowait()
                if not isinstance(message, Changed | Stop):
                    self(message)
        except Empty:
            return


class _Run:
    """The loop over the inbox, while the endpoint serves."""

    def __init__(
        self, wanted: Wanted, options: Options, inbox: Inbox, tell: ServeReporter, endpoint: LocalEndpoint
    ) -> None:
        self._wanted = wanted
        self._options = options
        self._inbox = inbox
        self._tell = tell
        self._endpoint = endpoint
        self._trials = Trials(wanted.around.place, endpoint.url, self._not_loaded)
        self._watch = Watch(inbox.put, options.queue) if options.reload else None
        self._found = Found((), {}, (), {})

    def until_stopped(self, found: Found) -> Stop:
        """Deal with messages until a signal comes."""
        self._take(found)
        self._welcome(found)
        self._trials.start(found.functions)
        try:
            while True:
                message = self._inbox.get()
                if isinstance(message, Stop):
                    return message
                if isinstance(message, Changed):
                    self._reload(message)
                else:
                    self._tell(message)
        finally:
            self._trials.stop()
            if self._watch is not None:
                self._watch.stop()

    def _welcome(self, found: Found) -> None:
        options, url = self._options, self._endpoint.url
        self._tell(Serving(url, self._wanted.around.place.region, found.described_by, found.functions))
        if found.passed_over:
            others = " and ".join(found.passed_over)
            self._tell(
                Notice(f"{others} {'is' if len(found.passed_over) == 1 else 'are'} here too: name a file to choose it.")
            )
        if options.exposed:
            text = (
                f"listening on {options.host}: whoever reaches this machine can run these functions, no questions asked"
            )
            self._tell(Notice(text, loud=True))

    def _take(self, found: Found) -> None:
        self._found = found
        if self._watch is not None:
            self._watch.follow([_as_declared(function, found) for function in found.functions], found.files)

    def _reload(self, changed: Changed) -> None:
        before = {function.name: function for function in self._found.functions}
        found = self._found
        if changed.described:
            found = find_system(self._wanted)
            for problem in found.problems:
                self._tell(problem)
            found = self._kept(before, found)
        touched = [
            function
            for function in found.functions
            if function.name in changed.functions or function != before.get(function.name)
        ]
        touched = [function for function in touched if self._serves(function, is_new=function.name not in before)]
        if touched:
            self._tell(Reloaded([function.name for function in touched], changed.path))
        self._take(found)
        self._trials.start(touched)

    def _serves(self, function: LocalFunction, *, is_new: bool) -> bool:
        """Serve a function as it is now, unless it is being built: then as it was, until its directory is there."""
        try:
            (self._endpoint.add if is_new else self._endpoint.replace)(function)
        except ValueError as exc:
            self._tell(Notice(f"not reloaded: {exc}"))
            return False
        return True

    def _kept(self, before: Mapping[str, LocalFunction], found: Found) -> Found:
        """Keep on serving what is not there any more, or wrong: it is perhaps being written."""
        now = {function.name for function in found.functions}
        gone = [function for name, function in before.items() if name not in now]
        if gone:
            names = ", ".join(function.name for function in gone)
            self._tell(Notice(f"still served as before: {names}"))
        return replace(
            found,
            functions=[*found.functions, *gone],
            declared={**self._found.declared, **found.declared},
            files=found.files or self._found.files,
        )

    def _not_loaded(self, function: LocalFunction, why: str) -> None:
        declared = self._found.declared.get(function.name)
        if declared is not None:
            directory = os.path.relpath(function.directory)
            text = f"{function.name}'s handler {function.handler!r} in {directory} does not import: {why}"
            self._inbox.put(Diagnostic(declared.spot("handler"), text, fatal=False))


def _as_declared(function: LocalFunction, found: Found) -> LocalFunction:
    """Return a function with the directories that were written for it: a symbolic link may lead elsewhere later."""
    declared = found.declared.get(function.name)
    if declared is None or declared.inline is not None:
        return function
    return replace(function, directory=declared.function.directory, versions=declared.function.versions)


class _Relay(logging.Handler):
    """Turns what the endpoint logs into messages: lines that functions print, and warnings."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record into the inbox."""
        if record.levelno < logging.WARNING and isinstance(record.args, tuple) and len(record.args) == 2:
            function, line = map(str, record.args)
            self._inbox.put(Printed(function, line))
        else:
            self._inbox.put(Notice(record.getMessage()))


def _listen_to_signals(inbox: Inbox) -> None:
    """Let Ctrl-C and SIGTERM end the loop; pressed again, the process at once: its guard ends the functions.

    The system gives a signal to any thread, and Python's handlers wait for the main one, which waits for the inbox. So
    a thread reads what Python writes down of a signal, whoever gets it.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)

    def forward() -> None:
        first: float | None = None
        while number := os.read(read_end, 1):
            # a wrapper may send the same signal twice: to the process, and to its group
            if first is not None and time.monotonic() - first > _PATIENCE:
                os._exit(128 + number[0])
            first = first or time.monotonic()
            inbox.put(Stop(signal.Signals(number[0])))

    threading.Thread(target=forward, name="lambdachain.signals", daemon=True).start()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _number, _frame: None)


def _why_not_started(exc: OSError | ValueError, options: Options) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return f"port {options.port} on {options.host} is in use: stop what uses it, or choose another with --port"
    return str(exc)


@contextmanager
def endpoint_closed(endpoint: LocalEndpoint) -> Generator[None]:
    """Close a running endpoint at the end."""
    try:
        yield
    finally:
        endpoint.close()


@contextmanager
def scratch_directory() -> Generator[Callable[[], Path]]:
    """Return what makes a temporary directory when it is first asked; it is gone at the end."""
    with ExitStack() as stack:
        yield cache(lambda: Path(stack.enter_context(TemporaryDirectory(prefix="lambdachain-"))).resolve())


__all__: Sequence[str] = ("Options", "scratch_directory", "serve")
