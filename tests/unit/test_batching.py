"""Batches cover every ordinal once and in order, bounded by count, by bytes and by what is held."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.batch import MAPPED, Batch, Entry, Form, Letter, Passed, Skip
from bulkload.hubspot import wire
from bulkload.model import Address, Position
from bulkload.records import batching
from bulkload.records.added import relabelled
from bulkload.records.batching import batches
from tests.making import batch, entry, letter

MAX_BYTES = 600


@st.composite
def read(draw: st.DrawFn) -> list[Entry | Letter]:
    """Ascending ordinals with gaps; entries that fit alone; trace ids that may repeat."""
    found: list[Entry | Letter] = []
    ordinal = -1
    for _ in range(draw(st.integers(0, 40))):
        ordinal += draw(st.sampled_from([1, 1, 1, 1, 3]))
        if draw(st.booleans()):
            trace = draw(st.sampled_from(["same", "", ""]))
            found.append(entry(ordinal, {"x": "y" * draw(st.integers(0, 400))}, trace))
        else:
            found.append(letter(ordinal))
    return found


def bodies(made: list[Batch]) -> list[bytes]:
    return [wire.body(b) for b in made if b.entries]


def cut(
    listed: list[Entry | Letter], max_records: int = 100, max_bytes: int = MAX_BYTES
) -> list[Batch]:
    return list(
        batches(listed, max_records=max_records, max_bytes=max_bytes, overhead=wire.ENVELOPE_BYTES)
    )


@given(read(), st.integers(1, 7))
def test_every_record_is_in_one_batch_and_in_order(listed: list[Entry | Letter], most: int) -> None:
    made = cut(listed, most)
    assert [e for b in made for e in b.entries] == [e for e in listed if isinstance(e, Entry)]
    assert [e for b in made for e in b.letters] == [e for e in listed if isinstance(e, Letter)]


@given(read(), st.integers(1, 7))
def test_a_batch_is_bounded_and_its_traces_are_unique(
    listed: list[Entry | Letter], most: int
) -> None:
    made = cut(listed, most)
    assert all(len(b.entries) + len(b.letters) > 0 for b in made)
    assert all(len(b.entries) <= most and len(b.letters) <= most for b in made)
    assert all(len(body) <= MAX_BYTES for body in bodies(made))
    assert all(len({e.trace_id for e in b.entries}) == len(b.entries) for b in made)


def passed(ordinal: int, offset: int, sizes: list[int], source: int = 0) -> Passed:
    """Lines of one of three forms, whose inputs are as long as `sizes` say and a little more."""
    several = Passed("run", ordinal, source, offset, ordinal + 1)
    raws = [b'{"x":"%b"}\n' % (b"r" * (size % 7)) for size in sizes]
    ends = [b',"y":"%b"}' % (b"y" * size) for size in sizes]
    forms = (Form(b"", 2), Form(b'{"properties":', 1), MAPPED)
    several.add(forms[len(sizes) % 3], raws, ends, [])
    return several


@st.composite
def lines(draw: st.DrawFn) -> list[Passed | Entry | Letter]:
    """Lines that follow one another or do not, entries that have one's trace id, gaps."""
    found: list[Passed | Entry | Letter] = []
    ordinal = offset = 0
    for _ in range(draw(st.integers(0, 12))):
        ordinal += draw(st.sampled_from([0, 0, 0, 1]))
        match draw(st.sampled_from(["lines", "lines", "lines", "elsewhere", "entry", "letter"])):
            case "entry":
                trace = draw(st.sampled_from([f"run-{ordinal - 1}", ""]))
                found.append(entry(ordinal, {"x": "y" * draw(st.integers(0, 400))}, trace))
                ordinal += 1
            case "letter":
                found.append(letter(ordinal))
                ordinal += 1
            case kind:
                sizes = draw(st.lists(st.integers(0, 400), min_size=1, max_size=9))
                several = passed(ordinal, offset, sizes, int(kind == "elsewhere"))
                found.append(several)
                ordinal += len(sizes)
                offset += several.held
    return found


def one_by_one(listed: list[Passed | Entry | Letter]) -> list[Entry | Letter]:
    found: list[Entry | Letter] = []
    for each in listed:
        found.extend(each if isinstance(each, Passed) else (each,))
    return found


@given(lines(), st.integers(1, 7))
def test_lines_that_stay_together_are_batched_as_if_they_came_one_by_one(
    listed: list[Passed | Entry | Letter], most: int
) -> None:
    singly = cut(one_by_one(listed), most)
    made = list(batches(listed, max_records=most, max_bytes=MAX_BYTES, overhead=13))
    assert [tuple(b.entries) for b in made] == [b.entries for b in singly]
    assert [b.letters for b in made] == [b.letters for b in singly]
    assert [(b.covers, wire.body(b), wire.digest(b)) for b in made if b.entries] == [
        (b.covers, wire.body(b), wire.digest(b)) for b in singly if b.entries
    ]
    assert [[*b.traces] for b in made] == [b.traces for b in singly]


