"""What moto's interpreter of state machines lacks of a distributed map: the files of results, an end when it is
stopped, and a redrive.

moto runs the child executions, and writes a manifest without files. Here, each child's end is recorded, and the
manifest names files with the fields that "ResultWriter (Map)" in the documentation of Step Functions shows.
"""

# ruff: noqa: SLF001 - moto has no public way to its child executions
from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core.responses import ActionResult
from moto.server import ThreadedMotoServer
from moto.stepfunctions.parser.api import ExecutionStatus, MapRunStatus
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as workers,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramStopped, ProgramTimedOut
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

FILES: Final = {"SUCCEEDED": "SUCCEEDED", "PENDING": "PENDING"}  # every other status is in the files FAILED_n.json


@dataclass
class MapRun:
    """The child executions of a map: those that have ended, and the items of those that run."""

    arn: str
    execution: str = ""
    redrives: int = 0
    ended: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    running: dict[int, Any] = field(default_factory=dict[int, Any])
    pool: Any = None
    is_closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, pool: Any, job: Any) -> None:
        with self.lock:
            self.pool = pool
            self.running[job.job_index] = job.job_input

    def end(self, job: Any, **facts: Any) -> None:
        with self.lock:
            del self.running[job.job_index]
            if not self.is_closed:
                self.ended.append(self.record(job.job_input, **facts))

    def record(self, item: Any, **facts: Any) -> dict[str, Any]:
        """Describe a child execution as a file of results does."""
        if facts["Status"] == "PENDING":
            return {"Input": json.dumps(item), "InputDetails": {"Included": True}, **facts}
        name, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
        machine = self.arn.rpartition(":")[0].replace(":mapRun:", ":stateMachine:")
        return {
            "ExecutionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}",
            "Input": json.dumps(item),
            "InputDetails": {"Included": True},
            "Name": name,
            "OutputDetails": {"Included": True},
            "RedriveCount": self.redrives,
            "RedriveStatus": "NOT_REDRIVABLE" if facts["Status"] == "SUCCEEDED" else "REDRIVABLE",
            "StartDate": now,
            "StateMachineArn": machine,
            "StopDate": now,
            **facts,
        }

    def resume(self, before: MapRun) -> None:
        """Begin with what has succeeded in an earlier attempt of the same execution."""
        self.redrives = before.redrives + 1
        self.ended += [record for record in before.ended if record["Status"] == "SUCCEEDED"]

    def select(self, items: Sequence[Any]) -> list[Any]:
        """Return the items that have not succeeded."""
        done = {record["Input"] for record in self.ended}
        return [item for item in items if json.dumps(item) not in done]

    def close(self) -> None:
        """End the map at once: what runs is aborted, and what has not begun stays so."""
        with self.lock:
            self.is_closed = True
            self.ended += [self.record(item, Status="ABORTED") for item in self.running.values()]
            if self.pool is not None:
                self.ended += [self.record(job.job_input, Status="PENDING") for job in self.pool._open_jobs]
                self.pool._open_jobs.clear()


Patch = tuple[Any, str, object]
"""What has an attribute, its name, and what it is replaced with."""


@contextmanager
def distributed_maps(*, items_a_file: int = 1000) -> Generator[dict[str, MapRun]]:
    """Complete moto's distributed maps, inside ``mock_aws``; yield the maps by their ARN."""
    runs: dict[str, MapRun] = {}
    with ExitStack() as patches:
        for owner, name, replacement in (*_worker_patches(runs), *_backend_patches(runs, items_a_file)):
            patches.enter_context(patch.object(owner, name, replacement, create=True))
        yield runs


def _worker_patches(runs: dict[str, MapRun]) -> list[Patch]:
    """Record how each child execution ends."""
    worker_class: Any = workers.DistributedItemProcessorWorker
    client_for = cache(boto_client_for)
    map_class: Any = DistributedIterationComponent
    run_job, run_map = worker_class._eval_job, map_class._map_run

    def eval_map(component: Any, env: Any, eval_input: Any) -> None:
        record = eval_input.map_run_record
        run = MapRun(record.map_run_arn, record.execution_arn)
        if before := [each for each in runs.values() if each.execution == run.execution]:
            run.resume(before[-1])
        runs[run.arn] = run
        env.stack.append(run.select(env.stack.pop()))
        run_map(component, env, eval_input)

    def eval_job(worker: Any, env: Any, job: Any) -> None:
        run = runs[worker._map_run_record.map_run_arn]
        run.begin(worker._job_pool, job)
        run_job(worker, env, job)
        run.end(job, **_describe_end(env.program_state(), job.job_output))

    def eval_pool(worker: Any, job: Any, worker_frame: Any) -> None:
        # In a loop: moto calls itself for the next item, and a thousand of them exceed Python's limit.
        while job is not None:
            job_frame = worker_frame.open_inner_frame()
            worker._eval_job(env=job_frame, job=job)
            worker_frame.delete_frame(job_frame)
            is_over = isinstance(job.job_output, Exception) or worker.stopped()
            following = None if is_over else worker._job_pool.next_job()
            if following is None:
                worker._env.delete_frame(worker_frame)
            worker._job_pool.close_job(job)
            job = following

    def find_client(region: str, service: str, **_: object) -> Any:
        # moto makes a client for each call, which takes longer than the call.
        return client_for(region, service)

    return [
        (map_class, "_map_run", eval_map),
        (worker_class, "_eval_job", eval_job),
        (worker_class, "_eval_pool", eval_pool),
        (lambda_eval_utils, "boto_client_for", find_client),
    ]


