"""A net becomes champion of MLflow's registry, with its evidence, unless it may be worse than the one that is."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.engine.lockfile import key_of, read_lock
from flows.registry.promote import promote
from pipeline.io.files import sha256
from pipeline.promotion.params import PromotionParams
from snnprune.core.errors import UserError
from tests.flows.conftest import store_of
from tests.flows.registry.conftest import TABLE, champion, measure, versions
from tests.flows.tracking.conftest import named

HALF, FULL = PromotionParams(level=0.5), PromotionParams(level=0.995)
NET = Path("results/tiny/prune/cqp/seed0/nets/level-0.50.safetensors")


def test_the_first_champion_carries_its_evidence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote("tiny", PromotionParams())
    held, run = champion(project), named(project, "cqp@0.50/seed0")
    assert (str(held.version), held.run_id) == ("1", run.info.run_id)
    assert held.source == f"models:/{run.outputs.model_outputs[0].model_id}"
    tags = held.tags
    assert (tags["experiment"], tags["net"], tags["method"], tags["level"], tags["seed"]) == (
        *("tiny", "cqp@0.50/seed0", "cqp", "0.50", "0"),
    )
    assert tags["weights_sha256"] == sha256(NET)
    assert tags["git_commit"] == run.data.tags["git_commit"]
    assert tags["dvc_hash"] == key_of(read_lock(project)["evaluate@tiny"])
    assert tags["dataset_digest"] == run.inputs.dataset_inputs[0].dataset.digest
    assert json.loads(tags["validation_accuracies"]) == {"0": 0.968, "1": 0.967, "2": 0.966}
    assert float(tags["validation_mean"]) == pytest.approx(0.967)
    assert float(tags["energy_saved_horowitz_45nm_fp32"]) == pytest.approx(0.5)
    assert (tags["compared_with"], float(tags["delta"])) == ("the dense nets", 0.005)
    assert [float(tags[f"difference_{key}"]) for key in ("mean", "low", "high")] == pytest.approx(3 * [-0.002])
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "tiny: version 1 (cqp@0.50/seed0) is now champion"
    assert said[-1].startswith(
        "  the first champion has no opponent; -0.20 ± 0.00 points of validation accuracy over 3"
    )


def test_the_same_net_twice_is_one_version(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert promote("tiny", HALF)
    assert versions(project) == ["cqp@0.50/seed0"]
    assert "is the champion already; nothing to do" in capsys.readouterr().out.splitlines()[-1]


def test_one_that_may_be_worse_is_registered_and_the_champion_stays(project: Path, capsys) -> None:
    promote("tiny", HALF)
    assert not promote("tiny", FULL)
    assert versions(project) == ["cqp@0.50/seed0", "cqp@0.995/seed0"]
    assert champion(project).tags["net"] == "cqp@0.50/seed0"
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "tiny: version 1 (cqp@0.50/seed0) stays champion"
    assert "-6.80 ± 0.00 points" in said[-1] and "a loss of 6.80 points is not excluded" in said[-1]
    (kept,) = MlflowClient(store_of(project)).search_model_versions(
        "name = 'tiny' and tags.method = 'cqp' and tags.level = '0.995'"
    )
    assert kept.tags["compared_with"] == "version 1 (cqp@0.50/seed0)"
    assert kept.tags["verdict"] == said[-1].strip()
    assert promote("tiny", FULL.model_copy(update={"force": True}))
    assert versions(project) == ["cqp@0.50/seed0", "cqp@0.995/seed0"]
    assert champion(project).tags["net"] == "cqp@0.995/seed0"


def test_one_that_loses_less_than_delta_for_sure_takes_the_place(project: Path) -> None:
    promote("tiny", HALF)
    measure(project, {("cqp", 0.995): [0.967, 0.966, 0.964]})  # -0.1, -0.1, -0.2 points
    assert promote("tiny", FULL)
    held = champion(project)
    assert held.tags["net"] == "cqp@0.995/seed0"
    assert float(held.tags["difference_mean"]) == pytest.approx(-0.004 / 3)
    assert -0.005 < float(held.tags["difference_low"]) < float(held.tags["difference_mean"])


def test_models_of_two_names_do_not_meet_and_another_dataset_is_not_comparable(project: Path, capsys) -> None:
    promote("tiny", HALF)
    assert promote("tiny", FULL.model_copy(update={"model": "edge"}))
    assert (versions(project), versions(project, "edge")) == (["cqp@0.50/seed0"], ["cqp@0.995/seed0"])
    MlflowClient(store_of(project)).set_model_version_tag("edge", "1", "dataset_digest", "another")
    assert not promote("tiny", HALF.model_copy(update={"model": "edge"}))
    assert "cannot be compared: its dataset has the digest another" in capsys.readouterr().out.splitlines()[-1]
    assert promote("tiny", HALF.model_copy(update={"model": "edge", "force": True}))


def test_results_that_are_not_those_of_dvc_lock_are_refused(project: Path) -> None:
    content = NET.read_bytes()
    NET.write_bytes(b"another")
    with pytest.raises(UserError, match="nets differs from what dvc.lock names; run it again: snnprune run tiny"):
        promote("tiny", HALF)
    NET.unlink()
    ways = "fetch it: snnprune pull tiny, or make it: snnprune run tiny"
    with pytest.raises(UserError, match=rf"cqp@0.50/seed0: .*level-0.50.safetensors is not here; {ways}"):
        promote("tiny", HALF)
    NET.write_bytes(content)
    (project / TABLE).write_text("edited")
    with pytest.raises(UserError, match=r"comparison.csv differs from what dvc.lock names"):
        promote("tiny", HALF)


def test_unknown_and_unfinished_experiments_are_named(fresh: Path) -> None:
    with pytest.raises(UserError, match="^no experiment 'nope'; the matrix in params.yaml has: tiny$"):
        promote("nope", HALF)
    with pytest.raises(UserError, match="^tiny: dvc.lock has no compare@tiny; make it: snnprune run tiny$"):
        promote("tiny", HALF)


def test_a_damaged_table_is_named_with_its_line(project: Path) -> None:
    levels = project / "results/tiny/evaluate/levels.csv"
    with levels.open("a") as file:
        file.write("edited\n")
    ways = "restore the file with git, or make it again: snnprune run tiny"
    with pytest.raises(UserError, match=rf"^{levels}, line 7: expected 13 cells; found 1; {ways}$"):
        promote("tiny", HALF)
    measure(project, {("cqp", 0.5): [float("nan"), 0.9, 0.9]})
    with pytest.raises(UserError, match=rf"{TABLE}, line 5: validation_accuracy: expected a number; found ''; {ways}$"):
        promote("tiny", HALF)


def test_a_comparison_of_older_nets_is_refused(project: Path) -> None:
    lock = (project / "dvc.lock").read_text()
    old = next(out["md5"] for out in read_lock(project)["evaluate@tiny"]["outs"])
    start = lock.index("evaluate@tiny:")
    (project / "dvc.lock").write_text(lock[:start] + lock[start:].replace(old, "0" * 32, 1))
    with pytest.raises(UserError, match="changed since compare@tiny; run it again"):
        promote("tiny", HALF)
