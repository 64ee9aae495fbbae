"""What a pickle of a transport may hold: its settings, and neither connections nor secrets."""

from __future__ import annotations

from typing import Any, Final

from lambdachain._core.errors import ContractError
from lambdachain._core.redaction import redact_url
from lambdachain._core.type_guards import is_mapping

_BOTO_SETTINGS: Final = {"session": "_session", "endpoint_url": "_endpoint_url", "config": "_config"}
_OF_THIS_PROCESS: Final = frozenset(
    {"_clients", "_creation_lock", "_flights", "_is_parents_client", "_lock", "_renewed", "_user_client"}
)


def check_picklable(
    transport: object,
    *,
    session: object = None,
    endpoint_url: str | None = None,
    config: object = None,
    variable: str = "AWS_ENDPOINT_URL_LAMBDA",
) -> None:
    """Raise for settings that a pickle must not hold: it may be stored, or sent to other machines.

    Raises:
        ContractError: A session, whose credentials may be its own, or a URL with a password; the message says what to
            pass instead.
    """
    name = type(transport).__name__
    if session is not None:
        raise ContractError(
            f"cannot pickle {name}(session=...): a session may hold credentials. Pass region=, and let the process "
            "that gets it find credentials and profile itself (AWS_PROFILE), or create the client there"
        )
    if endpoint_url != redact_url(endpoint_url):
        raise ContractError(
            f"cannot pickle {name}(endpoint_url=...): the URL has a password or a query. Set {variable} where the "
            "client is used, or create the client there"
        )
    proxies: object = getattr(config, "proxies", None)
    if is_mapping(proxies) and any(url != redact_url(url) for url in proxies.values()):
        raise ContractError(
            f"cannot pickle {name}(config=...): the URL of a proxy has a password. Set HTTPS_PROXY where the client is "
            "used, or create the client there"
        )


def get_boto_state(transport: object, client: object) -> dict[str, Any]:
    """Return the settings of a transport over boto3 or aiobotocore.

    Raises:
        ContractError: It uses a *client* of the user's, or see ``check_picklable``.
    """
    if client is not None:
        name = type(transport).__name__
        raise ContractError(
            f"cannot pickle {name}(client): connections and credentials of a boto3 client stay in its process. Use "
            f"{name}(region=..., endpoint_url=..., config=...), which creates clients where it is used"
        )
    state = vars(transport)
    check_picklable(transport, **{argument: state[name] for argument, name in _BOTO_SETTINGS.items()})
    return {name: value for name, value in state.items() if name not in _OF_THIS_PROCESS}
