"""The ReLU network against torch's own modules, by hand, and against a brute-force count."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.ann.counts import count
from snnprune.ann.network import distilled_from, relu_network
from snnprune.ann.quantise import QuantisedReLU, activation_bits, best_step, quantised, rounded
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.params import Distillation, FitParams
from snnprune.methods import cqp, magnitude
from snnprune.pruning.finetune import finetune
from snnprune.pruning.iterate import make_problem, prune_levels
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import Pruning
from snnprune.pruning.registry import load_method
from snnprune.pruning.scores import criticality

DENSE = {"layers": [16, 12, 8, 3], "timesteps": 10, "dropout": 0.2}
CONV = {"layers": "6x6-4C3-MP2-3", "timesteps": 5}


def made(layers: dict[str, object]) -> SpikingNetwork:
    torch.manual_seed(0)
    return relu_network(ModelParams.model_validate(layers)).eval()


def images(samples: int, side: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((samples, 1, side, side), generator=generator) * (
        torch.rand((samples, 1, side, side), generator=generator) > 0.3
    )


def split(samples: int = 40, side: int = 4) -> Split:
    pictures = images(samples, side)
    return Split(pictures, (pictures.flatten(1)[:, :3]).argmax(1))


@pytest.mark.parametrize(("spec", "side"), [(DENSE, 4), (CONV, 6)])
def test_it_is_the_plain_torch_network(spec: dict[str, object], side: int) -> None:
    network, pictures = made(spec), images(20, side)
    if side == 4:
        l1, l2, l3 = (layer for layer in network.layers if isinstance(layer, nn.Linear))
        expected = l3(l2(l1(pictures.flatten(1)).relu()).relu())
    else:
        conv, linear = (layer for layer in network.layers if isinstance(layer, nn.Conv2d | nn.Linear))
        expected = linear(functional.max_pool2d(conv(pictures), 2).relu().flatten(1))
    assert torch.allclose(network(pictures), expected, atol=1e-6)
    assert network.spikes(pictures).shape == (1, 20, 3)
    assert (network(pictures) < 0).any()  # logits, not activations


def test_weights_are_drawn_as_the_spiking_networks() -> None:
    network = made(DENSE)
    torch.manual_seed(0)
    spiking = build_network(ModelParams.model_validate(DENSE))
    ours, theirs = prunable_weights(network), prunable_weights(spiking)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_frames_have_no_single_image() -> None:
    with pytest.raises(UserError, match="found frames; allowed .* still images"):
        made({"layers": [16, 3], "encoding": {"name": "frames"}})


def test_criticality_is_the_gradient() -> None:
    network, data = made(DENSE), split()
    found = criticality(network, [(data.images, data.labels)], "sensitivity", seed=0)
    functional.cross_entropy(network(data.images), data.labels).backward()
    for name, weight in prunable_weights(network).items():
        assert torch.allclose(found[name], weight.grad.abs(), atol=1e-7)


def test_alpha_zero_is_the_method_magnitude() -> None:
    network, data = made(DENSE), split()
    params = Pruning(levels=[0.8])
    problem = make_problem(network, Mask.dense(prunable_weights(network)), 0.8, data, params, seed_path=(0, 0))
    ours, theirs = cqp.prune(problem, cqp.Params(alpha=0)), magnitude.prune(problem, magnitude.Params())
    assert torch.equal(ours.vector(), theirs.vector())


def test_it_is_pruned_and_fine_tuned_by_the_same_code() -> None:
    network, data = made(DENSE), split()
    teacher = copy.deepcopy(network)
    params = Pruning.model_validate({"levels": [0.5, 0.9], "finetune": {"epochs": 2, "batch_size": 20, "lr": 0.01}})
    loss = distilled_from(teacher, Distillation())
    before = network(data.images).detach()
    levels = prune_levels(network, data, data, load_method("cqp"), cqp.Params(), params, loss=loss)
    assert [level.mask.nnz for level in levels] == [round(312 / 2), round(31.2)]
    for name, weight in prunable_weights(network).items():
        assert not weight[~levels[-1].mask[name]].any()
    assert not torch.allclose(network(data.images), before)


def test_the_loss_is_cross_entropy_mixed_with_the_divergence() -> None:
    teacher, data = made(DENSE), split()
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(3))
    loss = distilled_from(teacher, Distillation(temperature=3.0, weight=0.25))
    p, q = (teacher(data.images) / 3).softmax(1), (logits / 3).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    expected = 0.75 * functional.cross_entropy(logits, data.labels) + 0.25 * 9 * divergence
    assert loss(logits, data.images, data.labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_sparse_layers_train_to_the_weights_of_masked_ones() -> None:
    data, mask = split(), None
    found = []
    for dtype in (torch.float32, torch.float64):  # float64 takes plain torch and the guard
        network = made({**DENSE, "dropout": 0.0}).to(dtype)
        weights = prunable_weights(network)
        mask = mask or Mask({name: weight > weight.median() + 0.05 for name, weight in weights.items()})
        params = FitParams(epochs=3, batch_size=20, lr=0.01)
        typed = Split(data.images.to(dtype), data.labels)
        finetune(
            network, mask, typed, None, params, seed_path=(0,), loss=lambda x, b: functional.cross_entropy(x, b.labels)
        )
        found.append(torch.cat([weight.detach().double().flatten() for weight in weights.values()]))
    assert torch.allclose(*found, atol=1e-4)


def test_bits_count_to_t() -> None:
    assert all(activation_bits(steps) == math.ceil(math.log2(steps + 1)) for steps in range(1, 300))


def test_rounding_by_hand() -> None:
    activation = QuantisedReLU(2, 0.5)
    given = torch.tensor([-3.0, 0.2, 0.3, 0.8, 1.4, 9.0])
    assert activation(given).tolist() == [0, 0, 0.5, 1.0, 1.5, 1.5]
    weight = torch.tensor([[1.27, -0.014, 0.004], [0.0, 0.0, 0.0]])
    assert torch.allclose(rounded(weight), torch.tensor([[1.27, -0.01, 0.0], [0.0, 0.0, 0.0]]))


def test_the_step_is_the_best_of_a_finer_search_and_clips_an_outlier() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.cat([torch.rand(1000, generator=generator), torch.tensor([4.0])])
    found = best_step(values, 3)

    def error(step: float) -> float:
        return ((torch.clamp((values / step).round(), 0, 7) * step - values) ** 2).mean().item()

    assert error(found) <= 1.05 * min(error(4 / 7 * share / 1000) for share in range(1, 1001))
    assert found < 4 / 7
    assert best_step(torch.zeros(5), 4) == 1.0


@pytest.mark.parametrize(("spec", "side"), [(DENSE, 4), (CONV, 6)])
def test_a_quantised_copy(spec: dict[str, object], side: int) -> None:
    network, pictures = made(spec), images(50, side)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    few, many = (quantised(network, bits, pictures) for bits in (2, 12))
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    for weight in prunable_weights(few).values():
        for row in weight.detach().flatten(1):
            whole = row / (row.abs().max() / 127)
            assert torch.allclose(whole, whole.round(), atol=1e-3)
    activations: list[Tensor] = []
    places = [index for index, layer in enumerate(few.layers) if isinstance(layer, QuantisedReLU)]
    assert len(places) == (2 if side == 4 else 1)
    for index in places:
        few.layers[index].register_forward_hook(lambda layer, given, out: activations.append(out))
    few(pictures)
    assert all(len(values.unique()) <= 4 for values in activations)
    error = [(other(pictures) - network(pictures)).abs().max().item() for other in (few, many)]
    assert error[1] < 0.02 < error[0]


def test_operations_by_hand() -> None:
    network = made({"layers": [4, 2, 2], "timesteps": 3})
    first, second = (layer for layer in network.layers if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0, 2.0, 0.0], [-1.0, 0.0, -1.0, 3.0]]))
        second.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        first.bias.zero_()
        second.bias.zero_()
    # Sample 1: inputs 0 and 2 meet 2 weights each; only the first hidden neuron, 3, is above 0, and meets one weight.
    # Sample 2: input 3 meets one weight; only the second hidden neuron, 3, is above 0, and meets two: logits 3 and 3.
    data = Split(torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 1]]).reshape(2, 1, 2, 2), torch.tensor([0, 1]))
    found = count(network, data)
    assert (found.macs, found.dense_macs, found.neurons) == ((4 + 1 + 1 + 2) / 2, 12, 4)
    assert (found.active, found.accuracy) == (2 / 4, 0.5)
    assert found.index_bits == found.macs  # both layers are pruned, with two outputs: one bit


@pytest.mark.parametrize(("spec", "side"), [(DENSE, 4), (CONV, 6)])
@pytest.mark.parametrize("few", [False, True])
def test_operations_by_brute_force(spec: dict[str, object], side: int, few: bool) -> None:
    network, pictures = made(spec), images(7, side)
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight[weight.abs() < weight.abs().median()] = 0.0
    if few:
        network = quantised(network, 2, pictures)
    macs, inputs = 0, []
    handles = [
        layer.register_forward_pre_hook(lambda layer, given: inputs.append((layer, given[0])))
        for layer in network.layers
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    values = pictures
    for layer in network.layers:
        values = layer(values)
    for handle in handles:
        handle.remove()
    for layer, given in inputs:
        rows, kernel = given, layer.weight.flatten(1)
        if isinstance(layer, nn.Conv2d):
            rows = functional.unfold(given, 3).transpose(1, 2).flatten(0, 1)
        macs += sum(int(((kernel != 0) & (row != 0)).sum()) for row in rows)
    found = count(network, Split(pictures, values.argmax(1)))
    assert found.macs == pytest.approx(macs / 7)
    assert found.accuracy == 1.0
    hidden = {4: 20, 6: 4 * 2 * 2}[side]
    assert found.neurons == hidden + 3
