"""Outages, blips and poison in virtual time: the real pipeline against a remote with moods."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from math import log2
from random import Random

import pytest

from bulkload.errors import StoppedResumable
from tests.moods import Down, Moody, Ran, at_a_time, policy, run

BEGIN = 15.0
HOUR = 3600.0
ALL = ("create", "read", "probe")
KINDS = ("503", "html", "reset", "refuse", "stall", "477", "423")


def through(
    kind: str, lasts: float, means: str = "key", strikes: tuple[str, ...] = ALL
) -> tuple[Ran, Down]:
    """One run through one outage, with work left for 40 s after it."""
    down = Down(BEGIN, BEGIN + lasts, kind, strikes)
    ran = run(Moody((down,)), round((BEGIN + 40) * 19) * 2, 2, policy(means))
    assert ran.stopped is None
    return ran, down


def while_it_lasts(ran: Ran, down: Down) -> int:
    """The most calls at a time, from when the outage can be known by all."""
    known = down.begin + 3.0
    return at_a_time([call for call in ran.remote.calls if known <= call.t < down.end])


@pytest.mark.parametrize("lasts", [45.0, HOUR])
@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_kills_nothing_hardly_calls_and_the_rate_is_soon_back(
    kind: str, lasts: float
) -> None:
    ran, down = through(kind, lasts)
    assert (ran.tally.dead, ran.tally.doubt) == (0, 0)
    assert ran.tally.loaded == ran.tally.read == len(ran.remote.made) == len(set(ran.remote.made))
    assert while_it_lasts(ran, down) <= 2
    assert ran.rate(down.end + 15.0) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_an_hour_puts_in_doubt_what_was_in_flight(kind: str) -> None:
    ran, down = through(kind, HOUR, "hold")
    assert ran.tally.dead == 0
    assert ran.tally.doubt <= 20 * 2
    assert ran.tally.loaded == len(ran.remote.made) == len(set(ran.remote.made))
    assert while_it_lasts(ran, down) <= 2
    assert ran.rate(down.end + 15.0) > 0.9


@pytest.mark.parametrize("kind", ["503", "reset", "refuse", "423"])
def test_probes_come_every_five_seconds_then_every_thirty_at_least(kind: str) -> None:
    ran, down = through(kind, HOUR)
    calls = [c for c in ran.remote.calls if down.begin + 3.0 < c.t < down.end]
    early = [c.t for c in calls if c.t < down.begin + 590]
    late = [c.t for c in calls if c.t > down.begin + 640]
    most = 10.0 if kind == "423" else 5.0  # a lock names its wait: its backoff is another
    assert max(b - a for a, b in pairwise(early)) < most + 1.0
    assert 5.0 < max(b - a for a, b in pairwise(late)) < 31.0
    assert len(late) < HOUR / 5


@pytest.mark.parametrize("lasts", [45.0, HOUR])
@pytest.mark.parametrize("kind", KINDS)
def test_where_reads_are_answered_and_creates_are_not_one_tries_and_the_rate_is_soon_back(
    kind: str, lasts: float
) -> None:
    ran, down = through(kind, lasts, strikes=("create",))
    assert (ran.tally.dead, ran.tally.doubt) == (0, 0)
    assert ran.tally.loaded == ran.tally.read
    assert while_it_lasts(ran, down) <= 2
    assert ran.rate(down.end + 15.0) > 0.9


def test_without_a_key_creates_that_fail_while_reads_are_answered_cost_a_record_a_minute() -> None:
    ran, down = through("503", HOUR, "hold", strikes=("create",))
    failed = [c for c in ran.remote.calls if c.kind == "create" and c.status == 503]
    assert {c.records for c in failed if c.t > down.begin + 3.0} == {1}
    assert ran.tally.doubt == sum(c.records for c in failed) < 20 * 2 + HOUR / 15
    assert ran.tally.dead == 0


@pytest.mark.parametrize("means", ["key", "hold"])
def test_where_creates_would_go_and_reads_are_not_answered_a_doubt_waits_for_them(
    means: str,
) -> None:
    reads = Down(BEGIN, BEGIN + 45.0, "503", ("read", "probe"))
    blip = Down(BEGIN + 1.0, BEGIN + 1.1, "503", ("create",))
    ran = run(Moody((blip, reads)), round((BEGIN + 40) * 19) * 2, 2, policy(means))
    assert (ran.stopped, ran.tally.dead) == (None, 0)
    assert ran.tally.doubt <= (0 if means == "key" else 20 * 2)
    assert while_it_lasts(ran, reads) <= 2
    assert ran.rate(reads.end + 15.0) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_single_failures_with_a_key_cost_a_round_trip_each_and_hardly_any_rate(seed: int) -> None:
    ran = run(Moody(blips=0.01, random=Random(seed)), 70 * 19 * 2, 2)
    assert (ran.stopped, ran.tally.dead, ran.tally.doubt) == (None, 0, 0)
    assert sum(call.status == 503 for call in ran.remote.calls) >= 8
    moments = sorted(call.t for call in ran.remote.calls)
    last = ran.creates[-1]
    counts = [
        bisect_left(moments, at + 10.0) - bisect_left(moments, at)
        for at in (10.0 + n / 10 for n in range(int((last - 20.0) * 10)))
    ]
    assert max(counts) <= 190
    assert sum(counts) / len(counts) / 190 >= 0.98


BOUND = 3 * log2(100) + 10
POISON = frozenset({1234, 3456, 5678})


def narrowing(ran: Ran, ordinary: int) -> int:
    """Calls beyond those that the load would have made without poison."""
    return len(ran.remote.calls) - ordinary


def undeliverable(ran: Ran, poison: frozenset[int]) -> None:
    """Exactly the poison is a dead letter, with what the remote said; all else is there, once."""
    assert ran.stopped is None
    found = ran.letters()
    assert found.keys() == poison
    for letter in found.values():
        assert letter["reason"] == "undeliverable"
        words = {"503": "503", "500": "500", "reset": "reset", "stall": "no answer in time"}
        assert words[ran.remote.poison_as] in letter["message"]
    assert sorted(ran.remote.made) == sorted(set(range(ran.tally.read)) - poison)
    assert (ran.tally.loaded, ran.tally.doubt) == (len(ran.remote.made), 0)


@pytest.mark.parametrize("kind", ["500", "503", "reset", "stall"])
def test_three_poison_records_in_six_thousand_are_all_that_dies(kind: str) -> None:
    remote = Moody(poison=POISON, poison_as=kind, timeout=10.0)
    given = policy(quiet_s=70.0)
    ran = run(remote, 6000, given=given)
    undeliverable(ran, POISON)
    assert narrowing(ran, 60) <= len(POISON) * BOUND
    rest = max(call.t for call in remote.calls if call.kind == "create" and call.status == 201)
    looked = min(at for at, event in ran.told if getattr(event, "dead_lettered", 0))
    assert rest < looked, "all else was loaded before the first of them was given up"
    assert looked > 70.0 + 15.0, "given up while a call might still have been under way"


@pytest.mark.parametrize("kind", ["503", "stall"])
def test_poison_does_not_hold_up_the_rest(kind: str) -> None:
    def took(poison: frozenset[int]) -> float:
        # Few workers: three that hang would be nearly all of them.
        remote = Moody(poison=poison, poison_as=kind, timeout=20.0, latency=0.1)
        ran = run(remote, 400 * 10, 10, policy(in_flight=4, quiet_s=80.0))
        made = sorted(c.t for c in remote.calls if c.kind == "create" and c.status == 201)
        assert ran.stopped is None
        return made[int(0.9 * len(made))]

    few = frozenset(range(5, 4000, 1500))
    hung = 20.0 * (kind == "stall")  # the first failures, which are not known for what they are
    assert took(few) < 1.3 * took(frozenset()) + hung


@pytest.mark.parametrize(
    ("poison", "count"),
    [
        (frozenset({599}), 600),
        (frozenset({500, 550, 599}), 600),
        (frozenset({3, 50, 97}), 100),
        (frozenset({0}), 2),
        (frozenset(range(40)), 400),
    ],
    ids=["the last", "three in the last batch", "three in the only batch", "one of two", "forty"],
)
def test_poison_dies_wherever_it_lies(poison: frozenset[int], count: int) -> None:
    ran = run(Moody(poison=poison), count, given=policy(max_dead_share=None))
    undeliverable(ran, poison)
    assert narrowing(ran, -(-count // 100)) <= len(poison) * BOUND


def test_poison_that_is_all_there_is_can_not_be_told_from_an_outage() -> None:
    remote = Moody(poison=frozenset({0}))
    ran = run(remote, 1, given=policy(max_outage_s=3600.0))
    assert isinstance(ran.stopped, StoppedResumable)
    assert (ran.letters(), ran.remote.made, ran.open) == ({}, [], 1)
    assert len(remote.calls) < 2 * (120 * 5 + 300 + 50), "it backs off"


@pytest.mark.parametrize("kind", ["503", "reset", "stall", "refuse", "477"])
def test_poison_in_an_outage_dies_and_nothing_else_does(kind: str) -> None:
    down = Down(2.0, 302.0, kind)
    remote = Moody((down,), poison=POISON, poison_as="503")
    ran = run(remote, 6000)
    undeliverable(ran, POISON)
    looked = min(at for at, event in ran.told if getattr(event, "dead_lettered", 0))
    assert looked > down.end


def test_fifty_poison_records_leave_the_others_most_of_the_rate() -> None:
    poison = frozenset(range(50, 12_000, 240))
    remote = Moody(poison=poison)
    ran = run(remote, 12_000, 10, policy(max_dead_share=None))
    undeliverable(ran, poison)
    made = [c.t for c in remote.calls if c.kind == "create" and c.status == 201 and c.records == 10]
    assert max(made) < 2.0 * 1200 / 19, "nothing waited for the last look at a record"


@pytest.mark.parametrize("strikes", [ALL, ("create",)], ids=["all", "creates"])
def test_an_outage_of_the_last_few_batches_is_no_poison(strikes: tuple[str, ...]) -> None:
    down = Down(2.0, 2.0 + HOUR, "503", strikes)
    ran = run(Moody((down,)), 60 * 4, 4)
    assert (ran.stopped, ran.tally.dead, ran.tally.loaded) == (None, 0, 240)
    assert while_it_lasts(ran, down) <= 2
