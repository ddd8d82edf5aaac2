"""The whole of `segue audition` on a small random run: its folder, its JSON and its page."""

from __future__ import annotations

import asyncio
import base64
import csv
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import in_process
import pytest
from engine_models import random_checkpoint
from scores import arpeggios

from bot.storage import Storage
from bot.storage.votes import Comparison
from composer.audition.audition import Plan, audition, promote_chosen
from composer.database import Database
from composer.engine.checkpoint import load_checkpoint, save_checkpoint
from composer.errors import CheckpointError, SettingsError
from composer.music.midi import dump_midi
from composer.order import Order
from composer.request import Guards
from composer.sampling import SamplingParams
from composer.training.train import CONFIG, CURVE_FIELDS, CURVES

STEPS = (10, 20)
SONGS = 6


def song(root: int, bars: int = 16) -> bytes:
    return dump_midi(arpeggios(root, bars))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "songs"
    folder.mkdir()
    for number in range(2 * SONGS):
        (folder / f"{number:03}.mid").write_bytes(song(48 + number))
    (folder / "train.txt").write_text("".join(f"{n:03}\n" for n in range(SONGS)))
    (folder / "validation.txt").write_text("".join(f"{n:03}\n" for n in range(SONGS, 2 * SONGS)))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves: checkpoints, curves and what was asked for."""
    folder = tmp_path_factory.mktemp("runs") / "mine & <yours>"
    folder.mkdir()
    for seed, step in enumerate(STEPS):
        checkpoint = random_checkpoint(seed=4 + seed)  # of those that play much
        save_checkpoint(folder / f"step-{step:06}", checkpoint.model, checkpoint.vocabulary)
    with (folder / CURVES).open("w", newline="") as file:
        rows = csv.DictWriter(file, CURVE_FIELDS)
        rows.writeheader()
        for step in (5, *STEPS):
            for split in ("train", "validation/songs"):
                figures = {name: 1 / step for name in CURVE_FIELDS if name not in ("step", "words", "seconds", "split")}
                rows.writerow({"step": step, "words": step * 8, "seconds": step, "split": split, **figures})
    model = {"sizes": checkpoint.vocabulary.sizes, "dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "window": 48}
    asked = {
        "model": model | {"positions": "relative", "alibi": True, "head_order": "chained", "dropout": 0.0},
        "training": {"batch": 4, "length": 2, "learning_rate": 1e-3, "seed": 0},
        "corpora": {"songs": {"train": 6, "validation": 6}, "others": {"train": 1, "validation": 0}},
    }
    (folder / CONFIG).write_text(json.dumps(asked))
    return folder


def command(*options: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "composer.cli", "audition", *map(str, options)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def report(run: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    folder = ("--cache", corpus / "cache", "--device", "cpu", "-o", out)
    done = command(run, "--corpus", corpus, "--openings-count", 3, "--bars", 4, "--seeds", 2, *folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(out / "index.html")
    return out


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "audition.json").read_text())
    return found


class Page(HTMLParser):
    """Every tag with its attributes, once all that was opened is closed."""

    VOID = ("meta", "img", "input")

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed((folder / "index.html").read_text())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def sources(self, tag: str) -> list[bytes]:
        sources = [attributes["src"] or "" for name, attributes in self.tags if name == tag]
        return [base64.b64decode(source.partition(";base64,")[2]) for source in sources]


def test_every_candidate_is_measured_on_every_opening(report: Path) -> None:
    found = read(report)
    assert [candidate["name"] for candidate in found["candidates"]] == ["step-000010", "step-000020"]
    assert [candidate["checkpoint"]["step"] for candidate in found["candidates"]] == [10, 20]
    assert len(found["groups"]["songs"]["openings"]) == 3
    for candidate in found["candidates"]:
        group = candidate["groups"]["songs"]
        assert len(group["pieces"]) == 6
        assert group["all"]["pieces"] == 6
        assert group["seen_by_the_rule"]["pieces"] + group["unseen_by_the_rule"]["pieces"] == 6
        assert group["all"]["broken"] == 0
        assert 0 < group["all"]["spread"] <= 1
        assert group["all"]["overlap"] < 0.6  # six pieces of noise
        assert [piece["seed"] for piece in group["pieces"]] == list(range(7, 13)), "each has its own"
        assert all(piece["copying"]["share"] <= 1 for piece in group["pieces"])
    assert set(found["groups"]["songs"]["real"]) == {"the songs themselves", "the songs in words"}
    assert found["copies_searched_in"] == ["songs"]
    assert found["trained_on_but_not_searched"] == ["others"]


def test_the_page_holds_all_that_it_shows(report: Path) -> None:
    page = Page(report)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    text = (report / "index.html").read_text()
    assert not re.search(r"https?:|@import|url\(|<script|<link", re.sub(r"base64,[^\"]*", "", text))
    pictures, sounds = page.sources("img"), page.sources("audio")
    assert len(pictures) == len(sounds) == 3 * (2 + 1)  # three openings: as the song goes on, and two candidates
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert all(sound.startswith((b"ID3", b"\xff\xfb")) for sound in sounds)
    assert sum(tag == "svg" for tag, _ in page.tags) >= 16  # loss and accuracy, in total and by attribute
    assert "Audition of mine &amp; &lt;yours&gt;" in text


def test_a_sweep_tries_settings_of_one_checkpoint(run: Path, tmp_path: Path) -> None:
    openings = tmp_path / "openings"
    openings.mkdir()
    (openings / "mine.mid").write_bytes(song(50, bars=2))
    where = ("--openings", openings, "--bars", 2, "--seeds", 1, "--no-audio", "--device", "cpu", "-o", tmp_path)
    done = in_process.segue("audition", run, *where, "--sweep", "temperature.pitch=0.01,1.0", "--set", "top_p.all=1")
    assert done.returncode == 0, done.stderr
    found = read(tmp_path)
    assert [c["name"] for c in found["candidates"]] == ["temperature.pitch=0.01", "temperature.pitch=1.0"]
    assert [c["settings"]["temperature"]["pitch"] for c in found["candidates"]] == [0.01, 1]
    assert {c["settings"]["top_p"]["duration"] for c in found["candidates"]} == {1}
    assert {c["checkpoint"]["name"] for c in found["candidates"]} == {"step-000020"}
    assert not found["recommended"]["chosen_on_half_of_the_openings"]
    assert found["candidates"][0]["groups"]["openings"]["all"]["shared_runs"] is None  # nobody looked
    assert Page(tmp_path).sources("audio") == []


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("greedy-temperature-nucleus", ["greedy", "temperature 1", "top-p 0.9"]),
        ("pitch-temperature", ["pitch temperature 0.01", "pitch temperature 1"]),
    ],
)
def test_the_experiments_of_the_article(run: Path, tmp_path: Path, preset: str, names: list[str]) -> None:
    (tmp_path / "mine.mid").write_bytes(song(50, bars=2))
    where = ("--openings", tmp_path, "--bars", 2, "--no-audio", "--device", "cpu", "-o", tmp_path)
    done = in_process.segue("audition", run / "step-000010", *where, "--preset", preset)
    assert done.returncode == 0, done.stderr
    assert [candidate["name"] for candidate in read(tmp_path)["candidates"]] == names
    if names[0] == "greedy":
        assert read(tmp_path)["candidates"][0]["groups"][tmp_path.name]["all"]["spread"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Give --openings FOLDER or --corpus FOLDER"),
        (("--openings", "EMPTY"), "holds no MIDI file"),
        (("--openings", "BROKEN"), "broken.mid"),
        (("--corpus", "CORPUS", "--bars", 30), "Ask for fewer bars"),
        (("--openings", "EMPTY", "--long"), "Give --corpus FOLDER"),
        (("--corpus", "CORPUS", "--checkpoint", "step-000011"), "did you mean step-000010?"),
        (("--corpus", "CORPUS", "--sweep", "temperature.pitch=a,b"), "'a' is no number"),
        (("--corpus", "CORPUS", "--sweep", "temperature.pitch=1", "--preset", "pitch-temperature"), "give either"),
        (("--corpus", "CORPUS", "--reference", "jazz"), "No reference is called 'jazz'"),
    ],
)
def test_what_cannot_be_tried_is_said(
    run: Path, corpus: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.mid").write_bytes(b"MThd")
    places = {"EMPTY": tmp_path / "empty", "BROKEN": tmp_path / "broken", "CORPUS": corpus}
    given = [places.get(str(option), option) for option in options]
    done = in_process.segue("audition", run, *given, "--no-audio", "-o", tmp_path / "out", "--cache", corpus / "cache")
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def plan(run: Path, corpus: Path, checkpoints: tuple[str, ...]) -> Plan:
    return Plan(
        checkpoints=[run / name for name in checkpoints],
        variants={"": SamplingParams()},
        openings=None,
        corpora=[corpus],
        training=[],
        openings_count=4,
        order=Order(bars=2, takes=1),
        reference=None,
        slots=4,
        cache=corpus / "cache",
        command="segue audition",
    )


def test_long_pieces_stand_beside_whole_songs(run: Path, tmp_path: Path) -> None:
    """The songs go round in twelves, which is no music; a random model does not come back at all."""
    corpus = tmp_path / "songs"
    corpus.mkdir()
    for name in ("000", "001"):
        (corpus / f"{name}.mid").write_bytes(song(48, bars=44))
    (corpus / "train.txt").write_text("")
    (corpus / "validation.txt").write_text("000\n001\n")
    where = ("--corpus", corpus, "--device", "cpu", "-o", tmp_path / "out")
    done = in_process.segue("audition", run / "step-000020", *where, "--long", "--bars", 24, "--openings-count", 1)
    assert done.returncode == 0, done.stderr
    whole, composed = (line.split(" | ") for line in done.stdout.splitlines() if " [" in line)
    assert [cell.strip("| ") for cell in whole[:3]] == ["whole songs", "2", "36"]
    assert [cell.strip("| ") for cell in composed[:3]] == ["step-000020", "2", "24"]
    different = [float(row[3].split()[0]) for row in (whole, composed)]
    assert different[0] < different[1]
    assert not (tmp_path / "out").exists()


async def _vote(database: str, takes: Sequence[Mapping[str, Any]]) -> None:
    """Three of four people like the second checkpoint better, as the bot writes it down."""
    async with Database(database) as opened:
        await opened.migrate()
        storage, (first, second) = Storage(opened), takes
        for number, choices in ((2**60, ("b", "b")), (2**60 + 1, ("a", "b"))):
            await storage.add_comparison(Comparison(number, 1, None, 2, 3, first, second))
            for person, choice in enumerate(choices):
                assert await storage.choose(number, person, choice)  # type: ignore[arg-type]


def test_what_people_preferred_stands_beside_what_is_measured(run: Path, corpus: Path, tmp_path: Path) -> None:
    import torch

    names = ("step-000010", "step-000020")
    settings = SamplingParams().to_json()
    digests = [load_checkpoint(run / name).digest for name in names]
    made = [
        {"piece": 1, "seed": 7, "task": {}, "checkpoint": name, "digest": digest, "settings": settings}
        for name, digest in zip(names, digests, strict=True)
    ]
    asyncio.run(_vote(f"sqlite+aiosqlite:///{tmp_path}/segue.db", made))
    asked = plan(run, corpus, names)
    voted = Plan(**vars(asked) | {"votes": str(tmp_path / "segue.db")})
    audition(voted, torch.device("cpu"), tmp_path, audio=False)
    found = read(tmp_path)
    assert [candidate["preferred"]["preferred"] for candidate in found["candidates"]] == [1, 3]
    assert found["preferred"]["checkpoint"][0]["name"] == f"step-000020 {digests[1][:12]}"
    assert found["preferred"]["settings"] == []
    assert "preferred by 3 of 4 [0.30 0.95]" in (tmp_path / "index.html").read_text()
    Page(tmp_path)


def test_where_there_are_no_votes_it_is_said_before_anything_is_tried(run: Path, corpus: Path, tmp_path: Path) -> None:
    import torch

    (tmp_path / "empty.db").touch()
    for database, said in (("nowhere.db", "There is no database"), ("empty.db", "No votes can be read")):
        asked = Plan(**vars(plan(run, corpus, ("step-000010",))) | {"votes": str(tmp_path / database)})
        with pytest.raises(SettingsError, match=said):
            audition(asked, torch.device("cpu"), tmp_path / "out", audio=False)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "nowhere.db").exists()


def test_the_recommended_checkpoint_becomes_one_of_the_project(run: Path, corpus: Path, tmp_path: Path) -> None:
    import torch

    made = audition(plan(run, corpus, ("step-000010", "step-000020")), torch.device("cpu"), tmp_path, audio=False)
    assert made.choice.passed
    target = promote_chosen(made, tmp_path / "chosen")
    chosen = run / made.chosen.candidate.name
    assert load_checkpoint(target).digest == load_checkpoint(chosen).digest
    card = (target / "CARD.md").read_text()
    assert "| songs | 2 | " in card
    assert re.search(r"\| [.\d]+ \[-?[.\d]+ [.\d]+\] \([.\d]+\) \|", card), "echo, its interval, and real music's"
    assert "Chosen among 2 by OA" in card
    assert (target / "curves.png").is_file()


def test_what_fails_the_gates_is_not_promoted(run: Path, corpus: Path, tmp_path: Path) -> None:
    import torch

    stuck = plan(run, corpus, ("step-000010",))
    greedy = SamplingParams().with_setting("temperature", "all", 0.0)
    made = audition(
        Plan(
            **vars(stuck) | {"variants": {"": greedy}, "order": Order(bars=8, guards=Guards(loops=False, drift=False))}
        ),
        torch.device("cpu"),
        tmp_path,
        audio=False,
    )
    assert not made.choice.passed
    assert "No candidate passes" in (tmp_path / "index.html").read_text()
    with pytest.raises(CheckpointError, match="fails by"):
        promote_chosen(made, tmp_path / "chosen")
    assert not (tmp_path / "chosen").exists()
