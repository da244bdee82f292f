"""The threshold sweep: the masks of every tau computed in another way."""

import numpy as np
import pytest
import torch

from snnprune.core.dataset import Dataset
from snnprune.core.training.evaluate import accuracy
from snnprune.pruning.relaxations import Solver, solve_energy
from tests.pipeline.studies.made import SIZES, Dense, Measure


@pytest.mark.parametrize(("layers", "granularity"), [("first", "neuron"), ("all", "synapse"), ("all", "neuron")])
def test_the_masks_of_every_tau(
    measure: Measure,
    critical: dict[str, torch.Tensor],
    dense: Dense,
    dataset: Dataset,
    layers: str,
    granularity: str,
) -> None:
    taus = [0.0, 0.2, 0.5, 0.8, 1.0]
    rows = measure("sweep", thresholds=taus, level=0.7, layers=layers, granularity=granularity, alpha=0.5)
    assert len(rows) == 3 * len(taus)
    rows = rows.set_index(["rule", "tau"])

    network = dense()
    names = list(SIZES) if layers == "all" else list(SIZES)[:1]
    found = [critical[name].numpy() for name in names]
    flat = np.concatenate([layer.ravel() for layer in found])
    weights = np.concatenate([network.get_parameter(name).detach().numpy().ravel() for name in names])
    importance = np.abs(weights) * np.sqrt(flat / flat.max())  # by synapses, whatever protects
    if granularity == "neuron":
        flat = np.concatenate([np.broadcast_to(c.mean(0, keepdims=True), c.shape).ravel() for c in found])
    relative = flat / flat.max()
    size = len(weights)
    keep, drop = round(0.3 * size), int(np.floor(0.7 * size))

    assert {bool(rows.loc[("energy", tau), "feasible"]) for tau in taus} == {True, False}
    for tau in taus:
        protected = relative > tau
        masks = {"cut": relative >= tau, "energy": None, "exact": None}
        if 0.85 * protected.sum() <= size - drop:
            masks["energy"] = protected  # at the optimum the others are 0
        if protected.sum() <= keep:
            masks["exact"] = np.zeros(size, bool)
            masks["exact"][np.lexsort((np.arange(size), -importance, ~protected))[:keep]] = True
        for rule, mask in masks.items():
            row = rows.loc[(rule, tau)]
            assert row["feasible"] == (mask is not None), (rule, tau)
            assert (row["protected"], row["synapses"]) == (protected.sum(), size)
            if mask is None:
                mask = np.ones(size, bool)
            elif rule == "energy":  # where w is nearly 0 any m is nearly optimal, and OSQP stops at one over 0.5
                relaxed = solve_energy(weights.astype(float), protected, drop, Solver()).mask > 0.5
                assert not (protected & ~relaxed).any()
                assert (np.abs(weights[relaxed & ~protected]) < 0.05 * np.abs(weights).mean()).all()
                mask = relaxed
            assert row["sparsity"] == pytest.approx(1 - mask.mean())
            pruned = dense()
            for name, part in zip(names, np.split(mask, np.cumsum([SIZES[n] for n in names])[:-1]), strict=True):
                weight = pruned.get_parameter(name)
                weight.data *= torch.from_numpy(part.reshape(weight.shape))
            assert row["accuracy"] == accuracy(pruned, dataset.test)
            assert row["validation_accuracy"] == accuracy(pruned, dataset.validation)
