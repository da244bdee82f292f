"""The whole digits pipeline on tiny params, in a repository of its own: real DVC, Prefect, MLflow and signals.

`SOAK_ROUNDS=20 python -m pytest tests/test_end_to_end.py -k random` kills more often. A round's seed is its number.
"""

import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from flows.engine.lockfile import read_lock
from pipeline.io.nets import level_text
from tests.killing import killed_at
from tests.processes import marked, within
from tests.tiny import (
    LEVELS,
    METHODS,
    SEEDS,
    commit,
    environment,
    make_repository,
    result_files,
    run,
    tiny_params,
    write_params,
)

pytestmark = pytest.mark.slow

PRUNE = "prune@digits-cqp-0"
PRUNE_FOLDER = Path("results/digits/prune/cqp/seed0")
LAST = ["evaluate@digits", "export@digits", "compare@digits", "report@digits"]
CLEAN = "Data and pipelines are up to date."
FLOW = ("python", "-m", "flows.cli", "run", "digits")
# data, a train and METHODS prune stages per seed, evaluate, compare, export, the study layers, report
STAGES = 1 + len(SEEDS) + len(METHODS) * len(SEEDS) + 5
# a run for each, and of the nets: one per dense net, per method and seed, and per level
MLFLOW_RUNS = STAGES + len(SEEDS) * (1 + len(METHODS) * (1 + len(LEVELS)))

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
LONGEST_WAIT = 3.0  # seconds from the first sight of a victim to its end
ORPHANS_GONE = 5.0
DEADLINE = 120.0
MARK = "MARK_OF_A_TEST"
# A stage is a fork of the warm interpreter, and has its command line.
VICTIMS: dict[str, Callable[[psutil.Process], bool]] = {
    "flow": lambda process: "flows.cli" in process.cmdline(),
    "warm interpreter": lambda process: is_warm(process) and not is_warm(process.parent()),
    "stage": lambda process: is_warm(process) and is_warm(process.parent()),
}

ALPHA = "experiments.digits.methods.cqp.alpha"
METRICS = "results/digits/compare/metrics"
SHOW = ("exp", "show", "--hide-workspace", "--only-changed", "--drop", "(?!Exp|exp)")
KEEP = ("--keep", f"{METRICS}/.*_0.90$")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which nothing has run yet."""
    return make_repository(tmp_path_factory.mktemp("pipeline") / "fresh")


@pytest.fixture(scope="module")
def finished(fresh: Path) -> Path:
    """The same after `dvc repro`; tests work on copies."""
    folder = copied(fresh, fresh.with_name("finished"))
    run(folder, "dvc", "repro")
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return copied(finished, tmp_path / "project")


@pytest.fixture(scope="module")
def varied(finished: Path) -> Path:
    """The finished results committed, and an experiment of DVC's in which CQP has another weight of criticality."""
    folder = copied(finished, finished.with_name("varied"))
    commit(folder)
    printed = run(folder, "dvc", "exp", "run", "--name", "alpha-1", "--set-param", f"{ALPHA}=1.0", "compare@digits")
    prunes = {f"prune@digits-cqp-{seed}" for seed in SEEDS}
    assert set(ran(printed)) == {*prunes, "evaluate@digits", "compare@digits"}
    return folder


def test_dvc_repro_builds_a_complete_comparison_and_shows_it_in_mlflow(finished: Path) -> None:
    table = pd.read_csv(finished / "results/digits/compare/comparison.csv")
    assert len(table) == len(SEEDS) * (1 + len(METHODS) * len(LEVELS))
    exact = table[table["method"] != "dense"]
    assert (exact["nnz"] == exact["keep"]).all()
    assert (exact["keep"] == ((1 - exact["level"]) * exact["synapses"]).round()).all()
    assert list(pd.read_csv(finished / "results/digits/evaluate/levels.csv")["accuracy"]) == list(table["accuracy"])
    assert '<img alt="The comparison; described below"' in (finished / "results/digits/report/index.html").read_text()
    assert len(mlflow_runs(finished)) == MLFLOW_RUNS
    exported = [run.info.run_name for run in mlflow_runs(finished, "tags.exports != ''")]
    assert sorted(exported) == [f"dense/seed{seed}" for seed in SEEDS]


def test_dvc_repro_again_has_nothing_to_do(project: Path) -> None:
    assert ran(run(project, "dvc", "repro")) == []
    assert run(project, "dvc", "status").strip() == CLEAN


