"""The weights of a model of the first edition of the words, for one of the second.

A sixteenth is three positions, so old position p is new position 3p - 2, and a duration goes to the nearest old one; in
between, a table begins with what its neighbour knows. Blocks stay as they are; what is new begins small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from composer.engine.model import CompoundWordTransformer, Stage
from composer.music.words import Vocabulary
from composer.words import Vocabulary as FirstVocabulary

Rows = dict[str, Tensor]  # for each attribute that both editions have: which old id each new id begins as


def carried_over(
    old: CompoundWordTransformer, spoken: FirstVocabulary, new: CompoundWordTransformer, vocabulary: Vocabulary
) -> Mapping[str, Tensor]:
    """Weights by the names of the new model; where the widths differ they do not fit, and are not taken."""
    rows = _rows(spoken, vocabulary)
    own, weights = new.state_dict(), dict(old.state_dict())
    names = list(rows)
    for number, name in enumerate(names):
        for table in (f"embeddings.{number}.weight", f"returns.embeddings.{number}.weight"):
            if table in weights:
                weights[table] = weights[table][rows[name]]
    project = own["project.weight"].clone() * 0.1
    project[:, : weights["project.weight"].shape[1]] = weights["project.weight"]  # the new columns stand at the end
    weights["project.weight"] = project
    if "anchors.embeddings.0.weight" in own:
        style = own.keys() - weights.keys()
        weights |= {name: own[name] for name in style if name.startswith("anchors.")}
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith("stages.")}
    return weights | _stages(old, new, rows)


def _rows(spoken: FirstVocabulary, vocabulary: Vocabulary) -> Rows:
    def nearest(values: tuple[float, ...], to_id: Callable[[float], int]) -> Tensor:
        return torch.tensor([0, *(to_id(value) for value in values)])

    steps = vocabulary.positions_per_whole // spoken.positions
    positions = [0, *(min(place // steps, spoken.positions - 1) + 1 for place in range(vocabulary.positions))]
    return {
        "family": torch.arange(vocabulary.sizes["family"]),
        "position": torch.tensor(positions),
        "pitch": torch.arange(vocabulary.sizes["pitch"]),
        "velocity": nearest(vocabulary.velocities, spoken.velocity_id),
        "duration": nearest(vocabulary.durations, lambda length: spoken.duration_id(max(1.0, length / steps))),
        "chord": torch.tensor([0, *(spoken.chord_ids[name] for name in vocabulary.chords)]),
        "tempo": nearest(vocabulary.tempos, spoken.tempo_id),
    }


def _stages(old: CompoundWordTransformer, new: CompoundWordTransformer, rows: Rows) -> dict[str, Tensor]:
    """Each new stage begins as the old one that predicted the first of its attributes that there were."""
    weights: dict[str, Tensor] = {}
    before = [stage for stage in old.stages if isinstance(stage, Stage)]
    for index, stage in enumerate(new.stages):
        assert isinstance(stage, Stage)
        own = {name: tensor.clone() for name, tensor in stage.state_dict().items()}
        source = next(s for s in before if any(name in s.names for name in stage.names))
        taken = source.state_dict()
        for name in ("mix.weight", "mix.bias", "norm.weight"):
            own[name] = taken[name]
        for name in source.given:
            if name in stage.given:
                own[f"embeddings.{name}.weight"] = taken[f"embeddings.{name}.weight"][rows[name]]
        start = 0
        for name, size in zip(stage.names, stage.sizes, strict=True):
            at = slice(start, start + size)
            start += size
            found = next((s for s in before if name in s.names), None)
            if found is None:  # an attribute that the first edition had not
                own["heads.weight"][at] *= 0.1
                own["heads.bias"][at] = 0
                continue
            first = sum(found.sizes[: found.names.index(name)])
            theirs = found.state_dict()
            ids = first + rows[name]
            own["heads.weight"][at] = theirs["heads.weight"][ids]
            # An id that stands for several new ones is as likely as all of them together.
            shared = torch.bincount(rows[name], minlength=found.sizes[found.names.index(name)])[rows[name]]
            own["heads.bias"][at] = theirs["heads.bias"][ids] - shared.float().log()
        weights |= {f"stages.{index}.{name}": tensor for name, tensor in own.items()}
    return weights
