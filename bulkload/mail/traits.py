"""What a message shows itself to be by its own headers and parts. Pure.

| trait | a message has it where |
|---|---|
| `draft` | X-Mozilla-Draft-Info, Apple's mail-draft, X-Unsent: 1, the flag T in X-Status |
| `deleted` | bit 8 of X-Mozilla-Status, the flag D in X-Status |
| `auto-reply` | Auto-Submitted (RFC 3834), X-Autoreply or X-Autorespond but "no", Precedence: auto_reply |
| `list` | List-Id (RFC 2919), Precedence: list, bulk or junk |
| `spam` | X-Spam-Flag: YES, X-Spam-Status: Yes |
| `bounce` | a delivery report that something failed (RFC 3464), X-Failed-Recipients, or a mailer daemon's message with the subject of one |
| `forward` | the subject's first prefix says so (Fwd, Fw, WG, TR, …), Resent-From, X-Forwarded-Message-Id |
| `calendar` | a part is an invitation |
| `encrypted` | multipart/encrypted, sealed S/MIME, PGP in the text |
| `signed` | multipart/signed, S/MIME signed data, a PGP signed text |

A subject alone makes no auto-reply, and List-Unsubscribe alone no list: mail between two people
has both. A report that a message is late, or was read, is no bounce.
"""  # noqa: E501  # a table reads better in whole rows

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkload.mail.layout import CALENDARS, PKCS7, parts_of
from bulkload.mail.smime import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkload.mail.headers import Headers
    from bulkload.mail.mime import Part

_MOZILLA_EXPUNGED = 0x0008
_FORWARD = re.compile(
    r"(?:\s*\[[^\]]{0,40}\])*\s*"
    r"(?:fwd?|wg|tr|rv|enc|doorst|vs|vl|vb|pd|ilt|yml|továbbítás|转发|轉寄|転送)\s*[:：]",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|failure notice|returned mail|mail delivery fail|delivery (?:status notification "
    r"\(failure|has failed)|delivery failure|unzustellbar|non remis|no se puede entregar",
    re.IGNORECASE,
)
_DAEMON = re.compile(rb"mailer-daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE)
_ACTION = re.compile(rb"^action:[ \t]*([a-z]+)", re.IGNORECASE | re.MULTILINE)
_FLAGS = re.compile(rb"[ADFNORT]{1,8}")  # "sent" is a word
_BULK = frozenset({"list", "bulk", "junk"})
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-auto-reply", "x-mail-autoreply")
_TELLING = frozenset(
    {
        *("x-status", "x-mozilla-draft-info", "x-uniform-type-identifier", "x-unsent"),
        *("x-mozilla-status", "x-spam-flag", "x-spam-status"),
        *("precedence", "auto-submitted", "list-id", *_AUTOMATIC),
    }
)
"""What `_of_place` and `_of_sending` look at: most messages have none of it."""


def traits(root: Part) -> frozenset[str]:
    """Those of the table above that the message has. Never raises."""
    headers = root.headers
    found: set[str] = set()
    if headers.has(_TELLING):
        found.update(_of_place(headers), _of_sending(headers))
    if _is_forward(headers):
        found.add("forward")
    if _is_bounce(root):
        found.add("bounce")
    for part in parts_of(root):
        found.update(_of_part(part))
    return frozenset(found)


def _of_place(headers: Headers) -> Iterator[str]:
    status = headers.get("x-status") or b""
    flags = status if _FLAGS.fullmatch(status) else b""
    if (
        headers.get("x-mozilla-draft-info")
        or _word(headers, "x-uniform-type-identifier") == "com.apple.mail-draft"
        or _word(headers, "x-unsent") == "1"
        or b"T" in flags
    ):
        yield "draft"
    mozilla = _word(headers, "x-mozilla-status")
    bits = int(mozilla, 16) if re.fullmatch(r"[0-9a-f]{1,8}", mozilla) else 0
    if bits & _MOZILLA_EXPUNGED or b"D" in flags:
        yield "deleted"
    if _word(headers, "x-spam-flag") == "yes" or _word(headers, "x-spam-status") == "yes":
        yield "spam"


def _of_sending(headers: Headers) -> Iterator[str]:
    precedence = _word(headers, "precedence")
    if (
        _word(headers, "auto-submitted") not in ("", "no")
        or precedence == "auto_reply"
        or any(_word(headers, name) not in ("", "no") for name in _AUTOMATIC)
    ):
        yield "auto-reply"
    if headers.get("list-id") or precedence in _BULK:
        yield "list"


def _is_forward(headers: Headers) -> bool:
    return bool(
        _FORWARD.match(headers.text("subject"))
        or headers.get("resent-from")
        or headers.get("x-forwarded-message-id")
    )


def _of_part(part: Part) -> Iterator[str]:
    kind = part.kind
    if kind in CALENDARS:
        yield "calendar"
    elif kind == "multipart/encrypted":
        yield "encrypted"
    elif kind == "multipart/signed":
        yield "signed"
    elif kind in PKCS7:
        said = part.params.get("smime-type", "").lower()
        signed = said == "signed-data" or (not said and opened(part.content()) is not None)
        yield "signed" if signed else "encrypted"
    elif kind == "text/plain":
        body = part.body
        if b"-----BEGIN PGP MESSAGE-----" in body:
            yield "encrypted"
        elif b"-----BEGIN PGP SIGNED MESSAGE-----" in body:
            yield "signed"


def _is_bounce(root: Part) -> bool:
    headers = root.headers
    if headers.get("x-failed-recipients"):
        return True
    if root.kind == "multipart/report":
        for part in root.parts:
            if part.kind in ("message/delivery-status", "message/global-delivery-status"):
                actions = _ACTION.findall(part.content())
                return not actions or any(action.lower() == b"failed" for action in actions)
    sender = headers.get("from") or b""
    return bool(_DAEMON.search(sender) and _FAILURE.search(headers.text("subject")))


def _word(headers: Headers, name: str) -> str:
    """The first word of a header's value in lower case; "" where there is none."""
    value = headers.get(name)
    if value is None:
        return ""
    word = re.match(rb"[^\s;,(]*", value)
    return word[0].decode("latin-1").lower() if word else ""
