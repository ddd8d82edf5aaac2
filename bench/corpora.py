"""The corpora, encoded into one file: what `bench/gpu.py` trains on.

    ./run bench corpora DATA [--out .cache/corpora.npz]

DATA is a folder that holds the folders of composer.training.corpora.CORPORA. Prints what was left out of each, and a
Markdown table of what is in the file: stretches and words to train on and to validate with, and bars by meter.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from composer.music.words import COLUMN, default_vocabulary
from composer.training.corpora import CORPORA, encode_all
from composer.training.lessons import Lessons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".cache/corpora.npz"))
    options = parser.parse_args()
    encode_all([(options.data / corpus.folder, corpus) for corpus in CORPORA], default_vocabulary(), options.out)
    lessons = Lessons.load(options.out)
    print(f"\n{options.out}: {options.out.stat().st_size / 2**20:.1f} MB\n")
    print("| corpus | stretches | words | to validate | words | bars by meter |\n| --- " + "| --- " * 5 + "|")
    for number, name in enumerate(lessons.corpora):
        cells = [name]
        for songs in (lessons.train, lessons.validation):
            of_it = [song for song in songs if song.corpus == number]
            cells += [f"{len(of_it)}", f"{sum(len(song.words) for song in of_it)}"]
        meters: Counter[str] = Counter()
        for song in (*lessons.train, *lessons.validation):
            if song.corpus == number:
                ids, counts = np.unique(song.words[:, COLUMN["meter"]], return_counts=True)
                meters.update({lessons.vocabulary.meters[i - 1]: int(n) for i, n in zip(ids, counts, strict=True) if i})
        cells.append(", ".join(f"{meter} {count}" for meter, count in meters.most_common()))
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
