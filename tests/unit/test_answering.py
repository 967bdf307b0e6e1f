"""What an answer to a question means for each record, and that asking comes to an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulkload.batch import Batch
from bulkload.hubspot import wire
from bulkload.hubspot.lookup import Found, Marks
from bulkload.hubspot.refusals import Refusal
from bulkload.pipeline import settling
from bulkload.pipeline.answering import ASKS, answered, sighted
from bulkload.pipeline.loads import Load, Question, Step
from bulkload.pipeline.parts import Policy
from bulkload.pipeline.verifying import Sighting
from bulkload.records.letters import LetterWriter
from tests.making import key_of, keyed

BOTH, KEY_ONLY = Marks("bulkload_key", "bulkload_run"), Marks("bulkload_key")
SINCE, UNTIL = 1000.0, 1100.0
TAKEN = Refusal(400, "CONFLICT", "512 already has that value.", "c-1")
NO = Refusal(400, "VALIDATION_ERROR", "no", "")
LETTERS = LetterWriter("r", ["a.ndjson"], BOTH)


def policy(marks: Marks = BOTH, attempts: int = 5, means: Any = "key") -> Policy:
    keyed = marks if means == "key" else None
    return Policy(means=means, max_attempts=attempts, marks=keyed, run="r")


def load(count: int, question: Question | None = None, **more: Any) -> Load:
    batch = Batch(tuple(keyed(n) for n in range(count)))
    doubted = question is not None and question.doubted
    found = Load(batch, attempt=7 if doubted else None, since=SINCE, until=UNTIL, question=question)
    return replace(found, **more)


def lost(**more: Any) -> Question:
    """The answer to the batch was lost."""
    return Question(503, "503", **{"doubted": True, **more})


def taken(*ordinals: int, **more: Any) -> Question:
    """The keys of these records were called taken."""
    named = dict.fromkeys(ordinals, TAKEN)
    return Question(400, "CONFLICT", **{"doubted": False, "conflicts": named, **more})


def somebodys(**more: Any) -> Question:
    """Somebody's key was called taken."""
    refused = wire.Refused(TAKEN, taken=True)
    return Question(400, "CONFLICT", **{"doubted": False, "taken": refused, **more})


MINE = Found("100", "r", SINCE + 1)
THEIRS = Found("100", "another", SINCE - 1)
HELD = Found("100", "r", SINCE + 1, archived=True)


def holding(held: Mapping[int, Found]) -> dict[str, Found]:
    return {key_of(n): found._replace(id=str(100 + n)) for n, found in held.items()}


def letters(step: Step) -> dict[int, dict[str, Any]]:
    return {each.ordinal: orjson.loads(each.line) for each in step.settlement.letters}


def sent(loads: tuple[Load, ...]) -> list[int]:
    return [e.ordinal for each in loads for e in each.batch.entries]


def named(step: Step) -> Counter[int]:
    """Every ordinal that a step speaks of, as often as it does."""
    settled = step.settlement
    return Counter(
        [
            *(ordinal for ordinal, _ in settled.loaded),
            *(ordinal for ordinal, _ in settled.existing),
            *(each.ordinal for each in settled.skipped),
            *(each.ordinal for each in settled.letters),
            *(each.ordinal for each in settled.doubtful),
            *sent(step.fresh),
            *sent(step.again),
        ]
    )


def once(step: Step, of: Load) -> None:
    assert named(step) == Counter(e.ordinal for e in of.batch.entries)
    assert [each.batch for each in step.settlement.resend] == [each.batch for each in step.again]
    for each in step.settlement.resend:
        assert each.digest == wire.digest(each.batch)


def stepped(found: Step | Load) -> Step:
    assert isinstance(found, Step)
    return found


