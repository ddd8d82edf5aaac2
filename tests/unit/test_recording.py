"""Recordings of strangers: every format that is taken, and files that are made to hurt or to pry."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import a_million_comments, one_sample_a_second
from singing import FORMS, recorded

from composer.errors import NotAudioError, RecordingTooLargeError, RecordingTooLongError
from composer.transcription.recording import (
    CHILD_LIMITS,
    MAX_BYTES,
    SAMPLE_RATE,
    Samples,
    is_recording,
    read_in_parts,
    read_recording,
)


def tone(seconds: float, hertz: float = 440.0) -> Samples:
    phase = 2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(phase)).astype(np.float32)


def loudest_hertz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("form", FORMS)
def test_every_format_is_heard_as_it_sounds(form: str) -> None:
    data = recorded(tone(2.0), form)
    samples = read_recording(data)
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(2.0, abs=0.1)
    assert loudest_hertz(samples) == pytest.approx(440, abs=2)
    assert is_recording(data, "upload")


def test_a_recording_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert len(read_recording(recorded(tone(3.0), "flac"), max_seconds=3)) == 3 * SAMPLE_RATE
    with pytest.raises(RecordingTooLongError, match="3 s"):
        read_recording(recorded(tone(3.1), "flac"), max_seconds=3)


def test_an_hour_of_silence_is_refused_by_its_length() -> None:
    silent = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "3600"]
    hour = subprocess.run([*silent, "-f", "flac", "-"], capture_output=True, check=True).stdout
    assert len(hour) < MAX_BYTES
    with pytest.raises(RecordingTooLongError):
        read_recording(hour)


def test_too_many_bytes_are_refused_unread() -> None:
    with pytest.raises(RecordingTooLargeError) as refusal:
        read_recording(b"OggS" + bytes(MAX_BYTES))
    assert refusal.value.size == MAX_BYTES + 4


@pytest.mark.parametrize("crafted", [one_sample_a_second, a_million_comments])
def test_a_file_made_to_cost_much_is_refused_before_it_does(crafted: Callable[[], bytes]) -> None:
    data = crafted()
    assert len(data) <= MAX_BYTES
    before = cpu_seconds_of_children()
    with pytest.raises(NotAudioError, match="too much time"):
        read_recording(data)
    assert cpu_seconds_of_children() - before < 2 * (CHILD_LIMITS.cpu or 0)


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_what_was_decoded_until_a_signal_is_not_taken_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "ffmpeg"
    killed.write_text("#!/bin/sh\nhead -c 88200 /dev/zero\nkill -9 $$\n")
    killed.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NotAudioError, match="too much time or memory"):
        read_recording(recorded(tone(1.0), "wav"))


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{path}'\n",
    "ffconcat by a protocol": "ffconcat version 1.0\nfile 'file:{path}'\n",
    "m3u": "#EXTM3U\n#EXTINF:1,secret\n{path}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{path}</BaseURL></MPD>',
    "subtitles": "1\n00:00:01,000 --> 00:00:04,000\nhello\n",
    "a picture": "P6\n1 1\n255\nabc",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_file_that_names_another_one_is_refused(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(recorded(tone(1.0), "wav"))
    with pytest.raises(NotAudioError):
        read_recording(PLAYLISTS[kind].format(path=secret).encode())


def test_a_table_of_contents_far_behind_the_sound_is_found(tmp_path: Path) -> None:
    """As a telephone writes M4A: 600 kB of sound come before it."""
    path = tmp_path / "memo.m4a"
    noise = ["-f", "lavfi", "-i", "anoisesrc=duration=30:seed=1", "-ac", "2", "-b:a", "160k"]
    subprocess.run(["ffmpeg", "-v", "error", *noise, path], check=True)
    data = path.read_bytes()
    assert data.index(b"moov") > 500_000
    assert abs(len(read_recording(data)) - 30 * SAMPLE_RATE) < SAMPLE_RATE / 4


def test_damaged_files_give_what_can_be_heard_or_a_sentence() -> None:
    draw = random.Random(0)
    whole = {form: recorded(tone(1.0), form) for form in ("ogg", "mp3", "m4a", "flac")}
    for form, data in whole.items():
        cut = data[: draw.randrange(len(data))]
        flipped = bytearray(data)
        for _ in range(40):
            flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        for damaged in (cut, bytes(flipped)):
            with contextlib.suppress(NotAudioError):
                assert len(read_recording(damaged)) <= 41 * SAMPLE_RATE, form


NO_SOUND = (b"", b"OggS", b"RIFF\x00\x00\x00\x00WAVE", bytes(5000), random.Random(1).randbytes(5000))


@pytest.mark.parametrize("data", NO_SOUND)
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    with pytest.raises(NotAudioError):
        read_recording(data)


@pytest.mark.parametrize(
    ("beginning", "name", "heard"),
    [
        (b"MThd\x00\x00", "song.ogg", False),
        (b"RIFF\x00\x00\x00\x00RMID", "song", False),
        (b"RIFF\x00\x00\x00\x00WAVE", "song.mid", True),
        (b"ffconcat", "voice.OGG", True),
        (b"not music", "text.mid", False),
    ],
)
def test_a_recording_is_known_by_its_beginning_else_by_its_name(beginning: bytes, name: str, heard: bool) -> None:
    assert is_recording(beginning, name) is heard


def test_parts_make_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    path.write_bytes(recorded(tone(2.5), "flac"))
    parts = list(read_in_parts(path, 1.0))
    assert [len(part) for part in parts] == [SAMPLE_RATE, SAMPLE_RATE, SAMPLE_RATE // 2]
    assert np.array_equal(np.concatenate(parts), read_recording(path.read_bytes()))
    path.write_text("#EXTM3U")
    with pytest.raises(NotAudioError):
        list(read_in_parts(path, 1.0))
