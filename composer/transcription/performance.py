"""Music as it was played: notes in seconds, without bars and beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["piano", "melody", "midi"]  # transcribed from a piano, from a single line, or a MIDI file


class PlayedNote(NamedTuple):
    """Sorts by onset, then from low to high."""

    onset: float  # seconds from the beginning
    pitch: int  # MIDI number, 21-108
    offset: float
    velocity: int  # 1-127


@dataclass(frozen=True)
class Performance:
    """notes: sorted   seconds: of the whole recording   pedal: when it is down, from second to second"""

    notes: tuple[PlayedNote, ...]
    seconds: float
    kind: Kind
    pedal: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Times in whole milliseconds: 13 kB for forty seconds of a busy piano."""
        return {
            "kind": self.kind,
            "ms": _ms(self.seconds),
            "notes": [[_ms(n.onset), n.pitch, _ms(n.offset), n.velocity] for n in self.notes],
            "pedal": [[_ms(down), _ms(up)] for down, up in self.pedal],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Performance:
        """The inverse of to_json, to the millisecond."""
        return cls(
            notes=tuple(
                PlayedNote(on / 1000, pitch, off / 1000, velocity) for on, pitch, off, velocity in data["notes"]
            ),
            seconds=data["ms"] / 1000,
            kind=data["kind"],
            pedal=tuple((down / 1000, up / 1000) for down, up in data["pedal"]),
        )


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
