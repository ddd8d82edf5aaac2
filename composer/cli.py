"""The command `segue`. Exit status 0; 2 with one sentence on stderr for whatever the user can mend.

Torch and the rest are imported where they are used: `segue --help` answers at once.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from composer.errors import SegueError, SettingsError
from composer.places import DEFAULT_CHECKPOINT, HOME

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm

    from composer.engine.checkpoint import Checkpoint
    from composer.piece import Take

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

EXAMPLE = HOME / "examples" / "opening.mid"
CHECKPOINTS = HOME / "checkpoints"
DEFAULT_DATABASE = "sqlite+aiosqlite:///segue.db"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class PositionsOption(StrEnum):
    relative = "relative"
    music = "music"
    rotary = "rotary"
    sinusoidal = "sinusoidal"


class LogFormatOption(StrEnum):
    json = "json"
    console = "console"


class PresetOption(StrEnum):
    greedy_temperature_nucleus = "greedy-temperature-nucleus"
    pitch_temperature = "pitch-temperature"


class HeadsOption(StrEnum):
    chained = "chained"
    parallel = "parallel"


def main() -> None:
    """Run the command line; what goes wrong is said in one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.Abort:
        status = 130
    except typer.TyperException as error:  # a wrong option or argument
        status = _refuse(error.format_message())
    except SegueError as error:
        status = _refuse(str(error))
    except OSError as error:
        status = _refuse(
            f"{error.filename or 'A file'}: {(error.strerror or str(error)).lower()}. Check it and try again."
        )
    sys.exit(status or 0)


def _refuse(sentence: str) -> int:
    print("segue:", " ".join(sentence.split()), file=sys.stderr)
    return 2


@app.callback()
def _segue() -> None:
    """Segue composes on: hand it the opening of a piece, and it writes what follows."""


# ------------------------------------------------------------------ segue compose


