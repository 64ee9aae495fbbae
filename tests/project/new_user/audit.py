"""Lambda's handler setting: audit.handler."""

from lambdachain import remote
from shop_contracts import AuditEntry, audit


@remote(audit)
def handler(entry: AuditEntry) -> None:
    print(f"audit: {entry.customer} {entry.what}")
