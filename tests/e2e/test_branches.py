"""/tree and Back: from piece to piece, wherever the bot works."""

from __future__ import annotations

import io
import re

from PIL import Image
from scenes import PATIENCE, Scene, posted
from test_bot import file_of

from bot.messages import say
from bot.playground.protocol import Channel, Message, User
from composer.rendering.tree import ROW_HEIGHT


async def tree(user: User, channel: Channel, command: str = "tree") -> Message:
    message = await (await user.command(command, channel)).until(lambda m: m.files, PATIENCE)
    assert message.ephemeral
    return message


def rows(message: Message) -> int:
    return Image.open(io.BytesIO(message.files["tree.png"])).height // ROW_HEIGHT


def labels(message: Message) -> list[str | None]:
    return [button.label for button in message.buttons]


async def test_the_tree_of_a_thread_shows_what_came_from_what(scene: Scene) -> None:
    ann, bob, thread = scene.ann, scene.standin.user("bob"), scene.channel.open_thread("work")
    empty = (await ann.command("tree", thread)).message
    assert empty is not None
    assert empty.content == say("en", "tree_empty")
    first = await posted(await scene.ask(channel=thread))
    await posted(await scene.ask())  # in another channel
    assert "Back" not in labels(first)
    varied = await posted(await ann.click(first, "Vary"))
    longer = await posted(await ann.click(varied, "Continue"))
    assert "Back" in labels(longer)
    theirs = await posted(await bob.click(longer, "Continue"))

    shown = await tree(ann, thread)
    assert rows(shown) == 3
    assert say("en", "tree", newest=3) in shown.content
    told = re.findall(r"\*\*(\d)\*\* \[(.*?)\]\(.*?/(\d+)\)", shown.content)
    assert told == [
        ("3", say("en", "deed_continued", bars=2), str(longer.id)),
        ("2", say("en", "deed_varied", bars=2), str(varied.id)),
        ("1", say("en", "deed_begun", bars=2), str(first.id)),
    ]
    assert rows(await tree(bob, thread)) == 4, "with all that it came from"

    await ann.click(varied, "Delete")
    await varied.until(lambda m: m.deleted)
    await scene.bot.until_rows(f"select deleted from pieces where message = {varied.id}", [(1,)], PATIENCE)
    shown = await tree(ann, thread)
    assert rows(shown) == 3, "where it was, there is a gap"
    assert str(varied.id) not in shown.content
    gone = (await bob.click(longer, "Back")).message
    assert gone is not None
    assert gone.content == say("en", "parent_gone")
    back = (await bob.click(theirs, "Back")).message
    assert back is not None
    assert back.ephemeral
    assert back.content == say("en", "back", title="opening", link=link(longer))


def link(message: Message) -> str:
    guild = message.channel.guild
    return f"https://discord.com/channels/{guild.id if guild else '@me'}/{message.channel.id}/{message.id}"


async def test_in_direct_messages_it_is_the_tree_of_everywhere_in_ones_own_language(scene: Scene) -> None:
    li = scene.standin.user("li", locale="zh-CN")
    await posted(await scene.ask(li))
    await posted(await scene.ask(li, li.dm))
    await posted(await scene.ask(li, li.dm, private=True))
    shown = await tree(li, li.dm, "家谱")
    assert rows(shown) == 3
    assert say("zh", "tree", newest=3) in shown.content
    assert say("zh", "deed_begun", bars=2) in shown.content
    assert rows(await tree(li, scene.channel, "家谱")) == 1


async def test_back_posts_a_piece_again_whose_message_is_gone(scene: Scene) -> None:
    ann = scene.ann
    first = await posted(await scene.ask(seed=4))
    longer = await posted(await ann.click(first, "Continue"))
    first.delete()
    again = await posted(await scene.standin.user("bob").click(longer, "Back"))
    assert again is not first
    assert again.content == first.content
    assert labels(again) == labels(first)
    assert file_of(again, ".mid") == file_of(first, ".mid")
    sizes = [Image.open(io.BytesIO(file_of(message, ".png"))).size for message in (again, first)]
    assert sizes[0] == sizes[1]
    back = (await ann.click(longer, "Back")).message
    assert back is not None
    assert link(again) in back.content, "it has moved"
    other = await posted(await ann.click(again, "Continue"))
    assert "2 bars added to 3" in other.content
    await ann.click(again, "Delete")
    await again.until(lambda m: m.deleted)


async def test_back_works_for_private_pieces_and_where_the_bot_cannot_look(scene: Scene) -> None:
    eve = scene.standin.user("eve", installed=True)
    foreign = scene.standin.guild("No bot here", has_bot=False).channel("c")
    for user, channel, private in ((scene.ann, scene.channel, True), (eve, foreign, False), (eve, eve.dm, False)):
        first = await posted(await scene.ask(user, channel, private=private))
        longer = await posted(await user.click(first, "Continue"))
        reply = await user.click(longer, "Back")
        if channel is eve.dm:
            assert reply.message is not None
            assert link(first) in reply.message.content
            continue
        again = await posted(reply)
        assert again.ephemeral == private
        assert file_of(again, ".mid") == file_of(first, ".mid")
        assert (await posted(await user.click(again, "Vary"))).ephemeral == private