def test_lines_are_entries_in_any_way_they_are_asked_for() -> None:
    several = passed(7, 100, [1, 20, 3, 4])
    entries = tuple(several)
    assert [each.position.at for each in entries] == [100, 110, 125, 137]
    assert [each.record.raw for each in entries] == [raw[:-1] for raw in several.raws]
    assert [each.body for each in entries] == several.bodies
    assert [*map(len, several.bodies)] == several.sizes
    assert [several[n] for n in range(-4, 4)] == [*entries, *entries]
    assert several[1:3] == entries[1:3]
    assert (*several.part(0, 2), *several.part(2)) == entries
    with pytest.raises(IndexError):
        several[4]


@given(read(), st.integers(1, 7))
def test_no_batch_spans_a_hole(listed: list[Entry | Letter], most: int) -> None:
    for made in cut(listed, most):
        ordinals = sorted([e.ordinal for e in made.entries] + [e.ordinal for e in made.letters])
        assert ordinals == list(range(ordinals[0], ordinals[-1] + 1))


def test_what_is_held_is_bounded_also_where_the_bodies_are_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "HELD_BYTES", 1000)
    large = [e._replace(record=e.record._replace(raw=b"x" * 400)) for e in batch(range(5)).entries]
    assert [b.covers for b in cut([*large], max_bytes=10_000)] == ["0-1", "2-3", "4"]
    assert [len(b.letters) for b in cut([letter(n, b"x" * 400) for n in range(5)])] == [2, 2, 1]


def test_one_record_larger_than_what_may_be_held_travels_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "HELD_BYTES", 10)
    assert [len(b.letters) for b in cut([letter(n, b"x" * 400) for n in range(3)])] == [1, 1, 1]


def test_split_and_only_lose_nothing() -> None:
    whole = Batch(batch(range(5)).entries, (), 3)
    head, rest = whole.split(2)
    assert (head.covers, rest.covers) == ("0-1", "2-4")
    assert head.attempt == rest.attempt == 3
    assert whole.only({1, 3}).covers == "1,3"


@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_lines_are_split_as_their_entries_are(at: int) -> None:
    several = passed(7, 99, [1, 22, 333, 4])
    together, opened = Batch(several, (), 2), Batch(tuple(several), (), 2)
    assert together.weight == opened.weight
    for part, one in zip(together.split(at), opened.split(at), strict=True):
        assert part.attempt == one.attempt
        assert tuple(part.entries) == tuple(one.entries)
        assert part.weight == one.weight
        assert bool(part.entries) == bool(one.entries)


def with_people(ordinal: int, *people: int) -> Entry:
    return entry(ordinal)._replace(people=tuple(Address(f"{who}@x.com") for who in people))


_people = st.lists(st.lists(st.integers(0, 40), max_size=4, unique=True), max_size=60)


@given(_people, st.integers(1, 7), st.sets(st.integers(0, 40)), st.integers(1, 9))
def test_each_address_is_asked_for_once_before_its_records_leave(
    listed: list[list[int]], most: int, known: set[int], asked_at_once: int
) -> None:
    entries = [with_people(n, *people) for n, people in enumerate(listed)]
    asked: list[str] = []
    gone: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "MOST_ASKED", asked_at_once)
        for made in batches(
            entries,
            max_records=most,
            max_bytes=MAX_BYTES,
            known=lambda who: int(who.partition("@")[0]) in known,
        ):
            asked += [who.email for who in made.asks]
            assert len(made.entries) <= most
            assert len(made.asks) <= max(asked_at_once, 4)
            for each in made.entries:
                gone.append(each.ordinal)
                unknown = {who.email for who in each.people} - {f"{n}@x.com" for n in known}
                assert unknown <= set(asked)
    assert sorted(gone) == list(range(len(listed)))
    assert len(asked) == len(set(asked))
    assert set(asked) == {f"{n}@x.com" for people in listed for n in people if n not in known}


def test_a_record_is_not_overtaken_by_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "LONGEST_WAIT", 5)
    listed = [with_people(0, 1), *batch(range(1, 30)).entries]
    made = [
        b.covers for b in batches(listed, max_records=4, max_bytes=MAX_BYTES, known=lambda _: False)
    ]
    assert made.index("0") == 1


def test_a_duplicate_gives_its_labels_to_a_first_one_that_has_not_left() -> None:
    first = entry(0)._replace(labels=("Inbox",))
    skip = Skip(1, 0, Position(10, 2), 0, labels=("Customers",))
    (made,) = batches(
        [first, skip],
        max_records=10,
        max_bytes=MAX_BYTES,
        relabel=lambda each, labels: relabelled(each, labels, "labels"),
    )
    sent = orjson.loads(made.entries[0].sent)
    assert sent["properties"]["labels"] == "Inbox;Customers"
    assert made.entries[0].body == first.body
