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

from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.control import Control
from bulkload.sandbox.door import Door
from bulkload.sandbox.listening import Listening, tls
from bulkload.sandbox.portal import Portal
from bulkload.sandbox.routes import routes

if TYPE_CHECKING:
    from types import FrameType


@dataclass(slots=True)
class RunningSandbox:
    url: str
    portal: Portal
    _door: Door
    _runner: web.AppRunner
    _listening: Listening

    async def close(self) -> None:
        await self._listening.close()
        await self._door.close()
        await self._runner.cleanup()


async def start(
    config: SandboxConfig | None = None, host: str = "127.0.0.1", port: int = 0
) -> RunningSandbox:
    """Listen at once; port 0 takes any that is free. Whoever starts it closes it.

    Raises OSError where the port is taken, ValueError where the TLS files are of no use.
    """
    portal = Portal(config or SandboxConfig())
    context = tls(portal.config)
    door = Door(portal)
    app = web.Application(client_max_size=portal.config.max_body)
    Control(door).add_to(app)
    for route in routes():
        app.router.add_route(route.method, route.path, door.guard(route))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
    await runner.setup()
    listening = Listening(runner, portal, context)
    try:
        bound = await listening.open(host, port)
    except BaseException:
        await runner.cleanup()
        raise
    door.on_outages = listening.look
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if context is None else "https"
    return RunningSandbox(f"{scheme}://{shown}:{bound}", portal, door, runner, listening)


async def _until_signal(config: SandboxConfig, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard(number: int, frame: FrameType | None) -> None:
        del number, frame
        loop.call_soon_threadsafe(stop.set)

    # Not by the loop, which gives its handlers up at its end: a second signal would kill then.
    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        sandbox = await start(config, host, port)
        try:
            sys.stdout.write(f"bulkload sandbox listening on {sandbox.url}\n")
            sys.stdout.flush()
            await stop.wait()
        finally:
            await sandbox.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop.is_set() else handler)


def serve(config: SandboxConfig, host: str = "127.0.0.1", port: int = 0) -> None:
    """Block until SIGINT or SIGTERM. One line on stdout says where it listens."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_signal(config, host, port))
