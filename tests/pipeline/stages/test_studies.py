"""The stages of the studies end to end: files, the same bytes again, interruptions, mistakes, and what they read."""

import inspect
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from pipeline.blocks import STUDIES
from pipeline.io import paths
from pipeline.io.store import load_dataset
from pipeline.stages import prune
from snnprune.energy.profiles import load_profiles
from snnprune.snn.checkpoint import load_network
from snnprune.training.evaluate import accuracy
from snnprune.training.resume import ResumePoint
from tests.pipeline.stages.study_runs import ROWS, contents, run, stage, summary, table
from tests.pipeline.studies.made import (
    LEVELS,
    SEEDS,
    SIZES,
    SYNAPSES,
    made_split,
    save_splits,
    write_params,
)

COLUMNS = {
    "layers": ["layer", "synapses", "level", "nnz", "validation_accuracy", "loss_points"],
    "relaxation": [
        *("form", "level", "synapses", "protected", "bound", "feasible", "sparsity", "ideal_sparsity"),
        *("fractional_share", "distance"),
        *("iterations", "accuracy_fractional", "accuracy_rounded", "accuracy_exact", "accuracy_matched"),
    ],
    "zombies": ["setting", "step", "zombies", "sparsity", "validation_accuracy"],
    "staleness": ["level", "nnz", "frozen_validation_accuracy", "frozen_accuracy"],
    "sweep": [
        *("rule", "tau", "protected", "synapses", "feasible", "sparsity", "validation_accuracy", "accuracy"),
    ],
    "alpha": ["alpha", "level", "nnz", "validation_accuracy"],
    "paper": [
        *("protocol", "method", "level", "sparsity", "network_sparsity", "nnz", "validation_accuracy", "accuracy"),
    ],
    "temporal": ["method", "level", "step", "kl", "kl_of_mean", "validation_accuracy", "chosen", "authors", "accuracy"],
    "early_exit": [
        *("method", "level", "threshold", "validation_steps", "validation_accuracy", "chosen", "steps", "accuracy"),
        "whole_accuracy",
    ],
    "energy": [
        *("method", "level", "steps", "timesteps", "truncated", "split", "layer", "synapses", "nnz", "macs", "acs"),
        *("dense_macs", "dense_acs", "neuron_updates", "spike_rate"),
        *(f"energy_pj_{profile}" for profile in load_profiles()),
        *("accuracy", "dense_bytes", "csr_bytes", "bitmask_bytes"),
    ],
}
ROW_COUNT = {"layers": 3 * 2, "relaxation": 2 * 2, "zombies": 4 * 6, "staleness": 2, "sweep": 3 * 4}
ROW_COUNT |= {"alpha": 2, "paper": 2 * 4, "temporal": 5 * 5, "early_exit": 5 * 4}


def seed_of(call: Callable[..., Any], args: tuple[Any, ...]) -> int:
    return inspect.signature(call).bind(*args).arguments["seed"]


def test_every_study_is_tested() -> None:
    assert set(ROWS) == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_files_and_what_stands_in_them(project: Path, study: str) -> None:
    folder = paths.studies_folder("tiny", study)
    tables = {"table.csv", *(("levels.csv", "grid.csv", "front.csv") if study == "energy" else ())}
    assert set(contents(folder)) == {*tables, "summary.json", f"figures/{study}.svg"}
    assert not (project / ".resume").exists() or not any((project / ".resume").rglob("*.pt"))

    rows = table(study)
    assert list(rows) == ["seed", *COLUMNS[study]]
    assert rows["seed"].is_monotonic_increasing and set(rows["seed"]) == set(SEEDS)
    if study != "energy":  # as many rows as there are different numbers of steps
        assert (rows["seed"].value_counts() == ROW_COUNT[study]).all()
    shares = [name for name in rows if "accuracy" in name or name == "sparsity"]
    assert shares
    assert (rows[shares].dropna().stack().between(0, 1)).all()

    found = summary(study)
    assert {"findings", "metrics", "results"} <= set(found)
    assert found["findings"] and all(isinstance(line, str) and "nan" not in line for line in found["findings"])
    assert all(math.isfinite(value) for value in found["metrics"].values())
    svg = (folder / "figures" / f"{study}.svg").read_bytes()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("study", STUDIES)
