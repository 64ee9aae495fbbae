"""A map from its arguments to its exit status: open everything, run the lines, close and report."""

from __future__ import annotations

import os
import re
from contextlib import closing
from typing import IO, TYPE_CHECKING, Final

from lambdachain._client.map import MapRequest, prepare_bound_map
from lambdachain._core.invocation import InvocationType
from lambdachain._core.version import __version__
from lambdachain.cli._exit_status import ExitStatus, InputError
from lambdachain.cli._json import parse_json, parse_request
from lambdachain.cli._target_argument import parse_target_argument
from lambdachain.cli._target_options import TargetOptions

from .arguments import MapArguments, OutputPaths
from .engine import EngineRun, MapSession
from .execution_record import find_followed
from .files import open_shared
from .lines import Input, NoLineStates, Parse, check_input
from .output import OutputFiles
from .reporting import MapReporter
from .results import FileSink, StreamSink, lost_line
from .run import CountedPayloads, Payloads, Run
from .sources import InputLocation

if TYPE_CHECKING:
    from lambdachain._client.invoker import Invoker
    from lambdachain._fan_out.options import MapMethodOptions

    from .progress_store import ProgressStore

_OLD_JOURNAL: Final = re.compile(rb'[0-9a-f]{8} H \{"lambdachain map": (\d+)')


def run(arguments: MapArguments, connection: TargetOptions) -> int:
    """Run a map, report how it went, and return the exit status.

    Raises:
        InputError: The target, the input or a file cannot be used.
        CallError: A line does not match the contract, or failed with an error that every line would have.
        OSError: Something cannot be read or written.
    """
    target = parse_target_argument(arguments.target)
    is_typed = not isinstance(target, str)
    reporter = MapReporter(arguments.quiet, arguments.as_json)
    is_remote = arguments.engine == "step-functions"
    where = InputLocation(arguments.source, arguments.input_format)
    with (
        closing(connection.create_invoker()) as caller,
        closing(where.open(connection.create_s3_client, is_read_twice=is_remote)) as source,
    ):
        map_request = _map_request(arguments, connection, caller, target)
        parse = _parser_for(map_request, is_typed=is_typed)
        session = open_session(arguments, source, map_request, parse)
        reporter.begin(session.sink, session.count, is_resumed=session.is_resumed)
        if is_remote:
            from .step_functions import make_run

            remote = make_run(
                arguments, connection, map_request, source=source, session=session, parse=parse, is_typed=is_typed
            )
            return _run(remote, arguments, map_request, session, reporter)
        payloads = _payloads(source, session, parse, skip_invalid=arguments.skip_invalid)
        local = Run(map_request, is_typed=is_typed, payloads=payloads, sink=session.sink)
        return _run(local, arguments, map_request, session, reporter)


def _run(
    map_run: EngineRun, arguments: MapArguments, map_request: MapRequest, session: MapSession, reporter: MapReporter
) -> int:
    """Run the lines with a progress bar, close what they went to, and report."""
    with closing(reporter.bar(map_request.bound.target.address, session.count, arguments.paths)) as bar:
        try:
            map_run.until_ended(bar)
        finally:
            try:
                session.sink.close(is_complete=map_run.is_complete)
            finally:
                bar.close()
                reporter.end(session.sink, arguments.paths, is_complete=map_run.is_complete, left=map_run.in_flight)
    return _status(map_run, session)


def open_session(arguments: MapArguments, source: Input, map_request: MapRequest, parse: Parse) -> MapSession:
    """Check the input, then open what the results go to; nothing is created for an input that is refused.

    Raises:
        InputError: The input cannot be sent or has changed, or a file is in the way.
        InvalidRequestError: A line does not match the contract.
        OSError: A file cannot be written.
    """
    check = None if arguments.skip_invalid else parse
    paths = arguments.paths
    if paths is None:
        count = check_input(source, NoLineStates(), check) if source.is_file else None
        return MapSession(StreamSink(_open_failures(arguments)), count)
    _check_files(paths, source)
    _check_old_journal(paths)
    is_resumed = not arguments.overwrite and (paths.progress.is_symlink() or paths.progress.exists())
    if is_resumed:
        store = _open_store(arguments, paths, map_request)
        try:
            count = check_input(source, store, check) if source.is_file else None
            return MapSession(_file_sink(store, paths, arguments), count, is_resumed)
        except BaseException:
            store.close()
            raise
    _check_unused(paths, overwrite=arguments.overwrite)
    count = check_input(source, NoLineStates(), check) if source.is_file else None
    store = _open_store(arguments, paths, map_request)
    return MapSession(_file_sink(store, paths, arguments), count)


