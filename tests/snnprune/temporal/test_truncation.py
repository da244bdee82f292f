"""Fewer steps are really fewer, and give what the beginning of a whole run gives."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import accuracy, accuracy_by_step, spikes_of
from snnprune.temporal.early_exit import exits_of, gap, run_with_exits

ENCODINGS = [{"name": "direct"}, {"name": "noisy_direct", "sigma": 0.3}, {"name": "rate"}, {"name": "latency"}]
ENCODINGS.append({"name": "frames"})
ARCHITECTURES = [[64, 24, 10], "8x8-3C3-MP2-10"]
STEPS = 6


def make(layers: Any, encoding: dict[str, Any]) -> SpikingNetwork:
    torch.manual_seed(0)
    spec = {"layers": layers, "timesteps": STEPS, "encoding": encoding, "threshold": 0.2}
    network = build_network(ModelParams.model_validate(spec))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network


def images(count: int = 9) -> Tensor:
    return torch.rand((count, 1, 8, 8), generator=torch.Generator().manual_seed(1))


def samples(network: SpikingNetwork, count: int = 9) -> Tensor:
    """Images, or frames of events."""
    if network.spec.encoding.name != "frames":
        return images(count)
    means = torch.full((count, STEPS, 1, 8, 8), 0.3)
    return torch.poisson(means, generator=torch.Generator().manual_seed(1)).byte()


@pytest.fixture(params=itertools.product(ARCHITECTURES, ENCODINGS), ids=lambda made: f"{made[0]}, {made[1]['name']}")
def network(request: pytest.FixtureRequest) -> SpikingNetwork:
    return make(*request.param)


def test_a_truncated_run_is_the_beginning_of_the_whole_one(network: SpikingNetwork) -> None:
    whole = network.spikes(samples(network), seed=5)
    assert whole.count_nonzero() > 0
    for steps in range(1, STEPS + 1):
        assert torch.equal(network.spikes(samples(network), steps=steps, seed=5), whole[:steps])


def test_a_truncated_run_computes_only_its_steps(network: SpikingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    run = MultiStepLeaky.multi_step

    def spy(self: MultiStepLeaky, current: Tensor, *rest: Any) -> Tensor:
        spikes = run(self, current, *rest)
        seen.append(len(spikes))
        return spikes

    monkeypatch.setattr(MultiStepLeaky, "multi_step", spy)
    network.spikes(samples(network), steps=2, seed=5)
    assert set(seen) == {2}


@pytest.mark.parametrize("steps", [0, STEPS + 1])
def test_steps_outside_the_network_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps must be 1..{STEPS}.*; found {steps}"):
        make([64, 10], {"name": "direct"}).spikes(images(), steps=steps)


def test_all_steps_give_the_accuracy_of_the_evaluation(network: SpikingNetwork) -> None:
    count = 2500 if isinstance(network.spec.layers, list) else 30
    split = Split(samples(network, count), torch.arange(count) % 10)
    by_step = accuracy_by_step(spikes_of(network, split), split.labels)
    assert by_step[-1].item() == accuracy(network, split)
    assert accuracy_by_step(spikes_of(network, split, 3), split.labels)[-1] == by_step[2]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 0.95, 1.1])
def test_stopping_on_the_way_is_what_the_whole_run_says(network: SpikingNetwork, threshold: float) -> None:
    stopped = run_with_exits(network, samples(network), threshold, seed=5)
    expected = exits_of(network.spikes(samples(network), seed=5), threshold)
    assert torch.equal(stopped.steps, expected.steps)
    assert torch.equal(stopped.classes, expected.classes)


def test_who_has_stopped_is_computed_no_further() -> None:
    network = make([64, 24, 10], {"name": "direct"})
    sizes = []
    network.layers[1].register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    stopped = run_with_exits(network, images(200), 0.5)
    assert sizes == [int((stopped.steps > t).sum()) for t in range(int(stopped.steps.max()))]
    assert sizes[0] == 200 > sizes[-1] > 0


def test_the_gap_by_hand() -> None:
    counts = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    high, low = torch.tensor(2.0).exp(), 1.0
    expected = ((high - low) / (high + 2)).item()
    assert gap(counts).tolist() == pytest.approx([0.0, expected])


def test_exits_at_the_extremes() -> None:
    spikes = torch.zeros(3, 2, 2)
    spikes[:, 0, 1] = 1
    spikes[2, 1, 0] = 1
    assert exits_of(spikes, 0.0).steps.tolist() == [1, 1]
    assert exits_of(spikes, 2.0).steps.tolist() == [3, 3]
    exits = exits_of(spikes, 0.4)  # one spike more: (e - 1) / (e + 1) = 0.46
    assert exits.steps.tolist() == [1, 3]
    assert exits.classes.tolist() == [1, 0]