def test_a_rerun_gives_the_same_bytes_and_leaves_its_inputs(project: Path, study: str) -> None:
    before = contents(project / "results")
    run(study)
    assert contents(project / "results") == before


@pytest.mark.parametrize("study", STUDIES)
def test_after_an_interruption_a_done_seed_is_not_computed_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, study: str
) -> None:
    expected = contents(paths.studies_folder("tiny", study))
    (paths.studies_folder("tiny", study) / "table.csv").unlink()
    original = getattr(stage(study), ROWS[study])
    seen: list[int] = []

    def watched(*args: Any) -> Any:
        seen.append(seed_of(original, args))
        if stop and seen[-1] == 1:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(stage(study), ROWS[study], watched)
    stop = True
    with pytest.raises(KeyboardInterrupt):
        run(study)
    assert sorted(set(seen)) == [0, 1]
    assert not (paths.studies_folder("tiny", study) / "table.csv").exists()

    stop = False
    seen.clear()
    run(study)
    assert set(seen) == {1}
    assert contents(paths.studies_folder("tiny", study)) == expected
    assert not list((project / ".resume").rglob("*.pt"))


@pytest.mark.parametrize("study", ["staleness", "alpha", "paper"])
def test_within_a_seed_no_epoch_is_trained_twice(project: Path, monkeypatch: pytest.MonkeyPatch, study: str) -> None:
    expected = contents(paths.studies_folder("tiny", study))
    save = ResumePoint.save
    saves: list[str] = []

    def counted(self: ResumePoint, state: dict[str, Any]) -> None:
        save(self, state)
        saves.append(self.path.name)
        if len(saves) == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumePoint, "save", counted)
    stop = 0
    run(study)
    uninterrupted = saves.copy()
    assert len(uninterrupted) > len(SEEDS)  # epochs, not only seeds
    assert len(set(uninterrupted)) == len(uninterrupted)

    saves.clear()
    stop = 2
    with pytest.raises(KeyboardInterrupt):
        run(study)
    run(study)
    assert saves == uninterrupted
    assert contents(paths.studies_folder("tiny", study)) == expected


@pytest.mark.parametrize(
    ("study", "key", "value"),
    [
        ("layers", "layers.alpha", 1.0),
        ("sweep", "prune.criticality.batches", 1),
        ("zombies", "train.batch_size", 12),
        ("staleness", "methods.cqp.alpha", 2.0),
    ],
)
def test_other_settings_do_not_go_on_from_an_interrupted_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, study: str, key: str, value: Any
) -> None:
    original = getattr(stage(study), ROWS[study])
    seen: list[int] = []

    def watched(*args: Any) -> Any:
        seen.append(seed_of(original, args))
        if seen[-1] == 1:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(stage(study), ROWS[study], watched)
    for change in ((), ((key, value),)):
        seen.clear()
        write_params(*change)
        with pytest.raises(KeyboardInterrupt):
            run(study)
        assert set(seen) == {0, 1}


# What each study must say about this project


def test_layers_prunes_one_layer_at_a_time_from_the_dense_accuracy(project: Path) -> None:
    rows = table("layers")
    sizes = {name: group["synapses"].unique().tolist() for name, group in rows.groupby("layer")}
    assert sizes == {name: [size] for name, size in SIZES.items()}
    assert rows["nnz"].tolist() == [round((1 - level) * size) for size in rows["synapses"][::2] for level in LEVELS]
    dataset = load_dataset(paths.data_folder("tiny"))
    for seed, group in rows.groupby("seed"):
        dense = accuracy(load_network(paths.train_folder("tiny", seed) / "model.safetensors"), dataset.validation)
        assert (group["validation_accuracy"] + group["loss_points"] / 100).tolist() == pytest.approx([dense] * 6)


