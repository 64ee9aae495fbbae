"""A run of ``serve``: an event loop over one inbox.

The endpoint, its functions, the file watcher and signal handlers put messages into the inbox from their own threads;
only the loop prints, reloads and stops.
"""

from __future__ import annotations

import errno
import logging
import os
import re
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
from lambdachain._templates.diagnostics import Diagnostic, Location
from lambdachain.local import LocalEndpoint, LocalFunction, LocalHttpApi

from .build_hints import find_build_hint, find_handler_hint
from .file_watcher import FilesChanged, FileWatcher
from .handler_checks import HandlerChecker
from .messages import (
    Notice,
    Printed,
    Reloaded,
    ServedHttpApi,
    ServeMessage,
    Serving,
    Stopped,
    describe_skipped,
    to_json_line,
    to_text,
)
from .system_loader import LoadedSystem, ServeRequest, load_system

_LOGGER: Final = logging.getLogger("lambdachain.local")
# Seconds within which a second signal counts as a duplicate of the first.
_REPEATED_SIGNAL_PAUSE: Final = 0.5
# Seconds without looking for messages. Under many calls, each would otherwise wake the thread that prints, which costs
# more than printing. A message that comes alone is printed at once.
_PRINTING_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve, and what to print."""

    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    queue: Path | None
    reload: bool
    quiet: bool
    as_json: bool
    concurrency: int | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the endpoint."""
        return not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class StopSignal:
    """A signal has asked the process to stop."""

    signal: signal.Signals


Inbox: TypeAlias = SimpleQueue[ServeMessage | FilesChanged | StopSignal]


def serve(request: ServeRequest, options: ServeOptions) -> int:
    """Serve until a signal arrives, and return the exit status."""
    inbox: Inbox = SimpleQueue()
    stopping = threading.Event()
    _listen_to_signals(inbox, stopping)
    report = ServeReporter(options)
    request = replace(request, is_stopped=stopping.is_set, report_progress=report.progress)
    system = load_system(request)
    if stopping.is_set():
        # During a build: what it reports is that it was stopped.
        return _stop(inbox, report)
    for problem in system.problems:
        report(problem)
    if not system.functions:
        report_nothing_served(system, report)
        return 1
    _forward_log(inbox)
    try:
        endpoint = _start_endpoint(system, request, options, inbox)
    except (OSError, ValueError) as exc:
        report(Diagnostic(Location("lambdachain serve"), _describe_start_failure(exc, options)))
        return 1
    with endpoint_closed(endpoint):
        stop = _ServeLoop(request, options, inbox, report, endpoint).until_stopped(system)
    report.print_remaining(inbox)
    report(Stopped(stop.signal.name))
    # The exit status of a process that a signal ended, as shells report it.
    return 128 + stop.signal


def _forward_log(inbox: Inbox) -> None:
    """Put the log records of the endpoint into the inbox."""
    _LOGGER.addHandler(_LogForwarder(inbox))
    _LOGGER.setLevel(logging.INFO)
    # Records reach the terminal as messages only, not also by a handler of the root logger.
    _LOGGER.propagate = False


def _start_endpoint(system: LoadedSystem, request: ServeRequest, options: ServeOptions, inbox: Inbox) -> LocalEndpoint:
    return LocalEndpoint(
        system.functions,
        host=options.host,
        port=options.port,
        account_id=request.context.aws_location.account_id,
        region=request.context.aws_location.region,
        queue=options.queue,
        services=system.services,
        allowed_hosts=options.allowed_hosts,
        observer=inbox.put,
        concurrency=options.concurrency,
        http=system.http_apis,
    ).start()


def _stop(inbox: Inbox, report: ServeReporter) -> int:
    """Report the signal that has arrived, and return the exit status."""
    message = inbox.get()
    while not isinstance(message, StopSignal):
        message = inbox.get()
    report(Stopped(message.signal.name))
    return 128 + message.signal


def report_nothing_served(system: LoadedSystem, report: Callable[[ServeMessage], None]) -> None:
    """Report why nothing is served, unless the only error before it says so."""
    if len(system.skipped) > 1:
        text = f"nothing to serve; {describe_skipped(system.skipped)}"
        report(Diagnostic(Location("lambdachain serve"), text))
    elif not any(problem.fatal for problem in system.problems):
        text = f"nothing to serve: {system.described_by} has no functions"
        report(Diagnostic(Location("lambdachain serve"), text))


