"""Hearts under pieces and what a server likes best."""

from __future__ import annotations

import asyncio

from scenes import PATIENCE, Scene, posted
from test_branches import link

from bot.messages import say
from bot.playground.protocol import Channel, Message, Reply, User


def heart(message: Message) -> str:
    (label,) = [button.label for button in message.buttons if button.label and button.label.startswith("♥")]
    return label


async def pressed(user: User, message: Message) -> Reply:
    return await user.click(message, heart(message))


def told(reply: Reply) -> str:
    assert reply.message is not None
    assert reply.message.ephemeral
    return reply.message.content


async def top(user: User, channel: Channel, command: str = "top") -> str:
    reply = await user.command(command, channel)
    assert reply.message is not None
    return (await reply.message.until(lambda m: m.content)).content


async def test_a_heart_counts_once_a_person_and_only_the_buttons_change(scene: Scene) -> None:
    ann, bob, li = scene.ann, scene.standin.user("bob"), scene.standin.user("li", locale="zh-CN")
    eve = scene.standin.user("eve", installed=True)
    foreign = scene.standin.guild("No bot here", has_bot=False).channel("c")
    for asked_by, channel, others in (
        (ann, scene.channel.open_thread("work"), (bob, li)),
        (li, li.dm, ()),
        (eve, foreign, (ann,)),
    ):
        message = await posted(await scene.ask(asked_by, channel))
        before = message.content, [file.id for file in message.attachments], len(message.buttons)
        name = say("zh" if asked_by is li else "en", "button_love")
        people = (asked_by, *others)
        for number, person in enumerate(people, start=1):
            await pressed(person, message)
            await message.until(lambda m, said=f"{name} {number}": heart(m) == said)  # type: ignore[misc]
        for number, person in enumerate(people, start=1):
            await pressed(person, message)
            said = f"{name} {len(people) - number}" if number < len(people) else name
            await message.until(lambda m, said=said: heart(m) == said)  # type: ignore[misc]
        assert (message.content, [file.id for file in message.attachments], len(message.buttons)) == before
        assert (await posted(await asked_by.click(message, message.buttons[0].label or ""))).files, "the others work"


async def test_the_top_of_a_server_are_the_pieces_that_the_person_may_see(scene: Scene) -> None:
    ann, bob, eve = scene.ann, scene.standin.user("bob"), scene.standin.user("eve")
    thread, staff = scene.channel.open_thread("work"), scene.guild.channel("staff")
    hidden = scene.channel.open_thread("hidden", ann, scene.standin.bot)
    staff.forbid(eve, "view_channel")
    assert await top(ann, scene.channel) == say("en", "top_empty")
    asked = ((scene.channel, False), (thread, False), (staff, False), (hidden, False), (scene.channel, True))
    replies = [await scene.ask(channel=channel, private=private) for channel, private in asked]
    messages = await asyncio.gather(*map(posted, replies))
    for message in messages:
        await pressed(ann, message)
    await pressed(bob, messages[1])
    await messages[1].until(lambda m: heart(m).endswith("2"))
    listed = await top(eve, scene.channel)
    assert [line.split("](")[1].split(")")[0] for line in listed.splitlines()[1:]] == list(map(link, messages[1::-1]))
    assert listed.splitlines()[1].startswith("♥ **2** · [opening](")
    assert link(messages[2]) in await top(ann, scene.channel)
    assert link(messages[3]) not in await top(ann, scene.channel)
    assert link(messages[3]) in await top(ann, hidden), "there it can be seen"
    thread.archive()
    assert link(messages[1]) in await top(scene.standin.user("li", locale="zh-CN"), scene.channel, "最爱")
    ann.post(thread, "awake again")
    await ann.click(messages[1], "Delete")
    await messages[1].until(lambda m: m.deleted)
    await scene.bot.until_rows(
        f"select count(*) from votes join pieces on id = piece where message = {messages[1].id}", [(0,)], PATIENCE
    )
    assert link(messages[1]) not in await top(ann, scene.channel)


async def test_a_server_can_do_without_votes(scene: Scene) -> None:
    boss = scene.standin.user("boss")
    scene.guild.grant(boss, "manage_guild")
    message = await posted(await scene.ask())
    assert told(await boss.command("/admin votes allowed:False", scene.channel)) == say("en", "votes_off_now")
    assert told(await pressed(boss, message)) == say("en", "votes_off")
    assert told(await boss.command("top", scene.channel)) == say("en", "votes_off")
    assert heart(message) == say("en", "button_love")
    without = await posted(await scene.ask())
    assert not [button for button in without.buttons if "♥" in (button.label or "")]
    assert told(await boss.command("/admin votes allowed:True", scene.channel)) == say("en", "votes_on")
    await pressed(boss, message)
    await message.until(lambda m: heart(m) == f"{say('en', 'button_love')} 1")


async def test_votes_are_shown_and_deleted_with_all_else_about_a_person(scene: Scene) -> None:
    hal = scene.standin.user("hal")
    message = await posted(await scene.ask())
    await pressed(hal, message)
    await message.until(lambda m: heart(m).endswith("1"))
    assert "presets (0), votes (1) and pieces (0: " in told(await hal.command("/privacy show", scene.channel))
    sure = (await hal.command("/privacy delete", scene.channel)).message
    assert sure is not None
    await (await hal.click(sure, "Delete everything about me")).followup(timeout=PATIENCE)
    assert scene.bot.rows(f"select count(*) from votes where person = {hal.id}") == [(0,)]