def test_a_new_figure_of_finished_nets_trains_nothing(project: Path) -> None:
    code = project / "pipeline" / "stages" / "evaluate.py"
    code.write_text(code.read_text().replace('"spike_rate": total', '"biases": 98, "spike_rate": total'))
    assert ran(run(project, "dvc", "repro", "report@digits")) == LAST
    assert "biases" in pd.read_csv(project / "results/digits/evaluate/levels.csv")


def test_a_killed_stage_completes_on_the_next_run_with_the_same_results(finished: Path, project: Path) -> None:
    lock = YAML().load(project / "dvc.lock")
    del lock["stages"][PRUNE]
    YAML().dump(lock, project / "dvc.lock")
    shutil.rmtree(project / PRUNE_FOLDER)
    shutil.rmtree(project / ".dvc/cache/runs")
    dvc = subprocess.run(
        ["dvc", "repro", "--single-item", PRUNE],
        cwd=project,
        env=killed_at(f"@{level_text(LEVELS[1])}/seed0 epoch 1/2", environment(project)),
        capture_output=True,
        text=True,
    )
    assert dvc.returncode != 0
    assert f"@{level_text(LEVELS[1])}/seed0 epoch 1/2" in dvc.stdout
    assert not (project / PRUNE_FOLDER / "levels.csv").exists()
    output = run(project, "dvc", "repro", "report@digits")
    assert f"@{level_text(LEVELS[0])}/seed0 epoch" not in output  # finished before the kill, so not trained again
    assert f"@{level_text(LEVELS[1])}/seed0 epoch 1/2" not in output
    assert f"@{level_text(LEVELS[1])}/seed0 epoch 2/2" in output
    assert result_files(project) == result_files(finished)
    assert not list((project / ".resume").rglob("*.pt"))


