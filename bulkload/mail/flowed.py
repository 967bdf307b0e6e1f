"""format=flowed (RFC 3676): lines that were broken for the way are joined again. Pure, linear.

A line that ends in a blank goes on in the next of the same quote depth; with delsp=yes that blank
was put there and goes. A blank before "From ", ">" or another blank was stuffed there and goes.
"""

from __future__ import annotations

_SIGNATURE = "-- "


def unfolded(text: str, *, delsp: bool) -> str:
    """`text`, whose lines end in line feeds, in whole paragraphs; quoted ones behind their ">"."""
    lines: list[str] = []
    paragraph: list[str] = []
    open_depth = 0  # of the paragraph
    for line in text.split("\n"):
        words = line.lstrip(">")
        depth = len(line) - len(words)
        words = words.removeprefix(" ")
        signature = words == _SIGNATURE
        if paragraph and (depth != open_depth or signature):
            lines.append(_quoted("".join(paragraph), open_depth))
            paragraph = []
        flows = words.endswith(" ") and not signature
        paragraph.append(words[:-1] if flows and delsp else words)
        open_depth = depth
        if not flows:
            lines.append(_quoted("".join(paragraph), depth))
            paragraph = []
    if paragraph:
        lines.append(_quoted("".join(paragraph), open_depth))
    return "\n".join(lines)


def _quoted(words: str, depth: int) -> str:
    if not depth:
        return words
    return ">" * depth + (" " if words else "") + words