def test_what_is_ours_is_loaded_what_is_anothers_exists_and_what_is_absent_is_sent_again() -> None:
    asked = load(3, lost())
    step = stepped(answered(asked, holding({0: MINE, 1: THEIRS}), (), policy(), LETTERS, 0))
    once(step, asked)
    assert step.settlement.loaded == ((0, "100"),)
    assert step.settlement.existing == ((1, "101"),)
    assert sent(step.again) == [2]
    assert step.again[0].question is None
    assert step.again[0].since == SINCE


def test_a_conflict_that_was_never_in_doubt_is_a_duplicate_where_the_run_made_it() -> None:
    asked = load(2, taken(0, 1))
    step = stepped(answered(asked, holding({0: MINE, 1: THEIRS}), (), policy(), LETTERS, 0))
    once(step, asked)
    assert [(s.ordinal, s.id) for s in step.settlement.skipped] == [(0, "100")]
    assert step.settlement.existing == ((1, "101"),)


def test_a_conflict_after_a_doubt_is_ours_where_the_run_made_it() -> None:
    asked = load(1, taken(0, doubted=True))
    step = stepped(answered(asked, holding({0: MINE}), (), policy(), LETTERS, 0))
    assert step.settlement.loaded == ((0, "100"),)


def test_without_a_run_property_the_remotes_clock_tells_what_a_doubt_made() -> None:
    at = {0: SINCE, 1: SINCE - 0.001, 2: UNTIL, 3: UNTIL + 0.001}
    held = {n: MINE._replace(run="", created=created) for n, created in at.items()}
    step = stepped(answered(load(4, lost()), holding(held), (), policy(KEY_ONLY), LETTERS, 0))
    assert step.settlement.loaded == ((0, "100"), (2, "102"))
    # Behind the time in which its call may have been carried out another one made it.
    assert step.settlement.existing == ((1, "101"), (3, "103"))


@pytest.mark.parametrize(("since", "created"), [(None, SINCE), (SINCE, None), (None, None)])
def test_what_cant_be_dated_is_never_ours(since: float | None, created: float | None) -> None:
    asked = load(1, lost(), since=since)
    unbounded = load(1, lost(), until=None)
    found = holding({0: Found("", "r", created)})
    for each in (asked, unbounded) if created is None else (asked,):
        step = stepped(answered(each, found, (), policy(KEY_ONLY), LETTERS, 0))
        assert step.settlement.existing == ((0, "100"),)


def test_without_a_run_property_what_this_run_knows_it_made_makes_a_duplicate() -> None:
    found = holding({0: MINE, 1: MINE})
    step = stepped(answered(load(2, taken(0, 1)), found, {"100"}, policy(KEY_ONLY), LETTERS, 0))
    assert [s.ordinal for s in step.settlement.skipped] == [0]
    assert step.settlement.existing == ((1, "101"),)


@pytest.mark.parametrize("marks", [BOTH, KEY_ONLY])
@pytest.mark.parametrize("question", [lost(), taken(0, doubted=True)], ids=["lost", "taken"])
def test_of_another_record_of_this_run_that_has_the_key_a_doubt_explains_nothing(
    marks: Marks, question: Question
) -> None:
    step = stepped(
        answered(load(1, question), holding({0: MINE}), {"100"}, policy(marks), LETTERS, 0)
    )
    assert [s.ordinal for s in step.settlement.skipped] == [0]
    assert step.settlement.loaded == ()


def test_a_taken_key_that_nobody_shows_is_asked_for_again_and_then_given_up() -> None:
    asked: Step | Load = load(1, taken(0))
    for number in range(1, ASKS):
        asked = answered(_asked(asked), {}, (), policy(), LETTERS, 0)
        assert isinstance(asked, Load)
        assert asked.question is not None
        assert asked.question.asked == number
        assert asked.question.archived is (number == 1)
    step = stepped(answered(_asked(asked), {}, (), policy(), LETTERS, 0))
    (found,) = letters(step).values()
    assert found["reason"] == "rejected"
    assert "shows no record that has it" in found["message"]
    assert TAKEN.message in found["message"]


def _asked(found: Step | Load) -> Load:
    assert isinstance(found, Load)
    return found


