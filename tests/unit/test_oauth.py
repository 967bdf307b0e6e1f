"""What a refresh's answer says, what the OAuth file keeps, and when which of it is asked for."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.hubspot import oauthfile
from bulkload.hubspot.auth import RenewalTrouble, Token, TokenFile
from bulkload.hubspot.credentials import read_credentials
from bulkload.hubspot.oauth import CODES, LIFE_S, LONGEST_LIFE_S, OAuth, margin, read_grant
from bulkload.hubspot.oauthfile import OAuthFile
from bulkload.hubspot.replies import Reply
from tests.clock import run_virtual
from tests.making import NO_HEADERS, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

CLIENT, SECRET, REFRESH = "client-0123", "shh-client-secret", "refresh-secret-one"
ACCESS = "access-secret-one"
ALL_SECRETS = (SECRET, REFRESH, ACCESS, "refresh-secret-two")


def granted(access: str = ACCESS, life: Any = 100, **more: Any) -> Reply:
    return reply(200, {"access_token": access, "expires_in": life, **more})


BAD = reply(400, {"status": "BAD_REFRESH_TOKEN", "message": f"no such {REFRESH}"})
DOWN = reply(503, b"<html>")
NOBODY = Reply(0, NO_HEADERS, b"", left=False, whole=False, trouble="connect: refused")


def oauth_file(tmp_path: Path, mode: int = 0o600, **more: Any) -> Path:
    path = tmp_path / "oauth.json"
    members = {"client_id": CLIENT, "client_secret": SECRET, "refresh_token": REFRESH, **more}
    path.write_text(json.dumps(members), encoding="utf-8")
    path.chmod(mode)
    return path


def on_disk(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# --- the answer, pure ---


def test_a_grant_is_read() -> None:
    grant = read_grant(granted(refresh_token="refresh-secret-two", token_type="bearer"))
    assert grant.access.reveal() == ACCESS
    assert grant.refresh is not None
    assert grant.refresh.reveal() == "refresh-secret-two"
    assert grant.life_s == 100
    assert read_grant(granted()).refresh is None


@pytest.mark.parametrize(
    ("told", "life"),
    [
        (1800, 1800.0),
        ("1800", 1800.0),
        (20.5, 20.5),
        (0, LIFE_S),
        (-5, LIFE_S),
        (True, LIFE_S),
        (None, LIFE_S),
        ("soon", LIFE_S),
        ([], LIFE_S),
        (1e-9, 1.0),
        (1e300, LONGEST_LIFE_S),
    ],
)
def test_a_life_is_never_absurd(told: object, life: float) -> None:
    assert read_grant(granted(life=told)).life_s == life


def test_a_token_is_replaced_a_minute_or_a_tenth_of_its_life_before_its_end() -> None:
    assert [margin(life) for life in (1800, 600, 20)] == [60, 60, 2]


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("code", ["BAD_REFRESH_TOKEN", "invalid_grant"])
def test_a_refusal_is_hopeless_and_names_its_code_alone(status: int, code: str) -> None:
    name = "status" if code.isupper() else "error"
    with pytest.raises(RenewalTrouble) as found:
        read_grant(reply(status, {name: code, "message": f"no such {REFRESH}"}))
    assert found.value.hopeless
    assert f"{status} {code}" in found.value.reason
    assert REFRESH not in found.value.reason


def test_a_code_that_is_not_known_beforehand_is_not_told() -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(reply(400, {"status": REFRESH, "error": SECRET, "category": "x"}))
    assert found.value.hopeless
    assert "answered 400:" in found.value.reason
    assert not any(secret in found.value.reason for secret in ALL_SECRETS)


@pytest.mark.parametrize(
    "answer",
    [DOWN, NOBODY, reply(429), reply(403, b"cut"), reply(200, b"<html>"),
     reply(200, {"access_token": ""}), reply(200, {"access_token": "a\r\nb: c"}), reply(500, {}),
     reply(204, b""), reply(423), reply(477)],
)  # fmt: skip
def test_the_remotes_trouble_is_not_hopeless(answer: Reply) -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(answer)
    assert not found.value.hopeless


@pytest.mark.parametrize("status", [302, 404, 407])
def test_an_address_where_nobody_takes_it_is_hopeless(status: int) -> None:
    with pytest.raises(RenewalTrouble, match=str(status)) as found:
        read_grant(reply(status, b"<html>"))
    assert found.value.hopeless


def test_what_no_waiting_mends_is_hopeless_in_the_words_of_who_saw_it() -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(NOBODY._replace(hopeless=True, trouble="the certificate is not for this host"))
    assert (found.value.hopeless, found.value.reason) == (
        True,
        "the certificate is not for this host",
    )


def test_a_page_of_html_in_place_of_a_refusal_is_hopeless_and_blames_no_token() -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(reply(403, b"<html>blocked", Content_Type="text/html; charset=utf-8"))
    assert found.value.hopeless
    assert "HTTPS_PROXY" in found.value.reason
    assert "refresh token" not in found.value.reason


def test_retry_after_is_heard() -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(reply(429, b"", Retry_After="7"))
    assert found.value.after == 7.0


def test_an_answer_that_was_cut_off_is_no_grant() -> None:
    with pytest.raises(RenewalTrouble) as found:
        read_grant(granted()._replace(whole=False))
    assert not found.value.hopeless


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["access_token", "refresh_token", "expires_in", "status", "error", "category", "message"]
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(NAMES), JSON | st.just(ACCESS) | st.just(REFRESH)).map(
        lambda value: json.dumps(value).encode()
    )
    | st.integers(1, 4000).map(lambda depth: b'{"access_token":' + b"[" * depth)
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "Content-Type"]),
    st.text(max_size=20)
    | st.sampled_from(["nan", "1e400", "-1", "Thu, 01 Jan 2026 00:00:10", "text/html"]),
)


@given(st.integers(-1, 1200) | st.sampled_from([0, 200, 400, 404]), HEADERS, BODIES, st.booleans())
def test_any_answer_is_a_grant_or_a_trouble_and_quotes_nothing(
    status: int, headers: dict[str, str], body: bytes, whole: bool
) -> None:
    try:
        grant = read_grant(Reply(status, headers, body, whole=whole))
    except RenewalTrouble as found:
        trouble = found
    else:
        assert 200 <= status < 300
        assert 1 <= grant.life_s <= LONGEST_LIFE_S
        assert 0 < margin(grant.life_s) < grant.life_s
        value = grant.access.reveal()
        assert value.isascii()
        assert value.isprintable()
        return
    words = trouble.reason.split()
    assert trouble.after is None or 0 <= trouble.after < 864_000
    assert not any(secret in trouble.reason for secret in ALL_SECRETS)
    assert trouble.reason.isascii()
    assert len(words) < 40
    assert {word.rstrip(":") for word in words if "_" in word} <= CODES | {"HTTPS_PROXY"}


# --- the file ---


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_an_oauth_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = oauth_file(tmp_path, mode)
    with pytest.raises(RefusedToStart, match=f"chmod 600 {path}"):
        OAuthFile(path)
    path.chmod(0o600)
    assert OAuthFile(path).form()["refresh_token"] == REFRESH


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"client_id": "a", "client_secret": "shh-client-secret"}',
     b'{"client_id": "a", "client_secret": "shh-client-secret", "refresh_token": 5}',
     b'{"client_id": "a", "client_secret": "shh-client-secret", "refresh_token": ""}',
     b'{"client_secret": "shh-client-secret", ' + b" " * 70_000 + b"}",
     b"[" * 60_000, b'{"shh-client-secret'],
)  # fmt: skip
def test_an_oauth_file_that_is_of_no_use_is_refused_without_being_quoted(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "oauth.json"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(RefusedToStart, match=str(path)) as found:
        OAuthFile(path)
    told = "".join(traceback.format_exception(found.value))
    assert SECRET not in str(found.value)
    assert found.value.__context__ is None
    assert "JSONDecodeError" not in told


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", ".", "missing"):
        with pytest.raises(RefusedToStart):
            OAuthFile(tmp_path / name)


def test_a_new_refresh_token_is_written_and_all_else_stays(tmp_path: Path) -> None:
    path = oauth_file(tmp_path, note="mine ☃ \ud800", big=2**80)
    before = on_disk(path)
    file = OAuthFile(path)
    file.refresh = Token("refresh-secret-two")
    assert file.unwritten()
    assert file.write() is None
    assert not file.unwritten()
    assert on_disk(path) == {**before, "refresh_token": "refresh-secret-two"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["oauth.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    path = oauth_file(real)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    file = OAuthFile(link)
    file.refresh = Token("refresh-secret-two")
    assert file.write() is None
    assert link.is_symlink()
    assert on_disk(path)["refresh_token"] == "refresh-secret-two"


def test_the_new_file_is_synced_before_it_takes_its_place_and_its_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = oauth_file(tmp_path)
    file = OAuthFile(path)
    seen: list[tuple[str, bool]] = []

    def fsync(_descriptor: int) -> None:
        seen.append(("file", on_disk(path)["refresh_token"] == REFRESH))

    def sync_directory(_path: Path) -> None:
        seen.append(("directory", on_disk(path)["refresh_token"] == "refresh-secret-two"))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(oauthfile, "sync_directory", sync_directory)
    file.refresh = Token("refresh-secret-two")
    assert file.write() is None
    assert seen == [("file", True), ("directory", True)]


def test_a_write_that_fails_leaves_the_file_whole_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = oauth_file(tmp_path)
    file = OAuthFile(path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file.refresh = Token("refresh-secret-two")
    assert file.write() == "No space left on device"
    assert file.unwritten()
    assert on_disk(path)["refresh_token"] == REFRESH
    assert [p.name for p in tmp_path.iterdir()] == ["oauth.json"]


def test_what_another_process_wrote_is_taken_over_and_ours_is_not_lost(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    file = OAuthFile(path)
    assert not file.look()
    oauth_file(tmp_path, refresh_token="theirs")
    assert file.look()
    assert file.form()["refresh_token"] == "theirs"
    file.refresh = Token("ours")  # not written: the disk was full
    assert not file.look()
    assert file.form()["refresh_token"] == "ours"
    path.write_bytes(b"")
    assert not file.look()
    assert file.form()["refresh_token"] == "ours"


# --- when it is asked ---


@dataclass
class Remote:
    """A token endpoint: its answers in turn, the last one for ever."""

    answers: list[Reply]
    forms: list[dict[str, str]] = field(default_factory=list)
    takes_s: float = 0.5
    before: Callable[[], None] = lambda: None

    async def __call__(self, path: str, form: Mapping[str, str]) -> Reply:
        assert path == "/oauth/v1/token"
        self.forms.append(dict(form))
        self.before()
        await asyncio.sleep(self.takes_s)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def played(path: Path, remote: Remote, play: Callable[[OAuth], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(OAuth(path, remote))

    run_virtual(run())


async def trouble_of(renewal: Awaitable[object]) -> RenewalTrouble:
    with pytest.raises(RenewalTrouble) as found:
        await renewal
    return found.value


def test_the_first_token_is_fetched_before_the_first_call(tmp_path: Path) -> None:
    remote = Remote([granted()])

    async def play(credentials: OAuth) -> None:
        assert credentials.due()
        with pytest.raises(RenewalTrouble):
            credentials.reveal()
        await credentials.fresh()
        assert (credentials.reveal(), credentials.number) == (ACCESS, 1)
        assert not credentials.due()
        await credentials.fresh()

    played(oauth_file(tmp_path), remote, play)
    assert remote.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "refresh_token": REFRESH,
        }
    ]


def test_a_token_is_due_by_its_life_counted_from_before_it_was_asked_for(tmp_path: Path) -> None:
    remote = Remote([granted("one"), granted("two")], takes_s=5.0)

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()  # life 100 s, 5 of them gone; due 10 s before the end
        await asyncio.sleep(84.9)
        assert not credentials.due()
        await asyncio.sleep(0.2)
        assert credentials.due()
        await credentials.fresh()
        assert (credentials.reveal(), credentials.number) == ("two", 2)

    played(oauth_file(tmp_path), remote, play)


def test_one_refresh_serves_all_who_wait(tmp_path: Path) -> None:
    remote = Remote([granted("one"), granted("two")])

    async def play(credentials: OAuth) -> None:
        await asyncio.gather(*(credentials.fresh() for _ in range(20)))
        assert len(remote.forms) == 1
        await asyncio.sleep(200)
        refused = [credentials.renew(1) for _ in range(10)]
        await asyncio.gather(*refused, *(credentials.fresh() for _ in range(10)))
        assert len(remote.forms) == 2
        assert credentials.number == 2

    played(oauth_file(tmp_path), remote, play)


def test_one_failure_is_told_to_all_who_wait(tmp_path: Path) -> None:
    remote = Remote([reply(503, b"", Retry_After="9"), granted()])

    async def play(credentials: OAuth) -> None:
        waiting = [trouble_of(credentials.fresh()) for _ in range(20)]
        troubles = await asyncio.gather(*waiting)
        assert {(t.hopeless, t.after) for t in troubles} == {(False, 9.0)}
        assert len({id(t) for t in troubles}) == 20  # a traceback of its own for each
        assert len(remote.forms) == 1
        early = await trouble_of(credentials.fresh())
        assert early.after == pytest.approx(9.0, abs=0.01)
        assert len(remote.forms) == 1  # nobody asks before the remote's time
        await asyncio.sleep(9.01)
        await credentials.fresh()
        assert credentials.reveal() == ACCESS

    played(oauth_file(tmp_path), remote, play)


def test_while_the_old_token_lives_a_failed_refresh_holds_nobody(tmp_path: Path) -> None:
    remote = Remote([granted("one"), DOWN, NOBODY, granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        await asyncio.sleep(90)
        assert credentials.due()
        await credentials.fresh()
        assert (credentials.reveal(), credentials.due()) == ("one", False)
        await asyncio.sleep(5.1)
        assert credentials.due()
        await credentials.fresh()
        await asyncio.sleep(5)  # dead now: no pause hides that
        assert credentials.due()
        await credentials.fresh()
        assert (credentials.reveal(), credentials.number) == ("two", 2)

    played(oauth_file(tmp_path), remote, play)
    assert len(remote.forms) == 4


def test_once_the_token_is_dead_a_failed_refresh_is_a_trouble(tmp_path: Path) -> None:
    remote = Remote([granted("one"), DOWN])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        await asyncio.sleep(101)
        trouble = await trouble_of(credentials.fresh())
        assert (trouble.hopeless, trouble.after) == (False, None)
        assert "503" in trouble.reason

    played(oauth_file(tmp_path), remote, play)


def test_a_refusal_is_hopeless_names_the_file_and_is_not_asked_for_by_each(tmp_path: Path) -> None:
    remote = Remote([BAD])
    path = oauth_file(tmp_path)

    async def play(credentials: OAuth) -> None:
        for _ in range(20):
            trouble = await trouble_of(credentials.fresh())
            assert trouble.hopeless
            assert "BAD_REFRESH_TOKEN" in trouble.reason
            assert str(path) in trouble.reason

    played(path, remote, play)
    assert len(remote.forms) == 1


def test_after_a_401_the_token_is_renewed_once_and_older_ones_know(tmp_path: Path) -> None:
    remote = Remote([granted("one"), granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        await asyncio.sleep(20)
        assert await asyncio.gather(*(credentials.renew(1) for _ in range(20))) == [True] * 20
        assert (credentials.reveal(), credentials.number) == ("two", 2)
        assert await credentials.renew(1)
        assert len(remote.forms) == 2

    played(oauth_file(tmp_path), remote, play)


def test_a_token_refused_by_a_401_is_dead_though_its_renewal_fails(tmp_path: Path) -> None:
    remote = Remote([granted("one"), DOWN, granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        await asyncio.sleep(20)
        await trouble_of(credentials.renew(1))
        assert credentials.due()
        await credentials.fresh()
        assert credentials.reveal() == "two"

    played(oauth_file(tmp_path), remote, play)


def test_a_token_that_was_just_fetched_is_not_renewed_in_a_storm(tmp_path: Path) -> None:
    remote = Remote([granted("one"), granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        trouble = await trouble_of(credentials.renew(1))
        assert not trouble.hopeless
        assert trouble.after == pytest.approx(9.5, abs=0.01)
        assert len(remote.forms) == 1
        await asyncio.sleep(9.51)
        assert await credentials.renew(1)
        assert len(remote.forms) == 2

    played(oauth_file(tmp_path), remote, play)


def test_a_rotated_refresh_token_is_durable_before_the_access_token_is_used(
    tmp_path: Path,
) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted("one", refresh_token="refresh-secret-two"), granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        assert on_disk(path)["refresh_token"] == "refresh-secret-two"
        await asyncio.sleep(101)
        await credentials.fresh()

    played(path, remote, play)
    assert [form["refresh_token"] for form in remote.forms] == [REFRESH, "refresh-secret-two"]


def test_a_file_that_stays_the_same_is_not_written(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    before = path.stat()
    remote = Remote([granted(refresh_token=REFRESH)])
    played(path, remote, lambda credentials: credentials.fresh())
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_refresh_token_that_cannot_be_written_is_used_and_told_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted("one", refresh_token="refresh-secret-two"), granted("two")])
    real = os.fsync

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    async def play(credentials: OAuth) -> None:
        monkeypatch.setattr(os, "fsync", full)
        await credentials.fresh()
        assert credentials.reveal() == "one"
        assert credentials.warning is not None
        assert "No space left on device" in credentials.warning
        assert not any(secret in credentials.warning for secret in ALL_SECRETS)
        await asyncio.sleep(101)
        monkeypatch.setattr(os, "fsync", real)
        await credentials.fresh()
        assert credentials.warning is None

    played(path, remote, play)
    assert remote.forms[1]["refresh_token"] == "refresh-secret-two"
    assert on_disk(path)["refresh_token"] == "refresh-secret-two"


def test_what_could_not_be_written_is_written_at_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted("one", refresh_token="refresh-secret-two")])
    real = os.fsync

    def full(_descriptor: int) -> None:
        raise OSError(30, "Read-only file system")

    async def play(credentials: OAuth) -> None:
        monkeypatch.setattr(os, "fsync", full)
        await credentials.fresh()
        monkeypatch.setattr(os, "fsync", real)
        await credentials.close()
        assert credentials.warning is None

    played(path, remote, play)
    assert on_disk(path)["refresh_token"] == "refresh-secret-two"


def test_a_worker_that_is_cancelled_takes_no_refresh_token_with_it(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted("one", refresh_token="refresh-secret-two")])

    async def play(credentials: OAuth) -> None:
        worker = asyncio.create_task(credentials.fresh())
        await asyncio.sleep(0.1)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        await credentials.close()
        assert credentials.reveal() == "one"

    played(path, remote, play)
    assert on_disk(path)["refresh_token"] == "refresh-secret-two"


def test_a_refresh_token_that_another_process_rotated_is_used(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted("one"), granted("two")])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        oauth_file(tmp_path, refresh_token="theirs")
        await asyncio.sleep(101)
        await credentials.fresh()

    played(path, remote, play)
    assert [form["refresh_token"] for form in remote.forms] == [REFRESH, "theirs"]


def test_a_refusal_is_asked_again_where_somebody_without_our_lock_was_quicker(
    tmp_path: Path,
) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([BAD, granted("one")])
    remote.before = lambda: (oauth_file(tmp_path, refresh_token="theirs"), None)[1]
    played(path, remote, lambda credentials: credentials.fresh())
    assert [form["refresh_token"] for form in remote.forms] == [REFRESH, "theirs"]


def test_a_lock_that_another_holds_is_waited_for_and_at_last_a_trouble(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted()])

    async def play(credentials: OAuth) -> None:
        async with OAuthFile(path).locked():
            trouble = await trouble_of(credentials.fresh())
            assert not trouble.hopeless
            assert f"{path}.lock" in trouble.reason
            waiting = asyncio.create_task(credentials.fresh())
            await asyncio.sleep(50)
            assert not remote.forms
        await waiting
        assert credentials.reveal() == ACCESS

    played(path, remote, play)


def test_a_directory_without_a_lock_does_not_stop_a_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = oauth_file(tmp_path)
    (tmp_path / "oauth.json.lock").mkdir()
    played(path, Remote([granted()]), lambda credentials: credentials.fresh())


def test_an_asking_that_raises_is_a_trouble_that_quotes_nothing(tmp_path: Path) -> None:
    async def broken(_path: str, form: Mapping[str, str]) -> Reply:
        raise ValueError(f"can't send {dict(form)}")

    async def run() -> RenewalTrouble:
        return await trouble_of(OAuth(oauth_file(tmp_path), broken).fresh())

    trouble = run_virtual(run())
    assert not trouble.hopeless
    told = "".join(traceback.format_exception(trouble))
    assert "ValueError" in trouble.reason
    assert not any(secret in told for secret in ALL_SECRETS)


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    remote = Remote([granted(refresh_token="refresh-secret-two"), BAD])

    async def play(credentials: OAuth) -> None:
        await credentials.fresh()
        await asyncio.sleep(101)
        trouble = await trouble_of(credentials.fresh())
        grant = read_grant(granted())
        shown = [repr(trouble), str(trouble), str(vars(trouble)), repr(grant), str(grant)]
        shown.append("".join(traceback.format_exception(trouble)))
        for holder in (credentials, OAuthFile(path)):
            shown += [repr(holder), str(holder), f"{holder}", repr([holder])]
            with pytest.raises(TypeError, match="__dict__"):
                vars(holder)
            for leak in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="not to be pickled"):
                    leak(holder)
        for text in shown:
            assert not any(secret in text for secret in ALL_SECRETS), text

    played(path, remote, play)


# --- which credentials ---


async def nobody(_path: str, _form: Mapping[str, str]) -> Reply:
    raise AssertionError("nothing is asked while they are chosen")


def test_what_is_given_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "of-environment")
    path = tmp_path / "token"
    path.write_text("of-file", encoding="utf-8")
    of_file = read_credentials(nobody, token_file=path)
    assert isinstance(of_file, TokenFile)
    assert of_file.reveal() == "of-file"
    assert isinstance(read_credentials(nobody, oauth_file=oauth_file(tmp_path)), OAuth)
    assert read_credentials(nobody, token=Token("given")).reveal() == "given"
    of_environment = read_credentials(nobody)
    assert isinstance(of_environment, Token)
    assert of_environment.reveal() == "of-environment"


def test_more_than_one_way_is_refused(tmp_path: Path) -> None:
    path = oauth_file(tmp_path)
    with pytest.raises(RefusedToStart, match="--token-file or --oauth-file"):
        read_credentials(nobody, token_file=path, oauth_file=path)
    with pytest.raises(RefusedToStart, match="not both"):
        read_credentials(nobody, token=Token("given"), token_file=path)
    with pytest.raises(RefusedToStart, match="not both"):
        read_credentials(nobody, token=Token("given"), oauth_file=path)


def test_no_way_at_all_names_all_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    with pytest.raises(RefusedToStart) as found:
        read_credentials(nobody)
    for way in ("HUBSPOT_ACCESS_TOKEN", "--token-file", "--oauth-file"):
        assert way in str(found.value)


@pytest.mark.parametrize("value", ["two words", "ünicode"])
def test_what_is_no_token_is_refused_where_the_environment_has_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", value)
    with pytest.raises(RefusedToStart, match="HUBSPOT_ACCESS_TOKEN") as found:
        read_credentials(nobody)
    assert value not in str(found.value)
