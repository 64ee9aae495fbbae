"""A distributed map that calls a function once for each item, each in a child execution of its own.

Source: "Using Map state in Distributed mode"
(https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html), "ItemReader (Map)"
(https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html) and "ResultWriter (Map)"
(https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html).
"""

# Annotations are not deferred here: those of public dataclasses would be evaluated in the public module, which has no
# Literal.

from dataclasses import dataclass
from typing import Any, Final, Literal

from lambdachain._calling.retry import RetryPolicy
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._core.errors import ContractError

from ._limits import MAX_EXPRESS_DURATION, MAX_FUNCTION_TIMEOUT, MAX_MAP_CONCURRENCY, TIMEOUT_MARGIN
from ._query_language import QueryLanguage, set_member
from ._retry import STATE_RETRIES
from ._task import begin_state, end_or_next, get_address, keep_set, task, to_resource

ExecutionType = Literal["STANDARD", "EXPRESS"]
_PAYLOADS: Final = {"JSONPath": "$.payload", "JSONata": "{% $states.input.payload %}"}
_SELECTORS: Final = {
    "JSONPath": {"index.$": "$$.Map.Item.Index", "payload.$": "$$.Map.Item.Value"},
    "JSONata": {
        "index": "{% $states.context.Map.Item.Index %}",
        "payload": "{% $states.context.Map.Item.Value %}",
    },
}
_DELIMITERS: Final = {",": "COMMA", "|": "PIPE", ";": "SEMICOLON", " ": "SPACE", "\t": "TAB"}


@dataclass(frozen=True, slots=True)
class S3Items:
    r"""The object in S3 that has the items of a distributed map.

    >>> from lambdachain.stepfunctions import S3Items
    >>> S3Items("orders", "october.csv", format="CSV", delimiter=";").format
    'CSV'

    Attributes:
        bucket: The bucket's name, a path (``"$.bucket"``) or an expression (``"{% $states.input.bucket %}"``).
        key: The object's key, a path or an expression.
        format: ``"JSONL"`` for one JSON value in each line, ``"JSON"`` for an array, or ``"CSV"``, whose items are
            objects of texts.
        headers: The names of the columns of a CSV file; by default, they are in its first row.
        delimiter: The delimiter of a CSV file: one of ``,`` ``|`` ``;`` a blank and a tab; by default a comma.
        max_items: The number of items after which the map ends; by default, all are read.

    Raises:
        ContractError: An option is for another format, or not one that Step Functions has.
    """

    bucket: str
    key: str
    format: Literal["JSONL", "JSON", "CSV"] = "JSONL"
    headers: tuple[str, ...] | None = None
    delimiter: str | None = None
    max_items: int | None = None

    def __post_init__(self) -> None:
        if self.format not in ("JSONL", "JSON", "CSV"):
            raise ContractError(f"S3Items: format must be JSONL, JSON or CSV, not {self.format!r}")
        if self.format != "CSV" and (self.headers is not None or self.delimiter is not None):
            raise ContractError("S3Items: headers and delimiter are for format='CSV'")
        if self.delimiter is not None and self.delimiter not in _DELIMITERS:
            raise ContractError(f"S3Items: delimiter must be one of {[*_DELIMITERS]}, not {self.delimiter!r}")

    def to_reader(self, address: str, language: QueryLanguage) -> dict[str, Any]:
        """Return the ``ItemReader`` of a map."""
        config: dict[str, Any] = {"InputType": self.format}
        if self.format == "CSV":
            config["CSVHeaderLocation"] = "FIRST_ROW" if self.headers is None else "GIVEN"
            if self.headers is not None:
                config["CSVHeaders"] = [*self.headers]
            if self.delimiter is not None:
                config["CSVDelimiter"] = _DELIMITERS[self.delimiter]
        if self.max_items is not None:
            config["MaxItems"] = self.max_items
        arguments = _to_arguments({"Bucket": self.bucket, "Key": self.key}, language)
        return {"Resource": to_resource("s3:getObject", address), "ReaderConfig": config, **arguments}


@dataclass(frozen=True, slots=True)
class S3Results:
    """Where in S3 a distributed map writes the results of its child executions.

    Without it, they are the output of the map, which fails if they exceed 256 KiB.

    >>> from lambdachain.stepfunctions import S3Results
    >>> S3Results("orders", "results/october").prefix
    'results/october'

    Attributes:
        bucket: The bucket's name, a path or an expression; see ``S3Items``.
        prefix: The prefix of the keys.
    """

    bucket: str
    prefix: str = ""

    def to_writer(self, address: str, language: QueryLanguage) -> dict[str, Any]:
        """Return the ``ResultWriter`` of a map."""
        arguments = _to_arguments({"Bucket": self.bucket, "Prefix": self.prefix}, language)
        return {"Resource": to_resource("s3:putObject", address), **arguments}