def test_a_key_that_an_archived_record_holds_makes_a_letter_that_says_so() -> None:
    step = stepped(
        answered(load(1, taken(0, asked=1)), holding({0: HELD}), (), policy(), LETTERS, 0)
    )
    (found,) = letters(step).values()
    assert "record 100, which was archived, still holds its key" in found["message"]


def test_of_those_that_are_taken_only_who_is_not_shown_is_asked_for_again() -> None:
    asked = load(4, taken(1, 2))
    step = stepped(answered(asked, holding({1: THEIRS}), (), policy(), LETTERS, 0))
    once(step, asked)
    assert step.settlement.existing == ((1, "101"),)
    waiting, rest = step.fresh
    assert (sent((waiting,)), sent((rest,))) == ([2], [0, 3])
    assert waiting.question is not None
    assert waiting.question.conflicts.keys() == {2}
    assert rest.question is None


def test_where_nobodys_key_is_there_that_somebodys_is_taken_is_narrowed_down() -> None:
    asked = load(4, somebodys())
    step = stepped(answered(asked, {}, (), policy(), LETTERS, 0))
    once(step, asked)
    assert [sent((each,)) for each in step.fresh] == [[0, 1], [2, 3]]
    assert not step.settlement.counts


def test_where_somebodys_is_there_the_others_go_together() -> None:
    asked = load(4, somebodys())
    step = stepped(answered(asked, holding({3: THEIRS}), (), policy(), LETTERS, 0))
    once(step, asked)
    assert [sent((each,)) for each in step.fresh] == [[0, 1, 2]]


@pytest.mark.parametrize("question", [somebodys(), taken(0), lost()], ids=["s", "t", "l"])
def test_an_archived_record_that_a_plain_read_shows_holds_a_key_that_nobody_named(
    question: Question,
) -> None:
    asked = load(2, question)
    made_here = {"101"} if question.doubted else set()
    once(stepped(answered(asked, holding({1: HELD}), made_here, policy(), LETTERS, 0)), asked)


def test_one_alone_that_failed_often_enough_is_given_up_unless_it_is_there() -> None:
    asked = load(1, lost(enough=True), strikes=5)
    shown_late = stepped(answered(asked, holding({0: MINE}), (), policy(), LETTERS, 9))
    assert shown_late.settlement.loaded == ((0, "100"),)
    step = stepped(answered(asked, {}, (), policy(), LETTERS, 9))
    (found,) = letters(step).values()
    assert found["reason"] == "undeliverable"
    assert "failed 5 times while others went through" in found["message"]


def test_the_only_one_that_is_absent_of_a_batch_that_failed_often_is_not_alone_yet() -> None:
    asked = load(2, lost(narrow=True), strikes=5)
    step = stepped(answered(asked, holding({0: MINE}), (), policy(), LETTERS, 9))
    assert step.settlement.loaded == ((0, "100"),)
    assert letters(step) == {}
    assert sent(step.again) == [1]


@dataclass(frozen=True)
class Case:
    """A question, what the remote has of it, and who made that."""

    load: Load
    held: dict[int, Found]
    made_here: frozenset[str]
    policy: Policy
    successes: int

    @property
    def found(self) -> dict[str, Found]:
        return holding(self.held)

    def ask(self) -> Step | Load:
        return answered(self.load, self.found, self.made_here, self.policy, LETTERS, self.successes)

    def is_ours(self, ordinal: int) -> bool:
        """By what the design says, not by what the code does."""
        question, holder = self.load.question, self.held[ordinal]
        assert question is not None
        if self.policy.marks == BOTH:
            return holder.run == "r"
        if str(100 + ordinal) in self.made_here:
            return True
        since, created = self.load.since, holder.created
        dated = since is not None and created is not None and created >= since
        return question.doubted and dated

    def is_doubted(self, ordinal: int) -> bool:
        """Of a holder that is another record of this run the doubt explains nothing."""
        assert self.load.question is not None
        return self.load.question.doubted and str(100 + ordinal) not in self.made_here


