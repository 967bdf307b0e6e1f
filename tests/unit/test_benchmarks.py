"""The measuring itself: a benchmark that counts wrong is worse than none."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import pytest

from benchmarks import (
    ceiling,
    compare,
    hotspots,
    memory,
    millions,
    moods,
    processes,
    rate,
    records,
    results,
    rounds,
    server,
    settings,
    steady,
    without,
)
from benchmarks.sources import MEASURED


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, sent: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(sent))


def talk(parts: list[bytes]) -> tuple[server.Books, list[bytes]]:
    books, transport = server.Books(0.0), FakeTransport()
    connection = server.Connection(books)
    connection.connection_made(transport)
    for part in parts:
        connection.data_received(part)
    return books, transport.sent


def body_of(answer: bytes) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.rpartition(b"Content-Length: ")[2]) == len(body)
    return orjson.loads(body)


@pytest.mark.parametrize("cut", [1, 7, 150, 1000, 10**6])
def test_the_server_answers_each_trace_id_however_the_request_is_cut(cut: int) -> None:
    whole = ceiling.request(100) * 2
    books, sent = talk([whole[n : n + cut] for n in range(0, len(whole), cut)])
    assert books.records == 200
    assert len(sent) == 2
    results_of = [body_of(answer)["results"] for answer in sent]
    for one in results_of:
        assert [r["objectWriteTraceId"] for r in one] == [f"run-{n}" for n in range(100)]
    assert len({r["id"] for one in results_of for r in one}) == 200


def test_the_server_tells_creates_from_reads_and_leaves_its_own_calls_out() -> None:
    books, sent = talk(
        [
            b"GET /account-info/v3/details HTTP/1.1\r\n\r\n",
            b"GET /crm/v3/objects/emails?limit=1 HTTP/1.1\r\n\r\n",
            ceiling.request(1),
            b"GET /benchmark/counts HTTP/1.1\r\n\r\n",
        ]
    )
    assert [create for _, create in books.arrivals] == [False, False, True]
    assert body_of(sent[0])["portalId"] == 1
    assert body_of(sent[-1]) == {"records": 1}


def test_lines_are_as_long_as_they_say_and_differ() -> None:
    made = list(records.lines(200))
    assert {len(line) for line in made} == {records.LINE_BYTES}
    assert len(set(made)) == 200
    assert set(orjson.loads(made[7])) == {"properties"}


def test_the_worst_window_is_found_wherever_it_lies() -> None:
    assert rate.worst([0.0, 5.0, 9.9, 10.1, 14.9, 30.0], 10.0) == 4
    assert rate.worst([0.0, 10.0, 20.0], 10.0) == 1


def test_use_is_the_same_for_even_and_for_clustered_calls() -> None:
    even = [n * 0.1 for n in range(400)]
    bursts = [n // 100 * 10 + n % 100 * 0.001 for n in range(401)]
    assert rate.use(even, 10.0, 100) == pytest.approx(1.0, abs=0.01)
    assert rate.use(bursts, 10.0, 100) == pytest.approx(1.0, abs=0.01)
    assert rate.use(even, 10.0, 200) == pytest.approx(0.5, abs=0.01)


def seen(*arrivals: tuple[float, int], changes: tuple[float, ...] = ()) -> moods.Seen:
    return moods.Seen(sorted(arrivals), list(changes), 80.0)


EVEN = [(n / 18.99, 201) for n in range(80 * 19)]


def held(figures: list[moods.Figure]) -> list[bool]:
    return [figure.held for figure in figures]


def test_a_refusal_counts_as_one_and_takes_no_room() -> None:
    one = seen(*EVEN, (30.01, 429))
    assert one.worst() == 190
    assert one.refused() == 1
    assert held(moods.alone()(one)) == [False, True, True]
    assert one.per_second(refused=True).split().index("1") == 30
    assert one.per_second(refused=False).split()[30] == "19"


def test_one_call_too_many_is_seen_and_so_is_a_gap() -> None:
    assert held(moods.alone()(seen(*EVEN, (30.01, 201)))) == [True, False, True]
    lazy = [each for each in EVEN if not 30 <= each[0] < 39]
    assert held(moods.alone()(seen(*lazy))) == [True, True, False]


def test_clusters_are_used_as_well_as_even_calls_are() -> None:
    clusters = [(n // 190 * 10.2 + n % 190 * 0.01, 201) for n in range(60 * 19)]
    assert seen(*clusters).use(10, 60, 190) == pytest.approx(1 / 1.02, abs=0.01)


def test_what_others_took_is_no_room_of_ours() -> None:
    calls = [(at, s) for n, (at, s) in enumerate(EVEN) if not 20 <= at < 50 or n % 19 < 13]
    assert held(moods.shared(seen(*calls, changes=(20.0, 50.0)))) == [True, True, True, True]
    assert not moods.shared(seen(*calls, *[(30.0, 429)] * 30, changes=(20.0, 50.0)))[0].held


def test_growth_leaves_the_first_fifth_out() -> None:
    flat = [memory.Sample(n, 20.0 if n < 20 else 80.0, 80.0) for n in range(101)]
    rising = [memory.Sample(n, float(n), float(n)) for n in range(101)]
    assert memory.growth(flat, 100) == 0.0
    assert memory.growth(rising, 100) == pytest.approx(60.5)


def test_a_pace_is_that_of_the_records_between() -> None:
    seen = [millions.Seen(s, answered, 50.0) for s, answered in ((0, 0), (1, 10), (3, 20), (4, 40))]
    assert millions.pace(seen, 10, 20) == 5.0
    assert millions.pace(seen, 15, 40) == 20.0


def test_a_ratio_is_formed_within_its_round() -> None:
    def loaded(client: str, number: int, wall_s: float) -> rounds.Loaded:
        return rounds.Loaded(client, number, 1100, wall_s + 1, 2.0, 1.0, 1.0, 50.0)

    loads = [loaded("bare", 0, 1.0), loaded("bulkload", 0, 2.0)]
    loads += [loaded("bare", 1, 10.0), loaded("bulkload", 1, 40.0)]
    assert rounds.ratios(loads, "bulkload", "bare")["records_per_s"] == pytest.approx([0.5, 0.25])


def test_lateness_is_against_the_call_that_had_the_slot_before() -> None:
    left = [n // 10 * 1.006 + n % 10 * 0.01 for n in range(100)]
    judged = steady.judged(left, 10, 1.0)
    assert judged["late_ms"]["p50"] == pytest.approx(6.0)
    assert judged["worst_window"] == 10
    assert judged["use"] == pytest.approx(0.994, abs=0.002)


def test_each_part_that_is_switched_off_is_one() -> None:
    named = [each.command(Path("source"), Path("run"), 1) for each in settings.PARTS]
    off = [command[3] for command in named if "benchmarks.without" in command]
    assert sorted(off) == sorted(without.PARTS)


def test_lines_of_mail_are_json_and_half_of_them_beyond_ascii() -> None:
    made = list(records.mail_lines(200))
    assert len(set(made)) == 200
    assert sum(line.isascii() for line in made) == 100
    assert all(len(line) == pytest.approx(records.MAIL_BYTES, rel=0.1) for line in made)
    own = orjson.loads(next(records.mail_lines(1, own=True)))
    assert {*own} == {*records.OWN.values()}
    assert orjson.loads(made[0])["properties"] == {
        name: own[of] for name, of in records.OWN.items()
    }


def test_time_goes_to_the_innermost_module_and_what_it_calls() -> None:
    loop = "thread 1;run (asyncio/runners.py)"
    raw = (
        f"{loop};make (bulkload/records/reading.py);map_record (bulkload/records/mapping.py) 3\n"
        f"{loop};make (bulkload/records/reading.py);map_record (bulkload/records/mapping.py) 1\n"
        f"{loop};Client.post (bulkload/hubspot/client.py);request (aiohttp/client.py) 2\n"
        f"{loop};<module> (bulkload/cli/load.py);_load (<frozen importlib._bootstrap>) 5\n"
    )
    assert hotspots.read(raw) == Counter(
        {"records/mapping": 4, "hubspot/client calling aiohttp": 2, "start: imports": 5}
    )


def test_a_process_that_takes_too_long_is_killed() -> None:
    ended = processes.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)
    assert ended.code == -9
    with pytest.raises(SystemExit, match="ended with -9"):
        processes.succeeded(ended)


def test_a_process_is_measured_with_its_output() -> None:
    ended = processes.run([sys.executable, "-c", "print('there')"], timeout_s=20)
    assert (ended.code, ended.out) == (0, "there\n")
    assert ended.cpu_s > 0
    assert ended.peak_rss_mb > 1


def test_the_facts_of_the_machine_name_no_machine() -> None:
    assert set(results.machine()) == {
        *("python", "system", "cores", "cpu", "fsync_ms", "load_1min"),
        *("bulkload", "aiohttp", "orjson"),
    }


def test_a_spread_shows_median_least_and_most() -> None:
    assert results.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"


DOCS = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def kept(name: str) -> Any:
    return orjson.loads((results.PLACE / f"{name}.json").read_bytes())


def sides(name: str, base: str) -> list[str]:
    """The rows of a table of loads side by side."""
    loads = [
        rounds.Loaded(**{each.name: e[each.name] for each in fields(rounds.Loaded)})
        for e in kept(name)["loads"]
    ]
    rows = []
    for client in dict.fromkeys(each.client for each in loads):
        found = rounds.ratios(loads, client, base)
        mine = [each.cpu_s_per_million for each in loads if each.client == client]
        cells = (*map(results.spread, found.values()), results.spread(mine, ".1f"))
        rows.append(f"| {client} | {' | '.join(cells)} |")
    return rows


def figures() -> list[str]:
    """What the page has to say, made from the raw results as they are kept."""
    million, start, rated = (kept(n) for n in ("memory", "start", "rate"))
    said = [*sides("compare", compare.BARE), *sides("settings", settings.AS_IT_IS)]
    compared = kept("compare")
    ours = [e for e in compared["loads"] if e["client"] == compare.PASSED]
    said += [
        f"some {median(e['per_s'] for e in ours) / 1900:.0f} times",
        f"{1900 * median(e['cpu_s_per_million'] for e in ours) / 1e6:.1%}".replace("%", " %"),
        f"{compared['ceiling']['records_per_s']:,} records a second",
        f"{compared['ceiling']['over_fastest']} times",
    ]
    for each in kept("steady")["limits"]:
        late = " / ".join(f"{each['late_ms'][name]:.1f}" for name in steady.SHARES)
        said.append(f"| {each['limit']} | {each['per_s']:,} | {each['worst_window']:,} | {late} |")
    said += [
        f"{'Passed' if million['passed'] else 'Failed'}: peak {million['peak_mb']:.1f} MB",
        f"reached {million['large']['peak_mb']:.1f} MB",
        f"rose by {million['growth_mb']:.1f} MB",
        f"{million['peak_after_first_fifth_mb']:.1f} MB",
        *(results.spread(start[n], ".0f") for n in ("help_ms", "python_ms", "import_aiohttp_ms")),
        *(
            results.spread(t, ".0f")
            for t in zip(*start["first_request_and_create_ms"], strict=True)
        ),
        f"{rated['calls']} calls",
        f"held {rated['worst_window']} calls",
        f"{rated['use']:.1%}".replace("%", " %"),
    ]
    for one in kept("moods")["scenarios"]:
        for each in one["figures"]:
            measured = f"{each['figure']} | {each['must']}".replace("%", " %")
            said.append(f"| {one['scenario']} | {each['what']} | {measured} |")
    many = kept("millions")
    most = (millions.MOST_MB, millions.JOURNAL_BYTES, millions.RESUME_S, millions.STATUS_S)
    for (what, figure), bound in zip(many["figures"].items(), most, strict=True):
        said.append(f"| {what} | {figure:.1f} | ≤ {bound:g} |")
    said.append(f"beside the second | {many['last_tenth_to_second']:.2f} | ≥ 0.9 |")
    mail = kept("mbox")
    said += [f"{mail[name]:,} " for name in ("per_s", "broken", "split_per_s")]
    for name in MEASURED:
        of = kept("sources")[name]
        said.append(f"| {name} | {of['count']:,} | {of['read']['per_s']:,}/s | ")
        said.append(f" {of['load']['per_s']:,}/s | {of['load']['early_mb']:.0f} MB, ")
    spots = kept("hotspots")
    shares = sorted(spots["by_place"].values(), reverse=True)[:8]
    said += [f"{n / spots['samples']:.1%}".replace("%", " %") for n in shares]
    return said


def test_the_page_says_what_was_measured() -> None:
    page = DOCS.read_text("utf-8")
    assert [figure for figure in figures() if figure not in page] == []


def test_what_is_kept_was_measured_in_full_and_names_no_place() -> None:
    for name in (
        "compare",
        "memory",
        "millions",
        "start",
        "rate",
        "moods",
        "hotspots",
        "mbox",
        "settings",
        "steady",
        "sources",
    ):
        assert kept(name)["quick"] is False
    text = b"".join(path.read_bytes() for path in results.PLACE.glob("*.json"))
    assert b"/tmp" not in text
    assert b"/home" not in text
