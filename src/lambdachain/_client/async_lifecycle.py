"""What an asynchronous client does around its calls; see ``lifecycle``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .async_invoker import AsyncInvoker

if TYPE_CHECKING:
    from lambdachain._contracts.contract import HasContract
    from lambdachain._core.arn import Address

    from .async_remote_function import AsyncRemoteFunction


class AsyncClientLifecycle:
    """What an asynchronous client does around its calls; see ``ClientLifecycle``."""

    _invoker: AsyncInvoker

    async def warm_up(self, *targets: HasContract[Any, Any] | AsyncRemoteFunction[Any, Any] | Address) -> None:
        """Find credentials, connect and build validators now; see ``LambdaClient.warm_up``.

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