HOLDERS = st.builds(
    Found,
    st.just(""),
    st.sampled_from(["r", "another", ""]),
    st.none() | st.sampled_from([SINCE - 1, SINCE, SINCE + 1]),
    archived=st.booleans(),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 8))
    everyone = list(range(size))
    doubted = draw(st.booleans())
    asked = draw(st.integers(0, ASKS - 1))
    held = draw(st.dictionaries(st.sampled_from(everyone), HOLDERS))
    kind = draw(st.sampled_from(["lost", "taken", "somebody's"]))
    if kind == "lost" or (kind == "somebody's" and size == 1):
        enough = size == 1 and draw(st.booleans())
        narrow = size > 1 and draw(st.booleans())
        question = lost(narrow=narrow, enough=enough)
    elif kind == "taken":
        conflicts = draw(st.sets(st.sampled_from(everyone), min_size=1))
        question = taken(*conflicts, asked=asked, doubted=doubted)
    else:
        question = somebodys(doubted=doubted)
    made_here = {str(100 + n) for n in draw(st.sets(st.sampled_from(everyone)))}
    # What is left out is a known bug, which has a test of its own.
    held = {
        n: f
        for n, f in held.items()
        if n in question.conflicts
        or not f.archived
        or (question.doubted and str(100 + n) not in made_here)
    }
    return Case(
        load(
            size,
            question,
            strikes=draw(st.integers(0, 9)),
            since=draw(st.sampled_from([SINCE, None])),
            narrowed=draw(st.none() | st.integers(0, 3)),
        ),
        held,
        frozenset(made_here),
        policy(draw(st.sampled_from([BOTH, KEY_ONLY]))),
        draw(st.integers(0, 20)),
    )


def absent(case: Case) -> list[int]:
    live = {n for n, found in case.held.items() if not found.archived}
    return [e.ordinal for e in case.load.batch.entries if e.ordinal not in live]


@given(cases())
def test_each_record_is_named_exactly_once_whatever_was_found(case: Case) -> None:
    found = case.ask()
    if isinstance(found, Step):
        once(found, case.load)
        return
    before, after = case.load.question, found.question
    assert before is not None
    assert after is not None
    assert found.batch == case.load.batch
    assert before.asked < after.asked < ASKS
    assert after == replace(before, asked=after.asked)
    assert absent(case) == [e.ordinal for e in case.load.batch.entries]


@given(cases())
def test_what_another_made_is_never_loaded_and_nothing_that_was_found_is_sent_again(
    case: Case,
) -> None:
    found = case.ask()
    live = {n for n, holder in case.held.items() if not holder.archived}
    if not isinstance(found, Step):
        assert not live
        return
    loaded, existing = dict(found.settlement.loaded), dict(found.settlement.existing)
    skipped = {each.ordinal: each.id for each in found.settlement.skipped}
    question = case.load.question
    assert question is not None
    ours = {n for n in live if case.is_ours(n)}
    assert loaded.keys() == {n for n in ours if case.is_doubted(n)}
    assert skipped.keys() == {n for n in ours if not case.is_doubted(n)}
    assert existing.keys() == live - ours
    assert not live & {*sent(found.fresh), *sent(found.again)}
    for n, made in [*loaded.items(), *skipped.items(), *existing.items()]:
        assert made == str(100 + n)


@given(cases())
def test_a_doubt_goes_on_being_one_until_the_remote_says_otherwise(case: Case) -> None:
    found, question = case.ask(), case.load.question
    assert question is not None
    if isinstance(found, Load):
        assert found.attempt == case.load.attempt
    elif question.doubted:
        assert found.fresh == ()
        assert all(each.since == case.load.since for each in found.again)
    else:
        assert found.again == ()


