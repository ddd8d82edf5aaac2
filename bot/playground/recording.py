"""What a browser records, as Discord's client would have recorded it."""

from __future__ import annotations

import asyncio

from .protocol import RefusedError

SECONDS = 60.0
COMMAND = (
    *("ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "pipe", "-i", "pipe:0"),
    *("-vn", "-c:a", "libopus", "-b:a", "64k", "-f", "ogg", "pipe:1"),
)


async def as_ogg(data: bytes) -> bytes:
    """Ogg Opus. data: WebM, MP4 or Ogg, whichever the browser knows. Raises RefusedError."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        ogg, _ = await asyncio.wait_for(process.communicate(data), SECONDS)
    except TimeoutError:
        process.kill()
        ogg = b""
    if process.returncode != 0 or not ogg:
        raise RefusedError("nothing was recorded")
    return ogg
