"""An invitation (RFC 5545, 5546) in words, for a message that holds nothing else to read. Pure.

The first event counts. Times are given as they are written there, with the name of their zone:
the zone's own rules travel in the file, which is attached.
"""

from __future__ import annotations

import re

_MOST = 262_144
_FOLD = re.compile(r"\n[ \t]")
_PROPERTY = re.compile(r'([A-Za-z-]+)((?:;[^=:;]*=(?:"[^"\n]*"|[^":;\n]*))*):(.*)')
_PARAMETER = re.compile(r';([^=:;]*)=("[^"\n]*"|[^":;\n]*)')
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?\Z")
_ESCAPED = re.compile(r"\\([\\;,nN])")
_METHODS = {
    "REQUEST": "Invitation",
    "CANCEL": "Cancelled",
    "REPLY": "Answer to an invitation",
    "COUNTER": "Another time proposed",
}
_ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative"}


def summary(source: str) -> str:
    """Title, time, place, organizer and description, each on its line; "" where there is no event.

    `source` has line feeds. Never raises.
    """
    method = ""
    found: dict[str, tuple[dict[str, str], str]] = {}
    inside = False
    nested = 0  # components inside the event: reminders
    for line in _FOLD.sub("", source[:_MOST]).split("\n"):
        match = _PROPERTY.match(line.rstrip("\r"))
        if match is None:
            continue
        name, value = match[1].upper(), match[3].strip()
        if name in ("BEGIN", "END"):
            event = value.upper() in ("VEVENT", "VTODO")
            if inside and event and name == "END":
                break
            if inside:
                nested = max(0, nested + (1 if name == "BEGIN" else -1))
            else:
                inside = event and name == "BEGIN"
        elif name == "METHOD":
            method = value.upper()
        elif inside and not nested and name not in found:
            params = {key.upper(): text.strip('"') for key, text in _PARAMETER.findall(match[2])}
            found[name] = (params, value)
    return "\n".join(_lines(method, found)) if inside else ""


def _lines(method: str, found: dict[str, tuple[dict[str, str], str]]) -> list[str]:
    lines = [f"{_METHODS.get(method, 'Event')}: {_text(found, 'SUMMARY') or 'without a title'}"]
    when = _moment(found, "DTSTART")
    until = _moment(found, "DTEND")
    if when:
        lines.append(f"When: {when}" + (f" to {until}" if until and until != when else ""))
    if place := _text(found, "LOCATION"):
        lines.append(f"Where: {place}")
    if organizer := _person(found, "ORGANIZER"):
        lines.append(f"Organizer: {organizer}")
    if method == "REPLY" and "ATTENDEE" in found:
        answer = found["ATTENDEE"][0].get("PARTSTAT", "").upper()
        lines.append(f"Answer: {_person(found, 'ATTENDEE')}, {_ANSWERS.get(answer, 'not yet')}")
    if description := _text(found, "DESCRIPTION"):
        lines += ["", description]
    return lines


def _text(found: dict[str, tuple[dict[str, str], str]], name: str) -> str:
    value = found.get(name, ({}, ""))[1]
    text = _ESCAPED.sub(lambda sign: "\n" if sign[1] in "nN" else sign[1], value)
    return text.strip() if name == "DESCRIPTION" else " ".join(text.split())


def _moment(found: dict[str, tuple[dict[str, str], str]], name: str) -> str:
    params, value = found.get(name, ({}, ""))
    match = _MOMENT.match(value)
    if match is None:
        return value
    year, month, day, hour, minute, utc = match.groups()
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date
    zone = "UTC" if utc else params.get("TZID", "")
    return f"{date} {hour}:{minute}" + (f" ({zone})" if zone else "")


def _person(found: dict[str, tuple[dict[str, str], str]], name: str) -> str:
    params, value = found.get(name, ({}, ""))
    address = re.sub(r"(?i)\Amailto:", "", value).strip()
    full = params.get("CN", "").strip()
    return f"{full} <{address}>" if full and full != address else address
