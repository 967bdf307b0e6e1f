"""The end of a run in words that a person understands, with the command to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bulkload.zone import span

if TYPE_CHECKING:
    from bulkload.summary import Summary
    from bulkload.undoplan import Part, Undone


def summary(ended: Summary) -> str:
    """A few lines: what became of the records, how it went, what comes next."""
    where = shlex.quote(ended.run)
    rows = [
        ("loaded", ended.loaded, "made in HubSpot by this run"),
        ("existing", ended.existing, "HubSpot had them already"),
        (
            "dead letters",
            ended.dead_lettered,
            f"refused or unreadable: {ended.run}/dead-letters.ndjson",
        ),
        ("in doubt", ended.in_doubt, "the answer was lost; never sent again in silence"),
        ("skipped", ended.skipped, _by_reason(ended.skipped_by)),
    ]
    lines = [f"{ended.read:,} records read and settled"]
    lines += [
        f"  {count:>12,}  {name:<13} {meaning}"
        for name, count, meaning in rows
        if count or name == "loaded"
    ]
    lines += [*_people(ended), *_files(ended)]
    if ended.requests:
        lines.append(
            f"{ended.requests:,} calls in {span(ended.elapsed_s)} "
            f"({ended.records_per_s:,.0f} records/s), {ended.retries:,} retries, "
            f"{ended.throttled:,} throttled"
        )
    if ended.stopped:
        working = ended.exit_code == 3 and ended.resume is None
        lines.append(f"{'Not ended' if working else 'Stopped'}: {ended.stopped}")
    lines += _next(ended, where)
    return "\n".join(lines)


def _by_reason(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items()) or "left out"


def _people(ended: Summary) -> list[str]:
    found, missing, made = (ended.contacts.get(name, 0) for name in ("found", "missing", "made"))
    if not (found or missing or made):
        return []
    told = [f"{found + made:,} people tied as contacts"]
    if made:
        told.append(f"{made:,} of them made by this run")
    if missing:
        told.append(f"{missing:,} have none: {ended.run}/unknown-contacts.txt")
    return ["; ".join(told)]


def _files(ended: Summary) -> list[str]:
    uploaded, left_out = (ended.attachments.get(name, 0) for name in ("uploaded", "left_out"))
    told = [f"{uploaded:,} files uploaded"] if uploaded else []
    if left_out:
        told.append(
            f"{left_out:,} attachments left out (--attachments none, or not uploaded: "
            "their records say why)"
        )
    return ["; ".join(told)] if told else []


def _next(ended: Summary, where: str) -> list[str]:
    steps = []
    if ended.resume:
        steps.append(("Go on with it:", ended.resume))
    elif ended.dead_lettered and not ended.stopped:
        steps.append(("Mend the dead letters, then send them again:", f"bulkload replay {where}"))
    if ended.in_doubt:
        steps.append(("List what is in doubt:", f"bulkload doubts {where}"))
        steps.append(("Look for it in HubSpot, and settle it:", f"bulkload resolve {where}"))
    return [f"{what:<45} {command}" for what, command in steps]


def undone(ended: Undone) -> str:
    """What became of what a run created, and what comes next."""
    lines = _part("records created", "archived", ended.run, ended.emails)
    if ended.contacts.made:
        lines += _part("contacts made", "archived", ended.run, ended.contacts)
    if ended.files.made:
        lines += _part("files uploaded", "deleted", ended.run, ended.files)
    if ended.stopped:
        lines.append(f"Stopped: {ended.stopped}")
    if ended.resume:
        lines.append(f"{'Go on with it:':<45} {ended.resume}")
    return "\n".join(lines)


def _part(what: str, removed: str, run: str, part: Part) -> list[str]:
    rows = [
        (removed, part.archived, "by this undo"),
        ("already gone", part.already_gone, "archived or deleted before"),
        ("failed", part.failed, f"the remote refuses to take them away: {run}/run.log"),
        ("left", part.left, f"not {removed}"),
    ]
    return [
        f"{part.made:,} {what} by {run}",
        *(
            f"  {count:>12,}  {name:<13} {meaning}"
            for name, count, meaning in rows
            if count or name == removed
        ),
    ]
