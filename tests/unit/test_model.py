from __future__ import annotations

import math

import pytest
import torch
from engine_models import assert_later_stages_alone_change, random_checkpoint, random_words

from composer.engine.model import STAGES, CompoundWordTransformer, Context, ModelConfig, loss_by_attribute
from composer.music.words import ATTRIBUTES, default_vocabulary

VOCABULARY = default_vocabulary()


@pytest.mark.parametrize("head_order", ["chained", "parallel"])
def test_logits_depend_on_the_attributes_of_earlier_stages_and_on_no_others(head_order: str) -> None:
    model = random_checkpoint(head_order=head_order).model
    context = Context(torch.randn(1, model.config.dim), None)
    word = random_words(VOCABULARY, 1, 1)[0]
    assert_later_stages_alone_change(model, context, word)


def test_the_family_is_predicted_first_and_alone() -> None:
    assert all(stages[0] == ("family",) for stages in STAGES.values())


def test_no_two_attributes_of_a_note_or_of_a_position_share_a_chained_stage() -> None:
    stage_of = {name: index for index, stage in enumerate(STAGES["chained"]) for name in stage}
    assert stage_of["role"] < stage_of["pitch"] < stage_of["duration"] < stage_of["velocity"]
    assert stage_of["position"] < stage_of["chord"] < stage_of["tempo"]


def test_loss_counts_only_words_that_use_the_attribute() -> None:
    sizes = VOCABULARY.sizes
    word = torch.zeros(1, 4, len(sizes), dtype=torch.long)
    word[0, :, 0] = torch.tensor([1, 2, 3, 0])  # bar, metrical, note, padding
    word[0, 2, ATTRIBUTES.index("pitch")] = 40
    flat = {name: torch.zeros(1, 4, size) for name, size in sizes.items()}
    losses = loss_by_attribute(flat, word)
    assert [int(losses[name][1]) for name in sizes] == [3, 0, 1, 0, 0, 0, 0, 0, 0]
    assert float(losses["pitch"][0]) == pytest.approx(math.log(sizes["pitch"]))
    assert float(losses["family"][0]) == pytest.approx(3 * math.log(sizes["family"]))
    assert float(losses["tempo"][0]) == 0
    flat["pitch"][0, 2, 40] = 9.0
    assert int(loss_by_attribute(flat, word)["pitch"][2]) == 1


def test_a_model_can_learn_a_sequence_by_heart() -> None:
    """Gradients reach every weight, and the loss of a repeated sequence falls to nearly nothing."""
    torch.manual_seed(0)
    model = CompoundWordTransformer(ModelConfig(VOCABULARY.sizes, dim=64, layers=2, heads=4, kv_heads=2, window=64))
    words = random_words(VOCABULARY, batch=1, length=25, seed=3).clamp(min=1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        losses = loss_by_attribute(model.logits(model(words[:, :-1]), words[:, 1:]), words[:, 1:])
        total = torch.stack([nats for nats, _, _ in losses.values()]).sum() / 24
        optimiser.zero_grad()
        total.backward()
        assert all(weight.grad is not None for weight in model.parameters())
        optimiser.step()
    assert total.item() < 0.1


@pytest.mark.parametrize(
    "bad",
    [
        {"dim": 30},
        {"heads": 4, "kv_heads": 3},
        {"heads": 0},
        {"kv_heads": 0},
        {"window": 0},
        {"layers": -1},
        {"dropout": 1.0},
        {"positions": "nonsense"},
        {"head_order": "nonsense"},
        {"sizes": {"pitch": 3}},
        {"sizes": {name: size for name, size in VOCABULARY.sizes.items() if name != "role"}},
        {"sizes": dict(reversed(VOCABULARY.sizes.items()))},
    ],
)
def test_impossible_models_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"sizes|multiple|at least 1|dropout|positions"):
        ModelConfig(**({"sizes": VOCABULARY.sizes} | bad))  # type: ignore[arg-type]
