"""Small random models for the engine's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FARTHEST_BAR, FARTHEST_END, FIELDS, UNKNOWN, anchors_of
from composer.engine.checkpoint import Checkpoint
from composer.engine.model import CompoundWordTransformer, Context, ModelConfig
from composer.engine.native.steps import NativeSteps
from composer.engine.steps import Steps
from composer.engine.torch_steps import TorchSteps
from composer.music.words import USED, Family, Vocabulary, Word, default_vocabulary
from composer.request import Request

WHOLE_KINDS = ("torch", "native float32")  # of steps that hold the weights as they are
KINDS = (*WHOLE_KINDS, "native int8")

# Rotary positions are left to torch, so that there is time to watch a piece and to interrupt it.
SLOW: dict[str, Any] = {"dim": 256, "layers": 6, "window": 256, "positions": "rotary", "alibi": False}
TINY: dict[str, Any] = {"dim": 16, "layers": 1, "heads": 2, "kv_heads": 1, "window": 24}


def random_checkpoint(vocabulary: Vocabulary | None = None, seed: int = 1, **config: object) -> Checkpoint:
    """An untrained small model, far from flat in what it predicts, and fond of notes as music is."""
    vocabulary = vocabulary or default_vocabulary()
    torch.manual_seed(seed)
    small = {"dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "window": 48} | config
    model = CompoundWordTransformer(ModelConfig(vocabulary.sizes, **small))  # type: ignore[arg-type]
    std = 0.3 * (32 / model.config.dim) ** 0.5  # the same music from a wide model as from a narrow one
    for stage in model.stages:
        torch.nn.init.normal_(stage.heads.weight, std=std)  # type: ignore[union-attr, arg-type]
    with torch.no_grad():
        model.stages[0].heads.bias += torch.tensor([0.0, -4.0, 1.5, 2.5, -4.0])  # type: ignore[union-attr, operator]
    return Checkpoint("random", model.eval().requires_grad_(False), vocabulary, "")


def steps_of(kind: str, checkpoint: Checkpoint, slots: int) -> Steps:
    """One of KINDS. Where nothing is compiled the native ones fail: the set-up of the tests has a compiler."""
    if kind == "torch":
        return TorchSteps(checkpoint, slots, torch.device("cpu"))
    return NativeSteps(checkpoint, slots, whole=kind == "native float32")


def random_words(vocabulary: Vocabulary, batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Any ids at all: (batch, length, attributes)."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, size, (batch, length), generator=generator) for size in vocabulary.sizes.values()]
    return torch.stack(columns, dim=-1)


def looping_checkpoint(certainty: float = 12.0, seed: int = 20, **config: object) -> Checkpoint:
    """It likes best what stood a bar or two before, and goes round until it is not told any more.

    It has all that a word is told: hints, what the opening was like, and how many bars are before it and left.
    """
    told = {"lags": (1, 2), "memory": 100, "anchors": True}
    checkpoint = random_checkpoint(seed=seed, **(TINY | told | config))
    model = checkpoint.model
    torch.nn.init.normal_(model.returns.project.weight, std=0.1)  # type: ignore[union-attr]
    for field, table in enumerate(model.anchors.parameters()):  # type: ignore[union-attr]
        # What changes from bar to bar is said softly, or no bar would be like the one before.
        torch.nn.init.normal_(table, std=0.03 if field >= BARS_BEFORE else 0.3)
    for stage in model.stages:
        torch.nn.init.constant_(stage.copying.gates.bias, certainty)  # type: ignore[union-attr, arg-type]
    return checkpoint


def stuck_checkpoint() -> Checkpoint:
    """It knows nothing but the last word: drawn greedily, every bar is like the one before, warm or not."""
    checkpoint = random_checkpoint(seed=33, **TINY)
    for name, weight in checkpoint.model.named_parameters():
        if name.endswith(("attention.out.weight", "feed.2.weight")):
            torch.nn.init.zeros_(weight)
    return checkpoint


def anchors_told(request: Request, words: Sequence[Word], vocabulary: Vocabulary) -> torch.Tensor:
    """What is told with each word of the opening and of a continuation: (1, words, fields)."""
    rows = []
    bars = bars_before = 0
    for at, word in enumerate([*request.words, *words]):
        new = at >= len(request.words)
        bars_before += word.family == Family.BAR
        bars += new and word.family == Family.BAR
        row = list(anchors_of(request.words, vocabulary)) if new else [UNKNOWN] * len(FIELDS)
        row[BARS_BEFORE] = 1 + min(FARTHEST_BAR, bars_before - 1)
        row[BARS_LEFT] = 1 + min(FARTHEST_END, request.bars - bars) if new and request.ending else UNKNOWN
        rows.append(tuple(row))
    return torch.tensor([rows])


@torch.inference_mode()
def nats_of(checkpoint: Checkpoint, request: Request, words: Sequence[Word]) -> list[float]:
    """How unlikely the model finds each word of a continuation behind the first, from its parallel form.

    What may follow is read off the words, not off the engine's masks; the meter goes on as it was.
    """
    model, vocabulary = checkpoint.model, checkpoint.vocabulary
    known, following = (torch.tensor([rows]) for rows in ([*request.words, *words[:-1]], words[1:]))
    context = model(known, anchors=anchors_told(request, words[:-1], vocabulary))[:, len(request.words) :]
    logits = {name: part[0] for name, part in model.logits(context, following).items()}
    every = range(1, vocabulary.sizes["role"])
    playing = {word.role for word in request.words if word.family == Family.NOTE} or every
    positions = vocabulary.bar_lengths[words[0].meter]
    nats: list[float] = []
    position = pitch = role = 0  # of the last word that has one; before a position no role is open

    def roles() -> list[int]:
        """Those that may play the next note."""
        return [one for one in playing if position and (one > role or (one == role and pitch > 1))]

    for at, word in enumerate(words[1:]):
        family = logits["family"][at]
        over = torch.logaddexp(family[Family.BAR], family[Family.END])
        ways = [over]
        ways += [family[Family.METRICAL]] if position < positions else []
        ways += [family[Family.NOTE]] if roles() else []
        chosen = over if word.family in (Family.BAR, Family.END) else family[word.family]
        total = torch.stack(ways).logsumexp(0) - chosen
        allowed = {name: list(range(1, vocabulary.sizes[name])) for name in USED[Family(word.family)]}
        match word.family:
            case Family.BAR:
                allowed["meter"] = [words[0].meter]
                position = pitch = role = 0
            case Family.METRICAL:
                allowed["position"] = list(range(position + 1, positions + 1))
                position, pitch, role = word.position, vocabulary.sizes["pitch"], 0
            case Family.NOTE:
                allowed["role"] = roles()
                if word.role == role:
                    allowed["pitch"] = list(range(1, pitch))
                role, pitch = word.role, word.pitch
        for name, ids in allowed.items():
            total = total + logits[name][at, ids].logsumexp(0) - logits[name][at, getattr(word, name)]
        nats.append(float(total))
    return nats


def assert_later_stages_alone_change(model: CompoundWordTransformer, context: Context, word: torch.Tensor) -> None:
    """That logits depend on the attributes of earlier stages and on no others. word: (1, attributes)"""
    before = model.logits(context, word)
    stage_of = {name: index for index, stage in enumerate(model.config.stages) for name in stage}
    attributes = model.config.attributes
    assert set(stage_of) == set(attributes)
    for column, changed in enumerate(attributes):
        other = word.clone()
        other[0, column] = (other[0, column] + 1) % model.config.sizes[changed]
        after = model.logits(context, other)
        for name in attributes:
            assert torch.equal(after[name], before[name]) == (stage_of[name] <= stage_of[changed]), (changed, name)
