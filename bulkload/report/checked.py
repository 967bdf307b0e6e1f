"""A check in words that a person understands, with what to do next.

Laws kept here: nothing that a record holds is quoted, and a terminal gets only what can be printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.wording import counted
from bulkload.zone import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkload.checking.checked import Checked
    from bulkload.checking.tally import Group

MOST = 12
"""Lines of a list; `--json` has all of them."""


def words(checked: Checked) -> str:
    """All but the samples, most important first."""
    return "\n".join(_clean(line) for line in _lines(checked))


def _lines(checked: Checked) -> Iterator[str]:
    tally = checked.tally
    yield f"{counted(tally.read, 'record')} read"
    yield f"  {tally.load:>12,}  would be loaded"
    yield f"  {tally.dead:>12,}  would be dead letters"
    yield f"  {tally.skipped:>12,}  would be skipped"
    for name, count in tally.skipped_by.most_common():
        yield f"  {count:>12,}    {name}"
    yield from (f"Careful: {each}" for each in checked.hopeless)
    yield from _grouped(
        "Dead letters", [(f"{k[0]}: {k[1]}", g) for k, g in tally.reasons.most_first()]
    )
    refused = [
        (f"{name}: {why}", n)
        for (name, why), n in sorted(tally.properties.items(), key=lambda each: (-each[1], each[0]))
        if n < tally.mapped  # else it is said above, of every record
    ]
    yield from _counted("The portal would refuse", refused)
    yield from (f"To know: {each}" for each in checked.said)
    yield from _grouped("Noted", [(k[0], g) for k, g in tally.notes.most_first()])
    yield from _row("Directions", tally.directions)
    yield from _row("Years", dict(sorted(tally.years.items())))
    yield from _row("Declared charsets", dict(tally.charsets.most_common()))
    if tally.with_files:
        too_large = f", {tally.large_files:,} too large" if tally.large_files else ""
        yield (
            f"Attachments: {tally.files:,} in {counted(tally.with_files, 'record')}, "
            f"{_size(tally.file_bytes)}{too_large}"
        )
    yield from _people(checked)
    yield from _how_long(checked)
    if checked.stopped:
        yield f"Stopped: {checked.stopped}"


def _people(checked: Checked) -> Iterator[str]:
    people = checked.people
    if not people.addresses:
        return
    if people.found is None:
        yield f"Contacts: {people.addresses:,} addresses, not looked up"
        return
    yield (
        f"Contacts: {people.addresses:,} addresses, {people.found:,} known, {people.missing:,} not"
    )
    if people.unknown:
        more = ", …" if len(people.unknown) > MOST else ""
        yield f"  not known: {', '.join(people.unknown[:MOST])}{more}"


def _how_long(checked: Checked) -> Iterator[str]:
    ahead = checked.estimate
    if not ahead.all_calls:
        return
    by = ", ".join(f"{count:,} to {what}" for what, count in ahead.calls.items())
    yield f"Calls: {ahead.all_calls:,} ({by}), {_size(ahead.bytes)} of request bodies"
    takes = f"that takes {span(ahead.seconds)} or longer" if ahead.seconds else "none has to wait"
    yield f"At {checked.rate} {takes}"
    links = ", ".join(f"{span(took)} at {mbit}" for mbit, took in ahead.uplinks.items())
    yield f"The bytes alone take {links} Mbit/s"
    if ahead.days is not None and ahead.days > 1:
        yield f"The account's calls a day last for {ahead.days:,} days of it"


def _grouped(title: str, groups: list[tuple[str, Group]]) -> Iterator[str]:
    if not groups:
        return
    yield f"{title}:"
    for text, group in groups[:MOST]:
        yield f"  {group.count:>12,}  {text}"
        yield f"  {'':>12}  first: {group.places[0]}"
    yield from _rest(len(groups))


def _counted(title: str, counts: list[tuple[str, int]]) -> Iterator[str]:
    if not counts:
        return
    yield f"{title}:"
    for text, count in counts[:MOST]:
        yield f"  {count:>12,}  {text}"
    yield from _rest(len(counts))


def _row(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        listed = [f"{name} {count:,}" for name, count in counts.items()]
        more = f", {len(listed) - 3 * MOST} more" if len(listed) > 3 * MOST else ""
        yield f"{title}: {', '.join(listed[: 3 * MOST])}{more}"


def _rest(count: int) -> Iterator[str]:
    if count > MOST:
        yield f"  {'':>12}  and {count - MOST:,} more: --json has them all"


def _size(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,} bytes"


def _clean(line: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in line)
