"""All attributes of a word drawn for a whole batch at once, each row by its own settings and its own random numbers.

Nothing in here waits for the device or asks it anything, so that a step can be recorded once and played back.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from composer.engine.grammar import Grammar
from composer.engine.guards import NO_PULL
from composer.engine.model import CompoundWordTransformer, Context, Stage
from composer.music.words import ATTRIBUTES, Family, Vocabulary
from composer.sampling import MAX_TEMPERATURE, SamplingParams

WARMER, LEAST_WARM = 1.25, 0.8  # times the pitch temperature that was set, and what it is raised to at least
PITCH = ATTRIBUTES.index("pitch")
SPREAD_WHOLES = 0.5  # of a whole note: so much left out is as good as all of it
COLDEST = 1e-3  # temperatures below it are greedy in effect; the division needs a number


def nucleus_filter(logits: Tensor, temperature: Tensor, top_p: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of the nucleus (Holtzman et al. 2020), largest first, and the ids that they belong to.

    logits: (..., ids)   temperature, top_p: (...)   -> both (..., ids); not normalised, 0 outside the nucleus.
    The likeliest id always survives; at temperature 0 it is the only one.
    """
    scaled = logits / temperature.clamp(min=COLDEST)[..., None]
    probabilities, ids = scaled.softmax(-1).sort(dim=-1, descending=True, stable=True)
    before = probabilities.cumsum(-1) - probabilities
    kept = before < torch.where(temperature > 0, top_p, 0.0)[..., None]
    kept[..., 0] = True
    return probabilities * kept, ids


def draw(logits: Tensor, temperature: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """One id a row by inverting the distribution function. uniform: (...) in [0, 1) -> ids (...)."""
    probabilities, ids = nucleus_filter(logits, temperature, top_p)
    cumulative = probabilities.cumsum(-1)
    index = (cumulative <= uniform[..., None] * cumulative[..., -1:]).sum(-1, keepdim=True)
    last = (probabilities > 0).sum(-1, keepdim=True) - 1  # rounding must not step over the nucleus' edge
    last = last.clamp(min=0)  # where logits are no numbers there is no nucleus; whoever draws sees it by the nats
    return ids.gather(-1, torch.minimum(index, last)).squeeze(-1)


def farthest_spread(vocabulary: Vocabulary) -> int:
    """In positions."""
    return round(SPREAD_WHOLES * vocabulary.positions_per_whole)


class Drawer:
    """The settings of every slot, and the draw of the next word.

    warmed: (slots,) of bool, whose pitches are drawn warmer than their settings say   pulls: (slots, fields of Pull)
    """

    def __init__(self, vocabulary: Vocabulary, slots: int, device: torch.device) -> None:
        self.farthest_spread = farthest_spread(vocabulary)
        self.temperature = torch.ones(slots, len(ATTRIBUTES), device=device)
        self.top_p = torch.ones(slots, len(ATTRIBUTES), device=device)
        self.warmed = torch.zeros(slots, dtype=torch.bool, device=device)
        self.pulls = torch.zeros(slots, len(NO_PULL), device=device)

    def start(self, slot: int, sampling: SamplingParams) -> None:
        device = self.temperature.device
        self.temperature[slot] = torch.tensor([sampling[name].temperature for name in ATTRIBUTES], device=device)
        self.top_p[slot] = torch.tensor([sampling[name].top_p for name in ATTRIBUTES], device=device)

    def draw_word(
        self, model: CompoundWordTransformer, grammar: Grammar, context: Context, uniform: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next word of every slot: (slots, attributes), and the nats that the model gives it: (slots,).

        context: (slots,)   uniform: (slots, attributes), the random numbers
        """
        temperature = self._temperature()
        word: dict[str, Tensor] = {}
        nats = torch.zeros(len(uniform), device=uniform.device)
        for stage in model.stages:
            assert isinstance(stage, Stage)
            logits = stage(context, word)
            masked = [_masked(grammar, name, logits[name].float(), word) for name in stage.names]
            widest = max(part.shape[-1] for part in masked)
            together = torch.stack([F.pad(part, (0, widest - part.shape[-1]), value=-math.inf) for part in masked], 1)
            columns = [ATTRIBUTES.index(name) for name in stage.names]
            settings = [torch.stack([of[:, i] for i in columns], 1) for of in (temperature, self.top_p, uniform)]
            pulled = torch.stack([self._pulled(grammar, name, together[:, i]) for i, name in enumerate(stage.names)], 1)
            ids = draw(pulled, *settings)
            for likely in together.log_softmax(-1).gather(-1, ids[..., None]).unbind(1):
                nats -= likely[:, 0]  # one after the other: a sum over three rounds by where its row lies
            word |= zip(stage.names, ids.unbind(1), strict=True)
        return torch.stack([word[name] for name in model.config.attributes], dim=1), nats

    def _pulled(self, grammar: Grammar, name: str, logits: Tensor) -> Tensor:
        """(slots, ids) of an attribute -> the same, pulled."""
        notes, spread, loudness, register = self.pulls.T[:, :, None]
        ids = torch.arange(logits.shape[1], device=logits.device)
        pulled = logits
        if name == "family":
            pulled = logits - notes * (ids == Family.NOTE)
        if name == "position":
            pulled = logits + spread * (ids - grammar.state.position[:, None]).clamp(0, self.farthest_spread)
        if name == "velocity":
            pulled = logits + loudness * ids
        if name == "pitch":
            pulled = logits + register * ids
        return pulled

    def _temperature(self) -> Tensor:
        """(slots, attributes)"""
        pitch = self.temperature[:, PITCH]
        warm = (WARMER * pitch).clamp(min=LEAST_WARM, max=MAX_TEMPERATURE)
        temperature = self.temperature.clone()
        temperature[:, PITCH] = torch.where(self.warmed, warm, pitch)
        return temperature


def _masked(grammar: Grammar, name: str, logits: Tensor, word: dict[str, Tensor]) -> Tensor:
    return grammar.family(logits) if name == "family" else grammar.attribute(name, logits, word)
