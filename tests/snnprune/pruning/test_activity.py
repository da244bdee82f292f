"""What goes into every synapse: by hand, and against snnTorch's own loop with every use of a synapse added up."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.network import build_network
from snnprune.core.params import Direct, Frames, ModelParams
from snnprune.pruning.activity import _summed_over_uses, synapse_inputs
from snnprune.pruning.mask import prunable_weights
from tests.snnprune import snntorch_loop

LAYERS = ["6x6-10-4", "6x6-2C3-4C3S2-12-4", "6x6-3C3-MP2-4"]


def test_by_hand() -> None:
    network = build_network(ModelParams(layers=[2, 2, 1], timesteps=2, threshold=1.0, beta=0.5))
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.5]]))
        network.layers[1].bias.zero_()
    images = torch.tensor([[1.0, 0.5], [0.0, 1.0]]).reshape(2, 1, 1, 2)
    # First layer: squares 1 and 0.25 of one sample, 0 and 1 of the other, the same at both steps.
    # Currents are (2, 0.75) and (0, 1.5), so of the first sample neuron 0 has U = 2, then 1 + 2 - 1 = 2: two spikes;
    # neuron 1 has 0.75, then 0.375 + 0.75 = 1.125: one. Of the second sample neuron 1 has 1.5, 0.75 + 1.5 - 1 = 1.25.
    found = synapse_inputs(network, [(images, torch.zeros(2))], torch.square, seed=0)
    assert found["layers.1.weight"].tolist() == [[0.5, 0.625], [0.5, 0.625]]
    assert found["layers.3.weight"].tolist() == [[2 / 4, 3 / 4]]


def unfolded(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Every input [B, ...] of a layer without groups that meets each of one output's synapses, [n, synapses]."""
    if isinstance(layer, nn.Linear):
        return inputs
    columns = functional.unfold(inputs, layer.kernel_size, padding=layer.padding, stride=layer.stride)
    return columns.transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("encoding", ["direct", "frames"])
def test_against_snntorch_step_by_step(layers: str, encoding: str) -> None:
    torch.manual_seed(0)
    chosen = {"direct": Direct, "frames": Frames}[encoding](name=encoding)
    network = build_network(ModelParams(layers=layers, timesteps=3, threshold=0.2, encoding=chosen)).eval()
    images = 2 * torch.rand(20, 1, 6, 6) if encoding == "direct" else torch.randint(2, (20, 3, 1, 6, 6)).byte()
    steps = [images] * 3 if encoding == "direct" else list(images.float().unbind(1))
    seen: dict[nn.Module, list[Tensor]] = {}
    modules = {name: network.get_submodule(name.removesuffix(".weight")) for name in prunable_weights(network)}
    hooks = [
        module.register_forward_pre_hook(lambda module, given: seen.setdefault(module, []).append(given[0]))
        for module in modules.values()
    ]
    with torch.no_grad():
        snntorch_loop.run(snntorch_loop.layers_of(network), steps)
    for hook in hooks:
        hook.remove()

    batches = [(part, torch.zeros(10)) for part in images.split(10)]
    squares = synapse_inputs(network, batches, torch.square, seed=0)
    means = synapse_inputs(network, batches, torch.abs, seed=0, mean_position=True)
    for name, module in modules.items():
        used = torch.cat([unfolded(module, now) for now in seen[module]])
        assert used.any()
        shape = module.weight[:1].shape
        expected = (used.square().sum(0) / (20 * 3)).view(shape).expand(module.weight.shape)
        torch.testing.assert_close(squares[name], expected, rtol=1e-4, atol=1e-6)
        expected = used.abs().mean(0).view(shape).expand(module.weight.shape)
        torch.testing.assert_close(means[name], expected, rtol=1e-4, atol=1e-6)


def test_groups_padding_and_stride_of_a_convolution() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2), torch.rand(5, 4, 7, 7)
    used, positions = _summed_over_uses(layer, inputs)
    assert positions == 16
    for output in range(6):
        group = inputs[:, :2] if output < 3 else inputs[:, 2:]
        expected = functional.unfold(group, 3, padding=1, stride=2).sum((0, 2)).view(2, 3, 3)
        torch.testing.assert_close(used[output], expected)


def test_no_batch() -> None:
    with pytest.raises(ValueError, match="needs at least one batch"):
        synapse_inputs(build_network(ModelParams(layers=[2, 2])), [], torch.abs, seed=0)
