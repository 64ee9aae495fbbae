"""What both clients do around their calls: they warm up before the first one, and close after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from lambdachain._contracts.contract import HasContract
    from lambdachain._core.arn import Address

    from .async_invoker import AsyncInvoker
    from .async_remote_function import AsyncRemoteFunction
    from .invoker import Invoker
    from .remote_function import RemoteFunction


class ClientLifecycle:
    """What a client does around its calls: it warms up before the first one, and closes after the last."""

    _invoker: Invoker

    def warm_up(self, *targets: HasContract[Any, Any] | RemoteFunction[Any, Any] | Address) -> None:
        """Do now what a first call would have to do: find credentials, connect, build validators; nothing is invoked.

        For module scope: the init phase of a function has a whole processor, and its invocations may have a fourteenth
        of one. It raises nothing: what fails is a debug record, and the call that needs it raises. Connecting takes 2 s
        at most. Under SnapStart, the connections are closed before the snapshot, and opened again after a restore.

        >>> from lambdachain import Contract, LambdaClient
        >>> double = Contract("orders-double", request=int, response=int)
        >>> client = LambdaClient()
        >>> client.warm_up(double)

        Args:
            targets: The contracts, decorated handlers, function objects, names or ARNs that will be called. For each of
                their regions, a connection is opened; without targets, only for the client's own.
        """
        from .warm_up import warm_up

        warm_up(self._invoker, targets)

    def close(self) -> None:
        """Close the connections."""
        self._invoker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._invoker!r})"


class AsyncClientLifecycle:
    """What an asynchronous client does around its calls; see ``ClientLifecycle``."""

    _invoker: AsyncInvoker

    async def warm_up(self, *targets: HasContract[Any, Any] | AsyncRemoteFunction[Any, Any] | Address) -> None:
        """Do now what a first call would have to do, without invoking anything; see ``LambdaClient.warm_up``.

        Credentials, validators, the signing key and the TLS context are shared by all event loops. The connections
        belong to the one that runs: for them, a later call has to run in the same loop, as in that of a kept
        ``asyncio.Runner``. ``asyncio.run`` closes its loop, and with it the connections.

        Args:
            targets: The contracts, decorated handlers, function objects, names or ARNs that will be called.
        """
        from .async_warm_up import warm_up

        await warm_up(self._invoker, targets)

    async def aclose(self) -> None:
        """Close the connections, of all loops."""
        await self._invoker.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._invoker!r})"
