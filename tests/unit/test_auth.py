"""Tokens that are given and tokens in files: which one holds, and that none is ever shown."""

from __future__ import annotations

import copy
import os
import pickle
import traceback
from pathlib import Path

import pytest

from bulkload.errors import RefusedToStart
from bulkload.hubspot.auth import RenewalTrouble, Token, TokenFile, token_of
from bulkload.runs.call import Access
from tests.clock import run_virtual

FIRST, SECOND = "pat-na1-first-secret", "pat-na1-second-secret"


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def token_file(tmp_path: Path, text: str = FIRST) -> tuple[TokenFile, Path, Hands]:
    path = tmp_path / "token"
    path.write_text(f"{text}\n", encoding="utf-8")
    hands = Hands()
    return TokenFile(path, hands), path, hands


def replace(path: Path, text: str) -> None:
    """As a person's tool does it: a new file in the place of the old."""
    beside = path.with_name("beside")
    beside.write_text(text, encoding="utf-8")
    beside.rename(path)


def test_a_fixed_token_is_never_due_and_has_no_other() -> None:
    fixed = Token(FIRST)
    assert (fixed.reveal(), fixed.due(), fixed.warning) == (FIRST, False, None)
    assert run_virtual(fixed.renew(fixed.number)) is False
    run_virtual(fixed.fresh())
    run_virtual(fixed.close())
    assert fixed.reveal() == FIRST


def test_a_token_file_that_changed_is_due_and_read_again(tmp_path: Path) -> None:
    file, path, hands = token_file(tmp_path)
    number = file.number
    assert not file.due()
    replace(path, SECOND)
    hands.now += 1.0
    assert file.due()
    run_virtual(file.fresh())
    assert (file.reveal(), file.number) == (SECOND, number + 1)
    hands.now += 1.0
    assert not file.due()


def test_a_token_file_is_looked_at_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path, hands = token_file(tmp_path)
    assert not file.due()
    replace(path, SECOND)
    hands.now += 0.9
    assert not file.due()
    hands.now += 0.1
    assert file.due()


def test_a_file_written_anew_with_the_same_token_is_no_new_token(tmp_path: Path) -> None:
    file, path, hands = token_file(tmp_path)
    number = file.number
    replace(path, FIRST)
    hands.now += 1.0
    assert file.due()
    run_virtual(file.fresh())
    hands.now += 1.0
    assert (file.number, file.due()) == (number, False)


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_is_just_being_replaced_keeps_the_old_token(tmp_path: Path, gone: bool) -> None:
    file, path, hands = token_file(tmp_path)
    number = file.number
    path.unlink() if gone else path.write_text("", encoding="utf-8")
    hands.now += 1.0
    file.due()
    run_virtual(file.fresh())
    assert (file.reveal(), file.number, file.warning) == (FIRST, number, None)
    path.write_text(SECOND, encoding="utf-8")
    hands.now += 1.0
    assert file.due()
    run_virtual(file.fresh())
    assert file.reveal() == SECOND


def test_after_a_401_the_file_is_read_at_once(tmp_path: Path) -> None:
    file, path, _ = token_file(tmp_path)
    number = file.number
    assert run_virtual(file.renew(number)) is False
    replace(path, SECOND)
    assert run_virtual(file.renew(number)) is True
    assert (file.reveal(), file.number) == (SECOND, number + 1)


def test_a_401_for_an_older_token_asks_for_nothing(tmp_path: Path) -> None:
    file, path, hands = token_file(tmp_path)
    number = file.number
    replace(path, SECOND)
    hands.now += 1.0
    run_virtual(file.fresh())
    path.unlink()
    assert run_virtual(file.renew(number)) is True


def test_a_401_while_the_file_is_away_is_a_trouble_that_may_pass(tmp_path: Path) -> None:
    file, path, _ = token_file(tmp_path)
    path.unlink()
    with pytest.raises(RenewalTrouble, match="can't be read") as found:
        run_virtual(file.renew(file.number))
    assert (found.value.hopeless, found.value.after) == (False, 1.0)


def test_a_file_that_holds_no_token_any_more_is_told_without_quoting_it(tmp_path: Path) -> None:
    file, path, hands = token_file(tmp_path)
    replace(path, f"{SECOND} {SECOND}")
    hands.now += 1.0
    assert file.due()
    run_virtual(file.fresh())
    assert file.reveal() == FIRST
    assert file.warning is not None
    assert str(path) in file.warning
    assert SECOND not in file.warning
    hands.now += 1.0
    assert not file.due()  # said once, not once a second
    replace(path, SECOND)
    hands.now += 1.0
    assert file.due()
    run_virtual(file.fresh())
    assert file.reveal() == SECOND
    assert file.warning is None


def test_a_pipe_is_read_once() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, FIRST.encode())
        os.close(writer)
        file = TokenFile(Path(f"/dev/fd/{reader}"), Hands())
        assert (file.reveal(), file.due()) == (FIRST, False)
        run_virtual(file.fresh())
        assert run_virtual(file.renew(file.number)) is False
        assert file.reveal() == FIRST
    finally:
        os.close(reader)


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"x" * 20_000])
def test_a_file_without_a_token_refuses_to_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(RefusedToStart, match=str(path)) as found:
        TokenFile(path)
    assert found.value.__context__ is None
    assert len(str(found.value)) < 300


@pytest.mark.parametrize("value", ["", "two words", "nul\0", "ünicode"])
def test_what_is_no_token_is_refused_without_being_quoted(value: str) -> None:
    with pytest.raises(RefusedToStart, match="given") as found:
        token_of(value, "given")
    assert not value or value not in str(found.value)


def test_nothing_that_holds_a_token_shows_it(tmp_path: Path) -> None:
    file, _, _ = token_file(tmp_path)
    for holder in (Token(FIRST), file):
        shown = [repr(holder), str(holder), f"{holder}", repr([holder]), repr({"a": holder})]
        assert not any(FIRST in text for text in shown), shown
        with pytest.raises(TypeError, match="__dict__"):
            vars(holder)
        for leak in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not to be pickled"):
                leak(holder)


def test_an_error_beside_a_token_does_not_show_it(tmp_path: Path) -> None:
    file, path, _ = token_file(tmp_path)
    path.write_text(f"{SECOND} and more", encoding="utf-8")
    with pytest.raises(RenewalTrouble) as found:
        run_virtual(file.renew(file.number))
    told = "".join(traceback.format_exception(found.value)) + repr(found.value)
    assert FIRST not in told
    assert SECOND not in told


def test_a_token_that_is_given_and_empty_is_not_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That one may be another portal's."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", FIRST)
    with pytest.raises(RefusedToStart, match="the token: this is no access token"):
        Access.of("")
    access = Access.of().credentials()
    assert isinstance(access, Token)
    assert access.reveal() == FIRST
