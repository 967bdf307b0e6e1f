"""Which endpoint answers which call.

Law: a path HubSpot has and the sandbox has not is a 404, never a guess.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bulkload.sandbox import account, definitions, reads, search, writes
from bulkload.sandbox.answers import Answer, Call, error
from bulkload.sandbox.door import Route

if TYPE_CHECKING:
    from bulkload.sandbox.portal import Portal


def unknown(portal: Portal, call: Call) -> Answer:
    del portal, call
    return error(404, "OBJECT_NOT_FOUND", "Unable to find the requested resource")


def routes() -> list[Route]:
    out: list[Route] = []
    for base in ("/crm/v3/objects", "/crm/objects/2026-09"):
        for kind in ("emails", "contacts"):
            path = f"{base}/{kind}"
            create = partial(writes.create_batch, kind=kind)
            out += [
                Route("POST", f"{path}/batch/create", create, create=kind == "emails"),
                Route("POST", f"{path}/batch/read", partial(reads.read_batch, kind=kind)),
                Route("POST", f"{path}/batch/update", partial(writes.update_batch, kind=kind)),
                Route("POST", f"{path}/batch/upsert", partial(writes.upsert_batch, kind=kind)),
                Route("POST", f"{path}/batch/archive", partial(writes.archive_batch, kind=kind)),
                Route("POST", f"{path}/search", partial(search.search, kind=kind), search=True),
                Route("POST", path, partial(writes.create_one, kind=kind)),
                Route("GET", path, partial(reads.read_page, kind=kind)),
                Route("GET", f"{path}/{{id}}", partial(reads.read_one, kind=kind)),
                Route("PATCH", f"{path}/{{id}}", partial(writes.update_one, kind=kind)),
                Route("DELETE", f"{path}/{{id}}", partial(writes.archive_one, kind=kind)),
            ]
    for base in ("/crm/v3/properties", "/crm/properties/2026-09"):
        for kind in ("emails", "contacts"):
            path = f"{base}/{kind}"
            one = f"{path}/{{name}}"
            out += [
                Route("GET", path, partial(definitions.list_all, kind=kind)),
                Route("POST", path, partial(definitions.create, kind=kind)),
                Route("GET", f"{path}/groups", partial(definitions.groups, kind=kind)),
                Route("GET", one, partial(definitions.read, kind=kind)),
                Route("DELETE", one, partial(definitions.archive, kind=kind)),
            ]
    return [
        *out,
        Route("GET", "/account-info/v3/details", account.details),
        Route("GET", "/account-info/v3/api-usage/daily/private-apps", account.usage),
        Route("GET", "/crm/v4/associations/emails/{other}/labels", account.labels),
        Route("GET", "/crm/v3/owners", account.owners),
        Route("GET", "/crm/v3/owners/", account.owners),
        Route("POST", "/oauth/v1/token", account.refresh, open=True),
        Route("GET", "/oauth/v1/access-tokens/{token}", account.access_token, open=True),
        Route(
            "POST",
            "/oauth/v2/private-apps/get/access-token-info",
            account.private_app_token,
            open=True,
        ),
        Route("*", "/{tail:.*}", unknown),
    ]
