"""/settings: a temperature and a top-p for each attribute, and presets of them."""

from __future__ import annotations

from typing import Any

from discord import app_commands
from discord.app_commands import Choice, Range

from bot.commands import Command
from bot.messages import MUSICAL_NAMES, Stranger, lines_of, say, say_attribute, say_settings, settings_table
from bot.replies import Interaction, language, suggestions, whisper
from composer.sampling import ALL, MAX_TEMPERATURE, MIN_TOP_P, Knob, SamplingParams

DESCRIPTIONS = {
    "bar": "When the music moves on",
    "beat": "Where in the bar notes fall",
    "pitch": "Which notes",
    "velocity": "How hard keys are struck",
    "duration": "How long notes last",
    "chord": "Where the harmony goes",
    "tempo": "How the pace moves",
    ALL: "Of every attribute at once",
}


def commands() -> list[Command]:
    group = app_commands.Group(name="settings", description="Your own way of composing")
    group.add_command(_knob("temperature", "How adventurous each attribute is"))
    group.add_command(_knob("top_p", "How much of the unlikely is left out"))
    for name, description, callback in (
        ("show", "Your settings, the defaults, and what each does", _show),
        ("reset", "Back to the defaults", _reset),
    ):
        group.add_command(app_commands.Command(name=name, description=description, callback=callback))
    group.add_command(_presets())
    return [group]


def _knob(knob: Knob, description: str) -> app_commands.Group:
    """`/settings temperature pitch 0.5`: one command an attribute, so that no option has to be named."""
    group = app_commands.Group(name=knob, description=description)
    for attribute in (*MUSICAL_NAMES, ALL):
        callback = _set_temperature(attribute) if knob == "temperature" else _set_top_p(attribute)
        group.add_command(app_commands.Command(name=attribute, description=DESCRIPTIONS[attribute], callback=callback))
    return group


def _set_temperature(attribute: str) -> Any:
    @app_commands.describe(value="0 is the likeliest only, 1 as learned, 2 wild")
    async def callback(interaction: Interaction, value: Range[float, 0.0, MAX_TEMPERATURE]) -> None:
        await _set(interaction, "temperature", attribute, value)

    return callback


def _set_top_p(attribute: str) -> Any:
    @app_commands.describe(value="1 leaves nothing out; lower is safer")
    async def callback(interaction: Interaction, value: Range[float, MIN_TOP_P, 1.0]) -> None:
        await _set(interaction, "top_p", attribute, value)

    return callback


async def _set(interaction: Interaction, knob: Knob, attribute: str, value: float) -> None:
    await interaction.client.services.storage.set(interaction.user.id, knob, MUSICAL_NAMES.get(attribute, ALL), value)
    spoken = language(interaction)
    name = say_attribute(spoken, attribute)
    await whisper(interaction, say(spoken, "set", knob=say(spoken, f"knob_{knob}"), attribute=name, value=f"{value:g}"))


async def _show(interaction: Interaction) -> None:
    sampling = await interaction.client.services.storage.sampling(interaction.user.id)
    await whisper(interaction, settings_table(language(interaction), sampling))


async def _reset(interaction: Interaction) -> None:
    await interaction.client.services.storage.reset(interaction.user.id)
    await whisper(interaction, say(language(interaction), "reset"))


# ------------------------------------------------------------------ presets


def _presets() -> app_commands.Group:
    group = app_commands.Group(name="preset", description="Settings under a name")
    for name, description, callback in (
        ("save", "Keep your settings of now under a name", _save),
        ("load", "Make a preset your settings", _load),
        ("delete", "Delete a preset", _delete),
        ("list", "Your presets", _list),
    ):
        group.add_command(app_commands.Command(name=name, description=description, callback=callback))
    return group


async def preset_names(interaction: Interaction, current: str) -> list[Choice[str]]:
    """The user's presets whose name holds what is typed, for a list of suggestions."""
    names = await interaction.client.services.storage.presets(interaction.user.id)
    return suggestions([(Stranger(name).bare, name) for name in names], current)


@app_commands.describe(name="Its name")
async def _save(interaction: Interaction, name: Range[str, 1, 32]) -> None:
    await interaction.client.services.storage.save_preset(interaction.user.id, name)
    await whisper(interaction, say(language(interaction), "preset_saved", name=Stranger(name)))


@app_commands.describe(name="Its name")
@app_commands.autocomplete(name=preset_names)
async def _load(interaction: Interaction, name: Range[str, 1, 32]) -> None:
    await interaction.client.services.storage.load_preset(interaction.user.id, name)
    await whisper(interaction, say(language(interaction), "preset_loaded", name=Stranger(name)))


@app_commands.describe(name="Its name")
@app_commands.autocomplete(name=preset_names)
async def _delete(interaction: Interaction, name: Range[str, 1, 32]) -> None:
    await interaction.client.services.storage.delete_preset(interaction.user.id, name)
    await whisper(interaction, say(language(interaction), "preset_deleted", name=Stranger(name)))


async def _list(interaction: Interaction) -> None:
    spoken = language(interaction)
    presets = await interaction.client.services.storage.presets(interaction.user.id)
    if not presets:
        await whisper(interaction, say(spoken, "no_presets"))
        return
    lines = [
        f"**{Stranger(name)}** · {say_settings(spoken, SamplingParams.from_json(own))}" for name, own in presets.items()
    ]
    await whisper(interaction, lines_of(spoken, say(spoken, "presets"), lines))
