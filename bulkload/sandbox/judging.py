"""The judgement of one input before anything is written: values, associations, conflicts.

Law: judging writes nothing, and a problem names the property and the value, never the place
of the input in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkload.sandbox import objects
from bulkload.sandbox.answers import Answer, Call, Refused, error
from bulkload.sandbox.contacts import ADDITIONAL, addresses
from bulkload.sandbox.owners import is_owner
from bulkload.sandbox.schema import Schema, complaint, invalid, invalid_email

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkload.sandbox.books import Books
    from bulkload.sandbox.portal import Portal
    from bulkload.sandbox.record import Links

LINK_KINDS = {198: "contacts", 186: "companies", 210: "deals", 224: "tickets"}
NAMES = {"contacts": "CONTACT", "companies": "COMPANY", "deals": "DEAL", "tickets": "TICKET"}


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
    if books.kind == "CONTACT":
        plain = {
            name: ";".join(addresses(values[name]))
            for name in ("email", ADDITIONAL)
            if name in values
        }
        return {**values, **plain}
    return values


def links_of(portal: Portal, one: Mapping[str, object]) -> tuple[Links, Problem | None]:
    """The associations of an input; unknown types and absent others are refused."""
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
            if not portal.exists(LINK_KINDS[type_id], other):
                name = NAMES[LINK_KINDS[type_id]]
                return (), Problem(
                    "VALIDATION_ERROR",
                    f"Invalid associations: {name} with id {other} does not exist",
                    {"id": [other]},
                )
            links.append((type_id, other))
    return tuple(links), None


def judge(
    portal: Portal, schema: Schema, values: Mapping[str, str], books: Books, *, new: bool
) -> Problem | None:
    if found := schema.find_faults(values) or _refused(portal, values, books):
        return Problem("VALIDATION_ERROR", invalid(found))
    if new and (missing := schema.missing(values)):
        return Problem(
            "VALIDATION_ERROR",
            f"Error creating {books.kind}. Some required properties were not set.",
            {"properties": missing},
        )
    return None


def _refused(portal: Portal, values: Mapping[str, str], books: Books) -> list[dict[str, Any]]:
    """What this portal refuses by its config."""
    if books.kind == "CONTACT":
        address, pattern = values.get("email", ""), portal.refused_addresses
        if pattern is not None and address and pattern.search(address):
            return [complaint("email", *invalid_email(address))]
        return []
    found: list[dict[str, Any]] = []
    owner = values.get("hubspot_owner_id")
    if owner and portal.config.check_owners and not is_owner(portal.config, owner):
        # [docs: owners] that it is an error, [field: HubSpot's forum] its code; not its words
        message = f"Owner {owner} does not exist"
        found.append(complaint("hubspot_owner_id", "INVALID_OWNER_ID", message))
    if portal.config.check_attachments:
        ids = [one for one in values.get("hs_attachment_ids", "").split(";") if one]
        found += [
            complaint("hs_attachment_ids", "INVALID_FILE_ID", f"File {one} does not exist")
            for one in ids
            if portal.files.find(one) is None
        ]
    return found


def conflict(
    portal: Portal, books: Books, mine: str, name: str, value: str, holder: str
) -> Problem:
    if books.kind == "CONTACT" and name == "email":
        # [field: hubspot-api-python#51, hubspot-api-nodejs#545]
        return Problem("CONFLICT", f"Contact already exists. Existing ID: {holder}")
    message = (
        f"Cannot set PropertyValueCoordinates{{portalId={portal.config.portal_id}, "
        f"objectTypeId=ObjectTypeId{{legacyObjectType={books.kind}}}, objectId={mine}, "
        f"propertyName={name}, value={value}}} on object {mine}. "
        f"{holder} already has that value."
    )
    found = complaint(name, "CONFLICTING_UNIQUE_VALUE", message)
    return Problem(portal.config.conflict_category, invalid([found]))
