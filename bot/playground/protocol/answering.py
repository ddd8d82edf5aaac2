"""The REST routes of interactions: the first answer, and what follows with their tokens."""

from __future__ import annotations

from typing import Any

from .errors import DiscordError, Form, archived, unknown
from .interactions import Interaction
from .messages import Upload, check_modal, check_rights, edit_message, thinking, write_message
from .people import Person
from .permissions import Permission
from .posts import EPHEMERAL, Json, Message
from .rest import Answer, Call, Rest, route

FOLLOW_UPS = 5  # an interaction, of an app that only its user has installed
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, AUTOCOMPLETE, MODAL = 4, 5, 6, 7, 8, 9
# The interaction's type -> the answers it may get.
ANSWERS = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6, 7)}


@route("POST", "/interactions/{interaction}/{token}/callback", token=False)
def callback(rest: Rest, call: Call) -> Answer:
    interaction = rest.world.interactions.get(call.parameters["token"])
    if interaction is None or interaction.id != call.number("interaction"):
        raise unknown("Interaction")
    if interaction.answered_at is not None:
        raise DiscordError(400, 40060, "Interaction has already been acknowledged.")
    if rest.world.clock.now() > interaction.created_at + rest.timing.response_seconds:
        raise unknown("Interaction")
    kind, data = call.body.get("type"), call.body.get("data") or {}
    form = Form()
    form.choice(("type",), kind, ANSWERS[interaction.type])
    if kind in (DEFERRED_UPDATE, UPDATE) and interaction.source is None:
        form.wrong(("type",), "INTERACTION_INVALID_TYPE", "There is no message to update")
    form.finish()
    carry_out(interaction, kind, data, call.files)
    interaction.answer, interaction.answered_at = kind, rest.world.clock.now()
    if call.query.get("with_response") not in ("1", "true"):
        return 204, None
    return 200, callback_response(interaction)


def carry_out(interaction: Interaction, kind: int, data: Json, files: dict[int, Upload]) -> None:
    if kind == MESSAGE:
        interaction.original = respond(interaction, data, files, "callback", **interaction.shape())
    elif kind == DEFERRED:
        interaction.original = thinking(interaction, hidden_from_others(interaction, data))
        interaction.awaits_first_followup = True
    elif kind == DEFERRED_UPDATE:
        interaction.original = interaction.source
    elif kind == UPDATE:
        assert interaction.source is not None
        change(interaction, interaction.source, data, files, "callback")
        interaction.original = interaction.source
    elif kind == AUTOCOMPLETE:
        interaction.choices = checked_choices(data)
    elif kind == MODAL:
        check_modal(data)
        interaction.modal = data


def hidden_from_others(interaction: Interaction, data: Json) -> Person | None:
    """The person who alone sees the answer, if it is ephemeral.

    So it is too where a person uses an app of their own in a guild that does not allow that.
    """
    held = interaction.channel.permissions_of(interaction.user)
    own = interaction.channel.guild is not None and "0" not in interaction.owners
    forced = own and Permission.USE_EXTERNAL_APPS not in held
    return interaction.user if forced or int(data.get("flags") or 0) & EPHEMERAL else None


def respond(interaction: Interaction, data: Json, files: dict[int, Upload], via: str, **more: Any) -> Message:
    check_rights(interaction.app_permissions, data, files)
    if interaction.channel.archived and interaction.channel.locked:
        raise archived()
    shown_to = hidden_from_others(interaction, data)
    more |= {"shown_to": shown_to, "interaction": interaction}
    more |= {"flags": EPHEMERAL if shown_to is not None else 0}
    return write_message(interaction.world, interaction.channel, interaction.world.bot, data, files, via, **more)


def change(interaction: Interaction, message: Message, data: Json, files: dict[int, Upload], via: str) -> None:
    """An edit by an interaction's token, with what the app may do there. Raises DiscordError."""
    check_rights(interaction.app_permissions, data, files)
    if message.channel.archived:
        raise archived()
    edit_message(message, data, files, via)


@route("POST", "/webhooks/{application}/{token}", token=False)
def follow_up(rest: Rest, call: Call) -> Answer:
    interaction = rest.webhook(call)
    waiting = interaction.original
    if interaction.awaits_first_followup and waiting is not None and waiting.loading and not waiting.deleted:
        # Discord's old habit: the first follow-up after a deferred answer fills that answer.
        change(interaction, waiting, call.body, call.files, "followup")
        return 200, waiting.payload()
    if "0" not in interaction.owners and len(interaction.followups) >= FOLLOW_UPS:
        raise DiscordError(400, 40094, "This interaction has hit the maximum number of follow up messages")
    more = {"reference": interaction.original} if interaction.original is not None else {}
    message = respond(interaction, call.body, call.files, "followup", **more)
    interaction.followups.append(message)
    return 200, message.payload()


@route("GET", "/webhooks/{application}/{token}/messages/{message}", token=False)
def get_webhook_message(rest: Rest, call: Call) -> Answer:
    return 200, rest.webhook_message(call).payload()


@route("PATCH", "/webhooks/{application}/{token}/messages/{message}", token=False)
def edit_webhook_message(rest: Rest, call: Call) -> Answer:
    message = rest.webhook_message(call)
    change(rest.webhook(call), message, call.body, call.files, "webhook")
    return 200, message.payload()


@route("DELETE", "/webhooks/{application}/{token}/messages/{message}", token=False)
def delete_webhook_message(rest: Rest, call: Call) -> Answer:
    rest.webhook_message(call).deleted = True
    return 204, None


def callback_response(interaction: Interaction) -> Json:
    about: Json = {"id": str(interaction.id), "type": interaction.type}
    if interaction.original is not None:
        original = interaction.original
        about |= {"response_message_id": str(original.id), "response_message_loading": original.loading}
        about |= {"response_message_ephemeral": original.ephemeral}
    if interaction.original is None or interaction.answer not in (MESSAGE, UPDATE):
        return {"interaction": about}  # a deferral's message is had from GET @original
    return {
        "interaction": about,
        "resource": {"type": interaction.answer, "message": interaction.original.payload()},
    }


def checked_choices(data: Json) -> list[Json]:
    """The suggestions of an autocomplete answer. Raises DiscordError."""
    form, choices = Form(), data.get("choices") or []
    form.length(("data", "choices"), choices, 0, 25)
    for number, choice in enumerate(choices):
        form.length(("data", "choices", number, "name"), choice.get("name"), 1, 100)
        if isinstance(choice.get("value"), str):
            form.length(("data", "choices", number, "value"), choice["value"], 1, 100)
    form.finish()
    return choices
