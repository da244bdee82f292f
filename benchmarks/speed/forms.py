"""The forms that a net is trained and run in: this project's, the one before it had compiled loops, a plain snnTorch
loop, and the matrix products alone."""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.speed.case import Case
from benchmarks.speed.peers import installed_peers
from snnprune.core.dataset import Split
from snnprune.core.lif import FusedLif, MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.batch import make_batch
from snnprune.core.training.fit import StepHooks, make_optimizer
from snnprune.core.training.params import Augment, FitParams
from snnprune.pruning.finetune import kept_alone
from snnprune.pruning.guard import MaskGuard
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.runtime import compile

OURS, DENSE, BEFORE, SNNTORCH, PRODUCTS = "ours", "dense", "before", "snnTorch", "products"
FIT = FitParams(epochs=1, optimizer="adamw", weight_decay=0.01, lr=1e-5)  # so small that the rates stay

Step = Callable[[], object]
Forward = Callable[[Tensor], Tensor]  # spike counts [B, classes] of images [B, C, H, W]


def training_forms(case: Case, stack: ExitStack) -> dict[str, Step]:
    """By form a training step: the batch gathered, forward, backward, AdamW, and the mask kept where there is one. The
    form `ours` is the one that `finetune` chooses; snnTorch and the peers train all weights, without a mask."""
    network, pruned = case.copy(), case.mask.nnz < case.mask.size
    rest = stack.enter_context(kept_alone(network, case.mask)) if pruned else None
    before = case.copy()
    loop = case.copy()
    return {
        OURS: trainer(network, network, case, rest, as_fit_does=True),
        BEFORE: trainer(before, before_forward(before), case, case.mask if pruned else None),
        SNNTORCH: trainer(loop, loop_forward(loop), case),
        **{name: trainer(peer, peer, case) for name, make in installed_peers().items() for peer in [make(case.copy())]},
        PRODUCTS: products(case, training=True),
    }


def inference_forms(case: Case) -> dict[str, Step]:
    """By form what gives the spike counts of the batch."""
    images = case.batch.images
    loop = case.copy()
    forms: dict[str, Forward] = {
        OURS: compile(case.network, threads=torch.get_num_threads()),
        DENSE: case.copy().eval(),
        BEFORE: before_forward(case.network),
        SNNTORCH: loop_forward(loop),
        **{name: make(case.copy()).eval() for name, make in installed_peers().items()},
    }
    return {**{name: inferring(form, images) for name, form in forms.items()}, PRODUCTS: products(case)}


def either_form(case: Case, layer: int = 0) -> dict[str, Step]:
    """Training steps with that layer sparse and with it dense, under the mask; the layers before it are sparse, those
    after it dense."""
    return {"sparse": _first_sparse(case, layer + 1), "dense": _first_sparse(case, layer)}


def _first_sparse(case: Case, count: int) -> Step:
    network, masks = case.copy(), list(case.mask.items())
    for name, layer in masks[:count]:
        linear = name.removesuffix(".weight")
        network.set_submodule(linear, SparseLinear(network.get_submodule(linear), layer))
    pruned = {name: layer for name, layer in masks[count:] if not layer.all()}
    return trainer(network, network, case, Mask(pruned) if pruned else None, as_fit_does=True)


def trainer(
    network: nn.Module, forward: Forward, case: Case, mask: Mask | None = None, as_fit_does: bool = False
) -> Step:
    """A training step of `network`, its batch gathered by torch or `as_fit_does`."""
    optimizer = make_optimizer(network, FIT)
    hooks = MaskGuard(network, optimizer, mask) if mask else StepHooks()
    split, chosen = case.batch, torch.arange(len(case.batch.labels))

    def step() -> None:
        if as_fit_does:
            batch = make_batch(split, chosen, Augment(), network.reads_rows)
        else:
            batch = Split(split.images[chosen], split.labels[chosen])
        optimizer.zero_grad()
        functional.cross_entropy(forward(batch.images), batch.labels).backward()
        hooks.before_step()
        optimizer.step()
        hooks.after_step()

    return step


def before_forward(network: SpikingNetwork) -> Forward:
    """Each layer sees all steps at once; the neurons are a loop of torch operations."""

    def forward(images: Tensor) -> Tensor:
        values, steps = images.flatten(1), network.spec.timesteps
        for layer in network.layers[1:]:
            constant = values.dim() == 2
            if isinstance(layer, MultiStepLeaky):
                values = FusedLif.apply(
                    values, steps if constant else None, layer.beta.item(), layer.threshold.item(),
                    layer.reset_mechanism == "zero", layer.surrogate,
                )  # fmt: skip
            else:
                values = layer(values) if constant else layer(values.flatten(0, 1)).unflatten(0, (steps, -1))
        return values.sum(0)

    return forward


def loop_forward(network: SpikingNetwork) -> Forward:
    """As a user of snnTorch writes it, layer by layer and step by step: called on one step, our neurons are snnTorch's
    own."""

    def forward(images: Tensor) -> Tensor:
        membranes: dict[nn.Module, Tensor] = {}
        counts = 0
        for _ in range(network.spec.timesteps):
            now = images
            for layer in network.layers:
                if isinstance(layer, MultiStepLeaky):
                    now, membranes[layer] = layer(now, membranes.get(layer, torch.zeros_like(now)))
                else:
                    now = layer(now)
            counts = counts + now
        return counts

    return forward


def products(case: Case, training: bool = False) -> Step:
    """The least that dense layers compute: weight by values, and in training both gradients (the images need none). The
    values of a neuron lie side by side; the images, the same at each step, are multiplied once."""
    weights = [weight.detach() for weight in prunable_weights(case.network).values()]
    batch = len(case.batch.labels)
    columns = [batch, *([batch * case.network.spec.timesteps] * (len(weights) - 1))]
    values = [torch.rand(weight.shape[1], count) for weight, count in zip(weights, columns, strict=True)]
    currents = [torch.rand(weight.shape[0], count) for weight, count in zip(weights, columns, strict=True)]

    def multiply() -> None:
        for weight, value in zip(weights, values, strict=True):
            weight @ value
        if training:
            for index, (weight, value, current) in enumerate(zip(weights, values, currents, strict=True)):
                current @ value.T
                if index:
                    weight.T @ current

    return multiply


def inferring(form: Forward, images: Tensor) -> Step:
    """The spike counts of `images`."""

    def infer() -> Tensor:
        with torch.no_grad():
            return form(images)

    return infer
