"""Two takes, A and B: a vote for one of them, and which was which."""

from __future__ import annotations

from bot.desk.buttons import row
from bot.errors import OverError, VotesOffError
from bot.letters import told_letter
from bot.messages import say
from bot.replies import Interaction, language, whisper
from bot.storage.votes import Choice


async def choose_a(interaction: Interaction, number: int) -> None:
    """The person likes the first one better."""
    await _choose(interaction, number, "a")


async def choose_b(interaction: Interaction, number: int) -> None:
    """The person likes the second one better."""
    await _choose(interaction, number, "b")


async def _choose(interaction: Interaction, number: int, choice: Choice) -> None:
    """Nobody else sees what it is, nor how many there are.

    Raises:
        OverError: it has been told, or is gone.
        VotesOffError: the server wants no votes.
    """
    storage = interaction.client.services.storage
    if not (await storage.guild(interaction.guild_id)).votes:
        raise VotesOffError
    if not await storage.choose(number, interaction.user.id, choice):
        raise OverError
    await whisper(interaction, say(language(interaction), "chosen", choice=choice.upper()))


async def tell_which(interaction: Interaction, number: int) -> None:
    """Say in the message how each was made, and how many liked it better.

    Raises:
        OverError: it is gone.
    """
    storage = interaction.client.services.storage
    comparison = await storage.comparison(number)
    if comparison is None:
        raise OverError
    await interaction.response.defer()
    counts = await storage.tell(number)
    pieces = [await storage.piece(made["piece"]) for made in (comparison.a, comparison.b)]
    letter = told_letter(language(interaction), comparison, counts, pieces)
    view = row(letter.acts, number, comparison.owner, language(interaction))
    await interaction.edit_original_response(content=letter.text, view=view)


async def drop(interaction: Interaction, number: int) -> None:
    """Delete the message, and the votes."""
    await interaction.response.defer()
    await interaction.delete_original_response()
    await interaction.client.services.storage.delete_comparison(number)
