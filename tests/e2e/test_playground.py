"""`./run try` in a real browser: the real bot and its worker, and a page that people use with mouse and keyboard."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import check_access, chromium, needs_chromium
from engine_models import TINY, random_checkpoint
from processes import alive

from bot.messages import say
from composer.engine.checkpoint import save_checkpoint
from composer.music.midi import parse_midi

pytestmark = needs_chromium

ROOT = Path(__file__).parents[2]
OPENING = ROOT / "examples" / "opening.mid"
PATIENCE = 300.0  # seconds until something must have happened, on a busy machine
DROP = """([name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name));
    for (const type of ["dragenter", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
}"""
SHIFTED = """() => {
    window.shifts = [];
    const watch = (list) => window.shifts.push(...list.getEntries().map((entry) => entry.value));
    new PerformanceObserver(watch).observe({ type: "layout-shift" });
}"""


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [int(child) for child in found] + [below for child in found for below in children(int(child))]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the playground is. It ends like Ctrl-C does, and leaves no process behind."""
    folder = tmp_path_factory.mktemp("playground")
    checkpoint = random_checkpoint(**TINY)
    save_checkpoint(folder / "tiny", checkpoint.model, checkpoint.vocabulary)
    command = [sys.executable, "-m", "bot.playground", "--no-browser", "--folder", str(folder / "kept")]
    environment = {**os.environ, "CHECKPOINT": str(folder / "tiny"), "TRANSCRIBE": "false"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        log = folder / "kept" / "bot.log"
        assert found, log.read_text()[-3000:]
        yield found[0]
        started = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == "", "it prints one line"
        assert started
        assert not any(map(alive, started))
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page for a person. It breaks nowhere, and nothing is asked of anybody but the playground."""
    asked: list[str] = []
    broken: list[str] = []
    contexts = []

    def open_tab(name: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
        page.goto(f"{address}?as={name}")
        page.locator("article").first.wait_for()
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert not broken
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def drop(page: Any, name: str, data: bytes) -> None:
    page.evaluate(DROP, [name, list(data)])


def choose(page: Any, typed: str) -> None:
    """The first of the commands that the list offers for what is typed."""
    page.locator("#text").fill(typed)
    page.locator("#picker [role=option]").first.wait_for()
    page.keyboard.press("Enter")


def whispered(page: Any) -> str:
    """What the newest message that only this person sees says. It is dismissed."""
    article = page.locator("article.ephemeral")
    article.locator(".content").wait_for()
    text = article.locator(".content").inner_text()
    article.locator("[data-do=dismiss]").click()
    return str(text)


def seconds(player: Any) -> float:
    player.evaluate("audio => audio.readyState || new Promise((done) => (audio.onloadedmetadata = done))")
    return float(player.evaluate("audio => audio.duration"))


def test_a_dropped_file_becomes_a_piece_that_plays_while_its_buttons_are_pressed(
    tab: Callable[..., Any], address: str
) -> None:
    ann = tab("ann", color_scheme="dark")
    drop(ann, OPENING.name, OPENING.read_bytes())
    choose(ann, "/comp")
    ann.locator("#command summary").click()
    check_access(ann)
    ann.get_by_label("instrument").fill("viol")
    ann.locator("datalist option[value=Viola]").wait_for(state="attached")
    ann.get_by_label("instrument").fill("Viola")
    ann.get_by_label("bars", exact=True).fill("2")
    ann.keyboard.press("Enter")
    ann.locator("#command").wait_for(state="hidden")
    ann.evaluate(SHIFTED)
    pieces = ann.locator("article:has(audio)")
    player = pieces.first.locator("audio")
    player.wait_for()
    picture = pieces.first.locator("img")
    kept = picture.bounding_box()
    picture.evaluate("image => image.decode()")
    assert picture.bounding_box() == kept, "its place was free"

    midi = ann.request.get(address + pieces.first.locator("a[download$=mid]").get_attribute("href")[1:]).body()
    music = parse_midi(midi)
    assert "Viola" in pieces.first.locator(".content").inner_text()
    assert -0.1 <= seconds(player) - music.seconds_at(max(note.end for note in music.notes)) <= 5
    player.evaluate("audio => audio.play()")

    bob = tab("bob", color_scheme="light")
    bob.locator("article:has(audio)").get_by_role("button", name="Delete").click()
    assert whispered(bob) == say("en", "not_yours")
    bob.locator("article:has(audio)").get_by_role("button", name="Vary").click()
    bob.locator("article:has(audio)").nth(1).wait_for()
    pieces.nth(1).wait_for()
    assert "bob" in pieces.nth(1).locator(".mention").inner_text()
    check_access(bob)
    assert player.evaluate("audio => !audio.paused && audio.currentTime > 0"), "it plays on"
    assert ann.locator("article.ephemeral").count() == 0
    pieces.nth(1).get_by_role("link", name="this piece").click()
    ann.locator("article:focus").wait_for()
    assert ann.locator("article:focus audio").count() == 1, "the link leads to the piece that it came from"
    assert sum(ann.evaluate("window.shifts")) < 0.1, "nothing jumps while it grows"

    pieces.first.get_by_role("button", name="Redo bars").click()
    ann.get_by_label(say("en", "redo_bars")).fill("10")
    check_access(ann)
    ann.keyboard.press("Enter")
    pieces.nth(2).locator("audio").wait_for()
    assert "bars 10 to 10 of 10 composed again" in pieces.nth(2).locator(".content").inner_text()

    pieces.first.get_by_role("button", name="Again with").click()
    ann.get_by_label(say("en", "form_bars")).fill("many")
    check_access(ann)
    ann.keyboard.press("Enter")
    assert whispered(ann) == say("en", "form_whole", text="many")


@pytest.mark.parametrize(("name", "language", "show"), [("ann", "en", "/settings show"), ("li", "zh", "/设置 查看")])
def test_settings_and_refusals_are_in_the_language_of_the_person(
    tab: Callable[..., Any], name: str, language: str, show: str
) -> None:
    page = tab(name)
    page.get_by_role("button", name="@ Segue").click()
    choose(page, "/settings temperature pitch")
    page.locator("#command input").fill("0.5")
    page.keyboard.press("Enter")
    assert "0.5" in whispered(page)
    choose(page, show)
    assert "0.5" in whispered(page)
    drop(page, "broken.mid", b"MThd and nothing more")
    choose(page, "/compose")
    page.keyboard.press("Enter")
    assert whispered(page) == say(language, "no_notes")
    check_access(page)
    assert page.locator("html").get_attribute("lang") == {"en": "en-US", "zh": "zh-CN"}[language]


def test_on_a_phone_one_records_and_opens_the_menu_of_a_message(tab: Callable[..., Any]) -> None:
    page = tab("bob", viewport={"width": 390, "height": 780})
    page.locator("#menu").click()
    check_access(page)
    page.get_by_role("button", name="late night").click()
    page.locator("#record").click()
    page.wait_for_timeout(1200)
    page.locator("#record").click()
    player = page.locator(".voice audio")
    player.wait_for()
    assert 0.5 < seconds(player) < 60

    page.locator("article:has(.voice) [aria-haspopup=menu]").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("menuitem").all_inner_texts() == ["Continue this", "Delete message"]
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    player.wait_for(state="detached")
