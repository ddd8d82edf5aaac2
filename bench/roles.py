"""How often a part is given the role that its corpus says it has (composer.music.roles).

    ./run bench roles DATA [--songs 100]

DATA is a folder that holds corpora whose tracks have known roles: POP909, songs with piano, string quartets. Names and
programs are taken away for the second figure: what is left is what a part plays.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

from composer.music.midi import parse_midi
from composer.music.roles import with_roles
from composer.music.score import Role, Score
from composer.order import STYLES
from composer.training.corpora import collection_of
from composer.training.sources import find_sources, read_sources

CORPORA = ("pop909_aligned", "scores/songs", "scores/quartets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--songs", type=int, default=100, help="of each corpus, the first of its validation list")
    options = parser.parse_args()
    print("| corpus | parts | with names | without |  said for what, without names |")
    print("| --- | --- | --- | --- | --- |")
    for name in CORPORA:
        named, bare, parts, confused = 0, 0, 0, Counter[str]()
        corpus = collection_of(options.data / name, STYLES[0])
        sources = [s for s in find_sources(options.data / name, corpus.tiers) if s.split == "validation"]
        for _, data in read_sources(sources[: options.songs]):
            score = parse_midi(data, corpus.roles)
            if len(score.playing) < 2:
                continue
            true = [part.role for part in score.playing]
            parts += len(true)
            named += sum(one is other for one, other in zip(roles_of(score), true, strict=True))
            found = roles_of(without_names(score))
            bare += sum(one is other for one, other in zip(found, true, strict=True))
            confused.update(f"{o.name} for {t.name}" for o, t in zip(found, true, strict=True) if o is not t)
        most = ", ".join(f"{what} {count}" for what, count in confused.most_common(3)).lower()
        print(f"| {name} | {parts} | {named / parts:.0%} | {bare / parts:.0%} | {most} |", flush=True)


def roles_of(score: Score) -> list[Role]:
    return [part.role for part in with_roles(score).playing]


def without_names(score: Score) -> Score:
    """Every part on a program that says nothing."""
    return replace(score, parts=tuple(replace(part, name="", program=73) for part in score.parts))


if __name__ == "__main__":
    main()
