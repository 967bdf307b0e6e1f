"""Pure: what is likely wrong with a mapping, as far as HubSpot's own properties are known here.

The portal alone knows its properties; these are the ones of emails that HubSpot documents
[HubSpot: emails guide].
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.columns.rules import Choice, Constant
from bulkload.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.columns import Columns

OPTIONS = {
    "hs_email_direction": ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
    "hs_email_status": ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"),
}
KNOWN = (
    "hs_timestamp",
    "hs_email_subject",
    "hs_email_text",
    "hs_email_html",
    "hs_email_headers",
    "hs_attachment_ids",
    "hubspot_owner_id",
    *OPTIONS,
)
_OWN = re.compile("hs_|hubspot_")
_READ_ONLY = tuple(f"hs_email_{part}_" for part in ("from", "to", "cc", "bcc", "sender"))


def doubts(columns: Columns) -> Iterator[str]:
    """What to look at, each in a line."""
    names = dict(columns.rules)
    if "hs_timestamp" not in names and not columns.keep:
        yield "hs_timestamp: HubSpot requires it, and no column is mapped to it"
    for name, rule in columns.rules:
        if name.startswith(_READ_ONLY):
            yield f"{name}: HubSpot fills it from hs_email_headers, it can't be written"
        elif name not in KNOWN and _OWN.match(name) and (likely := meant(name, KNOWN)):
            yield f"{name}: is not known here{likely}"
        options = OPTIONS.get(name, ())
        said = set()
        if isinstance(rule, Constant):
            said = {rule.text}
        elif isinstance(rule, Choice):
            said = {meant for _, meant in rule.values} | {rule.otherwise or ""}
        if options and (wrong := said - {*options, ""}):
            yield f"{name}: {', '.join(sorted(wrong))} is none of {', '.join(options)}"
