"""The port: open, or really closed while an outage of kind `refuse` lasts, then open again.

Law: the port stays ours. While it is closed a socket is bound to it that does not listen, so
connects are refused and nobody else can take it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from bulkload.sandbox.config import SandboxConfig
    from bulkload.sandbox.portal import Portal

BACKLOG = 512


def tls(config: SandboxConfig) -> ssl.SSLContext | None:
    """The server's side of TLS, where the config has a certificate.

    Raises ValueError that names the files, where they can't be read or do not fit together.
    """
    if config.tls_cert is None:
        if config.tls_key is not None:
            raise ValueError("a TLS key needs a certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except OSError as wrong:  # an SSLError is one too
        files = " with ".join(filter(None, (config.tls_cert, config.tls_key)))
        raise ValueError(f"cannot use {files} for TLS: {wrong}") from None
    return context


class Listening:
    def __init__(
        self, runner: web.AppRunner, portal: Portal, context: ssl.SSLContext | None
    ) -> None:
        self._runner = runner
        self._portal = portal
        self._context = context
        self._sites: list[web.BaseSite] = []
        self._held: list[socket.socket] = []
        self._changed = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; gives the port, which was any free one where 0 was asked for."""
        site = web.TCPSite(self._runner, host, port, backlog=BACKLOG, ssl_context=self._context)
        await site.start()
        self._sites = [site]
        self._watch = asyncio.create_task(self._follow())
        bound: int = self._runner.addresses[0][1]
        return bound

    def look(self) -> None:
        """The outages have changed."""
        self._changed.set()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for sock in self._held:
            sock.close()

    async def _follow(self) -> None:
        while True:
            self._changed.clear()
            shut, wait = self._portal.plan.refusing(self._portal.clock())
            if shut and self._sites:
                await self._shut()
            elif not shut and self._held:
                await self._reopen()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)

    async def _shut(self) -> None:
        addresses = self._runner.addresses
        for site in self._sites:
            await site.stop()
        self._sites = []
        self._held = [_bound(address) for address in addresses]

    async def _reopen(self) -> None:
        while self._held:
            site = web.SockSite(
                self._runner, self._held.pop(), backlog=BACKLOG, ssl_context=self._context
            )
            await site.start()
            self._sites.append(site)


def _bound(address: tuple[str, int]) -> socket.socket:
    six = len(address) > 2  # host, port, flow, scope
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setblocking(False)  # noqa: FBT003  # the socket's own signature
    sock.bind(address)
    return sock