@app.command()
def compose(
    opening: Annotated[
        Path, typer.Argument(help="A MIDI file of 1 to 64 bars in 4/4, or a recording of up to 40 s.")
    ] = EXAMPLE,
    bars: Annotated[int, typer.Option(help="Bars to add, 1 to 512.")] = 32,
    seed: Annotated[int, typer.Option(help="The same seed and settings give the same piece.")] = 7,
    takes: Annotated[int, typer.Option(help="How many continuations, from seeds that follow each other.")] = 1,
    spare: Annotated[
        int | None,
        typer.Option(
            help="So many more are drawn, 0 to 64, and the best kept, best first.", show_default="half of --takes"
        ),
    ] = None,
    ending: Annotated[bool, typer.Option("--ending/--open-end", help="Whether the last bars are to be an end.")] = True,
    loop_guard: Annotated[bool, typer.Option(help="Go back where the music is stuck in a loop.")] = True,
    copy_guard: Annotated[bool, typer.Option(help="Draw bars again that stand in a training song.")] = True,
    drift_guard: Annotated[
        bool, typer.Option(help="Pull the music back where it drifts away from the opening: denser, louder, higher.")
    ] = True,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="temperature.ATTRIBUTE=0..2 or top_p.ATTRIBUTE=0..1; ATTRIBUTE may be `all`."),
    ] = None,
    checkpoint: Annotated[Path, typer.Option(help="The folder of a trained model.")] = DEFAULT_CHECKPOINT,
    bpm: Annotated[
        float | None, typer.Option(help="About the tempo of a recording, where the ear takes half or twice of it.")
    ] = None,
    downbeat: Annotated[
        int | None, typer.Option(help="The beat of its bar, 1 to 4, that a recording's first note lies on.")
    ] = None,
    accompany: Annotated[bool, typer.Option(help="Give a hummed line chords in the left hand.")] = True,
    device: Annotated[
        Device, typer.Option(help="Where the model runs; auto takes a GPU if there is one.")
    ] = Device.auto,
    instrument: Annotated[str, typer.Option(help="A General MIDI instrument by its name.")] = "piano",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the result [out/NAME OF THE OPENING].")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether to make the MP3.")] = True,
) -> None:
    """Continue an opening: MIDI, MP3, piano roll and receipt.

    Writes piece.mid, piece.mp3, piece.png and piece.json into a folder; with --takes N piece-1.mid and so on. The
    MIDI and the MP3 hold the opening and then its continuation.

    A recording (MP3, WAV, OGG, M4A, FLAC) of a piano, a voice or another single line is transcribed first, and so is
    MIDI that was played without a click put on beats; it says what was heard, and heard.mid holds it.
    """
    from tqdm import tqdm

    from composer.composing import compose as compose_takes
    from composer.engine.checkpoint import load_checkpoint
    from composer.midi import dump_midi
    from composer.opening import to_opening
    from composer.piece import Order, command_line, receipt
    from composer.rendering.audio import check_installed
    from composer.rendering.instruments import program_of
    from composer.request import Guards
    from composer.sampling import SamplingParams
    from composer.transcription.opening import describe, read_opening
    from composer.transcription.synchronise import Listening

    listening = Listening(bpm, downbeat, accompany)
    guards = Guards(loop_guard, copy_guard, drift_guard)
    sampling = SamplingParams().with_settings(settings or [])
    order = Order(bars, takes, seed, sampling, guards, ending, takes // 2 if spare is None else spare)
    program = program_of(instrument)
    where = _torch_device(device)
    if audio:
        check_installed()
    data = opening.read_bytes()
    model = load_checkpoint(checkpoint)
    _say_if_slow(model, where)
    with tqdm(total=100, unit="%", desc="listening", delay=1) as progress:
        score, heard = read_opening(data, opening.name, listening, lambda share: _move(progress, round(100 * share)))
    if heard:
        print(f"heard: {describe(heard)}", file=sys.stderr)
    pitches = model.vocabulary.pitches
    given = to_opening(score, pitch_range=(pitches[0], pitches[-1]))
    source = {"file": opening.name, "sha256": hashlib.sha256(data).hexdigest()}
    folder = out or _folder_for(source)
    folder.mkdir(parents=True, exist_ok=True)

    with tqdm(total=bars * order.drawn, unit="bar", desc="composing") as progress:
        done = compose_takes(given, model, order, where, lambda b: _move(progress, b))
    options = ["--checkpoint", str(checkpoint), "--device", where.type, "--instrument", instrument]
    options += [] if bpm is None else ["--bpm", f"{bpm:g}"]
    options += [] if downbeat is None else ["--downbeat", str(downbeat)]
    options += [] if accompany else ["--no-accompany"]
    command = command_line(str(opening), order, options)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        new = Path(name)
        if heard:
            (new / "heard.mid").write_bytes(dump_midi(heard.score, title=opening.stem))
        for number, take in enumerate(done, start=1):
            path = new / (f"piece-{number}" if takes > 1 else "piece")
            text = json.dumps({"opening": source, **receipt(take, command)}, indent=2)
            path.with_suffix(".json").write_text(text + "\n")
            _write(take, path, opening.stem, program, audio)
        _replace_pieces(folder, new)
    print(folder)


def _folder_for(source: Mapping[str, str]) -> Path:
    """out/NAME, or with a number behind it where that holds what was made of another opening of this name."""
    stem = Path(source["file"]).stem
    for name in itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2))):
        folder = Path("out") / name
        if all(_opening_of(receipt) in (source, None) for receipt in folder.glob("piece*.json")):
            return folder
    raise AssertionError("there is always another number")


def _opening_of(receipt: Path) -> object:
    """None where it cannot be told."""
    try:
        told = json.loads(receipt.read_text())
    except (OSError, ValueError):
        return None
    return told.get("opening") if isinstance(told, dict) else None


def _replace_pieces(folder: Path, new: Path) -> None:
    """Only now that the new ones are there, the pieces of an earlier call go: they would pass for takes of this one."""
    names = {path.name for path in new.iterdir()}
    for name in names:
        (new / name).replace(folder / name)
    for old in folder.iterdir():
        if re.fullmatch(r"piece(-\d+)?\.(json|mid|mp3|png)|heard\.mid", old.name) and old.name not in names:
            old.unlink()


