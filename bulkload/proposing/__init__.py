"""Rows of a table → a mapping that is likely meant, and what is to be looked at in it. Pure."""

from __future__ import annotations

from bulkload.proposing.doubts import doubts
from bulkload.proposing.propose import Proposal, propose

__all__ = ["Proposal", "doubts", "propose"]
