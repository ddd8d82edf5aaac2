"""What comes back to a person who did something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import DidNotRespondError, RefusedError
from .interactions import Interaction
from .loop import PATIENCE
from .posts import Json, Message
from .timing import Timing


@dataclass(frozen=True)
class Field:
    """An input of a modal."""

    type: int
    custom_id: str
    label: str
    value: str
    required: bool
    min_length: int
    max_length: int


@dataclass(frozen=True, eq=False)
class Modal:
    """A form that the bot opened for a person."""

    title: str
    custom_id: str
    fields: list[Field]
    body: Json = field(repr=False)
    opened_by: Interaction = field(repr=False)


@dataclass(frozen=True)
class Choice:
    name: str
    value: Any


@dataclass(eq=False)
class Reply:
    """What came of something a person did; it grows while the bot goes on."""

    interaction: Interaction
    timing: Timing = field(repr=False)

    async def answered(self) -> Reply:
        """Wait for the first answer. Raises DidNotRespondError after Discord's 3 s."""
        world, interaction = self.interaction.world, self.interaction

        def left() -> float:
            return interaction.created_at + self.timing.response_seconds - world.clock.now()

        try:
            await world.thread.run(world.thread.until(lambda: interaction.answer is not None, left))
        except TimeoutError:
            raise DidNotRespondError("The application did not respond") from None
        return self

    async def until(self, predicate: Callable[[Message], Any], timeout: float = PATIENCE) -> Message:
        """Wait until there is a message that fulfils `predicate`. Raises TimeoutError with what it is by then."""
        thread = self.interaction.world.thread
        try:
            await thread.run(thread.until(lambda: self.message is not None and predicate(self.message), timeout))
        except TimeoutError:
            raise TimeoutError(f"after {timeout} s the reply is still {self.message!r}") from None
        assert self.message is not None
        return self.message

    async def followup(self, number: int = 1, timeout: float = PATIENCE) -> Message:
        """Wait for the n-th follow-up. Raises TimeoutError."""
        thread = self.interaction.world.thread
        await thread.run(thread.until(lambda: len(self.followups) >= number, timeout))
        return self.followups[number - 1]

    @property
    def type(self) -> int | None:
        """The kind of the first answer: 4 message, 5 deferred, 6 and 7 the like for a clicked message, 9 modal."""
        return self.interaction.answer

    @property
    def message(self) -> Message | None:
        """@original as it is now: the answer, or the message clicked on where that is what the bot updates."""
        return self.interaction.original

    @property
    def ephemeral(self) -> bool:
        return self.message is not None and self.message.ephemeral

    @property
    def followups(self) -> list[Message]:
        return self.interaction.followups

    @property
    def choices(self) -> list[Choice]:
        return [Choice(choice["name"], choice["value"]) for choice in self.interaction.choices]

    @property
    def modal(self) -> Modal | None:
        body = self.interaction.modal
        if body is None:
            return None
        return Modal(body["title"], body["custom_id"], list(fields_of(body)), body, self.interaction)


def inputs_of(body: Json) -> list[tuple[str, Json]]:
    """The inputs of a modal with their labels."""
    found = []
    for row in body["components"]:
        if row["type"] == 1:
            found.append((row["components"][0]["label"], row["components"][0]))
        elif "component" in row:
            found.append((row["label"], row["component"]))
    return found


def fields_of(body: Json) -> list[Field]:
    return [
        Field(
            child["type"],
            child["custom_id"],
            label,
            child.get("value") or "",
            child.get("required", True),
            child.get("min_length") or 0,
            child.get("max_length") or 4000,
        )
        for label, child in inputs_of(body)
    ]


def written(label: str, child: Json, given: object) -> str:
    """The text of a text input: what was given, or what the bot put in. Raises RefusedError for a wrong length."""
    text = str(given if given is not None else child.get("value") or "")
    required = child.get("required", True)
    low, high = max(child.get("min_length") or 0, int(required)), child.get("max_length") or 4000
    if (text or required) and not low <= len(text) <= high:
        raise RefusedError(f"{label!r} takes {low} to {high} characters, not {len(text)}")
    return text
