"""`python -m benchmarks.speed.events`: a network on frames of events, of which 92 % of the values are zero.

Milliseconds by sparsity. Training: `ours` as fine-tuning does it; `events`, all synapses under the mask by a first
layer whose cost follows the events; `synapses`, loops over those that are left; `dense`, torch's linear layer under the
mask. Inference: `ours`, compiled; `events` and `dense` as before.
"""

from contextlib import ExitStack
from statistics import median

import torch
from torch import nn

import snnprune
from benchmarks.speed.case import Case
from benchmarks.speed.forms import OURS, Step, either_form, inferring, trainer
from benchmarks.speed.measure import Effort, take_turns
from pipeline.io.params import Runtime
from pipeline.io.runtime import configure
from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork
from snnprune.pruning.finetune import kept_alone

LAYERS, STEPS, EVENTS = (2312, 256, 4), 10, 0.1  # events per pixel and step, few pixels have most of them
EFFORT = Effort(repeats=7, seconds=0.1)


def make_case(sparsity: float, batch: int, layers: tuple[int, ...] = LAYERS) -> Case:
    """Random weights, pruned at random, and recordings [batch, T, 1, 1, inputs]; the same at each call."""
    generator = torch.Generator().manual_seed(0)
    network = snnprune.build(layers, timesteps=STEPS, encoding={"name": "frames"})
    rates = torch.empty(layers[0]).exponential_(1 / EVENTS, generator=generator).expand(batch, STEPS, 1, 1, layers[0])
    split = Split(torch.poisson(rates, generator=generator).byte(), torch.arange(batch) % layers[-1])
    pruned = snnprune.prune(network, split, method="random", level=sparsity)
    return Case(pruned.network, pruned.mask, split, [])


def plain(network: SpikingNetwork) -> SpikingNetwork:
    """The network with torch's linear layer as its first one."""
    weight = network.layers[1].weight
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict(network.layers[1].state_dict())
    network.layers[1] = linear
    return network


def forms(case: Case, stack: ExitStack) -> dict[str, dict[str, Step]]:
    """By task and form."""
    ours, dense, frames = case.copy(), plain(case.copy()), case.batch.images
    rest, either = stack.enter_context(kept_alone(ours, case.mask)), either_form(case)
    training = {OURS: trainer(ours, ours, case, rest, as_fit_does=True), "events": either["dense"]}
    training |= {"synapses": either["sparse"], "dense": trainer(dense, dense, case, case.mask, as_fit_does=True)}
    runs = {OURS: snnprune.compile(case.network), "events": case.copy(), "dense": plain(case.copy())}
    return {"train": training, "infer": {name: inferring(form, frames) for name, form in runs.items()}}


def main(batches: tuple[int, ...] = (1, 128), layers: tuple[int, ...] = LAYERS, effort: Effort = EFFORT) -> None:
    """Print a table by task and batch."""
    configure(Runtime(threads=1, device="cpu"))
    for batch in batches:
        for sparsity in (0.5, 0.8, 0.9, 0.95, 0.98):
            with ExitStack() as stack:
                for task, steps in forms(make_case(sparsity, batch, layers), stack).items():
                    times = take_turns(steps, effort).ms
                    found = ", ".join(f"{form} {median(ms):.3f}" for form, ms in times.items())
                    print(f"{task}, batch {batch}, sparsity {sparsity:g}: {found}", flush=True)


if __name__ == "__main__":
    main()
