"""The stages of temporal, early_exit and energy: what is chosen where, resuming net by net, the tables, mistakes."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.io import paths
from pipeline.stages import compare
from snnprune.core.errors import UserError
from snnprune.energy.profiles import load_profiles
from tests.pipeline.stages.study_runs import ROWS, run, stage, summary, table
from tests.pipeline.studies.made import LEVELS, SEEDS, made_split, save_splits, write_params


@pytest.mark.parametrize("study", ["temporal", "early_exit", "energy"])
def test_what_is_kept_is_chosen_on_validation_alone(project: Path, study: str) -> None:
    """Wrong labels in the test split change the test accuracy that is told, and nothing that is chosen."""

    def setting(result: dict[str, Any]) -> list[Any]:
        return [result[key] for key in ("method", "level", "steps")]

    before, rows = summary(study), table(study)
    front = table(study, "front") if study == "energy" else None
    images, labels = made_split(30, 2)
    save_splits(test=(images, np.random.default_rng(0).permutation(labels)))
    run(study)
    after, found = summary(study), table(study)
    assert not found["accuracy"].equals(rows["accuracy"])
    if study == "energy":
        settings = ["profile", "method", "level", "truncated"]  # the mean T' of a net is chosen by another study
        pd.testing.assert_frame_equal(table(study, "front")[settings], front[settings])
        for profile, cheapest in before["cheapest"].items():
            assert setting(after["cheapest"][profile]) == setting(cheapest)
        rows, found = rows[rows["split"] == "validation"], found[found["split"] == "validation"]
    else:
        told = [column for column in rows if column in ("accuracy", "authors_accuracy", "whole_accuracy")]
        rows, found = rows.drop(columns=told), found.drop(columns=told)
    pd.testing.assert_frame_equal(found, rows)


@pytest.mark.parametrize("study", ["temporal", "early_exit", "energy"])
def test_another_pruned_net_does_not_go_on_from_an_interrupted_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, study: str
) -> None:
    original = getattr(stage(study), ROWS[study])
    seen: list[tuple[str, float]] = []

    def watched(net: Any, *args: Any) -> Any:
        seen.append((net.method, net.level))
        if stop and len(seen) == 3:
            raise KeyboardInterrupt
        return original(net, *args)

    monkeypatch.setattr(stage(study), ROWS[study], watched)
    stop = True
    with pytest.raises(KeyboardInterrupt):
        run(study)
    stop = False
    seen.clear()
    models = paths.prune_folder("tiny", "magnitude", 1) / "models"
    shutil.copy(models / "level-0.5.safetensors", models / "level-0.9.safetensors")
    run(study)
    assert seen[0] == ("dense", 0.0) and len(seen) == 2 * 5


def test_every_net_has_a_row_in_the_table_that_the_comparison_takes(project: Path) -> None:
    levels, rows = table("energy", "levels"), table("energy")
    nets = [("dense", 0.0), *((method, level) for method in ("cqp", "magnitude") for level in LEVELS)]
    assert [(row.seed, row.method, row.level) for row in levels.itertuples()] == [
        (seed, *net) for seed in SEEDS for net in nets
    ]
    whole = rows[(rows["layer"] == "all") & (rows["split"] == "test") & (rows["steps"] == 5)]
    assert levels["effective_macs"].tolist() == whole["macs"].tolist()
    assert levels["accuracy"].tolist() == whole["accuracy"].tolist()
    chosen = table("temporal").query("chosen")
    assert levels["truncated_steps"].tolist() == chosen["step"].tolist()
    assert levels["truncated_accuracy"].tolist() == chosen["accuracy"].tolist()


def test_the_grid_has_every_net_by_steps_and_profile(project: Path) -> None:
    grid = table("energy", "grid")
    assert len(grid) == len(load_profiles()) * 5 * 4  # 2, 4 and 5 steps, and T'
    assert sorted(grid[~grid["truncated"]]["steps"].unique()) == [2, 4, 5]


def test_the_comparison_takes_the_energies(project: Path) -> None:
    compare.main(["--experiment", "tiny"])
    rows = pd.read_csv(paths.compare_folder("tiny") / "comparison.csv").set_index(["method", "seed", "level"])
    levels = table("energy", "levels").set_index(["method", "seed", "level"])
    assert set(rows.index) == set(levels.index)
    for name in ("effective_acs", "dense_macs", "energy_pj_loihi", "accuracy"):
        assert rows[name].to_dict() == levels[name].to_dict()
    file = paths.studies_folder("tiny", "energy") / "levels.csv"
    levels.reset_index().query("method != 'magnitude'").to_csv(file, index=False)
    message = r"energy@tiny has no row of magnitude at 0\.5 seed 0, .*; run it again: dvc repro energy@tiny"
    with pytest.raises(UserError, match=message):
        compare.main(["--experiment", "tiny"])
    file.unlink()
    with pytest.raises(UserError, match=r"levels\.csv: no such file; stage energy@tiny makes it"):
        compare.main(["--experiment", "tiny"])


def test_energy_says_what_it_misses(project: Path) -> None:
    write_params(("energy.steps", [2, 6]))
    with pytest.raises(UserError, match=r"energy\.steps: at most 5 are allowed, model\.timesteps; found \[2, 6\]"):
        run("energy")
    write_params()
    file = paths.studies_folder("tiny", "temporal") / "table.csv"
    rows = pd.read_csv(file)
    rows[rows["method"] != "magnitude"].to_csv(file, index=False)
    with pytest.raises(UserError, match="temporal@tiny has no row of magnitude at 0.5, seed 0; run it again"):
        run("energy")
    file.unlink()
    with pytest.raises(UserError, match="table.csv: no such file; stage temporal@tiny makes it"):
        run("energy")
    (paths.prune_folder("tiny", "cqp", 1) / "models" / "level-0.9.safetensors").unlink()
    with pytest.raises(UserError, match="level-0.9.safetensors: no such file; stage prune@tiny-cqp-1 makes it"):
        run("temporal")
