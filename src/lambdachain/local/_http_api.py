"""The declaration of a local HTTP API or function URL: its routes, and how requests become events."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from ._argument_types import FLAG, MAPPING, NUMBER, TEXT, WHOLE, ArgumentType, describe_type, find_type_errors
from ._endpoint_settings import MAX_PORT
from ._function_config import LocalFunction

HttpApiKind: TypeAlias = Literal["rest", "http", "url"]
PayloadFormat: TypeAlias = Literal["1.0", "2.0"]
AuthorizerKind: TypeAlias = Literal["token", "request"]

DEFAULT_ROUTE: Final = "$default"
# Integration timeouts in seconds: the quotas of REST APIs and HTTP APIs; a function URL waits as long as a function.
MAX_TIMEOUTS: Final[Mapping[HttpApiKind, float]] = {"rest": 29.0, "http": 30.0, "url": 900.0}

_METHODS: Final = "ANY|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_ROUTE_KEY: Final = re.compile(rf"(?:(?P<method>{_METHODS}) (?P<path>/\S*)|\$default)")
# What an authorizer needs of a request: `header.Authorization`, `querystring.key`, `context.http.method`.
_IDENTITY_SOURCE: Final = re.compile(r"(?:header|querystring|context|stageVariables)\.\S+")
_VARIABLE: Final = re.compile(r"\{[\w.:-]+\+?\}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCors:
    """The CORS settings of an API or a function URL.

    Attributes:
        allow_origins: Origins such as ``https://app.example.com``, or ``*``.
        allow_methods: Methods, or ``*``.
        allow_headers: Request headers, or ``*``.
        expose_headers: Response headers that a page may read.
        allow_credentials: Whether a page may send cookies.
        max_age: Seconds for which a browser may reuse a preflight response.
    """

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class LocalHttpAuthorizer:
    """A Lambda authorizer: the function that decides whether a request may pass.

    >>> authorizer = LocalHttpAuthorizer("CheckToken", identity_sources=["header.Authorization"])

    Attributes:
        function: The name of the function.
        qualifier: A version or an alias of it.
        kind: What a REST API passes to it: a ``token``, which is its only identity source, or the whole ``request``.
        identity_sources: What a request must have, or else it gets 401, and the function does not run:
            ``header.NAME``, ``querystring.NAME``, ``context.NAME`` or ``stageVariables.NAME``.
        token_pattern: The regular expression that the whole token must match, or else the request gets 401.
        payload_format: The format of the event of an HTTP API: ``1.0`` or ``2.0``.
        simple_responses: Whether the function of an HTTP API returns ``isAuthorized`` instead of an IAM policy.
    """

    function: str
    qualifier: str | None = field(default=None, kw_only=True)
    kind: AuthorizerKind = field(default="request", kw_only=True)
    identity_sources: Sequence[str] = field(default=(), kw_only=True)
    token_pattern: str | None = field(default=None, kw_only=True)
    payload_format: PayloadFormat = field(default="2.0", kw_only=True)
    simple_responses: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class LocalHttpRoute:
    """Where the requests of a route go.

    Attributes:
        function: The name of the function.
        qualifier: A version or an alias of it.
        payload_format: The format of the events: ``1.0`` or ``2.0``. By default ``1.0`` for a REST API, which has no
            other, and ``2.0`` for everything else.
        timeout: Seconds to wait for the function; by default 29 for a REST API, and 30 for an HTTP API.
        authorizer: The authorizer of its requests, one of those of the API; by default, every request passes.
    """

    function: str
    qualifier: str | None = field(default=None, kw_only=True)
    payload_format: PayloadFormat | None = field(default=None, kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)
    authorizer: str | None = field(default=None, kw_only=True)


_ARGUMENT_TYPES: Final = {
    "name": TEXT,
    "routes": MAPPING,
    "kind": TEXT,
    "stage": TEXT,
    "stage_variables": MAPPING,
    "authorizers": MAPPING,
    "stream": FLAG,
    "port": WHOLE,
    "cors": ArgumentType((LocalCors,), "a LocalCors").or_none(),
}


@dataclass(frozen=True, slots=True)
class LocalHttpApi:
    """An API of API Gateway, or a function URL, for a `LocalEndpoint` to serve at an address of its own.

    >>> shop = LocalHttpApi("Shop", {"GET /orders/{id}": "GetOrder", "ANY /admin/{proxy+}": "Admin"})
    >>> url = LocalHttpApi.for_function("GetOrder")

    Attributes:
        name: The name that `LocalEndpoint.http_url` takes.
        routes: The function of each route: ``GET /orders/{id}``, ``ANY /files/{proxy+}`` or ``$default``.
        kind: A REST API (``rest``), an HTTP API (``http``) or a function URL (``url``).
        stage: The stage. A path may begin with it, as on AWS, or not, as with a custom domain name.
        stage_variables: The variables of the stage, which events contain.
        authorizers: The Lambda authorizers, by the names that routes use.
        cors: The CORS settings. Those of a REST API apply to preflight requests only, as on AWS.
        binary_types: Media types whose bodies a REST API encodes as base64, such as ``image/*``. HTTP APIs and function
            URLs need none: they encode everything but text.
        stream: Whether the response is streamed, as with the invoke mode ``RESPONSE_STREAM`` of a function URL.
        port: The port, or 0 for a free one.

    Raises:
        ValueError: A value is malformed; the message names the API and the field.
    """

    name: str
    routes: Mapping[str, LocalHttpRoute | str] = field(hash=False)
    kind: HttpApiKind = field(default="http", kw_only=True)
    stage: str = field(default=DEFAULT_ROUTE, kw_only=True)
    stage_variables: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True, hash=False)
    authorizers: Mapping[str, LocalHttpAuthorizer] = field(
        default_factory=dict[str, LocalHttpAuthorizer], kw_only=True, hash=False
    )
    cors: LocalCors | None = field(default=None, kw_only=True)
    binary_types: tuple[str, ...] = field(default=(), kw_only=True)
    stream: bool = field(default=False, kw_only=True)
    port: int = field(default=0, kw_only=True)

    @classmethod
    def for_function(
        cls,
        function: str,
        *,
        qualifier: str | None = None,
        cors: LocalCors | None = None,
        stream: bool = False,
        port: int = 0,
    ) -> Self:
        """Create the function URL of a function."""
        route = LocalHttpRoute(function, qualifier=qualifier)
        return cls(function, {DEFAULT_ROUTE: route}, kind="url", cors=cors, stream=stream, port=port)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"HTTP API {self.name!r}: {problem}")
        routes = {key: LocalHttpRoute(each) if isinstance(each, str) else each for key, each in self.routes.items()}
        object.__setattr__(self, "routes", routes)

    @property
    def targets(self) -> Mapping[str, LocalHttpRoute]:
        """The routes, each with its target as a `LocalHttpRoute`."""
        return {key: LocalHttpRoute(each) if isinstance(each, str) else each for key, each in self.routes.items()}

    def payload_format(self, route: LocalHttpRoute) -> PayloadFormat:
        """Return the format of the events of a route."""
        return route.payload_format or ("1.0" if self.kind == "rest" else "2.0")

    def timeout(self, route: LocalHttpRoute) -> float:
        """Return the seconds for which a route waits for its function."""
        return route.timeout or MAX_TIMEOUTS[self.kind]

    def _problems(self) -> Iterable[str]:
        arguments: dict[str, Any] = {name: getattr(self, name) for name in _ARGUMENT_TYPES}
        yield from find_type_errors(arguments, _ARGUMENT_TYPES)
        if self.kind not in get_args(HttpApiKind):
            yield f"kind must be 'rest', 'http' or 'url', not {self.kind!r}"
        if not 0 <= self.port <= MAX_PORT:
            yield f"port must be 0 to {MAX_PORT}, not {self.port}"
        if self.kind == "url" and list(self.routes) != [DEFAULT_ROUTE]:
            yield "a function URL has the route '$default' only"
        if self.stream and self.kind != "url":
            yield "only a function URL can stream"
        for key, route in self.routes.items():
            yield from self._route_problems(key, route)
        for name, authorizer in self.authorizers.items():
            yield from (f"authorizer {name!r}: {each}" for each in _find_authorizer_problems(authorizer, self.kind))

    def _route_problems(self, key: str, route: LocalHttpRoute | str) -> Iterable[str]:
        if reason := find_route_problem(key, self.kind):
            yield f"route {key!r}: {reason}"
        if isinstance(route, str):
            return
        if route.authorizer is not None and route.authorizer not in self.authorizers:
            yield f"route {key!r}: the API has no authorizer {route.authorizer!r}"
        if route.payload_format not in (None, *get_args(PayloadFormat)):
            yield f"route {key!r}: payload_format must be '1.0' or '2.0', not {route.payload_format!r}"
        if route.payload_format is not None and route.payload_format != "1.0" and self.kind == "rest":
            yield f"route {key!r}: a REST API has the payload format '1.0' only"
        yield from find_type_errors(
            {f"route {key!r}: timeout": route.timeout}, {f"route {key!r}: timeout": NUMBER.or_none()}
        )
        if route.timeout is not None and not 0 < route.timeout <= MAX_TIMEOUTS["url"]:
            yield f"route {key!r}: timeout must be more than 0, and at most 900 seconds"


def find_route_problem(key: str, kind: HttpApiKind) -> str | None:
    """Return what is wrong with the key of a route, or ``None``."""
    match = _ROUTE_KEY.fullmatch(key)
    if match is None:
        return "not of the form 'METHOD /path', such as 'GET /orders/{id}', or '$default'"
    if key == DEFAULT_ROUTE:
        return "a REST API has no $default route" if kind == "rest" else None
    segments = match["path"].strip("/").split("/")
    for index, segment in enumerate(segments):
        if ("{" in segment or "}" in segment) and not _VARIABLE.fullmatch(segment):
            return f"{segment!r} is not a valid path variable: it must be a whole segment, such as {{id}} or {{proxy+}}"
        if segment.endswith("+}") and index < len(segments) - 1:
            return f"{segment} must be the last segment of the path"
    return None


def index_http_apis(apis: Iterable[LocalHttpApi], functions: Mapping[str, LocalFunction]) -> dict[str, LocalHttpApi]:
    """Return APIs by their names.

    Raises:
        ValueError: Two have one name, or a route goes to something that is not one of *functions*.
    """
    indexed: dict[str, LocalHttpApi] = {}
    for api in apis:
        if not isinstance(api, LocalHttpApi):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"http: each must be a LocalHttpApi, not {describe_type(api)}")  # noqa: TRY004
        if api.name in indexed:
            raise ValueError(f"there are two HTTP APIs of the name {api.name!r}")
        indexed[api.name] = api
        targets: dict[str, LocalHttpRoute | LocalHttpAuthorizer] = {
            **{f"route {key!r}": route for key, route in api.targets.items()},
            **{f"authorizer {name!r}": authorizer for name, authorizer in api.authorizers.items()},
        }
        for place, target in targets.items():
            qualifiers = functions[target.function].qualifiers if target.function in functions else None
            if qualifiers is None or (target.qualifier is not None and target.qualifier not in qualifiers):
                name = target.function if qualifiers is None else f"{target.function}:{target.qualifier}"
                raise ValueError(f"HTTP API {api.name!r}: {place}: there is no function {name!r}")
    return indexed


def _find_authorizer_problems(authorizer: LocalHttpAuthorizer, kind: HttpApiKind) -> Iterable[str]:
    if kind == "url":
        yield "a function URL has no Lambda authorizers"
    if authorizer.kind not in get_args(AuthorizerKind):
        yield f"kind must be 'token' or 'request', not {authorizer.kind!r}"
    if authorizer.kind == "token" and len(authorizer.identity_sources) != 1:
        yield "a token is its only identity source"
    for source in authorizer.identity_sources:
        if not _IDENTITY_SOURCE.fullmatch(source):
            yield f"{source!r} is not an identity source, such as 'header.Authorization'"
    try:
        re.compile(authorizer.token_pattern or "")
    except re.error as exc:
        yield f"token_pattern is not a regular expression: {exc}"


for _class in (LocalCors, LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute):
    _class.__module__ = "lambdachain.local"
