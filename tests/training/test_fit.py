"""The training loop: it learns, follows the cosine, and an interrupted run ends with the very bits of a whole one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.data.store import Split
from pipeline.progress import Progress
from pipeline.resume import ResumePoint
from pipeline.runtime import derive_seed
from pipeline.snn.network import SpikingNetwork, build_network
from pipeline.snn.params import ModelParams, NoisyDirect
from pipeline.training.fit import Epoch, StepHooks, cosine, fit, make_optimizer, shuffled_batches
from pipeline.training.optimizer_state import optimizer_tensors
from pipeline.training.params import Augment, FitParams

CLASSES = 3
PLAIN = ModelParams(layers=[16, 20, CLASSES], timesteps=4)
# Everything that draws random numbers is on.
NOISE = NoisyDirect(name="noisy_direct", sigma=0.2)
RANDOM = ModelParams(layers=[16, 20, CLASSES], timesteps=4, encoding=NOISE, dropout=0.3)
FIT = FitParams(epochs=4, batch_size=16, lr=0.01, weight_decay=1e-4, augment=Augment(shift=1, rotation=20.0))


def separable(count: int, seed: int) -> Split:
    """Images [count, 1, 4, 4] of one bright row each, rows 0 to 2, which is their class; the rest is dim noise."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand((count, 1, 4, 4), generator=generator) * 0.3
    labels = torch.arange(count) % CLASSES
    images[torch.arange(count), 0, labels] += 0.6
    return Split(images, labels)


TRAIN, VALIDATION = separable(60, 0), separable(30, 1)


class Run:
    """One network, its optimiser and what `fit` reported, as a stage makes them for one seed."""

    def __init__(self, spec: ModelParams, params: FitParams, resume: ResumePoint) -> None:
        torch.manual_seed(7)
        self.params, self.resume = params, resume
        self.network = build_network(spec)
        self.optimizer = make_optimizer(self.network, params)
        self.reported: list[Epoch] = []

    def fit(self, on_epoch: Callable[[Epoch], None] | None = None, hooks: StepHooks | None = None) -> list[Epoch]:
        return fit(
            self.network,
            self.optimizer,
            TRAIN,
            VALIDATION,
            self.params,
            seed_path=(7,),
            resume=self.resume,
            progress=Progress("test"),
            on_epoch=on_epoch or self.reported.append,
            hooks=hooks,
        )

    def bits(self) -> dict[str, Tensor]:
        """Weights and optimiser state, to be compared bit for bit."""
        return {**self.network.state_dict(), **optimizer_tensors(self.network, self.optimizer)}


def require_same_bits(found: Run, expected: Run) -> None:
    assert found.bits().keys() == expected.bits().keys()
    for name, tensor in expected.bits().items():
        assert torch.equal(found.bits()[name], tensor), name


def test_it_learns_a_separable_problem(tmp_path: Path) -> None:
    params = FitParams(epochs=12, batch_size=10, lr=0.02)
    epochs = Run(PLAIN, params, ResumePoint(tmp_path / "state")).fit()
    assert [epoch.epoch for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.95


def test_loss_is_the_mean_over_samples_not_batches(tmp_path: Path) -> None:
    # A learning rate too small to move a float32 weight leaves one net for all batches, 40 and 20 samples long.
    params = FitParams(epochs=1, batch_size=40, lr=1e-30)
    run = Run(PLAIN, params, ResumePoint(tmp_path / "state"))
    (epoch,) = run.fit()
    expected = torch.nn.functional.cross_entropy(run.network(TRAIN.images), TRAIN.labels).item()
    assert epoch.loss == pytest.approx(expected, rel=1e-5)


def test_cosine_by_hand() -> None:
    # Over 3 steps, and where it would end: (1 + cos(pi step/3)) / 2 = 1, 3/4, 1/4, 0.
    rates = [cosine(0.1, step, 3) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.075, 0.025, 0.0], abs=1e-15)


def test_learning_rate_falls_over_all_steps_of_the_run(tmp_path: Path) -> None:
    class Rates(StepHooks):
        def __init__(self, optimizer: torch.optim.Adam) -> None:
            self.optimizer, self.seen = optimizer, []

        def before_step(self) -> None:
            self.seen.append(self.optimizer.param_groups[0]["lr"])

    run = Run(PLAIN, FitParams(epochs=2, batch_size=30, lr=0.08), ResumePoint(tmp_path / "state"))
    hooks = Rates(run.optimizer)
    epochs = run.fit(hooks=hooks)
    # 2 epochs of 2 batches: 0.04 (1 + cos(pi step/4)); cos = 1, sqrt(1/2), 0, -sqrt(1/2).
    root = 0.5**0.5
    assert hooks.seen == pytest.approx([0.08, 0.04 * (1 + root), 0.04, 0.04 * (1 - root)])
    assert [epoch.lr for epoch in epochs] == [hooks.seen[1], hooks.seen[3]]


