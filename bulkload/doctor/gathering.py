"""Gathers the facts: each ask may fail alone, and what is known by then is kept.

Laws kept here: nothing is created but with `--probe`, nothing is defined but with `--fix`, and a
property that exists is never changed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.doctor import machine
from bulkload.doctor.asking import Asker, CutShort
from bulkload.doctor.facts import Facts
from bulkload.doctor.probing import Probing
from bulkload.doctor.report import Report, judge
from bulkload.hubspot import account, inspecting, paths, refusals, replies
from bulkload.hubspot.sink import Sink
from bulkload.runs import learnt
from bulkload.runs.preflight import KEY, RUN

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bulkload.hubspot.auth import Token
    from bulkload.hubspot.client import Client
    from bulkload.hubspot.replies import Reply


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at, and what may be done. `runs`: the folder that runs are kept in."""

    runs: Path = Path("bulkload-runs")
    fix: bool = False
    probe: bool = False


class Doctor:
    """One look at one portal. `say`: lines for the user; `log`: a line a call."""

    def __init__(
        self,
        client: Client,
        token: Token,
        wanted: Wanted,
        interrupt: asyncio.Event,
        say: Callable[[str], None],
        log: Callable[[str], None],
    ) -> None:
        self._client, self._token, self._wanted = client, token, wanted
        self._say = say
        self._asker = Asker(interrupt, log)
        self._probing: Probing | None = None
        self._facts = Facts(
            base_url=client.base_url,
            now=time.time(),
            disk=machine.measure(wanted.runs),
            proxy=client.proxy_place,
            private_token=inspecting.is_private(token),
        )

    @property
    def probes_left(self) -> tuple[str, ...]:
        """Ids of probe records that are there at this moment."""
        return tuple(self._probing.ids) if self._probing else ()

    async def examine(self) -> Report:
        """Never raises for what the remote answers, or where it is interrupted."""
        try:
            await self._ask_all()
        except CutShort:
            self._know(interrupted=True)
        asker = self._asker
        self._know(
            rolling=asker.rolling,
            daily=asker.daily,
            exhausted=asker.exhausted,
            skew=asker.skew(),
        )
        self._judge_reach()
        return judge(self._facts)

    async def _ask_all(self) -> None:
        client, read = self._client, self._asker.read
        sent = await read("account", partial(client.get, paths.ACCOUNT))
        self._know(account=account.read(sent.reply))
        if unreached := _unreached(sent.reply):
            self._know(unreached=unreached)
            return
        if sent.reply.status == 401:
            self._know(refused=account.read(sent.reply).denied)
            return
        await self._ask_token()
        self._remember()
        sent = await read("usage", partial(client.get, paths.USAGE))
        self._know(usage=account.read_usage(sent.reply))
        await self._ask_definitions()
        if self._wanted.fix:
            await self._fix()
        for kind in inspecting.ASSOCIATIONS:
            ask = partial(client.get, paths.LABELS.format(kind))
            sent = await read(f"association types of {kind}", ask)
            found = inspecting.read_labels(sent.reply)
            self._know(labels={**self._facts.labels, kind: found})
        if self._wanted.probe:
            await self._probe()

    async def _ask_token(self) -> None:
        """As the kind of token that it looks like; as the other where that is not answered."""
        ways: list[tuple[Any, Callable[[Reply], inspecting.Grant]]] = [
            (inspecting.ask_private, inspecting.read_private),
            (inspecting.ask_oauth, inspecting.read_oauth),
        ]
        if not self._facts.private_token:
            ways.reverse()
        first = None
        for ask, read in ways:
            sent = await self._asker.read("token", partial(ask, self._client, self._token))
            found = read(sent.reply)
            if not found.trouble:
                self._know(grant=found)
                return
            first = first or found
        self._know(grant=first)

    async def _ask_definitions(self) -> None:
        ask = partial(self._client.get, paths.PROPERTIES)
        sent = await self._asker.read("properties", ask)
        self._know(definitions=inspecting.read_definitions(sent.reply))

    async def _fix(self) -> None:
        """Make what is missing; what exists is left as it is."""
        defined = self._facts.definitions
        if defined is None or defined.trouble:
            self._say("--fix: nothing was made, since it is not known which properties there are")
            return
        ways = {KEY: inspecting.key_definition, RUN: inspecting.run_definition}
        for name, define in ways.items():
            if name in defined.named:
                continue
            make = partial(inspecting.make, self._client, define(name, defined.group))
            sent = await self._asker.change(f"make {name}", make)
            self._know(made={**self._facts.made, name: inspecting.read_made(sent.reply)})
        if self._facts.made:
            await self._ask_definitions()

    async def _probe(self) -> None:
        defined = self._facts.definitions
        found = defined.named.get(KEY) if defined is not None else None
        key = KEY if found is not None and found.unique and found.type == "string" else ""
        self._say(
            "making a few probe emails in the portal, tied to nobody and archived at once "
            "(subject: bulkload probe, may be deleted)"
        )
        self._probing = Probing(Sink(self._client), self._asker, key, self._say)
        probed = await self._probing.run()
        self._know(probed=probed)
        if probed.learnt.known:
            now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
            known = probed.learnt._replace(at=now).over(self._facts.learnt)
            self._know(learnt=known)
            portal, address = self._facts.portal, self._facts.base_url
            if portal and (trouble := learnt.keep(portal, known, address)):
                self._say(trouble)
        await self._asker.pause(0)

    def _remember(self) -> None:
        """What an earlier look has learned of this portal."""
        if not self._facts.portal:
            return
        known, trouble = learnt.load(self._facts.portal, self._facts.base_url)
        self._know(learnt=known)
        if trouble:
            self._say(trouble)

    def _judge_reach(self) -> None:
        """Where nothing was answered as it should be, this is not the remote that was meant."""
        facts = self._facts
        told = [facts.account, facts.grant, facts.definitions, *facts.labels.values()]
        answered = any(each is not None and not each.trouble for each in told)
        if not (answered or facts.unreached or facts.refused or facts.exhausted):
            first = facts.account
            why = first.trouble or first.denied if first is not None else "it was not asked"
            self._know(unreached=f"nothing was answered as HubSpot does ({why})")

    def _know(self, **found: Any) -> None:
        self._facts = replace(self._facts, **found)


def _unreached(reply: Reply) -> str:
    """Why this answer is not the remote's that was meant, if it is not."""
    if reply.status == 0 or not reply.whole or reply.hopeless:
        return reply.trouble or "no answer"
    answer = replies.parsed(reply)
    if reply.status in replies.NO_HANDLER and "category" not in answer:
        return refusals.denial(reply.status, answer, reply.headers.get("Location", ""))
    return ""
