"""The rows of quantisation on a real net, and what does not fit an experiment."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from pipeline.io.params import Matrix
from pipeline.studies.quantise import FLOAT_BITS, rows_of_net
from pipeline.study import Experiment, Inputs, Net, load_study
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import accuracy
from snnprune.energy.measure import measure
from snnprune.energy.profiles import energy_pj, load_profiles
from snnprune.pruning.params import PruneParams
from snnprune.quantise.quantise import quantise
from tests.pipeline.studies.made import FINETUNE, Dense

TUNED = {**FINETUNE, "methods": ["cqp"], "levels": [0.9], "distillation": {"weight": 0.5}}


@pytest.fixture
def table(inputs: Callable[..., Inputs], dense: Dense) -> pd.DataFrame:
    return pd.DataFrame(rows_of_net(Net("cqp", 0.9, dense()), inputs("quantise", finetune=TUNED), 0))


def test_rows_of_a_real_net(table: pd.DataFrame, inputs: Callable[..., Inputs], dense: Dense) -> None:
    keys = [(32, "none", False)]
    for bits in (8, 4):
        (best,) = table.query("bits == @bits and chosen and not finetuned")["per"]
        keys += [(bits, "layer", False), (bits, "row", False), (bits, best, True)]
    assert list(table[["bits", "per", "finetuned"]].itertuples(index=False, name=None)) == keys
    network, dataset = dense(), inputs("quantise").dataset
    whole, measured = table.iloc[0], measure(network, dataset.test)
    assert (whole["accuracy"], whole["differing"], whole["bits"]) == (measured.accuracy, 0, FLOAT_BITS)
    prices = load_profiles()
    fp32 = energy_pj(measured.macs_once, measured.acs, measured.neuron_updates, prices["horowitz_45nm_fp32"])
    assert whole["energy_once_pj"] == pytest.approx(fp32)
    assert whole["validation_accuracy"] == accuracy(network, dataset.validation)
    for one in table.query("bits < 32 and not finetuned").itertuples():
        quantised = quantise(network, one.bits, one.per)
        assert one.validation_accuracy == quantised.accuracy(dataset.validation)
        if one.chosen:
            assert one.accuracy == quantised.accuracy(dataset.test)
            int8 = energy_pj(one.macs_once, one.acs, one.neuron_updates, prices["horowitz_45nm_int8"])
            assert (one.profile, one.energy_once_pj) == ("horowitz_45nm_int8", int8)
            assert one.total_bytes < whole["total_bytes"] / 2
        else:
            assert pd.isna([one.accuracy, one.differing, one.silent]).all()


def test_the_scales_of_the_best_validation_are_chosen(table: pd.DataFrame) -> None:
    for _, nets in table.query("bits < 32 and not finetuned").groupby("bits"):
        assert nets["chosen"].sum() == 1
        assert nets.loc[nets["chosen"], "validation_accuracy"].item() == nets["validation_accuracy"].max()


@pytest.mark.parametrize(
    ("finetune", "encoding", "message"),
    [
        ({"methods": ["taylor"]}, "direct", "quantise.finetune.methods: no net is of taylor; there are: cqp, random"),
        ({"levels": [0.5, 0.7]}, "direct", "quantise.finetune.levels: no net is of 0.7; there are: 0.5, 0.9"),
        ({}, "noisy_direct", "model.encoding: noisy_direct has no integer form; allowed for quantise are direct, rate"),
        ({}, "frames", None),
    ],
)
def test_what_does_not_fit_is_named(finetune: dict[str, Any], encoding: str, message: str | None) -> None:
    study = load_study("quantise")
    tuned = {**FINETUNE, "methods": ["cqp"], "levels": [0.5]} | finetune
    model = ModelParams.model_validate({"layers": [16, 3], "encoding": {"name": encoding}})
    prune = PruneParams.model_validate({"levels": [0.5, 0.9], "finetune": FINETUNE})
    blocks = {"model": model, "prune": prune}
    experiment = Experiment("made", Matrix(methods=["cqp", "random"], seeds=[0]), blocks)
    found = study.problems(study.params.model_validate({"finetune": tuned}), experiment)
    assert len(found) == (message is not None)
    assert message is None or found[0].startswith(f"experiments.made.{message}")