def _move(progress: tqdm[NoReturn], done: int) -> None:
    progress.update(done - progress.n)


def _write(take: Take, path: Path, title: str, program: int, audio: bool) -> None:
    from composer.midi import dump_midi
    from composer.rendering.audio import LIMIT_SECONDS, render_mp3
    from composer.rendering.piano_roll import draw_piano_roll

    path.with_suffix(".mid").write_bytes(dump_midi(take.score, program, title))
    path.with_suffix(".png").write_bytes(draw_piano_roll(take.score, take.opening_bars, title))
    if not audio:
        return
    path.with_suffix(".mp3").write_bytes(render_mp3(take.score, program, title))
    if take.score.seconds_at(take.score.end) > LIMIT_SECONDS:
        print(f"The MP3 ends after {LIMIT_SECONDS / 60:.0f} minutes; {path.name}.mid holds it all.", file=sys.stderr)


def _torch_device(device: Device) -> torch.device:
    """Raises SettingsError if a GPU is asked for and there is none."""
    import torch

    if device is Device.cuda and not torch.cuda.is_available():
        raise SettingsError("There is no CUDA device here; leave --device out, or say --device cpu.")
    gpu = device is Device.cuda or (device is Device.auto and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")


def _say_if_slow(checkpoint: Checkpoint, device: torch.device) -> None:
    from composer.engine.generator import why_slow

    if sentence := why_slow(checkpoint, device):
        print(sentence, file=sys.stderr)


# ------------------------------------------------------------------ segue transcribe


@app.command()
def transcribe(
    folder: Annotated[Path, typer.Argument(help="A folder of piano recordings: MP3, WAV, OGG, M4A, FLAC.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the MIDI files.")],
) -> None:
    """Turn piano recordings of any length into MIDI that `segue train` takes.

    Writes a MIDI file for each, on beats and bars that are found, and train.txt and validation.txt: every tenth song is
    for validation. What cannot be used is said in a sentence, and the rest goes on. A second of piano takes about one
    of a processor.
    """
    from composer.errors import OpeningError
    from composer.transcription.folder import recordings_in, transcribe_folder
    from composer.transcription.opening import describe
    from composer.transcription.synchronise import Heard
    from composer.transcription.transcriber import check_can_hear

    check_can_hear()
    paths = recordings_in(folder)
    if not paths:
        raise SettingsError(f"{folder} holds no recording. Name a folder of MP3, WAV, OGG, M4A or FLAC files.")

    def tell(path: Path, heard: Heard | OpeningError) -> None:
        if isinstance(heard, OpeningError):
            print(f"{path.name}: {heard}", file=sys.stderr)
        else:
            print(f"{path.name}: {describe(heard)}", file=sys.stderr)

    if not transcribe_folder(paths, out, tell):
        raise SettingsError(f"No recording in {folder} could be used. See what was said of each, and try again.")
    print(out)


# ------------------------------------------------------------------ segue train


@app.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(help="Folders of MIDI files with train.txt and validation.txt.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The run's folder; one that exists is resumed.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps in all; the learning rate ends there.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Sequences a step.")] = 8,
    length: Annotated[int, typer.Option(help="Words a sequence.")] = 512,
    micro_batch: Annotated[int, typer.Option(help="Sequences that are computed at once; lower takes less memory.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="At its highest, after the warmup.")] = 1.2e-3,
    warmup: Annotated[int, typer.Option(help="Steps until the learning rate is at its highest.")] = 300,
    dim: Annotated[int, typer.Option(help="Width of the model.")] = 256,
    layers: Annotated[int, typer.Option(help="Depth of the model.")] = 6,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    kv_heads: Annotated[int, typer.Option(help="Heads of keys and values; fewer make a smaller cache.")] = 4,
    window: Annotated[int, typer.Option(help="Words that a word can see.")] = 1024,
    positions: Annotated[
        PositionsOption, typer.Option(help="How attention knows distances.")
    ] = PositionsOption.relative,
    alibi: Annotated[bool, typer.Option("--alibi/--no-alibi", help="ALiBi slopes beside it.")] = True,
    head_order: Annotated[
        HeadsOption, typer.Option(help="chained: attributes given those before.")
    ] = HeadsOption.chained,
    dropout: Annotated[float, typer.Option(help="In training only.")] = 0.0,
    lags: Annotated[
        str, typer.Option(help="Bars back of which each word is told, with commas between.")
    ] = "1,2,4,8,16",
    farthest: Annotated[int, typer.Option(help="Bars back up to which the likest one is looked for; 0: none.")] = 32,
    memory: Annotated[int, typer.Option(help="Words back that lags and likeness reach.")] = 1536,
    anchors: Annotated[
        bool, typer.Option("--anchors/--no-anchors", help="Tell each word what the opening was like, and when it ends.")
    ] = True,
    corruption: Annotated[
        float, typer.Option(min=0, max=1, help="The largest share of notes that slip where they are read; 0: none.")
    ] = 0.15,
    start: Annotated[Path | None, typer.Option(help="A checkpoint whose weights a new run begins with.")] = None,
    tiers: Annotated[str, typer.Option(help="Which tiers of a manifest.tsv to take, with commas between.")] = "A",
    evaluate_every: Annotated[int, typer.Option(help="Steps between two evaluations.")] = 250,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the weights, the order of the data and the dropout.")] = 0,
    cache: Annotated[Path, typer.Option(help="Where encoded corpora are kept.")] = Path(".cache/corpora"),
    device: Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")] = Device.auto,
) -> None:
    """Train a Compound Word Transformer.

    CORPORA are folders that hold .mid files or .tar.gz archives of them, and beside them (or one folder above) the
    lists train.txt and validation.txt: a song id a line, and a file belongs to the song that its name starts with.
    Songs of neither list are left out; nothing of validation is trained on. Each corpus is encoded once and kept.

    RUN/curves.csv and RUN/tensorboard get loss (nats) and accuracy in total and for each attribute, of training and of
    each corpus' validation list. RUN/step-NNNNNN and RUN/best are checkpoints that `segue compose --checkpoint` takes;
    `segue promote` makes one a checkpoint of the project, with its card and curves.

    A run that was stopped, kill -9 included, goes on from its last checkpoint when the same command is given again,
    and its curve is the one that it would have had.

    On a CPU two threads reach most of the speed only while nothing else runs; OMP_NUM_THREADS=1 shares a machine
    better.
    """
    from composer.engine.model import ModelConfig
    from composer.training.dataset import FirstEdition, load_corpus
    from composer.training.train import Run, TrainingConfig
    from composer.words import default_vocabulary

    vocabulary = default_vocabulary()
    try:
        model = ModelConfig(
            vocabulary.sizes,
            dim,
            layers,
            heads,
            kv_heads,
            window,
            positions.value,
            alibi,
            head_order.value,
            dropout,
            tuple(int(lag) for lag in lags.split(",") if lag),
            farthest,
            memory,
            anchors=anchors,
        )
    except ValueError as error:
        raise SettingsError(f"No such model: {error}.") from error
    config = TrainingConfig(
        steps=steps,
        batch=batch,
        length=length,
        micro_batch=micro_batch,
        learning_rate=learning_rate,
        warmup=warmup,
        corruption=corruption,
        seed=seed,
        evaluate_every=evaluate_every,
        save_every=save_every,
    )
    loaded = [load_corpus(folder, vocabulary, cache, tiers.split(",")) for folder in corpora]
    for corpus in loaded:
        print(
            f"{corpus.name}: {len(corpus.train)} stretches to train on, {len(corpus.validation)} to validate;", end=" "
        )
        print(f"left out: {corpus.left_out or 'nothing'}")
    data = FirstEdition(loaded, vocabulary, length, seed, model.past, crowding=corruption > 0)
    Run(out, data, model, config, _torch_device(device), start).train()


@app.command()
def promote(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint in a run's folder: RUN/step-NNNNNN or RUN/best.")],
    name: Annotated[str, typer.Argument(help="What to call it: it becomes checkpoints/NAME.")],
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A corpus that it was trained on: it learns to tell when it copies it.")
    ] = None,
    copying: Annotated[
        float, typer.Option(min=0, help="How much bars that came before count, times what training found.")
    ] = 1.0,
    cache: Annotated[Path, typer.Option(help="Where encoded corpora are kept.")] = Path(".cache/corpora"),
) -> None:
    """Make a run's checkpoint one of the project, with CARD.md and curves.png beside the weights.

    Give every corpus that it was trained on: an index of their runs of notes goes with it, by which the guard against
    copies works.
    """
    from composer.audition.copying import compact_index
    from composer.engine.checkpoint import load_checkpoint
    from composer.training.card import promote as promote_checkpoint
    from composer.training.dataset import load_corpus

    vocabulary = load_checkpoint(checkpoint).vocabulary
    loaded = [load_corpus(folder, vocabulary, cache) for folder in corpus or []]
    runs = compact_index(loaded, vocabulary) if loaded else None
    print(promote_checkpoint(checkpoint, CHECKPOINTS / name, runs, copying))


