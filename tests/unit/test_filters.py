"""What is left out, by which filter; and what can be said of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.mail.expressions import FIELDS
from bulkload.mail.filters import LEAVE_OUT, Filters, read_never_log
from bulkload.mail.mine import Mine, direction, external_people, guess, is_contact
from bulkload.mail.read import read_email
from bulkload.model import Address, Email, Position, Record
from bulkload.records.deciding import never_log, owners

MINE = Mine.parse(["ours.com"])
NONE = ["none"]
CORPUS = Path(
    os.environ.get("BULKLOAD_MAIL_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "mail-corpus"
)
FIRST = Filters()


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def email(
    *traits: str,
    from_: str = "eve@theirs.com",
    to: str = "ada@ours.com",
    sent_at: int | None = at("2020-06-01"),
    labels: tuple[str, ...] = (),
    list_id: str = "",
) -> Email:
    return Email(
        sent_at,
        "",
        "",
        "",
        from_=tuple(map(Address, from_.split())),
        to=tuple(map(Address, to.split())),
        traits=frozenset(traits),
        labels=labels,
        list_id=list_id,
    )


def lying(folder: str = "", flags: str = "") -> Record:
    return Record(Position(0, 1), "mail", b"", folder=folder, flags=flags)


@pytest.mark.parametrize(
    ("message", "record", "reason"),
    [
        (email(), lying(), None),
        (email("signed", "calendar", "forward"), lying("Clients"), None),
        (email("draft"), lying(), "draft"),
        (email(), lying("Entwürfe"), "draft"),
        (email(), lying("Outbox"), "draft"),
        (email(), lying("INBOX", "DS"), "draft"),
        (email(labels=("Entwürfe",)), lying("All mail"), "draft"),
        (email("spam"), lying(), "spam"),
        (email(), lying("Junk E-mail"), "spam"),
        (email(labels=("Spam", "Inbox")), lying(), "spam"),
        (email("deleted"), lying(), "trash"),
        (email(), lying("INBOX", "ST"), "trash"),
        (email(), lying("Trash/Clients"), "trash"),
        (email(labels=("Papierkorb",)), lying(), "trash"),
        (email("auto-reply"), lying(), "auto-reply"),
        (email("auto-reply", "bounce"), lying(), None),
        (email("list"), lying(), "list"),
        (email("list", list_id="sales.ours.com"), lying(), None),
        (email("list", list_id="news.theirs.com"), lying(), "list"),
        (email(from_="bob@ours.com"), lying(), "internal"),
        (email(from_="mailer-daemon@ours.com", to="ada@ours.com"), lying(), "internal"),
        (email("bounce", from_="mailer-daemon@ours.com"), lying(), None),
        (email(from_="bob@ours.com", to="ada@ours.com eve@theirs.com"), lying(), None),
        (email(from_="bob@ours.com", to=""), lying(), None),
        (email(from_="bob@ours.com", to="ada@ours.com 1@bcc.hubspot.com"), lying(), "internal"),
        (email(from_="", to="ada@ours.com"), lying(), None),
    ],
)
def test_what_is_left_out_by_default(message: Email, record: Record, reason: str | None) -> None:
    assert FIRST.reason(message, record, MINE) == reason
    assert Filters.parse(leave_out=NONE).reason(message, record, MINE) is None
    if reason:
        alone = Filters.parse(leave_out=[name for name in LEAVE_OUT if LEAVE_OUT[name] == reason])
        assert alone.reason(message, record, MINE) == reason
        others = Filters.parse(leave_out=[name for name in LEAVE_OUT if LEAVE_OUT[name] != reason])
        assert others.reason(message, record, MINE) is None


def test_one_address_alone_makes_nothing_internal() -> None:
    message = email(from_="ada@ours.com")
    assert FIRST.reason(message, lying(), Mine.parse(["ada@ours.com"])) is None
    assert FIRST.reason(message, lying(), Mine.parse(["ada@ours.com,a@home.org"])) == "internal"
    assert FIRST.reason(message, lying(), Mine()) is None


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (["after=2020-06-01"], None),
        (["after=2020-06-02"], "filter: after"),
        (["after=2020-06-01T01:00:00+01:00"], None),
        (["after=2020-06-01T00:00:00-01:00"], "filter: after"),
        (["before=2020-06-01"], "filter: before"),
        (["before=2020-06-02"], None),
        (["after=2021-01-01", "after=2020-01-01"], None),
        (["from=theirs.com"], None),
        (["from=*@theirs.com"], None),
        (["from=Eve@Theirs.com"], None),
        (["from=other.com,theirs.com"], None),
        (["from=other.com", "from=theirs.com"], None),
        (["from=other.com"], "filter: from"),
        (["from!=theirs.com"], "filter: not from"),
        (["from!=other.com"], None),
        (["from=theirs.com", "from!=eve@theirs.com"], "filter: not from"),
        (["to=ada@ours.com"], None),
        (["to=*.ours.com"], "filter: to"),
        (["to!=ours.com"], "filter: not to"),
        (["label=client*"], None),
        (["label=[a]/x?z"], None),
        (["label=clients"], "filter: label"),
        (["label!=Clients/*"], "filter: not label"),
        (["folder=2020"], None),
        (["folder=éclair/*"], None),
        (["folder = ÉCLAIR/2020"], None),
        (["folder=Éclair"], "filter: folder"),
        (["folder=2020", "to=nobody@ours.com"], "filter: to"),
        (["folder!=*20"], "filter: not folder"),
    ],
)
def test_what_a_filter_leaves_out(filters: list[str], reason: str | None) -> None:
    message = email(labels=("Clients/Acme", "[A]/xyz"))
    record = lying("&AMk-clair/2020")
    assert Filters.parse(filters).reason(message, record, MINE) == reason


def test_dates_without_a_zone_are_those_of_the_run() -> None:
    new_york = Filters.parse(["after=2020-06-01"], zone=ZoneInfo("America/New_York"))
    assert new_york.after == at("2020-06-01T04:00")
    assert Filters.from_json(new_york.as_json()) == new_york


def test_a_message_without_a_date_is_for_mapping_to_judge() -> None:
    dated = Filters.parse(["after=2020-01-01", "before=2020-01-02"])
    assert dated.reason(email(sent_at=None), lying(), MINE) is None


def test_who_is_never_logged_comes_before_all_else() -> None:
    never = Filters.parse(["from=other.com"], never_log=["theirs.com"])
    assert never.reason(email("draft"), lying("Trash"), MINE) == "never-log"
    private = Filters.parse(never_log=["ada+private@ours.com"])
    assert private.reason(email(to="x@y.com Ada+Private@ours.com"), lying(), MINE) == "never-log"
    assert private.reason(email(), lying(), MINE) is None


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (
            ["form=x.com"],
            r"--filter 'form=x.com': no such field \(did you mean 'from'\?\); there are",
        ),
        (["subject=x"], r"--filter 'subject=x': no such field; there are after, before, from, to"),
        (["after"], r"--filter 'after': write field=value or field!=value"),
        (["from="], r"--filter 'from=': there is no value behind ="),
        (["after!=2020-01-01"], r"write before=2020-01-01 instead"),
        (["after=yesterday"], r"--filter 'after=yesterday': no date; write 2019-12-31"),
        (["before=2019-13-01"], r"--filter 'before=2019-13-01': no date"),
        (["after=0001-01-01T00:00:00+14:00"], r"no date"),
        (["to=nobody"], r"--filter to= 'nobody': no address and no domain"),
    ],
)
def test_what_no_filter_is_is_quoted(filters: list[str], says: str) -> None:
    with pytest.raises(RefusedToStart, match=says):
        Filters.parse(filters)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["list"],
            r"--leave-out 'list': no such kind of mail \(did you mean 'lists'\?\); there are",
        ),
        (["spam,none"], "--leave-out none: it stands alone"),
    ],
)
def test_what_nothing_is_called_is_quoted(names: list[str], says: str) -> None:
    with pytest.raises(RefusedToStart, match=says):
        Filters.parse(leave_out=names)


DATES = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(datetime.isoformat)  # noqa: DTZ001  # clock times of any zone
ADDRESS = st.from_regex(r"(\*\.|[a-z]{1,3}@)?[a-z]{1,4}\.(com|org)", fullmatch=True)
GLOB = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1)
EXPRESSIONS = st.one_of(
    st.tuples(st.sampled_from(["after=", "before="]), DATES),
    st.tuples(st.sampled_from(["from=", "from!=", "to=", "to!="]), ADDRESS),
    st.tuples(st.sampled_from(["label=", "folder!="]), GLOB.filter(str.strip)),
).map("".join)
ANY = st.builds(
    Filters.parse,
    st.lists(EXPRESSIONS, max_size=5),
    st.lists(st.sampled_from(list(LEAVE_OUT)), max_size=3),
    st.lists(ADDRESS, max_size=3),
)


@given(ANY)
def test_what_is_written_is_read_again(filters: Filters) -> None:
    assert Filters.from_json(filters.as_json()) == filters


@given(
    ANY,
    st.sets(st.sampled_from(["draft", "spam", "auto-reply", "list", "bounce"])),
    st.sampled_from(["INBOX", "Sent", "Trash", "Clients/A", ""]),
    st.sampled_from(["eve@theirs.com", "bob@ours.com", ""]),
)
def test_every_reason_has_a_stable_name(
    filters: Filters, traits: set[str], folder: str, from_: str
) -> None:
    reason = filters.reason(email(*traits, from_=from_), lying(folder), MINE)
    assert reason is None or reason in {
        "never-log",
        *filters.leave_out,
        *(rule.reason for rule in filters.rules),
        "filter: after",
        "filter: before",
    }


@given(st.text(min_size=1).filter(lambda text: "," not in text and bool(text.strip())))
def test_a_name_is_matched_by_itself(name: str) -> None:
    plain = name.strip().replace("*", "?")
    filters = Filters.parse([f"label={plain}"], NONE)
    assert filters.reason(email(labels=(name.strip(),)), lying(), MINE) is None


def test_the_never_log_list_is_read_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "never.txt"
    path.write_text("\ufeff# private\n\nhome.org\nEve@Theirs.com, *.bank.com\n", encoding="utf-8")
    assert tuple(never_log(["a.com", f"@{path}"])) == (
        "a.com",
        "home.org",
        "eve@theirs.com",
        "*.bank.com",
    )
    with pytest.raises(RefusedToStart, match=r"^n\.txt, line 2: 'x': no address and no domain"):
        read_never_log("home.org\nx\n", "n.txt")


def test_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"--never-log .*absent: can't be read: No such file"):
        list(never_log([f"@{tmp_path / 'absent'}"]))
    path = tmp_path / "latin.csv"
    path.write_bytes(b"ada@m\xfcller.de,1\n")
    with pytest.raises(RefusedToStart, match="is not UTF-8"):
        owners(str(path))
    path.write_text("ada@ours.com,1\n", encoding="utf-8")
    assert owners(str(path)) == {"ada@ours.com": "1"}


def test_the_page_names_every_reason_and_field() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "filters.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    first_cells = " ".join(row.split("|")[1] for row in rows)
    for name in (*LEAVE_OUT.values(), *FIELDS, "never-log", "filter: from", "filter: not from"):
        assert f"`{name}`" in first_cells, name
    for name in LEAVE_OUT:
        assert f"`{name}`" in page


def _corpus() -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip(f"no mail corpus at {CORPUS}; name one in BULKLOAD_MAIL_CORPUS")
    return sorted(path for path in CORPUS.rglob("*") if path.suffix in {".eml", ".txt"})


def test_any_real_message_is_judged() -> None:
    """Each has a direction, people whom a contact can be, and a reason or none."""
    messages = [(read_email(path.read_bytes()), path.parent.name) for path in _corpus()]
    assert len(messages) > 100
    mine, words = guess(messages)
    assert mine
    assert "guessed whose mail it is" in words
    for message, folder in messages:
        assert direction(message, mine, folder) in {"EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"}
        assert all(is_contact(each.email) for each in external_people(message, mine))
        assert Filters().reason(message, lying(folder), mine) in {None, *LEAVE_OUT.values()}
