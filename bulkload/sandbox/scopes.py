"""The scopes of the portal's tokens: which there are, and which this config grants.

Law: a call is refused for a scope that its token lacks, and what a token says of itself agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkload.sandbox.config import SandboxConfig

READ, WRITE = "crm.objects.contacts.read", "crm.objects.contacts.write"
SCHEMAS_READ, SCHEMAS_WRITE = "crm.schemas.contacts.read", "crm.schemas.contacts.write"
OWNERS, FILES = "crm.objects.owners.read", "files"
SCOPES = (READ, WRITE, OWNERS, SCHEMAS_READ, SCHEMAS_WRITE, FILES, "sales-email-read")


def granted(config: SandboxConfig) -> list[str]:
    return [
        scope
        for scope in SCOPES
        if scope not in config.without_scopes
        and not (config.missing_scope and scope.endswith((".write", "-email-read")))
    ]
