"""Pure: what is known of an attempt → what to do with its records.

Law kept here: a record is sent again only if the remote is known not to have it; where
that can't be known, only the user's own word (`--in-doubt resend`) sends it again.
"""

from __future__ import annotations

from typing import Literal

InDoubt = Literal["hold", "resend"]
Knowledge = Literal["not-sent", "refused", "unknown"]
Decision = Literal["send-again", "hold"]


def decide(known: Knowledge, in_doubt: InDoubt) -> Decision:
    """One decision for mid-run and for resume.

    `not-sent`: no byte of the request left. `refused`: the remote said that it took nothing.
    `unknown`: everything else.
    """
    if known != "unknown":
        return "send-again"
    return "send-again" if in_doubt == "resend" else "hold"