def test_zombies_are_none_under_the_full_guard_and_some_without(project: Path) -> None:
    rows = table("zombies")
    assert rows["step"].tolist() == list(range(6)) * 4 * len(SEEDS)
    assert (rows[rows["step"] == 0]["sparsity"] == 242 / SYNAPSES).all()
    assert (rows[rows["step"] == 0]["zombies"] == 0).all()
    for setting, guarded in (("none", False), ("gradients", False), ("+ moments", True), ("+ weights", True)):
        counts = rows[(rows["setting"] == setting) & (rows["step"] > 0)]["zombies"]
        assert (counts == 0).all() if guarded else (counts > 0).all(), setting
    measured = rows[rows["validation_accuracy"].notna()]["step"].unique().tolist()
    assert measured == [0, 2, 4, 5]


def test_staleness_compares_with_the_prune_stage(project: Path) -> None:
    frozen = table("staleness")
    fresh = {s: pd.read_csv(paths.prune_folder("tiny", "cqp", s) / "levels.csv").set_index("level") for s in SEEDS}
    (result,) = summary("staleness")["results"]  # of 0.5 and 0.9 only the second is at least `above`
    ours = [float(fresh[seed].loc[0.9, "accuracy"]) for seed in SEEDS]
    theirs = frozen[frozen["level"] == 0.9]["frozen_accuracy"].tolist()
    assert result["level"] == 0.9
    assert result["accuracy"]["mean"] == pytest.approx(np.mean(ours))
    assert result["gain_points"]["mean"] == pytest.approx(100 * (np.mean(ours) - np.mean(theirs)))
    # At the first level the frozen criticality is the fresh one, and so is all that follows from it.
    first = frozen[frozen["level"] == 0.5]
    assert first["frozen_accuracy"].tolist() == [fresh[seed].loc[0.5, "accuracy"] for seed in SEEDS]
    assert first["frozen_validation_accuracy"].tolist() == [fresh[s].loc[0.5, "validation_accuracy"] for s in SEEDS]


def test_staleness_prunes_as_the_prune_stage_with_frozen_criticality(project: Path) -> None:
    write_params(("prune.criticality.frozen", True))
    for seed in SEEDS:
        fresh = pd.read_csv(paths.prune_folder("tiny", "cqp", seed) / "levels.csv")
        prune.main(["--experiment", "tiny", "--method", "cqp", "--seed", str(seed)])
        frozen = pd.read_csv(paths.prune_folder("tiny", "cqp", seed) / "levels.csv")
        mine = table("staleness").query("seed == @seed")
        assert mine["frozen_accuracy"].tolist() == frozen["accuracy"].tolist() != fresh["accuracy"].tolist()
        assert mine["frozen_validation_accuracy"].tolist() == frozen["validation_accuracy"].tolist()


def test_alpha_prunes_as_the_prune_stage_and_zero_is_magnitude(project: Path) -> None:
    write_params(("alpha.levels", LEVELS), ("alpha.values", [0.0, 0.5]))
    run("alpha")
    rows = table("alpha")
    for seed, (alpha, method) in itertools.product(SEEDS, ((0.0, "magnitude"), (0.5, "cqp"))):
        levels = pd.read_csv(paths.prune_folder("tiny", method, seed) / "levels.csv")
        mine = rows[(rows["alpha"] == alpha) & (rows["seed"] == seed)]
        assert mine["validation_accuracy"].tolist() == levels["validation_accuracy"].tolist()
        assert mine["nnz"].tolist() == levels["nnz"].tolist() == [242, 48]


def test_paper_stands_beside_the_rows_of_the_prune_stage(project: Path) -> None:
    results = summary("paper")["results"]
    found = {(r["protocol"], r["method"], r["level"]): r["accuracy"]["mean"] for r in results}
    methods = ("cqp", "magnitude", "gradient", "random")
    assert set(found) == {("paper", method, level) for method in methods for level in LEVELS} | {
        ("fair", method, level) for method in ("cqp", "magnitude") for level in LEVELS
    }
    levels = pd.concat(pd.read_csv(paths.prune_folder("tiny", "cqp", seed) / "levels.csv") for seed in SEEDS)
    for level, group in levels.groupby("level"):
        assert found["fair", "cqp", level] == pytest.approx(group["accuracy"].mean())
    assert {margin["protocol"] for margin in summary("paper")["margins"]} == {"paper", "fair"}
    # Of the first layer's 256 synapses magnitude and random keep 128 and 26; columns are whole: 8 and 2 of 16 inputs.
    rows = table("paper")
    for method, kept in {"magnitude": (128, 26), "random": (128, 26), "gradient": (128, 32), "cqp": (128, 32)}.items():
        assert rows[(rows["method"] == method) & (rows["seed"] == 0)]["nnz"].tolist() == list(kept)


