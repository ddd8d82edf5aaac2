"""A blind test from the checkpoint to the sentence: the page in a real browser, answered, saved and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import in_process
import pytest
from browsing import check_access, chromium, needs_chromium
from engine_models import random_checkpoint
from scores import arpeggios

from composer.audition.blind import PAGE, SIDES, BlindTest
from composer.audition.bootstrap import wilson
from composer.engine.checkpoint import save_checkpoint
from composer.music.midi import dump_midi

pytestmark = needs_chromium
PAIRS = 4
LENGTH = "audio => (audio.load(), new Promise(done => (audio.onloadedmetadata = () => done(audio.duration))))"
PATIENCE = 120_000.0  # milliseconds until something must have happened, on a busy machine


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for step in (1, 2):
        checkpoint = random_checkpoint(seed=3 + step)
        save_checkpoint(folder / f"step-{step:06}", checkpoint.model, checkpoint.vocabulary)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(PAIRS):
        (folder / f"{number}.mid").write_bytes(dump_midi(arpeggios(48 + number, 12)))
    (folder / "train.txt").write_text("")
    (folder / "validation.txt").write_text("".join(f"{number}\n" for number in range(PAIRS)))
    return folder


@pytest.fixture(scope="module")
def made(checkpoints: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    asked = (checkpoints / "step-000001", "--corpus", corpus, "--bars", 2, "--device", "cpu", "--blind", "-o", out)
    done = in_process.segue("audition", *asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(out / PAGE)]
    return out / PAGE


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def opened(browser: Any, page: Path, **options: Any) -> Any:
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.asked, tab.broken = [], []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.on("pageerror", lambda error: tab.broken.append(str(error)))
    tab.on("console", lambda said: tab.broken.append(said.text) if said.type == "error" else None)
    tab.goto(page.as_uri())
    return tab


def checked(tab: Any) -> list[str]:
    return [str(one.get_attribute("value")) for one in tab.locator("input:checked").all()]


def test_pairs_are_heard_answered_kept_saved_and_counted(browser: Any, made: Path, tmp_path: Path) -> None:
    tab = opened(browser, made)
    assert tab.locator("section:has(fieldset)").count() == PAIRS
    check_access(tab)
    players = tab.locator("audio").all()
    lengths = [player.evaluate(LENGTH) for player in players]
    assert all(length > 10 for length in lengths), "ten bars"
    players[0].evaluate("audio => audio.play()")
    players[1].evaluate("audio => audio.play()")
    tab.wait_for_function("document.querySelector('audio').paused")

    answers = ["A", "B", "A"]
    for number, side in enumerate(answers, start=1):
        tab.locator(f"input[name='{number}'][value={side}]").check()
    assert "3 of 4" in tab.locator("#done").inner_text()
    tab.reload()
    assert checked(tab) == answers, "the browser keeps them"
    with tab.expect_download() as download:
        tab.get_by_role("button").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert tab.broken == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in tab.asked), "it fetches nothing"

    data = json.loads(saved.read_text())
    assert data["answers"] == [*answers, None]
    test = BlindTest(**data["test"])
    right = sum(answer == side for answer, side in zip(answers, test.counted, strict=False))
    low, high = wilson(right, 3)
    done = in_process.segue("audition", "--answers", saved)
    assert done.stdout == f"step-000001 told apart {right} of 3 [{low:.2f} {high:.2f}]\n"
    twice = in_process.segue("audition", "--answers", saved, "--answers", saved)
    assert f"told apart {2 * right} of 6" in twice.stdout, "of two listeners"


def test_who_reads_chinese_reads_chinese(browser: Any, made: Path) -> None:
    tab = opened(browser, made, locale="zh-CN")
    assert "机器" in tab.locator("h1").inner_text()
    assert tab.locator("html").get_attribute("lang") == "zh"
    check_access(tab)


def test_the_page_tells_nobody_which_is_which(made: Path) -> None:
    text = made.read_text()
    assert text.count("data:audio/mpeg") == 2 * PAIRS
    assert "<h2>1</h2>" in text
    counted = BlindTest("", "", 7, 200).counted
    assert 70 < counted.count(SIDES[0]) < 130
    assert counted != BlindTest("", "", 8, 200).counted


def test_two_checkpoints_are_compared(checkpoints: Path, corpus: Path, tmp_path: Path) -> None:
    asked = (checkpoints, "--corpus", corpus, "--bars", 2, "--openings-count", 1, "--device", "cpu", "--blind")
    done = in_process.segue("audition", *asked, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    test = BlindTest("step-000001", "step-000002", 7, 1)
    saved = tmp_path / "mine.json"
    saved.write_text(json.dumps({"test": vars(test), "answers": test.counted}))
    done = in_process.segue("audition", "--answers", saved)
    assert done.stdout.startswith("step-000001 liked better than step-000002 1 of 1 [")


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"test": {}, "answers": []}', '{"test": 1, "answers": 2}', "\xff"]
)
def test_what_holds_no_answers_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.json").write_bytes(content.encode("latin-1"))
    done = in_process.segue("audition", "--answers", tmp_path / "mine.json")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"segue: {tmp_path / 'mine.json'} holds no answers of a blind test. Save them from its page again."
    ]


def test_what_cannot_be_compared_is_said(checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.mid").write_bytes(dump_midi(arpeggios(50, 4)))
    done = in_process.segue("audition", checkpoints / "step-000001", "--openings", tmp_path, "--blind")
    assert (done.returncode, "Give --corpus FOLDER, or two with --checkpoint." in done.stderr) == (2, True)
    done = in_process.segue("audition")
    assert done.stderr == "segue: There is nothing to try. Give a run of `segue train`, or one checkpoint.\n"
