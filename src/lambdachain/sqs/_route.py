"""Which events go to which queue, and how an event becomes a message."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple
from urllib.parse import urlsplit

from lambdachain._contracts.contract import Contract, HasContract, Req
from lambdachain._core.client_context import unwrap_envelope
from lambdachain._core.errors import ContractError
from lambdachain._core.escaping import json_printable
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Progress, Trouble
from lambdachain._json.codec import codec_for

# What SQS accepts as a group or deduplication id: letters, digits and punctuation of ASCII.
_ID: Final = re.compile(r"[!-~]{1,128}")
# Of the endpoints, and of those that older queue URLs name: eu-west-1.queue.amazonaws.com.
_REGION: Final = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.")
_AWS_HOST: Final = re.compile(r"sqs\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|[a-z.-]*aws[a-z.-]*)")


@dataclass(frozen=True, slots=True)
class QueueRoute(Generic[Req]):
    """The queue that the events of a contract go to, in place of Lambda's own.

    >>> from lambdachain import Contract
    >>> place_order = Contract("orders-place", request=dict[str, str], response=None, envelope=True)
    >>> url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"
    >>> QueueRoute(place_order, url, group_by=lambda order: order["customer"]).is_fifo
    True

    Attributes:
        contract: The contract, or the handler of it.
        queue_url: The URL of the queue, as ``GetQueueUrl`` and a template's ``!Ref`` return it.
        group_by: Returns the message group of a request. SQS delivers the messages of a group of a FIFO queue in order,
            one batch at a time; by default, all messages of the contract are one group. For a standard queue, none.

    Raises:
        ContractError: *contract* is not a contract, or *queue_url* not a URL.
    """

    contract: HasContract[Req, Any]
    queue_url: str
    group_by: Callable[[Req], str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        contract: Any = getattr(self.contract, "contract", None)
        if not isinstance(contract, Contract):
            raise ContractError(
                f"a route needs a Contract, not {type(self.contract).__name__}: QueueRoute(contract, url)"
            )
        if not _is_queue_url(self.queue_url):
            raise ContractError(
                f"the route of {contract.function}: queue_url must be the queue's URL, such as "
                "https://sqs.eu-west-1.amazonaws.com/123456789012/orders, not its name or ARN"
            )
        if self.group_by is not None and not callable(self.group_by):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ContractError(f"the route of {contract.function}: group_by must be a function of the request")

    @property
    def is_fifo(self) -> bool:
        """Whether the queue is a FIFO queue."""
        return self.queue_url.endswith(".fifo")

    @property
    def host(self) -> str:
        """The host of the queue."""
        return urlsplit(self.queue_url).hostname or ""

    @property
    def region(self) -> str | None:
        """The region in the URL; ``None`` if it names none."""
        found = _REGION.search(self.host)
        return found[1] or found[2] if found else None

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint that the URL belongs to, if it is not AWS's public one, which botocore knows itself."""
        split = urlsplit(self.queue_url)
        return None if _AWS_HOST.fullmatch(self.host) else f"{split.scheme}://{split.netloc}"


def _is_queue_url(url: Any) -> bool:
    """Check whether *url* is a URL without a user or password, which a route would show in its repr."""
    split = urlsplit(url) if isinstance(url, str) else None
    return split is not None and bool(split.hostname) and "@" not in split.netloc and split.scheme in ("http", "https")


class QueueMessage(NamedTuple):
    """The parameters of ``SendMessage``."""

    queue_url: str
    body: str
    group_id: str | None
    deduplication_id: str | None

    def to_parameters(self) -> dict[str, str]:
        """Return boto3's parameters."""
        optional = {"MessageGroupId": self.group_id, "MessageDeduplicationId": self.deduplication_id}
        present = {name: value for name, value in optional.items() if value is not None}
        return {"QueueUrl": self.queue_url, "MessageBody": self.body, **present}


def to_message(route: QueueRoute[Any], invocation: Invocation) -> QueueMessage:
    """Convert an event to the message of a route.

    Raises:
        NoAnswerError: It is not an event, or has an option that no message can carry; nothing was sent.
    """
    _check_event(route, invocation)
    body = json_printable(invocation.payload.decode())  # SQS accepts no character that XML does not have
    if not route.is_fifo and route.group_by is None:
        return QueueMessage(route.queue_url, body, None, None)
    payload = json.loads(invocation.payload)
    data, metadata = unwrap_envelope(payload) if route.contract.contract.envelope else (payload, None)
    key = metadata.idempotency_key if metadata is not None and route.is_fifo else None
    return QueueMessage(route.queue_url, body, _group_for(route, data), None if key is None else to_sqs_id(key))


def _check_event(route: QueueRoute[Any], invocation: Invocation) -> None:
    if invocation.invocation_type is InvocationType.REQUEST_RESPONSE:
        raise refuse(
            "the function is reached through a queue, which returns no response: use fire(), or another client"
        )
    if invocation.invocation_type is InvocationType.DRY_RUN:
        raise refuse("can_invoke() cannot check a queue: SQS has no dry run of SendMessage")
    declared = route.contract.contract.qualifier
    options = {
        "qualifier": invocation.qualifier if invocation.qualifier != declared else None,
        "tenant_id": invocation.tenant_id,
        "durable_name": invocation.durable_name,
    }
    for name, value in options.items():
        if value is not None:
            raise refuse(f"{name}: the event source mapping of the queue decides it, not the message")


def refuse(message: str) -> NoAnswerError:
    """Return the error of a request that is not sent."""
    return NoAnswerError(message, progress=Progress.NOTHING_SENT, trouble=Trouble.REQUEST)


def _group_for(route: QueueRoute[Any], data: Any) -> str:
    contract = route.contract.contract
    if route.group_by is None:
        return to_sqs_id(contract.function)
    from lambdachain._contracts.s3_offload import is_reference

    codec = codec_for(contract.request)
    if contract.offload is not None and is_reference(data):
        request = codec.decode(contract.offload.get(data))
    else:
        request = codec.validate_event(data)
    group: Any = route.group_by(request)
    if not isinstance(group, str) or not _ID.fullmatch(group):
        raise refuse("group_by must return 1 to 128 letters, digits and punctuation characters of ASCII")
    return group


def to_sqs_id(text: str) -> str:
    """Return a text as an id of SQS: the text itself, or its SHA-256 if SQS does not accept it."""
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()
