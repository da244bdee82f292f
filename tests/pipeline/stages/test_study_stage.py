"""The stage of the studies: laws that hold for every study of the registry, and what single ones must say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.io import paths
from pipeline.io.finished import net_file
from pipeline.stages import compare, prune, report
from pipeline.stages.study import main
from pipeline.study import DENSE, NETS, available, load_study
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from snnprune.core.training.fit import ResumePoint
from tests.pipeline.studies.made import LEVELS, PARAMS, SEEDS, contents, made_split, save_splits, write_params

every_study = pytest.mark.parametrize("study", available())
METHODS = PARAMS["matrix"]["tiny"]["methods"]
OVER_NETS = [study for study in available() if load_study(study).needs != DENSE]


def run(study: str) -> None:
    main(["tiny", study])


def file(study: str) -> Path:
    return paths.table_file("tiny", study)


def table(study: str) -> pd.DataFrame:
    return pd.read_csv(file(study))


def levels_of(method: str, seed: int) -> pd.DataFrame:
    return pd.read_csv(paths.prune_folder("tiny", method, seed) / "levels.csv")


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Makes the n-th save of a resume point (0: none) end the run as Ctrl-C does; what is saved from now on."""
    save = ResumePoint.save

    def after(count: int) -> list[str]:
        saves: list[str] = []

        def counted(self: ResumePoint, state: dict[str, Any]) -> None:
            save(self, state)
            saves.append(f"{self.path.name} {len(state.get('epochs', ()))}")
            if len(saves) == count:
                raise KeyboardInterrupt

        monkeypatch.setattr(ResumePoint, "save", counted)
        return saves

    return after


@every_study
def test_the_table_and_nothing_else(project: Path, study: str) -> None:
    assert list(paths.table_file("tiny", study).parent.rglob("*")) == [file(study)]
    assert not list((project / ".resume").rglob("*.pt"))
    rows = table(study)
    assert rows["seed"].is_monotonic_increasing and set(rows["seed"]) == set(SEEDS)
    assert not rows.isna().all().any()
    if study in OVER_NETS and study != "fewer_steps":
        found = rows[["method", "level", "seed"]].drop_duplicates().to_numpy().tolist()
        pruned = [(method, level) for method in METHODS for level in LEVELS]
        assert found == [[*net, seed] for seed in SEEDS for net in [("dense", 0.0), *pruned]]
    shares = [name for name in rows if "accuracy" in name or name == "sparsity"]
    assert shares and rows[shares].dropna().stack().between(0, 1).all()


def test_what_was_measured_is_compared_and_reported(project: Path) -> None:
    compare.main(["tiny"])
    report.main(["tiny"])
    found = {path.stem: json.loads(path.read_text()) for path in paths.report_folder("tiny").glob("studies/*.json")}
    assert sorted(found) == available()
    assert all(summary["findings"] and summary["results"] for summary in found.values())


