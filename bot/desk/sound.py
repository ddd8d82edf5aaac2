"""The sound of a piece to go on with: its parts, each by itself, and what is new of it as a loop."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import LoopTooLargeError, NotFinishedError
from bot.letters import Letter, file_name
from bot.messages import Language, Stranger, listed, say
from bot.replies import Interaction, begin
from bot.storage.piece import Piece
from composer.rendering.stems import Stem, zipped


async def parts(interaction: Interaction, piece: Piece) -> None:
    """Its tracks in one zip, as MP3 and MIDI, for all who see the piece.

    Raises:
        NotFinishedError: there are none yet.
    """
    midi = await _midi(interaction, piece)
    place = await begin(interaction, piece.place.private)
    title = piece.title.bare
    stems = await interaction.client.services.studio.parts(midi, title, place.filesize_limit, interaction.user.id)
    lines = [say(place.language, "parts", title=piece.title, parts=_listed(place.language, stems))]
    if silent := [stem for stem in stems if stem.mp3 is None]:
        lines.append(say(place.language, "parts_silent", parts=_listed(place.language, silent)))
    await _answer(interaction, Letter("\n".join(lines), files={f"{file_name(title)}-parts.zip": zipped(stems)}))


async def loop(interaction: Interaction, piece: Piece) -> None:
    """The bars that were composed, alone: to be played over and over, and as MIDI, for all who see the piece.

    Raises:
        NotFinishedError: there are none yet.
        LoopTooLargeError: for this channel.
    """
    midi = await _midi(interaction, piece)
    place = await begin(interaction, piece.place.private)
    first, last = (piece.receipt or {})["bars"]["composed"]
    title = piece.title.bare
    flac, alone = await interaction.client.services.studio.loop(midi, title, first, last, interaction.user.id)
    if len(flac) > place.filesize_limit:
        raise LoopTooLargeError(last - first + 1, len(flac), place.filesize_limit)
    text = say(place.language, "loop", title=piece.title, first=first, last=last)
    name = file_name(title)
    await _answer(interaction, Letter(text, files={f"{name}-loop.flac": flac, f"{name}-new.mid": alone}))


async def _midi(interaction: Interaction, piece: Piece) -> bytes:
    midi = await interaction.client.services.storage.midi_of(piece.id)
    if midi is None or piece.receipt is None:
        raise NotFinishedError
    return midi


async def _answer(interaction: Interaction, letter: Letter) -> None:
    await interaction.edit_original_response(content=letter.text, attachments=letter.attachments())


def _listed(language: Language, stems: Sequence[Stem]) -> str:
    return listed(language, [Stranger(stem.name).plain for stem in stems])
