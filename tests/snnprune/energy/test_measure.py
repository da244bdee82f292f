"""Measuring a whole split: batch by batch the same as at once, with the random encoding of every evaluation."""

import pytest
import torch

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import BATCH_SIZE, accuracy, accuracy_by_step, spikes_of
from snnprune.energy.measure import measure
from snnprune.energy.profiles import Profile
from snnprune.pruning.mask import prunable_weights

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


@pytest.mark.parametrize(("encoding", "once"), [({"name": "direct"}, 3), ({"name": "noisy_direct", "sigma": 1e-9}, 12)])
def test_a_constant_input_is_computed_once_and_one_with_noise_at_every_step(encoding: dict, once: int) -> None:
    """Three synapses meet an input that is not 0, at four steps; no neuron fires. A MAC is 2 pJ, an update 0.5."""
    spec = {"layers": [2, 2, 1], "timesteps": 4, "encoding": encoding, "threshold": 99.0}
    network = build_network(ModelParams.model_validate(spec))
    with torch.no_grad():
        prunable_weights(network)["layers.1.weight"].copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    found = measure(network, Split(torch.tensor([[[[1.0, 0.5]]]]), torch.tensor([0])))
    assert (found.macs, found.macs_once, found.acs, found.neuron_updates) == (12, once, 0, 12)
    price = {"made": Profile(mac_pj=2, ac_pj=1, neuron_update_pj=0.5, source="made up")}
    assert found.total.energies(price) == {"energy_pj_made": 30, "energy_once_pj_made": 2 * once + 6}
    # The second layer is dense; in the first an input meets two neurons, so that an index takes a bit.
    assert (found.total.index_bits, found.total.index_bits_once) == (12, once)
    assert str(found).startswith(f"12 MACs ({once} with a constant input once) and 0 ACs a sample")
