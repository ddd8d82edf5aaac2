"""What a benchmark found: Markdown tables on standard output, and the same as JSON with the machine beside it.

OUT/NAME.json holds {"benchmark", "command", "machine", "tables": {title: [row]}}; a row is {column: value}, and the
table shows the same values, numbers rounded to three digits.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import Machine

OUT = Path(__file__).parent.parent / "out" / "bench"

Value = str | float | int | None  # None: not measured, or without meaning here


@dataclass(frozen=True)
class Table:
    """title: what it shows, with its units   rows: all with the same columns, in the same order"""

    title: str
    rows: Sequence[Mapping[str, Value]]

    def __post_init__(self) -> None:
        if len({tuple(row) for row in self.rows}) != 1:
            raise ValueError(f"the rows of {self.title!r} have to have the same columns, and there has to be one")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.rows[0])

    def markdown(self) -> str:
        """The title as a line, then the table. Columns of numbers stand to the right."""
        right = [all(not isinstance(row[name], str) for row in self.rows) for name in self.columns]
        lines = [self.columns, tuple("---:" if number else "---" for number in right)]
        lines += [tuple(cell(row[name]) for name in self.columns) for row in self.rows]
        return "\n".join([f"{self.title}:", "", *(f"| {' | '.join(line)} |" for line in lines)])


def cell(value: Value) -> str:
    """A value as a table shows it: 1234.5 as 1234, 0.12345 as 0.123, 12.0 as 12."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def report(name: str, described: Machine, tables: Sequence[Table], out: Path = OUT) -> Path:
    """Print the machine and the tables, and write OUT/NAME.json. Returns its path."""
    gpu = f", {described.gpu}" if described.gpu else ""
    print(f"## {name}\n")
    print(f"{described.cpu}, {described.cores} cores ({' '.join(described.flags)}), {described.memory_gb} GB{gpu};")
    print(f"Python {described.python}, torch {described.torch}; {described.date}, load before {described.load}\n")
    for table in tables:
        print(table.markdown(), end="\n\n")
    found = {
        "benchmark": name,
        "command": shlex.join(["./run", "bench", name, *sys.argv[1:]]),
        "machine": asdict(described),
        "tables": {table.title: [dict(row) for row in table.rows] for table in tables},
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(path)
    return path
