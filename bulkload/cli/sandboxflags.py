"""How the flags of `bulkload sandbox` are read: what can't be meant is refused, and named.

Law: what passes here the sandbox can carry out: no flag is taken and then ignored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 1e9
"""Seconds, milliseconds: thirty years are enough of anything."""


class Number(click.FloatRange):
    """A number that there is: neither nan nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):  # outside of every range, and of none by comparison
            self.fail(f"{value} is no number", param, ctx)
        return number


SOME = Number(min=0, max=MOST)
MORE_THAN_NONE = Number(min=0.001, max=MOST)


def parsed(parser: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that reads text with the sandbox's own parser, imported late."""

    def read(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        from bulkload.sandbox import config  # --help stays fast

        parse = getattr(config, parser)
        try:
            if isinstance(value, tuple):
                return tuple(parse(one) for one in value)
            return None if value is None else parse(value)
        except ValueError as wrong:
            raise click.BadParameter(str(wrong), ctx=ctx, param=param) from None

    return read


def scopes(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    from bulkload.sandbox.scopes import SCOPES  # --help stays fast

    for one in value:
        if one not in SCOPES:
            known = ", ".join(SCOPES)
            raise click.BadParameter(f"no scope {one!r}; there are {known}", ctx=ctx, param=param)
    return value


def pattern(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    import re  # --help stays fast

    try:
        re.compile(value or "")
    except re.error as wrong:
        raise click.BadParameter(str(wrong), ctx=ctx, param=param) from None
    return value


def daily(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value.lower() == "none":
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise click.BadParameter(f"{value!r} is neither a number nor none", ctx=ctx, param=param)
    return int(value)


def fault_rates(faults: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """Raises BadParameter where they can't be carried out together."""
    from bulkload.sandbox.faults import FaultPlan  # --help stays fast

    kinds = [kind for kind, _ in faults]
    twice = next((kind for place, kind in enumerate(kinds) if kind in kinds[:place]), None)
    if twice is not None:
        raise click.BadParameter(f"{twice} is given twice", param_hint="--fault")
    try:
        FaultPlan(0, dict(faults), ())
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--fault") from None
    return dict(faults)
