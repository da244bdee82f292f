"""Zombies: what the dense training's own Adam state does to pruned weights, with the guards switched on one by one."""

from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from pipeline.analysis.statistics import describe
from pipeline.analysis.style import panels
from pipeline.io.files import Row
from pipeline.studies.params import ZombiesParams
from snnprune.core.dataset import Dataset
from snnprune.core.seeds import derive_seed, seed_everything
from snnprune.pruning.guard import Guards, MaskGuard
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from snnprune.training.fit import make_optimizer, shuffled_batches
from snnprune.training.optimizer_state import restore_optimizer
from snnprune.training.params import FitParams

ZOMBIES = 4  # tells this study's draws from those of the pruning runs (pruning/iterate.py)
# From no guard to the full one, which every pruning run uses; only the last is checked at every step.
SETTINGS = {
    "none": Guards(gradients=False, moments=False, weights=False, check=False),
    "gradients": Guards(moments=False, weights=False, check=False),
    "+ moments": Guards(weights=False, check=False),
    "+ weights": Guards(),
}
LINES = {
    "none": ("#D55E00", "-"),
    "gradients": ("#E69F00", "-"),
    "+ moments": ("#56B4E9", "--"),
    "+ weights": ("#0072B2", ":"),
}


def zombie_rows(
    network: SpikingNetwork,
    state: dict[str, Tensor],
    dataset: Dataset,
    params: ZombiesParams,
    prune: PruneParams,
    train: FitParams,
    setting: str,
    seed: int,
) -> list[Row]:
    """One row per optimiser step of one guard setting (step 0: just pruned); the batches are the same for every one.

    The net is pruned by magnitude in one step; the optimiser is that of the dense training with its `state`.
    `validation_accuracy` is None between the steps at which it is taken.
    """
    mask = _magnitude_mask(network, dataset, params, prune, seed)
    optimizer = make_optimizer(network, train.model_copy(update={"lr": params.lr}))
    restore_optimizer(network, optimizer, state)
    guard = MaskGuard(network, optimizer, mask, SETTINGS[setting])
    seed_everything(seed, 0, ZOMBIES)
    batches = _endless_batches(len(dataset.train.labels), train.batch_size, params.steps, seed)
    rows = [_row(network, guard, mask, dataset, setting, 0, measured=True)]
    for step, chosen in enumerate(batches, start=1):
        network.train()
        optimizer.zero_grad()
        functional.cross_entropy(network(dataset.train.images[chosen]), dataset.train.labels[chosen]).backward()
        guard.before_step()
        optimizer.step()
        guard.after_step()
        measured = step % params.every == 0 or step == params.steps
        rows.append(_row(network, guard, mask, dataset, setting, step, measured))
    return rows


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per setting over seeds: zombies (first step, last step, most), final sparsity and accuracy."""
    results = []
    for setting, group in table.groupby("setting", sort=False):
        last = group[group["step"] == group["step"].max()]
        curve = group.groupby("step")[["zombies", "sparsity", "validation_accuracy"]].mean()
        results.append(
            {
                "setting": setting,
                "zombies_first": describe(group[group["step"] == 1]["zombies"].tolist()),
                "zombies_last": describe(last["zombies"].tolist()),
                "zombies_most": int(group["zombies"].max()),
                "sparsity": describe(last["sparsity"].tolist()),
                "validation_accuracy": describe(last["validation_accuracy"].tolist()),
                "curve": {
                    "step": [int(step) for step in curve.index],
                    "zombies": curve["zombies"].tolist(),
                    "sparsity": curve["sparsity"].tolist(),
                    "validation_accuracy": [None if pd.isna(v) else v for v in curve["validation_accuracy"]],
                },
            }
        )
    findings = [
        f"guards {r['setting']}: {r['zombies_last']['mean']:,.0f} zombies after the last step "
        f"({r['zombies_most']:,} at most), sparsity {100 * r['sparsity']['mean']:.2f} %, "
        f"validation accuracy {100 * r['validation_accuracy']['mean']:.2f} %"
        for r in results
    ]
    metrics = {}
    for r in results:
        key = r["setting"].removeprefix("+ ")
        metrics[f"zombies/{key}"] = r["zombies_last"]["mean"]
        metrics[f"zombies_most/{key}"] = float(r["zombies_most"])
        metrics[f"sparsity/{key}"] = r["sparsity"]["mean"]
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Zombies, achieved sparsity and validation accuracy over the optimiser steps, mean over seeds."""
    figure, axes = panels(
        3, "pruned weights that Adam revives, by what is masked (each includes the ones before)", (12, 4)
    )
    names = {"zombies": "zombies", "sparsity": "sparsity (%)", "validation_accuracy": "validation accuracy (%)"}
    for panel, (key, label) in zip(axes, names.items(), strict=True):
        for result in summary["results"]:
            colour, line = LINES[result["setting"]]
            points = [
                (s, v) for s, v in zip(result["curve"]["step"], result["curve"][key], strict=True) if v is not None
            ]
            scale = 1 if key == "zombies" else 100
            panel.plot(
                [step for step, _ in points],
                [scale * value for _, value in points],
                label=result["setting"],
                color=colour,
                linestyle=line,
                linewidth=2,
            )
        panel.set_xlabel("optimiser step after pruning")
        panel.set_ylabel(label)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_ylim(bottom=-0.2)
    axes[0].legend(frameon=False)
    return figure


def _magnitude_mask(
    network: SpikingNetwork, dataset: Dataset, params: ZombiesParams, prune: PruneParams, seed: int
) -> Mask:
    dense = Mask.dense(prunable_weights(network))
    problem = make_problem(network, dense, params.level, dataset.train, prune, seed_path=(seed, 0))
    return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})


def _endless_batches(samples: int, batch_size: int, steps: int, seed: int) -> list[Tensor]:
    """`steps` batches of indices, epoch after epoch."""
    batches: list[Tensor] = []
    epoch = 0
    while len(batches) < steps:
        epoch += 1
        batches += shuffled_batches(samples, batch_size, derive_seed(seed, 0, ZOMBIES, epoch))
    return batches[:steps]


@torch.no_grad()
def _row(
    network: SpikingNetwork, guard: MaskGuard, mask: Mask, dataset: Dataset, setting: str, step: int, measured: bool
) -> Row:
    zeros = sum(int(weight.eq(0).count_nonzero()) for weight in prunable_weights(network).values())
    return {
        "setting": setting,
        "step": step,
        "zombies": guard.zombies(),
        "sparsity": zeros / mask.size,
        "validation_accuracy": accuracy(network, dataset.validation) if measured else None,
    }
