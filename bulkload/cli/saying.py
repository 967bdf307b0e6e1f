"""What a command says on its two outputs.

Law kept here: the exit code tells the truth, whoever listens: a closed pipe or a full disk costs
the words, never the command.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT, ERR = 1, 2


def heard() -> None:
    """What was closed before the command began leads to nowhere: the next file that is opened
    would stand in its place and get the words, and Python has no stream there to write to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode)  # noqa: SIM115  # it stands there to the end
            os.set_inheritable(nowhere.fileno(), True)  # noqa: FBT003  # as the three are
            setattr(sys, name, nowhere)


def as_json(value: object) -> str:
    """On one line. What is no text, as a path may be, is escaped as Python reads it again."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def aside(text: str) -> None:
    """A line on standard error."""
    try:
        click.echo(text, err=True)
    except OSError:
        hush(ERR)


@contextmanager
def result(what: str) -> Iterator[None]:
    """For what is written to standard output within. `what` it is, for the words of a failure."""
    try:
        yield
    except OSError as error:
        hush(OUT)
        if not isinstance(error, BrokenPipeError):
            aside(f"bulkload: the {what} can't be written: {error.strerror}")


def hush(descriptor: int) -> None:
    """What is left in its buffer goes nowhere, or Python would fail by it as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
