"""From a run's checkpoint to one of the project: weights, card and curves, every figure read from the run."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from composer.engine.checkpoint import CONFIG, VOCABULARY, WEIGHTS, load_checkpoint
from composer.engine.runs import FILE as RUNS
from composer.engine.runs import RunIndex
from composer.errors import CheckpointError
from composer.training.train import CONFIG as RUN_CONFIG
from composer.training.train import VALIDATION, VALIDATION_WHOLE, attributes_in, read_curves

Row = Mapping[str, str]

CARD = "CARD.md"
MAX_BYTES = 45_000_000  # of weights; each checkpoint stays in the history for good
LICENCES = {
    "pop909_aligned": "POP909 (Music X Lab, MIT) on the bar grid of POP909-CL (AndyWeasley2004, MIT)",
    "pop909_aligned_versions": "other arrangements of POP909's training songs (MIT)",
    "pop1k7": "Pop1K7 (AILabs.tw, published with the Compound Word paper; no licence text came with the copy used)",
    "scores/songs": "OpenScore Lieder (CC0)",
    "scores/quartets": "OpenScore String Quartets (CC0)",
    "scores/polish": "(c) The Fryderyk Chopin Institute, polishscores.org (CC BY 4.0)",
    "scores/chopin": "(c) The Fryderyk Chopin Institute, chopinscores.org (CC BY 4.0)",
    "scores/mutopia": "Mutopia Project, pieces in the public domain or CC BY alone",
    "scores/freedoom": "Freedoom (BSD-3-Clause, its authors in CREDITS-MUSIC)",
}


def promote(checkpoint: Path, target: Path, runs: RunIndex | None = None, copying: float = 1.0) -> Path:
    """Copy a checkpoint of a run to `target` and write CARD.md and curves.png beside it. Raises CheckpointError.

    runs: of the songs that it was trained on   copying: ModelConfig.copying
    """
    run = checkpoint.resolve().parent
    rows = read_curves(run)
    if not rows or not (run / RUN_CONFIG).is_file():
        raise CheckpointError(checkpoint, f"its folder has no {RUN_CONFIG} and curves, so it is no part of a run")
    loaded = load_checkpoint(checkpoint)
    if (size := (checkpoint / WEIGHTS).stat().st_size) > MAX_BYTES:
        raise CheckpointError(checkpoint, f"its weights have {size / 1e6:.0f} MB, and 45 are the most that is kept")
    step = step_of(checkpoint, rows)
    if not any(int(row["step"]) == step for row in rows):
        raise CheckpointError(checkpoint, f"its run was not evaluated at step {step}")
    target.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, VOCABULARY):
        shutil.copyfile(checkpoint / name, target / name)
    config = json.loads((checkpoint / CONFIG).read_text())
    config["model"]["copying"] = copying
    (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    if runs is not None:
        runs.save(target / RUNS)
    draw_curves(rows, step, target / "curves.png")
    weights = sum(parameter.numel() for parameter in loaded.model.parameters())
    asked = json.loads((run / RUN_CONFIG).read_text())
    (target / CARD).write_text(card(target.name, asked, weights, [r for r in rows if int(r["step"]) == step]))
    return target


def card(name: str, asked: Mapping[str, Any], weights: int, rows: Sequence[Row]) -> str:
    """The card of a checkpoint, as Markdown. rows: its evaluation, one for each split."""
    model, training, corpora = asked["model"], asked["training"], asked["corpora"]
    first = rows[0]
    shown = [row for row in rows if " " not in row["split"] or row["split"].startswith(VALIDATION_WHOLE)]
    shape = f"{model['layers']} layers, {model['dim']} wide, {model['heads']} heads ({model['kv_heads']} of keys)"
    attributes = tuple(model["sizes"])
    chance = [f"{math.log(model['sizes'][attribute] - 1):.2f}" for attribute in attributes]  # any value alike
    lines = [
        f"# {name}",
        "",
        f"A Compound Word Transformer of {weights / 1e6:.1f} M parameters: {shape}, "
        f"`{model['positions']}` positions{' with ALiBi slopes' if model['alibi'] else ''}, "
        f"window {model['window']} words, {model['head_order']} heads. Weights in bf16.",
        "",
        "## Training",
        "",
        f"{int(first['step']):,} steps of {training['batch']} x {training['length']} words "
        f"({int(first['words']) / 1e6:.1f} M words drawn, in all transpositions from -6 to +5), "
        f"{int(first['seconds']) / 60:.0f} minutes; AdamW, learning rate {training['learning_rate']:g} with warmup and "
        f"cosine, seed {training['seed']}. See `curves.png`.",
        "",
        "| corpus | stretches trained on | stretches validated | licence |",
        "| --- | --- | --- | --- |",
        *(
            f"| {corpus} | {count['train']} | {count['validation']} | {LICENCES.get(corpus, 'see the corpus')} |"
            for corpus, count in corpora.items()
        ),
        "",
        "The split is by song; no validation song was trained on. The arrangements are under the licences above; the "
        "songs of POP909 and Pop1K7 themselves are commercial pop songs of third parties. A stretch is a song, or what "
        "lies between two bars of a length that there is no word for.",
        "",
        "## Figures",
        "",
        "Nats a word and a note in total, nats a use by attribute, and accuracy of the likeliest id. Velocity and "
        "tempo that were made by rule are not asked for. "
        f"`{VALIDATION_WHOLE}` is every word of a list, `{VALIDATION}` the part of it that a run watches.",
        "",
        f"| split | a word | a note | {' | '.join(attributes)} |",
        f"| --- | --- | --- | {' | '.join('---' for _ in attributes)} |",
        *(f"| {row['split']} | {_totals(row)} | {_figures(row, attributes)} |" for row in shown),
        f"| chance | | | {' | '.join(chance)} |",
        "",
        "`segue promote` printed this card from the run's curves.csv.",
        "",
        "## Limits",
        "",
        "Pop piano, songs, piano music and quartets, as it was trained on: 9/8 and 12/8 are thin, swing is in none of "
        "it, and no band but a few of a game's. It may repeat turns of the songs that it learned from.",
        "",
    ]
    return "\n".join(lines)


def draw_curves(rows: Sequence[Row], step: int, path: Path) -> None:
    """Loss over words, in total and by attribute, train and validation, with the checkpoint's step marked."""
    from matplotlib.figure import Figure

    names = ["loss", *(f"loss_{name}" for name in attributes_in(rows))]
    figure = Figure(figsize=(12, 6), layout="constrained")
    marked = next(int(row["words"]) for row in rows if int(row["step"]) == step) / 1e6
    for axes, name in zip(figure.subplots(2, -(-len(names) // 2)).flat, names, strict=False):
        for split in dict.fromkeys(row["split"] for row in rows):
            if split.startswith(VALIDATION_WHOLE) or " " in split:  # a single point at the end; a meter of a list
                continue
            points = [(int(row["words"]) / 1e6, float(row[name])) for row in rows if row["split"] == split]
            axes.plot(*zip(*points, strict=True), label=split)
        axes.axvline(marked, color="grey", linestyle=":")
        axes.set(title=name.replace("loss_", ""), xlabel="M words", ylabel="nats")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize="small")
    figure.savefig(path, dpi=90)


def step_of(checkpoint: Path, rows: Sequence[Row]) -> int:
    """The step of step-NNNNNN, or, for best, the one of the lowest mean validation loss. Raises CheckpointError."""
    if checkpoint.name.startswith("step-"):
        return int(checkpoint.name.removeprefix("step-"))
    means: dict[int, list[float]] = {}
    for row in rows:
        if row["split"].startswith(f"{VALIDATION}/"):
            means.setdefault(int(row["step"]), []).append(float(row["loss"]))
    if not means:
        raise CheckpointError(checkpoint, "its run has no validation, so no step is the best")
    return min(means, key=lambda step: sum(means[step]) / len(means[step]))


def _totals(row: Row) -> str:
    return f"{float(row['loss']):.3f} | {float(row['loss_a_note']):.3f}"


def _figures(row: Row, attributes: Sequence[str]) -> str:
    cells = (f"{float(row[f'loss_{name}']):.2f} ({float(row[f'accuracy_{name}']):.0%})" for name in attributes)
    return " | ".join(cells)
