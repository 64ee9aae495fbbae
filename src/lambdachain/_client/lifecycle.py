"""What a client does around its calls: it warms up before the first one, and closes after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .invoker import Invoker

if TYPE_CHECKING:
    from lambdachain._contracts.contract import HasContract
    from lambdachain._core.arn import Address

    from .remote_function import RemoteFunction


class ClientLifecycle:
    """What a client does around its calls: it warms up before the first one, and closes after the last."""

    _invoker: Invoker

    def warm_up(self, *targets: HasContract[Any, Any] | RemoteFunction[Any, Any] | Address) -> None:
        """Find credentials, connect and build validators now, for the first call to be a warm one; invoke nothing.

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
