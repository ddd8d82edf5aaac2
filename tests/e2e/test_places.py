"""The real bot in every kind of channel, also where Discord lets the bot itself, or its person, do little."""

from __future__ import annotations

import pytest
from scenes import PATIENCE, Scene, finished, opening, posted, takes_of, working

from bot.messages import say
from bot.playground.protocol import Attachment, RefusedError


async def test_a_post_of_a_forum_or_a_media_channel_is_gone_on_with(scene: Scene) -> None:
    for channel in (scene.guild.forum("pieces"), scene.guild.media("videos")):
        first = scene.ann.open_post(channel, "A waltz", "Who goes on?", Attachment("waltz.mid", opening()))
        message = await posted(await scene.ann.message_menu("Continue this", first))
        assert message.channel is first.channel
        assert channel.messages == []
    take, _ = await takes_of(scene, scene.ann, first.channel, 2)
    assert (await posted(await scene.ann.click(take, "Continue"))).channel is first.channel
    assert channel.messages == []


async def test_in_a_voice_channel_pieces_come_whether_the_bot_may_connect_or_not(scene: Scene) -> None:
    hall = scene.guild.voice("hall")
    first, second = await takes_of(scene, scene.ann, hall, 2)
    assert {first.interaction is None, second.interaction is None} == {True, False}, "the bot writes the second itself"
    hall.forbid_bot("connect")
    assert all(message.interaction for message in await takes_of(scene, scene.ann, hall, 2))


async def test_a_private_thread_is_served_whether_the_bot_is_in_it_or_not(scene: Scene) -> None:
    within = scene.channel.open_thread("with the bot", scene.ann, scene.standin.bot)
    first, second = await takes_of(scene, scene.ann, within, 2)
    assert {first.interaction is None, second.interaction is None} == {True, False}, "the bot writes the second itself"
    without = scene.channel.open_thread("without it", scene.ann)
    takes = await takes_of(scene, scene.ann, without, 2)
    assert all(message.interaction for message in takes)
    assert (await posted(await scene.ann.click(takes[0], "Vary"))).channel is without
    with pytest.raises(RefusedError):
        await scene.ask(scene.standin.user("bob"), without)


async def test_where_no_file_may_be_attached_it_is_said_and_the_piece_comes_by_direct_message(scene: Scene) -> None:
    eve, dan = scene.standin.user("eve", installed=True), scene.standin.user("dan")
    foreign, strict = scene.standin.guild("No bot here", has_bot=False).channel("c"), scene.guild.channel("words")
    foreign.forbid(eve, "attach_files")
    strict.forbid_bot("attach_files")
    for user, channel in ((eve, foreign), (dan, strict)):
        reply = await scene.ask(user, channel)
        message = await reply.until(lambda message: say("en", "elsewhere") in message.content, PATIENCE)
        assert message.buttons == []
        assert say("en", "by_message") in finished(user.dm)[0].content
        assert finished(channel) == []


async def test_a_thread_that_was_archived_meanwhile_is_woken_and_one_that_was_locked_is_not(waiting: Scene) -> None:
    asleep, shut = waiting.channel.open_thread("asleep"), waiting.channel.open_thread("shut")
    for thread in (asleep, shut):
        await (await waiting.ask(channel=thread)).until(lambda m: "In line" in m.content, PATIENCE)
    asleep.archive()
    shut.archive(locked=True)
    with working(waiting):
        await waiting.standin.until(lambda: finished(asleep) and finished(waiting.ann.dm), PATIENCE)
    assert not asleep.archived
    assert say("en", "by_message") in finished(waiting.ann.dm)[0].content
    assert finished(shut) == []


async def test_after_a_commands_token_what_the_bot_cannot_see_comes_by_direct_message(waiting: Scene) -> None:
    hall, post = waiting.guild.voice("hall"), waiting.ann.open_post(waiting.guild.forum("pieces"), "A waltz", "?")
    hall.forbid_bot("connect")
    hidden = waiting.channel.open_thread("hidden", waiting.ann)
    for channel in (hall, hidden, post.channel):
        await (await waiting.ask(channel=channel)).until(lambda m: "In line" in m.content, PATIENCE)
    waiting.standin.clock.advance(16 * 60)
    with working(waiting):
        await waiting.standin.until(lambda: finished(post.channel) and len(finished(waiting.ann.dm)) == 2, PATIENCE)
    assert finished(hall) == finished(hidden) == []


async def test_pieces_that_waited_for_hours_all_arrive_though_old_messages_may_seldom_be_edited(waiting: Scene) -> None:
    await waiting.ask(takes=4)
    await waiting.standin.until(lambda: sum("In line" in m.content for m in waiting.channel.messages) == 4, PATIENCE)
    waiting.standin.clock.advance(2 * 3600)
    with working(waiting):
        await waiting.standin.until(lambda: len(finished(waiting.channel)) == 4, PATIENCE)
    assert len(waiting.channel.messages) == 4
