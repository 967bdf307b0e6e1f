"""What was learned of a portal: kept whole and private, and ignored where it is damaged."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.runs import learnt
from bulkload.runs.learnt import HUBSPOT, LONGEST_S, Learnt

SEEN = Learnt(0.4, 12.0, True, True, True, "2026-11-25T22:41:04+00:00")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "bulkload" / "portals"


def test_what_is_kept_is_loaded_again(state: Path) -> None:
    assert learnt.load("62515") == (None, "")
    assert learnt.keep("62515", SEEN) == ""
    assert learnt.load("62515") == (SEEN, "")
    assert [path.name for path in state.iterdir()] == ["62515.json"]


def test_only_its_owner_reads_it(state: Path) -> None:
    learnt.keep("62515", SEEN)
    assert stat.S_IMODE((state / "62515.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_what_is_known_of_a_sandbox_is_not_known_of_hubspot() -> None:
    learnt.keep("62515", SEEN, "http://127.0.0.1:8080")
    assert learnt.load("62515") == (None, "")
    assert learnt.load("62515", "http://127.0.0.1:8080/")[0] == SEEN
    assert learnt.load("62515", "http://127.0.0.1:8081")[0] is None


@pytest.mark.parametrize("portal", ["../../etc/passwd", "", "a/b", "\x00", "x" * 500, "."])
def test_no_portal_leads_out_of_the_folder(portal: str, state: Path) -> None:
    assert learnt.keep(portal, SEEN) == ""
    assert learnt.load(portal) == (SEEN, "")
    (only,) = state.iterdir()
    assert only.suffix == ".json"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"null", b'{"at": 5}', b"x" * 70_000])
def test_a_damaged_file_is_ignored_with_a_word(raw: bytes, state: Path) -> None:
    learnt.keep("62515", SEEN)
    (state / "62515.json").write_bytes(raw)
    found, said = learnt.load("62515")
    assert found is None
    assert "62515.json" in said
    assert learnt.keep("62515", SEEN) == ""  # and replaced by the next
    assert learnt.load("62515") == (SEEN, "")


def test_what_can_not_be_kept_is_said(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file stands where the folder should be")
    assert "can't be kept" in learnt.keep("62515", SEEN)
    assert learnt.load("62515")[0] is None


def test_a_file_is_replaced_whole(state: Path) -> None:
    learnt.keep("62515", SEEN)
    with (state / "62515.json").open("rb") as reader:
        learnt.keep("62515", SEEN._replace(read_lag_s=9.0))
        assert orjson.loads(reader.read())["read_lag_s"] == 0.4
    assert len(list(state.iterdir())) == 1


def test_what_is_not_known_now_is_taken_from_before() -> None:
    now = Learnt(read_lag_s=0.0, echoes_trace_id=False, at="2026-12-01T00:00:00+00:00")
    assert now.over(None) is now
    assert now.over(SEEN) == Learnt(0.0, 12.0, False, True, True, "2026-12-01T00:00:00+00:00")


def test_a_state_home_that_is_not_absolute_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    monkeypatch.setenv("HOME", "/somebody")
    assert learnt.folder() == Path("/somebody/.local/state/bulkload/portals")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(Learnt._fields), JSON))
def test_whatever_stands_there_is_read_as_what_it_can_be(kept: dict[str, object]) -> None:
    try:
        raw = orjson.dumps(kept)
    except (TypeError, ValueError):
        return
    found = learnt.read(raw)
    if found is not None:
        for lag in (found.read_lag_s, found.search_lag_s):
            assert lag is None or 0 <= lag <= LONGEST_S
        for truth in found[2:5]:
            assert truth in (None, True, False)


def test_hubspots_address_is_the_default_one() -> None:
    from bulkload.options import Options

    assert Options().base_url == HUBSPOT
