"""What may be changed while it runs: faults, outages, limits and who else uses them, contacts.

Law: a body that is wrong anywhere changes nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bulkload.sandbox.config import Outage, outage_kind, parse_outage, parse_rate, written_rate
from bulkload.sandbox.limits import RollingWindow
from bulkload.sandbox.others import MOST as MOST_OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkload.sandbox.limits import Limits
    from bulkload.sandbox.portal import Portal


def outage_of(body: Any) -> Outage:
    """`{"kind": "503", "seconds": 45, "after"?: 2}`; raises ValueError."""
    given = _object(body, "kind", "seconds", "after")
    if "kind" not in given or "seconds" not in given:
        raise ValueError('want {"kind": KIND, "seconds": NUMBER, "after"?: NUMBER}')
    return Outage(
        _number("after", given.get("after", 0)),
        _number("seconds", given["seconds"]),
        outage_kind(str(given["kind"])),
    )


def change_faults(portal: Portal, body: Any) -> bool:
    """`{"faults"?: {KIND: RATE}, "outages"?: ["START+LENGTH:KIND"]}`; what is named is replaced.

    Outages are counted from now. True: they have changed. Raises ValueError.
    """
    given = _object(body, "faults", "outages")
    rates, texts = given.get("faults", {}), given.get("outages", [])
    if not isinstance(rates, dict) or not isinstance(texts, list):
        raise ValueError(  # noqa: TRY004  # as all here
            'want {"faults"?: {KIND: RATE}, "outages"?: ["START+LENGTH:KIND"]}'
        )
    outages = [parse_outage(str(text)) for text in texts]
    if "faults" in given:
        portal.plan.change({kind: _number(kind, rate, 1.0) for kind, rate in rates.items()})
    if "outages" in given:
        portal.plan.replace(outages, portal.clock())
    return "outages" in given


def contacts_added(portal: Portal, body: Any) -> dict[str, str]:
    """`{"emails": ["ADDRESS[;SECONDARY...]"]}` → the id of each; raises ValueError."""
    texts = _object(body, "emails").get("emails")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("emails must be a list of texts")
    portal.contacts.check(texts)
    return {text: portal.add_contact(text) for text in texts}


def change_limits(portal: Portal, body: Any) -> None:
    """`{"rate_limit"?, "search_limit"?: "100/10s" or "none", "others"?: calls a second,
    "daily_limit"?: calls, "daily_reset"?: seconds from now}`; raises ValueError.
    """
    given = _object(body, "rate_limit", "search_limit", "others", "daily_limit", "daily_reset")
    limits, now, wall = portal.limits, portal.clock(), portal.wall()
    changes: list[Callable[[], None]] = []
    for name, attribute in (("rate_limit", "rolling"), ("search_limit", "search")):
        if name in given:
            changes.append(partial(_set_window, limits, attribute, parse_rate(str(given[name]))))
    if "others" in given:
        pace = _number("others", given["others"], MOST_OTHERS)
        changes.append(partial(limits.others.change, pace, now))
    daily = limits.daily
    if daily is None and ("daily_limit" in given or "daily_reset" in given):
        raise ValueError("this portal has no daily limit to change")
    if daily is not None and "daily_limit" in given:
        calls = int(_number("daily_limit", given["daily_limit"]))
        changes.append(partial(setattr, daily, "calls", calls))
    if daily is not None and "daily_reset" in given:
        seconds = _number("daily_reset", given["daily_reset"])
        if not seconds:
            raise ValueError("daily_reset must be more than 0 seconds")
        changes.append(partial(daily.reset_every, seconds, wall))
    limits.catch_up(now, wall)  # others have come at the old pace, under the old limits
    for change in changes:
        change()


def limits_held(portal: Portal) -> dict[str, Any]:
    """The limits as they are now, in the words in which they are changed."""
    limits, wall = portal.limits, portal.wall()
    limits.catch_up(portal.clock(), wall)
    out: dict[str, Any] = {
        "rate_limit": _written(limits.rolling),
        "search_limit": _written(limits.search),
        "others": limits.others.rate,
        "daily_limit": None,
    }
    if limits.daily is not None:
        remaining = limits.daily.remaining(wall)
        out |= {
            "daily_limit": limits.daily.calls,
            "daily_used": limits.daily.used,
            "daily_remaining": remaining,
            "daily_resets_in": limits.daily.resets_at - wall,
        }
    return out


def _set_window(limits: Limits, attribute: str, rate: tuple[int, float] | None) -> None:
    window: RollingWindow | None = getattr(limits, attribute)
    if window is None or rate is None:
        setattr(limits, attribute, None if rate is None else RollingWindow(*rate))
    else:
        window.change(*rate)


def _written(window: RollingWindow | None) -> str:
    return written_rate(None if window is None else (window.calls, window.seconds))


def _object(body: Any, *names: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError(f"want an object of {', '.join(names)}")  # noqa: TRY004  # as all here
    if unknown := [name for name in body if name not in names]:
        raise ValueError(f"no such name: {', '.join(unknown)}; there are {', '.join(names)}")
    return body


def _number(name: str, value: Any, most: float = 1e9) -> float:
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most:g}, not {value!r}")
    return float(value)
