"""Compensation against numpy's least squares and against its definition, and what it leaves alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import snnprune
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.seeds import derive_seed
from snnprune.pruning import compensate
from snnprune.pruning.compensate import Compensation, Moments, filtered_inputs, solve, some_of
from snnprune.pruning.mask import Mask, prunable_weights
from tests.snnprune.adapters.own_nets import Residual

DENSE, CONV = [36, 8, 6, 3], "6x6-2C3-4C3S2-5"
CASES = [(DENSE, "direct"), (DENSE, "rate"), (CONV, "direct"), ("6x6-2C3-MP2-4", "direct"), ("2x6x6-3C3-4", "frames")]


def net(layers: object, encoding: str = "direct") -> SpikingNetwork:
    return snnprune.build(layers, timesteps=4, threshold=0.2, dropout=0.5, encoding={"name": encoding})


def images(encoding: str = "direct", count: int = 200) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if encoding == "frames":
        return torch.poisson(torch.full((count, 4, 2, 6, 6), 0.5), generator=generator).byte()
    return torch.rand((count, 1, 6, 6), generator=generator)


def half(network: SpikingNetwork) -> Mask:
    generator = torch.Generator().manual_seed(1)
    weights = prunable_weights(network)
    return Mask({name: torch.rand(weight.shape, generator=generator) < 0.5 for name, weight in weights.items()})


def rows_of(layer: nn.Module) -> np.ndarray:
    return torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1).detach().double().numpy()


@pytest.mark.parametrize(("layers", "encoding"), CASES)
def test_every_row_is_the_least_squares_solution_of_numpy(layers: object, encoding: str) -> None:
    """Of all layers, each on what the layers before it, solved already, give it."""
    dense, seen = net(layers, encoding), images(encoding)
    mask = half(dense)
    pruned = Compensation(dense, [seen[:150], seen[150:]], damping=1e-8, seed=3).network(mask)
    for name, layer in mask.items():
        index = int(name.split(".")[1])
        mine, theirs = (
            np.concatenate(
                [
                    filtered_inputs(network, index, part, derive_seed(3, batch)).double().numpy()
                    for batch, part in enumerate((seen[:150], seen[150:]))
                ]
            )
            for network in (pruned, dense)
        )
        currents, found = theirs @ rows_of(dense.layers[index]).T, rows_of(pruned.layers[index])
        for row, kept in enumerate(functional.pad(layer.flatten(1), (0, 1), value=True).numpy()):
            expected, *_ = np.linalg.lstsq(mine[:, kept], currents[:, row], rcond=None)
            assert not found[row][~kept].any()
            errors = [np.square(mine[:, kept] @ w - currents[:, row]).mean() for w in (found[row][kept], expected)]
            assert errors[0] == pytest.approx(errors[1], rel=1e-3, abs=1e-9)


def test_inputs_are_filtered_as_membranes_do_by_hand() -> None:
    """A constant input of 2 and beta 0.9: 2, 3.8, 5.42, 6.878; as one row it has their sum of squares. The spikes of
    the first neuron, 1 at every step here, make 1, 1.9, 2.71, 3.439."""
    network = snnprune.build([1, 1, 1], timesteps=4, threshold=0.2)
    with torch.no_grad():
        network.layers[1].weight.fill_(5.0)
    steps = torch.tensor([1.0, 1.9, 2.71, 3.439])
    once = filtered_inputs(network, 1, torch.full((1, 1, 1, 1), 2.0), 0)
    assert torch.allclose(once, torch.tensor([[2.0, 1.0]]) * steps.norm())
    assert torch.allclose(filtered_inputs(network, 3, torch.full((1, 1, 1, 1), 2.0), 0), torch.stack([steps, steps], 1))


def test_a_convolution_is_solved_as_the_linear_layer_of_its_patches() -> None:
    """Each patch of an image as a sample of its own."""
    conv, seen = net("6x6-2C3-MP2-4"), images(count=30)
    name = next(iter(prunable_weights(conv)))
    linear = net([9, 2])
    patches = functional.unfold(seen, 3).transpose(1, 2).reshape(-1, 1, 3, 3)
    with torch.no_grad():
        linear.layers[1].weight.copy_(conv.layers[0].weight.flatten(1))
        linear.layers[1].bias.copy_(conv.layers[0].bias)
    mask = half(conv)
    flat = Mask({"layers.1.weight": mask[name].flatten(1)})
    one = Compensation(conv, [seen]).network(mask).layers[0]
    other = Compensation(linear, [patches]).network(flat).layers[1]
    assert torch.allclose(one.weight.flatten(1), other.weight, atol=1e-5)
    assert torch.allclose(one.bias, other.bias, atol=1e-5)


def gram_problem(outputs: int = 5, inputs: int = 7) -> tuple[Moments, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.double)  # noqa: E731
    values, start = draw(50, inputs), draw(outputs, inputs)
    kept = torch.rand((outputs, inputs), generator=generator) < 0.6
    kept[0], kept[1] = True, False
    return Moments(values.T @ values / 50, values.T @ (values @ start.T + draw(50, outputs)) / 50), start, kept


def damped_error(moments: Moments, rows: Tensor, start: Tensor, damping: float) -> Tensor:
    """Of every row [O]: w G w - 2 w c + lambda |w - start|^2, which differs from the error by what is the same."""
    error = ((rows @ moments.gram) * rows).sum(1) - 2 * (rows * moments.cross.T).sum(1)
    return error + damping * moments.gram.diagonal().mean() * (rows - start).square().sum(1)


@pytest.mark.parametrize("values", [1, 1 << 22])
def test_the_saliency_is_what_removing_a_weight_and_solving_again_costs(
    values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """w^2 / [(G + lambda)^-1]_jj, for every kept weight of every row by brute force, one row a group or all in one."""
    monkeypatch.setattr(compensate, "VALUES", values)
    moments, start, kept = gram_problem()
    solved = solve(moments, start, kept, 0.1, inverse=True)
    base = damped_error(moments, solved.rows, start * kept, 0.1)
    for row, column in kept.nonzero().tolist():
        fewer = kept.clone()
        fewer[row, column] = False
        without = start * kept  # the pull is to the same values, and to none of the removed weight beyond its square
        again = solve(moments, start, fewer, 0.1, inverse=False).rows
        cost = damped_error(moments, again, without, 0.1)[row] - base[row]
        lacking = 0.1 * moments.gram.diagonal().mean()
        system = moments.gram[kept[row]][:, kept[row]] + lacking * torch.eye(int(kept[row].sum()), dtype=torch.double)
        place = int(kept[row, :column].sum())
        assert solved.inverse[row, column] == pytest.approx(torch.linalg.inv(system)[place, place].item())
        assert cost == pytest.approx((solved.rows[row, column] ** 2 / solved.inverse[row, column]).item())
    assert not solved.rows[~kept].any()
    assert not solved.inverse[~kept].any()


def test_the_error_never_rises_and_falls_with_less_damping_and_more_weights() -> None:
    moments, start, kept = gram_problem()

    def error(kept: Tensor, damping: float) -> Tensor:
        return damped_error(moments, solve(moments, start, kept, damping, inverse=False).rows, start, 0.0)

    untouched = damped_error(moments, start * kept, start, 0.0)
    errors = [untouched, *(error(kept, damping) for damping in (10.0, 1.0, 0.1, 1e-6)), error(kept | True, 1e-6)]
    for worse, better in pairwise(errors):
        assert (better <= worse + 1e-12).all()
    assert (errors[-1] < errors[0]).all()


def test_a_full_mask_changes_nothing_and_nothing_else_is_changed() -> None:
    dense = net(DENSE).train()
    before = {name: tensor.clone() for name, tensor in dense.state_dict().items()}
    drawn = torch.get_rng_state()
    compensation = Compensation(dense, [images()])
    same = compensation.network(Mask.dense(prunable_weights(dense)))
    first = compensation.network(half(dense))
    again = Compensation(dense, [images()]).network(half(dense))
    assert all(torch.allclose(same.state_dict()[name], before[name], atol=1e-4) for name in before)
    assert all(torch.equal(dense.state_dict()[name], before[name]) for name in before)
    assert all(torch.equal(first.state_dict()[name], again.state_dict()[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert dense.training and first.training


def test_inputs_that_are_never_active_and_rows_without_weights_are_no_trouble() -> None:
    dense, seen = net(DENSE), images()
    seen[:, :, :3] = 0.0
    mask = {name: layer.clone() for name, layer in half(dense).items()}
    mask["layers.1.weight"][:4] = False
    pruned = Compensation(dense, [seen]).network(mask)
    assert not pruned.layers[1].weight[:4].any()
    assert all(parameter.isfinite().all() for parameter in pruned.parameters())
    nothing = Compensation(dense, [torch.zeros_like(seen)]).network(mask)
    assert all(parameter.isfinite().all() for parameter in nothing.parameters())


def test_it_brings_accuracy_back() -> None:
    labels = torch.arange(200) % 3
    data = 0.2 * images() + (labels[:, None, None, None] == torch.arange(36).reshape(6, 6) % 3), labels
    dense = snnprune.train(net(DENSE), data, training=snnprune.Training(epochs=8, batch_size=20, lr=0.01))
    masked = snnprune.prune(dense, data, method="magnitude", level=0.8)
    solved = Compensation.on(dense, Split(*data)).network(masked.mask)
    assert snnprune.accuracy(masked.network, data) + 0.05 < snnprune.accuracy(solved, data)


def test_samples_are_the_first_of_the_batches() -> None:
    batches = [(torch.arange(300).float(), torch.zeros(300)), (torch.arange(300, 400).float(), torch.zeros(100))]
    assert torch.equal(torch.cat(some_of(batches, 350)), torch.arange(350).float())
    assert torch.equal(torch.cat(some_of(batches, 300)), torch.arange(300).float())
    assert max(map(len, some_of(batches, 1000))) == 256
    assert len(torch.cat(some_of(batches, 1000))) == 400


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="damping: found 0; it must be more than 0"):
        Compensation(net(DENSE), [images()], damping=0)
    with pytest.raises(UserError, match="compensate: needs samples"):
        Compensation(net(DENSE), [])
    data = images(), torch.arange(200) % 3
    for samples in (0, 1.5):
        with pytest.raises(UserError, match=f"samples: found {samples}; allowed are whole numbers from 1"):
            snnprune.compensate(net(DENSE), half(net(DENSE)), data, samples=samples)
    with pytest.raises(UserError, match="^mask: "):
        snnprune.compensate(net(DENSE), None, data)
    with pytest.raises(UserError, match="mask: the mask does not fit"):
        snnprune.compensate(net(DENSE), half(net(CONV)), data)
    adapted = snnprune.adapt(Residual(), images()).network
    with pytest.raises(
        UserError,
        match="compensate: is for networks that are a plain sequence of layers; this one runs its own forward",
    ):
        Compensation(adapted, [images()])