# ------------------------------------------------------------------ segue audition


@app.command()
def audition(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run of `segue train`, or one checkpoint.")],
    openings: Annotated[Path | None, typer.Option(help="A folder of MIDI files to continue.")] = None,
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A corpus; the beginnings of its validation songs are continued.")
    ] = None,
    openings_count: Annotated[int, typer.Option(min=1, help="Openings of each folder, at most.")] = 20,
    bars: Annotated[int, typer.Option(help="Bars to add to each.")] = 32,
    seeds: Annotated[int, typer.Option(help="How often each is continued.")] = 2,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 7,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="A checkpoint of the run by its name, step-003000; all unless it is said.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As of `segue compose`, for all.")] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="temperature.pitch=0.01,0.5,1.0: each of them, of one checkpoint.")
    ] = None,
    preset: Annotated[PresetOption | None, typer.Option(help="An experiment of the article.")] = None,
    training: Annotated[
        list[Path] | None, typer.Option(help="A corpus to look for copies in, beside those of --corpus.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Real music to compare with, pop909_aligned or pop1k7; else as --corpus is.")
    ] = None,
    slots: Annotated[int, typer.Option(min=1, help="Pieces composed at once.")] = 16,
    device: Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")] = Device.auto,
    whole: Annotated[bool, typer.Option("--whole", help="Weights in float32 on a CPU too, not int8.")] = False,
    cache: Annotated[Path, typer.Option(help="Where encoded corpora are kept.")] = Path(".cache/corpora"),
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether to make MP3s to listen to.")] = True,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the report.")] = Path("out/audition"),
    promote_to: Annotated[
        str | None, typer.Option("--promote", help="Make the recommended one checkpoints/NAME, if it passes the gates.")
    ] = None,
) -> None:
    """Try the checkpoints of a run, or settings of one, on the same openings; measure, listen and choose.

    Writes index.html, which needs no server, and audition.json into a folder. Give --openings, --corpus, or both; a
    corpus may be given more than once, and each is compared with the real music of its own kind.

    The real music goes on behind the bars that are compared, so here no piece is told to come to an end.

    With --sweep or --preset one checkpoint is tried with each setting: the one that --checkpoint names, else the one
    of the lowest validation loss. A preset shows what a model does by itself, without guard rails.
    """
    from composer.audition.audition import Plan, promote_chosen
    from composer.audition.audition import audition as audition_plan
    from composer.audition.trials import checkpoints_of, variants_of
    from composer.engine.checkpoint import load_checkpoint
    from composer.piece import Order
    from composer.rendering.audio import check_installed
    from composer.request import Guards

    if audio:
        check_installed()
    variants = variants_of(settings or [], sweep or [], preset)
    plan = Plan(
        checkpoints=checkpoints_of(run, checkpoint or [], only_one=len(variants) > 1),
        variants=variants,
        openings=openings,
        corpora=corpus or [],
        training=training or [],
        openings_count=openings_count,
        order=Order(bars, seeds, seed, guards=Guards(*[preset is None] * 3), ending=False),
        reference=reference,
        slots=slots,
        cache=cache,
        command=shlex.join(["segue", *sys.argv[1:]]),
        whole=whole,
    )
    where = _torch_device(device)
    _say_if_slow(load_checkpoint(plan.checkpoints[0]), where)
    report = audition_plan(plan, where, out, audio)
    print(f"recommended: {report.chosen.candidate.name}")
    if promote_to is not None:
        print(promote_chosen(report, CHECKPOINTS / promote_to))
    print(out / "index.html")


