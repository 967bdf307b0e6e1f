"""The checks: each says what the facts show, and nothing that they don't."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkload.doctor import account as of_account
from bulkload.doctor import machine, records
from bulkload.doctor.facts import Check, Disk, Facts, Probed, Skew
from bulkload.doctor.report import CHECKS, judge
from bulkload.hubspot.account import Account, Usage, Usages
from bulkload.hubspot.inspecting import (
    ASSOCIATIONS,
    Definition,
    Definitions,
    Grant,
    Labels,
    PropertyMade,
)
from bulkload.hubspot.ratelimits import Daily, Told
from bulkload.report import table
from bulkload.runs.learnt import LONGEST_S, Learnt
from bulkload.runs.preflight import KEY, RUN

UNIQUE, PLAIN = Definition("string", unique=True), Definition("string", unique=False)
SCOPES = frozenset({"crm.objects.contacts.write", "crm.objects.contacts.read"})
SEEN = Learnt(0.2, 3.0, True, False, True, "2026-11-20T10:00:00+00:00")

WELL = Facts(
    base_url="https://api.test",
    now=1_795_000_000.0,
    disk=Disk("/runs", 50 << 30, 0.001),
    private_token=True,
    account=Account("62515", time_zone="Europe/Berlin"),
    grant=Grant("private app", "62515", SCOPES),
    rolling=Told(190, 10.0, 180),
    usage=Usages((Usage("calls", 1_000, 650_000),)),
    skew=Skew(-0.4, 0.9),
    definitions=Definitions({KEY: UNIQUE, RUN: PLAIN}),
    labels={kind: Labels(frozenset({number, 1})) for kind, number in ASSOCIATIONS.items()},
    learnt=SEEN,
)
NOTHING = Facts(base_url="https://api.test", now=0.0, disk=Disk("/runs", trouble="gone"))


def found(facts: Facts, name: str) -> Check:
    return next(check for check in judge(facts).checks if check.name == name)


def grant(**more: Any) -> Facts:
    assert WELL.grant is not None
    return replace(WELL, grant=WELL.grant._replace(**more))


def defined(**named: Definition) -> Facts:
    return replace(WELL, definitions=Definitions(named))


def test_a_portal_that_is_well_has_one_warning_that_nobody_can_lift() -> None:
    report = judge(WELL)
    assert [check.name for check in report.checks if check.state != "ok"] == ["workflows"]
    assert report.exit_code == 0
    assert report.portal == "62515"


def test_nothing_known_is_no_failure_but_of_what_was_looked_at() -> None:
    failed = [check.name for check in judge(NOTHING).checks if check.state == "fail"]
    assert failed == ["disk space"]


@pytest.mark.parametrize("member", [name for name in Facts.__slots__ if name not in
                                    ("base_url", "now", "disk", "made", "labels")])  # fmt: skip
def test_each_fact_may_be_missing_alone(member: str) -> None:
    unset: Any = getattr(NOTHING, member)
    report = judge(replace(WELL, **{member: unset}))
    assert report.exit_code == 0
    assert len(report.checks) == len(CHECKS) - 1  # without probes there is no line on them


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (WELL, 0),
        (grant(scopes=frozenset()), 1),
        (replace(WELL, unreached="refused"), 3),
        (replace(WELL, refused="no"), 3),
        (replace(WELL, interrupted=True), 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst(facts: Facts, code: int) -> None:
    report = judge(facts)
    assert report.exit_code == code
    assert report.as_json()["exit_code"] == code


def test_json_has_a_fix_only_where_there_is_one() -> None:
    shown = judge(WELL).as_json()
    assert list(shown) == ["portal", "checks", "learnt", "exit_code"]
    assert shown["learnt"]["search_lag_s"] == 3.0
    by_name = {check["name"]: check for check in shown["checks"]}
    assert "fix" not in by_name["token"]
    assert "--limit" in by_name["workflows"]["fix"]
    nothing = judge(NOTHING).as_json()
    assert nothing["portal"] is None
    assert nothing["learnt"] == {}


# the account


def test_a_token_that_ends_is_a_warning() -> None:
    check = of_account.check_token(grant(kind="OAuth app", expires_in=1_500.0))
    assert check.state == "warn"
    assert check.says.startswith("of an OAuth app, good for 25 min")


def test_what_the_token_looks_like_is_told_where_nobody_says_what_it_is() -> None:
    facts = replace(WELL, grant=Grant(trouble="404"))
    assert of_account.check_token(facts).says == "looks like a private app's (not answered: 404)"
    assert of_account.check_scopes(facts).state == "warn"


@pytest.mark.parametrize(
    ("scopes", "state"),
    [
        (SCOPES, "ok"),
        ({"sales-email-read", "crm.objects.contacts.read"}, "ok"),
        ({"crm.objects.contacts.write"}, "warn"),
        ({"crm.objects.contacts.read"}, "fail"),
    ],
)
def test_scopes_that_lack_are_named(scopes: set[str], state: str) -> None:
    check = of_account.check_scopes(grant(scopes=frozenset(scopes)))
    assert check.state == state
    assert (check.next_step is None) is (state == "ok")


def test_scopes_that_an_option_needs_are_named_with_it() -> None:
    says = of_account.check_scopes(grant(scopes=SCOPES | {"crm.objects.owners.read"})).says
    assert "; not enough for --attachments upload (files)" in says
    assert "--owners" not in says
    everything = grant(scopes=SCOPES | of_account.WANTED_BY.keys())
    assert "not enough" not in of_account.check_scopes(everything).says


def test_a_token_of_another_portal_than_the_account_fails() -> None:
    assert of_account.check_portal(grant(portal="777")).state == "fail"
    assert of_account.check_portal(grant(portal="")).says == "62515"


@pytest.mark.parametrize(
    ("used", "state"), [(0, "ok"), (899, "ok"), (901, "warn"), (1_000, "fail"), (1_200, "fail")]
)
def test_the_day_is_judged_by_what_is_left(used: int, state: str) -> None:
    by_usage = replace(WELL, usage=Usages((Usage("", used, 1_000), Usage("", 0, 9_000))))
    assert of_account.check_quota(by_usage).state == state
    by_headers = replace(WELL, usage=None, daily=Daily(1_000, max(1_000 - used, 0)))
    assert of_account.check_quota(by_headers).state == state


def test_a_day_that_is_used_up_fails_whatever_else_was_said() -> None:
    assert of_account.check_quota(replace(WELL, exhausted=True)).state == "fail"


def test_an_oauth_app_has_no_day_to_use_up() -> None:
    facts = replace(grant(kind="OAuth app"), usage=None)
    assert of_account.check_quota(facts).state == "ok"


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "\x00", "/etc/localtime"])
def test_a_zone_that_is_not_known_here_is_a_warning(zone: str) -> None:
    check = of_account.check_zone(replace(WELL, account=Account("1", time_zone=zone)))
    assert (check.state, check.next_step) == ("warn", "install tzdata")


@pytest.mark.parametrize(
    ("skew", "says"),
    [
        (Skew(-1.0, 1.0), "agrees"),
        (Skew(1.9, 2.9), "agrees"),  # surely apart by less than two
        (Skew(2.5, 3.5), "2 s or more behind"),
        (Skew(-41.0, -40.0), "40 s or more ahead of"),
    ],
)
def test_clocks_are_apart_by_what_is_sure(skew: Skew, says: str) -> None:
    check = of_account.check_clock(replace(WELL, skew=skew))
    assert says in check.says
    assert (check.state == "ok") is (says == "agrees")


# what a load relies on


@pytest.mark.parametrize(
    ("named", "made", "state", "says"),
    [
        ({KEY: UNIQUE}, None, "ok", "with unique values"),
        ({KEY: UNIQUE}, PropertyMade(done=True), "ok", "just made"),
        ({KEY: PLAIN}, None, "fail", "without unique values"),
        ({KEY: Definition("number", unique=True)}, None, "fail", "of type number"),
        ({}, None, "warn", f"no {KEY}"),
        ({}, PropertyMade(denied="the token may not"), "fail", "the token may not"),
        ({}, PropertyMade(done=True), "warn", "not listed yet"),
        ({f"u{n}": UNIQUE for n in range(10)}, None, "warn", "no room"),
        ({f"u{n}": UNIQUE._replace(hubspots=True) for n in range(10)}, None, "warn", f"no {KEY}:"),
    ],
)
def test_the_key_property_is_a_unique_text(
    named: dict[str, Definition], made: PropertyMade | None, state: str, says: str
) -> None:
    facts = replace(defined(**named), made={KEY: made} if made else {})
    check = records.check_key(facts)
    assert check.state == state
    assert says in check.says
    assert (check.next_step is None) is (state == "ok")


@pytest.mark.parametrize(
    ("found_", "state"),
    [(PLAIN, "ok"), (UNIQUE, "fail"), (Definition("date", unique=False), "fail"), (None, "warn")],
)
def test_the_run_property_is_a_plain_text(found_: Definition | None, state: str) -> None:
    named = {} if found_ is None else {RUN: found_}
    assert records.check_run(defined(**named)).state == state


def probed(**seen: Any) -> Facts:
    known = Learnt(at="2026-11-25T00:00:00+00:00")._replace(**seen)
    return replace(WELL, probed=Probed(known, keyed=True, conflict="CONFLICT"), learnt=known)


def test_unique_values_are_proved_by_a_refusal_and_disproved_by_a_second_record() -> None:
    assert records.check_unique(probed(unique_emails=True)).says.endswith("(CONFLICT)")
    broken = records.check_unique(probed(unique_emails=False))
    assert broken.state == "fail"
    assert records.check_unique(replace(WELL, learnt=None)).state == "ok"  # there is one
    assert records.check_unique(replace(defined(), learnt=None)).state == "warn"


def test_what_was_seen_earlier_has_its_day() -> None:
    assert "(seen on 2026-11-20)" in records.check_traces(WELL).says
    assert "seen on" not in records.check_traces(probed(echoes_trace_id=True)).says


@pytest.mark.parametrize(
    ("lag", "state", "says"),
    [
        (0.0, "ok", "after 0.0 s"),
        (5.5, "warn", "after 5.5 s"),
        (LONGEST_S, "warn", "not within 60 s"),
        (None, "warn", "not found out"),
    ],
)
def test_a_lag_is_told(lag: float | None, state: str, says: str) -> None:
    check = records.check_search(probed(search_lag_s=lag))
    assert check.state == state
    assert says in check.says


def test_what_nobody_has_seen_is_found_out_by_probes() -> None:
    facts = replace(WELL, learnt=None)
    for check in (records.check_traces, records.check_reads, records.check_archived):
        assert check(facts).next_step == "bulkload doctor --probe"


def test_an_archived_record_that_keeps_its_key_is_a_warning() -> None:
    assert records.check_archived(probed(archived_keeps_key=True)).state == "warn"
    assert records.check_archived(probed(archived_keeps_key=False)).state == "ok"


@pytest.mark.parametrize(
    ("become", "says"),
    [
        (Probed(left=("1", "2"), trouble="interrupted"), "1, 2"),
        (Probed(unsure=True, trouble="reset"), "may be left"),
        (Probed(trouble="interrupted"), "interrupted"),
    ],
)
def test_probes_that_did_not_end_well_fail_and_are_named(become: Probed, says: str) -> None:
    check = records.check_probes(replace(WELL, probed=become))
    assert check is not None
    assert check.state == "fail"
    assert says in check.says


def test_an_association_type_that_is_not_listed_fails() -> None:
    other = {**WELL.labels, "deals": Labels(frozenset({7}))}
    check = records.check_associations(replace(WELL, labels=other))
    assert check.state == "fail"
    assert "210 (deals)" in check.says
    silent = {**WELL.labels, "deals": Labels(trouble="404")}
    assert records.check_associations(replace(WELL, labels=silent)).state == "warn"
    none = dict.fromkeys(WELL.labels, Labels(trouble="404"))
    assert records.check_associations(replace(WELL, labels=none)).says == "not answered: 404"


# the machine


@pytest.mark.parametrize(
    ("disk", "space", "sync"),
    [
        (Disk("/r", 2 << 30, 0.005), "ok", "ok"),
        (Disk("/r", 500 << 20, 0.1), "warn", "warn"),
        (Disk("/r", 10 << 20, 0.5), "fail", "warn"),
        (Disk("/r", trouble="Permission denied"), "fail", "warn"),
    ],
)
def test_a_disk_is_judged_by_room_and_speed(disk: Disk, space: str, sync: str) -> None:
    facts = replace(WELL, disk=disk)
    assert machine.check_space(facts).state == space
    assert machine.check_sync(facts).state == sync


def test_measuring_makes_no_folder_and_leaves_no_file(tmp_path: Path) -> None:
    disk = machine.measure(tmp_path / "not" / "there")
    assert disk.folder == str(tmp_path)
    assert disk.free_bytes is not None
    assert disk.sync_s is not None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert machine.measure(tmp_path / "file" / "runs").trouble == "it is no folder"


# the table


def test_a_plain_table_has_a_line_a_check_and_no_controls() -> None:
    checks = [
        Check("token", "ok", "of \x1b[31m a\nprivate app"),
        Check("key", "warn", "503 X 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "do this"),
    ]
    stream = io.StringIO()
    table.show(checks, stream)
    assert stream.getvalue().splitlines() == [
        "ok    token  of �[31m a�private app",
        "warn  key    503 X",
        "             → do this",
    ]


def test_a_terminal_gets_a_table_that_holds_the_same() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    table.show([Check("key", "fail", "[bold]not markup[/bold]", "do this")], stream)
    assert "[bold]not markup[/bold]" in stream.getvalue()
    assert "→ do this" in stream.getvalue()
