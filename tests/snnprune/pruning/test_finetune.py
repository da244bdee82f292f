"""Fine-tuning in kept values: what it leaves is what dense fine-tuning under the guard leaves, and no zombie exists."""

from pathlib import Path

import pytest
import torch
from torch import nn

from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.fit import ResumePoint
from snnprune.core.training.loss import CROSS_ENTROPY
from snnprune.core.training.params import FitParams
from snnprune.pruning import finetune as module
from snnprune.pruning.finetune import finetune, kept_alone
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.sparse.linear import SparseLinear

PARAMS = FitParams(epochs=3, batch_size=16, lr=0.01, optimizer="adamw", weight_decay=0.01)


def dense() -> SpikingNetwork:
    torch.manual_seed(0)
    network = build_network(ModelParams(layers=[16, 20, 10, 3], timesteps=5, threshold=0.5))
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight.mul_(3)
    return network


def mask_of(network: SpikingNetwork, *densities: float) -> Mask:
    generator = torch.Generator().manual_seed(1)
    weights = prunable_weights(network)
    return Mask(
        {
            name: torch.rand(weight.shape, generator=generator) < density
            for (name, weight), density in zip(weights.items(), densities, strict=True)
        }
    )


def tuned(dataset: Dataset, mask: Mask, resume: ResumePoint | None = None) -> SpikingNetwork:
    network = dense()
    options = {"seed_path": (3,), "loss": CROSS_ENTROPY, "resume": resume}
    finetune(network, mask, dataset.train, dataset.validation, PARAMS, **options)
    return network


@pytest.mark.parametrize("densities", [(0.1, 0.3, 0.3), (0.1, 0.9, 0.3), (0.0, 0.3, 0.9)], ids=str)
def test_it_leaves_what_the_dense_form_leaves(
    dataset: Dataset, densities: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = mask_of(dense(), *densities)
    kept = copy_parameters(tuned(dataset, mask))
    monkeypatch.setattr(module, "DENSE_FROM", 0.0)
    guarded = copy_parameters(tuned(dataset, mask))
    assert list(kept) == list(guarded)
    for name, weight in kept.items():
        torch.testing.assert_close(weight, guarded[name], rtol=1e-3, atol=1e-4)
        if name in mask:
            assert not weight[~mask[name]].any()
    assert any(
        not torch.equal(weight, start) for weight, start in zip(kept.values(), dense().parameters(), strict=True)
    )


def test_layers_with_few_synapses_have_no_others_meanwhile() -> None:
    network = dense()
    mask = mask_of(network, 0.1, 0.9, 0.3)
    before, names = copy_parameters(network), list(mask)
    with kept_alone(network, mask) as rest:
        assert list(rest) == [names[1]]
        sparse = [layer for layer in network.layers if isinstance(layer, SparseLinear)]
        assert [len(layer.values) for layer in sparse] == [int(mask[names[0]].sum()), int(mask[names[2]].sum())]
        assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in before.values())
        with torch.no_grad():
            sparse[0].values.fill_(2.0)
            sparse[0].bias.fill_(3.0)
    after = copy_parameters(network)
    assert list(after) == list(before)
    assert torch.equal(after[names[0]], 2.0 * mask[names[0]])
    assert after[names[0].replace("weight", "bias")].eq(3.0).all()
    assert not any(isinstance(layer, SparseLinear) for layer in network.layers)


def test_it_is_put_back_after_an_error() -> None:
    network = dense()
    with pytest.raises(KeyboardInterrupt), kept_alone(network, mask_of(network, 0.1, 0.1, 0.1)):
        raise KeyboardInterrupt
    assert len([layer for layer in network.layers if isinstance(layer, nn.Linear)]) == 3


def test_another_dtype_stays_dense() -> None:
    network = dense().double()
    mask = mask_of(network, 0.1, 0.1, 0.1)
    with kept_alone(network, mask) as rest:
        assert list(rest) == list(mask)


def test_a_mask_that_does_not_fit() -> None:
    with (
        pytest.raises(ValueError, match="does not fit"),
        kept_alone(dense(), Mask({"layers.1.weight": torch.ones(2, 2) > 0})),
    ):
        pass


def test_interrupted_it_ends_with_the_same_bits(dataset: Dataset, tmp_path: Path) -> None:
    mask = mask_of(dense(), 0.1, 0.9, 0.3)
    expected = copy_parameters(tuned(dataset, mask))
    point, network = ResumePoint(tmp_path / "point"), dense()

    def interrupt(epoch: object) -> None:
        raise KeyboardInterrupt

    options = {"seed_path": (3,), "loss": CROSS_ENTROPY, "resume": point, "on_epoch": interrupt}
    with pytest.raises(KeyboardInterrupt):
        finetune(network, mask, dataset.train, dataset.validation, PARAMS, **options)
    found = copy_parameters(tuned(dataset, mask, point))
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
