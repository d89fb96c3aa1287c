"""Replies on their way to the client, whole or with a fault of the network."""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from faults.replies import Reply
from faults.settings import Rule

HANG_SECONDS = 600.0
DRIP_SECONDS = 10.0
DRIPS = 20  # parts in which a slow body comes
CUTTING = {"hang", "reset", "reset_midway"}

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the client gets a reset, not an orderly end


def drip_seconds(rule: Rule | None) -> float:
    """How long a body takes under this rule."""
    if rule is None or rule.kind != "slow_drip":
        return 0.0
    return DRIP_SECONDS if rule.seconds is None else rule.seconds


async def send(
    request: web.Request, reply: Reply, *, seconds: float, before_end: Callable[[], None]
) -> web.StreamResponse:
    """Send all of a reply, spread over so many seconds.

    before_end is called before the last byte goes out: a client that has the reply finds it counted.
    """
    if not seconds and not reply.chunks:
        before_end()
        kind, headers = reply.content_type, reply.headers or None
        return web.Response(body=reply.body, status=reply.status, headers=headers, content_type=kind)
    *parts, last = _parts(reply)
    response = await _open(request, reply)
    for part in parts:
        await response.write(part)
        if seconds:
            await asyncio.sleep(seconds / len(parts))
    before_end()
    await response.write_eof(last)
    return response


async def cut(request: web.Request, reply: Reply, rule: Rule) -> web.StreamResponse:
    """End the connection without a reply: at once, after silence, or after half of the reply."""
    response: web.StreamResponse = web.Response()
    if rule.kind == "hang":
        await asyncio.sleep(HANG_SECONDS if rule.seconds is None else rule.seconds)
    elif rule.kind == "reset_midway":
        response = await _open(request, reply)
        parts = _parts(reply)
        await response.write(b"".join(parts[: max(1, len(parts) // 2)]))
        await asyncio.sleep(0.01)  # the half goes out before the end does
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request.transport.abort()
    return response


async def _open(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.content_type
    if not reply.chunks:
        response.content_length = len(reply.body)
    await response.prepare(request)
    return response


def _parts(reply: Reply) -> tuple[bytes, ...]:
    """The events of a stream, or a body in about twenty parts."""
    if reply.chunks:
        return reply.chunks
    size = max(1, -(-len(reply.body) // DRIPS))
    return tuple(reply.body[start : start + size] for start in range(0, len(reply.body), size)) or (b"",)
