"""Every request of a map to Step Functions and S3, by boto3, with its failures as errors of this package."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    CredentialsError,
    NotInvokedError,
    OutcomeUnknownError,
)
from lambdachain._core.redaction import redact_passwords, redact_request
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.sdk_import import import_sdk
from lambdachain._transports.transport_override import guard_sends, network_guard

from .machine import MapMachine, MapPlace
from .results import ItemOutcome, ItemOutcomes, parse_manifest, parse_objects, parse_outcome

if TYPE_CHECKING:
    from datetime import datetime

    from lambdachain._contracts.s3_offload import S3Offload

    from .items import ItemsFile

RUNNING: Final = ("RUNNING", "PENDING_REDRIVE")
_NOT_FOUND: Final = ("404", "NoSuchKey", "NotFound")
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "403")
_TAGS: Final = [{"key": "lambdachain", "value": "map"}]
# The credentials of a user that runs a map are in the environment or a profile, and expire during a long one.
_EXPIRED: Final = ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId")


class Effect(Enum):
    """What a request that fails may have done."""

    NONE = auto()
    """No function runs, whether it succeeds or fails."""
    STARTS = auto()
    """Functions run if it arrived, which its failure does not always show."""
    STARTED = auto()
    """It is about a map that was started: functions may have run, whatever this request was refused for."""


class MapExecution(NamedTuple):
    """An execution of the state machine of a map.

    Attributes:
        arn: Its ARN.
        status: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED`` or ``PENDING_REDRIVE``.
        input: What it was started with: ``bucket``, ``key``, ``prefix`` and ``max_concurrency``.
        output: The output of the map, with the place of its manifest; ``None`` without one.
        error: The name of the error that ended it.
        cause: The details of the error.
        is_redrivable: Whether Step Functions can run what failed again.
        redrives: How many times that was done.
        redriven_at: When it was done last; ``None`` if it was not.
    """

    arn: str
    status: str
    input: dict[str, Any]
    output: dict[str, Any] | None = None
    error: str | None = None
    cause: str | None = None
    is_redrivable: bool = False
    redrives: int = 0
    redriven_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status in RUNNING


class MapCounts(NamedTuple):
    """How many items of a map are in which state."""

    total: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0


class MapRunState(NamedTuple):
    """The map of an execution: its ARN, whether it still starts items or writes results, and its counts."""

    arn: str
    is_running: bool
    counts: MapCounts


class MapService:
    """Step Functions and S3, as far as a map uses them.

    Args:
        session: A boto3 session; by default one of the environment.
        region: The region; by default that of the session.
        endpoint_url: The endpoint of both services, if it is not AWS's.

    Raises:
        NotInvokedError: There is no boto3, or no region.
    """

    def __init__(self, session: Any = None, *, region: str | None = None, endpoint_url: str | None = None) -> None:
        make = session.client if session is not None else import_sdk("boto3", "Step Functions").client
        options = {"region_name": region, "endpoint_url": endpoint_url}
        with _translate_errors("cannot use Step Functions"):
            self.states: Any = make("stepfunctions", **options)
            self.s3: Any = make("s3", **options)
        for client, name in ((self.states, "Step Functions"), (self.s3, "S3")):
            guard_sends(client, partial(network_guard.check_access, f"use {name} for a map"))

    @property
    def region(self) -> str:
        """The region of Step Functions."""
        return str(self.states.meta.region_name)

    def upload(self, items: ItemsFile, place: MapPlace) -> None:
        """Upload items, unless an object with their contents is there."""
        where = {"Bucket": place.bucket, "Key": place.items_key(items.digest)}
        action = f"cannot upload the items to s3://{place.bucket}/{where['Key']}"
        with _translate_errors(action):
            if self._is_there(where, items.size):
                return
            self.s3.upload_fileobj(_Unclosed(items.open()), **where, ExtraArgs={"ContentType": "application/json"})

    def put(self, offload: S3Offload, key: str, data: bytes) -> None:
        """Write a payload that is too large for Step Functions."""
        with _translate_errors(f"cannot write a payload to the bucket {offload.bucket}"):
            self.s3.put_object(Bucket=offload.bucket, Key=key, Body=data, ContentType="application/json")

    def find_or_create(self, machine: MapMachine, role: str) -> None:
        """Create a state machine, unless it exists.

        Raises:
            NotInvokedError: It cannot be created, or exists with another definition, which could run items twice.
        """
        arn = machine.arn(role, self.region)
        with _translate_errors(f"cannot create the state machine {machine.name}"):
            try:
                found = self.states.describe_state_machine(stateMachineArn=arn)
            except self.states.exceptions.StateMachineDoesNotExist:
                self.states.create_state_machine(
                    name=machine.name, definition=machine.definition, roleArn=role, tags=_TAGS
                )
                return
        if json.loads(found["definition"]) != json.loads(machine.definition):
            raise NotInvokedError(f"the definition of {arn} was changed since it was created: delete the state machine")

    def start(self, machine_arn: str, name: str, arguments: dict[str, Any]) -> None:
        """Start an execution; one with this name that exists is left as it is.

        Raises:
            NotInvokedError: It was refused.
            OutcomeUnknownError: There is no response, or an error 5xx: it may have been started.
        """
        text = json.dumps(arguments, sort_keys=True)
        # It exists if another process has started it with another concurrency, or it has ended by now.
        exists = self.states.exceptions.ExecutionAlreadyExists
        with _translate_errors(f"the start of the execution {name} failed", Effect.STARTS), suppress(exists):
            self.states.start_execution(stateMachineArn=machine_arn, name=name, input=text)

    def find(self, arn: str) -> MapExecution | None:
        """Return an execution; ``None`` if no execution has this ARN."""
        with _translate_errors(f"cannot read the execution {arn}", Effect.STARTED):
            try:
                found = self.states.describe_execution(executionArn=arn)
            except (self.states.exceptions.ExecutionDoesNotExist, self.states.exceptions.StateMachineDoesNotExist):
                return None
        return MapExecution(
            arn,
            found["status"],
            _parse_object(found.get("input")) or {},
            _parse_object(found.get("output")),
            found.get("error"),
            found.get("cause"),
            found.get("redriveStatus") == "REDRIVABLE",
            found.get("redriveCount", 0),
            found.get("redriveDate"),
        )

    def find_map_run(self, arn: str) -> MapRunState | None:
        """Return the map of an execution; ``None`` if it has not begun."""
        with _translate_errors(f"cannot read the progress of {arn}", Effect.STARTED):
            runs = self.states.list_map_runs(executionArn=arn)["mapRuns"]
            if not runs:
                return None
            last = max(runs, key=lambda each: each["startDate"])
            found = self.states.describe_map_run(mapRunArn=last["mapRunArn"])
        counts = found["itemCounts"]
        failed = counts["failed"] + counts["timedOut"] + counts["aborted"]
        summary = MapCounts(counts["total"], counts["succeeded"] + failed, failed, counts["running"])
        return MapRunState(found["mapRunArn"], found["status"] == "RUNNING", summary)

    def redrive(self, arn: str) -> None:
        """Run what has failed in an execution again."""
        with _translate_errors(f"cannot redrive {arn}", Effect.STARTED):
            self.states.redrive_execution(executionArn=arn)

    def read_outcomes(self, execution: MapExecution, run: MapRunState | None) -> ItemOutcomes:
        """Read how each item of an execution ended.

        Raises:
            OutcomeUnknownError: The results cannot be read, or are cut off.
        """
        outcomes = ItemOutcomes()
        action = f"cannot read the results of {execution.arn}"
        try:
            with _translate_errors(action, Effect.STARTED), _translate_bad_data(action):
                manifests = self._find_manifests(execution)
                for bucket, key in manifests:
                    for body in self._read_files(bucket, key):
                        outcomes.add_all(filter(None, map(parse_outcome, parse_objects(body))))
                if not manifests and run is not None and run.counts.total:
                    outcomes.add_all(self._read_children(run.arn))
        except BaseException:
            outcomes.close()
            raise
        return outcomes

    def read_indexes(self, execution: MapExecution) -> Iterator[int]:
        """Yield the index of each item that an execution was started with.

        Raises:
            OutcomeUnknownError: The items cannot be read.
        """
        where = {"Bucket": execution.input.get("bucket"), "Key": execution.input.get("key")}
        action = f"cannot read the items of {execution.arn}"
        with _translate_errors(action, Effect.STARTED), _translate_bad_data(action):
            for item in parse_objects(self.s3.get_object(**where)["Body"]):
                yield item["index"]

    def _is_there(self, where: dict[str, str], size: int) -> bool:
        from botocore.exceptions import ClientError

        try:
            return bool(self.s3.head_object(**where)["ContentLength"] == size)
        except ClientError as exc:
            # Without permission to list the bucket, S3 answers 403 for an object that does not exist.
            if _get_code(exc) in (*_NOT_FOUND, "403"):
                return False
            raise

    def _find_manifests(self, execution: MapExecution) -> list[tuple[str, str]]:
        """Return the bucket and the key of each manifest, oldest first; none if the last attempt has not written one.

        An item that ran in an earlier attempt, and was not started again, is only in the manifest of that attempt.
        """
        details = (execution.output or {}).get("ResultWriterDetails")
        if details:
            return [(details["Bucket"], details["Key"])]
        bucket, prefix = execution.input.get("bucket"), execution.input.get("prefix")
        if not bucket or not prefix:
            return []
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        found = [each for page in pages for each in page.get("Contents", ()) if each["Key"].endswith("/manifest.json")]
        found.sort(key=lambda each: each["LastModified"])
        # A redrive that was stopped may have written none: the one before has as "never started" what it has started.
        is_old = execution.redriven_at is not None and found and found[-1]["LastModified"] < execution.redriven_at
        return [] if is_old else [(bucket, each["Key"]) for each in found]

    def _read_files(self, bucket: str, key: str) -> Iterator[IO[bytes]]:
        bucket, files = parse_manifest(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for file in files:
            found = self.s3.get_object(Bucket=bucket, Key=file.key)
            if file.size is not None and found.get("ContentLength", file.size) != file.size:
                raise ValueError(file.key)
            yield found["Body"]

    def _read_children(self, map_run_arn: str) -> Iterator[ItemOutcome]:
        """Yield the outcomes of child executions one by one: what is left where no results were written."""
        for page in self.states.get_paginator("list_executions").paginate(mapRunArn=map_run_arn):
            for child in page["executions"]:
                found = self.states.describe_execution(executionArn=child["executionArn"])
                record = {name[:1].upper() + name[1:]: value for name, value in found.items()}
                if outcome := parse_outcome(record):
                    yield outcome


class _Unclosed:
    """A file that ``upload_fileobj`` reads and does not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _get_code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def _parse_object(text: str | None) -> dict[str, Any] | None:
    found: Any = json.loads(text or "null")
    return dict(found) if is_mapping(found) else None


