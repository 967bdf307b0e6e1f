"""Pure: what a doctor asks, and what the answers say: token, properties, association types.

Laws kept here: never raises, whatever the remote answers; what is not as expected is `trouble`, in
words that quote neither a value nor the token.

Source: HubSpot's "Private apps" (`POST /oauth/v2/private-apps/get/access-token-info`), OAuth v1
(`GET /oauth/v1/access-tokens/{token}`), properties v3 and associations v4 (`…/labels`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

from bulkload.hubspot import paths, refusals, replies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.hubspot.auth import Token
    from bulkload.hubspot.client import Client, Sent
    from bulkload.hubspot.replies import Reply

ASSOCIATIONS = {"contacts": 198, "companies": 186, "deals": 210, "tickets": 224}
"""The type that ties an email to a record of each kind, as HubSpot documents it."""

GROUP = "emailinformation"
"""Where a property is put if no other one shows its group."""

_SCOPE = re.compile(r"[\w.:-]{1,100}")


class Grant(NamedTuple):
    """What a token is. `kind`: "private app" or "OAuth app"; `expires_in`: seconds, where told."""

    kind: str = ""
    portal: str = ""
    scopes: frozenset[str] = frozenset()
    expires_in: float | None = None
    trouble: str = ""


class Definition(NamedTuple):
    """A property of emails as it is defined. `hubspots`: its own, not a user's."""

    type: str
    unique: bool
    hubspots: bool = False


class Definitions(NamedTuple):
    """All of them by name. `group`: that of the subject. `trouble`: why they are not known."""

    named: Mapping[str, Definition]
    group: str = GROUP
    trouble: str = ""


class PropertyMade(NamedTuple):
    """What became of a property to make. `denied`: the token may not; `trouble`: why it is not."""

    done: bool = False
    denied: str = ""
    trouble: str = ""


class Labels(NamedTuple):
    """HubSpot's own association types between emails and one kind of record."""

    types: frozenset[int] = frozenset()
    trouble: str = ""


def is_private(token: Token) -> bool:
    """Whether it looks as private apps' tokens do: pat-na1-…"""
    return token.reveal().startswith("pat-")


async def ask_private(client: Client, token: Token) -> Sent:
    """Asked without a header: the body says which token is meant."""
    return await client.post_open(paths.PRIVATE_APP, orjson.dumps({"tokenKey": token.reveal()}))


async def ask_oauth(client: Client, token: Token) -> Sent:
    """Asked without a header. The token stands in the path, so the path is never to be logged."""
    return await client.get_open(paths.OAUTH_APP + quote(token.reveal(), safe=""))


async def make(client: Client, definition: bytes) -> Sent:
    """Make a property; `definition` is what `key_definition` or `run_definition` made."""
    return await client.post(paths.PROPERTIES, definition)


def read_private(reply: Reply) -> Grant:
    """What the answer says of a private app's token."""
    answer = replies.parsed(reply)
    if reply.status != 200 or "hubId" not in answer:
        return Grant(trouble=trouble(reply))
    return Grant("private app", _id(answer["hubId"]), _scopes(answer.get("scopes")))


def read_oauth(reply: Reply) -> Grant:
    """What the answer says of an OAuth app's token."""
    answer = replies.parsed(reply)
    if reply.status != 200 or "hub_id" not in answer:
        return Grant(trouble=trouble(reply))
    life = answer.get("expires_in")
    return Grant(
        "OAuth app",
        _id(answer["hub_id"]),
        _scopes(answer.get("scopes")),
        float(life) if isinstance(life, int | float) else None,
    )


def read_definitions(reply: Reply) -> Definitions:
    """What the answer to `GET paths.PROPERTIES` says."""
    listed = replies.parsed(reply).get("results")
    if reply.status != 200 or not isinstance(listed, list):
        return Definitions({}, trouble=trouble(reply, "read the properties of emails"))
    found = [each for each in listed if isinstance(each, dict) and _text(each, "name")]
    groups = {_text(each, "name"): _text(each, "groupName") for each in found}
    return Definitions(
        {
            _text(each, "name"): Definition(
                _text(each, "type"),
                each.get("hasUniqueValue") is True,
                each.get("hubspotDefined") is True,
            )
            for each in found
            if each.get("archived") is not True
        },
        groups.get("hs_email_subject") or GROUP,
    )


def read_made(reply: Reply) -> PropertyMade:
    """What the answer to `make` says."""
    if reply.status in (200, 201) and _text(replies.parsed(reply), "name"):
        return PropertyMade(done=True)
    told = trouble(reply, "make properties of emails")
    return PropertyMade(denied=told) if reply.status in (401, 403) else PropertyMade(trouble=told)


def read_labels(reply: Reply) -> Labels:
    """What the answer to `GET paths.LABELS` says."""
    listed = replies.parsed(reply).get("results")
    if reply.status != 200 or not isinstance(listed, list):
        return Labels(trouble=trouble(reply, "read association types"))
    found = (each.get("typeId") for each in listed if isinstance(each, dict) and _hubspots(each))
    return Labels(frozenset(each for each in found if type(each) is int))


def key_definition(name: str, group: str) -> bytes:
    """The property that holds each record's key: no two records have the same."""
    return orjson.dumps(
        {
            "name": name,
            "label": "bulkload key",
            "description": "Names the record that this email was loaded from. Made by bulkload.",
            "groupName": group,
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": True,
        }
    )


def run_definition(name: str, group: str) -> bytes:
    """The property that says which run loaded a record."""
    return orjson.dumps(
        {
            "name": name,
            "label": "bulkload run",
            "description": "Names the run that loaded this email. Made by bulkload.",
            "groupName": group,
            "type": "string",
            "fieldType": "text",
        }
    )


def trouble(reply: Reply, may: str = "ask this") -> str:
    """Why an answer is none: the remote's category, never its message. `may`: for a 403."""
    if reply.status == 0 or not reply.whole:
        return reply.trouble or "no answer"
    answer = replies.parsed(reply)
    if reply.status == 403:
        return refusals.denial(403, answer, "", may=may)
    return refusals.describe(reply.status, answer)


def _hubspots(label: Mapping[str, Any]) -> bool:
    return _text({"category": "HUBSPOT_DEFINED", **label}, "category") == "HUBSPOT_DEFINED"


def _id(value: object) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _scopes(listed: object) -> frozenset[str]:
    named = listed if isinstance(listed, list) else []
    return frozenset(s for s in named if isinstance(s, str) and _SCOPE.fullmatch(s))


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