@every_study
def test_a_rerun_gives_the_same_bytes_and_no_part_is_measured_twice(
    project: Path, interrupt: Callable[[int], list[str]], study: str
) -> None:
    """The parts are seeds, nets of a seed, or epochs of a fine-tuning."""
    before = contents(project / "results")
    expected = file(study).read_bytes()
    file(study).unlink()
    whole = interrupt(0)
    run(study)
    assert contents(project / "results") == before
    assert len(set(whole)) == len(whole) >= len(SEEDS)
    trains = study in ("alpha", "fewer_steps", "paper", "scratch", "staleness")
    assert not (trains or study in OVER_NETS) or len(whole) > len(SEEDS)
    file(study).unlink()
    for count in (1, len(whole) // 2):
        saves = interrupt(count)
        with pytest.raises(KeyboardInterrupt):
            run(study)
        assert not file(study).exists()
        rest = interrupt(0)
        run(study)
        assert saves + rest == whole
        assert file(study).read_bytes() == expected
        assert not list((project / ".resume").rglob("*.pt"))
        file(study).unlink()


@pytest.mark.parametrize(
    ("study", "key", "value"),
    [
        ("layers", "layers.alpha", 1.0),
        ("sweep", "prune.criticality.batches", 1),
        ("zombies", "train.batch_size", 12),
        ("staleness", "methods.cqp.alpha", 2.0),
        *((study, None, None) for study in OVER_NETS),
    ],
)
def test_other_inputs_do_not_go_on_from_an_interrupted_run(
    project: Path, interrupt: Callable[[int], list[str]], study: str, key: str | None, value: Any
) -> None:
    """Other settings, or where there is no key, another pruned net."""
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        run(study)
    if key is None:
        net_file("tiny", "magnitude", 1, 0.9).write_bytes(net_file("tiny", "magnitude", 1, 0.5).read_bytes())
    else:
        write_params((key, value))
    saves = interrupt(0)
    run(study)
    again = interrupt(0)
    run(study)
    assert saves == again


def test_other_steps_of_temporal_do_not_go_on_either(project: Path, interrupt: Callable[[int], list[str]]) -> None:
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        run("energy")
    table("temporal").assign(chosen=lambda rows: rows["step"] == 3).to_csv(file("temporal"), index=False)
    run("energy")
    assert set(table("energy").query("truncated")["steps"]) == {3}


@every_study
def test_one_seed_is_enough(project: Path, study: str) -> None:
    before = table(study)
    params = json.loads(Path("params.yaml").read_text(encoding="utf-8"))
    params["matrix"]["tiny"]["seeds"] = [1]
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    run(study)
    # a column may be of whole numbers with one seed alone
    pd.testing.assert_frame_equal(table(study), before[before["seed"] == 1].reset_index(drop=True), check_dtype=False)


@every_study
def test_a_study_may_measure_some_of_the_seeds(project: Path, study: str) -> None:
    before = table(study)
    params = json.loads(Path("params.yaml").read_text(encoding="utf-8"))
    params["experiments"]["tiny"][study]["seeds"] = [1, 99]  # the experiment has no 99
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    run(study)
    pd.testing.assert_frame_equal(table(study), before[before["seed"] == 1].reset_index(drop=True), check_dtype=False)


@every_study
def test_choices_are_made_on_validation_alone(project: Path, study: str) -> None:
    """Wrong labels in the test split change test accuracies and nothing else; in validation's they are noticed."""

    def without_test(rows: pd.DataFrame) -> pd.DataFrame:
        if study in ("energy", "fewer_steps"):
            return rows.assign(accuracy=rows["accuracy"].where(rows["split"] == "validation"))
        return rows[[name for name in rows if "accuracy" not in name or "validation" in name]]

    before = table(study)
    images, labels = made_split(30, 2)
    save_splits(test=(images, np.random.default_rng(0).permutation(labels)))
    run(study)
    found = table(study)
    pd.testing.assert_frame_equal(without_test(found), without_test(before))
    assert found.equals(before) == (study in ("alpha", "layers", "zombies"))
    images, labels = made_split(30, 1)
    save_splits(validation=(images, (labels + 1) % 3))
    run(study)
    assert without_test(table(study)).equals(without_test(before)) == (study == "relaxation")


@every_study
def test_missing_inputs_are_errors(project: Path, study: str) -> None:
    with pytest.raises(ParamsError, match=r"experiments\.other: no such experiment; defined are: tiny"):
        main(["other", study])
    write_params((study, None))
    with pytest.raises(ParamsError, match=rf"experiments\.tiny\.{study}: missing"):
        run(study)
    write_params((f"{study}.colour", "red"))
    with pytest.raises(ParamsError, match=rf"experiments\.tiny\.{study}\.colour: unknown key; allowed here: "):
        run(study)
    write_params()
    needed = {paths.train_folder("tiny", 1) / "model.safetensors": "train@tiny-1"}
    if study in OVER_NETS:
        needed[net_file("tiny", "cqp", 1, 0.9)] = "prune@tiny-cqp-1"
    if load_study(study).needs not in (DENSE, NETS):
        needed[file(load_study(study).needs)] = f"study@tiny-{load_study(study).needs}"
    if study == "zombies":
        needed[paths.train_folder("tiny", 0) / "optimizer.safetensors"] = "train@tiny-0"
    needed[paths.data_folder("tiny") / "dataset.safetensors"] = "the data stage"
    for path, maker in needed.items():
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(UserError, match=rf"{path.name}: no such file; .*{maker}"):
            run(study)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sweep.thresholds", [0.5, 0.2], "experiments.tiny.sweep.thresholds: values must rise strictly"),
        ("sweep.thresholds", [0.5, 1.2], r"experiments.tiny.sweep.thresholds\[1\]"),
        ("alpha.values", [0.5], "experiments.tiny.alpha.values"),
        ("layers.levels", [], "experiments.tiny.layers.levels"),
        ("zombies.steps", 0, "experiments.tiny.zombies.steps"),
        ("relaxation.tolerance", 0.0, "experiments.tiny.relaxation.tolerance"),
        ("relaxation.max_iter", 1, "OSQP did not solve the relaxed program of 484 synapses"),
        ("paper.criticality", {"kind": "magic"}, "experiments.tiny.paper.criticality.kind"),
        ("paper.finetune", {**PARAMS["experiments"]["tiny"]["paper"]["finetune"], "distillation": {}}, "distillation"),
        (
            "scratch.methods",
            ["rigl", "grasp"],
            "scratch.methods: unknown are grasp; available are: lottery, random_static",
        ),
        ("scratch.methods", ["rigl", "rigl"], "scratch.methods: each may be named once"),
        ("scratch.levels", [0.8], "scratch.levels: 0.8 is none of the levels in experiments.tiny.prune: 0.5, 0.9"),
        ("scratch.rewind", 10, "scratch.rewind: must be below 10, experiments.tiny.train.epochs; found 10"),
        ("staleness.above", 0.95, "staleness.above: no level of experiments.tiny.prune is that high; found 0.95"),
    ],
)
def test_impossible_values_are_refused(project: Path, key: str, value: Any, message: str) -> None:
    write_params((key, value))
    with pytest.raises(UserError, match=message):
        run(key.split(".")[0])


