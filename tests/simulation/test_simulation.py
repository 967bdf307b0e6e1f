"""The laws in more than a thousand runs of the real pipeline, in virtual time: see __main__.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.simulation.mutations import HERE, MUTATIONS, Mutation
from tests.simulation.world import MODES, PEOPLED, World

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTION = 50


@pytest.fixture(autouse=True)
def _no_loop_but_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A life that is buried asks for no loop: asyncio would make one, and nobody would close it."""
    asked = []

    def ask(policy: object) -> None:
        asked.append(policy)

    monkeypatch.setattr(type(asyncio.get_event_loop_policy()), "get_event_loop", ask)
    yield
    assert not asked, "a loop was looked for where none runs"


@pytest.mark.parametrize(
    ("mode", "first"),
    [
        *product(MODES, range(0, 200, PORTION)),
        *product(PEOPLED, range(0, 50, PORTION)),
    ],
)
def test_the_laws_hold(mode: str, first: int) -> None:
    for seed in range(first, first + PORTION):
        world = World(seed, mode)
        world.run()
        replay = f"python -m tests.simulation --mode {mode} --seed {seed} --trace"
        assert not world.broken, f"{world.broken}: {replay}"


@pytest.mark.parametrize("mode", ["hold", "key+run", "verify", "resend@people", "key@people"])
def test_a_seed_replays_exactly(mode: str) -> None:
    def told(hashing: str) -> bytes:
        command = [sys.executable, "-m", "tests.simulation", "--mode", mode, "--trace"]
        return subprocess.run(
            [*command, "--from", "100", "--seeds", "10"],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            check=False,
        ).stdout

    once = told("1")
    assert once.count(b"life 1\n") == 10
    assert once == told("2")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_mutation_has_its_place_in_the_product(mutation: Mutation) -> None:
    path = HERE / "bulkload" / mutation.file
    text = path.read_text(encoding="utf-8")
    assert mutation.of(text) != text
