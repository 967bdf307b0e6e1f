"""Pure: the checks of the account: its token, scopes, limits, quota and time zone.

Law kept here: a check says what it knows, from the facts alone; what was not answered is a warning
that says so, never a guess.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bulkload.doctor.facts import Check, Facts

WRITE = ("crm.objects.contacts.write", "sales-email-read")
"""One of these lets a token create emails [HubSpot: spec of CRM emails v3]."""

READ = "crm.objects.contacts.read"

FEW = 0.1
"""Of the day's calls: fewer left than this is worth a warning."""

APART_S = 2.0
"""Clocks that differ by less are as good as one."""

NOT_ASKED = "not asked"

WANTED_BY = {
    "crm.objects.contacts.write": "--unknown-contacts create",
    "crm.objects.owners.read": "--owners auto",
    "files": "--attachments upload",
}
"""Scopes that only these options need."""


def check_remote(facts: Facts) -> Check:
    """Does it answer at all, and does it take the token?"""
    name = "remote"
    if facts.unreached:
        return Check(
            name,
            "fail",
            f"{facts.base_url} could not be reached: {facts.unreached}",
            "see whether the network, HTTPS_PROXY and --base-url are right",
        )
    if facts.refused:
        return Check(name, "fail", facts.refused)
    return Check(name, "ok", f"{facts.base_url} answers")


def check_token(facts: Facts) -> Check:
    name, grant = "token", facts.grant
    looks = "looks like a private app's" if facts.private_token else "is no private app's"
    if facts.refused:
        return Check(name, "fail", f"refused; it {looks}", "put a valid token in its place")
    if grant is None or grant.trouble:
        why = NOT_ASKED if grant is None else f"not answered: {grant.trouble}"
        return Check(name, "warn", f"{looks} ({why})")
    life = "" if grant.expires_in is None else f", good for {grant.expires_in / 60:.0f} min"
    says = f"of {'an' if grant.kind[0] in 'AEIO' else 'a'} {grant.kind}{life}"
    if grant.expires_in is not None:
        return Check(name, "warn", f"{says}: a load that takes longer has to renew it")
    return Check(name, "ok", says)


def check_scopes(facts: Facts) -> Check:
    name, grant = "scopes", facts.grant
    if grant is None or grant.trouble:
        why = NOT_ASKED if grant is None else f"not answered: {grant.trouble}"
        return Check(name, "warn", why)
    if grant.scopes.isdisjoint(WRITE):
        return Check(
            name,
            "fail",
            f"the token may not create emails: it has neither {' nor '.join(WRITE)}",
            f"grant {WRITE[0]} in the app's settings",
        )
    if READ not in grant.scopes:
        return Check(
            name,
            "warn",
            f"without {READ}, contacts can't be found by their addresses, nor emails by search",
            f"grant {READ} in the app's settings",
        )
    lacking = [
        f"{option} ({scope})" for scope, option in WANTED_BY.items() if scope not in grant.scopes
    ]
    without = f"; not enough for {', '.join(lacking)}" if lacking else ""
    return Check(name, "ok", f"it may create and read emails ({len(grant.scopes)} scopes){without}")


def check_portal(facts: Facts) -> Check:
    name, account, grant = "portal", facts.account, facts.grant
    theirs = grant.portal if grant is not None else ""
    if account is not None and account.portal:
        if theirs not in ("", account.portal):
            return Check(
                name, "fail", f"the account says {account.portal}, its token says {theirs}"
            )
        return Check(name, "ok", account.portal)
    told = f"; its token says {theirs}" if theirs else ""
    if account is None or facts.refused or facts.unreached:
        return Check(name, "warn", "not known")
    return Check(name, "warn", f"not answered: {account.trouble or account.denied}{told}")


def check_limits(facts: Facts) -> Check:
    name, told = "rate limit", facts.rolling
    if told is None:
        return Check(name, "warn", "no answer told it: a load begins with a small one and learns")
    window = "" if told.window_s is None else f" in {told.window_s:g} s"
    left = "" if told.remaining is None else f", {told.remaining:,} of them left now"
    return Check(name, "ok", f"{told.calls:,} calls{window}{left}")


def check_quota(facts: Facts) -> Check:
    """Today's use: by the usage endpoint, else by the headers of an answer."""
    name, known = "daily quota", _today(facts)
    if facts.exhausted:
        return Check(name, "fail", "today's calls are used up", "load after the account's midnight")
    if known is None and facts.grant is not None and facts.grant.kind == "OAuth app":
        return Check(name, "ok", "none is told: OAuth apps have no calls a day of their own")
    if known is None:
        return Check(name, "warn", "not answered: how many calls a day are allowed is not known")
    used, limit = known
    left = max(limit - used, 0)
    says = f"{used:,} of {limit:,} calls used today, {left:,} left"
    if left == 0:
        return Check(name, "fail", says, "load after the account's midnight")
    if left < FEW * limit:
        return Check(name, "warn", f"{says}: a hundred records take one each at least")
    return Check(name, "ok", says)


def _today(facts: Facts) -> tuple[int, int] | None:
    """(used, limit)."""
    told = facts.usage.tightest if facts.usage is not None else None
    if told is not None:
        return told.used, told.limit
    daily = facts.daily
    if daily is None or daily.limit is None or daily.remaining is None:
        return None
    return daily.limit - daily.remaining, daily.limit


def check_zone(facts: Facts) -> Check:
    name, account = "time zone", facts.account
    zone = account.time_zone if account is not None else ""
    if account is None or not zone:
        why = NOT_ASKED if account is None else "not answered"
        return Check(name, "warn", f"{why}: when the account's day ends is not known")
    try:
        there = datetime.fromtimestamp(facts.now, UTC).astimezone(ZoneInfo(zone))
    except (ValueError, KeyError, OSError, OverflowError):  # KeyError: there is no such zone
        return Check(
            name,
            "warn",
            f"{zone} is not known on this machine: the account's day ends by its offset from UTC",
            "install tzdata",
        )
    return Check(name, "ok", f"{zone}, {there:%H:%M} there: quotas are new at midnight")


def check_clock(facts: Facts) -> Check:
    name, skew = "clock", facts.skew
    if skew is None:
        return Check(name, "warn", "no answer told the remote's time")
    apart = skew.surely
    if abs(apart) < APART_S:
        return Check(name, "ok", "agrees with the remote's")
    way = "behind" if apart > 0 else "ahead of"
    return Check(
        name,
        "warn",
        f"this machine's is {math.floor(abs(apart)):,} s or more {way} the remote's",
        "set it, by NTP: TLS and the account's midnight go by it",
    )
