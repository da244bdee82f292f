"""Real recordings of N-MNIST: operations are NeuroBench's, recording by recording, and spikes those of a plain loop of
snnTorch over the frames."""

import pytest
import torch
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import SNNTorchModel
from torch import Tensor, nn

import snnprune
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.energy.operations import observe_operations
from snnprune.pruning.mask import prunable_weights
from tests.snnprune import snntorch_loop

STEPS = 10
NETS = {"linear": "2x34x34-256-4", "conv": "2x34x34-12C5S2-24C3S2-4"}


def make(layers: str, density: float) -> SpikingNetwork:
    network = snnprune.build(layers, timesteps=STEPS, encoding={"name": "frames"}, threshold=0.5)
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight.mul_(2 / density**0.5).mul_(
                torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) < density
            )
    return network


def neurobench(network: SpikingNetwork, frames: Tensor) -> dict[str, float]:
    """NeuroBench's own counts of one recording [1, T, C, H, W]."""
    last = network.layers[-1]
    modules = [
        snntorch_loop.leaky(network.spec, init_hidden=True, output=layer is last)
        if isinstance(layer, MultiStepLeaky)
        else layer
        for layer in network.layers
    ]
    model = SNNTorchModel(nn.Sequential(*modules))
    model.register_hooks()
    metric, data = SynapticOperations(), frames.float()
    with torch.no_grad():
        predictions = model(data)
    return metric(model, predictions, (data, torch.zeros(1)))


def frames_of(recordings: Tensor, values: str) -> Tensor:
    """Counts, of which nearly every step has one above 1; bits; or `both`: bits at every other step."""
    frames = recordings[::5].clone()
    bits = {"counts": [], "bits": list(range(STEPS)), "both": list(range(1, STEPS, 2))}[values]
    frames[:, bits] = frames[:, bits].clamp(max=1)
    return frames


@pytest.mark.parametrize("values", ["counts", "bits", "both"])
@pytest.mark.parametrize("density", [1.0, 0.1], ids=["dense", "pruned"])
@pytest.mark.parametrize("layers", NETS.values(), ids=NETS)
def test_operations_are_neurobenchs_to_the_digit(layers: str, density: float, values: str, recordings: Tensor) -> None:
    frames = frames_of(recordings, values)
    network = make(layers, density)
    _, counts = observe_operations(network, frames)
    _, compiled = snnprune.compile(network).observe(frames)
    for number in range(len(frames)):
        found = neurobench(network, frames[number : number + 1])
        for own in (counts, compiled):
            macs, acs = (sum(int(getattr(layer, kind)[number]) for layer in own) for kind in ("macs", "acs"))
            assert (macs, acs) == (found["Effective_MACs"], found["Effective_ACs"])
        assert sum(layer.dense for layer in counts) == found["Dense"]
        assert acs > 0 and (macs > 0) is (values != "bits")
    if values == "both":
        assert counts[0].analogue_steps.tolist() == [STEPS // 2] * len(frames)
        assert (counts[0].macs > 0).all() and (counts[0].acs > 0).all()


@pytest.mark.parametrize("density", [1.0, 0.1], ids=["dense", "pruned"])
@pytest.mark.parametrize("layers", NETS.values(), ids=NETS)
def test_spikes_are_those_of_a_plain_loop_over_the_frames(layers: str, density: float, recordings: Tensor) -> None:
    network = make(layers, density)
    frames = recordings.float()
    with torch.no_grad():
        expected, _ = snntorch_loop.run(snntorch_loop.layers_of(network), [frames[:, step] for step in range(STEPS)])
        found = network.spikes(recordings)
    assert expected.sum() > 0
    assert torch.equal(found.sum(0), expected.sum(0))
    assert torch.equal(network.spikes(recordings, steps=4).sum(0), expected[:4].sum(0))
    compiled = snnprune.compile(network)
    assert torch.equal(compiled(recordings), expected.sum(0))
    assert torch.equal(torch.cat([compiled(one[None]) for one in recordings]), expected.sum(0))


def test_a_measurement_is_the_mean_over_recordings(recordings: Tensor) -> None:
    network = make(NETS["linear"], 0.05)
    _, (first, second) = observe_operations(network, recordings)
    found = snnprune.count_operations(network, (recordings, torch.arange(20) // 5))
    assert found.macs == found.macs_once == first.macs.sum().item() / 20
    assert found.acs == (first.acs.sum() + second.acs.sum()).item() / 20
    layer = found.layers[0]
    assert layer.dense_macs + layer.dense_acs == first.dense == STEPS * 2312 * 256
    assert layer.dense_macs == round(2312 * 256 * first.analogue_steps.sum().item() / 20)
