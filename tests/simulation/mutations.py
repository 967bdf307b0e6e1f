"""Breaks the product on purpose, one line at a time: `python -m tests.simulation.mutations`.

A law that no broken product breaks is not tested. Each mutation is made on a copy, and has to
be found within the first so many seeds; one whose text is not there any more counts as not
found. A seed that the unbroken product fails too proves nothing and is passed over.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[2]
SEEDS = 10_000


class Mutation(NamedTuple):
    """`changes`: (old, new), each of which must stand in `file` exactly once."""

    name: str
    modes: str
    file: str
    changes: tuple[tuple[str, str], ...]

    def of(self, text: str) -> str:
        """What it makes of the file. Raises LookupError where that has changed since."""
        for old, new in self.changes:
            if text.count(old) != 1:
                raise LookupError(f"{text.count(old)} times in {self.file}: {old[:50]!r}")
            text = text.replace(old, new)
        return text


def _m(name: str, modes: str, file: str, *changes: tuple[str, str]) -> Mutation:
    return Mutation(name, modes, file, changes)


INTEND = "attempt = await self._intend(load, request, since, until)"
SETTLE = "opened = await journal.settle(at, step.settlement)"
WRITE = """return await self._writer.write(
            lambda connection: attempts.settle(connection, attempt, outcome)
        )"""
APART = """await self._writer.write(
            lambda connection: attempts.bury(connection, outcome.letters)
        )"""
BARE = WRITE.replace("attempt, outcome", "attempt, __import__('dataclasses').replace("
                     "outcome, letters=())")  # fmt: skip

DOWN = """        self._state, self._wide = "down", None
        self.falls += 1"""
SHARED = """step)
            if kept_back and left:
                left = [*left[:-1], *_cut(left[-1])]"""
CUT = """def _cut(load: Load) -> list[Load]:
    rest, last = load.batch.split(len(load.batch.entries) - 1)
    return [replace(load, batch=b) for b in (rest, last) if b.entries]


