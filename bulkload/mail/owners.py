"""Pure: a file that says which owner an address is: CSV, `address,owner id` a line."""

from __future__ import annotations

import csv

from bulkload.errors import RefusedToStart
from bulkload.mail.patterns import normal

_BOM = "\ufeff"


def read_owners(text: str, name: str) -> dict[str, str]:
    """Owner ids by address, in lower case. Commas, semicolons or tabs between; empty lines, lines
    that begin with # and a first line of column names don't count.

    Raises RefusedToStart naming the line of file `name` that says something else, or says of an
    address what another line says otherwise.
    """
    owners: dict[str, str] = {}
    first = True
    for number, line in enumerate(text.removeprefix(_BOM).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        heading, first = first and "@" not in line, False
        if heading:
            continue
        separator = next((mark for mark in ",;\t" if mark in line), ",")
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
        address = normal(cells[0])
        wrong = ""
        if len(cells) != 2:
            wrong = f"{len(cells)} cells instead of 2"
        elif not all(address.partition("@")) or " " in address:
            wrong = "no address in its first cell"
        elif not (cells[1].isascii() and cells[1].isdigit()):
            wrong = "no owner's id in its second cell: it is a number"
        elif owners.get(address, cells[1]) != cells[1]:
            wrong = "another line gives this address another owner"
        if wrong:
            raise RefusedToStart(f"{name}, line {number}: {wrong}; write: address,owner id")
        owners[address] = cells[1]
    return owners
