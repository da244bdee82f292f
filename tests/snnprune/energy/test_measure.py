"""Measuring a whole split: batch by batch the same as at once, with the random encoding of every evaluation."""

import pytest
import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import BATCH_SIZE, accuracy, accuracy_by_step, spikes_of
from snnprune.energy.measure import measure

SAMPLES = BATCH_SIZE + 40


@pytest.fixture(params=["direct", "rate"])
def network(request: pytest.FixtureRequest) -> SpikingNetwork:
    torch.manual_seed(0)
    spec = {"layers": [16, 12, 3], "timesteps": 5, "encoding": {"name": request.param}, "threshold": 0.3}
    return build_network(ModelParams.model_validate(spec))


def split() -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(torch.rand((SAMPLES, 1, 4, 4), generator=generator), torch.arange(SAMPLES) % 3)


@pytest.mark.parametrize("steps", [2, 5])
def test_two_batches(network: SpikingNetwork, steps: int) -> None:
    found = measure(network, split(), steps)
    spikes = spikes_of(network, split(), steps)
    assert found.accuracy == accuracy_by_step(spikes, split().labels)[-1].item()
    assert found.layers[-1].spike_rate == pytest.approx(spikes.mean().item(), rel=1e-5)
    analogue = network.spec.encoding.name == "direct"
    assert (found.layers[0].macs > 0) is analogue and (found.layers[0].acs > 0) is not analogue
    assert found.layers[1].acs == pytest.approx(3 * steps * 12 * found.layers[0].spike_rate)
    if steps == 5:
        assert found.accuracy == accuracy(network, split())
