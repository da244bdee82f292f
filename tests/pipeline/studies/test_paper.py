"""Protocol `paper`: column scores and masks by hand, the rounds, and its summary."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from pipeline.studies.params import PaperParams
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.resume import Resume
from pipeline.report.studies.paper import fair_rows, summarize
from pipeline.studies import paper
from pipeline.studies.paper import column_scores, keep_columns, paper_rows
from snnprune.core.dataset import Dataset
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import CriticalityParams, PruneParams
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import InfeasibleSelection, keep_count
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from tests.pipeline.studies.made import FINETUNE
from tests.pipeline.studies.tables import paper_table

Dense = Callable[[], SpikingNetwork]
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


def test_keep_columns_of_a_convolution() -> None:
    mask = Mask.dense({"first.weight": torch.zeros((5, 4, 3, 3))})
    kept = keep_columns(mask, torch.tensor([0.0, 3.0, 1.0, 2.0]), 0.5)
    assert kept["first.weight"].shape == (5, 4, 3, 3)
    assert columns(kept) == [False, True, False, True]


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_that_no_column_is_left_is_refused(level: float) -> None:
    mask = Mask.dense({"first.weight": torch.zeros((8, 4))})
    assert sum(columns(keep_columns(mask, torch.ones(4), 0.8))) == 1
    message = f"^sparsity {level} leaves none of the 4 inputs of first.weight; prune less$"
    with pytest.raises(InfeasibleSelection, match=message):
        keep_columns(mask, torch.ones(4), level)


def test_a_convolution_over_one_channel_is_refused() -> None:
    with pytest.raises(InfeasibleSelection, match="leaves none of the 1 inputs"):
        keep_columns(Mask.dense({"first.weight": torch.zeros((5, 1, 3, 3))}), torch.ones(1), 0.5)


@pytest.fixture
def rows(dense: Dense, dataset: Dataset, prune: PruneParams, params: PaperParams, resume: Resume) -> pd.DataFrame:
    return pd.DataFrame(paper_rows(dense(), dataset, params, prune, 0, resume)).set_index(["method", "level"])


@pytest.fixture
def params() -> PaperParams:
    block = {"levels": [0.3, 0.9], "rounds": 3, "batches": 2, "finetune": FINETUNE}
    return PaperParams.model_validate({**block, "criticality": {"batches": 1, "batch_size": 30}})


@pytest.fixture
def resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resume:
    monkeypatch.chdir(tmp_path)
    return Resume("paper/made", {}, [])


def test_every_method_ends_at_its_exact_number(rows: pd.DataFrame) -> None:
    assert len(rows) == 8
    for level, inputs, synapses in ((0.3, 11, 179), (0.9, 2, 26)):  # of 16 and 256: 11.2, 179.2, 1.6, 25.6
        assert rows.loc[("cqp", level), "nnz"] == rows.loc[("gradient", level), "nnz"] == inputs * 16
        assert rows.loc[("magnitude", level), "nnz"] == rows.loc[("random", level), "nnz"] == synapses
    assert (rows["sparsity"] == 1 - rows["nnz"] / 256).all()
    # Of all 484 synapses: 5 and 14 columns of 16, or 77 and 230 synapses, of the first layer.
    dropped = {("cqp", 0.3): 80, ("gradient", 0.9): 224, ("magnitude", 0.3): 77, ("random", 0.9): 230}
    for row, count in dropped.items():
        assert rows.loc[row, "network_sparsity"] == count / 484, row
    assert set(rows["protocol"]) == {"paper"}


def test_one_shot_methods_by_another_way(rows: pd.DataFrame, dense: Dense, dataset: Dataset) -> None:
    for level, keep in ((0.3, 179), (0.9, 26)):
        network = dense()
        weight = network.layers[1].weight
        flat = weight.detach().abs().flatten()
        dropped = flat.argsort(descending=True, stable=True)[keep:]
        weight.data.view(-1)[dropped] = 0
        assert rows.loc[("magnitude", level), "accuracy"] == accuracy(network, dataset.test)
        assert rows.loc[("magnitude", level), "validation_accuracy"] == accuracy(network, dataset.validation)


def test_the_defaults_are_the_authors() -> None:
    params = PaperParams.model_validate({"levels": [0.9], "finetune": FINETUNE})
    assert (params.alpha, params.rounds, params.batches) == (1.0, 3, 10)
    assert params.criticality == CriticalityParams(kind="sensitivity", batches=4, batch_size=512, frozen=False)


def test_criticality_is_measured_as_the_studys_own_block_says(
    dense: Dense,
    dataset: Dataset,
    prune: PruneParams,
    params: PaperParams,
    resume: Resume,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, seen = paper.make_problem, []

    def watched(network: object, mask: object, level: object, train: object, block: PruneParams, **more: object):
        seen.append(block)
        return original(network, mask, level, train, block, **more)

    monkeypatch.setattr(paper, "make_problem", watched)
    paper_rows(dense(), dataset, params, prune, 0, resume)
    assert len(seen) == 2 * (3 + 3)  # per level three rounds, and three methods in one step
    assert prune.criticality != params.criticality
    assert {block.criticality for block in seen} == {params.criticality}
    assert all(block.model_copy(update={"criticality": prune.criticality}) == prune for block in seen)


def test_the_rounds_are_linear_nested_and_fine_tune_the_whole_net_on_a_few_batches(
    dense: Dense,
    dataset: Dataset,
    prune: PruneParams,
    params: PaperParams,
    resume: Resume,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit, calls = paper.fit, []

    def watched(network: SpikingNetwork, optimizer: object, train: object, *args: object, **kwargs: object) -> list:
        start = [p.detach().clone() for p in network.parameters()]
        done = fit(network, optimizer, train, *args, **kwargs)
        weight = network.layers[1].weight.detach()
        changed = [not torch.equal(a, b) for a, b in zip(start, network.parameters(), strict=True)]
        calls.append((len(train.labels), (weight != 0).any(0), all(changed)))
        return done

    monkeypatch.setattr(paper, "fit", watched)
    paper_rows(dense(), dataset, params, prune, 0, resume)
    assert [samples for samples, _, _ in calls] == [40] * 6  # 2 batches of 20, in 3 rounds for each of 2 levels
    kept = [alive for _, alive, _ in calls]
    expected = [keep_count(level * share, 16) for level in (0.3, 0.9) for share in (1 / 3, 2 / 3, 1)]
    assert expected == [14, 13, 11, 11, 6, 2]
    assert [int(alive.sum()) for alive in kept] == expected
    for before, after in itertools.pairwise(kept):
        assert not (after & ~before).any() or before is kept[2]  # the second level starts from the dense net
    assert all(changed for _, _, changed in calls)


def levels_csv(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"level": level, "sparsity": level - 0.01, "nnz": 1, "validation_accuracy": a, "accuracy": a, "more": 0}
            for level, a in rows
        ]
    )


def test_fair_rows_are_those_at_the_levels() -> None:
    tables = {("cqp", 4): levels_csv((0.5, 0.9), (0.8, 0.7), (0.9, 0.6)), ("magnitude", 4): levels_csv((0.5, 0.8))}
    found: list[Row] = fair_rows(tables, [0.5, 0.7, 0.9])
    assert [(r["seed"], r["protocol"], r["method"], r["level"], r["accuracy"]) for r in found] == [
        (4, "fair", "cqp", 0.5, 0.9),
        (4, "fair", "cqp", 0.9, 0.6),
        (4, "fair", "magnitude", 0.5, 0.8),
    ]
    assert [(r["sparsity"], r["network_sparsity"]) for r in found] == [(0.49, 0.49), (0.89, 0.89), (0.49, 0.49)]
    assert "more" not in found[0]


def test_summary_by_hand() -> None:
    table = pd.DataFrame(
        [
            {
                "seed": seed,
                "protocol": "paper",
                "method": method,
                "level": 0.9,
                "sparsity": 0.9,
                "network_sparsity": 0.75 + seed / 8,
                "accuracy": value,
            }
            for method, values in {"cqp": (0.70, 0.76, 0.78), "magnitude": (0.9, 0.92, 0.94)}.items()
            for seed, value in zip((2, 0, 1), values, strict=True)
        ]
    )
    table = pd.concat([table[table["method"] == "magnitude"].iloc[::-1], table[table["method"] == "cqp"]])
    summary = summarize(table, "mnist")
    by = {result["method"]: result for result in summary["results"]}
    assert by["cqp"]["accuracy"]["mean"] == pytest.approx(2.24 / 3)
    assert (by["cqp"]["notebook"], by["cqp"]["abstract"]) == (pytest.approx(0.735), pytest.approx(0.956))
    assert (by["magnitude"]["notebook"], by["magnitude"]["abstract"]) == (pytest.approx(0.918), pytest.approx(0.934))
    # Paired by seed although the rows stand in another order: -20, -16, -16 points.
    (margin,) = summary["margins"]
    assert margin["margin_points"]["mean"] == pytest.approx(-52 / 3)
    assert margin["margin_points"]["sd"] == pytest.approx((16 / 3) ** 0.5)
    assert by["cqp"]["network_sparsity"]["mean"] == 0.875
    # With two degrees of freedom the 97.5 % quantile is 4.302653: half width 4.302653 * 4/sqrt(3) / sqrt(3) = 5.74.
    assert summary["findings"] == [
        "protocol paper at 0.9: magnitude 92.00 % [91.8 in the notebook, 93.4 in the abstract], "
        "cqp 74.67 % [73.5 in the notebook, 95.6 in the abstract]; CQP over magnitude -17.33 points (-23.07 to -11.60)"
    ]
    assert summary["metrics"]["paper_accuracy/magnitude/0.9"] == pytest.approx(0.92)


def test_findings_of_both_protocols_and_one_seed() -> None:
    table = paper_table()
    found = summarize(table[(table["seed"] == 0) & (table["level"] == 0.8)], "mnist")["findings"]
    # 0.98 - 0.25 * 0.8^8 and 0.98 - 0.07 * 0.8^8; under `fair` a twentieth of the loss. One seed has no interval.
    assert found == [
        "protocol paper at 0.8: cqp 93.81 % [90.6 in the notebook], magnitude 96.83 % [97.0 in the notebook]; "
        "CQP over magnitude -3.02 points",
        "protocol fair at 0.8: cqp 97.79 %, magnitude 97.94 %; CQP over magnitude -0.15 points",
    ]
    other = summarize(table[(table["seed"] == 0) & (table["level"] == 0.8)], "digits")["findings"]
    assert other[0] == "protocol paper at 0.8: cqp 93.81 %, magnitude 96.83 %; CQP over magnitude -3.02 points"


def test_published_values_stand_only_beside_their_dataset_and_protocol() -> None:
    found = summarize(paper_table(), "fashion_mnist")["results"]
    assert {r["protocol"] for r in found if "notebook" in r} == {"paper"}
    assert not [r for r in found if "abstract" in r]
    assert next(r for r in found if r["method"] == "gradient" and r["level"] == 0.7)["notebook"] == pytest.approx(0.464)
    assert not [r for r in summarize(paper_table(), "digits")["results"] if "notebook" in r or "abstract" in r]


def test_without_magnitude_there_is_no_margin() -> None:
    table = paper_table()
    assert summarize(table[table["method"] != "magnitude"], "mnist")["margins"] == []
