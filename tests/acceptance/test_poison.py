"""Poison on a real socket: exactly the poison dies, at a bounded price, behind all else."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.acceptance.harness import Cli, Sandbox, letters, ndjson, until

POISON = (123, 1500, 1999)
RECORDS, BATCH = 2000, 100
BOUND = 3 * math.log2(BATCH) + 10


def test_exactly_the_poison_dies_within_the_bound_and_the_rest_does_not_wait(
    cli: Cli, sandbox: Callable[..., Sandbox]
) -> None:
    """Most of it is the wait for the last look: until no call can be under way any more."""
    served = sandbox("--poison", "^poison$", "--poison-as", "any", "--latency", "20")
    source = ndjson(
        cli.folder / "in.ndjson",
        RECORDS,
        hs_email_text=lambda n: "poison" if n in POISON else "x",
    )
    loading = cli.start(
        *("load", source, "--run", "run", "--base-url", served.url, "--json", "--no-progress"),
        *("--timeout", 1),
    )
    with loading:
        try:
            until(lambda: served.books()["emails"] >= 0.99 * (RECORDS - len(POISON)), 40)
            assert loading.poll() is None, "the last looks are waited for"
            assert letters(cli.folder / "run") == [], "the rest did not wait for the poison"
            _, err = loading.communicate(timeout=110)
        finally:
            loading.kill()
    assert loading.returncode == 1, err
    found = {letter["ordinal"]: letter for letter in letters(cli.folder / "run")}
    assert found.keys() == set(POISON)
    for letter in found.values():
        assert letter["reason"] == "undeliverable"
        said = ("500 INTERNAL_ERROR", "503 SERVICE_UNAVAILABLE", "no answer in time", "reset")
        assert any(words in letter["message"] for words in said), letter["message"]
    assert served.subjects().keys() == {f"s {n}" for n in range(RECORDS) if n not in POISON}
    assert set(served.subjects().values()) == {1}
    spent = [a for a in served.arrivals() if "/objects/emails" in a["path"]]
    assert len(spent) - RECORDS // BATCH <= len(POISON) * BOUND
