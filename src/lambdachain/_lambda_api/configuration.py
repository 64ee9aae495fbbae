"""Responses of GetFunction, GetFunctionConfiguration and ListFunctions, as in botocore's service model. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from .responses import ApiResponse

# A local function has no uploaded code.
_NO_CODE: Final = {"CodeSize": 0, "CodeSha256": "", "PackageType": "Zip", "RevisionId": ""}


@dataclass(frozen=True, slots=True)
class Description:
    """The configuration of a function; *timeout* in seconds, *memory* in MB.

    Attributes:
        arn: With the version or alias of the request, if any.
        version: The version that it points to.
        deployed_at: Seconds since 1970.
    """

    name: str
    arn: str
    version: str
    runtime: str
    handler: str
    timeout: float
    memory: int
    deployed_at: float
    account_id: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    dead_letter: str | None = None
    tenant_isolation: bool = False
    reserved_concurrency: int | None = None

    def configuration(self) -> dict[str, Any]:
        """Return it as the service model's ``FunctionConfiguration``."""
        optional = {
            "Environment": {"Variables": dict(self.environment)} if self.environment else None,
            "DeadLetterConfig": {"TargetArn": self.dead_letter} if self.dead_letter else None,
            "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"} if self.tenant_isolation else None,
        }
        moment = datetime.fromtimestamp(self.deployed_at, UTC)
        return {
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "Runtime": self.runtime,
            "Role": f"arn:{self.arn.split(':')[1]}:iam::{self.account_id}:role/local",
            "Handler": self.handler,
            "Description": "",
            # The service model has whole seconds; a local function may have less than one.
            "Timeout": max(1, round(self.timeout)),
            "MemorySize": self.memory,
            "LastModified": moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
            "Version": self.version,
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
            **_NO_CODE,
            **{name: value for name, value in optional.items() if value is not None},
        }


def function_response(function: Description) -> ApiResponse:
    """Build the response of ``GetFunction``."""
    members: dict[str, Any] = {"Configuration": function.configuration(), "Code": {}, "Tags": {}}
    if function.reserved_concurrency is not None:
        members["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
    return _json_response(members)


def configuration_response(function: Description) -> ApiResponse:
    """Build the response of ``GetFunctionConfiguration``."""
    return _json_response(function.configuration())


def function_list_response(function: Iterable[Description]) -> ApiResponse:
    """Build the response of ``ListFunctions``, all on one page."""
    return _json_response({"Functions": [function.configuration() for function in function]})


def _json_response(members: Mapping[str, Any]) -> ApiResponse:
    return ApiResponse(200, json.dumps(members).encode())
