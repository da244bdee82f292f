"""The training loss: cross-entropy by hand, distillation against its formula, and what the teacher gets of it."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.loss import cross_entropy, distilled
from snnprune.core.training.params import Distillation

LABELS = torch.tensor([0, 2, 1, 1, 0])
IMAGES = torch.rand((5, 1, 4, 4), generator=torch.Generator().manual_seed(0))


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
    loss = distilled(fixed := Fixed(teacher), Distillation(temperature=temperature, weight=weight))
    expected = formula(student.tolist(), teacher.tolist(), LABELS.tolist(), temperature, weight)
    assert loss(student, IMAGES, LABELS).item() == pytest.approx(expected, rel=1e-5)
    assert len(fixed.saw) == 1 and fixed.saw[0] is IMAGES
    assert expected != pytest.approx(formula(teacher.tolist(), student.tolist(), LABELS.tolist(), temperature, weight))


def test_gradient_of_the_divergence() -> None:
    # d/dz of t^2 * KL(p || softmax(z / t)) is t * (softmax(z / t) - p), a sample's share of it 1 / 5.
    student, teacher = random_counts(1).requires_grad_(), random_counts(2)
    distilled(Fixed(teacher), Distillation(temperature=4.0, weight=1.0))(student, IMAGES, LABELS).backward()
    expected = 4 / 5 * (functional.softmax(student.detach() / 4, 1) - functional.softmax(teacher / 4, 1))
    torch.testing.assert_close(student.grad, expected)


def test_nothing_to_learn_from_oneself() -> None:
    student, teacher = network(), network()
    counts = student(IMAGES)
    assert len(counts.unique()) > 2
    loss = distilled(teacher, Distillation(temperature=2.0, weight=1.0))(counts, IMAGES, LABELS)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert max(parameter.grad.abs().max().item() for parameter in student.parameters()) < 1e-6


def test_the_teacher_gets_no_gradient_and_stays_in_evaluation_mode() -> None:
    student, teacher = network().train(), network(dropout=0.5).train()
    loss = distilled(teacher, Distillation())
    assert not any(module.training for module in teacher.modules())
    torch.manual_seed(0)
    first = loss(student(IMAGES), IMAGES, LABELS)
    again = loss(student(IMAGES), IMAGES, LABELS)
    assert first.item() == again.item()  # no dropout in the teacher
    first.backward()
    assert not any(module.training for module in teacher.modules())
    assert student.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())
