"""How a finished piece gets to its person where some ways are closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_models import random_checkpoint
from test_bot_survives import PATIENCE, Scene, posted, running

from bot.attendance import TOLD_AFTER
from bot.messages import say
from bot.playground.protocol import Channel, Message, User
from composer.engine.checkpoint import save_checkpoint

DELIVERED = "select count(*) from jobs where delivered_at is not null"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, checkpoint = tmp_path_factory.mktemp("tiny"), random_checkpoint()
    save_checkpoint(folder, checkpoint.model, checkpoint.vocabulary)
    return folder


def finished(channel: Channel) -> list[Message]:
    return [message for message in channel.messages if len(message.files) == 3 and not message.deleted]


def failures(scene: Scene) -> int:
    """How often a delivery has failed on our side."""
    return scene.bot.log.read_text().count('"delivery failed"')


async def takes_of(scene: Scene, user: User, channel: Channel, count: int, **options: object) -> list[Message]:
    """All takes of one request, once they are there."""
    before = len(finished(channel))
    await scene.ask(user, channel, takes=count, **options)
    await scene.standin.until(lambda: len(finished(channel)) == before + count, PATIENCE)
    return finished(channel)[before:]


async def test_all_takes_of_a_private_request_arrive_and_one_person_sees_them(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        eve = scene.standin.user("eve", installed=True)
        foreign = scene.standin.guild("No bot here", has_bot=False).channel("c")
        for number, (user, channel) in enumerate(
            [(scene.ann, scene.channel), (scene.ann, scene.ann.dm), (eve, foreign)], start=1
        ):
            messages = await takes_of(scene, user, channel, 4, private=True)
            assert all(message.ephemeral for message in messages)
            await scene.bot.until_rows(DELIVERED, [(4 * number,)], PATIENCE)


async def test_every_take_is_written_to_by_the_way_that_made_it_and_deleted_by_it(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        takes = [*await takes_of(scene, scene.ann, scene.channel, 4)]
        takes += await takes_of(scene, scene.ann, scene.channel, 2, private=True)
        await scene.bot.until_rows(DELIVERED, [(6,)], PATIENCE)
        assert not [request for request in scene.standin.requests if request.status == 404]
        sure = (await scene.ann.command("/privacy delete", scene.channel)).message
        assert sure is not None
        told = await (await scene.ann.click(sure, "Delete everything about me")).followup(timeout=PATIENCE)
        assert told.content == say("en", "forgotten", messages=6, left=0)
        assert all(message.deleted for message in takes)
        assert not [request for request in scene.standin.requests if request.status == 404]


async def test_a_message_that_cannot_be_reached_does_not_count_as_deleted(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        await posted(await scene.ask())
        await scene.bot.until_rows(DELIVERED, [(1,)], PATIENCE)
        scene.standin.faults.fail("DELETE", "/webhooks/*", 404, code=10015, message="Unknown Webhook")
        scene.standin.faults.fail("DELETE", "/channels/*", 404, code=10003, message="Unknown Channel")
        sure = (await scene.ann.command("/privacy delete", scene.channel)).message
        assert sure is not None
        told = await (await scene.ann.click(sure, "Delete everything about me")).followup(timeout=PATIENCE)
        assert told.content == say("en", "forgotten", messages=0, left=1)


async def test_where_files_may_not_go_it_is_told_and_the_button_hands_them_over(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        refused = [
            scene.standin.faults.fail("UPLOAD", pattern, 403, code=50013, message="Missing Permissions", times=99)
            for pattern in ("/webhooks/*", "/channels/*")
        ]
        reply = await scene.ask()
        message = await reply.until(lambda m: say("en", "undelivered") in m.content, PATIENCE)
        assert [button.label for button in message.buttons] == [say("en", "button_deliver"), say("en", "button_delete")]
        assert scene.bot.rows(DELIVERED) == [(0,)]
        uploads = [request.path for fault in refused for request in fault.met]
        for fault in refused:
            fault.remove()
        await scene.ann.click(message, say("en", "button_deliver"))
        await posted(reply)
        assert len(uploads) >= 3, "an edit by either token, a message, a follow-up, a direct message"
        await scene.bot.until_rows(DELIVERED, [(1,)], PATIENCE)
        assert len(finished(scene.channel)) == 1


async def test_a_button_left_behind_by_a_piece_that_came_another_way_says_that_it_came(
    tiny: Path, tmp_path: Path
) -> None:
    """Where the message cannot be changed any more, to say where the piece has gone."""
    async with running(tmp_path, tiny) as scene:
        faults, dm = scene.standin.faults, scene.ann.dm
        by_message = faults.fail("UPLOAD", f"/channels/{dm.id}/*", 403, code=50013, message="Missing", times=99)
        for pattern in ("/webhooks/*", f"/channels/{scene.channel.id}/*"):
            faults.fail("UPLOAD", pattern, 403, code=50013, message="Missing Permissions", times=99)
        message = await (await scene.ask()).until(lambda m: say("en", "undelivered") in m.content, PATIENCE)
        by_message.remove()
        for pattern in ("/webhooks/*", f"/channels/{scene.channel.id}/*"):
            faults.fail("PATCH", pattern, 403, code=50013, message="Missing Permissions", times=99)
        await scene.ann.click(message, say("en", "button_deliver"))
        await scene.bot.until_rows(DELIVERED, [(1,)], PATIENCE)
        assert len(finished(dm)) == 1
        told = await (await scene.ann.click(message, say("en", "button_deliver"))).followup(timeout=PATIENCE)
        assert told.content == say("en", "delivered_already")


async def test_what_fails_on_our_side_again_and_again_is_told_once_and_comes_at_the_press(
    tiny: Path, tmp_path: Path
) -> None:
    async with running(tmp_path, tiny) as scene:
        refused = scene.standin.faults.fail("UPLOAD", "*", 413, code=40005, times=999)  # however small the files are
        reply = await scene.ask()
        message = await reply.until(lambda m: say("en", "not_yet_delivered") in m.content, PATIENCE)
        assert [button.label for button in message.buttons] == [say("en", "button_deliver"), say("en", "button_delete")]
        assert failures(scene) >= TOLD_AFTER
        async with asyncio.timeout(PATIENCE):
            while failures(scene) < TOLD_AFTER + 2:
                await asyncio.sleep(0.1)
        told = [version for version in message.versions if say("en", "not_yet_delivered") in version.content]
        assert len(told) == 1
        assert scene.bot.rows(DELIVERED) == [(0,)]
        refused.remove()
        await scene.ann.click(message, say("en", "button_deliver"))
        await posted(reply)
        await scene.bot.until_rows(DELIVERED, [(1,)], PATIENCE)
        assert [len(each.files) for each in scene.channel.messages] == [3]


async def test_where_the_bot_may_not_write_a_take_comes_as_a_follow_up(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        sends = scene.standin.faults.fail("POST", "/channels/*", 403, code=50013, message="Missing", times=99)
        await takes_of(scene, scene.ann, scene.channel, 2)
        assert sends.met
        assert len(sends.met) <= 2, "a way that is closed is not asked for each state of progress"


async def test_a_private_piece_that_fails_after_its_token_is_told_by_direct_message(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, WORKERS="0") as scene:
        reply = await scene.ask(private=True)
        await reply.until(lambda m: "In line" in m.content, PATIENCE)
        scene.standin.clock.advance(16 * 60)
        await scene.ann.command("cancel", scene.channel)
        await scene.standin.until(lambda: scene.ann.dm.messages, PATIENCE)
        assert say("en", "cancelled") in scene.ann.dm.messages[0].content


@pytest.mark.parametrize("pattern", ["/webhooks/*", "/channels/*"])
async def test_a_title_that_automod_refuses_is_left_out(tiny: Path, tmp_path: Path, pattern: str) -> None:
    async with running(tmp_path, tiny) as scene:
        scene.standin.faults.fail("*", pattern, 400, code=200000, message="blocked by AutoMod", times=1)
        for message in await takes_of(scene, scene.ann, scene.channel, 2):
            assert message.channel is scene.channel
        refused = [m for m in finished(scene.channel) if say("en", "untitled") in m.content]
        assert len(refused) == 1


async def test_a_follow_up_does_not_take_the_answer_that_a_command_still_owes(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        slow = scene.standin.faults.fail("PATCH", "/webhooks/*", 500, times=40)  # nothing fills the first answer
        await scene.ask(takes=2, private=True)
        await slow.hit(3, timeout=PATIENCE)
        await scene.bot.until_rows("select count(*) from jobs where state = 'done'", [(2,)], PATIENCE)
        slow.remove()
        await scene.bot.until_rows(DELIVERED, [(2,)], PATIENCE)
        assert len(finished(scene.channel)) == 2