def test_hooks_stand_before_and_after_each_step(tmp_path: Path) -> None:
    class Watch(StepHooks):
        def __init__(self, network: SpikingNetwork) -> None:
            self.weight, self.calls, self.before = network.layers[1].weight, [], torch.empty(0)

        def before_step(self) -> None:
            assert self.weight.grad.abs().sum() > 0
            self.before = self.weight.detach().clone()
            self.calls.append("before")

        def after_step(self) -> None:
            assert not torch.equal(self.weight, self.before)
            self.calls.append("after")

    run = Run(PLAIN, FitParams(epochs=2, batch_size=30, lr=0.01), ResumePoint(tmp_path / "state"))
    hooks = Watch(run.network)
    run.fit(hooks=hooks)
    assert hooks.calls == ["before", "after"] * 4


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, after: int, error: type[BaseException]) -> None:
    whole = Run(RANDOM, FIT, ResumePoint(tmp_path / "whole"))
    expected = whole.fit()

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == after:
            raise error

    point = ResumePoint(tmp_path / "interrupted")
    with pytest.raises(error):
        Run(RANDOM, FIT, point).fit(interrupt)
    torch.manual_seed(999)  # another process would start from another state of the generator
    resumed = Run(RANDOM, FIT, point)
    assert resumed.fit() == expected
    assert resumed.reported == expected
    require_same_bits(resumed, whole)


def test_interrupted_inside_an_epoch_it_repeats_that_epoch(tmp_path: Path) -> None:
    class Stop(StepHooks):
        steps = 0

        def after_step(self) -> None:
            self.steps += 1
            if self.steps == 6:  # the second of four batches of the second epoch
                raise KeyboardInterrupt

    whole = Run(RANDOM, FIT, ResumePoint(tmp_path / "whole"))
    whole.fit()
    point = ResumePoint(tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt):
        Run(RANDOM, FIT, point).fit(hooks=Stop())
    assert len(point.load()["epochs"]) == 1
    resumed = Run(RANDOM, FIT, point)
    resumed.fit()
    require_same_bits(resumed, whole)


def test_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = ResumePoint(tmp_path / "state")
    whole = Run(RANDOM, FIT, point)
    expected = whole.fit()

    def refuse(*_: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("pipeline.training.fit._run_epoch", refuse)
    again = Run(RANDOM, FIT, point)
    assert again.fit() == expected
    assert again.reported == expected
    require_same_bits(again, whole)


def test_two_runs_are_alike_and_another_seed_is_not(tmp_path: Path) -> None:
    one, two = (Run(RANDOM, FIT, ResumePoint(tmp_path / name)) for name in ("one", "two"))
    assert one.fit() == two.fit()
    require_same_bits(one, two)
    other = Run(RANDOM, FIT, ResumePoint(tmp_path / "other"))
    arguments = {"resume": other.resume, "progress": Progress("test"), "on_epoch": other.reported.append}
    fit(other.network, other.optimizer, TRAIN, VALIDATION, FIT, seed_path=(8,), **arguments)
    assert other.reported != one.reported


def test_progress_prints_a_line_per_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Run(PLAIN, FitParams(epochs=2, batch_size=30, lr=0.01), ResumePoint(tmp_path / "state")).fit()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["test epoch 1/2", "test epoch 2/2"]
    assert all("loss" in line and "validation" in line and "samples/s" in line for line in lines)


def test_batches_are_a_seeded_permutation() -> None:
    batches = shuffled_batches(23, 10, derive_seed(0, 1))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert sorted(torch.cat(batches).tolist()) == list(range(23))
    assert torch.cat(batches).tolist() != list(range(23))
    assert torch.equal(torch.cat(batches), torch.cat(shuffled_batches(23, 10, derive_seed(0, 1))))
    assert not torch.equal(torch.cat(batches), torch.cat(shuffled_batches(23, 10, derive_seed(0, 2))))


def test_shuffling_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    shuffled_batches(23, 10, 5)
    assert torch.equal(torch.get_rng_state(), state)


def test_optimizer_decays_every_weight() -> None:
    params = FitParams(epochs=1, batch_size=1, lr=0.02, weight_decay=0.003)
    network = build_network(PLAIN)
    (group,) = make_optimizer(network, params).param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.003)
    assert len(group["params"]) == len(list(network.parameters())) == 4


def test_optimizer_tensors_are_named_after_their_parameters(tmp_path: Path) -> None:
    run = Run(PLAIN, FitParams(epochs=2, batch_size=30, lr=0.01), ResumePoint(tmp_path / "state"))
    assert optimizer_tensors(run.network, run.optimizer) == {}
    run.fit()
    tensors = optimizer_tensors(run.network, run.optimizer)
    shapes = {name: list(parameter.shape) for name, parameter in run.network.named_parameters()}
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {
        f"{name}.{key}": [] if key == "step" else shape
        for name, shape in shapes.items()
        for key in ("exp_avg", "exp_avg_sq", "step")
    }
    assert tensors["layers.1.weight.step"] == 4
    assert tensors["layers.1.weight.exp_avg"].abs().sum() > 0
    tensors["layers.1.weight.exp_avg"].zero_()
    assert optimizer_tensors(run.network, run.optimizer)["layers.1.weight.exp_avg"].abs().sum() > 0
