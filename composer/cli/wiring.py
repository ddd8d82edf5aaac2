"""What the commands call upon, put together: typed settings in, files and sentences out."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch

from composer.cli.options import Device
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator, why_slow
from composer.engine.model import ModelConfig
from composer.engine.shape import Shape
from composer.errors import CannotHearError, OpeningError, SettingsError, UnknownNameError
from composer.music.score import Score
from composer.order import Order
from composer.places import HOME
from composer.training.config import TrainingConfig
from composer.transcription.synchronise import Heard, Listening

if TYPE_CHECKING:
    from tqdm import tqdm

    from composer.cli.results import Wanted
    from composer.telemetry import LogFormat

CHECKPOINTS = HOME / "checkpoints"


def torch_device(device: Device) -> torch.device:
    """Where a model runs.

    Raises:
        SettingsError: a GPU is asked for and there is none.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise SettingsError("There is no CUDA device here; leave --device out, or say --device cpu.")
    gpu = device is Device.cuda or (device is Device.auto and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")


def compose(
    opening: Path,
    listening: Listening,
    order: Order,
    checkpoint: Path,
    device: Device,
    instrument: str | None,
    out: Path | None,
    wanted: Wanted,
) -> Path:
    """An opening's file -> a folder of pieces that go on from it.

    Args:
        opening: MIDI or a recording.
        listening: how to hear a recording.
        order: what to compose.
        checkpoint: the folder of the model.
        device: where it runs.
        instrument: General MIDI, by name, for the one part of an opening; None for its own.
        out: the folder; None for out/NAME OF THE OPENING.
        wanted: what is made of the pieces.

    Returns:
        The folder.

    Raises:
        SegueError: what the user can mend.
        OSError: a file cannot be read or written.
    """
    from tqdm import tqdm

    from composer.cli.results import folder_for, renewed, write_take
    from composer.composing import compose as compose_takes
    from composer.music.midi import dump_midi
    from composer.music.words import bars_in
    from composer.opening import to_opening
    from composer.piece import receipt
    from composer.rendering.audio import check_installed
    from composer.rendering.instruments import program_of

    program, where = None if instrument is None else program_of(instrument), torch_device(device)
    if wanted.sound:
        check_installed()
    data = opening.read_bytes()
    model = load_checkpoint(checkpoint)
    say_if_slow(model, where)
    score, heard = _heard(data, opening.name, listening)
    given = to_opening(score if program is None else score.played_on(program), order.place)
    order.requests(given.score, model.vocabulary)  # refused before there is a folder
    source = {"file": opening.name, "sha256": hashlib.sha256(data).hexdigest()}
    folder = out or folder_for(source)
    folder.mkdir(parents=True, exist_ok=True)
    with tqdm(total=order.bars_of(given.bars) * order.takes, unit="bar", desc="composing", delay=0.2) as progress:
        takes = compose_takes(given, model, order, where, lambda bars: _move(progress, bars))
    goes_on = takes[0].first == given.bars
    if goes_on and (bars := bars_in(takes[0].request.words)) < given.bars:
        print(f"Of the opening's {given.bars} bars the last {bars} were heard; all of it comes back.", file=sys.stderr)
    if goes_on and given.ends_early:
        print(
            "The opening's last bar ends early; what is new begins behind it. --cut begins at its last note.",
            file=sys.stderr,
        )
    command = _command(opening, listening, order, checkpoint, where, instrument)
    with renewed(folder) as new:
        if heard:
            (new / "heard.mid").write_bytes(dump_midi(heard.score, title=opening.stem))
        for number, take in enumerate(takes, start=1):
            path = new / (f"piece-{number}" if order.takes > 1 else "piece")
            told = receipt(take, command, heard.to_json() if heard else None, score.lost)
            told["opening"] = {**source, **told["opening"]}
            path.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
            write_take(take, path, opening.stem, wanted)
    return folder


def mirex(prompt: Path, order: Order, checkpoint: Path, device: Device, folder: Path) -> Path:
    """A prompt's file -> a folder of candidates.

    Args:
        prompt: as composer.mirex has it.
        order: what to compose.
        checkpoint: the folder of the model.
        device: where it runs.
        folder: of the candidates.

    Returns:
        The folder.

    Raises:
        SegueError: what the user can mend.
        OSError: a file cannot be read or written.
    """
    from tqdm import tqdm

    from composer.cli.results import renewed
    from composer.composing import compose as compose_takes
    from composer.mirex import read_prompt, write_generation
    from composer.opening import to_opening

    opening = to_opening(read_prompt(prompt.read_bytes()))
    model, where = load_checkpoint(checkpoint), torch_device(device)
    say_if_slow(model, where)
    with tqdm(total=order.bars * order.takes, unit="bar", desc="composing", delay=0.2) as progress:
        takes = compose_takes(opening, model, order, where, lambda bars: _move(progress, bars))
    folder.mkdir(parents=True, exist_ok=True)
    with renewed(folder) as new:
        for number, take in enumerate(takes, start=1):
            (new / f"sample_{number:02}.json").write_text(write_generation(take.new))
    return folder


def _heard(data: bytes, name: str, listening: Listening) -> tuple[Score, Heard | None]:
    """An opening's score; and what was heard, where it had to be, which is told."""
    from tqdm import tqdm

    from composer.transcription.opening import describe, read_opening

    with tqdm(total=100, unit="%", desc="listening", delay=1) as progress:
        score, heard = read_opening(data, name, listening, lambda share: _move(progress, round(100 * share)))
    if any(score.lost):
        tracks, notes = score.lost
        told = f"{tracks} of its tracks broke off, and {notes} notes far behind the music are left out"
        print(f"The file is damaged: {told}.", file=sys.stderr)
    if heard:
        print(f"heard: {describe(heard)}", file=sys.stderr)
    return score, heard


def _command(
    opening: Path, listening: Listening, order: Order, checkpoint: Path, where: torch.device, instrument: str | None
) -> str:
    """What makes the same pieces again."""
    from composer.piece import command_line

    options = ["--checkpoint", str(checkpoint), "--device", where.type]
    options += [] if instrument is None else ["--instrument", instrument]
    options += [] if listening.bpm is None else ["--bpm", f"{listening.bpm:g}"]
    options += [] if listening.downbeat is None else ["--downbeat", str(listening.downbeat)]
    options += [] if listening.accompany else ["--no-accompany"]
    options += ["--as-written"] * listening.as_written
    return command_line(str(opening), order, options)


def _move(progress: tqdm[NoReturn], done: int) -> None:
    progress.update(done - progress.n)


def say_if_slow(checkpoint: Checkpoint, device: torch.device) -> None:
    if sentence := why_slow(checkpoint, device):
        print(sentence, file=sys.stderr)


def transcribe(folder: Path, out: Path) -> None:
    """A folder of recordings -> a folder of MIDI files. What became of each is told.

    Raises:
        CannotHearError: what transcribes is not installed.
        SettingsError: there is no recording, or none that can be used.
    """
    from composer.transcription.folder import recordings_in, transcribe_folder
    from composer.transcription.opening import describe
    from composer.transcription.transcriber import check_can_hear

    check_can_hear()
    paths = recordings_in(folder)
    if not paths:
        raise SettingsError(f"{folder} holds no recording. Name a folder of MP3, WAV, OGG, M4A or FLAC files.")

    def tell(path: Path, heard: Heard | OpeningError) -> None:
        what = str(heard) if isinstance(heard, OpeningError) else describe(heard)
        print(f"{path.name}: {what}", file=sys.stderr)

    if not transcribe_folder(paths, out, tell):
        raise SettingsError(f"No recording in {folder} could be used. See what was said of each, and try again.")


def train(
    corpora: Sequence[Path],
    out: Path,
    training: TrainingConfig,
    shape: Shape,
    start: Path | None,
    style: str,
    cache: Path,
    device: Device,
) -> None:
    """Corpora -> a run's folder. A run that was stopped goes on.

    Args:
        corpora: folders of MIDI files, or one file of encoded corpora.
        out: the run's folder.
        training: how long, how fast, from what seed.
        shape: of the model.
        start: a checkpoint whose weights it begins with.
        style: of corpora that are not known (composer.order.STYLES).
        cache: where encoded corpora are kept.
        device: where it trains.

    Raises:
        SettingsError: there is no such model or corpus, or the folder holds another run.
    """
    from composer.music.words import default_vocabulary
    from composer.order import STYLES
    from composer.training.corpora import load_lessons
    from composer.training.lessons import Sampler
    from composer.training.train import Run

    if style not in STYLES:
        raise UnknownNameError("style", style, STYLES)
    try:  # before anything is encoded
        model = ModelConfig(default_vocabulary().sizes, styles=STYLES, segments=True, **asdict(shape))
    except ValueError as error:
        raise SettingsError(f"No such model: {error}.") from error
    lessons = load_lessons(corpora, cache, style)
    for name, stretches in lessons.described.items():
        print(f"{name}: {stretches['train']} stretches to train on, {stretches['validation']} to validate")
    data = Sampler(lessons, training.length, training.seed, model.past, crowding=training.corruption > 0)
    Run(out, data, model, training, torch_device(device), start).train()


def promote(checkpoint: Path, name: str, corpora: Sequence[Path], copying: float, cache: Path) -> Path:
    """A run's checkpoint -> checkpoints/NAME.

    Args:
        checkpoint: in a run's folder.
        name: what to call it.
        corpora: those that it was trained on.
        copying: ModelConfig.copying.
        cache: where encoded corpora are kept.

    Returns:
        The new folder.

    Raises:
        CheckpointError: it is damaged or no part of a run.
    """
    from composer.audition.copying import compact_index
    from composer.training.card import promote as promote_checkpoint
    from composer.training.corpora import load_lessons

    runs = compact_index(load_lessons(corpora, cache)) if corpora else None
    return promote_checkpoint(checkpoint, CHECKPOINTS / name, runs, copying)


def work(
    database: str,
    checkpoint: Path,
    slots: int,
    device: Device,
    *,
    threads: int | None,
    lease: float,
    metrics_port: int | None,
    log_format: LogFormat,
    attached: bool,
    transcribe: bool,
) -> None:
    """A worker, until it is told to stop.

    Args:
        database: the URL of the table of jobs; its password never comes into the logs.
        checkpoint: the folder of the model.
        slots: pieces composed at once.
        device: where the model runs.
        threads: at most, on a CPU; None for one a core.
        lease: seconds until a dead worker's work is taken over.
        metrics_port: on loopback; None for none.
        log_format: json or console.
        attached: whether it stops when standard input ends.
        transcribe: whether it transcribes recordings too.

    Raises:
        SegueError: what the user can mend.
    """
    import asyncio

    from composer.telemetry import configure_logging
    from composer.worker import work as work_on_table

    configure_logging(log_format, secrets=[database])
    if threads:
        torch.set_num_threads(threads)
    where = torch_device(device)
    asyncio.run(work_on_table(database, checkpoint, slots, where, lease, metrics_port, attached, transcribe))


def probe(checkpoint: Path, device: Device) -> str:
    """Where a checkpoint would run, and whether recordings can be heard, in a sentence.

    Raises:
        CheckpointError: it is damaged.
        SettingsError: a GPU is asked for and there is none.
    """
    loaded, where = load_checkpoint(checkpoint), torch_device(device)
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    steps = Generator(loaded, 1, where).steps
    model = f"{loaded.name} has {parameters / 1e6:.1f} M parameters and runs on {where.type}, {steps.description}"
    return "; ".join([model, *filter(None, [why_slow(loaded, where)]), _hearing()])


def _hearing() -> str:
    from composer.transcription.transcriber import check_can_hear

    try:
        check_can_hear()
    except CannotHearError as error:
        return f"it hears no recordings, for {error.missing} is not installed (./run audio)"
    return "it hears recordings"
