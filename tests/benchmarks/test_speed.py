"""The benchmark of speed on tiny nets: that it measures what it says, never how fast that is."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from benchmarks.speed import forms, peers
from benchmarks.speed.__main__ import main
from benchmarks.speed.agreement import agreements
from benchmarks.speed.case import RATE, Case, make_case
from benchmarks.speed.crossing import crossing, speed_ups
from benchmarks.speed.measure import Cell, Effort, Ratio, Times, measure, take_turns
from benchmarks.speed.summary import NET, TARGETS, summary
from snnprune.sparse.linear import SparseLinear

SIZES, NAME = (40, 16, 12, 3), "40-16-12-3"
BRIEF = Effort(repeats=3, seconds=0.0)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(SIZES, 0.8, 16, timesteps=4)


def cell(task: str = "train", sparsity: float = 0.98, net: str = NET, batch: int = 256, **ms: float) -> Cell:
    times = Times({form: [time, time] for form, time in ms.items()})
    return Cell(task, net, batch, sparsity, [], [], times)


def test_a_case_is_pruned_to_its_sparsity_and_spikes(case: Case) -> None:
    assert case.mask.nnz == round(0.2 * case.mask.size)
    assert len(set(case.densities)) == 3  # layers differ
    assert all(0.05 < rate < 0.2 for rate in case.rates), RATE
    assert 0.1 < (case.batch.images > 0).float().mean() < 0.3
    again = make_case(SIZES, 0.8, 16, timesteps=4)
    assert torch.equal(again.batch.images, case.batch.images)
    for one, other in zip(again.network.parameters(), case.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_each_layer_pruned_alone() -> None:
    assert make_case(SIZES, [0.75, 0.5, 0.0], 4).densities == pytest.approx([0.25, 0.5, 1.0])


@pytest.mark.parametrize("sparsity", [0, 0.8])
def test_all_forms_compute_the_same(sparsity: float) -> None:
    for agreement in agreements(make_case(SIZES, sparsity, 16, timesteps=4)).values():
        assert agreement.counts_differing == 0
        assert agreement.gradient_error < 1e-5


def test_forms_of_inference_give_the_same_counts(case: Case) -> None:
    found = forms.inference_forms(case)
    expected = found[forms.DENSE]()
    assert expected.sum() > 0
    for form in (forms.OURS, forms.BEFORE, forms.SNNTORCH):
        assert torch.equal(found[form](), expected)


def test_a_training_step_trains_and_keeps_the_mask(case: Case) -> None:
    for forward in (forms.before_forward, lambda network: network):
        network = case.copy()
        forms.trainer(network, forward(network), case, case.mask)()
        for name, kept in case.mask.items():
            weight = network.get_parameter(name)
            assert not weight[~kept].any()
            assert not torch.equal(weight, case.network.get_parameter(name))


def test_ours_is_the_form_that_fine_tuning_chooses(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    monkeypatch.setattr(forms, "trainer", lambda network, *_, **__: trained.append(network))
    with ExitStack() as stack:
        forms.training_forms(case, stack)
        assert any(isinstance(layer, SparseLinear) for layer in trained[0].layers)
        assert not any(isinstance(layer, SparseLinear) for network in trained[1:] for layer in network.layers)


@pytest.mark.parametrize("task", ["train", "infer"])
def test_a_time_for_every_form_and_repetition(task: str, case: Case) -> None:
    found = measure(task, NAME, 0.8, case, BRIEF)
    assert {forms.BEFORE, forms.SNNTORCH, forms.PRODUCTS} <= set(found.times.ms)
    assert all(len(ms) == 3 and min(ms) >= 0 for ms in found.times.ms.values())


def test_forms_take_turns() -> None:
    called = []
    times = take_turns({name: lambda name=name: called.append(name) for name in "ab"}, BRIEF)
    assert "".join(called).endswith("ab" * 3)
    assert list(times.ms) == ["a", "b"]


def test_ratios_are_of_neighbours() -> None:
    assert Times({"a": [1, 2, 4], "b": [2, 8, 4]}).ratio("a", "b") == Ratio(2, 1, 4)


def test_a_peer_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", {"SpikingJelly": "no_such_package", "norse": "torch"})
    assert peers.missing_peers() == ["SpikingJelly"]
    assert list(peers.installed_peers()) == ["norse"]


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_is_the_same_net(name: str, case: Case) -> None:
    if name in peers.missing_peers():
        pytest.skip(f"{name} is not installed")
    counts = peers.installed_peers()[name](case.copy())(case.batch.images)
    expected = case.network(case.batch.images)
    assert counts.shape == expected.shape
    assert 0.5 < counts.sum() / expected.sum() < 2  # it resets in another order


def test_where_both_forms_are_equal() -> None:
    at = {0.2: 2.0, 0.4: 1.5, 0.6: 0.5}
    assert crossing({density: Ratio(one, one, one) for density, one in at.items()}) == pytest.approx(0.5)
    assert crossing({0.2: Ratio(2, 2, 2), 0.4: Ratio(1.5, 1, 2)}) is None
    for layer in range(3):
        assert list(speed_ups(SIZES, layer, 8, BRIEF, [0.3, 0.6])) == [0.3, 0.6]


def test_targets_beside_what_was_measured() -> None:
    cells = [
        cell(ours=1, before=4, snnTorch=9, products=0.9),
        cell(sparsity=0.9, ours=1, before=0.5),
        cell("infer", batch=1, ours=1, dense=6),
    ]
    found = {words: (ratio and ratio.median, reached) for words, ratio, _, reached in summary(cells)}
    assert len(found) == len(TARGETS) + 1
    train = f"train {NET} batch 256"
    assert found[f"{train}, sparsity 0.98: ours / before"] == (4, True)
    assert found[f"{train}, sparsity 0.98: ours / snnTorch"] == (9, False)
    assert found[f"{train}, every sparsity: ours / before"] == (0.5, False)
    assert found[f"{train}, sparsity 0.95: ours / before"] == (None, None)
    assert found[f"infer {NET} batch 1, sparsity 0.98: ours / dense"] == (6, True)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    file, figure = tmp_path / "speed.json", tmp_path / "speed.svg"
    effort = ["--repeats", "1", "--seconds", "0"]
    what = ["--nets", NAME, "--batches", "4", "--sparsities", "0", "0.9"]
    main([*what, *effort, "--json", str(file), "--figure", str(figure)])
    torch.set_num_threads(threads)
    output = capsys.readouterr().out
    assert f"train {NAME}, batch 4" in output and "not measured" in output and "sparse below" in output
    content = json.loads(file.read_text())
    assert [(one["task"], one["sparsity"]) for one in content["cells"]] == [
        ("train", 0), ("train", 0.9), ("infer", 0), ("infer", 0.9),
    ]  # fmt: skip
    assert {layer: list(by_batch) for layer, by_batch in content["equal_density"][NAME].items()} == {
        "40-16": ["4"], "16-12": ["4"], "12-3": ["4"],
    }  # fmt: skip
    assert "<svg" in figure.read_text()
