"""The ReLU network's rows: pruned by the stages' own code, counted, and what does not fit an experiment."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline.io.params import Matrix
from pipeline.study import Experiment, Inputs, load_study
from snnprune.ann.counts import count
from snnprune.ann.network import relu_network
from snnprune.ann.quantise import quantised
from snnprune.core.network import SpikingNetwork
from snnprune.core.seeds import seed_everything
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.params import PruneParams
from snnprune.pruning.registry import load_method
from tests.pipeline.studies.made import FINETUNE, LEVELS, SYNAPSES


def relu(inputs: Inputs) -> SpikingNetwork:
    """The dense ReLU network of seed 0, trained as the experiment's spiking ones."""
    spec, params = inputs.dense(0).spec, inputs.blocks["train"]
    seed_everything(0)
    network = relu_network(spec)
    fit(network, make_optimizer(network, params), inputs.dataset.train, None, params, seed_path=(0,))
    return network


@pytest.fixture
def made_inputs(inputs: Callable[..., Inputs]) -> Inputs:
    return inputs("ann", levels=LEVELS, alpha=0.25)


@pytest.fixture
def rows(made_inputs: Inputs) -> pd.DataFrame:
    return pd.DataFrame(load_study("ann").rows(made_inputs, 0))


def test_rows_are_of_every_net_as_it_is_and_quantised(rows: pd.DataFrame) -> None:
    nets = [("dense", 0.0), *((method, level) for method in ("cqp", "magnitude") for level in LEVELS)]
    expected = [(*net, precision) for net in nets for precision in ("float32", "quantised")]
    assert list(rows[["method", "level", "precision"]].itertuples(index=False, name=None)) == expected
    assert rows["nnz"].tolist() == [round((1 - level) * SYNAPSES) for _, level, _ in expected]
    bits = rows.groupby("precision")[["weight_bits", "activation_bits"]].first()
    assert bits.loc["float32"].tolist() == [32, 32]
    assert bits.loc["quantised"].tolist() == [8, 3]  # T = 5
    assert (rows["macs"] <= rows["dense_macs"]).all()
    assert set(rows["dense_macs"]) == {SYNAPSES}
    assert set(rows["neurons"]) == {16 + 12 + 3}


def test_the_dense_rows_are_of_a_network_trained_alike(rows: pd.DataFrame, made_inputs: Inputs) -> None:
    network, dataset = relu(made_inputs), made_inputs.dataset
    for row, net in zip(
        rows.head(2).itertuples(), (network, quantised(network, 3, dataset.train.images[:2000])), strict=True
    ):
        found = count(net, dataset.test)
        assert (row.accuracy, row.macs, row.active) == (found.accuracy, found.macs, found.active)
        assert row.validation_accuracy == accuracy(net, dataset.validation)
    assert rows["accuracy"][0] > 0.6  # of three classes: it has learned


def test_magnitude_is_the_method_of_that_name(rows: pd.DataFrame, made_inputs: Inputs, prune: PruneParams) -> None:
    network, dataset = relu(made_inputs), made_inputs.dataset
    method = load_method("magnitude")
    levels = prune_levels(network, dataset.train, dataset.validation, method, method.params(), prune, seed=0)
    ours = rows[(rows["method"] == "magnitude") & (rows["precision"] == "float32")]
    assert ours["validation_accuracy"].tolist() == [level.validation for level in levels]
    assert ours["macs"].iloc[-1] == count(network, dataset.test).macs


def test_with_distillation_the_dense_relu_network_teaches(
    inputs: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = inputs("ann", levels=[0.9], methods=["cqp"])
    taught = PruneParams.model_validate({"levels": [0.9], "finetune": {**FINETUNE, "distillation": {"weight": 1.0}}})
    given.blocks["prune"] = taught
    study, teachers = load_study("ann"), []
    original = study.rows.__globals__["distilled_from"]

    def watched(teacher: SpikingNetwork, params: Any) -> Any:
        teachers.append({name: weight.clone() for name, weight in teacher.state_dict().items()})
        assert params.weight == 1.0
        return original(teacher, params)

    monkeypatch.setitem(study.rows.__globals__, "distilled_from", watched)
    study.rows(given, 0)
    (seen,) = teachers
    expected = relu(inputs("ann", levels=[0.9])).state_dict()
    assert all(torch.equal(seen[name], weight) for name, weight in expected.items())


@pytest.mark.parametrize(
    ("levels", "kind", "message"),
    [
        ([0.5, 0.7], "taylor", "ann.levels: 0.7 is none of the levels in experiments.made.prune: 0.5, 0.9"),
        ([0.5], "membrane", "ann: a ReLU neuron has no membrane potential; allowed for prune.criticality.kind are "),
        ([0.5, 0.9], "sensitivity", None),
    ],
)
def test_what_does_not_fit_is_named(levels: list[float], kind: str, message: str | None) -> None:
    study = load_study("ann")
    block = {"levels": [0.5, 0.9], "criticality": {"kind": kind}, "finetune": FINETUNE}
    experiment = Experiment("made", Matrix(methods=["cqp"], seeds=[0]), {"prune": PruneParams.model_validate(block)})
    found = study.problems(study.params.model_validate({"levels": levels}), experiment)
    assert len(found) == (message is not None)
    assert message is None or found[0].startswith(f"experiments.made.{message}")
