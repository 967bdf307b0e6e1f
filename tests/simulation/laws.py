"""The laws, held against what is seen from outside: calls, answers, commits, words, the books.

Nothing here knows how the product works, but for the journal's tables. A law that is broken is
told once, in a sentence, and ends the run.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from bulkload import events, ordinals
from bulkload.journal.readers import counts_of
from tests.simulation.people import KINDS
from tests.simulation.tied import REJECTED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bulkload.calls.room import RateLimit
    from bulkload.hubspot.replies import Reply
    from bulkload.runs.life import _Life
    from tests.simulation.remote import Remote
    from tests.simulation.tied import People

LATER = (423, 429, 477)
ABOUT_PEOPLE = tuple(KINDS.values())
PLACES = ("loaded", "existing", "dead", "doubt", "skipped")
OPEN = "SELECT covers FROM attempt WHERE outcome IS NULL"
LATE_TRIALS = False
"""Whether it is let pass that a create which is to try the remote leaves although a doubtful
answer or a hold came while its intent was written, and that it reopens the gate then."""

Came = Literal["judged", "later", "not sent", "doubt"]


class Left(NamedTuple):
    """A create that left. `trial`: the one that tries the remote; `fresh`: just recorded; `falls`:
    how often the door had been shut.
    """

    trial: bool
    fresh: bool
    falls: int


@dataclass
class Laws:
    """Watches one run through all its lives. `fail` is told what was broken."""

    connection: sqlite3.Connection
    mode: str
    in_flight: int
    batch: int
    limit: RateLimit
    way_s: float
    now: Callable[[], float]
    fail: Callable[[str], None]
    door: Literal["open", "down", "trial", "trying"] = "open"
    until: float = 0.0
    let_through: int = 0
    falls: int = 0
    blurred: int = 0
    judged: int = 0
    failed: dict[int, int] = field(default_factory=dict)
    life: _Life | None = None
    excused: set[int] = field(default_factory=set)
    known: dict[int, str] = field(default_factory=dict)
    arrivals: dict[str, deque[float]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    open_before: set[int] = field(default_factory=set)
    last_letter: int = 0
    people: People | None = None

    def begin(self, life: _Life, counts: Sequence[int]) -> None:
        """A life begins; what it knows is what the journal says."""
        self.door, self.until, self.arrivals["all"] = "open", 0.0, deque()
        self.let_through, self.life = 0, life
        self.failed.clear()
        if self.people is not None:
            self.people.begin()
        self.told = Counter(dict(zip(PLACES, counts, strict=False)))
        if self.mode != "hold":
            self.told["doubt"] = 0  # they are looked at again

    def crashed(self) -> None:
        """At most what was in flight can come into doubt."""
        cut = self._open()
        if len(cut) > self.in_flight * self.batch and self.mode == "hold":
            self.fail(f"{len(cut)} records were open at a crash")
        self.excused |= cut
        for ordinal, state in self.known.items():
            if state in ("flying", "made"):
                self.known[ordinal] = "unknown"

    # Calls and answers

    def leaves(self, listed: Sequence[int], body: bytes) -> Left:
        """A create is about to leave."""
        digest = zlib.crc32(body).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        rows = self.connection.execute(
            "SELECT covers, sent_at FROM attempt WHERE outcome IS NULL AND digest IN (?, x'')",
            (digest,),
        ).fetchall()
        intents = [at for covers, at in rows if set(listed) <= set(ordinals.unpack(covers))]
        if not intents:
            self.fail(f"written before said: {listed} left without an intent")
        trial = self.door != "open"
        if self.door in ("down", "trying"):
            self.let_through -= 1
            if self.let_through < 0 or not LATE_TRIALS:
                self.fail(f"one create at a time after a doubt: {listed} left while {self.door}")
        if trial and self.mode == "hold" and len(listed) > 1:
            self.fail(f"one record reopens: {listed} left while {self.door}")
        if self.now() < self.until - 1e-6 and not (trial and LATE_TRIALS):
            self.fail(
                f"{listed} left {self.until - self.now():.3f} s before the remote's hold ended"
            )
        if self.door == "trial":
            self.door = "trying"
        for ordinal in listed:
            if self.mode == "hold" and self.known.get(ordinal, "no") != "no":
                self.fail(f"nothing twice: {ordinal} sent again though {self.known[ordinal]}")
            self.known[ordinal] = "flying"
        return Left(trial, max(intents, default=0.0) > time.time() - 1.0, self.falls)

    def comes_back(self, listed: Sequence[int], reply: Reply, left: Left) -> None:
        """The answer to a create, at the instant in which the product gets it."""
        came, trial = self._kind(reply), left.trial
        sure = {"later": "no", "not sent": "no", "doubt": "unknown", "judged": "made"}[came]
        if came == "judged" and reply.status >= 400:
            sure = "no"
        self.known.update(dict.fromkeys(listed, sure))
        if came == "judged" and reply.status < 300:
            self.known.update(dict.fromkeys(_untied(reply), "no"))
        self.judged += came == "judged"
        if came == "judged" and self._is_partial(listed, reply):
            self.excused.update(listed)
            self.failed.update(dict.fromkeys(listed, self.judged))
        if came == "doubt":
            self.excused.update(listed)
        if came in ("doubt", "not sent"):
            # Its own trouble, where others went through since it failed last, may shut the door
            # or not. What is known since shuts it no more: that it was shut meanwhile.
            since = [self.failed.get(ordinal, self.judged) for ordinal in listed]
            own = came == "doubt" and not trial and max(since) < self.judged
            self._failed(left.falls, unsure=own)
            if came == "doubt":
                self.failed.update(dict.fromkeys(listed, self.judged))
        elif trial and came == "judged" and self.door == "trial" and LATE_TRIALS:
            self.let_through += 1
            self.door = "open"
        elif trial and self.door == "trying" and left.falls == self.falls:
            self.door = "open" if came == "judged" else "trial"
        if came == "later":
            asked = float(reply.headers.get("Retry-After", 0))
            floor = 2.0 if reply.status == 423 else 0.0
            self.until = max(self.until, self.now() + max(asked, floor))
            if reply.status != 429 and self.door == "open":
                self.door = "trial"  # after a lock or a migration one goes first

    def read_came_back(self, kind: str, reply: Reply, falls: int) -> None:
        """A probe tells by its status alone; of another read the answer is needed."""
        if self.life is None or self.life._pipeline is None:
            return  # asked before the first batch: there is no door yet
        lost = kind not in ("probe", "names") and reply.status < 300 and not _parsed(reply)
        lost = lost or (kind in ABOUT_PEOPLE and not reply.whole)
        if reply.status == 0 or reply.status >= 500 or lost:
            self._failed(falls)
        elif self.door == "down" and reply.status not in LATER:
            self.door = "trial"

    def _failed(self, falls: int, *, unsure: bool = False) -> None:
        """Of a call that left when the door had fallen so often; `unsure`: it may shut it."""
        if unsure or falls < self.blurred:
            self.falls += 1
            self.blurred, self.door, self.let_through = self.falls, "open", 0
        elif falls == self.falls:
            self._shut()

    def _shut(self) -> None:
        # The create that is to try may be past the gate, its intent being written.
        self.let_through += self.door == "trial"
        self.falls += self.door != "down"
        self.door = "down"

    @staticmethod
    def _kind(reply: Reply) -> Came:
        if reply.status == 0:
            return "doubt" if reply.left else "not sent"
        if reply.status in LATER:
            return "later"
        answer = _parsed(reply)
        whole = {200: "results", 201: "results", 207: "results", 409: "category"}
        if reply.status == 400 or whole.get(reply.status, "") in answer:
            return "judged"
        return "doubt"

    @staticmethod
    def _is_partial(listed: Sequence[int], reply: Reply) -> bool:
        if reply.status >= 400:
            return False
        answer = orjson.loads(reply.body)
        errors = len(answer.get("errors", ()))
        whole = len(answer["results"]) + errors >= len(listed)
        # Where results don't say whose they are, they are doubtful beside any error.
        tied = not errors or all("objectWriteTraceId" in each for each in answer["results"])
        return answer["status"] != "COMPLETE" or not whole or not tied

    def arrived(self, kind: str, at: float, of: _Life | None) -> None:
        """A call arrived: in no rolling window more than the remote allows.

        Across a crash only creates count that were recorded just before they left, and only as
        far as the way there is short: no journal holds the others, nor when they arrive.
        """
        if kind == "search":
            self._in_window("search", at, 5, 1.0)
            return
        calls, window_s = self.limit
        if of is self.life:
            self._in_window("all", at, calls, window_s)
        if kind == "create":
            self._in_window("create", at, calls, window_s - self.way_s)

    def _in_window(self, name: str, at: float, calls: int, window_s: float) -> None:
        seen = self.arrivals.setdefault(name, deque())
        seen.append(at)
        if len(seen) > calls and at - seen.popleft() < window_s:
            self.fail(f"never over the limit: {calls + 1} {name} calls within {window_s:g} s")

    # What is durable and what is said

    def before_commit(self) -> None:
        self.open_before = self._open()

    def after_commit(self) -> None:
        """A letter is durable in one transaction with the end of the attempt that it is about."""
        if self.people is not None:
            self.people.committed(self.now())
        letters = self.connection.execute(
            "SELECT id, ordinal, instr(line, ?) FROM letter WHERE id > ? ORDER BY id",
            (REJECTED, self.last_letter),
        ).fetchall()
        if not letters:
            return
        self.last_letter = letters[-1][0]
        still = self._open()
        for _, ordinal, rejected in letters:
            if ordinal in still:
                self.fail(f"written before said: the letter of {ordinal} came before its outcome")
            # May be settled without an attempt that is open.
            asked = self.mode.startswith("key") or rejected
            if ordinal in self.known and ordinal not in self.open_before and not asked:
                self.fail(f"written before said: the letter of {ordinal} came after its outcome")

    def heard(self, event: events.Event) -> None:
        """What an observer is told is durable, and no more than that."""
        if isinstance(event, events.Released) and self.mode.startswith("key"):
            # With a key a doubt is free: after a blip a read that is answered opens it for all.
            self.door = "open" if self.door == "trial" else self.door
        if not isinstance(event, events.Settled):
            return
        self.told.update(
            loaded=event.loaded, existing=event.existing, dead=event.dead_lettered,
            doubt=event.in_doubt, skipped=event.skipped,
        )  # fmt: skip
        durable = counts_of(self.connection)
        for said, held in zip(PLACES, durable, strict=False):
            if self.told[said] > held:
                self.fail(f"written before said: {self.told[said]} {said}, durable {held}")

    def _open(self) -> set[int]:
        return {o for (covers,) in self.connection.execute(OPEN) for o in ordinals.unpack(covers)}

    # Ends

    def life_ended(self, life: _Life, *, complete: bool) -> None:
        """A life that was not cut: every slot came back, the counts are those of the journal."""
        if life._pipeline is None:
            return
        limiter, tally = life._pipeline._parts.traffic.limiter, life._tally
        if limiter.under_way:
            self.fail(f"slots: {limiter.under_way} of calls that have ended")
        counts = counts_of(self.connection)
        mine = (tally.loaded, tally.existing, tally.dead, tally.doubt, tally.skipped)
        if mine != counts[:5] or self.told.total() != tally.read:
            self.fail(f"counts: {mine} counted, {tuple(counts)} durable, {self.told} told")
        if (complete or self.mode == "hold") and (left := self._open()):
            self.fail(f"{sorted(left)} are open after the end")

    def run_ended(self, count: int, remote: Remote, keys: Mapping[int, str]) -> None:
        """The books against the journal. `keys`: records that are alike have one."""
        places, ids = self._places()
        lost = [ordinal for ordinal in range(count) if len(places.get(ordinal, ())) != 1]
        for ordinal in lost:
            self.fail(f"nothing lost: record {ordinal} is in {places.get(ordinal, [])}")
        if lost:
            return
        if stray := places.keys() - set(range(count)):
            self.fail(f"records that never were: {sorted(stray)}")
        # A search can't tell who of those that are alike made what.
        alike = {o: keys[o] if self.mode == "verify" else o for o in range(count)}
        made = Counter(alike[each.ordinal] for each in remote.books.values() if each.ordinal >= 0)
        ours = Counter(alike[o] for o, (place,) in places.items() if place in ("loaded", "doubt"))
        loaded = Counter(alike[o] for o, (place,) in places.items() if place == "loaded")
        for ordinal, (place,) in places.items():
            one = alike[ordinal]
            if made[one] > ours[one] and self.mode != "resend":
                self.fail(
                    f"{place} {ordinal}: made {made[one]} times, {ours[one]} ours or in doubt"
                )
            if loaded[one] > made[one] or (made[one] and not ours[one]):
                self.fail(f"{place} {ordinal}: made {made[one]} times, loaded {loaded[one]}")
            there = remote.books.get(ids.get((place, ordinal), ""))
            if there is not None and place == "loaded" and alike.get(there.ordinal) != one:
                self.fail(f"record {ordinal} is tied to {there.id}, which is {there.ordinal}")
            if place == "existing" and (there is None or there.ordinal >= 0):
                self.fail(f"record {ordinal} is existing, but {there} is not another's")
            if place == "doubt" and self.mode.startswith("key"):
                self.fail(f"record {ordinal} is in doubt in spite of its key")
            if place == "doubt" and ordinal not in self.excused:
                self.fail(f"record {ordinal} is in doubt and was never in flight")
            if place == "skipped" and list(keys.values()).count(keys[ordinal]) < 2:
                self.fail(f"record {ordinal} was skipped, and no other has its key")

    def _places(self) -> tuple[dict[int, list[str]], dict[tuple[str, int], str]]:
        """Where each record is, and the id of each that is tied to one."""
        places: dict[int, list[str]] = {}
        ids: dict[tuple[str, int], str] = {}
        ask = self.connection.execute
        loaded = ask("SELECT covers, CASE WHEN tied THEN ids END FROM attempt WHERE loaded > 0")
        existing = ask("SELECT existing_covers, existing_ids FROM attempt WHERE existing > 0")
        for place, rows in (("loaded", loaded), ("existing", existing)):
            for covers, packed in rows:
                listed = list(ordinals.unpack(covers))
                for ordinal in listed:
                    places.setdefault(ordinal, []).append(place)
                named = packed.split(",") if packed else []
                if named and len(named) != len(listed):
                    self.fail(f"{len(named)} ids for {listed}")
                ids.update(((place, o), i) for o, i in zip(listed, named, strict=False))
        for place, table in (("dead", "letter"), ("doubt", "doubt"), ("skipped", "skip")):
            for (ordinal,) in ask(f"SELECT ordinal FROM {table}"):
                places.setdefault(ordinal, []).append(place)
        return places, ids


def _untied(reply: Reply) -> Iterator[int]:
    """Those that were surely not made, since a contact is gone: they may be sent again."""
    answer = orjson.loads(reply.body)
    for error in answer.get("errors", ()) if answer["status"] == "COMPLETE" else ():
        if "CONTACT" in error["message"]:
            yield from (int(t.rpartition("-")[2]) for t in error["context"]["objectWriteTraceId"])


def _parsed(reply: Reply) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = orjson.loads(reply.body) if reply.whole else {}
    except ValueError:
        return {}
    return answer
