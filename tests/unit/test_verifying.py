"""What a search showed → what is proved: held against what really happened."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkload.hubspot.searching import Result, about, milliseconds, plain
from bulkload.pipeline.verifying import Sighting, weigh
from bulkload.sandbox.objects import normalised
from tests.making import entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

Properties = dict[str, str]
MS = "1700000000000"
ISO = "2023-11-14T22:13:20.000Z"


def email(**more: str) -> Properties:
    return {"hs_timestamp": MS, "hs_email_subject": "s", **more}


def result(number: int, properties: Properties) -> Result:
    return Result(str(number), normalised(properties), float(number))


def decided(
    doubtful: Sequence[Properties],
    results: Sequence[Result],
    *,
    claimed: Sequence[str] = (),
    others: Sequence[Properties] = (),
    fresh: bool = True,
) -> list[str]:
    """`loaded <id>`, `absent` or `unclear` of each."""
    entries = [entry(number, sent) for number, sent in enumerate(doubtful)]
    seen = weigh(entries, results, claimed=claimed, others=others, fresh=fresh)
    assert [each.ordinal for each in seen] == list(range(len(doubtful)))
    return [f"{each.decision} {each.id}".strip() for each in seen]


A, B, C = email(hs_email_text="a"), email(hs_email_text="b"), email()


def test_what_is_found_is_loaded_and_what_is_not_is_absent() -> None:
    assert decided([A, B], [result(7, B)]) == ["absent", "loaded 7"]


def test_nothing_is_absent_before_search_is_known_to_show_it() -> None:
    assert decided([A, B], [result(7, B)], fresh=False) == ["unclear", "loaded 7"]


def test_alike_records_are_loaded_together_or_not_at_all() -> None:
    found = [result(9, A), result(8, A)]
    assert decided([A, B, A], found) == ["loaded 8", "absent", "loaded 9"]
    assert decided([A, B, A], found[:1]) == ["unclear", "absent", "unclear"]
    assert decided([A, B, A], []) == ["absent"] * 3
    assert decided([A], found) == ["loaded 8"]


def test_the_order_of_what_was_found_does_not_matter() -> None:
    found = [result(number, A) for number in (100, 20, 3)]
    for shown in (found, found[::-1], found + found):
        assert decided([A, A, A], shown) == ["loaded 3", "loaded 20", "loaded 100"]


def test_other_records_of_the_run_may_have_made_what_is_found() -> None:
    assert decided([A], [result(7, A)], others=[A]) == ["unclear"]
    assert decided([A], [result(7, A), result(8, A)], others=[A]) == ["loaded 7"]
    assert decided([A], [result(7, A)], claimed=["7"]) == ["absent"]
    assert decided([A], [result(7, B)], others=[B]) == ["absent"]


def test_what_nobody_explains_may_be_the_record_changed_by_the_remote() -> None:
    changed = result(7, email(hs_email_text="a, changed"))
    assert decided([A, B], [changed]) == ["unclear", "unclear"]
    assert decided([A, B], [changed, result(8, B)]) == ["unclear", "loaded 8"]
    assert decided([A], [changed], claimed=["7"]) == ["absent"]
    assert decided([A], [result(7, {**A, "hs_email_subject": "other"})]) == ["absent"]
    assert decided([A], [result(7, {**A, "hs_timestamp": "5"})]) == ["absent"]


def test_a_record_that_holds_all_of_anothers_properties_may_be_either() -> None:
    assert decided([A, C], [result(7, A)]) == ["unclear", "unclear"]
    assert decided([A, C], [result(7, C)]) == ["absent", "loaded 7"]
    assert decided([A, C], [result(7, A), result(8, C)]) == ["loaded 7", "loaded 8"]
    assert decided([C], [result(7, A)], others=[A]) == ["unclear"]
    assert decided([A, C, C], [result(7, A), result(8, C)]) == ["unclear"] * 3


def test_a_changed_record_is_not_taken_for_one_with_fewer_properties() -> None:
    changed = result(7, email(hs_email_text="a, changed"))
    assert decided([A, C], [changed]) == ["unclear", "unclear"]
    assert decided([A, C], [changed, result(8, C)]) == ["unclear", "loaded 8"]
    assert decided([C], [changed]) == ["loaded 7"]


def alone(sent: Properties, shown: Properties) -> str:
    """What is proved of a record by the only one that is found, both of one moment."""
    at = {"hs_timestamp": MS}
    (found,) = decided([at | sent], [Result("7", at | shown, 1.0)])
    return found


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("x", " x \n"), ("a\r\nb\rc", "a\nb\nc"), ("", None), (" ", None), ("1.10", "1.1"),
        ("1E2", "100"), ("-0", "0"), ("5", "5.0"), ("TRUE", "true"), (MS, ISO), (ISO, MS),
        ("2023-11-14", "2023-11-14T00:00:00Z"),
    ],
)  # fmt: skip
def test_the_same_value_written_otherwise(sent: str, shown: str | None) -> None:
    there = {"other": "set by the remote"} | ({} if shown is None else {"p": shown})
    assert alone({"p": sent}, there) == "loaded 7"


@pytest.mark.parametrize(
    ("name", "sent", "shown"),
    [
        ("p", "x", "X"), ("p", "x", None), ("p", "007", "7"), ("p", "a  b", "a b"),
        ("p", "1", "true"), ("p", "nan", "NaN"), ("hs_email_text", "TRUE", "true"),
        ("p", "1" * 64 + ".0", "1" * 64), ("p", "1" * 40, "1" * 39 + "2"),
    ],
)  # fmt: skip
def test_values_that_are_not_the_same(name: str, sent: str, shown: str | None) -> None:
    assert alone({name: sent}, {} if shown is None else {name: shown}) == "unclear"


def test_a_subject_is_prose_and_no_number() -> None:
    assert alone({"hs_email_subject": "1.0"}, {"hs_email_subject": "1"}) == "absent"


@given(
    st.dictionaries(
        st.sampled_from(["hs_timestamp", "hs_email_subject", "hs_email_text", "p"]),
        st.text(max_size=8)
        | st.sampled_from([MS, ISO, "1.50", "a\r\nb ", "TRUE", "-", "1e999", "1e9999", " \t"]),
    )
)
def test_what_the_remote_stores_is_what_was_sent(sent: Properties) -> None:
    stored = Result("7", {"hs_object_id": "1", **normalised(sent)}, 1.0)
    dated = milliseconds(sent.get("hs_timestamp", "")) is not None
    assert decided([sent], [stored]) == ["loaded 7" if dated else "unclear"]


def test_a_record_that_the_remote_changed_is_like_the_one_sent() -> None:
    sent = email(hs_email_subject="Re:  Straße ", hs_email_html="<p>x")
    kept = {"hs_timestamp": ISO, "hs_email_subject": "re: STRASSE", "hs_email_html": "<p>x</p>"}
    assert alone(sent, kept) == "unclear"
    assert alone(sent, {**kept, "hs_timestamp": "5"}) == "absent"
    assert alone(sent, {**kept, "hs_email_subject": "other"}) == "absent"


@pytest.mark.parametrize("stamp", ["", "soon", "2023-13-01"])
def test_a_record_without_a_date_stays_in_doubt(stamp: str) -> None:
    sent = email() | {"hs_timestamp": stamp}
    assert decided([sent], []) == decided([sent], [Result("7", sent, 1.0)]) == ["unclear"]


def test_a_result_that_shows_no_date_could_be_any() -> None:
    assert decided([A, B], [result(7, B), Result("8", {}, None)]) == ["unclear", "loaded 7"]
    assert decided([A], [Result("8", {}, None)], claimed={"8"}) == ["absent"]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sent:
    """One record of a run as it really went. `shown`: what search can show of it, if made."""

    properties: Properties
    where: str  # doubtful, elsewhere, settled
    made: bool
    visible: bool
    change: str  # "", "added", "changed"

    def shown(self) -> Properties:
        stored = normalised(self.properties)
        if self.change == "added":
            stored.setdefault("hs_email_direction", "EMAIL")
        if self.change == "changed" and "hs_email_text" in stored:
            stored["hs_email_text"] += "~"
        return {**stored, "hs_object_id": "x"}

    @property
    def altered(self) -> bool:
        return self.change != ""


_properties = st.fixed_dictionaries(
    {"hs_timestamp": st.sampled_from([MS, ISO, "1700000000001", "soon"])},
    optional={
        "hs_email_subject": st.sampled_from(["s", "S ", " s", "t", ""]),
        "hs_email_text": st.sampled_from(["a", "a\r\nb ", "b"]),
        "hs_email_direction": st.sampled_from(["EMAIL", "INCOMING_EMAIL"]),
        "x": st.sampled_from(["1.0", "1", "TRUE"]),
    },
)
_sent = st.builds(
    Sent,
    _properties,
    st.sampled_from(["doubtful", "doubtful", "elsewhere", "settled"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "", "", "added", "changed"]),
)


def same(sent: Properties, found: Properties) -> bool:
    """Whether `found` holds every property of `sent`, however the remote writes it."""
    return plain(sent).items() <= plain(found).items()


def like(sent: Properties, found: Properties) -> bool:
    """Whether both have one timestamp and one subject: perhaps the same record, changed."""
    return about(sent) == about(found) and about(sent)[0] is not None


def kin(one: Properties, two: Properties) -> bool:
    return same(one, two) or same(two, one)


@settings(max_examples=400)
@given(
    run=st.lists(_sent, min_size=1, max_size=7),
    strangers=st.lists(_properties, max_size=3),
    fresh=st.booleans(),
    dice=st.randoms(use_true_random=False),
)
def test_no_decision_is_ever_wrong(
    run: list[Sent], strangers: list[Properties], fresh: bool, dice: Random
) -> None:
    makers: dict[str, Sent] = {}
    results: list[Result] = []
    foreign: list[Properties] = []
    claimed: set[str] = set()
    for number, sent in enumerate(run, 100):
        if sent.where == "settled":
            claimed.add(str(number))
        elif not sent.made:
            continue
        makers[str(number)] = sent
        # What search is proven to show is this batch's: others may be made at this instant.
        if sent.visible or (fresh and sent.where == "doubtful"):
            results.append(Result(str(number), sent.shown(), dice.random()))
    for number, stranger in enumerate(strangers, 200):
        shown = {**normalised(stranger), "hs_email_text": "a stranger's"}
        # One that holds every property sent can't be told from ours.
        if not any(same(sent.properties, shown) for sent in run):
            results.append(Result(str(number), shown, dice.random()))
            foreign.append(shown)
    dice.shuffle(results)
    doubtful = [sent for sent in run if sent.where == "doubtful"]
    elsewhere = [sent for sent in run if sent.where == "elsewhere"]
    sightings = weigh(
        [entry(number, sent.properties) for number, sent in enumerate(doubtful)],
        results,
        claimed=claimed,
        others=[sent.properties for sent in elsewhere],
        fresh=fresh,
    )
    ids = [each.id for each in sightings if each.id]
    assert len(ids) == len(set(ids))
    assert len(sightings) == len(doubtful)
    for number, (sent, sighting) in enumerate(zip(doubtful, sightings, strict=True)):
        assert sighting.ordinal == number
        rivals = [each for each in [*doubtful, *elsewhere] if each is not sent]
        if sighting.decision == "loaded":
            assert sent.made
            maker = makers[sighting.id]
            assert sighting.id not in claimed
            assert same(maker.properties, sent.properties)
            assert same(sent.properties, maker.properties)
        elif sighting.decision == "absent":
            assert fresh
            assert not sent.made
        else:
            assert sighting == Sighting(number, "unclear")
            unreadable = milliseconds(sent.properties["hs_timestamp"]) is None
            candidates = [each.shown() for each in rivals if each.made and each.altered]
            candidates += [sent.shown()] if sent.made and sent.altered else []
            assert (
                not fresh
                or unreadable
                or any(kin(each.properties, sent.properties) for each in rivals)
                or any(
                    like(sent.properties, shown) or same(sent.properties, shown)
                    for shown in candidates + foreign
                )
                # What shows no date could be any record.
                or any(milliseconds(each.properties["hs_timestamp"]) is None for each in results)
            )


@given(st.lists(_sent, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_pages_come_decides_nothing(run: list[Sent], dice: Random) -> None:
    entries = [entry(number, sent.properties) for number, sent in enumerate(run)]
    results = [
        Result(str(number), sent.shown(), float(number))
        for number, sent in enumerate(run)
        if sent.made
    ]
    others = [sent.properties for sent in run if not sent.visible]
    seen = weigh(entries, results, claimed=(), others=others, fresh=True)
    dice.shuffle(results)
    dice.shuffle(others)
    assert seen == weigh(entries, results * 2, claimed=(), others=others, fresh=True)


def test_a_batch_is_weighed_in_a_few_milliseconds() -> None:
    news = [email(hs_email_html="h" * 5_000, hs_email_headers=f"to {n}") for n in range(200)]
    entries = [entry(number, news[number]) for number in range(100)]
    results = [result(number, news[number]) for number in range(200)]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        seen = weigh(entries, results, claimed=(), others=news[100:], fresh=True)
        times.append(time.perf_counter() - began)
    assert Counter(each.decision for each in seen) == {"loaded": 100}
    assert min(times) < 0.1  # about 0.005 on a machine that does nothing else
