"""Pure: a run as one HTML page that needs nothing else: no script, no font, no other address.

Law kept here: secrets and bodies stay in: a page is for others to read, so it names places and
causes, and neither records nor what the remote said of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from bulkload.report import words
from bulkload.wording import counted
from bulkload.zone import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkload.journal.history import Answers, Cause, Pace
    from bulkload.runs.summary import Summary

WIDE, HIGH, GAP = 720, 120, 1
"""Of the chart, in its own units."""

OUTCOMES = {
    "open": "sent, and not answered yet",
    "loaded": "records were made",
    "existing": "HubSpot had them already",
    "rejected": "all were refused: dead letters",
    "refused": "the whole batch was refused, and sent again in parts",
    "resent": "nothing was made, or it was looked up: sent again",
    "doubt": "the answer was lost",
    "skipped": "duplicates",
}
"""What an attempt came to."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #2f7d6b; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
p.state { margin: .25rem 0 0; opacity: .75; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; opacity: .75; } td.n, th.n { text-align: right; white-space: nowrap; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .4rem; }
svg { width: 100%; height: auto; } svg rect { fill: var(--bar); } svg text { font-size: 11px;
  fill: currentColor; opacity: .75; }
footer { margin-top: 3rem; opacity: .6; font-size: .85rem; }
"""


@dataclass(frozen=True, slots=True)
class Told:
    """All that a page says. `began` and `written` in seconds since the epoch; `sources` by their
    names, in order; `options` as the run keeps them.
    """

    summary: Summary
    began: float
    written: float
    version: str
    sources: Sequence[str]
    options: Mapping[str, Any]
    answers: Sequence[Answers] = ()
    causes: Sequence[Cause] = ()
    pace: Pace | None = None
    portal: str = ""


def page(told: Told) -> str:
    """The whole page."""
    ended = told.summary
    title = f"bulkload: {ended.run}"
    parts = [
        f"<h1>{escape(ended.run)}</h1>",
        f'<p class="state">{escape(_state(told))}</p>',
        _section("How it stands", f"<pre>{escape(words.summary(ended))}</pre>"),
        _section("Records over time", _chart(told.pace)),
        _section("Dead letters by cause", _causes(told)),
        _section("Left out", _counts("why", ended.skipped_by)),
        _section("Calls that create, by what came of them", _answers(told.answers)),
        _section("Sources", _table(("source",), [(name,) for name in told.sources])),
        _section("Options", _options(told.options)),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + f"\n<footer>bulkload {escape(told.version)}, {_moment(told.written)}. This page names "
        "places and causes, and holds no record.</footer>\n</body></html>\n"
    )


def _state(told: Told) -> str:
    to = f" into portal {told.portal}" if told.portal else ""
    return f"begun {_moment(told.began)}{to}; {words.state(told.summary)}"


def _section(title: str, content: str) -> str:
    """Nothing where there is nothing to say."""
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Numbers stand to the right."""
    if not rows:
        return ""
    numbers = [isinstance(cell, int) for cell in rows[0]]

    def line(cells: Sequence[object], kind: str) -> str:
        told = [f"{cell:,}" if isinstance(cell, int) else escape(str(cell)) for cell in cells]
        return "".join(
            f"<{kind}{' class=n' if number else ''}>{cell}</{kind}>"
            for cell, number in zip(told, numbers, strict=True)
        )

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{line(heads, 'th')}</tr>\n{body}</table>"


def _counts(head: str, counts: Mapping[str, int]) -> str:
    return _table((head, "records"), list(counts.items()))


def _causes(told: Told) -> str:
    rows = []
    for each in told.causes:
        said = " ".join(str(word) for word in (each.status, each.category) if word)
        at = each.position
        first = at.at if isinstance(at.at, str) else at.number
        rows.append((each.letters, each.reason, said, f"{told.sources[each.source]} {first}"))
    return _table(("letters", "reason", "HubSpot said", "the first"), rows)


def _answers(answers: Sequence[Answers]) -> str:
    rows = [
        (each.calls, _status(each), each.outcome, OUTCOMES.get(each.outcome, ""))
        for each in answers
    ]
    return _table(("calls", "status", "outcome", "which means"), rows)


def _status(each: Answers) -> str:
    if each.outcome == "open":
        return ""
    return str(each.status) if each.status else "no answer"


def _options(options: Mapping[str, Any]) -> str:
    """Those that say something."""
    rows = [
        (
            f"--{name.replace('_', '-')}",
            ", ".join(map(str, value)) if type(value) is list else value,
        )
        for name, value in sorted(options.items())
        if value not in (None, "", [], {}, False)
    ]
    return _table(("option", "value"), [(name, str(value)) for name, value in rows])


def _chart(pace: Pace | None) -> str:
    """A bar for each span, as high as its records."""
    if pace is None:
        return ""
    most, wide = max(pace.records), WIDE / len(pace.records)
    bars = []
    for at, records in enumerate(pace.records):
        high = HIGH * records / most
        until = pace.began + (at + 1) * pace.every_s
        told = f"{counted(records, 'record')} until {_moment(until)}"
        bars.append(
            f'<rect x="{at * wide:.1f}" y="{HIGH - high:.1f}" width="{max(wide - GAP, 0.5):.1f}" '
            f'height="{high:.1f}"><title>{told}</title></rect>'
        )
    ended = pace.began + len(pace.records) * pace.every_s
    return (
        f'<svg viewBox="0 -4 {WIDE} {HIGH + 22}" role="img" '
        f'aria-label="records by the time at which their calls left">{"".join(bars)}'
        f'<text x="0" y="{HIGH + 14}">{_moment(pace.began)}</text>'
        f'<text x="{WIDE}" y="{HIGH + 14}" text-anchor="end">{_moment(ended)}</text></svg>'
        f'<p class="state">at most {counted(most, "record")} in {span(pace.every_s)}</p>'
    )


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
