"""What a command says on its two outputs.

Law kept here: the exit code tells the truth, whoever listens: a closed pipe or a full disk costs
the words, never the command.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT, ERR = 1, 2


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
