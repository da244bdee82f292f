"""The training loop: it learns, follows the cosine, and an interrupted run ends with the very bits of a whole one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, NoisyDirect
from snnprune.core.seeds import derive_seed
from snnprune.core.training.fit import Epoch, ResumePoint, StepHooks, fit, make_optimizer, shuffled_batches
from snnprune.core.training.learning_rate import learning_rate
from snnprune.core.training.loss import CROSS_ENTROPY, BatchLoss, distilled, taught_by
from snnprune.core.training.optimizer_state import optimizer_tensors
from snnprune.core.training.params import Augment, Distillation, FitParams

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

    def __init__(
        self, spec: ModelParams, params: FitParams, resume: ResumePoint | None = None, loss: BatchLoss = CROSS_ENTROPY
    ) -> None:
        torch.manual_seed(7)
        self.params, self.resume, self.loss = params, resume, loss
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
            on_epoch=on_epoch or self.reported.append,
            hooks=hooks,
            loss=self.loss,
        )

    def bits(self) -> dict[str, Tensor]:
        """Weights and optimiser state, to be compared bit for bit."""
        return {**self.network.state_dict(), **optimizer_tensors(self.network, self.optimizer)}


def require_same_bits(found: Run, expected: Run) -> None:
    assert found.bits().keys() == expected.bits().keys()
    for name, tensor in expected.bits().items():
        assert torch.equal(found.bits()[name], tensor), name


def test_it_learns_a_separable_problem() -> None:
    epochs = Run(PLAIN, FitParams(epochs=12, batch_size=10, lr=0.02)).fit()
    assert [epoch.epoch for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.95


def teacher() -> SpikingNetwork:
    """A net of the same kind with weights of its own; its noise draws from the global generator too."""
    torch.manual_seed(11)
    return build_network(RANDOM)


def test_it_learns_from_a_teacher_alone() -> None:
    params = FitParams(epochs=12, batch_size=10, lr=0.02)
    dense = Run(PLAIN, params)
    dense.fit()
    loss = distilled(taught_by(dense.network), Distillation(temperature=2.0, weight=1.0))
    student = Run(
        PLAIN, params, loss=lambda counts, batch: loss(counts, replace(batch, labels=torch.zeros_like(batch.labels)))
    )
    with torch.no_grad():
        for parameter in student.network.parameters():
            parameter.mul_(0.5)
    epochs = student.fit()
    assert epochs[-1].loss < 0.3 * epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.9


def test_loss_is_the_mean_over_samples_not_batches() -> None:
    # A learning rate too small to move a float32 weight leaves one net for all batches, 40 and 20 samples long.
    run = Run(PLAIN, FitParams(epochs=1, batch_size=40, lr=1e-30))
    (epoch,) = run.fit()
    expected = torch.nn.functional.cross_entropy(run.network(TRAIN.images), TRAIN.labels).item()
    assert epoch.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_schedule_runs_over_all_steps_of_the_run(schedule: str) -> None:
    class Rates(StepHooks):
        def __init__(self, optimizer: torch.optim.Adam) -> None:
            self.optimizer, self.seen = optimizer, []

        def before_step(self) -> None:
            self.seen.append(self.optimizer.param_groups[0]["lr"])

    run = Run(PLAIN, FitParams(epochs=5, batch_size=30, lr=0.08, schedule=schedule))
    hooks = Rates(run.optimizer)
    epochs = run.fit(hooks=hooks)
    assert hooks.seen == [learning_rate(run.params, step, 10) for step in range(10)]
    assert [epoch.lr for epoch in epochs] == hooks.seen[1::2]


def test_hooks_stand_before_and_after_each_step() -> None:
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

    run = Run(PLAIN, FitParams(epochs=2, batch_size=30, lr=0.01))
    hooks = Watch(run.network)
    run.fit(hooks=hooks)
    assert hooks.calls == ["before", "after"] * 4


MODERN = FIT.model_copy(update={"optimizer": "adamw", "schedule": "one_cycle"})
WAYS = {"plain": (FIT, False), "modern": (MODERN, False), "distilled": (MODERN, True)}


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("way", WAYS)
def test_interrupted_it_ends_with_the_same_bits(
    tmp_path: Path, after: int, error: type[BaseException], way: str
) -> None:
    params, from_teacher = WAYS[way]

    def make(point: ResumePoint) -> Run:
        loss = distilled(taught_by(teacher()), Distillation()) if from_teacher else CROSS_ENTROPY
        return Run(RANDOM, params, point, loss)

    whole = make(ResumePoint(tmp_path / "whole"))
    expected = whole.fit()

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == after:
            raise error

    point = ResumePoint(tmp_path / "interrupted")
    with pytest.raises(error):
        make(point).fit(interrupt)
    torch.manual_seed(999)  # another process would start from another state of the generator
    resumed = make(point)
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

    monkeypatch.setattr("snnprune.core.training.fit._run_epoch", refuse)
    again = Run(RANDOM, FIT, point)
    assert again.fit() == expected
    assert again.reported == expected
    require_same_bits(again, whole)


@pytest.mark.parametrize(
    ("spec", "params", "run"),
    [
        (RANDOM.model_copy(update={"beta": 0.5}), FIT, "one"),  # with the same weights
        (RANDOM, FIT.model_copy(update={"epochs": 1}), "one"),
        (RANDOM, FIT, "two"),
    ],
)
def test_the_state_of_another_run_is_refused_and_nothing_is_changed(
    tmp_path: Path, spec: ModelParams, params: FitParams, run: str
) -> None:
    Run(RANDOM, FIT, ResumePoint(tmp_path / "state", "one")).fit()
    other = Run(spec, params, ResumePoint(tmp_path / "state", run))
    before = {name: tensor.clone() for name, tensor in other.network.state_dict().items()}
    with pytest.raises(UserError, match="state: not of this network and training"):
        other.fit()
    assert all(torch.equal(before[name], tensor) for name, tensor in other.network.state_dict().items())
    assert not other.reported


def test_runs_are_alike_with_and_without_validation_and_resume_point_but_not_with_another_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, plain, other = (Run(RANDOM, FIT, point) for point in (ResumePoint(tmp_path / "one"), None, None, None))
    assert one.fit() == two.fit()
    without = fit(plain.network, plain.optimizer, TRAIN, None, FIT, seed_path=(7,))
    assert [epoch.validation_accuracy for epoch in without] == [None] * FIT.epochs
    for run in (two, plain):
        require_same_bits(run, one)
    assert fit(other.network, other.optimizer, TRAIN, VALIDATION, FIT, seed_path=(8,)) != one.reported
    assert capsys.readouterr().out == ""


def test_batches_are_a_seeded_permutation() -> None:
    state = torch.get_rng_state()
    batches = shuffled_batches(23, 10, derive_seed(0, 1))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    order, again, other = (torch.cat(shuffled_batches(23, 10, derive_seed(0, seed))).tolist() for seed in (1, 1, 2))
    assert sorted(order) == list(range(23)) != order
    assert torch.cat(batches).tolist() == order == again != other
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        # Decay is part of the gradient, here all of it: Adam's first step moves by lr against its sign.
        ("adam", torch.optim.Adam, 1.0 - 0.02),
        # Decay is decoupled: the weight times 1 - lr * decay; the gradient is 0 and moves nothing.
        ("adamw", torch.optim.AdamW, 1.0 - 0.02 * 0.1),
    ],
)
def test_optimizer_is_chosen_by_name(name: str, kind: type[torch.optim.Adam], expected: float) -> None:
    network = build_network(PLAIN)
    params = FitParams(epochs=1, batch_size=1, lr=0.02, weight_decay=0.1, optimizer=name)
    optimizer = make_optimizer(network, params)
    assert type(optimizer) is kind
    assert len(optimizer.param_groups[0]["params"]) == 4
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with torch.no_grad():
        network.layers[1].weight.fill_(1.0)
    optimizer.step()
    torch.testing.assert_close(network.layers[1].weight.detach(), torch.full((20, 16), expected))