def _backend_patches(runs: dict[str, MapRun], items_a_file: int) -> list[Patch]:
    """Write the results of a map when it ends, or is stopped."""
    backend: Any = StepFunctionsParserBackend
    start, stop, describe = backend.start_execution, backend.stop_execution, StepFunctionResponse.describe_execution

    def put_object(env: Any, *_: object) -> None:
        parameters = env.stack.pop()
        env.stack.pop()
        arn = env.map_run_record_pool_manager.get_all().pop().map_run_arn
        run = runs[arn]
        key = _write_results(run, parameters["Bucket"], parameters["Prefix"], items_a_file)
        details = {"Bucket": parameters["Bucket"], "Key": key}
        env.stack.append({"MapRunArn": arn, "ResultWriterDetails": details})

    def start_execution(self: Any, *arguments: Any, **options: Any) -> Any:
        return wait_for_thread(start(self, *arguments, **options))

    def wait_for_thread(execution: Any) -> Any:
        # moto fails to list the maps of an execution whose thread has not begun.
        while execution.exec_worker.env is None:
            time.sleep(0.001)
        return execution

    def stop_execution(self: Any, execution_arn: str) -> Any:
        stopped = stop(self, execution_arn)
        started_with = json.loads(stopped.execution_input)
        for record in stopped.exec_worker.env.map_run_record_pool_manager.get_all():
            run = runs.setdefault(record.map_run_arn, MapRun(record.map_run_arn, execution_arn))
            run.close()
            _write_results(run, started_with["bucket"], started_with["prefix"], items_a_file)
            record.set_stop(MapRunStatus.ABORTED)
        # moto sets this when the calls that run have ended.
        stopped.exec_status, stopped.stop_date = ExecutionStatus.ABORTED, datetime.now(UTC)
        return stopped

    def redrive_execution(self: Any) -> ActionResult:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.exec_worker, execution.stop_date = None, None
        execution.start()
        wait_for_thread(execution)
        return ActionResult({"redriveDate": datetime.now(UTC)})

    def describe_execution(self: Any) -> ActionResult:
        described: Any = describe(self)
        can_redrive = described.result["status"] in ("FAILED", "ABORTED", "TIMED_OUT")
        described.result["redriveStatus"] = "REDRIVABLE" if can_redrive else "NOT_REDRIVABLE"
        redrives = [run.redrives for run in runs.values() if run.execution == described.result["executionArn"]]
        described.result["redriveCount"] = max(redrives, default=0)
        return cast("ActionResult", described)

    return [
        (ResourceEvalS3, "_handle_put_object", staticmethod(put_object)),
        (backend, "start_execution", start_execution),
        (backend, "stop_execution", stop_execution),
        (StepFunctionResponse, "describe_execution", describe_execution),
        (StepFunctionResponse, "redrive_execution", redrive_execution),
    ]


def _make_client(service: str) -> Any:
    boto: Any = boto3  # whose types know no name that is not a literal
    return boto.client(service, region_name="us-east-1")


def _describe_end(state: Any, output: Any) -> dict[str, Any]:
    if isinstance(state, ProgramError):
        error = state.error or {}
        return {"Status": "FAILED", "Error": error.get("error"), "Cause": error.get("cause")}
    if isinstance(state, ProgramStopped | ProgramTimedOut):
        return {"Status": "ABORTED" if isinstance(state, ProgramStopped) else "TIMED_OUT"}
    return {"Status": "SUCCEEDED", "Output": json.dumps(output)}


def _write_results(run: MapRun, bucket: str, prefix: str, items_a_file: int) -> str:
    """Write the files of results and the manifest; return the key of the manifest."""
    client = _make_client("s3")
    directory = f"{prefix}/{run.arn.rpartition(':')[2]}"
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for kind, entries in files.items():
        records = [record for record in run.ended if FILES.get(record["Status"], "FAILED") == kind]
        for number, part in enumerate(_split(records, items_a_file)):
            body, key = json.dumps(part).encode(), f"{directory}/{kind}_{number}.json"
            client.put_object(Bucket=bucket, Key=key, Body=body)
            entries.append({"Key": key, "Size": len(body)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": run.arn, "ResultFiles": files}
    key = f"{directory}/manifest.json"
    client.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
    return key


def _split(records: Sequence[dict[str, Any]], size: int) -> list[Sequence[dict[str, Any]]]:
    return [records[start : start + size] for start in range(0, len(records), size)]


@dataclass(frozen=True)
class LocalStepFunctions:
    """Step Functions and S3 of moto: in this process, and at a URL for others.

    Attributes:
        url: The endpoint of both.
        environment: The variables with which any client calls them, and Lambda at its own endpoint.
        runs: The maps, by their ARN.
    """

    url: str
    environment: dict[str, str]
    runs: dict[str, MapRun]

    def client(self, service: str) -> Any:
        """Create a client in this process."""
        return _make_client(service)


@contextmanager
def local_step_functions(lambda_url: str, *, items_a_file: int = 1000) -> Generator[LocalStepFunctions]:
    """Run state machines on this machine; their calls of functions go to *lambda_url*."""
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    settings = {
        **keys,
        "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    # It logs each failure of a state, and each request.
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    with (
        patch.dict(os.environ, settings),
        mock_aws(config={"stepfunctions": {"execute_state_machine": True}}),
        distributed_maps(items_a_file=items_a_file) as runs,
    ):
        server.start()
        try:
            host, port = server.get_host_and_port()
            url = f"http://{host}:{port}"
            yield LocalStepFunctions(url, {**settings, "AWS_ENDPOINT_URL_SFN": url, "AWS_ENDPOINT_URL_S3": url}, runs)
        finally:
            server.stop()
