"""/tree: a person's pieces as they came from each other."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from bot.commands import Command
from bot.letters import Letter, deed, parts_beside, wishes_of
from bot.messages import Language, lines_of, say
from bot.replies import Interaction, language, whisper
from bot.services import Services
from bot.storage.piece import Piece
from composer.rendering.pen import in_ascii
from composer.rendering.tree import Branch

MOST = 40  # pieces in one picture
SHOWN_WISHES = 40  # characters of chords and key


def commands() -> list[Command]:
    return [
        app_commands.Command(name="tree", description="Your pieces here, as they came from each other", callback=_tree)
    ]


async def _tree(interaction: Interaction) -> None:
    """Of this channel or thread; in direct messages, of everywhere."""
    services, spoken = interaction.client.services, language(interaction)
    channel = interaction.channel_id if interaction.guild_id else None
    pieces, count = await services.storage.branches_of(interaction.user.id, channel, MOST)
    if not count:
        await whisper(interaction, say(spoken, "tree_empty"))
        return
    await interaction.response.defer(thinking=True, ephemeral=True)
    picture = await services.studio.tree(await _branches(services, interaction.user.id, pieces), interaction.user.id)
    letter = Letter(_legend(spoken, interaction.user.id, pieces, count), files={"tree.png": picture})
    await interaction.edit_original_response(content=letter.text, attachments=letter.attachments())


def _is_there(piece: Piece) -> bool:
    """Whether there is something of it to be drawn."""
    return not piece.deleted and (piece.receipt is not None or (piece.hearing is not None and piece.heard is not None))


def _numbers(pieces: Sequence[Piece]) -> dict[int, int]:
    """Those by which picture and text name what is there, in the order of time."""
    return {piece.id: number for number, piece in enumerate(filter(_is_there, pieces), start=1)}


def _newest(owner: int, pieces: Sequence[Piece]) -> int:
    return max(piece.id for piece in pieces if _is_there(piece) and piece.owner == owner)


async def _branches(services: Services, owner: int, pieces: Sequence[Piece]) -> list[Branch]:
    """What is drawn: the pieces, and a gap for each parent of which nothing at all is kept."""
    oldest = pieces[0].id if len(pieces) == MOST else 0  # what is older may only be left out
    known = {piece.id: piece for piece in pieces}
    lost = {piece.parent for piece in pieces if piece.parent and piece.parent > oldest} - set(known)
    places = {number: place for place, number in enumerate(sorted(lost | set(known)))}
    numbers, here = _numbers(pieces), _newest(owner, pieces)
    branches = []
    for number in places:
        piece = known.get(number)
        if piece is None:
            branches.append(Branch(None))
            continue
        parent = places.get(piece.parent) if piece.parent else None
        stub = piece.parent is not None and parent is None
        if not _is_there(piece):
            branches.append(Branch(parent, stub=stub))
            continue
        heard = piece.hearing is not None
        done = deed("en", piece, known.get(piece.parent or 0))
        is_called = parent is None or known.get(piece.parent or 0, piece).title != piece.title
        title = in_ascii(piece.title.bare) if is_called else ""
        midi = await (services.storage.opening_of(number) if heard else services.storage.midi_of(number))
        branches.append(
            Branch(
                parent,
                f"{numbers[number]}  {title or done}",
                ", ".join(filter(None, (done if title else "", wishes_of(piece.task)))),
                midi,
                piece.opening_bars if heard else piece.first_new,
                0 if heard else piece.bars,
                parts_beside(piece),
                here=number == here,
                stub=stub,
            )
        )
    return branches


def _legend(spoken: Language, owner: int, pieces: Sequence[Piece], count: int) -> str:
    """The numbers of the picture with their links, the newest first."""
    numbers, known = _numbers(pieces), {piece.id: piece for piece in pieces}
    title = say(spoken, "tree", newest=numbers[_newest(owner, pieces)])
    shown = sum(known[number].owner == owner for number in numbers)
    if count > shown:
        title += " " + say(spoken, "tree_cut", shown=shown, count=count)
    lines = []
    for piece in (known[number] for number in reversed(numbers)):
        done = deed(spoken, piece, known.get(piece.parent or 0))
        wishes = wishes_of(piece.task)[:SHOWN_WISHES]
        name = f"[{done}]({piece.link})" if piece.link else done
        lines.append(" · ".join(filter(None, (f"**{numbers[piece.id]}** {name}", wishes))))
    return lines_of(spoken, title, lines)
