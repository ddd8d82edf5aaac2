"""Where composing takes long, the message shows what there is so far, and nothing of it is kept."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
from engine_models import random_checkpoint
from PIL import Image
from scenes import PATIENCE, is_music, posted, running, working
from test_bot import file_of

from bot.messages import say
from bot.playground.protocol import Message, Version
from bot.tidings import EDIT_SECONDS
from composer.engine.checkpoint import save_checkpoint
from composer.rendering.piano_roll import CONTINUATION, shade

SLOWLY = str(Path(__file__).with_name("slow_worker.py"))
BARS = 12
NEW = {shade(CONTINUATION, velocity) for velocity in range(1, 128)}  # colours of notes that were composed


def reach(picture: bytes) -> int:
    """How far to the right new notes stand, in pixels; below the title, which has some too."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[120:]
    packed = (pixels.astype(np.int64) * (1 << 16, 1 << 8, 1)).sum(axis=2)
    new = np.isin(packed, [(red << 16) + (green << 8) + blue for red, green, blue in NEW])
    columns = np.flatnonzero(new.any(axis=0))
    return int(columns[-1]) if columns.size else 0


def has_midi(message: Message | Version) -> bool:
    """Whether all of it is composed, if not yet to be heard."""
    return any(name.endswith(".mid") for name in message.files)


async def pictures(message: Message) -> list[bytes]:
    """Of what there was so far, until it is a piece."""
    found: list[bytes] = []

    def look(message: Message) -> bool:
        if not has_midi(message):
            found.extend(data for name, data in message.files.items() if name.endswith(".png") and data not in found)
        return is_music(message)

    await message.world.thread.run(message.world.thread.until(lambda: look(message), PATIENCE))
    return found


async def test_the_picture_grows_while_it_is_composed_and_gives_way_to_the_piece(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(seed=5)  # one that plays in every bar
    save_checkpoint(tmp_path / "model", checkpoint.model, checkpoint.vocabulary)
    async with running(tmp_path, tmp_path / "model", WORKERS="0") as scene:
        with working(scene, SLOWLY):
            public, private = await scene.ask(bars=BARS, seed=3), await scene.ask(bars=BARS, seed=4, private=True)
            assert public.message is not None
            shown = await pictures(public.message)
            for reply in (public, private):
                message = await posted(reply)
                under_way = [version for version in message.versions if not has_midi(version)]
                drawn = [version for version in under_way if version.files]
                assert len(drawn) >= 2, "so long does it take"
                assert [list(version.files) for version in drawn] == [["opening.png"]] * len(drawn)
                assert all(say("en", "button_cancel") in str(version.components) for version in drawn)
                told = [version.at for version in under_way[1:]]
                assert all(later - earlier >= EDIT_SECONDS - 0.1 for earlier, later in pairwise(told))
                assert list(message.files) == ["opening.mp3", "opening.mid", "opening.png"]
            whole = file_of(public.message, ".png")
            extents = [reach(picture) for picture in (*shown, whole)]
            assert len(shown) >= 2
            assert whole not in shown
            assert extents == sorted(extents)
            assert extents[0] < extents[-2], "it grows"
            assert scene.jobs("so_far is not null") == 0

            refused = [
                scene.standin.faults.fail("UPLOAD", pattern, 403, code=50013, message="Missing Permissions", times=99)
                for pattern in ("/webhooks/*", "/channels/*")
            ]
            reply = await scene.ask(bars=64)
            await scene.standin.until(lambda: any(fault.met for fault in refused), PATIENCE)
            message = await reply.until(lambda m: len(m.versions) > 2, PATIENCE)
            before = len(message.versions)
            await message.until(lambda m: len(m.versions) > before, PATIENCE)
            assert "Composing: bar" in message.content, "where no picture may go, it is told in words"
            assert not message.files
            for fault in refused:
                fault.remove()
            await scene.ann.click(message, "Cancel")
            await message.until(lambda m: say("en", "cancelled") in m.content, PATIENCE)

            reply = await scene.ask(bars=64)
            message = await reply.until(lambda m: m.files, PATIENCE)
            assert scene.jobs("so_far is not null") == 1
            await scene.ann.click(message, "Cancel")
            await message.until(lambda m: say("en", "cancelled") in m.content, PATIENCE)
            assert not message.files, "nothing of it is shown or kept any more"
            assert scene.jobs("so_far is not null") == 0
