"""The type of the fixture ``lambda_endpoint``; apart from the plugin, which must import next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from random import Random

    from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation


class EndpointArguments(TypedDict, total=False):
    """The keyword arguments of ``LocalEndpoint``."""

    host: str
    port: int
    account_id: str
    region: str
    queue: str | Path | None
    clock: Literal["real", "virtual"]
    services: Mapping[str, str] | None
    observer: Callable[[LocalInvocation], None] | None
    random: Random | None


class LambdaEndpoint(Protocol):
    """The type of the pytest fixture ``lambda_endpoint``: each call starts an endpoint, until the test ends.

    >>> from lambdachain.local import LocalFunction
    >>> def test_as_deployed(lambda_endpoint: LambdaEndpoint) -> None:
    ...     endpoint = lambda_endpoint(LocalFunction("billing-charge", "app.handler", directory="billing"))
    ...     assert endpoint.url.startswith("http://127.0.0.1:")
    """

    def __call__(self, *functions: LocalFunction, **settings: Unpack[EndpointArguments]) -> LocalEndpoint:
        """Serve functions, and send the test's calls to them.

        Args:
            functions: The functions.
            settings: The keyword arguments of ``LocalEndpoint``.
        """
        ...


LambdaEndpoint.__module__ = "lambdachain.testing"
