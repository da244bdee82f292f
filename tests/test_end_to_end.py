"""The whole digits pipeline on tiny params, in a repository of its own: real DVC, Prefect, MLflow and signals."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from tests.killing import killed_at
from tests.test_soak import DEADLINE, MARK, ORPHANS_GONE, marked, wait_for, words
from tests.tiny import (
    LEVELS,
    METHODS,
    SEEDS,
    environment,
    make_repository,
    result_files,
    run,
    tiny_params,
    write_params,
)

pytestmark = pytest.mark.slow

PRUNE = "prune@digits-cqp-0"
LAST = ("evaluate@digits", "compare@digits", "report@digits")
PRUNE_FOLDER = Path("results/digits/prune/cqp/seed0")
FLOW = ("python", "-m", "flows.cli", "run", "digits")
# data, a train and METHODS prune stages per seed, evaluate, compare, the study layers, report
STAGES = 1 + len(SEEDS) + len(METHODS) * len(SEEDS) + 4
# a run for each, and of the nets: one per dense net, per method and seed, and per level
MLFLOW_RUNS = STAGES + len(SEEDS) * (1 + len(METHODS) * (1 + len(LEVELS)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which `dvc repro` has run once; tests work on copies."""
    folder = make_repository(tmp_path_factory.mktemp("pipeline") / "project")
    run(folder, "dvc", "repro")
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))


def current_runs(folder: Path) -> list:
    """The MLflow runs of the experiment that show current results."""
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    return list(client.search_runs([experiment.experiment_id], "tags.current = 'true'"))


def test_dvc_repro_builds_a_complete_comparison(finished: Path) -> None:
    table = pd.read_csv(finished / "results/digits/compare/comparison.csv")
    assert len(table) == len(SEEDS) * (1 + len(METHODS) * len(LEVELS))
    exact = table[table["method"] != "dense"]
    assert (exact["nnz"] == exact["keep"]).all()
    assert (exact["keep"] == ((1 - exact["level"]) * exact["synapses"]).round()).all()
    assert list(pd.read_csv(finished / "results/digits/evaluate/levels.csv")["accuracy"]) == list(table["accuracy"])
    assert '<img alt="Accuracy against sparsity' in (finished / "results/digits/report/index.html").read_text()


def test_dvc_repro_again_has_nothing_to_do(project: Path) -> None:
    assert "Running stage" not in run(project, "dvc", "repro")
    assert run(project, "dvc", "status").strip() == "Data and pipelines are up to date."


def test_dvc_repro_shows_every_result_in_mlflow(finished: Path) -> None:
    assert len(current_runs(finished)) == MLFLOW_RUNS


def test_editing_one_block_reruns_what_depends_on_it(project: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["methods"]["cqp"]["alpha"] = 1.0
    write_params(project, params)
    output = run(project, "dvc", "repro", "report@digits")
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert ran == {*(f"prune@digits-cqp-{seed}" for seed in SEEDS), *LAST}


def test_a_new_figure_of_finished_nets_trains_nothing(project: Path) -> None:
    code = project / "pipeline" / "stages" / "evaluate.py"
    code.write_text(code.read_text().replace('"spike_rate": total', '"biases": 98, "spike_rate": total'))
    output = run(project, "dvc", "repro", "report@digits")
    assert [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")] == list(LAST)
    assert "biases" in pd.read_csv(project / "results/digits/evaluate/levels.csv")


def test_a_killed_stage_completes_on_the_next_run_with_the_same_results(finished: Path, project: Path) -> None:
    forget(project, PRUNE)
    dvc = subprocess.run(
        ["dvc", "repro", "--single-item", PRUNE],
        cwd=project,
        env=killed_at(f"level {LEVELS[1]} epoch 1/2", environment(project)),
        capture_output=True,
        text=True,
    )
    assert dvc.returncode != 0
    assert f"level {LEVELS[1]} epoch 1/2" in dvc.stdout
    assert not (project / PRUNE_FOLDER / "levels.csv").exists()
    output = run(project, "dvc", "repro")
    assert f"level {LEVELS[0]} epoch" not in output  # finished before the kill, so not trained again
    assert f"level {LEVELS[1]} epoch 1/2" not in output
    assert f"level {LEVELS[1]} epoch 2/2" in output
    assert result_files(project) == result_files(finished)
    assert not list((project / ".resume").rglob("*.pt"))


def test_the_flow_runs_what_changed_tracks_it_and_fills_a_deleted_store(project: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["prune"]["finetune"]["epochs"] = 1
    write_params(project, params)
    output = run(project, *FLOW, "--prefect", "--workers", "2")
    unchanged = 1 + len(SEEDS)
    assert f"{STAGES} stages: {STAGES - unchanged} ran, {unchanged} unchanged" in output
    assert "margin over magnitude" in output
    assert len(current_runs(project)) == MLFLOW_RUNS

    again = run(project, *FLOW)
    assert f"{STAGES} stages: {STAGES} unchanged" in again
    assert len(current_runs(project)) == MLFLOW_RUNS

    shutil.rmtree(project / "mlruns")
    assert f"{STAGES} stages: {STAGES} unchanged" in run(project, *FLOW)
    assert len(current_runs(project)) == MLFLOW_RUNS


def test_a_flow_killed_with_its_temporary_server_leaves_no_process(project: Path, tmp_path: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["prune"]["finetune"]["epochs"] = 50
    write_params(project, params)
    log = tmp_path / "flow.log"
    with log.open("wb") as output:
        marked_environment = {**environment(project), MARK: "prefect"}
        command = [*FLOW, "--prefect", "--workers", "1"]
        flow = subprocess.Popen(command, cwd=project, env=marked_environment, stdout=output, stderr=output)
    assert wait_for(lambda: "epoch 2/50" in log.read_text() or flow.poll() is not None, DEADLINE)
    assert flow.poll() is None, log.read_text()
    running = [" ".join(words(process)) for process in marked("prefect")]
    assert [line for line in running if "uvicorn" in line] and [line for line in running if "warm.py" in line]
    flow.kill()
    flow.wait()
    assert wait_for(lambda: not marked("prefect"), ORPHANS_GONE), [words(process) for process in marked("prefect")]


def test_a_wrong_value_stops_the_flow_before_any_work(project: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["prune"]["scope"] = "galaxy"
    write_params(project, params)
    done = subprocess.run(FLOW, cwd=project, env=environment(project), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: experiments.digits.prune.scope: ")
    assert "'global' or 'layer'" in done.stderr and "'galaxy'" in done.stderr
    assert "Running stage" not in done.stdout


def forget(project: Path, address: str) -> None:
    """Make DVC forget that a stage has ever run."""
    lock = project / "dvc.lock"
    content = YAML().load(lock)
    del content["stages"][address]
    YAML().dump(content, lock)
    shutil.rmtree(project / PRUNE_FOLDER)
    shutil.rmtree(project / ".dvc/cache/runs", ignore_errors=True)
