"""The judgement of one input before anything is written: values, associations, conflicts.

Law: judging writes nothing, and a problem names the property and the value, never the place
of the input in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.sandbox import objects
from bulkload.sandbox.answers import Answer, Call, Refused, error
from bulkload.sandbox.schema import Schema, complaint, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.books import Books, Links
    from bulkload.sandbox.portal import Portal

LINK_KINDS = {198: "contacts", 186: "companies", 210: "deals", 224: "tickets"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one input can't be written."""

    category: str
    message: str
    context: Mapping[str, list[str]] | None = None

    def refusal(self) -> Answer:
        status = 409 if self.category == "CONFLICT" else 400
        return error(status, self.category, self.message, context=self.context)


def of(portal: Portal, kind: str) -> tuple[Books, Schema]:
    if kind == "emails":
        return portal.emails, portal.email_schema
    return portal.contacts, portal.contact_schema


def values_of(books: Books, call: Call, one: Mapping[str, Any]) -> dict[str, str]:
    """An input's properties; HubSpot keeps the addresses of contacts in lower case."""
    values = objects.values_of(call.raw, one)
    if books.kind == "CONTACT" and "email" in values:
        return {**values, "email": values["email"].strip().lower()}
    return values


def links_of(portal: Portal, one: Mapping[str, object]) -> tuple[Links, Problem | None]:
    """The associations of an input; unknown types and contacts that do not exist are refused."""
    given = one.get("associations")
    if not given:
        return (), None
    if not isinstance(given, list):
        raise Refused(
            error(
                400,
                "VALIDATION_ERROR",
                "Invalid input JSON on line 1, column 1: associations is no list",
            )
        )
    links: list[tuple[int, str]] = []
    for association in given:
        try:
            other = str(association["to"]["id"])
            types = [
                (str(spec["associationCategory"]), int(spec["associationTypeId"]))
                for spec in association["types"]
            ]
        except (KeyError, TypeError, ValueError):
            return (), Problem(
                "VALIDATION_ERROR", "Some required fields were not set: [to.id, types]"
            )
        for category, type_id in types:
            if category != "HUBSPOT_DEFINED" or type_id not in LINK_KINDS:
                return (), Problem(
                    "VALIDATION_ERROR",
                    f"No association type with category {category} and id {type_id} "
                    f"exists from EMAIL",
                    {"associationTypeId": [str(type_id)]},
                )
            contact = portal.contacts.records.get(other)
            if type_id == 198 and (contact is None or contact.archived_at is not None):
                return (), Problem(
                    "VALIDATION_ERROR",
                    f"Invalid associations: CONTACT with id {other} does not exist",
                    {"id": [other]},
                )
            links.append((type_id, other))
    return tuple(links), None


def judge(schema: Schema, values: Mapping[str, str], books: Books, *, new: bool) -> Problem | None:
    if found := schema.find_faults(values):
        return Problem("VALIDATION_ERROR", invalid(found))
    if new and (missing := schema.missing(values)):
        return Problem(
            "VALIDATION_ERROR",
            f"Error creating {books.kind}. Some required properties were not set.",
            {"properties": missing},
        )
    return None


def conflict(
    portal: Portal, books: Books, mine: str, name: str, value: str, holder: str
) -> Problem:
    message = (
        f"Cannot set PropertyValueCoordinates{{portalId={portal.config.portal_id}, "
        f"objectTypeId=ObjectTypeId{{legacyObjectType={books.kind}}}, objectId={mine}, "
        f"propertyName={name}, value={value}}} on object {mine}. "
        f"{holder} already has that value."
    )
    found = complaint(name, "CONFLICTING_UNIQUE_VALUE", message)
    return Problem(portal.config.conflict_category, invalid([found]))