def _open_store(arguments: MapArguments, paths: OutputPaths, map_request: MapRequest) -> ProgressStore:
    try:
        from .progress_store import ProgressFile, ProgressStore
    except ModuleNotFoundError as exc:
        if exc.name not in ("sqlite3", "_sqlite3"):
            raise
        raise InputError(
            "map --output needs Python's sqlite3 module, which this Python was built without: "
            "use a Python that has it, or leave out --output (then an interrupted map cannot be resumed)"
        ) from None
    subject = {
        "function": map_request.bound.target.address,
        "failures": os.path.relpath(paths.failures, paths.output.parent),
    }
    reruns = arguments.reruns(is_idempotent=map_request.bound.target.contract.idempotent)
    file = ProgressFile(paths.progress, subject, __version__, lost_line)
    store = ProgressStore(file, reruns, overwrite=arguments.overwrite)
    if arguments.engine == "process" and (arn := find_followed(store.setting)):
        store.close()
        raise InputError(
            f"{paths.progress} is that of a map on Step Functions, which may still run lines: {arn}. Resume it with "
            "--on step-functions, or start over with --overwrite"
        )
    if store.is_new:
        try:
            # Again, now that nobody else can be at work: another run may have finished and deleted its progress since.
            _check_unused(paths, overwrite=arguments.overwrite)
        except BaseException:
            store.remove()
            raise
    return store


def _file_sink(store: ProgressStore, paths: OutputPaths, arguments: MapArguments) -> FileSink:
    try:
        return FileSink(store, OutputFiles(paths.output, paths.failures, store, is_ordered=arguments.ordered))
    except BaseException:
        store.close()
        raise


def _check_files(paths: OutputPaths, source: Input) -> None:
    """Raise an error for files that would overwrite each other, or that cannot be written again from the progress."""
    for path in paths:
        if source.is_at(path):
            raise InputError(f"{path} is the input: choose another output")
    if os.path.realpath(paths.failures) == os.path.realpath(paths.output):
        raise InputError(f"--failures must differ from --output: both are {paths.failures}")
    if os.path.realpath(paths.failures).startswith(os.path.realpath(paths.progress)):
        raise InputError(f"--failures must differ from {paths.progress}, where the progress of the map is kept")
    for path in (paths.output, paths.failures):
        # They are truncated, or removed, and /dev/null must not be.
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a regular file: choose another one, or leave out --output")
    if paths.output.parent.exists():
        paths.failures.parent.stat()  # raises an error now, not at the first failure


def _check_old_journal(paths: OutputPaths) -> None:
    """Raise an error for an unfinished map of an earlier version: only that knows which lines have run."""
    journal = paths.output.with_name(f"{paths.output.name}.journal")
    try:
        with journal.open("rb") as file:
            header = _OLD_JOURNAL.match(file.read(100))
    except OSError:
        return
    if header and not paths.progress.exists():
        raise InputError(
            f"{journal} is the journal (format {header[1].decode()}) of an unfinished map of an earlier version of "
            f"lambdachain. This version keeps the progress of a map in {paths.progress.name} and cannot resume a "
            "journal: finish the map with the version that began it, or move the journal away and start over, or "
            "choose another output"
        )


def _check_unused(paths: OutputPaths, *, overwrite: bool) -> None:
    for path in (paths.output, paths.failures):
        if path.exists() and not overwrite:
            raise InputError(
                f"{path} exists, and there is no {paths.progress.name} to resume from: "
                "choose another output, or use --overwrite"
            )


def _open_failures(arguments: MapArguments) -> IO[bytes] | None:
    path = arguments.failures
    if path is None:
        return None
    if path.exists() and not arguments.overwrite:
        raise InputError(f"{path} exists: choose another file, or use --overwrite")
    file = os.fdopen(open_shared(path), "wb")
    if path.is_file():  # a terminal or a pipe cannot be truncated
        file.truncate(0)
    return file


def _map_request(arguments: MapArguments, connection: TargetOptions, caller: Invoker, target: object) -> MapRequest:
    """Describe what the library is to do for each line."""
    bound = connection.bind_target(caller, target, client_context=arguments.client_context)
    # With an output, its files put results in order: the library would hold back what the progress has to record now.
    is_ordered = arguments.ordered and arguments.output is None
    own: MapMethodOptions = {"max_concurrency": arguments.concurrency, "ordered": is_ordered}
    return prepare_bound_map(caller, bound, InvocationType.REQUEST_RESPONSE, own, return_exceptions=True)


def _parser_for(map_request: MapRequest, *, is_typed: bool) -> Parse:
    located = map_request.bound.target
    return (lambda name, text: parse_request(located.contract, name, text, located.address)) if is_typed else parse_json


def _payloads(source: Input, session: MapSession, parse: Parse, *, skip_invalid: bool) -> Payloads:
    if session.count is None:
        return Payloads(source, session.sink, parse, skip_invalid=skip_invalid)
    return CountedPayloads(source, session.sink, parse, skip_invalid=skip_invalid, count=session.count)


def _status(map_run: EngineRun, session: MapSession) -> int:
    if map_run.signal is not None:
        return 128 + map_run.signal
    return ExitStatus.NO if session.sink.classes else ExitStatus.DONE
