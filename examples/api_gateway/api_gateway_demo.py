"""What clients of the API see: both kinds of API Gateway, and every status."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from api_function import orders_api
from gateway_events import HttpEvent, RestEvent
from sample_events import http_event, order, rest_event

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction, LocalHttpApi

HERE = Path(__file__).parent


def system(*, orders_concurrency: int | None = None) -> LocalEndpoint:
    """Deploy the API's function and the one behind it, which has a concurrency limit."""
    return LocalEndpoint(
        [
            LocalFunction("OrdersApi", "api_function.handler", directory=HERE),
            LocalFunction(
                "PlaceOrder", "orders_function.handler", directory=HERE, reserved_concurrency=orders_concurrency
            ),
        ],
        http=[
            LocalHttpApi("RestApi", {"POST /orders": "OrdersApi"}, kind="rest", stage="Prod"),
            LocalHttpApi("HttpApi", {"$default": "OrdersApi"}),
        ],
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def show(client: LambdaClient, title: str, event: RestEvent | HttpEvent) -> None:
    answer = client.call(orders_api, event)
    print(f"{title}: {answer.status_code} {answer.body}")


def show_http(title: str, url: str, body: str) -> None:
    """Send a request as a browser or curl would."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", urlsplit(url).path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    print(f"{title}: {response.status} {response.read().decode()}")
    connection.close()


def main() -> None:
    keyboards = RestEvent.model_validate(rest_event("POST", "/orders", order("Keyboard", 3)))
    with system() as endpoint, local_client(endpoint) as client:
        show(client, "a REST API", keyboards)
        monitors = HttpEvent.model_validate(http_event("POST", "/orders", order("Monitor", 1)))
        show(client, "an HTTP API", monitors)
        show(client, "a domain error", monitors.model_copy(update={"body": order("Monitor", 3)}))
        show(client, "another one", monitors.model_copy(update={"body": order("Abacus", 1)}))
        show(client, "a wrong order", monitors.model_copy(update={"body": order("Monitor", 0)}))
        show(client, "no JSON at all", monitors.model_copy(update={"body": "{"}))
        show(client, "another path", monitors.model_copy(update={"body": None, "request_context": elsewhere()}))
        show_http("over HTTP, a REST API", endpoint.http_url("RestApi") + "/Prod/orders", order("Keyboard", 1))
        show_http("over HTTP, an HTTP API", endpoint.http_url("HttpApi") + "/orders", order("Abacus", 1))
    with system(orders_concurrency=0) as endpoint, local_client(endpoint) as client:
        show(client, "no concurrency left", keyboards)


def elsewhere() -> object:
    return HttpEvent.model_validate(http_event("GET", "/", None)).request_context


if __name__ == "__main__":
    main()