def distributed_map(
    contract: HasContract[Any, Any],
    /,
    *,
    items: S3Items | str | None = None,
    results: S3Results | None = None,
    max_concurrency: int = 1000,
    tolerated_failure_percentage: float | None = None,
    execution_type: ExecutionType = "STANDARD",
    with_index: bool = False,
    child_name: str = "Call",
    retry: RetryPolicy = STATE_RETRIES,
    function: str | None = None,
    function_timeout: float | None = None,
    query_language: QueryLanguage = "JSONPath",
    next: str | None = None,  # noqa: A002 - the word of ASL
) -> dict[str, Any]:
    """Return the state of a distributed map that calls the function of a contract for each item.

    >>> from lambdachain import Contract
    >>> from lambdachain.stepfunctions import S3Items, distributed_map
    >>> double = Contract("orders-double", request=int, response=int)
    >>> distributed_map(double, items=S3Items("orders", "in.jsonl"))["ItemReader"]["Parameters"]
    {'Bucket': 'orders', 'Key': 'in.jsonl'}

    Args:
        contract: The contract, or a handler of ``remote``; its request is one item.
        items: The items in S3, or a path or expression of an array; by default, the input is the array.
        results: Where in S3 the results go; by default, they are the output of the state.
        max_concurrency: How many child executions run at a time, at most 10,000.
        tolerated_failure_percentage: By default, the map fails with the first item that does; 100 lets all others run.
        execution_type: ``"EXPRESS"`` is cheaper, ends after five minutes, and may run an item twice.
        with_index: Whether a child's input is ``{"index": 0, "payload": ...}``; the function gets the payload.
        child_name: The name of the state in a child execution: names are unique in a whole definition.
        retry: As of ``task``; the map itself is never retried, which would call the function again for finished items.
        function: What ``FunctionName`` is.
        function_timeout: The function's own ``Timeout`` in seconds; by default the longest possible.
        query_language: ``"JSONPath"`` or ``"JSONata"``.
        next: The name of the next state; without it, the state is the last.

    Raises:
        ContractError: As ``task``; or a number is out of range, or Express is not for this function.
    """
    declared, address = contract.contract, function or get_address(contract.contract)
    timeout = _choose_timeout(declared, function_timeout, execution_type)
    payload = _PAYLOADS[query_language] if with_index else None
    options: Any = {"retry": retry, "function": function, "query_language": query_language}
    call = task(declared, payload=payload, function_timeout=timeout, **options)
    return {
        **begin_state("Map", declared.description, query_language),
        **_build_items(items, address, query_language),
        **({"ItemSelector": _SELECTORS[query_language]} if with_index else {}),
        "ItemProcessor": _build_processor(child_name, call, execution_type),
        **_build_limits(max_concurrency, tolerated_failure_percentage),
        **({} if results is None else {"ResultWriter": results.to_writer(address, query_language)}),
        **end_or_next(next),
    }


def _build_processor(name: str, call: dict[str, Any], execution_type: ExecutionType) -> dict[str, Any]:
    call.pop("Comment", None)  # the map has it
    config = {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}
    return {"ProcessorConfig": config, "StartAt": name, "States": {name: call}}


def _choose_timeout(
    contract: Contract[Any, Any], function_timeout: float | None, execution_type: ExecutionType
) -> float:
    """Return the timeout of the function, after a check that this type of execution is for it."""
    if execution_type not in ("STANDARD", "EXPRESS"):
        raise ContractError(f"execution_type must be STANDARD or EXPRESS, not {execution_type!r}")
    if execution_type == "STANDARD":
        return MAX_FUNCTION_TIMEOUT if function_timeout is None else function_timeout
    # "Execution guarantees": https://docs.aws.amazon.com/step-functions/latest/dg/express-at-least-once-execution.html
    if not contract.idempotent:
        raise ContractError(
            f"execution_type: an Express execution may run {contract.function} twice for an item, and its contract is "
            "not idempotent: use STANDARD, or declare Contract(..., idempotent=True) if running it twice does no harm"
        )
    if function_timeout is not None and function_timeout >= MAX_EXPRESS_DURATION:
        raise ContractError(
            f"function_timeout: an Express execution ends after {MAX_EXPRESS_DURATION} seconds, which is not after the "
            f"{function_timeout:g} seconds of the function: use STANDARD"
        )
    # By default the longest for which the task, with its margin, ends before the execution does.
    return MAX_EXPRESS_DURATION - TIMEOUT_MARGIN if function_timeout is None else function_timeout


def _build_limits(concurrency: int, percentage: float | None) -> dict[str, Any]:
    if not 1 <= concurrency <= MAX_MAP_CONCURRENCY:
        raise ContractError(f"max_concurrency must be 1 to {MAX_MAP_CONCURRENCY:,}, not {concurrency}")
    if percentage is not None and not 0 <= percentage <= 100:
        raise ContractError(f"tolerated_failure_percentage must be 0 to 100, not {percentage}")
    return {"MaxConcurrency": concurrency, **keep_set({"ToleratedFailurePercentage": percentage})}


def _build_items(items: S3Items | str | None, address: str, language: QueryLanguage) -> dict[str, Any]:
    if isinstance(items, S3Items):
        return {"ItemReader": items.to_reader(address, language)}
    if language == "JSONata":
        return {"Items": "{% $states.input %}" if items is None else items}
    return {} if items is None else {"ItemsPath": items}


def _to_arguments(values: dict[str, str], language: QueryLanguage) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        set_member(arguments, name, value, language)
    return {"Parameters" if language == "JSONPath" else "Arguments": arguments}
