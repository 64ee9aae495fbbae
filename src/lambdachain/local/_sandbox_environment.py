"""The environment variables of a sandbox: Lambda's, and of this machine's only what a process needs to start."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from typing import Final

from lambdachain._lambda_api.aws_location import AwsLocation

from ._credentials import SECRET_KEY, SESSION_TOKEN, access_key_id
from ._function_config import LocalFunction
from ._runtimes import runtime_for

# Some interpreters do not start without the library search paths.
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")

# Where an X-Ray daemon would listen on this machine. Without one, an SDK's UDP packets are lost, which is harmless.
_XRAY_HOST: Final = "127.0.0.1"
_XRAY_PORT: Final = "2000"


def sandbox_environment(
    function: LocalFunction,
    version: str,
    *,
    location: AwsLocation,
    variables: Mapping[str, str],
    runtime_api: str,
    host: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Build the environment variables of a sandbox.

    The credentials are fake: they sign calls to this endpoint, and AWS rejects them. The machine's own credentials are
    out of reach, whether they come from variables, files or an instance's role.

    Args:
        function: The function; its own variables override all others.
        version: The version of the function.
        location: The account and region of the endpoint.
        variables: The variables for all functions: the addresses of the endpoint and of its services.
        runtime_api: The address of the sandbox's Runtime API.
        host: The environment of this process.
    """
    log_stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{uuid.uuid4().hex}"
    return {
        **{name: host[name] for name in _PASSED_ON if name in host},
        "AWS_ACCESS_KEY_ID": access_key_id(function.name),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": location.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": location.region,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{_XRAY_HOST}:{_XRAY_PORT}",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(function.directory),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": _XRAY_HOST,
        "_AWS_XRAY_DAEMON_PORT": _XRAY_PORT,
        "_HANDLER": function.handler,
        # Later ones override earlier ones: the function's own variables come last.
        **variables,
        **runtime_for(function).environment(function),
        **function.environment,
    }
