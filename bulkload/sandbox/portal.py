"""One portal: its books, its schema, its limits, its tokens, and what it has seen.

Law: this is all the state there is. Endpoints change it synchronously; only `door.py` awaits.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from email.utils import formatdate
from typing import TYPE_CHECKING

from bulkload.sandbox.arrivals import Arrivals
from bulkload.sandbox.books import Books
from bulkload.sandbox.contacts import Contacts
from bulkload.sandbox.faults import FaultPlan
from bulkload.sandbox.filebooks import FileBooks
from bulkload.sandbox.limits import DailyQuota, Limits, RollingWindow
from bulkload.sandbox.others import Others
from bulkload.sandbox.properties import contact_schema, email_schema
from bulkload.sandbox.schema import natural
from bulkload.sandbox.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bulkload.sandbox.config import SandboxConfig

FIRST_EMAIL = 80_000_000_001
FIRST_CONTACT = 1001


def first_contacts(config: int | tuple[str, ...]) -> Iterable[str]:
    if isinstance(config, int):
        return (f"contact{number}@example.com" for number in range(1, config + 1))
    return config


def _ahead(wall: Callable[[], float], seconds: float) -> Callable[[], float]:
    return lambda: wall() + seconds


class Portal:
    def __init__(
        self,
        config: SandboxConfig,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.clock = clock
        # Every time that the portal tells comes from here, so all are off by the same.
        self.wall = _ahead(wall, config.clock_skew) if config.clock_skew else wall
        self.dice = random.Random(config.seed)
        self.way = random.Random(f"{config.seed}:jitter")  # apart: it leaves the answers alone
        self.poison = re.compile(config.poison) if config.poison else None
        self.refused_addresses = (
            re.compile(config.refuse_addresses) if config.refuse_addresses else None
        )
        self.refused_files = re.compile(config.refuse_files) if config.refuse_files else None
        self.plan = FaultPlan(config.seed, config.faults, config.outages)
        daily = None
        if config.daily_limit is not None and config.token_life is None:
            daily = DailyQuota(
                config.daily_limit, config.daily_reset, config.time_zone, self.wall()
            )
        self.limits = Limits(
            RollingWindow(*config.rate_limit) if config.rate_limit else None,
            RollingWindow(*config.search_limit) if config.search_limit else None,
            daily,
            Others(config.others, clock()),
        )
        self.life = 0  # how often it was emptied: a call of an earlier life changes nothing
        self.empty()

    def empty(self) -> None:
        """A new portal: no emails, no files, no counts, the first contacts, properties, tokens.

        Faults, outages and limits stay as they were last set; what is used up of these is new.
        """
        config = self.config
        self.life += 1
        self.arrivals = Arrivals()
        self.struck: Counter[str] = Counter()
        self.writes_seen: Counter[str] = Counter()
        self.limits.catch_up(self.clock(), self.wall())
        self.limits.begin_anew()
        self.tokens = Tokens(
            config.token,
            config.token_life,
            config.refresh_token,
            self.clock(),
            client=(config.client_id, config.client_secret),
            rotate=config.rotate_refresh_tokens,
        )
        self.email_schema = email_schema(config)
        self.contact_schema = contact_schema()
        self.emails = Books(
            "EMAIL",
            FIRST_EMAIL,
            self.email_schema.unique(),
            forget=config.forget_bodies,
            keep_keys=config.archived_keep_keys,
        )
        self.contacts = Contacts(
            FIRST_CONTACT, self.contact_schema.unique(), secondary_found=not config.primary_only
        )
        for line in first_contacts(config.contacts):
            self.add_contact(line)
        self.files = FileBooks()

    def date(self) -> str:
        """The Date header of an answer that leaves now."""
        return formatdate(self.wall(), usegmt=True)

    def add_contact(self, text: str) -> str:
        """`address[;secondary...]` → the contact's id; ValueError where it can't be."""
        return self.contacts.plant(text, self.wall())

    def exists(self, kind: str, identity: str) -> bool:
        """Is there such a contact, company, deal or ticket that is not archived?"""
        if kind == "contacts":
            contact = self.contacts.records.get(identity)
            return contact is not None and contact.archived_at is None
        most = {
            "companies": self.config.companies,
            "deals": self.config.deals,
            "tickets": self.config.tickets,
        }[kind]
        return most is None or 1 <= (natural(identity) or 0) <= most
