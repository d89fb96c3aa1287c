"""The server's process: it listens on 127.0.0.1 alone, and ends quietly."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable

import uvloop
from aiohttp import web

from faults.server import FaultServer
from faults.settings import Settings

HOST = "127.0.0.1"


def serve(settings: Settings, port: int, *, ready: Callable[[str], None], while_stdin_is_open: bool = False) -> None:
    """Serve until SIGINT or SIGTERM. ready: told the address once it answers. Raises OSError for a port in use."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((HOST, port))
    listening.listen(1024)
    uvloop.run(_serve(settings, listening, ready, while_stdin_is_open))


async def _serve(
    settings: Settings, listening: socket.socket, ready: Callable[[str], None], while_stdin_is_open: bool
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if while_stdin_is_open:

        def read() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                ended.set()

        loop.add_reader(sys.stdin.fileno(), read)
    # a client that leaves ends its call: that is how a lost call is seen
    runner = web.AppRunner(
        FaultServer(settings).application(), access_log=None, handler_cancellation=True, shutdown_timeout=0
    )
    await runner.setup()
    await web.SockSite(runner, listening).start()
    ready(f"http://{HOST}:{listening.getsockname()[1]}")
    sys.stdout.flush()
    await ended.wait()
    await runner.cleanup()
