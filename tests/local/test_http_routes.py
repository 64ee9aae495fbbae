"""Which route a request takes: API Gateway's precedence, path variables and stages."""

from __future__ import annotations

from typing import Any

import pytest

from lambdachain.local import LocalCors, LocalHttpApi, LocalHttpRoute
from lambdachain.local._http_routes import match_route

# The routes and the requests of the developer guide's example.
EXAMPLE = LocalHttpApi(
    "Pets",
    {
        "GET /pets/dog/1": "a",
        "GET /pets/dog/{id}": "b",
        "GET /pets/{proxy+}": "c",
        "ANY /{proxy+}": "d",
        "$default": "e",
    },
)
TREE = LocalHttpApi(
    "Tree", {"GET /orders": "a", "ANY /orders/{id}": "b", "GET /{proxy+}": "c"}, kind="rest", stage="Prod"
)


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("GET", "/pets/dog/1", "a"),
        ("GET", "/pets/dog/2", "b"),
        ("GET", "/pets/cat/1", "c"),
        ("POST", "/test/5", "d"),
        ("POST", "/pets/dog/1", "d"),
        ("GET", "/", "e"),
    ],
)
def test_precedence_of_an_http_api(method: str, path: str, function: str):
    """A full match, then a greedy variable, then $default."""
    route = match_route(EXAMPLE, method, path)

    assert route is not None
    assert route.target.function == function


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("GET", "/orders", "a"),
        ("GET", "/orders/", "a"),
        ("POST", "/orders", None),
        ("DELETE", "/orders/5", "b"),
        ("GET", "/other/5", "c"),
        ("GET", "/", None),
        ("GET", "/Prod/orders", "a"),
        ("GET", "/Prod", None),
    ],
)
def test_resources_of_a_rest_api(method: str, path: str, function: str | None):
    """The path selects the resource, and only that one's methods count."""
    route = match_route(TREE, method, path)

    assert (route and route.target.function) == function


@pytest.mark.parametrize(("kind", "one", "rest"), [("rest", "a%20%2Fb", "a%2Bb//c"), ("http", "a /b", "a+b//c/")])
def test_path_variables(kind: Any, one: str, rest: str):
    """One is a segment, a greedy one the rest of the path; an HTTP API decodes them, a REST API does not."""
    api = LocalHttpApi("A", {"ANY /orders/{id}": "b", "GET /files/{proxy+}": "c"}, kind=kind)
    first = match_route(api, "GET", "/orders/a%20%2Fb")
    greedy = match_route(api, "GET", "/files/a%2Bb//c/")

    assert first is not None
    assert first.parameters == {"id": one}
    assert greedy is not None
    assert greedy.parameters == {"proxy": rest}


def test_slashes_at_the_beginning():
    """A REST API takes them for one."""
    route = match_route(TREE, "GET", "/Prod//orders")

    assert route is not None
    assert (route.key, route.path) == ("GET /orders", "/orders")


@pytest.mark.parametrize("stage", ["$default", "dev"])
def test_stage(stage: str):
    """A path may begin with the stage or not; $default has no path."""
    api = LocalHttpApi("A", {"GET /x": "f"}, stage=stage)

    assert match_route(api, "GET", "/x") is not None
    assert (match_route(api, "GET", "/dev/x") is not None) == (stage == "dev")


@pytest.mark.parametrize(
    ("api", "message"),
    [
        ({"routes": {"orders": "f"}}, "route 'orders': not of the form 'METHOD /path'"),
        ({"routes": {"GET /a/{b": "f"}}, "is not a valid path variable"),
        ({"routes": {"GET /{a+}/b": "f"}}, "{a+} must be the last segment of the path"),
        ({"routes": {"$default": "f"}, "kind": "rest"}, "a REST API has no $default route"),
        ({"routes": {"GET /": "f"}, "kind": "url"}, "a function URL has the route '$default' only"),
        ({"routes": {"GET /": "f"}, "stream": True}, "only a function URL can stream"),
        ({"routes": {"GET /": "f"}, "kind": "soap"}, "kind must be 'rest', 'http' or 'url', not 'soap'"),
        ({"routes": {"GET /": "f"}, "port": 70000}, "port must be 0 to 65535, not 70000"),
        ({"routes": {"GET /": "f"}, "cors": "*"}, "cors must be a LocalCors, not str"),
        ({"routes": {"GET /": LocalHttpRoute("f", timeout=-1)}}, "timeout must be more than 0"),
        (
            {"routes": {"GET /": LocalHttpRoute("f", payload_format="2.0")}, "kind": "rest"},
            "a REST API has the payload format '1.0' only",
        ),
    ],
)
def test_mistakes(api: dict[str, object], message: str):
    """A message names the API, the route and the mistake."""
    with pytest.raises(ValueError, match="HTTP API 'A': ") as raised:
        LocalHttpApi("A", **api)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_defaults():
    """Each kind has the payload format and the timeout of AWS."""
    rest = LocalHttpApi("R", {"GET /": "f"}, kind="rest")
    url = LocalHttpApi.for_function("f", cors=LocalCors(allow_origins=("*",)))

    assert (rest.payload_format(rest.targets["GET /"]), rest.timeout(rest.targets["GET /"])) == ("1.0", 29)
    assert (url.payload_format(url.targets["$default"]), url.kind, url.name) == ("2.0", "url", "f")
