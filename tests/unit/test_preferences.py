"""What people preferred, out of votes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.audition.votes import Preference, Vote, by_checkpoint, by_settings, preferences
from composer.sampling import SamplingParams

PLAIN = SamplingParams()
COOL = PLAIN.with_setting("temperature", "pitch", 0.5)


def made(checkpoint: str, sampling: SamplingParams = PLAIN) -> dict[str, object]:
    return {"checkpoint": checkpoint, "digest": f"{checkpoint}0123456789abcdef", "settings": sampling.to_json()}


# Of none the upper end is z^2 / (n + z^2); the two ends of a half are as far from it.
@pytest.mark.parametrize(
    ("won", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (60, 100, 0.5020, 0.6906),
    ],
)
def test_the_interval_is_wilsons(won: int, of: int, low: float, high: float) -> None:
    assert Preference("x", won, of).interval == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 1000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_share_lies_within_its_interval(votes: tuple[int, int]) -> None:
    won, of = votes
    low, high = Preference("x", won, of).interval
    assert -1e-9 <= low <= won / of + 1e-9
    assert won / of - 1e-9 <= high <= 1 + 1e-9


def test_only_what_differs_is_counted() -> None:
    old, new, cool = made("third"), made("fourth"), made("fourth", COOL)
    votes = [Vote(new, old)] * 3 + [Vote(old, new), Vote(cool, new), Vote(cool, old)]
    assert [(one.name, one.won, one.of) for one in preferences(votes, by_checkpoint)] == [
        ("fourth fourth012345", 4, 5),
        ("third third0123456", 1, 5),
    ]
    assert [(one.name, one.won, one.of) for one in preferences(votes, by_settings)] == [
        ("temperature.pitch=0.5", 2, 2),
        ("default settings", 0, 2),
    ]
    assert str(preferences(votes, by_checkpoint)[0]) == "preferred by 4 of 5 [0.38 0.96]"
    assert preferences([], by_checkpoint) == []
