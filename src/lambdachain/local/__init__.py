"""A Lambda endpoint on this machine: the Invoke API over HTTP; functions run in processes of the real ``awslambdaric``.

Any client can call it: boto3, the AWS CLI, another SDK, moto's Step Functions, ``lambdachain`` itself. It needs the
extra ``lambdachain[local]`` and an operating system with POSIX processes (Linux, macOS).
"""

from __future__ import annotations

from importlib.util import find_spec

from lambdachain._core.extras import explain_missing

_MISSING = [name for name in ("aiohttp", "awslambdaric", "httptools") if find_spec(name) is None]
if _MISSING:
    raise ImportError(explain_missing("lambdachain.local", " and ".join(_MISSING), "local"))

from ._endpoint import LocalEndpoint  # noqa: E402 - the check above has a better message
from ._event_config import EventConfig  # noqa: E402
from ._function_config import LocalFunction  # noqa: E402
from ._http_api import LocalCors, LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute  # noqa: E402
from ._invocations import LocalInvocation  # noqa: E402
from ._versions import LocalAlias, LocalVersion  # noqa: E402

__all__ = [
    "EventConfig",
    "LocalAlias",
    "LocalCors",
    "LocalEndpoint",
    "LocalFunction",
    "LocalHttpApi",
    "LocalHttpAuthorizer",
    "LocalHttpRoute",
    "LocalInvocation",
    "LocalVersion",
]
