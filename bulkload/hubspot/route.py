"""The way to the remote: its address, the proxy of the environment, whom TLS trusts.

Law kept here: secrets stay in. A proxy's login is in no repr, no error and no URL: it is a header
that only the proxy gets. TLS is always verified; nothing here can turn that off.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count as they do for curl, but for this machine itself
(localhost, 127.0.0.0/8, ::1), which no proxy stands in front of. `SSL_CERT_FILE` and
`SSL_CERT_DIR` name the trusted authorities as they do for OpenSSL; a CA file adds to them.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import yarl

from bulkload.errors import RefusedToStart

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Route:
    """`proxy`: its URL without a login, None where there is none. `login`: what the header
    Proxy-Authorization says, "" for none. `trust`: None where no TLS is spoken.
    """

    base_url: str
    tls: bool
    proxy: str | None = None
    login: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def proxy_place(self) -> str:
        """The proxy's host:port, for people; "" where there is none."""
        return urlsplit(self.proxy).netloc if self.proxy else ""


def find(base_url: str, ca_file: Path | None = None) -> Route:
    """Raises RefusedToStart for an address, a proxy or a CA file that is of no use."""
    parts = address(base_url)
    proxy, login = _proxy(parts)
    tls = parts.scheme == "https"
    spoken = tls or (proxy or "").startswith("https:") or ca_file is not None
    return Route(base_url.rstrip("/"), tls, proxy, login, trust(ca_file) if spoken else None)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust, at TLS 1.2 or newer. Reads files. Raises RefusedToStart."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        raise RefusedToStart(
            f"{ca_file}: no certificate can be read from it. --ca-file takes a file of "
            "certificates in PEM (-----BEGIN CERTIFICATE-----)"
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "this is no path"
        raise RefusedToStart(f"{ca_file}: the CA file can't be read ({why})") from None
    return context


def address(base_url: str) -> SplitResult:
    """Raises RefusedToStart where it is of no use."""
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        yarl.URL(base_url)  # what aiohttp reads it with: names that are none fail here
    except ValueError:
        usable = False
    if not usable:
        raise RefusedToStart(
            f"{base_url!r} is not a URL to send to: give --base-url as https://host[:port]"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise RefusedToStart("--base-url takes scheme, host, port and path, nothing else")
    return parts


def _proxy(remote: SplitResult) -> tuple[str | None, str]:
    """(its URL without a login, the header's value)."""
    given = getproxies().get(remote.scheme)
    name = f"{remote.scheme.upper()}_PROXY"
    host = remote.hostname or ""
    if not given or _is_here(host) or proxy_bypass(host) or proxy_bypass(remote.netloc):
        return None, ""
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        port, proxy = parts.port, parts.hostname
    except ValueError:
        port = proxy = None
    else:
        if parts.scheme not in ("http", "https"):
            raise RefusedToStart(
                f"{name} names a proxy of another kind than http and https. Unset it, or except "
                f"{host} from it by NO_PROXY"
            )
    if not proxy:  # it is not quoted: it may hold a password
        raise RefusedToStart(f"{name} can't be read as http://[user:password@]host:port")
    shown = f"[{proxy}]" if ":" in proxy else proxy
    url = f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")
    if not parts.username:
        return url, ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return url, "Basic " + base64.b64encode(pair.encode()).decode()


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
