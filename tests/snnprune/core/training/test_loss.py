"""The training loss: cross-entropy by hand, distillation against its formula, and what the teacher gets of it."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import Direct, Frames, Latency, ModelParams, NoisyDirect
from snnprune.core.training.batch import Batch, make_batch
from snnprune.core.training.loss import (
    can_be_tabled,
    cross_entropy,
    distilled,
    looked_up,
    table_of,
    taught_by,
)
from snnprune.core.training.params import Augment, Distillation, FinetuneParams, FitParams

LABELS = torch.tensor([0, 2, 1, 1, 0])
IMAGES = torch.rand((5, 1, 4, 4), generator=torch.Generator().manual_seed(0))
BATCH = Batch(IMAGES, LABELS, torch.arange(5), torch.zeros((5, 3), dtype=torch.long))


class Fixed(SpikingNetwork):
    """A net whose spike counts are given."""

    def __init__(self, counts: Tensor) -> None:
        super().__init__(ModelParams(layers=[16, 3]), [])
        self.counts, self.saw = torch.nn.Parameter(counts), []

    def forward(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        self.saw.append(images)
        return self.counts


def random_counts(seed: int) -> Tensor:
    return torch.randint(0, 11, (5, 3), generator=torch.Generator().manual_seed(seed)).float()


def network(dropout: float = 0.0) -> SpikingNetwork:
    torch.manual_seed(1)
    return build_network(ModelParams(layers=[16, 20, 3], timesteps=6, threshold=0.3, dropout=dropout))


def test_cross_entropy_by_hand() -> None:
    # Softmax of (ln 3, 0) is (3/4, 1/4), of (0, 0) it is (1/2, 1/2).
    counts = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    found = cross_entropy(counts, IMAGES[:2], torch.tensor([1, 0]))
    assert found.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def formula(student: list[list[float]], teacher: list[list[float]], labels: list[int], t: float, w: float) -> float:
    """(1 - w) * cross-entropy + w * t^2 * KL(teacher || student), both at temperature t, in plain Python."""

    def softmax(row: list[float], temperature: float) -> list[float]:
        powers = [math.exp(value / temperature) for value in row]
        return [power / sum(powers) for power in powers]

    total = 0.0
    for found, target, label in zip(student, teacher, labels, strict=True):
        hard = -math.log(softmax(found, 1.0)[label])
        pairs = zip(softmax(target, t), softmax(found, t), strict=True)
        total += (1 - w) * hard + w * t**2 * sum(p * math.log(p / q) for p, q in pairs)
    return total / len(labels)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 10.0])
@pytest.mark.parametrize("weight", [0.1, 0.5, 1.0])
def test_distillation_against_the_formula(temperature: float, weight: float) -> None:
    student, teacher = random_counts(1), random_counts(2)
    loss = distilled(taught_by(fixed := Fixed(teacher)), Distillation(temperature=temperature, weight=weight))
    expected = formula(student.tolist(), teacher.tolist(), LABELS.tolist(), temperature, weight)
    assert loss(student, BATCH).item() == pytest.approx(expected, rel=1e-5)
    assert len(fixed.saw) == 1 and fixed.saw[0] is IMAGES
    assert expected != pytest.approx(formula(teacher.tolist(), student.tolist(), LABELS.tolist(), temperature, weight))


def test_gradient_of_the_divergence() -> None:
    # d/dz of t^2 * KL(p || softmax(z / t)) is t * (softmax(z / t) - p), a sample's share of it 1 / 5.
    student, teacher = random_counts(1).requires_grad_(), random_counts(2)
    distilled(taught_by(Fixed(teacher)), Distillation(temperature=4.0, weight=1.0))(student, BATCH).backward()
    expected = 4 / 5 * (functional.softmax(student.detach() / 4, 1) - functional.softmax(teacher / 4, 1))
    torch.testing.assert_close(student.grad, expected)


def test_nothing_to_learn_from_oneself() -> None:
    student, teacher = network(), network()
    counts = student(IMAGES)
    assert len(counts.unique()) > 2
    loss = distilled(taught_by(teacher), Distillation(temperature=2.0, weight=1.0))(counts, BATCH)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert max(parameter.grad.abs().max().item() for parameter in student.parameters()) < 1e-6


def test_the_teacher_gets_no_gradient_and_stays_in_evaluation_mode() -> None:
    student, teacher = network().train(), network(dropout=0.5).train()
    loss = distilled(taught_by(teacher), Distillation())
    assert not any(module.training for module in teacher.modules())
    torch.manual_seed(0)
    first = loss(student(IMAGES), BATCH)
    again = loss(student(IMAGES), BATCH)
    assert first.item() == again.item()  # no dropout in the teacher
    first.backward()
    assert not any(module.training for module in teacher.modules())
    assert student.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("encoding", [Direct(name="direct"), Latency(name="latency")], ids=["direct", "latency"])
def test_the_table_says_what_the_teacher_says(shift: int, encoding: Direct | Latency) -> None:
    torch.manual_seed(1)
    teacher = build_network(ModelParams(layers=[16, 20, 3], timesteps=6, threshold=0.3, dropout=0.5, encoding=encoding))
    split, params = Split(IMAGES, LABELS), FinetuneParams(epochs=1, augment=Augment(shift=shift))
    table = table_of(teacher, split, params)
    assert table.shape == ((2 * shift + 1) ** 2, 5, 3)
    asked = [make_batch(split, torch.randint(0, 5, (40,)), params.augment) for _ in range(5)]
    for batch in asked:
        assert torch.equal(looked_up(table, params)(batch), taught_by(teacher)(batch))
    assert len(torch.cat([taught_by(teacher)(batch) for batch in asked]).unique()) > 2


@pytest.mark.parametrize("augment", [Augment(), Augment(jitter=2), Augment(shift=1, jitter=1)], ids=str)
def test_the_table_knows_shifts_and_jitter_of_frames(augment: Augment) -> None:
    torch.manual_seed(1)
    spec = ModelParams(layers=[16, 20, 3], timesteps=6, threshold=0.3, encoding=Frames(name="frames"))
    teacher, frames = build_network(spec), torch.poisson(torch.full((20, 6, 1, 4, 4), 0.6)).byte()
    split, params = Split(frames, torch.zeros(20, dtype=torch.long)), FinetuneParams(epochs=1, augment=augment)
    table = table_of(teacher, split, params)
    assert table.shape == ((2 * augment.shift + 1) ** 2 * (2 * augment.jitter + 1), 20, 3)
    assert can_be_tabled(teacher, params, epochs=len(table)) and not can_be_tabled(teacher, params, len(table) - 1)
    batch = make_batch(split, torch.randint(0, 20, (100,)), augment)
    assert torch.equal(looked_up(table, params)(batch), taught_by(teacher)(batch))
    assert len(taught_by(teacher)(batch).unique()) > 2


def test_what_a_table_cannot_say() -> None:
    net, noisy = network(), network()
    noisy.spec = noisy.spec.model_copy(update={"encoding": NoisyDirect(name="noisy_direct", sigma=0.1)})
    shifted, turned = (FitParams(epochs=1, augment=Augment(shift=1, rotation=angle)) for angle in (0.0, 1.0))
    assert can_be_tabled(net, shifted, epochs=9)
    assert not can_be_tabled(net, shifted, epochs=8)  # it would cost more than it saves
    assert not can_be_tabled(net, turned, epochs=9)
    assert not can_be_tabled(noisy, shifted, epochs=9)


def test_counts_beyond_a_byte() -> None:
    torch.manual_seed(1)
    teacher = build_network(ModelParams(layers=[16, 20, 3], timesteps=300, threshold=0.1))
    table = table_of(teacher, Split(IMAGES, LABELS), FitParams(epochs=1))
    assert table.max() > 255 and torch.equal(table[0].float(), teacher(IMAGES))
