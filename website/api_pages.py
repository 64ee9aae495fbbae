"""The pages of the API reference: which public names each has. mkdocstrings renders them from the docstrings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

DIRECTORY = PurePosixPath("reference/api")


@dataclass(frozen=True)
class ApiPage:
    """A page about a public module, or about some of the names in ``lambdachain``."""

    title: str
    summary: str
    names: Sequence[str] = ()
    module: str = "lambdachain"

    @property
    def path(self) -> PurePosixPath:
        """Return where the page is in the site's source."""
        name = self.title.lower().replace(" ", "-") if self.names else self.module.removeprefix("lambdachain.")
        return DIRECTORY / f"{name}.md"


PAGES = (
    ApiPage(
        "Clients",
        "Call functions, send events, map, stream and check permissions, with blocking code or with asyncio.",
        [
            "LambdaClient",
            "AsyncLambdaClient",
            "RemoteFunction",
            "AsyncRemoteFunction",
            "CallOptions",
            "MapOptions",
            "MapProgress",
            "InvokeResult",
            "Receipt",
            "Permission",
            "PermissionReason",
        ],
    ),
    ApiPage(
        "Contracts and handlers",
        "Declare what both sides agree on, and turn a typed function into a Lambda handler.",
        [
            "Contract",
            "remote",
            "RemoteHandler",
            "RemoteError",
            "S3Offload",
            "CurrentInvocation",
            "current_invocation",
            "invocation_scope",
        ],
    ),
    ApiPage(
        "Exceptions",
        "What a failed call raises, and what every error tells about it.",
        [
            "LambdaChainError",
            "CallError",
            "Execution",
            "Attempt",
            "ErrorDetail",
            "NotInvokedError",
            "ThrottledError",
            "FunctionNotReadyError",
            "AccessDeniedError",
            "CredentialsError",
            "FunctionNotFoundError",
            "FunctionMisconfiguredError",
            "RequestTooLargeError",
            "InvalidRequestError",
            "RecursiveInvocationError",
            "DeadlineExceededError",
            "ConnectError",
            "OutcomeUnknownError",
            "CallTimeoutError",
            "ConnectionLostError",
            "ServiceError",
            "FunctionError",
            "FunctionTimeoutError",
            "FunctionCrashedError",
            "ResponseTooLargeError",
            "FunctionInitError",
            "RequestRejectedError",
            "ResponseError",
            "ContractError",
            "InvalidArnError",
            "OffloadError",
            "NoAnswerError",
        ],
    ),
    ApiPage(
        "Retries",
        "Decide what is retried, how often, and after which pause.",
        ["RetryPolicy", "RetryBudget", "safe_to_retry", "is_callee_down"],
    ),
    ApiPage(
        "Interceptors and hooks",
        "Run code around every call, every handled invocation, or every attempt.",
        ["Interceptor", "OutgoingCall", "HandledInvocation", "CallAttempt", "StreamResult", "use", "Hook", "AsyncHook"],
    ),
    ApiPage(
        "Transports",
        "Choose how a request reaches Lambda, or write a transport of your own.",
        [
            "HttpTransport",
            "AsyncHttpTransport",
            "BotoTransport",
            "AsyncBotoTransport",
            "Transport",
            "AsyncTransport",
            "TransportWrapper",
            "AsyncTransportWrapper",
            "Invocation",
            "InvocationType",
            "Outcome",
            "Progress",
            "Trouble",
            "StreamingTransport",
            "AsyncStreamingTransport",
            "ResponseStream",
            "AsyncResponseStream",
            "StreamEnd",
        ],
    ),
    ApiPage(
        "Function addresses",
        "Parse, check and build names, ARNs and qualifiers.",
        ["FunctionArn", "FunctionName", "Qualifier", "parse_target"],
    ),
    ApiPage("lambdachain.resolvers", "Turn a contract's name into the deployed one.", module="lambdachain.resolvers"),
    ApiPage("lambdachain.testing", "Stub functions, or run them in the test's process.", module="lambdachain.testing"),
    ApiPage("lambdachain.local", "Serve functions on this machine, behind Lambda's API.", module="lambdachain.local"),
    ApiPage("lambdachain.doctor", "Check whether calls can work from here.", module="lambdachain.doctor"),
    ApiPage("lambdachain.progress", "Show the progress of a map.", module="lambdachain.progress"),
    ApiPage("lambdachain.sqs", "Send events through a queue, and handle batches.", module="lambdachain.sqs"),
    ApiPage(
        "lambdachain.stepfunctions",
        "Make the states of Step Functions from contracts.",
        module="lambdachain.stepfunctions",
    ),
    ApiPage("lambdachain.httpx", "Call a web app in a function with httpx.", module="lambdachain.httpx"),
    ApiPage("lambdachain.agents", "Offer contracts to language models as tools.", module="lambdachain.agents"),
    ApiPage(
        "lambdachain.compat", "boto3's Lambda client, with safe retries and deadlines.", module="lambdachain.compat"
    ),
    ApiPage("lambdachain.durable", "Call from durable functions.", module="lambdachain.durable"),
    ApiPage(
        "lambdachain.powertools",
        "Idempotency by the caller's key, logging and circuit breakers with Powertools.",
        module="lambdachain.powertools",
    ),
    ApiPage("lambdachain.otel", "Trace and measure calls with OpenTelemetry.", module="lambdachain.otel"),
    ApiPage("lambdachain.xray", "Trace calls with the X-Ray SDK.", module="lambdachain.xray"),
    ApiPage("lambdachain.datadog", "Trace calls with ddtrace.", module="lambdachain.datadog"),
    ApiPage("lambdachain.sentry", "Trace calls with Sentry.", module="lambdachain.sentry"),
)

# Documented where users import them from: lambdachain has the first for convenience, the second is the version.
ELSEWHERE = {"InProcessTransport", "__version__"}


def write_page(page: ApiPage) -> str:
    """Return the Markdown of an API page, for mkdocstrings to fill in."""
    if page.names:
        return "\n\n".join([f"# {page.title}", page.summary, *(f"::: {page.module}.{name}" for name in page.names)])
    options = "    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n      heading_level: 1"
    return f"# {page.title}\n\n::: {page.module}\n{options}"


def write_index() -> str:
    """Return the Markdown of the page that lists the others."""
    return "\n".join(["# API reference", "", _INTRODUCTION, "", *_rows()])


_INTRODUCTION = (
    "Generated from the docstrings. Every name is imported from the module that its page names; names without a module "
    "come from `lambdachain` itself. The examples in the docstrings run in the tests."
)


def _rows() -> Iterator[str]:
    yield "| page | what it is for |"
    yield "|---|---|"
    for page in PAGES:
        title = page.title if page.names else f"`{page.title}`"
        yield f"| [{title}]({page.path.name}) | {page.summary} |"
