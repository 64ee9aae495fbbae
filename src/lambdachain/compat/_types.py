"""The types of ``compat.client("lambda")``: complete for the calls of functions, with or without boto3's stubs.

For type checkers only. With ``boto3-stubs[lambda]`` or ``types-boto3[lambda]`` the client is also theirs, so it fits
where code is annotated with it, and the other operations are typed, too.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Literal, NotRequired, Required, TypedDict, Unpack

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_lambda import LambdaClient as _Client


class InvokeParameters(TypedDict, total=False):
    """The parameters of ``invoke``."""

    FunctionName: Required[str]
    InvocationType: Literal["RequestResponse", "Event", "DryRun"]
    LogType: Literal["None", "Tail"]
    ClientContext: str
    DurableExecutionName: str
    Payload: str | bytes | bytearray | IO[Any] | StreamingBody
    Qualifier: str
    TenantId: str


class ResponseMetadata(TypedDict):
    """botocore's facts about a response."""

    RequestId: str
    HTTPStatusCode: int
    HTTPHeaders: dict[str, str]
    RetryAttempts: int
    HostId: NotRequired[str]


class InvokeResponse(TypedDict):
    """The response of ``invoke``; boto3 leaves out what Lambda did not send, such as ``FunctionError``."""

    StatusCode: int
    FunctionError: str
    LogResult: str
    Payload: StreamingBody
    ExecutedVersion: str
    DurableExecutionArn: str
    ResponseMetadata: ResponseMetadata


if TYPE_CHECKING:

    class Boto3Client(_Client):  # type: ignore[misc,unused-ignore]
        """boto3's Lambda client; only ``invoke`` is declared here, for projects without boto3's stubs."""

        def invoke(self, **kwargs: Unpack[InvokeParameters]) -> InvokeResponse: ...
        def __getattr__(self, name: str) -> Any: ...
