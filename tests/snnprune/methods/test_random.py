"""Random pruning: the draw follows the seed and is uniform over all synapses."""

import pytest
import torch
from torch import Tensor

from snnprune.methods import random
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem

WEIGHTS = {"large": torch.ones(20, 12), "small": torch.ones(4, 9)}


def drawn(seed: int, keep: int = 138, scope: str = "global") -> Tensor:
    problem = Problem(WEIGHTS, Mask.dense(WEIGHTS), keep, scope, seed=seed, criticality=dict)
    return random.prune(problem, random.Params()).vector()


def test_the_seed_decides() -> None:
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_torch_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    drawn(1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_uniform_over_synapses_and_so_over_layers(scope: str) -> None:
    # Keep half of 276. Over 200 draws a synapse is kept with a standard deviation of 0.035, the small layer's share
    # with one of about 0.006.
    shares = torch.stack([drawn(seed, scope=scope) for seed in range(200)]).double().mean(0)
    assert shares.mean().item() == pytest.approx(0.5)
    assert shares[240:].mean().item() == pytest.approx(0.5, abs=0.03)
    assert 0.3 < shares.min() < shares.max() < 0.7


def test_weights_play_no_role() -> None:
    problem = Problem(
        {name: torch.zeros_like(layer) for name, layer in WEIGHTS.items()},
        Mask.dense(WEIGHTS),
        138,
        "global",
        seed=1,
        criticality=dict,
    )
    assert torch.equal(random.prune(problem, random.Params()).vector(), drawn(1))
