"""The laws in more than a thousand runs of the real pipeline, in virtual time: see __main__.py."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import pytest

from tests.simulation.world import MODES, PEOPLED, World

PORTION = 50


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
