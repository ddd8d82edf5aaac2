"""The ear: a recording, or a MIDI file that was played without a click, becomes a Score in bars and beats.

    recording    bytes -> samples: ffmpeg behind whitelists and limits
    transcriber  samples -> Performance: who transcribes, and the one function that a worker calls, `transcribe`
    piano        a piano, by transkun
    melody       a voice or another single line, by SwiftF0
    performance  Performance: notes in seconds, and the pedal; small enough to cross the table of jobs
    beats        notes -> beats and bar lines
    synchronise  Performance -> Heard: a Score on those beats, and what to tell about it

`transcribe` is heavy and wants the packages of the extra `audio`, which piano and melody import when they are called.
`synchronise` is cheap and needs numpy alone: what was transcribed once can be put on other beats in no time.
"""
