"""A piece as sheet music."""

from __future__ import annotations

from bot.errors import NotFinishedError
from bot.letters import Letter, file_name
from bot.messages import say
from bot.replies import Interaction, begin
from bot.storage.pieces import Piece

MOST_PAGES = 8  # in a message, which takes ten files: the PDF and the MusicXML are there too


async def show(interaction: Interaction, piece: Piece) -> None:
    """Its pages as pictures, and files to print and to edit, for all who see the piece.

    Raises:
        NotFinishedError: there is none yet.
    """
    services = interaction.client.services
    midi = await services.storage.midi_of(piece.id)
    if midi is None:
        raise NotFinishedError
    place = await begin(interaction, piece.place.private)
    sheet = await services.studio.sheet(midi, piece.title.bare, piece.first_new)
    lines = [say(place.language, "sheet", title=piece.title)]
    if len(sheet.pages) > MOST_PAGES:
        lines.append(say(place.language, "sheet_pages", shown=MOST_PAGES, pages=len(sheet.pages)))
    name = file_name(piece.title.bare)
    files = {f"{name}.pdf": sheet.pdf, f"{name}.musicxml": sheet.musicxml}
    files |= {f"{name}-{number}.png": page for number, page in enumerate(sheet.pages[:MOST_PAGES], start=1)}
    letter = Letter("\n".join(lines), files=files)
    await interaction.edit_original_response(content=letter.text, attachments=letter.attachments())
