"""Pure: what is known of an attempt → what to do with its records.

Laws kept here: a record is sent again only if the remote is known not to have it, or would
itself refuse a second one; where neither is known, only the user's own word
(`--in-doubt resend`) sends it again. The same decision in mid-run, at resume and in a replay:
docs/verdict.md is this module as a table, and a test reads it.
"""

from __future__ import annotations

from typing import Literal

InDoubt = Literal["hold", "verify", "resend"]
"""What the user wants where the portal has no key property."""

Means = Literal["key", "hold", "verify", "resend"]
"""What a doubt can be settled by in this run."""

Known = Literal["not sent", "refused", "unknown", "conflict"]
"""`not sent`: no byte left. `refused`: the remote said that it took nothing. `unknown`: it may
have made the record. `conflict`: it named the record's key as taken."""

Found = Literal["not asked", "ours", "another's", "absent", "unclear"]
"""What a read by key or a search showed. `ours`: this run made it."""

Decision = Literal["send again", "ask", "hold", "loaded", "existing", "duplicate", "letter"]


def decide(
    known: Known, means: Means, found: Found = "not asked", *, doubted: bool, last: bool = False
) -> Decision:
    """What becomes of one record. `doubted`: it is in doubt, by this answer or an earlier one.

    `last`: it was asked for as often as it may be.
    """
    match known, means, found:
        case (("not sent" | "refused"), _, _):
            return "send again"
        case "conflict", "key", "ours":
            # Where it never was in doubt, another record of this run has that key.
            return "loaded" if doubted else "duplicate"
        case (("unknown" | "conflict"), "key", "another's"):
            return "existing"
        case "conflict", "key", _:
            return "letter" if last else "ask"
        case "unknown", ("key" | "verify"), "not asked":
            return "ask"
        case "unknown", ("key" | "verify"), "ours":
            return "loaded"
        case "unknown", ("key" | "verify"), "absent":
            return "send again"
        case "unknown", "verify", "unclear":
            return "hold" if last else "ask"
        case "unknown", "resend", _:
            return "send again"
        case "conflict", _, _:
            return "letter"
        case _:
            return "hold"