# ------------------------------------------------------------------ segue worker, bot, doctor


@app.command()
def worker(
    database: Annotated[
        str,
        typer.Option(envvar="DATABASE_URL", help="Of the table of jobs. It may hold a password: say it there."),
    ] = DEFAULT_DATABASE,
    checkpoint: Annotated[Path, typer.Option(envvar="CHECKPOINT", help="The folder of a trained model.")] = (
        DEFAULT_CHECKPOINT
    ),
    slots: Annotated[int, typer.Option(envvar="SLOTS", min=1, max=256, help="Pieces composed at once.")] = 4,
    device: Annotated[Device, typer.Option(envvar="DEVICE", help="auto takes a GPU if there is one.")] = Device.auto,
    threads: Annotated[
        int | None,
        typer.Option(envvar="THREADS", min=1, help="At most, on a CPU; one a core if it is not said."),
    ] = None,
    lease: Annotated[
        float,
        typer.Option(envvar="LEASE_SECONDS", min=0.2, help="Seconds until a dead worker's work is taken over."),
    ] = 15.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(envvar="WORKER_METRICS_PORT", help="Loopback port for /metrics and /healthz."),
    ] = None,
    log_format: Annotated[LogFormatOption, typer.Option(envvar="LOG_FORMAT")] = LogFormatOption.json,
    attached: Annotated[
        bool, typer.Option(help="Stop when standard input ends: with the process that gave it.")
    ] = False,
    transcribe: Annotated[
        bool, typer.Option(envvar="TRANSCRIBE", help="Transcribe recordings too, if the extra `audio` is installed.")
    ] = True,
) -> None:
    """Compose what is asked for in the table of jobs, many pieces in one batch. Stops cleanly on SIGTERM.

    The bot starts one itself unless WORKERS=0; any number of them, on any machines, may work on one table.
    """
    import asyncio

    import torch

    from composer.telemetry import configure_logging
    from composer.worker import work

    configure_logging(log_format.value, secrets=[database])
    if threads:
        torch.set_num_threads(threads)
    asyncio.run(work(database, checkpoint, slots, _torch_device(device), lease, metrics_port, attached, transcribe))


