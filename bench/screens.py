"""Measures nothing, but draws docs/*.png, what people see in Discord: `./run bench screens [NAME ...]`.

The real bot and its real worker with the project's checkpoint compose beside the stand-in for Discord; what is in the
channel then is laid out as Discord's client does (bot/playground/drawing.py) and drawn by headless Chromium:

    channel     a piece, and what follows from it
    settings    settings of one's own, and refusals
    chinese     the same for a Chinese client
    progress    pieces in line and under way
    desk        a melody that gets an accompaniment; bars of it again, other chords, its sheet
    tree        pieces that came from each other, and two takes to vote on
    voice       a voice message, what was heard in it, and the piece
    playground  the page of `./run try`, and the same on a phone

It alone needs Debian's packages chromium, fonts-open-sans, fonts-noto-cjk and fonts-noto-color-emoji.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from bot_process import BotProcess  # noqa: E402 - tests/ is no package
from discord_standin import Standin  # noqa: E402
from recordings import OPUS, piano  # noqa: E402

from bench.channel import posted  # noqa: E402
from bot.playground.drawing import page  # noqa: E402
from bot.playground.protocol import Attachment, Channel, Guild, Message, Reply, User  # noqa: E402
from composer.music.midi import parse_midi  # noqa: E402

OPENING = (ROOT / "examples" / "opening.mid").read_bytes()
MELODY = (ROOT / "examples" / "melody.mid").read_bytes()
WALTZ = OPENING.replace(b"\xff\x58\x04\x04\x02", b"\xff\x58\x04\x03\x02")  # its meter, in quarters
PATIENCE = 600.0

FONTS = ("Open Sans", "Noto Sans CJK SC", "Noto Color Emoji")
PACKAGES = "chromium fonts-open-sans fonts-noto-cjk fonts-noto-color-emoji"
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
WIDTH, TALLEST, SCALE = 840, 4500, 2  # of the window, in CSS pixels; how many pixels of the picture make one of those
MARGIN = 16  # CSS pixels below the last message
COLOURS = 255
PLAYGROUND_SCALE = 1.5
PLAYGROUND_VIEWS: tuple[dict[str, Any], ...] = (
    {"viewport": {"width": 980, "height": 760}, "color_scheme": "dark"},
    {"viewport": {"width": 380, "height": 760}, "color_scheme": "light"},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*SCREENS, "playground"]
    parser.add_argument("names", nargs="*", choices=[[], *every], metavar="NAME", help="of a screen; all of them")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    if shutil.which("chromium") is None or not all(map(is_installed, FONTS)):
        sys.exit(f"Chromium or a font is missing, which only this needs: apt-get install {PACKAGES}")
    names = options.names or every
    if set(names) & set(SCREENS):
        asyncio.run(draw_all(names, options.out))
    if "playground" in names:
        keep(options.out / "playground.png", draw_playground())


def is_installed(font: str) -> bool:
    found = subprocess.run(["fc-list", font], capture_output=True, check=False)
    return bool(found.stdout)


async def draw_all(names: list[str], out: Path) -> None:
    with Standin() as standin, tempfile.TemporaryDirectory() as folder:
        guild = standin.guild("Conservatory")
        # One slot, so that there is a line; SIGTERM to the bot ends what is still composed then.
        async with BotProcess(standin, Path(folder), {"SLOTS": "1", "LEASE_SECONDS": "15"}):
            for name in [name for name in SCREENS if name in names]:
                keep(out / f"{name}.png", shoot(await SCREENS[name](standin, guild)))


def keep(path: Path, picture: bytes) -> None:
    path.write_bytes(picture)
    print(f"{path}: {len(picture) // 1000} kB")


# ---------------------------------------------------------------------- what people do


async def channel(standin: Standin, guild: Guild) -> str:
    piano, ann, bob = guild.channel("piano"), standin.user("ann"), standin.user("bob")
    message = await posted(await ask(ann, piano, bars=16, seed=7))
    bob.post(piano, "I like where this is going. What comes next?")
    await posted(await bob.click(message, "Continue"))
    return page(piano, bob)


async def settings(standin: Standin, guild: Guild) -> str:
    practice, ann = guild.channel("practice"), standin.user("ann")
    await ann.command("/settings temperature pitch 0.6", practice)
    await ann.command("/settings top_p duration 0.8", practice)
    await ann.command("/settings show", practice)
    await ask(ann, practice, instrument="kazoo")
    await ask(ann, practice, name="waltz.mid", data=WALTZ)
    return page(practice, ann)


async def chinese(standin: Standin, guild: Guild) -> str:
    piano, li = guild.channel("钢琴"), standin.user("li", locale="zh-CN")
    await posted(await li.command("/作曲", piano, 开头=Attachment("前奏.mid", OPENING), 小节=16, 种子=11))
    await li.command("/设置 温度 音高 0.6", piano)
    await li.command("/设置 查看", piano)
    return page(piano, li)


async def progress(standin: Standin, guild: Guild) -> str:
    piano = guild.channel("piano")
    ann, bob, cleo = (standin.user(name) for name in ("ann", "bob", "cleo"))
    await posted(await ask(cleo, guild.channel("elsewhere"), bars=4))  # now the worker is there
    # Several, for one is done within a second or two, which may be between two looks at it.
    running = await ask(ann, piano, name="nocturne.mid", bars=128, takes=4)
    for user, name in ((bob, "lullaby.mid"), (ann, "etude.mid")):
        await ask(user, piano, name=name, bars=16)
    await running.until(lambda message: bars_done(message) >= 12, PATIENCE)
    await ann.command("/queue", piano)
    await ask(cleo, piano)
    return page(piano, ann)


async def voice(standin: Standin, guild: Guild) -> str:
    piano_room, ann, bob = guild.channel("voice"), standin.user("ann"), standin.user("bob")
    message = ann.speak(piano_room, piano(parse_midi(OPENING), *OPUS))
    heard = await posted(await ann.message_menu("Continue this", message))
    bob.post(piano_room, "That was you, on the piano beside the window?")
    await posted(await ann.click(heard, "That's it, go on"))
    return page(piano_room, ann)


async def desk(standin: Standin, guild: Guild) -> str:
    thread, ann = guild.channel("work").open_thread("a tune"), standin.user("ann")
    message = await posted(await ask(ann, thread, "melody.mid", MELODY, accompany=True))
    form = (await ann.click(message, "Redo bars …")).modal
    assert form is not None
    redone = await posted(await ann.submit(form, {"Bars, as 9-12": "3-4", "Chords, if you like: Am F C G": ""}))
    form = (await ann.click(redone, "Chords …")).modal
    assert form is not None
    (field,) = form.fields
    names = field.value.strip("| ").split(" | ")
    names[5:7] = ["Dm7", "G7"]
    chords = await posted(await ann.submit(form, {field.label: f"| {' | '.join(names)} |"}))
    sheet = await ann.click(chords, "Sheet music")
    await sheet.until(lambda message: message.files, PATIENCE)
    return page(thread, ann)


async def tree(standin: Standin, guild: Guild) -> str:
    """Asked for in direct messages, where it is that of all channels."""
    drafts, ann = guild.channel("drafts"), standin.user("ann")
    await ann.command("/settings temperature pitch 0.7", drafts)
    first = await posted(await ask(ann, drafts, bars=16, seed=7))
    await ann.command("/settings reset", drafts)
    second = await posted(await ann.click(first, "Vary"))
    longer = await posted(await ann.click(first, "Continue"))
    form = (await ann.click(longer, "Redo bars …")).modal
    assert form is not None
    asked = {"Bars, as 9-12": "17-20", "Chords, if you like: Am F C G": "Am | F | C | G"}
    redone = await posted(await ann.submit(form, asked))
    await posted(await ann.click(second, "Continue"))
    await posted(await ann.click(redone, "Continue"))
    await ann.click(second, "Delete")
    await second.until(lambda message: message.deleted)
    shown = (await ann.command("tree", ann.dm)).message
    assert shown is not None
    await shown.until(lambda message: message.files, PATIENCE)
    await posted(await ask(ann, drafts, bars=16, seed=12))
    await posted(await ann.command("compare", ann.dm))
    return page(ann.dm, ann)


Screen = Callable[[Standin, Guild], Awaitable[str]]
SCREENS: dict[str, Screen] = {
    "channel": channel,
    "settings": settings,
    "chinese": chinese,
    "progress": progress,
    "desk": desk,
    "tree": tree,
    "voice": voice,
}


async def ask(user: User, where: Channel, name: str = "opening.mid", data: bytes = OPENING, **options: Any) -> Reply:
    return await user.command("/compose", where, opening=Attachment(name, data), **options)


def bars_done(message: Message) -> int:
    found = re.search(r"bar (\d+) of", message.content)
    return int(found[1]) if found else 0


# ---------------------------------------------------------------------- drawing


def shoot(html: str) -> bytes:
    """The page as a PNG, cut off below its last message. Raises CalledProcessError if Chromium fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Chromium may still be tidying up
        source, target = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(html)
        size = f"--window-size={WIDTH},{TALLEST}"
        about = [size, f"--force-device-scale-factor={SCALE}", f"--user-data-dir={folder}/profile"]
        command = ["chromium", *CHROMIUM, *about, f"--screenshot={target}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
        picture = Image.open(target).convert("RGB")
    return small_png(cut(picture))


def draw_playground() -> bytes:
    """A piece in the page, dark and wide, and beside it the same person's phone, light."""
    from playwright.sync_api import sync_playwright

    with playground() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        more = {"device_scale_factor": PLAYGROUND_SCALE}
        pictures = [look(browser.new_page(**view, **more), address) for view in PLAYGROUND_VIEWS]
        browser.close()
    both = Image.new("RGB", (sum(p.width for p in pictures) + 24, pictures[0].height), "white")
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (pictures[0].width + 24, 0))
    return small_png(both)


@contextlib.contextmanager
def playground() -> Iterator[str]:
    """The address of one of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bot.playground", "--no-browser", "--folder", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split()[-4]
            finally:
                process.terminate()


def look(page: Any, address: str) -> Image.Image:
    """The channel; where there is no piece yet, one is asked for, and the next command is begun."""
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(f"{address}?as=ann")
    page.locator("article").first.wait_for()
    if page.locator("article").count() == 1:
        page.get_by_role("button", name="More about").click()
        page.get_by_role("menuitem", name="Continue this").click()
        page.locator("audio").wait_for()
        page.locator("article img").evaluate("image => image.decode()")
        page.locator("#text").fill("/settings s")
    page.wait_for_timeout(1000)  # until the player knows the length
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def cut(picture: Image.Image) -> Image.Image:
    background = picture.getpixel((0, picture.height - 1))
    ground = Image.new("RGB", picture.size, background)
    box = ImageChops.difference(picture, ground).getbbox() or (0, 0, 1, 1)
    return picture.crop((0, 0, picture.width, min(picture.height, box[3] + SCALE * MARGIN)))


def small_png(picture: Image.Image) -> bytes:
    """With a palette, undithered: text and rolls have few colours, and stay sharp."""
    out = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
