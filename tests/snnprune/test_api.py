"""The library as a user meets it: its examples run, nothing given is changed, and wrong input is named."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import snnprune
from snnprune.core.dataset import as_split
from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.registry import load_method
from tests.imports import PROJECT

IMAGES, LABELS = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
DATA = IMAGES, LABELS
Net = snnprune.SpikingNetwork
FORBIDDEN = ["dvc", "prefect", "mlflow", "ruamel", "matplotlib", "pandas", "osqp", "sklearn"]
FORBIDDEN += ["typer", "pipeline", "flows"]


@pytest.fixture(scope="module")
def net() -> Net:
    return snnprune.train(snnprune.build([16, 12, 3], timesteps=5), DATA, training=snnprune.Training(epochs=2))


def parameters(network: Net) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


MODULES = [
    "snnprune",
    "snnprune.api",
    "snnprune.core.dataset",
    "snnprune.core.training.evaluate",
    "snnprune.sparse.runtime",
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted > 0 and done.failed == 0


def test_every_public_name_is_there_and_described() -> None:
    assert all(getattr(snnprune, name).__doc__ for name in snnprune.__all__)
    assert set(snnprune.__all__) <= set(dir(snnprune))
    with pytest.raises(AttributeError, match="no attribute 'prune_it'"):
        _ = snnprune.prune_it


def test_a_fresh_interpreter_loads_the_library_alone() -> None:
    code = (
        "import sys, snnprune; light = 'torch' not in sys.modules; snnprune.prune; "
        f"print(light, [name for name in {FORBIDDEN} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "True []"


def test_training_is_the_stage_s_training_bit_for_bit() -> None:
    training = snnprune.Training(epochs=2, batch_size=16, lr=0.01)
    seed_everything(3)
    expected = build_network(ModelParams(layers=[16, 12, 3], dropout=0.2))
    split = as_split(DATA)
    fit(expected, make_optimizer(expected, training), split, split, training, seed_path=(3,))
    untrained = snnprune.build([16, 12, 3], dropout=0.2, seed=3)
    found = snnprune.train(untrained, DATA, training=training, seed=3)
    assert same(parameters(found), parameters(expected))
    assert not same(parameters(found), parameters(untrained))


def test_nothing_given_is_changed_or_printed(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    before, state = parameters(net), torch.get_rng_state()
    finetune = snnprune.Finetune(epochs=1, distillation=snnprune.Distillation())
    pruned = snnprune.prune(net, DATA, level=[0.5, 0.9], finetune=finetune, validation=DATA)
    snnprune.train(net, DATA, training=snnprune.Training(epochs=1))
    assert same(parameters(net), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr().out == ""
    nonzero = sum(int(weight.count_nonzero()) for weight in prunable_weights(pruned.network).values())
    assert pruned.nnz == nonzero == round(0.1 * 228)
    assert [step.level for step in pruned.levels] == [0.5, 0.9]
    assert pruned.levels[-1].validation == snnprune.accuracy(pruned.network, DATA)


def test_a_loss_of_one_s_own_is_used(net: Net) -> None:
    def nothing(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return counts.sum() * 0

    finetune = snnprune.Finetune(epochs=1)
    pruned = snnprune.prune(net, DATA, method="magnitude", finetune=finetune, loss=nothing)
    straight = snnprune.prune(net, DATA, method="magnitude")
    assert same(parameters(pruned.network), parameters(straight.network))
    assert not same(
        parameters(pruned.network), parameters(snnprune.prune(net, DATA, method="magnitude", finetune=finetune).network)
    )


@pytest.mark.parametrize("method", snnprune.list_methods())
def test_every_method_prunes(net: Net, method: str) -> None:
    pruned = snnprune.prune(net, DATA, method=method, level=0.75)
    assert pruned.nnz == round(0.25 * 228) or not load_method(method).exact


# Nets in float64


@pytest.mark.parametrize("method", snnprune.list_methods())
def test_every_method_prunes_and_fine_tunes_in_float64(method: str) -> None:
    finetune = snnprune.Finetune(epochs=1, distillation=snnprune.Distillation())
    options = {"method": method, "level": 0.75, "finetune": finetune, "validation": DATA}
    pruned = snnprune.prune(snnprune.build([16, 12, 3], timesteps=5).double(), DATA, **options)
    assert {parameter.dtype for parameter in pruned.network.parameters()} == {torch.float64}
    assert pruned.nnz == round(0.25 * 228) or not load_method(method).exact


@pytest.mark.parametrize("encoding", ["direct", "noisy_direct", "rate", "latency", "frames"])
@pytest.mark.parametrize("layers", ["16-12-3", "4x4-3C2-3"])
def test_a_net_in_float64_is_used_as_any_other(encoding: str, layers: str) -> None:
    net = snnprune.build(layers, timesteps=5, encoding={"name": encoding}).double()
    images = IMAGES if encoding != "frames" else (IMAGES * 3).byte()[:, None].repeat(1, 5, 1, 1, 1)
    assert net(images if encoding == "frames" else images.double()).dtype == torch.float64
    augment = {"shift": 1} if encoding == "frames" else {"shift": 1, "rotation": 5.0}
    training = snnprune.Training(epochs=1, augment=augment)
    trained = snnprune.train(net, (images, LABELS), training=training)
    assert {parameter.dtype for parameter in trained.parameters()} == {torch.float64}
    assert snnprune.count_operations(net, (images, LABELS)).neuron_updates > 0
    pruned = snnprune.prune(net, (images, LABELS), method="obs", compensate=True)
    assert pruned.nnz == round(0.1 * pruned.mask.size)
    limits = {"max_bytes": 300, "max_operations": 100, "fan_in": 4}
    assert all(snnprune.prune(net, (images, LABELS), **{key: limit}).nnz for key, limit in limits.items())


def test_images_of_a_net_in_float64_are_not_rounded_to_float32() -> None:
    """A current of 1 + 1e-12, above the threshold of 1, is 1 in float32."""
    net = snnprune.build([1, 2], timesteps=1).double()
    with torch.no_grad():
        net.layers[1].weight.copy_(torch.tensor([[0.0], [1.0]]))
        net.layers[1].bias.zero_()
    images, labels = torch.full((2, 1, 1, 1), 1 + 1e-12, dtype=torch.float64), torch.ones(2, dtype=torch.int64)
    assert snnprune.accuracy(net, (images, labels)) == 1.0
    assert snnprune.accuracy(net, (images.float(), labels)) == 0.0


def test_save_and_load(net: Net, tmp_path: Path) -> None:
    pruned, state = snnprune.prune(net, DATA), torch.get_rng_state()
    for name, saved in (("sparse", pruned), ("whole", pruned.network)):
        snnprune.save(saved, tmp_path / f"{name}.safetensors")
        loaded = snnprune.load(str(tmp_path / f"{name}.safetensors"))
        assert same(parameters(loaded), parameters(pruned.network))
    assert (tmp_path / "sparse.safetensors").stat().st_size < (tmp_path / "whole.safetensors").stat().st_size
    assert torch.equal(torch.get_rng_state(), state)


def test_operations_of_a_pruned_net_are_fewer(net: Net) -> None:
    dense = snnprune.count_operations(net, DATA)
    pruned = snnprune.count_operations(snnprune.prune(net, DATA).network, DATA)
    assert (dense.dense_operations, dense.neuron_updates) == (5 * 228, 5 * 15)
    assert 0 < pruned.macs + pruned.acs < dense.macs + dense.acs <= dense.dense_operations
    assert f"{pruned}".startswith(f"{pruned.macs:,.0f} MACs ({pruned.macs / 5:,.0f} with")


@pytest.mark.parametrize(
    "data",
    [
        as_split(DATA),
        (IMAGES.numpy(), LABELS.numpy()),
        [IMAGES.double(), LABELS.int()],
        TensorDataset(IMAGES, LABELS),
        DataLoader(TensorDataset(IMAGES, LABELS), batch_size=7),
        [(IMAGES[:20], LABELS[:20]), (IMAGES[20:], LABELS[20:])],
        [(IMAGES[:20], LABELS[:20]), [IMAGES[20:40], LABELS[20:40]], (IMAGES[40:], LABELS[40:])],
    ],
)
def test_data_of_every_kind(data: object) -> None:
    split = as_split(data)
    assert torch.equal(split.images, IMAGES) and torch.equal(split.labels, LABELS)
    assert (split.images.dtype, split.labels.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_frames_stay_what_they_are(kind: torch.dtype) -> None:
    frames = torch.arange(2 * 3 * 4).view(2, 3, 1, 2, 2).to(kind)
    split = as_split((frames.numpy(), [0, 1]))
    assert split.images.dtype == kind and torch.equal(split.images, frames)


@pytest.mark.parametrize("shape", [(60, 4, 1, 4, 4), (60, 5, 1, 3, 4), (60, 5, 4, 4)])
def test_frames_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    net = snnprune.build([16, 3], timesteps=5, encoding={"name": "frames"})
    with pytest.raises(snnprune.DataError, match=r"images: the network takes \[5, 1, 1, 16\] a sample; found \["):
        snnprune.prune(net, (torch.zeros(shape), LABELS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "data: expected .* found int"),
        (None, "data: expected .* found NoneType"),
        (IMAGES, "data: expected .* found Tensor"),
        ([], "data: expected .* found list"),
        (TensorDataset(IMAGES[:0], LABELS[:0]), r"images: found none, \[0, 1\]"),
        ((IMAGES[:0], LABELS[:0]), r"images: found none, \[0, 1, 4, 4\]"),
        ((IMAGES, LABELS, LABELS), "data: expected .* found tuple"),
        ((IMAGES, LABELS == 1), "labels: expected whole numbers .* found torch.bool"),
        ((IMAGES, LABELS * 1j), "labels: expected whole numbers .* found torch.complex64"),
        (((IMAGES * 255).byte(), LABELS), r"images: expected floating .* found torch.uint8 \[60, 1, 4, 4\]"),
        ((IMAGES, LABELS[:-1]), r"labels: expected whole numbers \[60\], .* found torch.int64 \[59\]"),
        ((IMAGES, LABELS / 2), "labels: expected whole numbers .* found torch.float32"),
        ((IMAGES[:, :, :3], LABELS), r"images: the network takes \[16\] a sample; found \[1, 3, 4\]"),
        ((IMAGES, LABELS + 1), "labels: the network has the classes 0 to 2; found 1 to 3"),
    ],
)
def test_data_that_do_not_fit_are_named(net: Net, data: object, message: str) -> None:
    for take in (snnprune.prune, snnprune.accuracy, snnprune.count_operations):
        with pytest.raises(snnprune.DataError, match=message):
            take(net, data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magnitud"}, "unknown pruning method 'magnitud'; available are: cqp, .*magnitude"),
        ({"level": 1.5}, r"prune.levels\[0\]: .*less than 1; found 1.5"),
        ({"level": []}, r"prune.levels: List should have at least 1 item .* found \[\]"),
        ({"level": "0.5"}, r"prune.levels\[0\]: .* valid number; found '0.5'"),
        ({"pattern": 2}, "prune.pattern: .* valid list; found 2"),
        ({"method_params": [1]}, r"method_params: expected a mapping with the keys alpha, .*; found \[1\]"),
        ({"seed": -1}, "seed: allowed are whole numbers from 0 to 18446744073709551615; found -1"),
        ({"method": "cqp_gradual", "compensate": True, "finetune": {"epochs": 1}}, "compensate: cqp_gradual prunes"),
        ({"level": [0.9, 0.5]}, "prune.levels: values must rise strictly"),
        ({"method_params": {"beta": 1}}, "method_params.beta: unknown key; allowed here: alpha, tau, granularity"),
        ({"scope": "all"}, "prune.scope: .*'global' or 'layer'; found 'all'"),
    ],
)
def test_wrong_options_are_named(net: Net, options: dict[str, object], message: str) -> None:
    with pytest.raises(snnprune.UserError, match=message):
        snnprune.prune(net, DATA, **options)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (np.linspace(0.5, 0.75, 2), [0.5, 0.75]),
        (torch.tensor([0.5, 0.75]), [0.5, 0.75]),
        (np.float32(0.5), [0.5]),
        (torch.tensor(0.5), [0.5]),
        ([np.float64(0.5), np.float32(0.75)], [0.5, 0.75]),
    ],
)
def test_levels_of_numpy_and_torch_are_taken(net: Net, level: object, expected: list[float]) -> None:
    assert [step.level for step in snnprune.prune(net, DATA, method="magnitude", level=level).levels] == expected


def test_other_numbers_of_numpy_and_torch_are_taken(net: Net) -> None:
    built = snnprune.build(np.array([16, 12, 3]), timesteps=np.int64(5), beta=torch.tensor(0.5), seed=np.int64(3))
    assert built.spec == ModelParams(layers=[16, 12, 3], timesteps=5, beta=0.5)
    assert same(parameters(built), parameters(snnprune.build((np.int32(16), 12, 3), seed=3)))
    assert snnprune.Training(epochs=np.int64(2)) == snnprune.Training(epochs=2)
    pruned = snnprune.prune(net, DATA, method="magnitude", fan_in=np.int64(2), pattern=np.array([1, 4]))
    assert all((layer.sum(1) <= 2).all() for layer in pruned.mask.values())


def test_training_may_be_a_mapping(net: Net) -> None:
    found = snnprune.train(net, DATA, training={"epochs": 1, "lr": 0.1})
    assert same(parameters(found), parameters(snnprune.train(net, DATA, training=snnprune.Training(epochs=1, lr=0.1))))
    with pytest.raises(snnprune.UserError, match=r"training.epochs: .* greater than or equal to 1; found 0"):
        snnprune.train(net, DATA, training={"epochs": 0})
    with pytest.raises(snnprune.UserError, match="training: expected a mapping with the keys epochs, .*; found 3"):
        snnprune.train(net, DATA, training=3)


@pytest.mark.parametrize("seed", [-1, 1.5, None, 1 << 64])
def test_wrong_seeds_are_named(net: Net, seed: object) -> None:
    mask = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in prunable_weights(net).items()}
    for call in (
        lambda: snnprune.build([16, 3], seed=seed),
        lambda: snnprune.train(net, DATA, seed=seed),
        lambda: snnprune.prune(net, DATA, seed=seed),
        lambda: snnprune.compensate(net, mask, DATA, seed=seed),
    ):
        with pytest.raises(snnprune.UserError, match=f"seed: allowed are whole numbers from 0 .* found {seed}$"):
            call()


def test_what_is_no_network_is_named(net: Net, tmp_path: Path) -> None:
    pruned = snnprune.prune(net, DATA)
    takes = [
        lambda given: snnprune.prune(given, DATA),
        lambda given: snnprune.train(given, DATA),
        lambda given: snnprune.accuracy(given, DATA),
        lambda given: snnprune.count_operations(given, DATA),
        lambda given: snnprune.compensate(given, pruned.mask, DATA),
        lambda given: snnprune.compile(given),
    ]
    module = torch.nn.Linear(16, 3)
    wrong = {"module": "found Linear; `adapt` takes", "net": "expected one of build, .*; found str"}
    for take in takes:
        with pytest.raises(snnprune.UserError, match="network: found Pruned; give its `.network`"):
            take(pruned)
        for given, message in ((module, wrong["module"]), ("net", wrong["net"])):
            with pytest.raises(snnprune.UserError, match=message):
                take(given)
    with pytest.raises(snnprune.UserError, match=wrong["module"]):
        snnprune.save(module, tmp_path / "net")


@pytest.mark.parametrize("layers", [784, None])
def test_layers_that_are_none_are_named(layers: object) -> None:
    with pytest.raises(snnprune.UserError, match=f"model.layers: allowed are neuron counts .* found {layers}"):
        snnprune.build(layers)


def test_a_wrong_model_is_named() -> None:
    with pytest.raises(snnprune.UserError, match="model.timestep: unknown key; allowed here: layers, beta"):
        snnprune.build([16, 3], timestep=5)


def test_idx_folder(tmp_path: Path) -> None:
    images, labels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3), np.array([1, 0], dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 3, *(0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3)]) + images.tobytes()
    )
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2]) + labels.tobytes())
    split = snnprune.load_idx(tmp_path, "test")
    assert torch.equal(split.images, torch.from_numpy(images[:, None]) / 255)
    assert split.labels.tolist() == [1, 0]
    with pytest.raises(snnprune.DataError, match=r"train-images.*: missing; the folder holds t10k-images"):
        snnprune.load_idx(tmp_path)
    with pytest.raises(snnprune.DataError, match="part: allowed are train, test; found 'validation'"):
        snnprune.load_idx(tmp_path, "validation")
