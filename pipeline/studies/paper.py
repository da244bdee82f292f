"""Protocol `paper`: the rules of the paper author's public code, beside the published numbers and protocol `fair`.

First layer only. CQP drops whole input columns in a few linear rounds with a little fine-tuning after each; magnitude
and random prune synapses and gradient drops columns, all in one step without fine-tuning. So the methods differ in
granularity and in budget: this shows where a published gap comes from, it is no comparison of methods. The dense nets
are the experiment's own, not the author's: with another recipe (weight decay, augmentation, input noise) one-shot
masks do otherwise than in the notebooks.
"""

from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from pipeline.analysis.statistics import describe, paired_difference
from pipeline.analysis.style import half_interval, look, panels
from pipeline.io.files import Row
from pipeline.io.resume import Resume
from pipeline.studies.one_shot import mask_of
from pipeline.studies.params import PaperParams
from snnprune.core.dataset import Dataset, Split
from snnprune.core.seeds import derive_seed
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.iterate import FINETUNE, METHOD, make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.problem import Problem
from snnprune.pruning.schedule import targets
from snnprune.pruning.scores import by_presynaptic_neuron, normalized
from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top
from snnprune.snn.checkpoint import copy_parameters, load_parameters
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from snnprune.training.fit import fit, make_optimizer, shuffled_batches
from snnprune.training.progress import Progress

METHODS = ("cqp", "magnitude", "gradient", "random")
# Test accuracy in %: dataset -> level -> method, from the author's public notebooks (Hamza-Faarooq/Pruning-with-SNNs,
# May 2026), and the abstract of arXiv 2606.30676.
NOTEBOOKS: dict[str, dict[float, dict[str, float]]] = {
    "mnist": {
        0.7: {"random": 90.7, "magnitude": 98.0, "gradient": 91.6, "cqp": 95.3},
        0.8: {"random": 65.6, "magnitude": 97.0, "gradient": 62.5, "cqp": 90.6},
        0.9: {"random": 26.8, "magnitude": 91.8, "gradient": 42.5, "cqp": 73.5},
    },
    "fashion_mnist": {
        0.7: {"random": 69.6, "magnitude": 86.8, "gradient": 46.4, "cqp": 84.5},
        0.8: {"random": 58.9, "magnitude": 81.9, "gradient": 30.1, "cqp": 79.9},
        0.9: {"random": 26.6, "magnitude": 63.0, "gradient": 14.6, "cqp": 77.7},
    },
}
ABSTRACT: dict[str, dict[float, dict[str, float]]] = {"mnist": {0.9: {"cqp": 95.6, "magnitude": 93.4}}}


def paper_rows(
    network: SpikingNetwork, dataset: Dataset, params: PaperParams, prune: PruneParams, seed: int, resume: Resume
) -> list[Row]:
    """One row per method and level, each level from the dense net.

    `sparsity` is of the first layer, which the protocol prunes; `network_sparsity` is of all layers.
    """
    dense = copy_parameters(network)
    first = next(iter(prunable_weights(network)))
    size = sum(weight.numel() for weight in prunable_weights(network).values())
    prune = prune.model_copy(update={"criticality": params.criticality})
    rows = []
    for level in params.levels:
        for method in METHODS:
            load_parameters(network, dense)
            if method == "cqp":
                mask = _columns_in_rounds(network, dataset, params, prune, first, level, seed, resume)
            else:
                mask = _one_shot(network, dataset, prune, first, level, method, seed)
                mask.apply(prunable_weights(network))
            rows.append(
                {
                    "protocol": "paper",
                    "method": method,
                    "level": level,
                    "sparsity": mask.sparsity,
                    "network_sparsity": (mask.size - mask.nnz) / size,
                    "nnz": mask.nnz,
                    "validation_accuracy": accuracy(network, dataset.validation),
                    "accuracy": accuracy(network, dataset.test),
                }
            )
            print(f"  seed {seed}, {method} at {level:g}: test accuracy {rows[-1]['accuracy']:.2%}", flush=True)
    return rows


