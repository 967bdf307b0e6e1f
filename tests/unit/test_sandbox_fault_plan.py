"""A fault depends on the seed, the rates and the call's number alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox.config import Outage, parse_fault, parse_outage, parse_rate, parse_share
from bulkload.sandbox.faults import KINDS, FaultPlan


@given(st.integers(), st.lists(st.integers(0, 500), max_size=30))
def test_faults_do_not_depend_on_the_order_of_asking(seed: int, numbers: list[int]) -> None:
    rates = dict.fromkeys(KINDS, 1 / len(KINDS))
    one, other = FaultPlan(seed, rates, ()), FaultPlan(seed, rates, ())
    forwards = [one.fault(number) for number in numbers]
    backwards = [other.fault(number) for number in reversed(numbers)]
    assert forwards == backwards[::-1]


def test_the_rates_are_met() -> None:
    plan = FaultPlan(1, {"503": 0.1, "stall": 0.3}, ())
    drawn = [fault.kind for n in range(5000) if (fault := plan.fault(n)) is not None]
    assert drawn.count("503") == pytest.approx(500, rel=0.2)
    assert drawn.count("stall") == pytest.approx(1500, rel=0.1)
    assert set(drawn) == {"503", "stall"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_of_one_strikes_every_call(kind: str) -> None:
    plan = FaultPlan(3, {kind: 1.0}, ())
    assert all((fault := plan.fault(n)) and fault.kind == kind for n in range(50))


def test_a_rate_can_be_for_what_some_calls_write() -> None:
    plan = FaultPlan(1, {"files:503": 0.5, "late": 0.5}, ())

    def kinds(writes: str) -> list[str]:
        return [fault.kind for n in range(200) if (fault := plan.fault(n, writes)) is not None]

    assert set(kinds("emails")) == set(kinds("contacts")) == {"late"}
    assert set(kinds("files")) == {"503", "late"}
    assert len(kinds("files")) == 200
    drawn = [[plan.fault(n, writes) for n in range(50)] for writes in ("emails", "contacts")]
    assert drawn[0] != drawn[1]  # each has numbers of its own
    for wrong in ("file:503", "files:599", ":503"):
        with pytest.raises(ValueError, match=f"no such fault: {wrong}"):
            plan.change({wrong: 0.1})
    with pytest.raises(ValueError, match="together"):
        plan.change({"files:503": 0.6, "late": 0.5})
    plan.change({"files:503": 0.6, "contacts:late": 0.6})
    assert plan.fault(1) is None


def test_a_fault_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no such fault: 599"):
        FaultPlan(0, {"599": 0.1}, ())
    with pytest.raises(ValueError, match="together"):
        FaultPlan(0, {"503": 0.6, "500": 0.6}, ())


def test_the_first_call_starts_the_clock_of_outages() -> None:
    plan = FaultPlan(0, {}, [Outage(1, 2, "503")])
    assert [bool(plan.outage(now)) for now in (100, 100.9, 101, 102.9, 103)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_options_are_read_from_text() -> None:
    assert parse_rate("190/10s") == (190, 10.0)
    assert parse_rate("none") is None
    assert parse_share("2%") == parse_share("0.02") == 0.02
    assert parse_fault("reset-before=1%") == ("reset-before", 0.01)
    assert parse_outage("30+60:html") == Outage(30, 60, "html")


@pytest.mark.parametrize(
    "call",
    [
        lambda: parse_rate("fast"),
        lambda: parse_rate("0/10s"),
        lambda: parse_rate("5/0.0000000001s"),
        lambda: parse_rate(f"1/{'9' * 400}s"),
        lambda: parse_rate(f"{'9' * 5000}/10s"),
        lambda: parse_outage(f"0+{'9' * 400}:503"),
        lambda: parse_outage(f"{'9' * 400}+1:503"),
        lambda: parse_outage("0+0.0001:503"),
        lambda: parse_share("120%"),
        lambda: parse_fault("503"),
        lambda: parse_outage("30:503"),
        lambda: parse_outage("1+2:flood"),
    ],
)
def test_what_can_not_be_read_says_how_to_write_it(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=r"write|outside"):
        call()


def test_an_outage_added_in_mid_run_leaves_the_planned_ones_alone() -> None:
    plan = FaultPlan(0, {}, [Outage(5, 1, "503")])
    plan.add(Outage(1, 2, "reset"), 50.0)  # before any call
    assert plan.begin(100.0)
    assert not plan.begin(101.0)
    plan.add(Outage(0, 3, "stall"), 105.5)

    def kind(now: float) -> str | None:
        span = plan.outage(now)
        return None if span is None else span.kind

    assert [kind(now) for now in (51, 53, 104.9, 105, 105.9, 106, 108.4, 108.5)] == [
        "reset",
        None,
        None,
        "503",
        "503",
        "stall",
        "stall",
        None,
    ]
    assert plan.outages == 3
    plan.replace([Outage(0, 1, "477")], 200.0)
    assert (kind(200), kind(201), plan.outages) == ("477", None, 1)


def test_the_port_is_closed_while_an_outage_refuses_and_at_no_other_time() -> None:
    plan = FaultPlan(0, {}, [Outage(2, 3, "refuse"), Outage(0, 9, "503")])
    assert plan.refusing(99.0) == (False, None)  # no call yet: the clock has not started
    plan.begin(100.0)
    assert plan.refusing(100.5) == (False, 1.5)
    assert plan.refusing(102.0) == (True, 3.0)
    assert plan.refusing(105.0) == (False, None)
    plan.add(Outage(0, 4, "refuse"), 103.0)  # overlapping ones close it once
    assert plan.refusing(104.0) == (True, 1.0)
    assert plan.refusing(105.0) == (True, 2.0)
    assert plan.refusing(107.0) == (False, None)
