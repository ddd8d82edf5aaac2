"""`segue compose`: an opening goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import Device
from composer.places import DEFAULT_CHECKPOINT, HOME

EXAMPLE = HOME / "examples" / "opening.mid"


def compose(
    opening: Annotated[
        Path, typer.Argument(help="A MIDI, MusicXML or ABC file of up to 15 minutes, or a recording of up to 40 s.")
    ] = EXAMPLE,
    bars: Annotated[int, typer.Option(help="Bars to add, 1 to 512.")] = 32,
    seed: Annotated[int, typer.Option(help="The same seed and settings give the same piece.")] = 7,
    takes: Annotated[int, typer.Option(help="How many continuations, from seeds that follow each other.")] = 1,
    candidates: Annotated[
        int,
        typer.Option(
            help="So many are composed for each take, 1 to 16, and the one that is most like real music is kept.",
            show_default="8; for over 32 bars as many as have 256, or one",
        ),
    ] = 0,
    ending: Annotated[bool, typer.Option("--ending/--open-end", help="Whether the last bars are to be an end.")] = True,
    loop_guard: Annotated[bool, typer.Option(help="Go back where the music is stuck in a loop.")] = True,
    copy_guard: Annotated[bool, typer.Option(help="Draw bars again that stand in a training song.")] = True,
    drift_guard: Annotated[
        bool, typer.Option(help="Pull the music back where it drifts away from the opening: denser, louder, higher.")
    ] = True,
    redo: Annotated[
        str | None, typer.Option(metavar="BARS", help="Compose these bars again, as 9-12; all others stay.")
    ] = None,
    chords: Annotated[
        str,
        typer.Option(
            help="Of the new bars, in turn: 'Am F C G', one a bar; several in a bar where | stands between bars."
        ),
    ] = "",
    key: Annotated[str, typer.Option(help="Of what is new, as 'A minor'.", show_default="the opening's")] = "",
    style: Annotated[
        str, typer.Option(help="What the music is like: pop, song, classical, quartet.", show_default="as the opening")
    ] = "",
    from_bar: Annotated[
        int,
        typer.Option(
            min=0,
            help="The opening's first bar. With --key, density or loudness: the bar from which they hold.",
            show_default="1; with these the first new one",
        ),
    ] = 0,
    to_bar: Annotated[
        int, typer.Option(min=0, help="The opening's last bar: it goes on from there.", show_default="the last")
    ] = 0,
    cut: Annotated[
        bool, typer.Option("--cut", help="Begin right behind the opening's last note, not at the next bar line.")
    ] = False,
    drums: Annotated[bool, typer.Option(help="Whether drums go on, as their last bars repeat.")] = True,
    fills: Annotated[
        bool, typer.Option("--fills", help="Drums go on with a fill at the end of every eight bars.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="temperature.ATTRIBUTE=0..2 or top_p.ATTRIBUTE=0..1, where ATTRIBUTE may be `all`; density=fuller or "
            "thinner; loudness=louder or softer.",
        ),
    ] = None,
    checkpoint: Annotated[Path, typer.Option(help="The folder of a trained model.")] = DEFAULT_CHECKPOINT,
    bpm: Annotated[
        float | None, typer.Option(help="About the tempo of a recording, where the ear takes half or twice of it.")
    ] = None,
    downbeat: Annotated[
        int | None, typer.Option(help="The beat of its bar, 1 to 4, that a recording's first note lies on.")
    ] = None,
    as_written: Annotated[
        bool, typer.Option("--as-written", help="Take the beats that a MIDI file has, however freely it was played.")
    ] = False,
    accompany: Annotated[
        bool | None,
        typer.Option(
            help="Compose an accompaniment to the notes of a MIDI file, instead of going on; of a hummed line, whether "
            "it gets chords in the left hand.",
            show_default="of a hummed line only",
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where the model runs; auto takes a GPU if there is one.")
    ] = Device.auto,
    instrument: Annotated[
        str | None,
        typer.Option(help="A General MIDI instrument by its name, for an opening of one part.", show_default="its own"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the result [out/NAME OF THE OPENING].")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether to make the MP3.")] = True,
    sheet: Annotated[bool, typer.Option("--sheet", help="Make sheet music too: pictures, PDF, MusicXML.")] = False,
    stems: Annotated[bool, typer.Option("--stems", help="Make a zip of each track as MP3 and MIDI too.")] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Make the new bars a FLAC file too that repeats without a seam.")
    ] = False,
    only_new: Annotated[bool, typer.Option("--only-new", help="Make a MIDI file of the new bars alone too.")] = False,
) -> None:
    """Continue an opening, compose some of its bars again, or accompany it: MIDI, MP3, piano roll and receipt.

    Writes piece.mid, piece.mp3, piece.png and piece.json into a folder; with --takes N piece-1.mid and so on. The
    MIDI and the MP3 hold the opening with all its tracks, and what is new in the same ones; an accompaniment gets a
    track of its own. Of a long opening the model hears the last 64 bars. --sheet adds piece.musicxml, piece.pdf and
    piece.sheet-1.png and so on, --stems piece.stems.zip, --loop piece.loop.flac, --only-new
    piece.new.mid.

    A recording (MP3, WAV, OGG, M4A, FLAC) of a piano, a voice or another single line is transcribed first, and so is
    MIDI that was played without a click put on beats; it says what was heard, and heard.mid holds it.
    """
    from composer.cli import wiring
    from composer.cli.results import Wanted
    from composer.music.drums import Drums
    from composer.order import Order
    from composer.parsing import bars_from, chords_from, settings_from
    from composer.request import Guards
    from composer.transcription.synchronise import Listening

    listening = Listening(bpm, downbeat, accompany is not False, as_written)
    guards = Guards(loops=loop_guard, copies=copy_guard, drift=drift_guard)
    sampling, amounts = settings_from(settings or [])
    order = Order(
        bars,
        takes,
        seed,
        sampling,
        guards,
        ending,
        candidates,
        redo=None if redo is None else bars_from(redo),
        accompany=accompany is True,
        chords=chords_from(chords),
        key=key,
        amounts=amounts,
        from_bar=from_bar,
        to_bar=to_bar,
        cut=cut,
        style=style,
        drums=Drums.FILLS if fills else Drums.PATTERN if drums else Drums.OFF,
    )
    wanted = Wanted(audio, sheet, stems, loop, only_new)
    print(wiring.compose(opening, listening, order, checkpoint, device, instrument, out, wanted))
