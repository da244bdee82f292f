"""What studies refuse: missing inputs, impossible values, nothing to compare with."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.blocks import STUDIES
from pipeline.io import paths
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from tests.pipeline.stages.study_runs import run, stage
from tests.pipeline.studies.made import PARAMS, write_params


@pytest.mark.parametrize("study", STUDIES)
def test_missing_inputs_are_told_as_errors(project: Path, study: str) -> None:
    with pytest.raises(ParamsError, match="experiments.other: no such experiment; defined are: tiny"):
        stage(study).main(["--experiment", "other"])
    write_params((study, None))
    with pytest.raises(ParamsError, match=f"experiments.tiny.{study}: missing"):
        run(study)
    write_params((f"{study}.colour", "red"))
    with pytest.raises(ParamsError, match=f"experiments.tiny.{study}.colour: unknown key; allowed here: "):
        run(study)
    write_params()
    (paths.train_folder("tiny", 1) / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: no such file; stage train@tiny-1 makes it"):
        run(study)


@pytest.mark.parametrize(
    ("study", "file", "maker"),
    [
        ("zombies", "train/seed0/optimizer.safetensors", "train@tiny-0"),
        ("staleness", "prune/cqp/seed1/levels.csv", "prune@tiny-cqp-1"),
        ("paper", "prune/magnitude/seed1/levels.csv", "prune@tiny-magnitude-1"),
        ("layers", "data/dataset.safetensors", "data stage"),
    ],
)
def test_what_one_study_needs_besides_is_told(project: Path, study: str, file: str, maker: str) -> None:
    (paths.RESULTS / "tiny" / file).unlink()
    with pytest.raises(UserError, match=rf"{Path(file).name}.*{maker}"):
        run(study)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("staleness.above", 0.95),
            "experiments.tiny.staleness.above: no level of experiments.tiny.prune is that high",
        ),
        (("prune.criticality.frozen", True), "experiments.tiny.prune.criticality.frozen: must be false"),
        (("prune.levels", [0.5, 0.8, 0.9]), r"prune has other levels \(0.5, 0.9\) than its block"),
    ],
)
def test_staleness_without_anything_to_compare_is_refused(project: Path, change: tuple[str, Any], message: str) -> None:
    write_params(change)
    with pytest.raises(UserError, match=message):
        run("staleness")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sweep.thresholds", [0.5, 0.2], "experiments.tiny.sweep.thresholds: values must rise strictly"),
        ("sweep.thresholds", [0.5, 1.2], r"experiments.tiny.sweep.thresholds\[1\]"),
        ("alpha.values", [0.5], "experiments.tiny.alpha.values"),
        ("layers.levels", [], "experiments.tiny.layers.levels"),
        ("zombies.steps", 0, "experiments.tiny.zombies.steps"),
        ("relaxation.tolerance", 0.0, "experiments.tiny.relaxation.tolerance"),
        ("paper.criticality", {"kind": "magic"}, "experiments.tiny.paper.criticality.kind"),
        ("paper.finetune", {**PARAMS["experiments"]["tiny"]["paper"]["finetune"], "distillation": {}}, "distillation"),
    ],
)
def test_impossible_values_are_refused(project: Path, key: str, value: Any, message: str) -> None:
    write_params((key, value))
    with pytest.raises(ParamsError, match=message):
        run(key.split(".")[0])


def test_a_solver_that_does_not_solve_is_told(project: Path) -> None:
    write_params(("relaxation.max_iter", 1))
    with pytest.raises(UserError, match="OSQP did not solve the relaxed program of 484 synapses"):
        run("relaxation")
