"""`segue audition` from its options to its folder: find the candidates and openings, try them, write the report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from composer.audition.bootstrap import UNKNOWN, told
from composer.audition.choice import Summary, choose, failed_gates, summarise
from composer.audition.comparison import load_reference, reference_names
from composer.audition.copying import CopyIndex, compact_index
from composer.audition.openings import Group, openings_of_corpus, openings_of_folder
from composer.audition.page import page, renderings
from composer.audition.report import Report, Row
from composer.audition.trials import Candidate, Result, candidates_of, originals, try_all
from composer.audition.votes import read_votes
from composer.engine.checkpoint import load_checkpoint
from composer.engine.runs import RunIndex
from composer.errors import CheckpointError, SettingsError
from composer.music.words import Vocabulary
from composer.order import Order
from composer.sampling import SamplingParams
from composer.training.card import CARD, promote, step_of
from composer.training.corpora import load_lessons
from composer.training.train import CONFIG, read_curves

PAGE, DATA = "index.html", "audition.json"
INTERVALS = ("gap", "overlap", "auc", "echo", "key_kept")  # as the card has them
DEFAULT_REFERENCE = "pop909_aligned"


@dataclass(frozen=True)
class Plan:
    """What is asked for. order: bars, seeds (its takes) and the first seed   corpora: openings and copies
    training: copies alone   reference: None for the one called as the corpus
    whole: weights in float32 on a CPU too   votes: the database that people's votes are in
    """

    checkpoints: Sequence[Path]
    variants: Mapping[str, SamplingParams]
    openings: Path | None
    corpora: Sequence[Path]
    training: Sequence[Path]
    openings_count: int
    order: Order
    reference: str | None
    slots: int
    cache: Path
    command: str
    whole: bool = False
    votes: str | None = None

    @property
    def run(self) -> Path:
        """The folder that the checkpoints stand in."""
        return self.checkpoints[0].resolve().parent

    @property
    def candidates(self) -> list[Candidate]:
        return candidates_of(self.checkpoints, self.variants)

    def groups(self) -> list[Group]:
        """Raises SettingsError where there are no openings, and UnknownNameError for an unknown reference."""
        if self.openings is None and not self.corpora:
            raise SettingsError("There is nothing to continue. Give --openings FOLDER or --corpus FOLDER.")
        named = load_reference(self.reference) if self.reference else None
        groups = []
        if self.openings is not None:
            songs = openings_of_folder(self.openings, self.openings_count)
            groups.append(Group(self.openings.resolve().name, songs, named or load_reference(DEFAULT_REFERENCE)))
        for folder in self.corpora:
            name = folder.resolve().name
            songs = openings_of_corpus(folder, self.openings_count, self.order.bars)
            own = load_reference(name if name in reference_names() else DEFAULT_REFERENCE)
            groups.append(Group(name, songs, named or own))
        if len({group.name for group in groups}) < len(groups):
            raise SettingsError("Two folders of openings have the same name. Rename one of them.")
        return groups

    @property
    def searched(self) -> list[Path]:
        """The corpora that copies are looked for in, each once."""
        return list({folder.resolve(): folder for folder in (*self.corpora, *self.training)}.values())

    def indexes(self) -> tuple[CopyIndex, RunIndex] | tuple[None, None]:
        """Of all training songs, to judge by and to compose with; none where there is no corpus."""
        if not self.searched:
            return None, None
        lessons = load_lessons(self.searched, self.cache)
        return CopyIndex.of_lessons(lessons), compact_index(lessons)


def audition(plan: Plan, device: torch.device, folder: Path, audio: bool = True) -> Report:
    """Try the candidates, choose, and write PAGE and DATA into the folder."""
    votes = asyncio.run(read_votes(plan.votes)) if plan.votes else []
    groups = plan.groups()
    vocabulary = load_checkpoint(plan.checkpoints[0]).vocabulary
    index, runs = plan.indexes()
    real = {group.name: _real(group, vocabulary, index) for group in groups}
    results = _try_all(plan, groups, index, runs, device)
    curves = read_curves(plan.run)
    report = Report(
        run=plan.run.name if curves else plan.checkpoints[0].resolve().name,
        command=plan.command,
        order=plan.order,
        groups=groups,
        results=results,
        choice=choose(results, groups),
        real=real,
        curves=curves,
        steps=[_step(result.candidate.folder, curves) for result in results],
        searched=[path.resolve().name for path in plan.searched],
        not_searched=_not_searched(plan),
        runs=runs,
        votes=votes,
    )
    _write(report, folder, audio)
    return report


def promote_chosen(report: Report, target: Path) -> Path:
    """Make the recommended checkpoint one of the project. Raises CheckpointError if it fails the gates."""
    folder = report.chosen.candidate.folder
    if not report.choice.passed:
        failed = failed_gates(report.choice.seen[report.choice.chosen].values())
        raise CheckpointError(folder, f"like all that were tried it fails by {' and '.join(failed)}")
    promote(folder, target, report.runs)
    with (target / CARD).open("a") as card:
        card.write(card_section(report))
    return target


def card_section(report: Report) -> str:
    """What the recommended checkpoint measures, on the openings that the rule did not see, for its card."""
    result, unseen = report.chosen, report.choice.unseen[report.choice.chosen]
    settings = ", ".join(result.candidate.sampling.changes()) or "the default settings"
    lines = [
        "",
        "## Audition",
        "",
        f"Chosen among {len(report.results)} by {report.choice.by} on one half of the openings; measured on the other, "
        f"{report.order.bars} bars behind each, with {settings}. In brackets: 95 % intervals over the openings. A dash "
        "is what was not measured.",
        "",
        "| openings | pieces | gap | OA | AUC | echo (real) | key kept (real) | stuck | runs shared | longest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in report.groups:
        found, real = unseen[group.name], group.reference
        gap, overlap, auc, echo, key = (told(getattr(found, name), found.intervals[name]) for name in INTERVALS)
        heard = [f"{echo} ({_cell(real.mean('echo'))})", f"{key} ({_cell(real.mean('c_key_match'))})"]
        copied = [_cell(found.stuck), _cell(found.shared_runs, 4), _cell(found.longest_common, 0)]
        lines.append(f"| {' | '.join([group.name, str(found.pieces), gap, overlap, auc, *heard, *copied])} |")
    return "\n".join([*lines, ""])


def _cell(value: float, digits: int = 3) -> str:
    return told(value, UNKNOWN, digits)


def _real(group: Group, vocabulary: Vocabulary, index: CopyIndex | None) -> dict[str, Summary]:
    found = originals(group, vocabulary, index)
    return {name: summarise(pieces, group.reference) for name, pieces in found.items()}


def _try_all(
    plan: Plan, groups: Sequence[Group], index: CopyIndex | None, runs: RunIndex | None, device: torch.device
) -> list[Result]:
    each = sum(len(group.songs) for group in groups) * plan.order.takes * plan.order.bars
    results: list[Result] = []
    with tqdm(total=each * len(plan.candidates), unit="bar", desc="composing") as progress:

        def on_bars(done: int) -> None:
            progress.update(len(results) * each + done - progress.n)

        for result in try_all(
            plan.candidates, groups, plan.order, index, runs, plan.slots, device, plan.whole, on_bars
        ):
            results.append(result)
            progress.set_postfix_str(f"{len(results)} of {len(plan.candidates)} done")
    return results


def _step(checkpoint: Path, curves: Sequence[Row]) -> int | None:
    """Where a checkpoint stands on the curves, if it does."""
    if not curves:
        return None
    try:
        return step_of(checkpoint, curves)
    except (CheckpointError, ValueError):
        return None


def _not_searched(plan: Plan) -> list[str]:
    """Corpora that the run was trained on, and that copies were not looked for in."""
    config = plan.run / CONFIG
    if not config.is_file():
        return []
    trained_on = json.loads(config.read_text()).get("corpora", {})
    names = {folder.resolve().name for folder in plan.searched}
    return [name for name in trained_on if name not in names]


def _write(report: Report, folder: Path, audio: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")
    with tqdm(total=renderings(report), unit="piece", desc="rendering") as progress:
        html = page(report, audio, progress.update)
    (folder / PAGE).write_text(html)
