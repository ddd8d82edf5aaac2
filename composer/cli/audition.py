"""`segue audition`: which checkpoint, or which setting of one, is the best."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import DEFAULT_CACHE, CacheOption, Device, DeviceOption


class Preset(StrEnum):
    greedy_temperature_nucleus = "greedy-temperature-nucleus"
    pitch_temperature = "pitch-temperature"


def audition(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN_DIR", help="A run of `segue train`, or one checkpoint.")
    ] = None,
    openings: Annotated[Path | None, typer.Option(help="A folder of MIDI files to continue.")] = None,
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A corpus; the beginnings of its validation songs are continued.")
    ] = None,
    openings_count: Annotated[int, typer.Option(min=1, help="Openings of each folder, at most.")] = 20,
    bars: Annotated[int | None, typer.Option(help="Bars to add to each.", show_default="32; 128 with --long")] = None,
    seeds: Annotated[int, typer.Option(help="How often each is continued.")] = 2,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 7,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="A checkpoint of the run by its name, step-003000; all unless it is said.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As of `segue compose`, for all.")] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="temperature.pitch=0.01,0.5,1.0: each of them, of one checkpoint.")
    ] = None,
    style: Annotated[str, typer.Option(help="As of `segue compose`, for all.", show_default="as the openings")] = "",
    preset: Annotated[Preset | None, typer.Option(help="An experiment of the article.")] = None,
    long: Annotated[
        bool,
        typer.Option("--long", help="Only print whether long pieces get into loops or drift, and songs do."),
    ] = False,
    blind: Annotated[
        bool,
        typer.Option(
            "--blind", help="Only make a page to tell composed pieces from songs by ear, or to compare two checkpoints."
        ),
    ] = False,
    answers: Annotated[
        list[Path] | None, typer.Option(help="A file that such a page has saved: only print what it comes to.")
    ] = None,
    training: Annotated[
        list[Path] | None, typer.Option(help="A corpus to look for copies in, beside those of --corpus.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Real music to compare with, pop909_aligned or pop1k7; else as --corpus is.")
    ] = None,
    votes: Annotated[
        str | None,
        typer.Option(metavar="DATABASE", help="The bot's database, URL or file: what people preferred in /compare."),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, help="Pieces composed at once.")] = 16,
    device: DeviceOption = Device.auto,
    whole: Annotated[bool, typer.Option("--whole", help="Weights in float32 on a CPU too, not int8.")] = False,
    cache: CacheOption = DEFAULT_CACHE,
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

    --blind writes blind.html instead: pairs that begin alike, without a label, for anyone with a browser. It saves the
    answers as a file, and --answers FILE says how many were right.

    With --sweep or --preset one checkpoint is tried with each setting: the one that --checkpoint names, else the one
    of the lowest validation loss. A preset shows what a model does by itself, without guard rails.
    """
    from composer.audition.audition import Plan
    from composer.audition.blind import told
    from composer.audition.trials import checkpoints_of, variants_of
    from composer.cli import judging
    from composer.errors import SettingsError
    from composer.order import Order
    from composer.rendering.audio import check_installed
    from composer.request import Guards

    if answers:
        for line in told(answers):
            print(line)
        return
    if run is None:
        raise SettingsError("There is nothing to try. Give a run of `segue train`, or one checkpoint.")
    if blind or (audio and not long):
        check_installed()
    variants = variants_of(settings or [], sweep or [], preset)
    guards = Guards() if preset is None else Guards.off()
    plan = Plan(
        checkpoints=checkpoints_of(run, checkpoint or [], only_one=len(variants) > 1),
        variants=variants,
        openings=openings,
        corpora=corpus or [],
        training=training or [],
        openings_count=openings_count,
        order=Order(bars or (128 if long else 32), seeds, seed, guards=guards, ending=False, style=style),
        reference=reference,
        slots=slots,
        cache=cache,
        command=shlex.join(["segue", *sys.argv[1:]]),
        whole=whole,
        votes=votes,
    )
    if long:
        judging.long_audition(plan, device)
        return
    if blind:
        print(judging.blind_test(plan, device, out))
        return
    judging.audition(plan, device, out, audio, promote_to)
    print(out / "index.html")
