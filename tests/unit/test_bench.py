"""What benchmarks share: reports, floors, turns, fair shares."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from engine_models import random_checkpoint

from bench.__main__ import OTHERS, SPEED
from bench.cost import StepCost, step_cost
from bench.machine import Machine, cores, machine, matrix_rate, numbers_multiplied, read_rate, threads
from bench.music import example_words
from bench.report import Table, cell, report
from bench.rounds import Contender, take_turns, thread_counts
from bench.serve import fair_shares
from bench.stages import Stages, medians
from composer.engine.generator import Generator
from composer.line.schema import Job, State
from composer.request import Guards, Request

HERE = Machine("a CPU", 2, ("avx2",), 23.5, None, 0.5, "3.11.7", "2.13.0", "2026-11-25T12:00:00+00:00")
CPU = torch.device("cpu")


# ---------------------------------------------------------------------- what is told


def test_table_and_json_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(
        "Speed", [{"model": "ours", "slots": 4, "words/s": 1234.56}, {"model": "b", "slots": 1, "words/s": None}]
    )
    path = report("decode", HERE, [table, Table("More", [{"x": 0.12345}])], tmp_path)
    printed = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert path == tmp_path / "decode.json"
    assert found["machine"] == json.loads(json.dumps(asdict(HERE)))
    for title, rows in found["tables"].items():
        _, _, behind = printed.partition(f"{title}:\n\n")
        lines = [line.strip("| ").split(" | ") for line in behind.partition("\n\n")[0].splitlines()]
        assert lines[0] == list(rows[0])
        assert [[c.strip() for c in line] for line in lines[2:]] == [
            [cell(value) for value in row.values() if value is not None] for row in rows
        ]
    assert str(path) in printed


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1234"), (99.96, "100"), (0.012345, "0.0123"), (12.0, "12"), (7, "7"), (None, ""), ("a", "a")],
)
def test_numbers_are_shown_with_three_digits(value: str | float | None, shown: str) -> None:
    assert cell(value) == shown


def test_rows_with_different_columns_are_no_table() -> None:
    with pytest.raises(ValueError, match="same columns"):
        Table("Speed", [{"a": 1}, {"b": 2}])
    with pytest.raises(ValueError, match="has to be one"):
        Table("Speed", [])


def test_every_benchmark_can_be_called_by_its_name() -> None:
    folder = Path(__file__).parent.parent.parent / "bench"
    programs = {path.stem for path in folder.glob("*.py") if "def main()" in path.read_text()} - {"__main__"}
    assert programs == {*SPEED, *OTHERS}


# ---------------------------------------------------------------------- limits and floors


def test_the_machine_and_its_limits_are_something() -> None:
    here = machine()
    assert here.cores == cores() >= 1
    assert here.memory_gb > 0
    assert numbers_multiplied(here, CPU)[0] == "float32"
    assert read_rate(1_000_000, CPU) > 0
    assert all(matrix_rate(number, CPU) > 0 for number in numbers_multiplied(here, CPU))


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_whatever_takes_longer_is_the_floor() -> None:
    cost = StepCost(weights=600, cache=400, operations=10_000, arithmetic="float32")
    assert cost.size == 1000
    reading = cost.floor(100.0, {"float32": 10_000.0})
    assert (reading.seconds, reading.bound_by) == (10.0, "reading")
    multiplying = cost.floor(1000.0, {"float32": 100.0, "int8": 1e9})
    assert (multiplying.seconds, multiplying.bound_by) == (100.0, "multiplying")
    integers = replace(cost, arithmetic="int8")
    assert integers.floor(1000.0, {"float32": 100.0, "int8": 400.0}).seconds == 50.0, "two products of int8 for each"
    assert integers.floor(1000.0, {"float32": 100.0}).seconds == 100.0


def test_what_a_step_reads_grows_with_slots_and_words_up_to_the_window() -> None:
    checkpoint = random_checkpoint(window=256)
    words = example_words(checkpoint.vocabulary)

    def cost(slots: int, opening: int) -> tuple[StepCost, int]:
        generator = Generator(checkpoint, slots)
        pieces = [generator.submit(Request(words[:opening], 8, seed, guards=Guards.off())) for seed in range(slots)]
        while not all(piece.drawn for piece in pieces):
            generator.step()
        seen = sum(len(piece.request.words) + len(piece.words) for piece in pieces)
        return step_cost(generator), seen

    (one, seen), (longer, _), (four, seen_by_four) = cost(1, 20), cost(1, 40), cost(4, 20)
    full, _ = cost(1, len(words))
    assert one.weights == longer.weights == four.weights
    assert one.cache < longer.cache < full.cache
    kept = 2 * 2 * 8 * 2  # keys and values, 2 heads of 8, a byte each, 2 layers: of a word
    by_distance = 4 * 8 * 2  # 4 heads of 8, a byte each, 2 layers
    assert longer.cache - one.cache == 20 * (kept + by_distance)
    assert four.cache - one.cache >= (seen_by_four - seen) * kept  # the first to be read has drawn a few words by then
    parameters = sum(weight.numel() for weight in checkpoint.model.parameters())
    assert parameters / 3 < one.weights < parameters
    assert four.operations > 4 * one.operations


# ---------------------------------------------------------------------- turns and stages


def test_contenders_take_turns_and_the_median_counts() -> None:
    seen: list[str] = []

    def step(name: str) -> int:
        seen.append(name)
        return 3

    contenders = [Contender(name, lambda name=name: step(name)) for name in "ab"]  # type: ignore[misc]
    take_turns(contenders, rounds=3, seconds=0, after=lambda: seen.append("|"))
    assert "".join(seen) == 3 * (len(thread_counts()) * "a" + len(thread_counts()) * "b" + "|")
    assert all(len(rates) == 3 for contender in contenders for rates in contender.rates.values())


def test_the_faster_number_of_threads_counts_by_its_median() -> None:
    contender = Contender("a", lambda: 1, rates={1: [5.0, 1.0, 2.0], 2: [9.0, 1.0, 1.0]})
    assert (contender.threads, contender.rate) == (1, 2.0)


def test_a_contender_runs_with_one_thread_and_with_all() -> None:
    used: list[int] = []

    def step() -> int:
        used.append(torch.get_num_threads())
        return 1

    Contender("a", step).run(0)
    assert used == sorted({1, cores()})


def test_stages_add_up_and_keep_their_order() -> None:
    rounds = []
    for seconds in (1.0, 5.0, 2.0):
        stages = Stages()
        stages.add("wait", seconds)
        with stages("draw"):
            pass
        stages.add("wait", 1.0)
        rounds.append(stages)
    found = medians(rounds)
    assert list(found) == ["wait", "draw"]
    assert found["wait"] == 3.0


# ---------------------------------------------------------------------- fairness


def done(number: int, owner: str, started: float, finished: float) -> Job:
    return Job(
        **{"id": number, "key": str(number), "kind": "compose", "owner": owner, "scope": "", "vocabulary": ""},
        **{"bars": 1, "bars_done": 1, "state": State.DONE, "attempt": 1, "reason": None, "cancel_requested": False},
        **{"submitted_at": 0.0, "started_at": started, "finished_at": finished, "delivered_at": None, "worker": ""},
        **{"payload": {}, "result": {}},
    )  # type: ignore[arg-type]


def test_in_a_fair_line_nobody_waits_for_more_than_the_share() -> None:
    """In a single slot: the first piece of a greedy one, those of the two others, the rest of the greedy one's."""
    jobs = [done(n, owner, n, n + 1.0) for n, owner in enumerate(["greedy", "ann", "bob", "greedy", "greedy"])]
    shares = {job.id: share for job, share in fair_shares(jobs)}
    assert shares == {0: 3.0, 1: 3.0, 2: 3.0, 3: 4.0, 4: 5.0}
    assert max((job.finished_at or 0) / share for job, share in fair_shares(jobs)) == 1.0


def test_who_has_to_wait_for_all_of_a_greedy_one_waits_for_more() -> None:
    jobs = [done(n, owner, n, n + 1.0) for n, owner in enumerate(["greedy", "greedy", "greedy", "ann", "bob"])]
    worst = {job.owner: (job.finished_at or 0) / share for job, share in fair_shares(jobs)}
    assert worst["bob"] == pytest.approx(5 / 3)
    assert math.isclose(worst["greedy"], 3 / 5)


def test_no_share_is_shorter_than_a_piece_takes() -> None:
    jobs = [done(n, "ann", 0.0, 4.0) for n in range(4)]
    assert [share for _, share in fair_shares(jobs)] == [4.0] * 4
