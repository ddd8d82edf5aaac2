"""A folder of piano recordings -> MIDI files to train on, with their lists of songs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from composer.errors import NothingPlayedError, OpeningError
from composer.music.midi import dump_midi
from composer.transcription.performance import Performance
from composer.transcription.piano import transcribe_piano
from composer.transcription.recording import SAMPLE_RATE, SUFFIXES, Samples, read_in_parts
from composer.transcription.synchronise import Heard, synchronise
from composer.transcription.transcriber import Transcriber

PART_SECONDS = 300  # what is transcribed at once: 53 MB of samples
MARGIN_SECONDS = 4  # that parts overlap on either side, so that no note is cut
VALIDATION_SHARE = 10  # every tenth song is kept for validation, and one at least of several


def recordings_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)


def transcribe_folder(
    paths: list[Path], out: Path, on_song: Callable[[Path, Heard | OpeningError], None]
) -> list[Path]:
    """Write a MIDI file for each recording, and train.txt and validation.txt as `segue train` reads them.

    on_song: called for each with what was heard, or why nothing was.   Returns what was written.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        try:
            heard = synchronise(transcribe_long(path))
        except OpeningError as error:
            on_song(path, error)
            continue
        # A name up to its first hyphen is the song's, where corpora have several files of one.
        written.append(out / f"{path.stem.replace('-', '_')}.mid")
        written[-1].write_bytes(dump_midi(heard.score))
        on_song(path, heard)
    _write_lists(out, sorted({path.stem for path in written}))
    return written


def transcribe_long(
    path: Path, part_seconds: float = PART_SECONDS, piano: Transcriber = transcribe_piano
) -> Performance:
    """A piano recording of any length. Raises NotAudioError, NothingPlayedError or CannotHearError."""
    notes, pedal, seconds = [], [], 0.0
    for begin, end, at, samples in _overlapping(path, part_seconds):
        part = piano(samples, lambda _: None)
        seconds = end
        notes += [
            note._replace(onset=note.onset + at, offset=note.offset + at)
            for note in part.notes
            if begin <= note.onset + at < end
        ]
        pedal += [(down + at, up + at) for down, up in part.pedal if begin <= down + at < end]
    if not notes:
        raise NothingPlayedError("noise")
    return Performance(tuple(notes), seconds, "piano", tuple(pedal))


def _overlapping(path: Path, part_seconds: float) -> Iterator[tuple[float, float, float, Samples]]:
    """From and to what second each part counts, and the samples of a little more, with the second of the first."""
    margin = MARGIN_SECONDS * SAMPLE_RATE
    parts = read_in_parts(path, part_seconds)
    before = np.zeros(0, dtype=np.float32)
    part = next(parts, None)
    begin = 0.0
    while part is not None:
        behind = next(parts, None)
        end = begin + len(part) / SAMPLE_RATE
        pieces = [before[-margin:], part, *([] if behind is None else [behind[:margin]])]
        yield begin, end, begin - len(before[-margin:]) / SAMPLE_RATE, np.concatenate(pieces)
        before, part, begin = part, behind, end


def _write_lists(out: Path, songs: list[str]) -> None:
    validation = songs[1::VALIDATION_SHARE]
    train = [song for song in songs if song not in validation]
    for name, listed in (("train", train), ("validation", validation)):
        (out / f"{name}.txt").write_text("".join(f"{song}\n" for song in listed))