@contextmanager
def _translate_bad_data(action: str) -> Generator[None]:
    """Raise an error for data in S3 that cannot be read, without what is in it."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        raise OutcomeUnknownError(
            f"{action}: they are cut off, or not those of a map of lambdachain; functions may have run"
        ) from None


@contextmanager
def _translate_errors(action: str, effect: Effect = Effect.NONE) -> Generator[None]:
    """Raise the errors of botocore as one of this package: whether functions may run depends on the effect."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as exc:
        error = _choose_class(exc, effect)
        # Not as the cause: what botocore quotes of a request may be a secret.
        raise error(f"{action}: {redact_passwords(redact_request(str(exc)))}") from None


def _choose_class(exc: Exception, effect: Effect) -> type[CallError]:
    """Return the class of the error that a failed request is."""
    from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, ParamValidationError

    if isinstance(exc, ClientError):
        code = _get_code(exc)
        was_refused = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500
    else:
        code, was_refused = "", isinstance(exc, NoCredentialsError | NoRegionError | ParamValidationError)
    if effect is Effect.STARTED or (effect is Effect.STARTS and not was_refused):
        return OutcomeUnknownError
    if isinstance(exc, NoCredentialsError) or code in _EXPIRED:
        return CredentialsError
    return AccessDeniedError if code in _DENIED else NotInvokedError
