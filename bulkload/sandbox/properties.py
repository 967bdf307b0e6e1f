"""The properties emails and contacts have in a new portal, and those HubSpot derives.

Law: what is derived (`hs_email_from_email`, ...) comes from `hs_email_headers` alone and
can't be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bulkload.sandbox.schema import Property, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.config import SandboxConfig

DIRECTIONS = ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL")
STATUSES = ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT")
_PARTS = (("email", "email"), ("firstname", "firstName"), ("lastname", "lastName"))
_ROLES = ("from", "sender", "to", "cc", "bcc")


def email_schema(config: SandboxConfig) -> Schema:
    properties = [
        Property("hs_timestamp", "datetime", "Activity date", field_type="date"),
        Property("hs_email_direction", "enumeration", "Email Direction", DIRECTIONS),
        Property("hs_email_status", "enumeration", "Email Send Status", STATUSES),
        Property("hs_email_subject", label="Email subject"),
        Property("hs_email_text", label="Text body", field_type="textarea"),
        Property("hs_email_html", label="HTML body", field_type="html"),
        Property("hs_email_headers", "json", "Email headers", field_type="textarea"),
        Property("hs_attachment_ids", label="Attached file IDs"),
        Property("hs_email_message_id", label="Message ID"),
        Property("hs_email_thread_id", label="Thread ID"),
        Property("hubspot_owner_id", "number", "Activity assigned to", field_type="number"),
        Property("hs_email_attached_video_id"),
        *_read_only("hs_object_id", "hs_createdate", "hs_lastmodifieddate"),
        Property("hs_unique_creation_key", unique=True, read_only=True),
        *_read_only(*(f"hs_email_{role}_{part}" for role in _ROLES for part, _ in _PARTS)),
        *_read_only("hs_email_from_raw", "hs_email_to_raw"),
    ]
    if not config.bare and config.unique_allowed:
        properties.append(
            Property("bulkload_key", label="bulkload key", unique=True, ours=False),
        )
        if not config.only_key:
            properties.append(Property("bulkload_run", label="bulkload run", ours=False))
    return Schema(properties, required=("hs_timestamp",))


def contact_schema() -> Schema:
    return Schema(
        [
            Property("email", "email", unique=True, group="contactinformation"),
            Property("hs_additional_emails", "emails", group="contactinformation"),
            *(
                Property(name, group="contactinformation")
                for name in ("firstname", "lastname", "phone", "company", "website")
            ),
            Property("lifecyclestage"),
            Property("hubspot_owner_id", "number"),
            *_read_only("hs_object_id", "createdate", "lastmodifieddate"),
        ]
    )


def _read_only(*names: str) -> list[Property]:
    return [
        Property(name, "datetime" if name.endswith("date") else "string", read_only=True)
        for name in names
    ]


def derived(values: Mapping[str, str]) -> dict[str, str]:
    """The read-only properties that HubSpot fills from `hs_email_headers`."""
    raw = values.get("hs_email_headers")
    if not raw:
        return {}
    headers = orjson.loads(raw)
    out: dict[str, str] = {}
    for role in _ROLES:
        people = headers.get(role)
        people = people if isinstance(people, list) else [people]
        for suffix, key in _PARTS:
            joined = ";".join(str(person[key]) for person in people if _has(person, key))
            if joined:
                out[f"hs_email_{role}_{suffix}"] = joined
    return out


def _has(person: Any, key: str) -> bool:
    return isinstance(person, dict) and bool(person.get(key))
