"""Where in a message an opening is looked for: its own files, and those of a message that it forwards."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.commands.compose import _find_opening
from bot.errors import FileTooLargeError, NoOpeningHereError
from composer.errors import RecordingTooLongError
from composer.music.midi import MAX_BYTES

MIDI, VOICE, PICTURE = b"MThd\0\0\0\6", b"OggS\0\2", b"\x89PNG\r\n\x1a\n"


class Channel:
    """Where the messages stand: a discord.py message asks its channel for no more."""

    id, guild, type = 7, None, discord.ChannelType.text


def attachment(name: str, **more: Any) -> dict[str, Any]:
    url = f"https://cdn.example/{name}"
    return {"id": "3", "filename": name, "size": 8, "url": url, "proxy_url": url, **more}


def message(own: list[dict[str, Any]], forwarded: list[dict[str, Any]]) -> discord.Message:
    """As discord.py makes it of what the gateway tells. data: of the files by name"""
    client = discord.Client(intents=discord.Intents.none())
    data = {"MIDI": MIDI, "voice": VOICE, "picture": PICTURE}

    async def get_from_cdn(url: str) -> bytes:
        return next(held for kind, held in data.items() if kind in url)

    client.http.get_from_cdn = get_from_cdn  # type: ignore[method-assign]
    stamp = "2026-01-01T00:00:00+00:00"
    shared = {"embeds": [], "timestamp": stamp, "edited_timestamp": None, "mentions": [], "mention_roles": []}
    shared |= {"content": "", "type": 0, "components": [], "flags": 0}
    body: dict[str, Any] = shared | {"id": "5", "channel_id": "7", "attachments": own, "mention_everyone": False}
    body |= {"author": {"id": "9", "username": "ann", "discriminator": "0", "avatar": None}, "tts": False}
    body |= {"pinned": False, "message_snapshots": [{"message": shared | {"attachments": forwarded}}]}
    return discord.Message(state=client._connection, channel=Channel(), data=body)  # type: ignore[arg-type]


VOICE_MESSAGE = attachment("voice-message.ogg", duration_secs=4.0, waveform="AAAA")


@pytest.mark.parametrize(
    ("own", "forwarded", "found"),
    [
        ([], [VOICE_MESSAGE], "voice-message.ogg"),
        ([], [attachment("picture.png"), attachment("MIDI.mid")], "MIDI.mid"),
        ([attachment("picture.png")], [attachment("MIDI.mid")], "MIDI.mid"),
        ([attachment("MIDI.mid")], [VOICE_MESSAGE], "MIDI.mid"),
        ([VOICE_MESSAGE], [], "voice-message.ogg"),
    ],
)
async def test_an_opening_is_found_in_a_message_and_in_what_it_forwards(
    own: list[dict[str, Any]], forwarded: list[dict[str, Any]], found: str
) -> None:
    file, data = await _find_opening(message(own, forwarded))
    assert file.filename == found
    assert data == (MIDI if found == "MIDI.mid" else VOICE)


async def test_what_is_forwarded_is_refused_like_anything_else() -> None:
    with pytest.raises(NoOpeningHereError):
        await _find_opening(message([], [attachment("picture.png")]))
    with pytest.raises(FileTooLargeError):
        await _find_opening(message([], [attachment("MIDI.mid", size=MAX_BYTES + 1)]))
    with pytest.raises(RecordingTooLongError):
        await _find_opening(message([], [VOICE_MESSAGE | {"duration_secs": 400.0}]))
