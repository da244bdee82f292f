"""Regrowth: how many are revived at which level, which ones, and that without any it is magnitude."""

import pytest
import torch
from torch import Tensor

from snnprune.methods import magnitude, regrow
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_count

Layers = dict[str, Tensor]


def problem(weights: Layers, neurons: Layers, keep: int, scope: str = "global") -> Problem:
    """`neurons`: criticality [outputs] of the neurons that each weight feeds."""

    def by_kind(kind: str | None = None) -> Layers:
        assert kind == "membrane"
        return {name: neurons[name][:, None].expand_as(weight) for name, weight in weights.items()}

    return Problem(weights, Mask.dense(weights), keep, scope, seed=0, criticality=by_kind)


def share(r: float) -> regrow.Params:
    return regrow.Params(regrowth=[regrow.Regrowth(upto=0.9, r=r)])


WEIGHTS = {"a": torch.tensor([[0.9, -0.1, 0.2], [0.8, 0.3, -0.4]])}
FIRST, SECOND = {"a": torch.tensor([5.0, 1.0])}, {"a": torch.tensor([1.0, 5.0])}


@pytest.mark.parametrize(
    ("neurons", "r", "expected"),
    [
        # keep 4 of 6; r = 0.5 keeps 0.9 and 0.8 by size, then revives two.
        (FIRST, 0.5, [[1, 1, 1], [1, 0, 0]]),
        (SECOND, 0.5, [[1, 0, 0], [1, 1, 1]]),
        # r = 0.25 keeps 0.9, 0.8 and 0.4 and revives the larger one of the critical neuron.
        (FIRST, 0.25, [[1, 0, 1], [1, 0, 1]]),
        (SECOND, 0.25, [[1, 0, 0], [1, 1, 1]]),
        (FIRST, 0.0, [[1, 0, 0], [1, 1, 1]]),
        # r = 1 revives all: the critical neuron's three, then the other one's largest.
        (FIRST, 1.0, [[1, 1, 1], [1, 0, 0]]),
        (SECOND, 1.0, [[1, 0, 0], [1, 1, 1]]),
    ],
)
def test_by_hand(neurons: Layers, r: float, expected: list[list[int]]) -> None:
    assert regrow.prune(problem(WEIGHTS, neurons, 4), share(r))["a"].int().tolist() == expected


def test_neurons_of_equal_criticality_revive_the_larger_weight_then_the_lower_index() -> None:
    weights = {"a": torch.tensor([[9.0, 8.0, 1.0], [2.0, 1.0, 2.0]])}
    found = regrow.prune(problem(weights, {"a": torch.tensor([1.0, 1.0])}, 4), share(0.25))
    assert found["a"].int().tolist() == [[1, 1, 0], [1, 0, 1]]  # by size 9, 8 and the first 2; revived the other 2


def random_layers(seed: int) -> tuple[Layers, Layers]:
    """1,200 and 800 synapses with a criticality per neuron."""
    generator = torch.Generator().manual_seed(seed)
    weights = {"a": torch.randn(40, 30, generator=generator), "b": torch.randn(20, 40, generator=generator)}
    return weights, {name: torch.rand(len(weight), generator=generator) for name, weight in weights.items()}


# By default r is 0.2 up to 0.90, 0.1 up to 0.95 and 0.01 above; 2,000 synapses.
@pytest.mark.parametrize(
    ("level", "keep", "revived"),
    [(0.5, 1000, 200), (0.9, 200, 40), (0.92, 160, 16), (0.95, 100, 10), (0.97, 60, 1), (0.98, 40, 0), (0.99, 20, 0)],
)
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_as_many_are_revived_as_the_level_says_by_criticality(
    level: float, keep: int, revived: int, scope: str
) -> None:
    weights, neurons = random_layers(0)
    given = problem(weights, neurons, keep_count(level, 2000), scope)
    found = regrow.prune(given, regrow.Params())
    assert found.nnz == given.keep == keep
    sizes = {name: weight.abs() for name, weight in weights.items()}
    deeper = problem(weights, neurons, keep - revived, scope).keep_top(sizes)
    assert deeper.inside(found)
    assert found.nnz - deeper.nnz == revived
    by_size = magnitude.prune(given, magnitude.Params())
    assert torch.equal(found.vector(), by_size.vector()) == (revived == 0)
    critical = given.criticality("membrane")
    for names in [["a", "b"]] if scope == "global" else [["a"], ["b"]]:
        back = torch.cat([critical[name][found[name] & ~deeper[name]] for name in names])
        gone = torch.cat([critical[name][~found[name]] for name in names])
        assert not len(back) or back.min() >= gone.max()
    if scope == "layer":
        assert [int(layer.sum()) for layer in found.values()] == [keep * 3 // 5, keep * 2 // 5]


@pytest.mark.parametrize(("level", "r"), [(0.9, 0.2), (0.95, 0.1), (0.98, 0.01), (0.92, 0.1), (0.97, 0.01)])
@pytest.mark.parametrize("size", [234_752, 134_528, 11_111, 228, 101])
def test_a_listed_level_has_its_own_r_whatever_the_number_of_synapses(level: float, r: float, size: int) -> None:
    # Of 234,752 synapses 90 % leaves 23,475.2: the 23,475 that are kept are a sparsity a little above 0.9.
    assert regrow.Params().share(keep_count(level, size), size) == r