@pytest.mark.parametrize("study", ["alpha", "layers"])
def test_choices_are_made_on_validation_alone(project: Path, study: str) -> None:
    """Wrong labels in the test split change nothing."""
    before = contents(paths.studies_folder("tiny", study))
    images, labels = made_split(30, 2)
    save_splits(test=(images[::-1].copy(), (labels + 1) % 3))
    run(study)
    assert contents(paths.studies_folder("tiny", study)) == before


def test_the_cliffs_are_found_on_validation(project: Path) -> None:
    """Wrong labels in the test split change what is told of a cliff, but neither where it is nor its cause."""
    before, rows = summary("sweep")["cliffs"], table("sweep")
    images, labels = made_split(30, 2)
    save_splits(test=(images, np.random.default_rng(0).permutation(labels)))
    run("sweep")
    told, found = summary("sweep")["cliffs"], table("sweep")
    assert not found["accuracy"].equals(rows["accuracy"])
    pd.testing.assert_frame_equal(found.drop(columns="accuracy"), rows.drop(columns="accuracy"))
    assert {cliff["cause"] for cliff in before.values()} != {"none"}
    for rule, cliff in before.items():
        for key in ("tau", "tau_before", "cause", "sparsity_before", "sparsity_after"):
            assert told[rule][key] == cliff[key], (rule, key)
    assert any(told[rule]["before"] != cliff["before"] for rule, cliff in before.items())


@pytest.mark.parametrize("study", ["alpha", "layers", "zombies", "sweep", "temporal", "early_exit", "energy"])
def test_wrong_validation_labels_are_noticed(project: Path, study: str) -> None:
    before = contents(paths.studies_folder("tiny", study))
    images, labels = made_split(30, 1)
    save_splits(validation=(images, (labels + 1) % 3))
    run(study)
    assert contents(paths.studies_folder("tiny", study))["table.csv"] != before["table.csv"]


@pytest.mark.parametrize(("study", "key"), [("relaxation", "relaxation.tau"), ("sweep", "sweep.thresholds")])
def test_nothing_feasible_is_told_without_nan(project: Path, study: str, key: str) -> None:
    """With everything protected the programs are infeasible at every level."""
    write_params((key, 0.0 if study == "relaxation" else [0.0, 0.001]), ("prune.levels", [0.8, 0.9]))
    run(study)
    found = summary(study)
    if study == "relaxation":
        energy = [result for result in found["results"] if result["form"] == "energy"]
        assert [(result["feasible_seeds"], result["seeds"]) for result in energy] == [(0, 2), (0, 2)]
        assert "energy: infeasible for some seed at 0.8, 0.9" in found["findings"]
        assert not [key for key in found["metrics"] if "energy" in key]
    else:
        for result in found["results"]:
            if result["rule"] != "cut":
                assert (result["feasible_seeds"], result["sparsity"]["mean"]) == (0, 0.0)
        assert found["cliffs"]["energy"]["cause"] == "none"


def test_one_seed_is_enough(project: Path) -> None:
    params = json.loads(Path("params.yaml").read_text(encoding="utf-8"))
    params["matrix"]["tiny"]["seeds"] = [1]
    params["experiments"]["tiny"]["alpha"]["seeds"] = [1]
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    for study in STUDIES:
        before = table(study)
        run(study)
        found = table(study)
        pd.testing.assert_frame_equal(found, before[before["seed"] == 1].reset_index(drop=True))
        assert summary(study)["results"]
