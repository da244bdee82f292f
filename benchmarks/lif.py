"""Training speed of the fused network against the same one stepped through snnTorch: `python -m benchmarks.lif`."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.io.params import Runtime
from pipeline.io.runtime import configure
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network, run_fused
from snnprune.core.params import ModelParams
from snnprune.core.training.fit import make_optimizer
from snnprune.core.training.params import FitParams

SPEC = ModelParams(layers=[784, 256, 10], timesteps=10)
THREADS = (1, 2)
TARGET = 3.0

Run = Callable[[torch.nn.Sequential, Tensor, int, bool], Tensor]


def run_loop(layers: torch.nn.Sequential, values: Tensor, steps: int, constant: bool) -> Tensor:
    """The same as `run_fused` as a user of snnTorch writes it, step by step: the reference for tests and benchmarks."""
    membranes: dict[int, Tensor | None] = {}
    outputs = []
    for t in range(steps):
        now = values if constant else values[t]
        for index, layer in enumerate(layers):
            if isinstance(layer, MultiStepLeaky):
                membrane = membranes.get(index)
                now, membranes[index] = layer(now, torch.zeros_like(now) if membrane is None else membrane)
            else:
                now = layer(now)
        outputs.append(now)
    return torch.stack(outputs)


@dataclass(frozen=True)
class Agreement:
    """Equal output spikes or not, the share of output neurons that spike a step, the gradients' relative error."""

    spikes_equal: bool
    spike_rate: float
    gradient_error: float


@dataclass(frozen=True)
class Speed:
    """Training speed in samples/s, one entry per repetition, the two forms taking turns."""

    fused: list[float]
    loop: list[float]

    @property
    def ratios(self) -> list[float]:
        """Fused over loop, of neighbours in time."""
        return [fused / loop for fused, loop in zip(self.fused, self.loop, strict=True)]


def make_batch(spec: ModelParams, batch: int) -> tuple[Tensor, Tensor]:
    """Images [B, 1, 1, N], a fifth of their pixels lit as in handwritten digits, and labels [B]."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 1, 1, spec.architecture.inputs)
    images = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < 0.2)
    return images, torch.randint(0, spec.architecture.classes, (batch,), generator=generator)


def make_network(spec: ModelParams) -> SpikingNetwork:
    """The same network at each call, its weights doubled so that an untrained one spikes in its last layer too."""
    torch.manual_seed(0)
    network = build_network(spec)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    return network


def measure_agreement(spec: ModelParams, batch: int) -> Agreement:
    """One forward and backward pass of either form on the same weights and images (`direct` encoding)."""
    images, labels = make_batch(spec, batch)
    network = make_network(spec)
    results = []
    for run in (run_fused, run_loop):
        spikes = run(network.layers, images, spec.timesteps, True)
        loss = functional.cross_entropy(spikes.sum(0), labels)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        results.append((spikes.detach(), torch.cat([gradient.flatten() for gradient in gradients])))
    (fused, fused_gradient), (loop, loop_gradient) = results
    error = (fused_gradient - loop_gradient).norm() / loop_gradient.norm()
    return Agreement(torch.equal(fused, loop), loop.mean().item(), error.item())


def measure_speed(spec: ModelParams, batch: int, steps: int, repeats: int) -> Speed:
    """Samples/s of `steps` training steps (forward, backward, Adam) of either form, `repeats` times in turn."""
    images, labels = make_batch(spec, batch)
    trainers = [_make_step(spec, run, images, labels) for run in (run_fused, run_loop)]
    for step in trainers:
        step()
    speeds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for step, found in zip(trainers, speeds, strict=True):
            started = time.perf_counter()
            for _ in range(steps):
                step()
            found.append(steps * batch / (time.perf_counter() - started))
    return Speed(*speeds)


def _make_step(spec: ModelParams, run: Run, images: Tensor, labels: Tensor) -> Callable[[], None]:
    network = make_network(spec)
    optimizer = make_optimizer(network, FitParams(epochs=1, batch_size=len(labels), lr=1e-3))

    def step() -> None:
        optimizer.zero_grad()
        spikes = run(network.layers, images, spec.timesteps, True)
        functional.cross_entropy(spikes.sum(0), labels).backward()
        optimizer.step()

    return step


def main(argv: Sequence[str] | None = None) -> None:
    """Print the agreement of the two forms, then one line of speeds for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128, help="samples per training step")
    parser.add_argument("--repeats", type=int, default=7, help="measurements of either form, taking turns")
    parser.add_argument("--steps", type=int, default=30, help="training steps per measurement")
    options = parser.parse_args(argv)
    sizes = "-".join(map(str, SPEC.layers))
    print(f"network {sizes}, T = {SPEC.timesteps}, batch {options.batch}, direct encoding, torch {torch.__version__}")
    agreement = measure_agreement(SPEC, options.batch)
    print(
        f"spikes equal: {'yes' if agreement.spikes_equal else 'NO'} (spike rate {agreement.spike_rate:.3f}), "
        f"relative gradient error {agreement.gradient_error:.1e} (target < 1e-5)"
    )
    print(f"{'threads':>7} {'fused':>14} {'snnTorch loop':>14} {'ratio':>6} {'min..max':>12}   (target >= {TARGET:g})")
    for threads in THREADS:
        configure(Runtime(threads=threads, device="cpu"))
        speed = measure_speed(SPEC, options.batch, options.steps, options.repeats)
        fused, loop, ratio = map(statistics.median, (speed.fused, speed.loop, speed.ratios))
        spread = f"{min(speed.ratios):.2f}..{max(speed.ratios):.2f}"
        print(f"{threads:>7} {fused:>10,.0f} /s {loop:>11,.0f} /s {ratio:>6.2f} {spread:>12}")


if __name__ == "__main__":
    main()
