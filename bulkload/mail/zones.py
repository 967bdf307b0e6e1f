"""Time zones as mail writes them: offsets and names → minutes east of Greenwich. Pure.

A name that several zones bear is read as RFC 5322 4.3 reads it (EST, CST, MST, PST are American),
else as the zone from which most mail comes. Its military letters were defined with the wrong
sign and mean nothing, but for Z.
"""

from __future__ import annotations

import re

MOST_MINUTES = 14 * 60  # Kiritimati
_LEAST_MINUTES = -12 * 60

_NAMES = {
    **dict.fromkeys(("ut", "utc", "gmt", "z", "zulu", "wet", "uct", "greenwich"), 0),
    **dict.fromkeys(("bst", "cet", "met", "mez", "west", "wat", "mewt"), 60),
    **dict.fromkeys(("cest", "mest", "mesz", "eet", "sast", "cat", "oez"), 120),
    **dict.fromkeys(("eest", "oesz", "msk", "eat", "trt"), 180),
    **dict.fromkeys(("msd", "gst"), 240),
    "pkt": 300,
    "ist": 330,
    **dict.fromkeys(("ict", "wib"), 420),
    **dict.fromkeys(("hkt", "sgt", "awst", "myt", "pht"), 480),
    **dict.fromkeys(("jst", "kst"), 540),
    "acst": 570,
    "aest": 600,
    "acdt": 630,
    "aedt": 660,
    "nzst": 720,
    "nzdt": 780,
    "ndt": -150,
    "brst": -120,
    "nst": -210,
    **dict.fromkeys(("adt", "brt", "art", "clst"), -180),
    **dict.fromkeys(("ast", "edt", "clt"), -240),
    **dict.fromkeys(("est", "cdt", "cot", "pet", "est5edt"), -300),
    **dict.fromkeys(("cst", "mdt", "cst6cdt"), -360),
    **dict.fromkeys(("mst", "pdt", "mst7mdt"), -420),
    **dict.fromkeys(("pst", "akdt", "pst8pdt"), -480),
    "akst": -540,
    "hst": -600,
    "eastern standard time": -300,
    "eastern daylight time": -240,
    "central standard time": -360,
    "central daylight time": -300,
    "mountain standard time": -420,
    "mountain daylight time": -360,
    "pacific standard time": -480,
    "pacific daylight time": -420,
    "w. europe standard time": 60,
    "w. europe daylight time": 120,
    "romance standard time": 60,
    "romance daylight time": 120,
    "central europe standard time": 60,
    "central europe daylight time": 120,
    "gmt standard time": 0,
    "gmt daylight time": 60,
}
_PHRASE = re.compile(r"(?:[a-z]+\.? )?(?:europe|[a-z]+) (?:standard|daylight) time")
_OFFSET = re.compile(
    r"(?<![\d.:/-])(?:utc|gmt)?\s?([+-])[+-]?\s?(\d{1,2})(?::?(\d{2}))?(?![\d:/-])"
)
_SUMMER = re.compile(r" dst\b")
_WORD = re.compile(r"[a-z]{1,9}(?:\d[a-z]{3})?")


def offset(text: str) -> tuple[int | None, tuple[int, int]]:
    """(minutes east of Greenwich, where in `text` they are written); None where `text`, in
    lower case and without the date and the time of day, names no zone that there is.
    """
    match = _OFFSET.search(text)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        minutes = -minutes if match[1] == "-" else minutes
        if int(match[3] or 0) < 60 and _LEAST_MINUTES <= minutes <= MOST_MINUTES:
            return minutes, match.span()
        return None, match.span()
    phrase = _PHRASE.search(text)
    if phrase is not None and phrase[0] in _NAMES:
        return _NAMES[phrase[0]], phrase.span()
    for word in _WORD.finditer(text):
        if word[0] in _NAMES:
            summer = _SUMMER.match(text, word.end())  # MET DST, as Unix wrote it
            end = summer.end() if summer else word.end()
            return _NAMES[word[0]] + (60 if summer else 0), (word.start(), end)
    return None, (0, 0)
