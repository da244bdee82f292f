"""The evaluate stage: every net once, the numbers those of the nets themselves, interruptions, and mistakes."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.io import paths
from pipeline.io.store import load_dataset
from pipeline.pricing import energies_of
from pipeline.stages import evaluate
from snnprune.core.checkpoint import load_mask, load_masks, load_network, save_network
from snnprune.core.errors import UserError
from snnprune.core.training.evaluate import accuracy
from snnprune.energy.measure import measure
from snnprune.energy.profiles import load_profiles
from snnprune.pruning.compensate import Compensation
from snnprune.pruning.mask import Mask, prunable_weights
from tests.pipeline.studies.made import LEVELS, PARAMS, SEEDS

METHODS = PARAMS["matrix"]["tiny"]["methods"]
NETS = [("dense", seed, 0.0) for seed in SEEDS] + [
    (m, seed, level) for m in METHODS for seed in SEEDS for level in LEVELS
]
KEY = ["method", "seed", "level"]
TABLE = Path("results/tiny/evaluate/levels.csv")


def rows() -> pd.DataFrame:
    return pd.read_csv(TABLE)


def run() -> None:
    evaluate.main(["tiny"])


def test_a_row_for_every_net_and_a_line_for_each(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, before = rows(), TABLE.read_bytes()
    assert list(zip(table["method"], table["seed"], table["level"], strict=True)) == NETS
    run()
    assert TABLE.read_bytes() == before
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()][:3] == [
        "dense/seed0",
        "dense/seed1",
        "cqp@0.50/seed0",
    ]
    assert table["timesteps"].eq(5).all()
    dense = table[table["method"] == "dense"]
    assert dense["sparsity"].eq(0).all() and dense["nnz"].eq(484).all()
    others = ["accuracy_before", "one_shot_accuracy", "one_shot_compensated"]
    assert (dense["accuracy"] == dense[others].T).all().all()
    assert not (project / ".resume/evaluate/tiny").exists()


def test_the_numbers_are_those_of_the_stored_nets(project: Path) -> None:
    table = rows().set_index(KEY)
    dataset = load_dataset(paths.data_folder("tiny"))
    test, previous = dataset.test, paths.dense_file("tiny", 1)
    compensation = Compensation.on(load_network(previous), dataset.train, seed=1)
    masks = load_masks(paths.one_shot_file("tiny", "cqp", 1), load_network(previous))
    for level in LEVELS:
        row, path = table.loc[("cqp", 1, level)], paths.net_file("tiny", "cqp", 1, level)
        network, mask = load_network(path), Mask(load_mask(path))
        assert row["nnz"] == mask.nnz == round((1 - level) * mask.size)
        assert row["sparsity"] == mask.sparsity
        assert row["accuracy"] == accuracy(network, test)
        before = load_network(previous)
        mask.apply(prunable_weights(before))
        assert row["accuracy_before"] == accuracy(before, test)
        straight = load_network(paths.dense_file("tiny", 1))
        Mask(masks[f"{level:.2f}"]).apply(prunable_weights(straight))
        assert row["one_shot_accuracy"] == accuracy(straight, test)
        assert row["one_shot_compensated"] == accuracy(compensation.network(masks[f"{level:.2f}"]), test)
        layers = measure(network, test, 5).layers
        macs, acs = sum(layer.macs for layer in layers), sum(layer.acs for layer in layers)
        updates = sum(layer.neuron_updates for layer in layers)
        assert (row["effective_macs"], row["effective_acs"], row["neuron_updates"]) == (macs, acs, updates)
        assert row["dense_updates"] == 5 * 31
        assert row["index_bits"] == pytest.approx(sum(layer.index_bits for layer in layers))
        profiles = load_profiles()
        for name, energy in energies_of(row, profiles).items():  # as `compare` prices them
            assert energy == pytest.approx(sum(layer.energies(profiles)[name] for layer in layers))
        assert row["dense_bytes"] == 4 * 484
        assert row["empty_layers"] == 0
        previous = path


def test_a_net_with_an_empty_layer_is_marked_in_its_row_and_in_the_log(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = paths.net_file("tiny", "cqp", 1, LEVELS[-1])
    network = load_network(path)
    mask = load_mask(path)
    mask[list(mask)[-1]].zero_()
    Mask(mask).apply(prunable_weights(network))
    save_network(path, network, mask)
    run()
    emptied = rows().set_index(KEY)["empty_layers"]
    assert emptied[emptied > 0].to_dict() == {("cqp", 1, LEVELS[-1]): 1}
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "without synapses" in line]
    assert line.startswith("cqp@0.90/seed1: test accuracy ") and ", 1 of its layers without synapses (" in line


@pytest.mark.parametrize("changed", [False, True])
def test_an_interrupted_stage_goes_on_after_the_last_net_unless_one_has_changed(
    project: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    first, expected = rows().set_index(KEY)["accuracy"], TABLE.read_bytes()
    TABLE.unlink()
    measured, original = [], evaluate.row_of

    def counted(*net: object) -> dict:
        if len(measured) == 4:
            raise KeyboardInterrupt
        measured.append(net)
        return original(*net)

    monkeypatch.setattr(evaluate, "row_of", counted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not TABLE.exists()
    if changed:
        net, other = (paths.net_file("tiny", method, 0, 0.5) for method in ("cqp", "magnitude"))
        net.write_bytes(other.read_bytes())
    monkeypatch.setattr(evaluate, "row_of", lambda *net: measured.append(net) or original(*net))
    run()
    assert len(measured) == len(NETS) + 4 * changed
    assert (TABLE.read_bytes() == expected) != changed
    assert not changed or rows().set_index(KEY)["accuracy"]["cqp", 0, 0.5] == first["magnitude", 0, 0.5]


@pytest.mark.parametrize(
    ("missing", "stage"),
    [
        ("train/seed1/model.safetensors", "train@tiny-1"),
        ("prune/cqp/seed0/nets/level-0.90.safetensors", "prune@tiny-cqp-0"),
        ("prune/magnitude/seed1/nets/one_shot.safetensors", "prune@tiny-magnitude-1"),
        ("prune/cqp/seed1/levels.csv", "prune@tiny-cqp-1"),
    ],
)
def test_a_missing_net_names_the_stage_that_makes_it(project: Path, missing: str, stage: str) -> None:
    Path("results/tiny", missing).unlink()
    with pytest.raises(UserError, match=f"{missing}: no such file; stage {stage} makes it"):
        run()
