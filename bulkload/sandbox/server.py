"""A portal on a socket: start it, serve it until a signal, close it.

Law: `close` leaves nothing behind: no task, no socket, no stalled call.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from bulkload.sandbox.config import Outage, SandboxConfig
from bulkload.sandbox.control import Control
from bulkload.sandbox.door import Door
from bulkload.sandbox.portal import Portal
from bulkload.sandbox.routes import routes

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refusals:
    """Outages of kind `refuse`: the port itself is closed for a while, then opened again."""

    def __init__(self, runner: web.AppRunner, site: web.TCPSite, host: str, port: int) -> None:
        self._runner = runner
        self._site: web.TCPSite | None = site
        self._host = host
        self._port = port
        self._task: asyncio.Task[None] | None = None

    def begin(self, outages: Sequence[Outage]) -> None:
        spans = sorted((one.start, one.length) for one in outages if one.kind == "refuse")
        if spans:
            self._task = asyncio.create_task(self._run(spans))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, spans: list[tuple[float, float]]) -> None:
        loop = asyncio.get_running_loop()
        first = loop.time()
        for start, length in spans:
            await asyncio.sleep(first + start - loop.time())
            if self._site is not None:
                await self._site.stop()
            await asyncio.sleep(first + start + length - loop.time())
            self._site = web.TCPSite(self._runner, self._host, self._port, backlog=512)
            await self._site.start()


@dataclass(slots=True)
class RunningSandbox:
    url: str
    portal: Portal
    _door: Door
    _runner: web.AppRunner
    _refusals: Refusals

    async def close(self) -> None:
        await self._refusals.close()
        await self._door.close()
        await self._runner.cleanup()


async def start(
    config: SandboxConfig | None = None, host: str = "127.0.0.1", port: int = 0
) -> RunningSandbox:
    """Listen at once; port 0 takes any that is free. Whoever starts it closes it."""
    portal = Portal(config or SandboxConfig())
    door = Door(portal)
    app = web.Application(client_max_size=portal.config.max_body)
    Control(door).add_to(app)
    for route in routes():
        app.router.add_route(route.method, route.path, door.guard(route))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=512)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    refusals = Refusals(runner, site, host, bound)
    door.on_first = lambda: refusals.begin(portal.config.outages)
    return RunningSandbox(f"http://{shown}:{bound}", portal, door, runner, refusals)


async def _until_signal(config: SandboxConfig, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    sandbox = await start(config, host, port)
    try:
        sys.stdout.write(f"bulkload sandbox listening on {sandbox.url}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await sandbox.close()


def serve(config: SandboxConfig, host: str = "127.0.0.1", port: int = 0) -> None:
    """Block until SIGINT or SIGTERM. One line on stdout says where it listens."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_signal(config, host, port))