def test_an_unknown_study_is_refused(project: Path) -> None:
    known = "alpha, ann, early_exit, energy, fewer_steps"
    with pytest.raises(UserError, match=f"unknown study 'layer'; available are: {known}"):
        run("layer")


@pytest.mark.parametrize("study", ["energy", "early_exit", "quantise", "temporal"])
def test_a_study_of_nets_can_be_of_some_methods(project: Path, study: str) -> None:
    of_all = table(study)
    write_params((f"{study}.methods", ["magnitude", "obs"]))  # one of them is not run here
    run(study)
    pd.testing.assert_frame_equal(table(study), of_all.query("method != 'cqp'").reset_index(drop=True))


def test_energy_needs_the_steps_of_every_net(project: Path) -> None:
    table("temporal").query("method != 'magnitude'").to_csv(file("temporal"), index=False)
    message = (
        "study@tiny-temporal has no row of magnitude@0.50/seed0; `methods` of its block must hold magnitude, and then: "
        "dvc repro study@tiny-temporal"
    )
    with pytest.raises(UserError, match=message):
        run("energy")


def test_staleness_prunes_as_the_prune_stage_but_for_the_criticality(project: Path) -> None:
    mine = [table("staleness").query("seed == @seed").reset_index(drop=True) for seed in SEEDS]
    fresh = [levels_of("cqp", seed)["validation_accuracy"] for seed in SEEDS]
    write_params(("prune.criticality.frozen", True))
    for seed in SEEDS:
        prune.main(["tiny", "cqp", str(seed)])
        found = mine[seed]["frozen_validation_accuracy"]
        assert found.tolist() == levels_of("cqp", seed)["validation_accuracy"].tolist()
        assert found[0] == fresh[seed][0]  # at the first level the frozen criticality is the fresh one
    assert any(mine[seed]["frozen_validation_accuracy"][1] != fresh[seed][1] for seed in SEEDS)
    with pytest.raises(UserError, match=r"experiments.tiny.prune.criticality.frozen: must be false"):
        run("staleness")


@pytest.mark.parametrize(("alpha", "method"), [(0.0, "magnitude"), (0.5, "cqp")])
def test_alpha_prunes_as_the_prune_stage_and_zero_is_magnitude(project: Path, alpha: float, method: str) -> None:
    write_params(("alpha.levels", LEVELS), ("alpha.values", [0.0, 0.5]))
    run("alpha")
    for seed in SEEDS:
        rows = table("alpha").query("seed == @seed and alpha == @alpha")
        assert rows["validation_accuracy"].tolist() == levels_of(method, seed)["validation_accuracy"].tolist()
        assert rows["nnz"].tolist() == levels_of(method, seed)["nnz"].tolist() == [242, 48]
