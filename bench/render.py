"""How long it takes to make what people hear and see of a piece, by stage.

    ./run bench render [--bars 32] [--rounds 3] [--quick]

The example and what the default checkpoint makes of it, rendered in this process. Prints for each stage the median of
the rounds in milliseconds, how many times faster than the music plays that is, and the size of what comes of it.
"""

from __future__ import annotations

import argparse

from bench.machine import machine
from bench.music import example_takes
from bench.report import Table, Value, report
from bench.stages import Stages, medians
from composer.engine.checkpoint import load_checkpoint
from composer.music.midi import dump_midi
from composer.piece import Take
from composer.places import DEFAULT_CHECKPOINT
from composer.rendering.audio import render_mp3
from composer.rendering.piano_roll import draw_piano_roll

MP3, PICTURE, MIDI = "play, level and encode (MP3)", "draw the piano roll (PNG)", "write MIDI"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=32, help="composed behind the example")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="to see that it works: a few bars, one round")
    options = parser.parse_args()
    if options.quick:
        options.bars, options.rounds = 2, 1
    described = machine()
    (take,) = example_takes(load_checkpoint(DEFAULT_CHECKPOINT), takes=1, bars=options.bars)
    rounds = [rendered(take) for _ in range(options.rounds)]
    music = take.score.seconds_at(take.score.end)
    seconds = medians([stages for stages, _ in rounds])
    sizes = rounds[0][1]
    rows = [row(stage, each, music, sizes.get(stage)) for stage, each in seconds.items()]
    rows.append(row("all", sum(seconds.values()), music, sum(sizes.values())))
    title = f"{len(take.score.bars)} bars, {len(take.score.notes)} notes, {music:.0f} s of music"
    report("render", described, [Table(title, rows)])


def rendered(take: Take) -> tuple[Stages, dict[str, int]]:
    """How long each stage took, and the bytes of what is posted of it."""
    stages, score = Stages(), take.score
    with stages(MP3):
        mp3 = render_mp3(score)
    with stages(PICTURE):
        picture = draw_piano_roll(score, take.opening_bars)
    with stages(MIDI):
        midi = dump_midi(score)
    return stages, {MP3: len(mp3), PICTURE: len(picture), MIDI: len(midi)}


def row(stage: str, seconds: float, music: float, size: int | None) -> dict[str, Value]:
    return {
        "stage": stage,
        "ms": 1000 * seconds,
        "x real time": music / seconds,
        "kB": None if size is None else size / 1000,
    }


if __name__ == "__main__":
    main()
