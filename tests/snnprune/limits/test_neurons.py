"""Whole neurons: worked by hand, and how far the heuristic is from the best of all sets of neurons."""

from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor

from snnprune.limits.costs import Costs, total
from snnprune.limits.neurons import whole_neurons
from snnprune.pruning.mask import Mask


def ones(scores: dict[str, Tensor]) -> Costs:
    return Costs({name: torch.ones_like(layer) for name, layer in scores.items()})


def test_a_neuron_goes_with_its_inputs_and_outputs() -> None:
    """2-3-1: the neurons' means are (1 + 2 + 3) / 3, (5 + 5 + 5) / 3 and (1 + 1 + 1) / 3; six synapses are two."""
    scores = {"a": torch.tensor([[1.0, 2.0], [5.0, 5.0], [1.0, 1.0]]), "b": torch.tensor([[3.0, 5.0, 1.0]])}
    mask = whole_neurons(scores, Mask.dense(scores), ones(scores), 6)
    assert mask["a"].tolist() == [[True, True], [True, True], [False, False]]
    assert mask["b"].tolist() == [[True, True, False]]
    assert whole_neurons(scores, Mask.dense(scores), ones(scores), 5).nnz == 3
    assert whole_neurons(scores, Mask.dense(scores), ones(scores), 9).nnz == 9


def test_what_a_neuron_costs_itself_goes_with_it() -> None:
    """Three synapses and a neuron's 10; with the others' 1 and 1 they are 21. The first, of the lowest score for its
    cost, goes before the third, and without it the two are 8."""
    scores = {"a": torch.tensor([[1.0, 2.0], [5.0, 5.0], [1.0, 1.0]]), "b": torch.tensor([[3.0, 5.0, 1.0]])}
    own = torch.tensor([10.0, 1.0, 1.0])
    costs = Costs(ones(scores).by_synapse, 0.0, lambda mask: {"a": own * mask["b"].any(0)})
    assert costs.of(Mask.dense(scores)) == 21
    mask = whole_neurons(scores, Mask.dense(scores), costs, 20)
    assert mask["b"].tolist() == [[False, True, True]] and costs.of(mask) == 8


def test_the_best_of_each_layer_stays_even_where_that_is_too_much() -> None:
    scores = {"a": torch.tensor([[1.0], [2.0]]), "b": torch.tensor([[1.0, 2.0]])}
    mask = whole_neurons(scores, Mask.dense(scores), ones(scores), 1)
    assert (mask["a"].tolist(), mask["b"].tolist()) == ([[False], [True]], [[False, True]])


def test_channels_of_convolutions_go_with_all_they_feed() -> None:
    """Channel 0 of two goes: a kernel, an input channel of the next convolution, and of the layer after, which sees
    channels at 2 positions each, every second pair of columns where its channel 1 went as well."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (2, 1, 3, 3), "b": (2, 2, 2, 2), "c": (3, 4)}
    scores = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    scores["a"][0], scores["b"][1] = 0, 0
    mask = whole_neurons(scores, Mask.dense(scores), ones(scores), 19)
    assert (mask["a"].flatten(1).any(1).tolist(), mask["a"].flatten(1).all(1).tolist()) == ([False, True],) * 2
    assert mask["b"].flatten(2).all(2).tolist() == [[False, True], [False, False]]
    assert mask["c"].tolist() == [[True, True, False, False]] * 3


def test_a_net_without_hidden_layers_stays() -> None:
    scores = {"a": torch.rand((2, 3))}
    assert whole_neurons(scores, Mask.dense(scores), ones(scores), 1).nnz == 6


@pytest.mark.parametrize("seed", range(6))
def test_against_every_set_of_neurons(seed: int) -> None:
    """4-5-4-2 with some neurons better than others: the heuristic keeps most of the score of the best set by brute
    force, among those of at least a neuron a layer and at most so many synapses; it is no optimum."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (4, 5, 4, 2)
    quality = [torch.rand(size, generator=generator) for size in sizes]
    scores = {
        str(index): torch.rand((after, before), generator=generator) * quality[index + 1][:, None] * quality[index]
        for index, (before, after) in enumerate(pairwise(sizes))
    }
    limit = 22
    best = 0.0
    for first, second in ((a, b) for a in subsets(5) for b in subsets(4)):
        rows = [torch.isin(torch.arange(size), torch.tensor(kept)) for size, kept in ((5, first), (4, second))]
        mask = Mask({
            "0": rows[0][:, None].expand(5, 4),
            "1": rows[1][:, None] & rows[0],
            "2": rows[1].expand(2, 4),
        })  # fmt: skip
        if mask.nnz <= limit:
            best = max(best, total(scores, mask))
    mask = whole_neurons(scores, Mask.dense(scores), ones(scores), limit)
    assert mask.nnz <= limit
    assert 0.7 * best < total(scores, mask) <= best + 1e-6


def subsets(size: int) -> list[tuple[int, ...]]:
    return [chosen for count in range(1, size + 1) for chosen in combinations(range(size), count)]
