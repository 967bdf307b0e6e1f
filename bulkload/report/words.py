"""The end of a run in words that a person understands, with the command to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bulkload.handed import from_program
from bulkload.runs.summary import UNCLEAR, Summary
from bulkload.wording import counted
from bulkload.zone import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from bulkload.afterwards.undoplan import Part, Undone
    from bulkload.errors import BulkloadError

LONGEST = 400
"""Characters of a line about one record."""


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
    lines = [f"{counted(ended.read, 'record')} read and settled"]
    lines += [
        f"  {count:>12,}  {name:<13} {meaning}"
        for name, count, meaning in rows
        if count or name == "loaded"
    ]
    lines += [*_replays(ended), *_undone(ended), *_people(ended), *_files(ended)]
    if ended.requests and ended.elapsed_s is not None:
        lines.append(
            f"{counted(ended.requests, 'call')} in {span(ended.elapsed_s)} "
            f"({ended.records_per_s or 0:,.0f} records/s), {ended.retries or 0:,} retries, "
            f"{ended.throttled or 0:,} throttled"
        )
    if ended.stopped:
        working = ended.exit_code == 3 and ended.resume is None
        lines.append(f"{'Not ended' if working else 'Stopped'}: {ended.stopped}")
    lines += _next(ended, where)
    return "\n".join(lines)


def runs(found: Sequence[tuple[Path, Summary | BulkloadError]]) -> str:
    """A line each."""
    width = max((len(str(path)) for path, _ in found), default=0)
    return "\n".join(f"{path!s:<{width}}  {_briefly(stands)}" for path, stands in found)


def _briefly(stands: Summary | BulkloadError) -> str:
    if not isinstance(stands, Summary):
        return f"can't be read: {stands}"
    counts = [
        _told(count, name)
        for name, count in (
            ("loaded", stands.loaded),
            ("existing", stands.existing),
            ("dead letters", stands.dead_lettered),
            ("in doubt", stands.in_doubt),
            ("skipped", stands.skipped),
        )
        if count or name == "loaded"
    ]
    return f"{state(stands):<9}  {', '.join(counts)}"


def state(stands: Summary) -> str:
    """Whether it has ended, or is undone, in a word or two."""
    if stands.undo is not None:
        return {"begun": "undo has begun", "done": "undone"}[stands.undo]
    if stands.exit_code == 4:
        return "stopped"
    if stands.exit_code != 3:
        return "ended"
    return "at work" if stands.resume is None else "not ended"


def _told(count: int, name: str) -> str:
    return counted(count, "dead letter") if name == "dead letters" else f"{count:,} {name}"


def record(found: Mapping[str, Any]) -> str:
    """One dead letter, or what was left out, on a line: where it stands, and why."""
    place, others = found["position"], found.get("records", 1) - 1
    at = place["at"] if isinstance(place["at"], str) else place["number"]
    told = [str(found[name]) for name in ("reason", "status", "category") if name in found]
    if "first" in found:
        told.append(f"of record {found['first']}")
    if found.get("id"):
        told.append(f"of {found['id']} in HubSpot")
    more = f" and {others:,} behind it" if others else ""
    message = f": {found['message']}" if "message" in found else ""
    line = f"{found['source']} {at} (record {found['ordinal']}){more}: {' '.join(told)}{message}"
    clean = "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"


def _by_reason(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items()) or "left out"


def _replays(ended: Summary) -> list[str]:
    lines = []
    for each in ended.replays:
        counts = zip(("loaded", "existing", "dead letters", "in doubt"), each[2:], strict=True)
        told = [_told(count, name) for name, count in counts if count or name == "loaded"]
        state = "" if each.state == "ended" else f" ({each.state})"
        known = each.state not in ("gone", "unreadable")
        what = ", ".join(told) if known else "what it loaded can't be known"
        lines.append(f"Replayed by {each.run}{state}: {what}")
    if ended.replays and ended.dead_lettered:
        lines.append(f"Dead letters that no replay settled: {ended.letters_left:,}")
    return lines


def _undone(ended: Summary) -> list[str]:
    if ended.undo is None:
        return []
    names = {"archived": "archived", "already_gone": "already gone", "failed": "failed"}
    told = [f"{ended.undone[key]:,} {name}" for key, name in names.items() if ended.undone[key]]
    state = "Undone" if ended.undo == "done" else "An undo has begun"
    return [f"{state}: {', '.join(told) or 'nothing archived yet'}"]


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
    told = [f"{counted(uploaded, 'file')} uploaded"] if uploaded else []
    if left_out:
        told.append(
            f"{counted(left_out, 'attachment')} left out by the last process (--attachments none, "
            "or not uploaded: their records say why)"
        )
    if uploaded and ended.letters_left:
        told.append("those of dead letters stay until an undo; a replay uploads its own")
    return ["; ".join(told)] if told else []


def _next(ended: Summary, where: str) -> list[str]:
    steps = [
        ("Go on with its replay:", f"bulkload resume {shlex.quote(each.run)}")
        for each in ended.replays
        if each.state == "not ended"
    ]
    steps += [
        ("Go on with the undo of its replay:", f"bulkload undo {shlex.quote(each.run)} --yes")
        for each in ended.replays
        if each.state == "partly undone"
    ]
    if ended.undo is not None:
        undo = ("Go on with the undo:", f"bulkload undo {where} --yes")
        return _listed([undo] if ended.undo == "begun" else [])
    if ended.resume:
        steps.append(("Go on with it:", ended.resume))
    elif ended.letters_left and not (ended.stopped or steps or _is_unclear(ended)):
        steps.append(
            ("List the dead letters with their reasons:", f"bulkload status {where} --letters")
        )
        steps.append(("Mend the dead letters, then send them again:", f"bulkload replay {where}"))
    if ended.in_doubt:
        steps.append(("List what is in doubt:", f"bulkload doubts {where}"))
        looks = f"bulkload resolve {where}"
        if ended.own:
            word = f"{looks} --as loaded RECORD"
            steps.append(("Settle what you know to be in HubSpot:", word))
            looks = from_program("resolve", ended.run, ended.own)
        steps.append(("Look for it in HubSpot, and settle it:", looks))
    return _listed(steps)


def _is_unclear(ended: Summary) -> bool:
    """Whether another replay would be refused, as it can't be known what one did, or does."""
    return any(each.state in UNCLEAR for each in ended.replays)


def _listed(steps: list[tuple[str, str]]) -> list[str]:
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