class ServeReporter:
    """Prints messages as text or JSON: problems to standard error, everything else to standard output."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._color = False if os.environ.get("NO_COLOR") else None
        self._broken = False

    def __call__(self, message: ServeMessage) -> None:
        """Print a message, unless ``--quiet`` suppresses it."""
        is_problem = isinstance(message, Diagnostic) or (isinstance(message, Notice) and message.loud)
        if self._broken or (self._options.quiet and not is_problem):
            return
        line = to_json_line(message) if self._options.as_json else to_text(message, time.strftime("%H:%M:%S"))
        try:
            click.echo(line, err=is_problem and not self._options.as_json, color=self._color)
        except BrokenPipeError:
            # The reader has closed the pipe, as `| head` does: keep serving, and print nothing more.
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def progress(self, line: str) -> None:
        """Print a line of progress if somebody watches."""
        if not self._options.as_json and sys.stdout.isatty():
            self(Notice(line))

    def print_remaining(self, inbox: Inbox) -> None:
        """Print the messages that are still in the inbox."""
        try:
            while True:
                message = inbox.get_nowait()
                if not isinstance(message, FilesChanged | StopSignal):
                    self(message)
        except Empty:
            return


class _ServeLoop:
    """The event loop, while the endpoint serves."""

    def __init__(
        self, request: ServeRequest, options: ServeOptions, inbox: Inbox, report: ServeReporter, endpoint: LocalEndpoint
    ) -> None:
        self._request = request
        self._options = options
        self._inbox = inbox
        self._report = report
        self._endpoint = endpoint
        self._handler_checker = HandlerChecker(request.context.aws_location, endpoint.url, self._on_handler_failed)
        self._watcher = FileWatcher(inbox.put, options.queue) if options.reload else None
        self._system = LoadedSystem((), {}, (), {})

    def until_stopped(self, system: LoadedSystem) -> StopSignal:
        """Handle messages until a signal arrives, and return it."""
        self._adopt(system)
        self._report_start(system)
        self._handler_checker.start(system.functions)
        try:
            while True:
                message = self._inbox.get()
                if isinstance(message, StopSignal):
                    return message
                if isinstance(message, FilesChanged):
                    self._reload(message)
                else:
                    self._report(message)
                if self._inbox.empty():
                    time.sleep(_PRINTING_PAUSE)
        finally:
            self._handler_checker.stop()
            if self._watcher is not None:
                self._watcher.stop()

    def _report_start(self, system: LoadedSystem) -> None:
        options, url = self._options, self._endpoint.url
        http = [ServedHttpApi(api, self._endpoint.http_url(api.name)) for api in system.http_apis]
        region = self._request.context.aws_location.region
        self._report(Serving(url, region, system.described_by, system.functions, http))
        for notice in system.notices:
            self._report(Notice(notice))
        if system.skipped:
            self._report(Notice(describe_skipped(system.skipped)))
        if system.ignored_files:
            others = " and ".join(system.ignored_files)
            self._report(Notice(f"not read: {others}; to use another file, pass its name"))
        if options.is_exposed:
            text = f"listening on {options.host}: anyone who can reach this machine can run these functions"
            self._report(Notice(text, loud=True))

    def _adopt(self, system: LoadedSystem) -> None:
        self._system = system
        if self._watcher is not None:
            self._watcher.follow(
                [_with_declared_directories(function, system) for function in system.functions], system.files
            )

    def _reload(self, changed: FilesChanged) -> None:
        previous = {function.name: function for function in self._system.functions}
        system = self._system
        if changed.config_changed:
            system = load_system(self._request)
            for problem in system.problems:
                self._report(problem)
            for notice in system.notices:
                # Another template than before may be served now.
                self._report(Notice(notice))
            system = self._keep_missing(previous, system)
        # A changed declaration reloads its function, even where none of its own files has changed.
        touched = [
            function
            for function in system.functions
            if function.name in changed.functions or function != previous.get(function.name)
        ]
        touched = [
            function for function in touched if self._replace_function(function, is_new=function.name not in previous)
        ]
        if touched:
            self._report(Reloaded([function.name for function in touched], changed.path))
        system = replace(system, http_apis=self._replace_http_apis(system.http_apis, changed.path))
        self._adopt(system)
        self._handler_checker.start(touched)

    def _replace_function(self, function: LocalFunction, *, is_new: bool) -> bool:
        """Replace or add a function; keep the old one if its directory does not exist, as during a build."""
        try:
            (self._endpoint.add if is_new else self._endpoint.replace)(function)
        except ValueError as exc:
            self._report(Notice(f"not reloaded: {exc}"))
            return False
        return True

    def _replace_http_apis(self, declared: Sequence[LocalHttpApi], changed: str) -> Sequence[LocalHttpApi]:
        """Replace the HTTP APIs that have changed, at their addresses; return those that are served."""
        served = {api.name: api for api in self._system.http_apis}
        for api in declared:
            before = served.get(api.name)
            if before is None:
                self._report(Notice(f"a new HTTP API, {api.name}: restart to serve it"))
                continue
            # The address of an API stays, also if one before it in the template is gone.
            new = replace(api, port=before.port)
            if new == before:
                continue
            try:
                self._endpoint.replace_http(new)
            except ValueError as exc:
                self._report(Notice(f"not reloaded: {exc}"))
                continue
            served[api.name] = new
            self._report(Reloaded([f"the routes of {api.name}"], changed))
        return [*served.values()]

    def _keep_missing(self, previous: Mapping[str, LocalFunction], system: LoadedSystem) -> LoadedSystem:
        """Keep serving functions that are no longer declared: the file may be only half written."""
        declared = {function.name for function in system.functions}
        # A function whose declaration is missing was perhaps only moved or is being edited.
        missing = [function for name, function in previous.items() if name not in declared]
        if missing:
            names = ", ".join(function.name for function in missing)
            self._report(Notice(f"no longer declared, still served as before: {names}"))
        return replace(
            system,
            functions=[*system.functions, *missing],
            declared={**self._system.declared, **system.declared},
            files=system.files or self._system.files,
        )

    def _on_handler_failed(self, function: LocalFunction, reason: str) -> None:
        declared = self._system.declared.get(function.name)
        if declared is not None:
            directory = os.path.relpath(function.directory)
            text = f"{function.name}'s handler {function.handler!r} in {directory} cannot be loaded: {reason}"
            hint = find_handler_hint(function, reason)
            # After a build, nothing that a build installs is missing.
            if hint is None and self._request.build_cache is None:
                hint = find_build_hint(function, reason)
            text = text if hint is None else f"{text}; {hint}"
            self._inbox.put(Diagnostic(declared.location("handler"), text, fatal=False))


def _with_declared_directories(function: LocalFunction, system: LoadedSystem) -> LocalFunction:
    """Return a function with its directories as declared, links unresolved: a link may change its target later."""
    declared = system.declared.get(function.name)
    if declared is None or declared.inline is not None or Path(declared.function.directory).is_file():
        return function
    return replace(function, directory=declared.function.directory, versions=declared.function.versions)


class _LogForwarder(logging.Handler):
    """Turns log records of the endpoint into messages: lines printed by functions, and warnings."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        """Put a record into the inbox."""
        # the endpoint logs a line that a function printed as ("%s: %s", function, line), below WARNING
        if record.levelno < logging.WARNING and isinstance(record.args, tuple) and len(record.args) == 2:
            function, line = map(str, record.args)
            self._inbox.put(Printed(function, line))
        else:
            self._inbox.put(Notice(record.getMessage()))


def _listen_to_signals(inbox: Inbox, stopping: threading.Event) -> None:
    """Stop the loop and builds on SIGINT (Ctrl-C) and SIGTERM.

    A second signal exits immediately, and the orphan guard kills the functions.

    Python runs signal handlers in the main thread only, and that thread blocks on the inbox, which a signal does not
    interrupt. So a thread of its own reads the signal numbers that Python writes to the wakeup file descriptor.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)

    def forward() -> None:
        first: float | None = None
        while number := os.read(read_end, 1):
            # A wrapper such as npm or a shell may send one signal twice: to the process, and to its group.
            if first is not None and time.monotonic() - first > _REPEATED_SIGNAL_PAUSE:
                os._exit(128 + number[0])
            first = first or time.monotonic()
            stopping.set()
            inbox.put(StopSignal(signal.Signals(number[0])))

    threading.Thread(target=forward, name="lambdachain.signals", daemon=True).start()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _number, _frame: None)  # without a handler, nothing is written to the descriptor


def _describe_start_failure(exc: OSError | ValueError, options: ServeOptions) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        address = re.search(r"cannot listen on (\S+):(\d+):", str(exc))
        port = int(address[2]) if address else options.port
        option = "--port" if port == options.port else "--http-port"
        return f"port {port} on {options.host} is already in use: stop that program, or pass another {option}"
    return str(exc)


@contextmanager
def endpoint_closed(endpoint: LocalEndpoint) -> Generator[None]:
    """Close a running endpoint on exit."""
    try:
        yield
    finally:
        endpoint.close()


@contextmanager
def scratch_directory() -> Generator[Callable[[], Path]]:
    """Yield a function that creates a temporary directory on its first call; the directory is removed on exit."""
    with ExitStack() as stack:
        yield cache(lambda: Path(stack.enter_context(TemporaryDirectory(prefix="lambdachain-"))).resolve())


__all__: Sequence[str] = ("ServeOptions", "scratch_directory", "serve")
