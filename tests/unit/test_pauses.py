from __future__ import annotations

from itertools import islice

from composer.pauses import Pauses


def test_each_pause_is_twice_as_long_up_to_the_longest_and_success_begins_anew() -> None:
    pauses = Pauses(0.5, 3.0)
    assert list(islice(iter(pauses.next, None), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
    pauses.reset()
    assert [pauses.next(), pauses.next()] == [0.5, 1.0]
