"""A blind test that anyone can take: one page with pairs to hear, and what the answers that it saves come to.

pairs          a plan -> for each opening the song and what a checkpoint makes of it, or what two of them make of it
write_test     pairs -> blind.html, unlabelled; which side is which follows from the seed
told           answers.json, saved from the page -> a sentence
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from composer.audition.audition import Plan
from composer.audition.bootstrap import wilson
from composer.audition.page import BITRATE, data_uri, template
from composer.audition.trials import compose_all
from composer.engine.checkpoint import load_checkpoint
from composer.errors import SettingsError
from composer.music.encoding import decode, to_words
from composer.music.score import Score
from composer.rendering.audio import render_mp3

PAGE = TEMPLATE = "blind.html"
SIDES = ("A", "B")


@dataclass(frozen=True)
class BlindTest:
    """What was asked.

    Attributes:
        composed: what the sides that are counted are called: a checkpoint, with its settings.
        other: what the others are: another one, or "" for real music.
        seed: which side is which follows from it.
        pairs: how many.
    """

    composed: str
    other: str
    seed: int
    pairs: int

    @property
    def counted(self) -> list[str]:
        """Of each pair, the side where `composed` is."""
        draw = random.Random(self.seed)
        return [draw.choice(SIDES) for _ in range(self.pairs)]


def write_test(plan: Plan, device: torch.device, folder: Path) -> Path:
    """Compose, render, and write PAGE into the folder.

    Raises:
        SettingsError: there are more than two candidates, or one whose openings come from no songs.
        RenderingError: something that sound needs is missing.
    """
    names, scores = pairs(plan, device)
    test = BlindTest(*names, plan.order.seed, len(scores))
    random.Random(test.seed).shuffle(scores)
    shown = []
    with tqdm(total=2 * len(scores), unit="piece", desc="rendering") as progress:
        for pair, side in zip(scores, test.counted, strict=True):
            in_order = pair if side == SIDES[0] else pair[::-1]
            shown.append([data_uri("audio/mpeg", render_mp3(score, bitrate=BITRATE)) for score in in_order])
            progress.update(2)
    html = template(TEMPLATE).render(test=asdict(test), pairs=shown, sides=SIDES, zip=zip)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(html)
    return folder / PAGE


def pairs(plan: Plan, device: torch.device) -> tuple[tuple[str, str], list[tuple[Score, Score]]]:
    """The names of both kinds, "" for real music, and of each opening both ways in which it goes on.

    All go through the words: how exactly a note is played would give real music away.
    """
    songs = [song for group in plan.groups() for song in group.songs]
    candidates = plan.candidates
    originals = [song.original.played for song in songs if song.original is not None]
    if len(candidates) > 2 or (len(candidates) == 1 and len(originals) < len(songs)):
        raise SettingsError(
            "A blind test holds one checkpoint against songs, or two against each other. Give --corpus FOLDER, or two "
            "with --checkpoint."
        )
    kinds = [originals] if len(candidates) == 1 else []
    for candidate in reversed(candidates):
        checkpoint = load_checkpoint(candidate.folder)
        order = replace(plan.order, sampling=candidate.sampling, takes=1)
        takes = compose_all(checkpoint, songs, order, plan.slots, device, plan.whole)
        kinds.insert(0, [take.score for (take,) in takes])
    names = (candidates[0].name, candidates[1].name if len(candidates) > 1 else "")
    vocabulary = checkpoint.vocabulary
    worded = [[decode(to_words(score, vocabulary), vocabulary) for score in kind] for kind in kinds]
    return names, list(zip(*worded, strict=True))


# ------------------------------------------------------------------ the answers


def told(files: Sequence[Path]) -> Iterator[str]:
    """What the answers of listeners come to, a line for each test that they took.

    Raises:
        SettingsError: a file holds none.
    """
    found: dict[tuple[str, str], list[bool]] = {}
    for file in files:
        test, answers = _read(file)
        chosen = found.setdefault((test.composed, test.other), [])
        chosen += [answer == side for answer, side in zip(answers, test.counted, strict=True) if answer]
    for (composed, other), chosen in found.items():
        low, high = wilson(sum(chosen), len(chosen))
        result = f"{sum(chosen)} of {len(chosen)} [{low:.2f} {high:.2f}]"
        yield f"{composed} liked better than {other} {result}" if other else f"{composed} told apart {result}"


def _read(file: Path) -> tuple[BlindTest, list[str | None]]:
    try:
        data = json.loads(file.read_text())
        test = BlindTest(**data["test"])
        answers = list(data["answers"])
        if len(answers) != test.pairs or not set(answers) <= {*SIDES, None}:
            raise ValueError
        return BlindTest(str(test.composed), str(test.other), int(test.seed), test.pairs), answers
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{file} holds no answers of a blind test. Save them from its page again.") from error