@app.command(hidden=True)
def probe(checkpoint: Path = DEFAULT_CHECKPOINT, device: Device = Device.auto) -> None:
    """Load a checkpoint and say where it would run; `segue doctor` asks it."""
    from composer.engine.checkpoint import load_checkpoint
    from composer.engine.generator import Generator, why_slow

    loaded, where = load_checkpoint(checkpoint), _torch_device(device)
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    steps = Generator(loaded, 1, where).steps
    model = f"{loaded.name} has {parameters / 1e6:.1f} M parameters and runs on {where.type}, {steps.description}"
    print("; ".join([model, *filter(None, [why_slow(loaded, where)]), _hearing()]))


def _hearing() -> str:
    from composer.errors import CannotHearError
    from composer.transcription.transcriber import check_can_hear

    try:
        check_can_hear()
    except CannotHearError as error:
        return f"it hears no recordings, for {error.missing} is not installed (./run audio)"
    return "it hears recordings"


@app.command()
def bot() -> None:
    """Run the Discord bot; its settings come from the environment and from .env."""
    os.execv(sys.executable, [sys.executable, "-m", "bot"])


@app.command()
def doctor() -> None:
    """Check all that the bot needs, and say what to do about what is missing."""
    os.execv(sys.executable, [sys.executable, "-m", "bot", "doctor"])


if __name__ == "__main__":
    main()
