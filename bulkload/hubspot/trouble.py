"""Pure: what went wrong with a connection, in words, and whether waiting can mend it.

Laws kept here: the remote's trouble is not the record's, and what no waiting mends is not an
outage: a certificate that can't be trusted, a proxy that refuses, a port that speaks something
else. Secrets stay in: an error's own text may hold the URL and more, so only what is known to
be harmless is quoted of it: a host, a port, the system's and OpenSSL's own words.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

if TYPE_CHECKING:
    from bulkload.hubspot.route import Route


class Trouble(NamedTuple):
    """`hopeless`: waiting does not mend it, and nothing was made."""

    words: str
    hopeless: bool = False


_UNKNOWN = (
    "its certificate was issued by nobody whom this machine knows. Where a proxy or your company "
    "issues certificates, name the issuer's with --ca-file"
)
_CLOCK = "Is this machine's clock right?"
_CERTIFICATE = {  # OpenSSL's x509_vfy.h
    2: _UNKNOWN,
    9: f"its certificate is not valid yet. {_CLOCK}",
    10: f"its certificate has expired. {_CLOCK}",
    18: f"its certificate is self-signed: {_UNKNOWN}",
    19: f"a self-signed certificate is in its chain: {_UNKNOWN}",
    20: _UNKNOWN,
    21: _UNKNOWN,
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL",
     "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)  # fmt: skip
_OLD_TLS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
)
_REFUSED_TLS = frozenset(
    {"SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_INSUFFICIENT_SECURITY",
     "TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_UNRECOGNIZED_NAME"}
)  # fmt: skip

_ALERT = re.compile(r"b['\"]\\x15\\x03")
"""How aiohttp quotes a TLS alert, the answer of some servers to what is no TLS."""

_SPEAKS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server"
    rb"|speaking plain HTTP to an SSL|requires TLS|instead use the HTTPS scheme",
    re.IGNORECASE,
)
"""What nginx, Go, Apache and their like say with a 400."""

ANSWERS_TLS = "the port speaks TLS: write https:// in --base-url"


def read(error: BaseException, stage: str, route: Route) -> Trouble:
    """`stage`: how far the call had come. Never raises."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy(error.status, route)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return _tls(error, route)
    if isinstance(error, aiohttp.InvalidURL | UnicodeError) and stage == "connect":
        return Trouble("the address is none that can be connected to: check --base-url", True)  # noqa: FBT003
    if isinstance(error, aiohttp.ClientResponseError):  # what answers speaks no HTTP
        return _no_http(error, stage, route)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Trouble(f"{stage}: the proxy {route.proxy_place}: {name(error)}")
    return Trouble(f"{stage}: {name(error)}")


def speaks_tls(status: int, body: bytes) -> bool:
    """Whether an answer over plain HTTP says that TLS is spoken there."""
    return status == 400 and _SPEAKS_TLS.search(body[:4096]) is not None


def name(error: BaseException) -> str:
    """The kind of failure without what it quotes: an error's text may hold the URL or more."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # "Connection refused"; asyncio's own text hides it
    return getattr(cause, "strerror", None) or type(cause).__name__


def _proxy(status: int, route: Route) -> Trouble:
    what = f"the proxy {route.proxy_place}"
    if status == 407 and route.login:
        return Trouble(f"{what} does not accept the login in HTTPS_PROXY (407)", hopeless=True)
    if status == 407:
        words = f"{what} asks for a login (407): put it into HTTPS_PROXY as "
        return Trouble(f"{words}http://user:password@host:port", hopeless=True)
    if status >= 500 or status in (408, 425, 429):
        return Trouble(f"connect: {what} has no way to the remote now: {status}")
    return Trouble(
        f"{what} refused the way to the remote: {status}. Check HTTPS_PROXY and NO_PROXY, or ask "
        "whoever runs it",
        hopeless=True,
    )


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> Trouble:
    cause = error.certificate_error
    why = ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        known = _CERTIFICATE.get(cause.verify_code)
        why = known or f"its certificate is not accepted ({cause.verify_message})"
    why = why or "its certificate is not accepted"
    return Trouble(f"{error.host}:{error.port} can't be trusted: {why}", hopeless=True)


def _tls(error: aiohttp.ClientConnectorSSLError, route: Route) -> Trouble:
    reason = str(getattr(error.os_error, "reason", "") or "")
    through = f", reached through the proxy {route.proxy_place}," if route.proxy else ""
    what = f"{error.host}:{error.port}{through}"
    if reason in _NO_TLS:
        check = "--base-url and HTTPS_PROXY" if route.proxy else "--base-url"
        words = f"{what} does not speak TLS: check http or https, and the port, in {check}"
        return Trouble(words, hopeless=True)
    if reason in _OLD_TLS:
        return Trouble(f"{what} speaks no TLS of version 1.2 or newer", hopeless=True)
    if reason in _REFUSED_TLS:
        return Trouble(f"{what} refuses to speak TLS with this program ({reason})", hopeless=True)
    return Trouble(f"connect: TLS with {what} broke: {reason or name(error)}")


def _no_http(error: aiohttp.ClientResponseError, stage: str, route: Route) -> Trouble:
    alert = _ALERT.search(error.message[:1000]) is not None
    if alert and route.proxy:
        words = f"the proxy {route.proxy_place} speaks TLS: write https:// in HTTPS_PROXY"
        return Trouble(words, hopeless=True)
    if alert and not route.tls:
        return Trouble(ANSWERS_TLS, hopeless=True)
    if stage == "connect" and route.proxy:
        return Trouble(f"connect: what the proxy {route.proxy_place} says is no HTTP")
    return Trouble(f"{stage}: what came back is no HTTP")