def test_the_flow_runs_what_changed_tracks_it_and_fills_a_deleted_store(project: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["methods"]["cqp"]["alpha"] = 1.0
    write_params(project, params)
    output = run(project, *FLOW, "--prefect", "--workers", "2")
    depends = {*(f"prune@digits-cqp-{seed}" for seed in SEEDS), *LAST}
    assert set(re.findall(r"\] (\S+): ran in ", output)) == depends
    assert f"{STAGES} stages: {len(depends)} ran, {STAGES - len(depends)} unchanged" in output
    assert "the best by validation is" in output
    assert len(mlflow_runs(project, "tags.current = 'true'")) == MLFLOW_RUNS

    shutil.rmtree(project / "mlruns")
    assert f"{STAGES} stages: {STAGES} unchanged" in run(project, *FLOW)
    assert len(mlflow_runs(project, "tags.current = 'true'")) == MLFLOW_RUNS


def test_a_flow_killed_with_its_temporary_server_leaves_no_process(project: Path, tmp_path: Path) -> None:
    params = tiny_params()
    params["experiments"]["digits"]["prune"]["finetune"]["epochs"] = 50
    write_params(project, params)
    log = tmp_path / "flow.log"
    flow = start(project, log, "prefect", "--prefect", "--workers", "1")
    assert within(DEADLINE, lambda: "epoch 2/50" in log.read_text() or flow.poll() is not None)
    assert flow.poll() is None, log.read_text()
    running = [" ".join(words) for words in marked(MARK, "prefect").values()]
    assert [line for line in running if "uvicorn" in line] and [line for line in running if "warm.py" in line]
    flow.kill()
    flow.wait()
    assert within(ORPHANS_GONE, lambda: not marked(MARK, "prefect")), marked(MARK, "prefect")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kills_at_random_moments_change_nothing_in_the_end(
    fresh: Path, finished: Path, tmp_path: Path, number: int
) -> None:
    """Of the flow, the warm interpreter and a stage, in any order: nothing is lost, doubled or left running."""
    project = copied(fresh, tmp_path / "project")
    chance = random.Random(number)
    for victim in chance.sample(list(VICTIMS), len(VICTIMS)):
        run_and_kill(project, victim, chance.uniform(0, LONGEST_WAIT))
    run(project, *FLOW, "--workers", "2")
    assert result_files(project) == result_files(finished)
    assert read_lock(project) == {name: entry for name, entry in read_lock(finished).items() if "track@" not in name}
    assert shown(project) == shown(finished)
    assert run(project, "dvc", "status", "report@digits", "--with-deps").strip() == CLEAN
    assert not list((project / ".resume").rglob("*.pt"))


def test_exp_show_has_a_column_for_what_was_set_and_one_a_method(varied: Path) -> None:
    table = list(csv.DictReader(io.StringIO(run(varied, "dvc", *SHOW, *KEEP, "--csv"))))
    shown, other = (f"{METRICS}/{method}.json:accuracy_at_0.90" for method in METHODS)
    assert {shown, other, ALPHA} == set(table[0]) - {"Experiment", "rev", "typ", "parent"}
    assert [row["Experiment"] for row in table] == ["", "alpha-1"]
    assert [float(row[ALPHA]) for row in table] == [0.25, 1.0]
    before, after = accuracies(varied)
    assert before != after
    assert [float(row[shown]) for row in table] == pytest.approx([before, after])


def test_metrics_diff_tells_the_change_by_method_and_level(varied: Path) -> None:
    printed = run(varied, "dvc", "metrics", "diff", "HEAD", "--json", "--targets", METRICS)
    changed = json.loads(printed)[f"{METRICS}/cqp.json"]
    assert changed.keys() == {"accuracy_at_0.50", "accuracy_at_0.90"}
    assert (changed["accuracy_at_0.90"]["old"], changed["accuracy_at_0.90"]["new"]) == accuracies(varied)


def test_metrics_show_is_a_line_a_method_and_a_column_a_level(varied: Path) -> None:
    header, *lines = run(varied, "dvc", "metrics", "show", METRICS).splitlines()
    assert header.split() == ["Path", "accuracy", "accuracy_at_0.50", "accuracy_at_0.90"]
    assert [line.split()[0] for line in lines] == [f"{METRICS}/{name}.json" for name in ("cqp", "dense", "magnitude")]


def copied(folder: Path, copy: Path) -> Path:
    return Path(shutil.copytree(folder, copy, symlinks=True))


def ran(printed: str) -> list[str]:
    """The stages that DVC says it ran."""
    return [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")]


def accuracies(folder: Path) -> tuple[float, float]:
    """CQP's at 90 % as committed, and in the workspace, where DVC leaves an experiment's results."""
    file = f"{METRICS}/cqp.json"
    texts = run(folder, "git", "show", f"HEAD:{file}"), (folder / file).read_text(encoding="utf-8")
    before, after = (json.loads(text)["accuracy_at_0.90"] for text in texts)
    return before, after


def start(project: Path, log: Path, mark: str, *options: str) -> subprocess.Popen[bytes]:
    """The flow, with the mark in its environment; what it says goes to the end of `log`."""
    with log.open("ab") as said:
        marked_environment = {**environment(project), MARK: mark}
        return subprocess.Popen([*FLOW, *options], cwd=project, env=marked_environment, stdout=said, stderr=said)


def run_and_kill(project: Path, victim: str, delay: float) -> None:
    """Start a flow, kill a process of it `delay` seconds after there is one, and see that nothing stays behind."""
    mark = uuid.uuid4().hex
    flow = start(project, project.with_name("flow.log"), mark, "--workers", "2")
    found = within(DEADLINE, lambda: victims(mark, victim) or flow.poll() is not None)
    if found is not True:  # else the flow was over before there was one
        with suppress(subprocess.TimeoutExpired):
            flow.wait(delay)
        with suppress(psutil.NoSuchProcess):
            found[0].kill()
            print(f"{victim} killed after {delay:.1f} s")  # shown by pytest -n 0 -s
    flow.wait(DEADLINE)
    assert within(ORPHANS_GONE, lambda: not marked(MARK, mark)), f"{victim} killed, still there: {marked(MARK, mark)}"


def victims(mark: str, kind: str) -> list[psutil.Process]:
    found = []
    for process in marked(MARK, mark):
        with suppress(psutil.NoSuchProcess, AttributeError):  # it, or its parent, is gone
            if VICTIMS[kind](process):
                found.append(process)
    return found


def is_warm(process: psutil.Process) -> bool:
    return any(word.endswith("warm.py") for word in process.cmdline())


def mlflow_runs(project: Path, query: str = "") -> list[Run]:
    client = MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    return list(client.search_runs([client.get_experiment_by_name("digits").experiment_id], query))


def shown(project: Path) -> Counter:
    """The MLflow runs by stage, result and name, each of which must be there once, finished."""
    runs = mlflow_runs(project)
    assert {run.info.status for run in runs} == {"FINISHED"}
    keys = Counter((run.data.tags["dvc_stage"], run.data.tags["dvc_hash"], run.info.run_name) for run in runs)
    assert set(keys.values()) == {1}
    return keys