@given(cases())
def test_only_who_is_absent_gets_a_letter(case: Case) -> None:
    question = case.load.question
    assert question is not None
    found = case.ask()
    if isinstance(found, Load):
        return
    for ordinal, letter in letters(found).items():
        assert ordinal in absent(case)
        if letter["reason"] == "undeliverable":
            assert question.enough
            assert len(case.load.batch.entries) == 1
            assert question.conflicts == {}
        else:
            assert letter["reason"] == "rejected"
            assert ordinal in question.conflicts
            assert question.asked + 1 >= ASKS or case.held[ordinal].archived


@given(cases())
def test_asking_comes_to_an_end_however_often_nothing_new_is_shown(case: Case) -> None:
    waiting, asks = [case.load], 0
    settled: Counter[int] = Counter()
    while waiting:
        asks += 1
        assert asks <= ASKS + 1
        one = waiting.pop()
        found = replace(case, load=one).ask()
        if isinstance(found, Load):
            waiting.append(found)
            continue
        left = [each for each in (*found.fresh, *found.again) if each.question is not None]
        assert len(left) <= 1
        waiting.extend(left)
        settled.update(named(found))
        settled.subtract(sent(tuple(left)))
    assert settled == Counter(e.ordinal for e in case.load.batch.entries)


WORDS = ("loaded", "absent", "unclear")
SEEN = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)


@given(SEEN, st.booleans(), st.booleans(), st.integers(0, 9))
def test_what_search_proves_settles_and_what_it_cant_stays_in_doubt(
    seen: list[Any], narrow: bool, enough: bool, successes: int
) -> None:
    many = len(seen) > 1
    asked = load(len(seen), lost(narrow=narrow and many, enough=enough and not many))
    proved = {
        n: Sighting(n, what, f"{100 + n}" if what == "loaded" else "")
        for n, what in enumerate(seen)
    }
    step = sighted(asked, proved, policy(means="verify"), LETTERS, successes)
    once(step, asked)
    by = {what: [n for n, each in enumerate(seen) if each == what] for what in WORDS}
    assert [o for o, _ in step.settlement.loaded] == by["loaded"]
    assert [e.ordinal for e in step.settlement.doubtful] == by["unclear"]
    assert {*letters(step), *sent(step.again)} == set(by["absent"])
    assert step.fresh == ()


FATES = st.lists(st.sampled_from(["made", "bad", "taken", "silent"]), min_size=1, max_size=8)


@given(FATES, st.booleans(), st.integers(0, 9))
def test_an_answer_with_conflicts_and_silence_names_each_record_once(
    fates: list[str], doubted: bool, successes: int
) -> None:
    by = {what: [n for n, f in enumerate(fates) if f == what] for what in sorted({*fates})}
    judged = wire.Outcomes(
        loaded=tuple((n, str(n)) for n in by.get("made", [])),
        rejected=tuple((n, NO) for n in by.get("bad", [])),
        silent=tuple(by.get("silent", [])),
        conflicts=tuple((n, TAKEN) for n in by.get("taken", [])),
    )
    of = load(len(fates), attempt=7 if doubted else None)
    step = settling.outcomes(of, judged, 207, policy(), LETTERS, successes)
    once(step, of)
    assert set(letters(step)) == set(by.get("bad", []))
    # What the answer does not speak of is in doubt by it; a conflict only by an earlier one.
    assert sent(step.again) == (by.get("taken", []) if doubted else []) + by.get("silent", [])
    assert sent(step.fresh) == ([] if doubted else by.get("taken", []))
    for each in (*step.again, *step.fresh):
        assert each.question is not None
        ours = each.batch.entries[0].ordinal in by.get("silent", [])
        assert each.question.doubted is (doubted or ours)
        assert each.question.conflicts.keys() == (set() if ours else set(by["taken"]))


