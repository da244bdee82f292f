"""The training loop: it learns, follows the cosine, and an interrupted run ends with the very bits of a whole one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, NoisyDirect
from snnprune.core.seeds import derive_seed
from snnprune.core.training.fit import Epoch, ResumePoint, StepHooks, fit, make_optimizer, shuffled_batches
from snnprune.core.training.learning_rate import learning_rate
from snnprune.core.training.loss import Loss, cross_entropy, distilled
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
        self, spec: ModelParams, params: FitParams, resume: ResumePoint | None, loss: Loss = cross_entropy
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


def test_it_learns_a_separable_problem(tmp_path: Path) -> None:
    params = FitParams(epochs=12, batch_size=10, lr=0.02)
    epochs = Run(PLAIN, params, ResumePoint(tmp_path / "state")).fit()
    assert [epoch.epoch for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.95


def teacher() -> SpikingNetwork:
    """A net of the same kind with weights of its own; its noise draws from the global generator too."""
    torch.manual_seed(11)
    return build_network(RANDOM)


def test_it_learns_from_a_teacher_alone(tmp_path: Path) -> None:
    dense = Run(PLAIN, FitParams(epochs=12, batch_size=10, lr=0.02), ResumePoint(tmp_path / "dense"))
    assert dense.fit()[-1].validation_accuracy > 0.95
    loss = distilled(dense.network, Distillation(temperature=2.0, weight=1.0))

    def without_labels(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        return loss(counts, images, torch.zeros_like(labels))

    params = FitParams(epochs=12, batch_size=10, lr=0.02)
    student = Run(PLAIN, params, ResumePoint(tmp_path / "student"), without_labels)
    with torch.no_grad():
        for parameter in student.network.parameters():
            parameter.mul_(0.5)
    epochs = student.fit()
    assert epochs[-1].loss < 0.3 * epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.9


def test_loss_is_the_mean_over_samples_not_batches(tmp_path: Path) -> None:
    # A learning rate too small to move a float32 weight leaves one net for all batches, 40 and 20 samples long.
    params = FitParams(epochs=1, batch_size=40, lr=1e-30)
    run = Run(PLAIN, params, ResumePoint(tmp_path / "state"))
    (epoch,) = run.fit()
    expected = torch.nn.functional.cross_entropy(run.network(TRAIN.images), TRAIN.labels).item()
    assert epoch.loss == pytest.approx(expected, rel=1e-5)


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


def test_one_cycle_runs_over_all_steps_of_the_run(tmp_path: Path) -> None:
    params = FitParams(epochs=5, batch_size=30, lr=0.25, schedule="one_cycle")
    epochs = Run(PLAIN, params, ResumePoint(tmp_path / "state")).fit()
    # 10 steps, the highest rate at the third; the last step of every epoch is an odd one.
    assert [epoch.lr for epoch in epochs] == [learning_rate(params, step, 10) for step in (1, 3, 5, 7, 9)]
    assert epochs[-1].lr == pytest.approx(1e-6)


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
        loss = distilled(teacher(), Distillation()) if from_teacher else cross_entropy
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


def test_two_runs_are_alike_and_another_seed_is_not(tmp_path: Path) -> None:
    one, two = (Run(RANDOM, FIT, ResumePoint(tmp_path / name)) for name in ("one", "two"))
    assert one.fit() == two.fit()
    require_same_bits(one, two)
    other = Run(RANDOM, FIT, ResumePoint(tmp_path / "other"))
    arguments = {"resume": other.resume, "on_epoch": other.reported.append}
    fit(other.network, other.optimizer, TRAIN, VALIDATION, FIT, seed_path=(8,), **arguments)
    assert other.reported != one.reported


def test_a_call_is_silent_and_needs_neither_validation_nor_a_resume_point(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = Run(RANDOM, FIT, None), Run(RANDOM, FIT, None)
    epochs = one.fit()
    without = fit(other.network, other.optimizer, TRAIN, None, FIT, seed_path=(7,))
    assert [epoch.validation_accuracy for epoch in without] == [None] * len(epochs)
    require_same_bits(other, one)
    assert capsys.readouterr().out == ""


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
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with torch.no_grad():
        network.layers[1].weight.fill_(1.0)
    optimizer.step()
    torch.testing.assert_close(network.layers[1].weight.detach(), torch.full((20, 16), expected))