def fair_rows(levels_of: dict[tuple[str, int], pd.DataFrame], levels: list[float]) -> list[Row]:
    """The rows of protocol `fair` at `levels` from the prune stages' tables, (method, seed) -> levels.csv.

    Both sparsities are of all layers.
    """
    columns = ["level", "sparsity", "nnz", "validation_accuracy", "accuracy"]
    return [
        {"seed": seed, "protocol": "fair", "method": method, "network_sparsity": row["sparsity"], **row}
        for (method, seed), table in levels_of.items()
        for row in table[table["level"].isin(levels)][columns].to_dict("records")
    ]


def summarize(table: pd.DataFrame, dataset: str) -> dict[str, Any]:
    """Per protocol, method and level over seeds, beside the published value; CQP's margin over magnitude, paired."""
    results = []
    for (protocol, method, level), group in table.groupby(["protocol", "method", "level"], sort=False):
        entry = {
            "protocol": protocol,
            "method": method,
            "level": float(level),
            "sparsity": describe(group["sparsity"].tolist()),
            "network_sparsity": describe(group["network_sparsity"].tolist()),
            "accuracy": describe(group["accuracy"].tolist()),
        }
        for source, published in (("notebook", NOTEBOOKS), ("abstract", ABSTRACT)):
            value = published.get(dataset, {}).get(float(level), {}).get(method)
            if protocol == "paper" and value is not None:
                entry[source] = value / 100
        results.append(entry)
    margins = [
        {"protocol": protocol, "level": float(level), "margin_points": _margin(group)}
        for (protocol, level), group in table.groupby(["protocol", "level"], sort=False)
        if {"cqp", "magnitude"} <= set(group["method"])
    ]
    findings = [
        _say(m, [r for r in results if (r["protocol"], r["level"]) == (m["protocol"], m["level"])]) for m in margins
    ]
    metrics = {f"{r['protocol']}_accuracy/{r['method']}/{r['level']:g}": r["accuracy"]["mean"] for r in results}
    return {"findings": findings, "metrics": metrics, "dataset": dataset, "margins": margins, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Test accuracy over sparsity: protocol `paper` (left, hollow: the author's notebooks) and `fair` (right)."""
    figure, sides = panels(2, "the same dense nets under both protocols", (10, 4.4), share_y=True)
    titles = {"paper": "paper: first layer only, unequal budgets", "fair": "fair: all layers, one budget"}
    for axes, (protocol, title) in zip(sides, titles.items(), strict=True):
        mine = [result for result in summary["results"] if result["protocol"] == protocol]
        for method in dict.fromkeys(result["method"] for result in mine):
            results = [result for result in mine if result["method"] == method]
            axes.errorbar(
                [100 * result["level"] for result in results],
                [100 * result["accuracy"]["mean"] for result in results],
                yerr=[half_interval(result["accuracy"]) for result in results],
                label=method,
                capsize=3,
                **look(method),
            )
            known = [result for result in results if "notebook" in result]
            if known:
                axes.plot(
                    [100 * result["level"] for result in known],
                    [100 * result["notebook"] for result in known],
                    label=f"{method}, the author's notebook",
                    linestyle="none",
                    markerfacecolor="none",
                    **look(method) | {"markersize": 9},
                )
        axes.set_title(title)
        axes.set_xticks([100 * level for level in sorted({result["level"] for result in summary["results"]})])
        axes.set_xlabel("sparsity (%)")
        if mine:
            axes.legend(frameon=False, fontsize=8)
    sides[0].set_ylabel("test accuracy (%)")
    return figure


def column_scores(problem: Problem, alpha: float) -> Tensor:
    """CQP's importance of each input [inputs]: the sum over its outgoing synapses of |w| * C^alpha, C of the input."""
    (name,) = problem.mask
    critical = normalized(by_presynaptic_neuron(problem.criticality()))[name]
    return (problem.weights[name].abs() * critical**alpha).transpose(0, 1).flatten(1).sum(1)


def keep_columns(mask: Mask, scores: Tensor, level: float) -> Mask:
    """The mask of one weight with the highest-scoring input columns kept, round((1 - level) * inputs) of them.

    Raises:
        InfeasibleSelection: no column would be left (a convolution over one channel, say).
    """
    ((name, layer),) = mask.items()
    alive = layer.transpose(0, 1).flatten(1).any(1)
    keep = keep_count(level, len(alive))
    if keep == 0:
        raise InfeasibleSelection(f"sparsity {level:g} leaves none of the {len(alive)} inputs of {name}; prune less")
    kept = keep_top(torch.where(alive, scores, scores.min() - 1), keep)
    return Mask({name: layer & kept.reshape(1, -1, *[1] * (layer.dim() - 2))})


def _columns_in_rounds(
    network: SpikingNetwork,
    dataset: Dataset,
    params: PaperParams,
    prune: PruneParams,
    first: str,
    level: float,
    seed: int,
    resume: Resume,
) -> Mask:
    """Drop columns in linear rounds, fine-tuning on a few batches after each; the network is changed in place."""
    mask = mask_of(network, [first])
    wanted = params.batches * params.finetune.batch_size
    for number, target in enumerate(targets("linear", level, params.rounds)):
        path = (seed, params.levels.index(level), number)
        problem = make_problem(network, mask, target, dataset.train, prune, seed_path=path)
        mask = keep_columns(mask, column_scores(problem, params.alpha), target)
        optimizer = make_optimizer(network, params.finetune)
        rows = shuffled_batches(len(dataset.train.labels), wanted, derive_seed(*path, FINETUNE))[0]
        fit(
            network,
            optimizer,
            Split(dataset.train.images[rows], dataset.train.labels[rows]),
            dataset.validation,
            params.finetune,
            seed_path=(*path, FINETUNE),
            resume=resume.point(f"seed{seed}-level-{level}-round-{number}"),
            progress=Progress(f"paper cqp seed {seed} level {level} round {number + 1}/{params.rounds}"),
            on_epoch=lambda epoch: None,
            hooks=MaskGuard(network, optimizer, mask),
        )
    return mask


def _one_shot(
    network: SpikingNetwork, dataset: Dataset, prune: PruneParams, first: str, level: float, method: str, seed: int
) -> Mask:
    mask = mask_of(network, [first])
    problem = make_problem(network, mask, level, dataset.train, prune, seed_path=(seed, METHOD))
    if method == "gradient":
        critical = by_presynaptic_neuron(problem.criticality("sensitivity"))[first]
        return keep_columns(mask, critical.transpose(0, 1).flatten(1).mean(1), level)
    if method == "magnitude":
        return problem.keep_top({first: problem.weights[first].abs()})
    generator = torch.Generator().manual_seed(problem.seed)
    return problem.keep_top({first: torch.rand(problem.weights[first].shape, generator=generator)})


def _margin(group: pd.DataFrame) -> dict[str, Any]:
    by_method = {method: rows.sort_values("seed") for method, rows in group.groupby("method")}
    ours, theirs = by_method["cqp"], by_method["magnitude"]
    return paired_difference((100 * ours["accuracy"]).tolist(), (100 * theirs["accuracy"]).tolist())


def _say(margin: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """One line: the margin with its interval, both accuracies, and the published ones where there are any."""
    points = margin["margin_points"]
    spread = "" if points["low"] is None else f" ({points['low']:+.2f} to {points['high']:+.2f})"
    cells = []
    for result in results:
        here = (result["protocol"], result["level"]) == (margin["protocol"], margin["level"])
        if here and result["method"] in ("cqp", "magnitude"):
            published = [f"{100 * result[key]:.1f} in the {key}" for key in ("notebook", "abstract") if key in result]
            told = f" [{', '.join(published)}]" if published else ""
            cells.append(f"{result['method']} {100 * result['accuracy']['mean']:.2f} %{told}")
    return (
        f"protocol {margin['protocol']} at {margin['level']:g}: {', '.join(cells)}; CQP over magnitude "
        f"{points['mean']:+.2f} points{spread}"
    )
