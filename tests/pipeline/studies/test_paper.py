"""Protocol `paper`: column scores and masks by hand, and the rounds."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.studies import paper
from pipeline.studies.paper import Params, column_scores, keep_columns
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import accuracy
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import CriticalityParams, PruneParams
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import InfeasibleSelection, keep_count
from tests.pipeline.studies.made import FINETUNE, Dense, Measure

PARAMS = {"levels": [0.3, 0.9], "rounds": 3, "batches": 2, "finetune": FINETUNE}
PARAMS |= {"criticality": {"batches": 1, "batch_size": 30}}
WEIGHT = torch.tensor([[1.0, -2.0, 0.0, 3.0], [-1.0, 0.5, 4.0, 0.0]])
CRITICALITY = torch.tensor([[2.0, 0.0, 1.0, 0.0], [6.0, 2.0, 1.0, 0.0]])  # column means 4, 1, 1, 0


def problem(weight: Tensor, critical: Tensor) -> Problem:
    weights = {"first.weight": weight}
    return Problem(weights, Mask.dense(weights), 0, "global", 0, lambda kind=None: {"first.weight": critical})


def columns(mask: Mask) -> list[bool]:
    """Input by input whether it is kept, after checking that it is kept or dropped whole."""
    (layer,) = mask.values()
    by_input = layer.transpose(0, 1).flatten(1)
    assert torch.equal(by_input.any(1), by_input.all(1))
    return by_input.any(1).tolist()


@pytest.mark.parametrize(
    ("alpha", "scores"),
    [
        (0.0, [2.0, 2.5, 4.0, 3.0]),  # sums of |w|
        (1.0, [2.0, 2.5 / 4, 1.0, 0.0]),  # times 1, 1/4, 1/4, 0
        (0.5, [2.0, 1.25, 2.0, 0.0]),  # times 1, 1/2, 1/2, 0
    ],
)
def test_column_scores_by_hand(alpha: float, scores: list[float]) -> None:
    assert column_scores(problem(WEIGHT, CRITICALITY), alpha).tolist() == pytest.approx(scores)


def test_column_scores_of_a_convolution_are_by_input_channel() -> None:
    weight = torch.zeros((2, 3, 1, 2))
    weight[:, 0] = torch.tensor([[[1.0, -1.0]], [[2.0, 0.0]]])  # sum of |w|: 4
    weight[:, 1] = torch.tensor([[[0.0, 3.0]], [[0.0, -2.0]]])  # 5
    critical = torch.zeros((2, 3, 1, 2))
    critical[:, 0], critical[:, 1] = 4.0, 1.0
    assert column_scores(problem(weight, critical), 0.0).tolist() == [4.0, 5.0, 0.0]
    assert column_scores(problem(weight, critical), 0.5).tolist() == pytest.approx([4.0, 2.5, 0.0])


def test_keep_columns_by_hand() -> None:
    mask = Mask.dense({"first.weight": WEIGHT})
    half = keep_columns(mask, torch.tensor([2.0, 1.25, 2.0, 0.0]), 0.5)
    assert columns(half) == [True, False, True, False]
    # A dropped column stays so, whatever its score now.
    assert columns(keep_columns(half, torch.tensor([1.0, 9.0, 2.0, 9.0]), 0.75)) == [False, False, True, False]
    assert columns(keep_columns(half, torch.tensor([-5.0, 9.0, -6.0, 9.0]), 0.5)) == [True, False, True, False]
    # Among equals the lower index.
    assert columns(keep_columns(mask, torch.ones(4), 0.25)) == [True, True, True, False]
    convolution = Mask.dense({"first.weight": torch.zeros((5, 4, 3, 3))})
    assert columns(keep_columns(convolution, torch.tensor([0.0, 3.0, 1.0, 2.0]), 0.5)) == [False, True, False, True]


@pytest.mark.parametrize(("shape", "level"), [((8, 4), 0.9), ((8, 4), 0.99), ((5, 1, 3, 3), 0.5)])
def test_that_no_column_is_left_is_refused(shape: tuple[int, ...], level: float) -> None:
    mask = Mask.dense({"first.weight": torch.zeros(shape)})
    assert sum(columns(keep_columns(mask, torch.ones(shape[1]), 0.4))) == round(0.6 * shape[1])
    message = f"^sparsity {level} leaves none of the {shape[1]} inputs of first.weight; prune less$"
    with pytest.raises(InfeasibleSelection, match=message):
        keep_columns(mask, torch.ones(shape[1]), level)


def test_every_method_ends_at_its_exact_number_by_another_way(measure: Measure, dense: Dense, dataset: Dataset) -> None:
    rows = measure("paper", **PARAMS).set_index(["method", "level"])
    assert len(rows) == 8
    for level, inputs, synapses in ((0.3, 11, 179), (0.9, 2, 26)):  # of 16 and 256: 11.2, 179.2, 1.6, 25.6
        assert rows.loc[("cqp", level), "nnz"] == rows.loc[("gradient", level), "nnz"] == inputs * 16
        assert rows.loc[("magnitude", level), "nnz"] == rows.loc[("random", level), "nnz"] == synapses
        network = dense()
        weight = network.layers[1].weight
        dropped = weight.detach().abs().flatten().argsort(descending=True, stable=True)[synapses:]
        weight.data.view(-1)[dropped] = 0
        assert rows.loc[("magnitude", level), "accuracy"] == accuracy(network, dataset.test)
        assert rows.loc[("magnitude", level), "validation_accuracy"] == accuracy(network, dataset.validation)
    assert (rows["sparsity"] == 1 - rows["nnz"] / 256).all()
    # Of all 484 synapses: 5 and 14 columns of 16, or 77 and 230 synapses, of the first layer.
    dropped = {("cqp", 0.3): 80, ("gradient", 0.9): 224, ("magnitude", 0.3): 77, ("random", 0.9): 230}
    for row, count in dropped.items():
        assert rows.loc[row, "network_sparsity"] == count / 484, row
    assert set(rows["protocol"]) == {"paper"}


def test_the_defaults_are_the_authors() -> None:
    params = Params.model_validate({"levels": [0.9], "finetune": FINETUNE})
    assert (params.alpha, params.rounds, params.batches) == (1.0, 3, 10)
    assert params.criticality == CriticalityParams(kind="sensitivity", batches=4, batch_size=512, frozen=False)


def test_criticality_is_measured_as_the_own_block_says(
    measure: Measure, prune: PruneParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, seen = paper.make_problem, []

    def watched(network: object, mask: object, level: object, train: object, block: PruneParams, **more: Any):
        seen.append(block)
        return original(network, mask, level, train, block, **more)

    monkeypatch.setattr(paper, "make_problem", watched)
    measure("paper", **PARAMS)
    own = CriticalityParams(**PARAMS["criticality"])
    assert len(seen) == 2 * (3 + 3)  # per level three rounds, and three methods in one step
    assert all(block == prune.model_copy(update={"criticality": own}) != prune for block in seen)


def test_rounds_are_linear_nested_and_fine_tune_on_a_few_batches(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    finetune, calls = paper.finetune, []

    def watched(network: SpikingNetwork, mask: Mask, train: object, *args: object, **kwargs: object) -> list:
        start = [p.detach().clone() for p in network.parameters()]
        done = finetune(network, mask, train, *args, **kwargs)
        weight = network.layers[1].weight.detach()
        changed = [not torch.equal(a, b) for a, b in zip(start, network.parameters(), strict=True)]
        calls.append((len(train.labels), (weight != 0).any(0), all(changed)))
        return done

    monkeypatch.setattr(paper, "finetune", watched)
    measure("paper", **PARAMS)
    assert [samples for samples, _, _ in calls] == [40] * 6  # 2 batches of 20, in 3 rounds for each of 2 levels
    kept = [alive for _, alive, _ in calls]
    expected = [keep_count(level * share, 16) for level in (0.3, 0.9) for share in (1 / 3, 2 / 3, 1)]
    assert expected == [14, 13, 11, 11, 6, 2]
    assert [int(alive.sum()) for alive in kept] == expected
    for before, after in itertools.pairwise(kept):
        assert not (after & ~before).any() or before is kept[2]  # the second level starts from the dense net
    assert all(changed for _, _, changed in calls)
