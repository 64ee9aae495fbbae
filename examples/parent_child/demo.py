"""One function calls another, both in processes of the real Lambda runtime client: run by ``make demo``."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import boto3
from purchase_contracts import OutOfStock, Purchase, child, parent, report

from lambdachain import BotoTransport, CallError, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

HERE = Path(__file__).parent


def system() -> LocalEndpoint:
    """Lay the functions out as they would be deployed: each in its directory, the contracts installed in all."""

    def deployed(name: str, directory: str, handler: str, timeout: float = 3.0) -> LocalFunction:
        contracts = {"PYTHONPATH": str(HERE / "contracts")}
        return LocalFunction(name, handler, directory=HERE / directory, environment=contracts, timeout=timeout)

    return LocalEndpoint(
        [
            deployed("ParentFunction", "parent", "parent_function.handler"),
            deployed("ChildFunction", "child", "child_function.handler"),
            deployed("ReportFunction", "child", "child_function.report_handler", timeout=1.0),
        ]
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    """Create a client for the endpoint, with dummy credentials: it requires a signature but does not verify it."""
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def show(title: str, action: Callable[[], object]) -> None:
    """Print what an action returns, or how it fails."""
    print(f"\n{title}")
    try:
        print(f"  {action()!r}")
    except CallError as error:
        print(f"  {type(error).__name__}: {error}")
        print(f"  did it run? {error.execution}. May I retry? {'yes' if error.retryable else 'no'}.")


def main() -> None:
    keyboards = Purchase(product="Keyboard", quantity=3, unit_price=Decimal("24.90"))
    monitors = Purchase(product="Monitor", quantity=3, unit_price=Decimal("199.00"))
    with system() as endpoint, local_client(endpoint) as client:
        print(f"ParentFunction, ChildFunction and ReportFunction at {endpoint.url}")
        show("call: the parent, which calls the child", lambda: client.call(parent, keyboards))
        show("call: the child itself, typed", lambda: client.call(child, keyboards))
        show(
            "invoke: the same, with the metadata of the response",
            lambda: client.invoke(child, keyboards, log_tail=True),
        )
        show("fire: queue an event", lambda: client.fire(child, keyboards))
        show("can_invoke: is it allowed?", lambda: client.can_invoke(child))
        show("can_invoke: does it exist?", lambda: client.can_invoke("ChildFuntcion"))
        show("a declared error comes back as its class", lambda: client.call(child, monitors))
        show("... and the parent caught it", lambda: client.call(parent, monitors))
        show("the function runs into its own timeout (1 s)", lambda: client.call(report, None))
        show("the caller stops waiting (0.5 s)", lambda: client.call(report, None, timeout=0.5))
        wrong = keyboards.model_copy(update={"quantity": "three"})
        show("an invalid payload is refused here, before it is sent", lambda: client.call(child, wrong))
        show("... and there, if a caller has no contract", lambda: client.call("ChildFunction", {"quantity": 0}))
        try:
            client.call(child, monitors)
        except OutOfStock as short:
            print(f"\nexcept OutOfStock as short: short.available == {short.available}")


if __name__ == "__main__":
    main()