# --- two takes ---


async def compared(user: User, channel: Channel, **options: str) -> Message:
    return await both_posted(await user.command("compare", channel, **options))


async def both_posted(reply: Reply) -> Message:
    """The two takes."""
    return await reply.until(lambda message: len(message.files) == 4, PATIENCE)


async def test_two_takes_are_compared_blind_until_they_are_told(scene: Scene) -> None:
    ann, bob, li = scene.ann, scene.standin.user("bob"), scene.standin.user("li", locale="zh-CN")
    thread = scene.channel.open_thread("work")
    await ann.command("/settings temperature pitch 0.5", thread)
    first = await posted(await scene.ask(channel=thread, seed=5))
    assert told(await ann.command("compare", thread)) == say("en", "not_two_takes")
    await ann.command("/settings reset", thread)
    await posted(await scene.ask(channel=thread, seed=6))
    message = await compared(ann, thread)
    assert not message.ephemeral
    assert [button.label for button in message.buttons] == ["A is better", "B is better", "Tell", "Delete"]
    assert list(message.files) == ["A.mp3", "A.png", "B.mp3", "B.png"]
    assert message.content == say("en", "compare", title="opening", person=ann.mention)
    assert not message.pings
    secret = b"".join(message.files.values()) + message.content.encode()
    assert not [word for word in (b"temperature", b"tiny", b"seed") if word in secret]

    for person, choice in ((ann, "A"), (bob, "A"), (bob, "B"), (li, "B")):
        language = "zh" if person is li else "en"
        assert told(await person.click(message, f"{choice} is better")) == say(language, "chosen", choice=choice)
    assert len(message.versions) == 2, "thinking, and the takes: nobody sees how many votes there are"
    assert told(await bob.click(message, "Tell")) == say("en", "not_your_comparison")

    await ann.click(message, "Tell")
    await message.until(lambda m: m.content.startswith("Two takes"))
    _, a, b = message.content.splitlines()
    assert a.startswith("**A** · 1 votes · tiny `")
    assert b.startswith("**B** · 2 votes · tiny `")
    cool, plain = (a, b) if "seed `5`" in a else (b, a)
    assert "temperature pitch 0.5" in cool
    assert link(first) in cool
    assert "seed `6`" in plain
    assert say("en", "default_settings") in plain
    assert list(message.files) == ["A.mp3", "A.png", "B.mp3", "B.png"]
    assert [button.label for button in message.buttons] == ["Delete"]
    assert told(await bob.click(message, "Delete")) == say("en", "not_your_comparison")
    await ann.click(message, "Delete")
    await message.until(lambda m: m.deleted)
    ballots = f"select count(*) from comparisons join ballots on id = comparison where owner = {ann.id}"
    await scene.bot.until_rows(ballots, [(0,)], PATIENCE)


async def test_takes_are_chosen_from_a_list_or_by_their_links(scene: Scene) -> None:
    li, eve = scene.standin.user("li", locale="zh-CN"), scene.standin.user("eve", installed=True)
    foreign = scene.standin.guild("No bot here", has_bot=False).channel("c")
    for user, channel in ((li, li.dm), (eve, foreign)):
        first, second, third = [await posted(await scene.ask(user, channel, seed=seed)) for seed in (1, 2, 3)]
        longer = await posted(await user.click(third, third.buttons[0].label or ""))
        name = "比较" if user is li else "compare"
        one, other = ("一个", "另一个") if user is li else ("one", "other")
        (choice,) = [c for c in await user.suggestions(name, channel, one, "opening") if c.name.endswith("· 1")]
        message = await both_posted(await user.command(name, channel, **{one: choice.value, other: link(second)}))
        await user.click(message, say("zh" if user is li else "en", "button_a"))
        await user.click(message, say("zh" if user is li else "en", "button_tell"))
        await message.until(lambda m: "**B**" in m.content)
        assert {"`1`", "`2`"} <= set(message.content.split()), message.content
        language = "zh" if user is li else "en"
        for text, expected in ((link(longer), "not_two_takes"), ("opening", "no_take"), ("999999", "no_take")):
            reply = await user.command(name, channel, **{one: link(first), other: text})
            assert told(reply) == say(language, expected)  # type: ignore[arg-type]
    assert told(await scene.ann.command("compare", scene.channel, one=link(first))) == say("en", "no_take")


async def test_a_comparison_goes_with_the_person_who_made_it_and_where_votes_are_off(scene: Scene) -> None:
    hal, boss = scene.standin.user("hal"), scene.standin.user("boss")
    scene.guild.grant(boss, "manage_guild")
    await asyncio.gather(*[posted(await scene.ask(hal, scene.channel, seed=seed)) for seed in (1, 2)])
    message = await compared(hal, scene.channel)
    await boss.command("/admin votes allowed:False", scene.channel)
    assert told(await boss.click(message, "A is better")) == say("en", "votes_off")
    assert told(await hal.command("compare", scene.channel)) == say("en", "votes_off")
    sure = (await hal.command("/privacy delete", scene.channel)).message
    assert sure is not None
    reply = await (await hal.click(sure, "Delete everything about me")).followup(timeout=PATIENCE)
    assert reply.content == say("en", "forgotten", messages=3, left=0)
    assert message.deleted
    assert scene.bot.rows(f"select count(*) from comparisons where owner = {hal.id}") == [(0,)]