@given(
    st.integers(1, 12),
    st.booleans(),
    st.sets(st.integers(0, 11)),
    st.sampled_from(["blamed", "suspects", "conflicts", "taken"]),
)
def test_a_refusal_names_each_record_once_and_a_taken_key_asks_for_all(
    size: int, doubted: bool, chosen: set[int], how: str
) -> None:
    picked = {n for n in chosen if n < size}
    assume(picked or how in ("suspects", "taken"))
    each = tuple((n, TAKEN if how == "conflicts" else NO) for n in sorted(picked))
    judged = {
        "blamed": wire.Refused(NO, blamed=each),
        "suspects": wire.Refused(NO, suspects=frozenset(picked)),
        "conflicts": wire.Refused(TAKEN, conflicts=each),
        "taken": wire.Refused(TAKEN, taken=True),
    }[how]
    of = load(size, attempt=7 if doubted else None)
    step = settling.refusal(of, judged, 400, LETTERS)
    once(step, of)
    left = step.again if doubted else step.fresh
    assert (step.fresh if doubted else step.again) == ()
    if how in ("conflicts", "taken"):
        (asked,) = left
        assert asked.question is not None
        assert asked.question.doubted is doubted
        assert asked.batch == of.batch
        assert letters(step) == {}
    else:
        assert all(part.question is None for part in left)
        lone = {0} if size == 1 else set()
        assert set(letters(step)) == (picked if how == "blamed" else lone)


@given(st.integers(1, 40), st.data(), st.integers(1, 5), st.booleans())
def test_poison_is_narrowed_in_few_tries_to_the_one_record_that_nobody_has(
    size: int, drawn: st.DataObject, attempts: int, outage: bool
) -> None:
    bad = drawn.draw(st.integers(0, size - 1))
    law = policy(attempts=attempts)
    waiting: list[Load] = [load(size, attempt=7)]
    there: dict[str, Found] = {}
    successes, tries, asks = 0, 0, 0
    settled: Counter[int] = Counter()
    while waiting:
        one = waiting.pop(0)
        if bad not in (e.ordinal for e in one.batch.entries):
            successes += 1
            there.update({e.key: MINE for e in one.batch.entries})
            settled.update(e.ordinal for e in one.batch.entries)
            continue
        tries += 1
        assert tries <= attempts * (size.bit_length() + 2) + (3 if outage else 0)
        if not (outage and tries <= 3):
            successes += 1  # another batch's
        found: Step | Load = settling.questioned(
            one, "502", 502, law, successes=successes, trial=False
        )
        while isinstance(found, Load):
            asks += 1
            found = answered(found, there, (), law, LETTERS, successes)
        if found.settlement.letters:
            assert letters(found).keys() == {bad}
            assert letters(found)[bad]["reason"] == "undeliverable"
        settled.update(n for n in named(found) if n not in {*sent(found.fresh), *sent(found.again)})
        waiting.extend(found.left([7] * len(found.again)))
    assert settled == Counter(range(size))
    assert asks >= 1


def test_a_failure_counts_only_where_another_went_through_since_the_last() -> None:
    law = policy(attempts=3)
    struck = load(4, attempt=7)
    for successes, strikes in [(0, 0), (0, 0), (2, 1), (2, 1), (2, 1), (3, 2)]:
        struck = settling.questioned(struck, "503", 503, law, successes=successes, trial=False)
        assert struck.strikes == strikes
        assert struck.question is not None
        assert not struck.question.narrow
        assert not struck.question.enough
    struck = settling.questioned(struck, "503", 503, law, successes=9, trial=False)
    assert struck.question is not None
    assert (struck.question.narrow, struck.question.enough) == (True, False)


def test_a_batch_that_alone_tried_the_remote_in_vain_is_narrowed_before_it_had_enough() -> None:
    tried = settling.questioned(load(4), "503", 503, policy(), successes=0, trial=True)
    assert tried.question is not None
    assert (tried.question.narrow, tried.question.enough) == (True, False)
    step = stepped(answered(replace(tried, attempt=7), {}, (), policy(), LETTERS, 0))
    assert [sent((each,)) for each in step.again] == [[0, 1], [2, 3]]
    one = settling.questioned(load(1), "503", 503, policy(), successes=0, trial=True)
    assert one.question is not None
    assert not one.question.narrow
