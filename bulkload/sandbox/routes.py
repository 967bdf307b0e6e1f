"""Which endpoint answers which call, and which scope it needs.

Law: a path HubSpot has and the sandbox has not is a 404, never a guess.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bulkload.sandbox import account, definitions, owners, reads, search, uploads, writes
from bulkload.sandbox.answers import Answer, Call, error
from bulkload.sandbox.door import Route
from bulkload.sandbox.scopes import FILES, OWNERS, READ, SCHEMAS_READ, SCHEMAS_WRITE, WRITE

if TYPE_CHECKING:
    from bulkload.sandbox.portal import Portal


def unknown(portal: Portal, call: Call) -> Answer:
    del portal, call
    return error(404, "OBJECT_NOT_FOUND", "Unable to find the requested resource")


def routes() -> list[Route]:
    return [
        *_objects(),
        *_properties(),
        *_owners(),
        *_files(),
        Route("GET", "/account-info/v3/details", account.details),
        Route("GET", "/account-info/v3/api-usage/daily/private-apps", account.usage),
        Route("GET", "/crm/v4/associations/emails/{other}/labels", account.labels),
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


def _objects() -> list[Route]:
    out: list[Route] = []
    for base in ("/crm/v3/objects", "/crm/objects/2026-09"):
        for kind in ("emails", "contacts"):
            path, one = f"{base}/{kind}", f"{base}/{kind}/{{id}}"
            read = partial(Route, scope=READ)
            write = partial(Route, scope=WRITE)
            out += [
                write(
                    "POST",
                    f"{path}/batch/create",
                    partial(writes.create_batch, kind=kind),
                    writes=kind,
                ),
                read("POST", f"{path}/batch/read", partial(reads.read_batch, kind=kind)),
                write("POST", f"{path}/batch/update", partial(writes.update_batch, kind=kind)),
                write(
                    "POST",
                    f"{path}/batch/upsert",
                    partial(writes.upsert_batch, kind=kind),
                    writes=kind,
                ),
                write("POST", f"{path}/batch/archive", partial(writes.archive_batch, kind=kind)),
                read("POST", f"{path}/search", partial(search.search, kind=kind), search=True),
                write("POST", path, partial(writes.create_one, kind=kind), writes=kind),
                read("GET", path, partial(reads.read_page, kind=kind)),
                read("GET", one, partial(reads.read_one, kind=kind)),
                write("PATCH", one, partial(writes.update_one, kind=kind)),
                write("DELETE", one, partial(writes.archive_one, kind=kind)),
            ]
    return out


def _properties() -> list[Route]:
    out: list[Route] = []
    for base in ("/crm/v3/properties", "/crm/properties/2026-09"):
        for kind in ("emails", "contacts"):
            path = f"{base}/{kind}"
            one = f"{path}/{{name}}"
            read = partial(Route, scope=SCHEMAS_READ)
            write = partial(Route, scope=SCHEMAS_WRITE)
            out += [
                read("GET", path, partial(definitions.list_all, kind=kind)),
                write("POST", path, partial(definitions.create, kind=kind)),
                read("GET", f"{path}/groups", partial(definitions.groups, kind=kind)),
                read("GET", one, partial(definitions.read, kind=kind)),
                write("DELETE", one, partial(definitions.archive, kind=kind)),
            ]
    return out


def _owners() -> list[Route]:
    return [
        Route("GET", "/crm/v3/owners", owners.page, scope=OWNERS),
        Route("GET", "/crm/v3/owners/", owners.page, scope=OWNERS),
        Route("GET", "/crm/v3/owners/{id}", owners.read, scope=OWNERS),
    ]


def _files() -> list[Route]:
    out: list[Route] = []
    for base in ("/files/v3/files", "/files/2026-09/files"):
        out += [
            Route("POST", base, uploads.upload, writes="files", scope=FILES),
            Route("GET", f"{base}/{{id}}", uploads.read, scope=FILES),
            Route("DELETE", f"{base}/{{id}}", uploads.delete, scope=FILES),
        ]
    return out
