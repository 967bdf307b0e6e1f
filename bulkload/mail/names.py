"""A display name → first and last name. Pure.

The rule: titles go; the first word, and initials after it, are the first name; the rest,
particles, second surnames and suffixes with it, is the last name. "Last, First" is turned round,
and so is a surname in capitals before other words. A name of one word, and that of an
organisation or a function, is a first name as it stands.
"""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES = _set(
    "dr prof professor mr mrs ms miss mx sir dame herr frau mme mlle madame monsieur sra srta dott"
    " dottssa dipl dipl-ing drs mgr judr mudr phdr"
)
_DOTTED_TITLES = _set("hr. fr. sr. m. ing. mag. rev. ir. doc.")  # names without their full stop
_SUFFIXES = _set("jr sr ii iii iv md phd ph.d esq cpa mba msc bsc dds rn pe llm csc")
_ORGANISATIONS = _set(
    "inc ltd limited llc llp plc gmbh corp corporation company bank group gruppe team support"
    " service services newsletter news info sales marketing billing accounting notification"
    " notifications noreply no-reply hr helpdesk university universität foundation institute verlag"
    " shop store online via list mailing admin administrator webmaster postmaster office customer"
    " daemon system subsystem robot alerts reports"
)
_LEGAL_FORMS = _set(
    "AG KG OHG UG BV B.V. NV N.V. SA S.A. SAS SARL SRL SpA S.p.A. AB AS Oy ApS Co. eG"
)
_BETWEEN = re.compile(r"\s*,\s*")
_INITIAL = re.compile(r"[^\W\d_]\.?")


def split(name: str) -> tuple[str, str]:
    """(first, last) of `name`, which is one line without outer quotes; ("", "") of ""."""
    if "," in name:
        return _with_commas(name)
    whole = name.split()
    if len(whole) < 2:
        return name.strip(), ""
    if _is_organisation(whole):
        return " ".join(whole), ""
    words = _untitled(whole)
    if len(words) < 2:
        # "Dr. Lovelace": what is left is a surname, and its title makes it one to address.
        return " ".join(whole), ""
    if _is_surname_in_capitals(words):
        return " ".join(words[1:]), words[0]
    first = 1
    while first < len(words) - 1 and _INITIAL.fullmatch(words[first]):
        first += 1
    return " ".join(words[:first]), " ".join(words[first:])


def _with_commas(name: str) -> tuple[str, str]:
    parts = [part for part in _BETWEEN.split(name) if part]
    after: list[str] = []
    while len(parts) > 1 and all(_bare(word) in _SUFFIXES for word in parts[-1].split()):
        after.insert(0, parts.pop())
    while len(parts) > 2 and all(_bare(word) in _TITLES for word in parts[-1].split()):
        parts.pop()
    if len(parts) == 1:
        first, last = split(parts[0])
        return (first, " ".join([last, *after])) if last else (" ".join([first, *after]), "")
    if len(parts) == 2 and not _is_organisation(name.replace(",", " ").split()):
        given = _untitled(parts[1].split())
        return " ".join(given), " ".join([*_untitled(parts[0].split()), *after])
    return name, ""


def _untitled(words: list[str]) -> list[str]:
    at = 0
    while at < len(words) - 1 and (
        _bare(words[at]) in _TITLES or words[at].lower() in _DOTTED_TITLES
    ):
        at += 1
    return words[at:]


def _is_organisation(words: list[str]) -> bool:
    return any(
        _bare(word) in _ORGANISATIONS
        or word in _LEGAL_FORMS
        or any(letter in "&|/0123456789@" for letter in word)
        for word in words
    )


def _is_surname_in_capitals(words: list[str]) -> bool:
    """DUPONT Jean: as forms and some countries write it."""
    first = words[0]
    return (
        len(first) >= 4
        and first.isalpha()
        and first.isupper()
        and all(word[:1].isupper() and word[1:].islower() for word in words[1:])
    )


def _bare(word: str) -> str:
    return word.strip(".,;:()'\"").lower()