class Aside:"""

ALL = "hold,resend,key+run,key,verify"
PEOPLED = ",".join(f"{mode}@people" for mode in ALL.split(","))
NAME = "await self._name({c.id: group[who] for who, c in answer.contacts.items() if c.made})"
WHOSE = "await self._settle({**answer.contacts, **dict.fromkeys(answer.refused, NOBODY)})"
EXISTING = "        return trouble\n    if reply.status >= 300:\n        return _existing("

MUTATIONS = (
    _m("the intent is written after the call left", "hold,key", "pipeline/creating.py",
       (INTEND, "asyncio = __import__('asyncio')\n            "
                "early = load.attempt is None and "
                "asyncio.ensure_future(self._send(request, load))\n            "
                "await asyncio.sleep(0)\n            " + INTEND),
       ("sent, judged = await self._send(request, load)",
        "sent, judged = await (early or self._send(request, load))")),
    _m("told before it is durable", "hold,key+run", "pipeline/aftermath.py",
       (SETTLE, "ledger.settled(step.settlement)\n    " + SETTLE),
       ("\n    ledger.settled(step.settlement)\n    return", "\n    return")),
    _m("letters in a transaction before the outcome's", "hold,resend", "journal/journal.py",
       (WRITE, f"{APART}\n        {BARE}")),
    _m("letters in a transaction after the outcome's", "hold,resend", "journal/journal.py",
       (WRITE, BARE.replace("return await", "opened = await") + f"\n        {APART}\n"
               "        return opened")),
    _m("results tied by their place", "hold,key+run", "hubspot/tying.py",
       ("    by_trace = {e.trace_id: e.ordinal for e in batch.entries}\n    tied:",
        ("    return {e.ordinal: str(r['id']) for e, r in zip(batch.entries, made)}, []\n"
         "    by_trace = {e.trace_id: e.ordinal for e in batch.entries}\n    tied:"))),
    _m("a 504 is sent again", "hold", "hubspot/replies.py",
       ("477: None}", "477: None, 504: None}")),
    _m("a reset is taken for not sent", "hold,verify", "hubspot/wire.py",
       ("return Doubtful(reply.trouble) if reply.left else", "return")),
    _m("a doubt does not shut the gate", "hold,resend", "calls/hold.py",
       (DOWN, "        return False\n        self.falls += 1")),
    _m("what waits behind the gate is sent all the same", "hold,resend", "pipeline/creating.py",
       ("if self._gate.withdrawn(falls) if trial else self._gate.closed:",
        "if self._gate.is_shut:")),
    _m("a trial leaves though the gate fell again", "key,key+run", "calls/hold.py",
       ("return self._shut or not self.tries(falls) or self._until > self._clock()",
        "return self._shut")),
    _m("a trial of before reopens the gate", "hold,key", "pipeline/creating.py",
       ("trial = trial and self._gate.tries(falls)", "pass")),
    _m("a refusal that can't be read blames a record", "key,key+run", "hubspot/wire.py",
       ("if not answer and key_property:", "if False:")),
    _m("a whole batch tries the remote", "hold", "pipeline/pipeline.py",
       ("if careful and load.attempt is None", "if not careful and load.attempt is None")),
    _m("Retry-After is not read", "hold,key", "hubspot/replies.py",
       ('headers.get("Retry-After", "").strip()', '""')),
    _m("a slot comes back early", "hold,key", "calls/limiter.py",
       ("before = now - self.room", "before = now - 0.7 * self.room")),
    _m("a call is taken to arrive when it leaves", "hold,resend", "calls/limiter.py",
       ("self.spend(max(sent_at, arrived_by))", "self.spend(sent_at)")),
    _m("a slot is lost where nothing was sent", "hold", "calls/limiter.py",
       ("max(sent_at, arrived_by))\n        else:\n            self.give_back()",
        "max(sent_at, arrived_by))")),
    _m("slots of an earlier life are forgotten", "hold,resend", "runs/binding.py",
       ("limiter.take_recent(await", "limiter.take_recent(0 * await")),
    _m("an intent is not withdrawn", "hold", "pipeline/creating.py",
       ("                if load.attempt is None:\n                    await journal.withdraw",
        "                if load.attempt == -1:\n                    await journal.withdraw")),
    _m("a resume does not look at what is open", ALL, "runs/leftover.py",
       ("self._open(state.open, means)", "self._open(state.open[:0], means)")),
    _m("a resume reads again what is open", "hold,key+run", "journal/attempts.py",
       ("WHERE outcome='loaded' OR outcome IS NULL", "WHERE outcome='loaded'")),
    _m("a resume reads again what is in doubt", "hold", "journal/attempts.py",
       ('("letter", "doubt", "skip")', '("letter", "skip")')),
    _m("a resume reads on behind a gap", "hold,key+run", "journal/attempts.py",
       ("low = covered.low_water", "low = covered.low_water + 1")),
    _m("the rest of a refused batch is lost", "hold,key", "pipeline/settling.py",
       ("return [batch.only(everyone - blamed)]", "return []")),
    _m("half of a batch is lost", "resend,key+run", "pipeline/settling.py",
       ("return list(batch.split(len(batch.entries) // 2))",
        "return list(batch.split(len(batch.entries) // 2))[:1]")),
    _m("silence counts as refused", "hold,resend", "hubspot/wire.py",
       ("tuple(e.ordinal for e in rest if e.ordinal not in refused)", "()")),
    _m("a 429 ends an earlier doubt", "resend,key+run,key", "pipeline/settling.py",
       ("next((load,), doubted=load.attempt is not None)", "next((load,), doubted=False)")),
    _m("a resend forgets when the doubt began", "key", "journal/attempts.py",
       ("since or sent_at, *remote)", "since or sent_at, now + 9e9, now + 9e9)")),
    _m("an answer that is silent bounds no time", "key", "pipeline/creating.py",
       ("isinstance(judged, wire.Outcomes) and judged.silent", "False")),
    _m("another's is taken for ours", "key+run", "pipeline/answering.py",
       ('return "ours" if holder.run == policy.run else', 'return "ours" if holder.run else')),
    _m("ours by the clock, the wrong way round", "key", "pipeline/answering.py",
       ("load.since <= holder.created <=", "holder.created < load.since and holder.created <=")),
    _m("a conflict is a dead letter", "key+run,key", "hubspot/refusals.py",
       ("return is_conflict(refusal, key_property) or quotes_key(refusal, key, key_property)",
        "return False")),
    _m("a key that is not shown at once is given up", "key+run,key", "pipeline/answering.py",
       ("ASKS = 9", "ASKS = 1")),
    _m("ours is a duplicate though it was in doubt", "key+run", "verdict.py",
       ('return "loaded" if doubted else "duplicate"', 'return "duplicate"')),
    _m("a duplicate counts as loaded", "key+run", "verdict.py",
       ('return "loaded" if doubted else "duplicate"', 'return "loaded"')),
    _m("search is asked before the call can be over", "verify", "pipeline/verification.py",
       ("self._clock() + self._quiet_s", "self._clock()")),
    _m("search is taken to be fresh", "verify", "pipeline/verification.py",
       ("fresh=whole and since is not None and self._fresh(each)", "fresh=True")),
    _m("what is set aside is forgotten at the end", "verify", "pipeline/verification.py",
       ("if self._is_idle and not self._waiting:", "if self._is_idle:")),
    _m("two loads share an attempt", "verify", "pipeline/verification.py",
       ("step.parted() if kept_back else step)", SHARED), ("class Aside:", CUT)),
    _m("ids that fit no input are another's", "verify", "journal/claims.py",
       ('made.split(",")[:loaded]', 'made.split(",")')),
    _m("what is undeliverable is asked for too early", "key,key+run", "pipeline/pipeline.py",
       ("self._quarantine.add(each, self._policy.quiet_s + SHOWN_S)", "at_once.append(each)")),
    _m("a contact is made without an intent", PEOPLED, "pipeline/associating.py",
       ("        await people.intend(addresses, *written)\n\n", "\n")),
    _m("a contact made by an earlier life is another's", PEOPLED, "pipeline/associating.py",
       ("open_[who].holds(found.created.get(who))", "False"), ("lost=span)", "lost=None)")),
    _m("a contact made by a call that was lost is another's", PEOPLED, "pipeline/associating.py",
       ("lost = written", "pass")),
    _m("whose a contact is comes before its names", PEOPLED, "pipeline/associating.py",
       (NAME, WHOSE), ("        " + WHOSE + "\n        for", "        " + NAME + "\n        for")),
    _m("what is tied anew is a dead letter too", PEOPLED, "pipeline/aftermath.py",
       ("judged = untying.without(judged, gone)", "pass")),
    _m("a contact that went away is its records' fault", PEOPLED, "pipeline/aftermath.py",
       ("gone = untying.gone(load.batch, judged)", "gone = {}")),
    _m("a record that waits for its people is dropped", PEOPLED, "records/batching.py",
       ("        yield now.batch()\n    yield from waiting.leave(start)",
        "        yield now.batch()")),
    _m("an earlier life's look-ups are forgotten", PEOPLED, "records/people.py",
       ("found = self._look(address)", "found = None")),
    _m("the remote has one clock", "verify,key", "hubspot/remoteclock.py",
       ("APART_S = 1.0", "APART_S = 0.0"),
       ("return _Shown(min(self.least, other.least), max(self.most, other.most), apart=True)",
        "return _Shown(least, most)")),
    _m("an attempt is known by its people too", PEOPLED, "hubspot/wire.py",
       ("SUFFIX, added=False)", "SUFFIX)")),
    _m("an address in conflict has no contact", PEOPLED, "hubspot/contacts.py",
       ("contacts[each] = Contact(said[1], made=False)", "pass")),
    _m("a refusal that was cut off blames an address", PEOPLED, "hubspot/contacts.py",
       ("may=WRITES) or _cut(reply)) is not None:\n" + EXISTING,
        "may=WRITES)) is not None:\n" + EXISTING)),
    _m("who has no contact costs the record", PEOPLED, "pipeline/associating.py",
       ('self._unknown == "reject"', 'self._unknown != "create"')),
    _m("an address that is not shown has no contact", PEOPLED, "pipeline/associating.py",
       ("if not found.unexplained or len(group) == 1:", "if True:")),
    _m("a silent upsert is taken for a refusal", PEOPLED, "pipeline/associating.py",
       ("            if rounds:\n", "            if False:\n")),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutations")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="those whose name holds this")
    asked = parser.parse_args()
    chosen = [m for m in MUTATIONS if asked.only in m.name]
    lost = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for mutation, told in zip(
            chosen, pool.map(partial(hunt, seeds=asked.seeds), chosen), strict=True
        ):
            lost += not told.startswith("killed")
            print(f"{mutation.name:52} {told}", flush=True)
    print(f"{len(chosen) - lost} of {len(chosen)} were killed")
    return 1 if lost else 0


def hunt(mutation: Mutation, seeds: int) -> str:
    """Run the mutated product until a law breaks that the product as it is keeps."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        shutil.copytree(HERE / "bulkload", tree / "bulkload")
        shutil.copytree(HERE / "tests" / "simulation", tree / "tests" / "simulation")
        shutil.copy(HERE / "tests" / "clock.py", tree / "tests")
        mutated = tree / "bulkload" / mutation.file
        try:
            mutated.write_text(mutation.of(mutated.read_text()))
        except LookupError as error:
            return f"STALE: {error}"
        first = 0
        while first < seeds:
            broken = _first_broken(tree, mutation.modes, first, seeds - first)
            if broken is None:
                break
            if broken[0] == "?":
                return f"STALE: it does not run: {broken[2]}"
            mode, seed, law = broken
            if "NameError" in law:  # it is no law that this breaks
                return f"STALE: it does not run: {law}"
            if _first_broken(HERE, mode, seed, 1) is None:
                return f"killed by --mode {mode} --seed {seed}: {law[:70]}"
            first = seed + 1
    return f"SURVIVED {seeds} seeds"


def _first_broken(tree: Path, modes: str, first: int, seeds: int) -> tuple[str, int, str] | None:
    found = subprocess.run(
        [
            sys.executable, "-m", "tests.simulation", "--until-broken", "--jobs", "1",
            "--mode", modes, "--from", str(first), "--seeds", str(seeds),
        ],
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if match := re.search(r"BROKEN --mode (\S+) --seed (\d+): (.*)", found.stdout):
        return match[1], int(match[2]), match[3]
    return None if found.returncode == 0 else ("?", first, found.stderr.strip()[-200:])


if __name__ == "__main__":
    sys.exit(main())
