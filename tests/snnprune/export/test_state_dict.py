"""Weights for torch alone: a plain snnTorch net of the same shape loads them."""

import io
import itertools
import json

import safetensors.torch
import snntorch
import torch
from torch import nn

from snnprune.export.state_dict import to_state_dict
from tests.snnprune.export.nets import net, samples


def test_snntorchs_own_layers_load_it_strictly_and_fire_alike() -> None:
    network, images = net("dense"), samples(net("dense"))
    files = to_state_dict(network).files
    tensors = torch.load(io.BytesIO(files["weights.pt"]), weights_only=True)
    counts, about = [16, 14, 11, 4], json.loads(files["metadata.json"])
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise(counts):
        layers += [nn.Linear(inputs, outputs), snntorch.Leaky(0.5, init_hidden=True)]
    plain = nn.ModuleDict({"layers": nn.Sequential(*layers)})
    plain.load_state_dict(tensors, strict=True)  # beta comes with it
    spikes = [plain["layers"](images) for _ in range(about["timesteps"])]
    assert torch.equal(torch.stack(spikes).sum(0), network(images))


def test_both_files_hold_the_same_and_zeros_stay() -> None:
    network, files = net("dense"), to_state_dict(net("dense")).files
    tensors = torch.load(io.BytesIO(files["weights.pt"]), weights_only=True)
    other = safetensors.torch.load(files["weights.safetensors"])
    assert set(tensors) == set(other) == set(network.state_dict())
    assert all(torch.equal(tensors[name], other[name]) for name in tensors)
    assert torch.equal(tensors["layers.1.weight"] == 0, network.layers[1].weight == 0)
