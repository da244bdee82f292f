"""The experiment of docs/your_network.md, as printed there: a user's own network in a repository, with real DVC."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from pipeline.io.store import load_dataset
from snnprune.adapters.module_file import build_from
from snnprune.core.checkpoint import load_network
from snnprune.core.training.evaluate import accuracy
from tests.imports import PROJECT
from tests.tiny import make_repository, run, write_params

pytestmark = pytest.mark.slow

SECTION = (PROJECT / "docs/your_network.md").read_text(encoding="utf-8").partition("## As an experiment")[2]
TRAIN = {f"train@mine-{seed}" for seed in (0, 1)}
NETS = {*TRAIN, *(f"prune@mine-{method}-{seed}" for method in ("cqp", "magnitude") for seed in (0, 1))}
STUDIES = {f"study@mine-{study}" for study in ("layers", "temporal", "early_exit", "energy")}
RUN = ("python", "-m", "flows.cli", "run", "mine", "--workers", "1")
ALL = {"data@mine", *NETS, "evaluate@mine", *STUDIES, "compare@mine", "report@mine"}


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, flags=re.DOTALL)[0]


def reproduced(folder: Path, target: str = "report@mine") -> set[str]:
    """The stages that `dvc repro` ran."""
    printed = run(folder, "dvc", "repro", target)
    return {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's experiment, smaller, with a checkpoint that it has trained before."""
    folder = make_repository(tmp_path_factory.mktemp("own") / "project")
    (folder / "my_nets.py").write_text(block("python"))
    params = YAML(typ="safe").load(block("yaml"))
    params["matrix"]["mine"]["seeds"] = [0, 1]
    mine = params["experiments"]["mine"]
    mine["train"]["epochs"] = 4
    mine["prune"] |= {"levels": [0.8, 0.9]}
    mine["prune"]["finetune"]["epochs"] = 1
    trained, mine["model"] = mine["model"], {"module": "my_nets.py:build", "timesteps": 10}
    write_params(folder, params)
    run(folder, "dvc", "repro", "train@mine-0")
    torch.save(load_file(folder / "results/mine/train/seed0/model.safetensors"), folder / "my.pt")
    mine["model"] = trained
    write_params(folder, params)
    printed = run(folder, *RUN)
    assert set(re.findall(r"\] (\S+): ran in ", printed)) == ALL - {"data@mine"}
    (folder / "printed.txt").write_text(printed)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))


def test_train_takes_the_checkpoint_as_it_is(finished: Path) -> None:
    folder = finished / "results/mine/train"
    weights = torch.load(finished / "my.pt", weights_only=True)
    for seed in ("seed0", "seed1"):
        curve = pd.read_csv(folder / seed / "curve.csv")
        assert curve["epoch"].tolist() == [0]
        assert curve["validation_accuracy"][0] > 0.8
    assert (folder / "seed0/model.safetensors").read_bytes() == (folder / "seed1/model.safetensors").read_bytes()
    stored = load_file(folder / "seed0/model.safetensors")
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], tensor) for name, tensor in weights.items())


def test_pruned_nets_keep_what_was_asked_and_their_normalisation(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    table = pd.read_csv("results/mine/evaluate/levels.csv")
    size = 8 * 9 + 128 * 64 + 64 * 64 + 64 * 10
    pruned = table[table["method"] != "dense"]
    assert (pruned["nnz"] == ((1 - pruned["level"]) * size).round()).all()
    assert table[table["method"] == "dense"]["accuracy"].nunique() == 1
    dense, net = (
        load_network(Path("results/mine", name)).net.state_dict()
        for name in ("train/seed0/model.safetensors", "prune/cqp/seed0/nets/level-0.80.safetensors")
    )
    assert not torch.equal(dense["norm.running_mean"], net["norm.running_mean"])  # fine-tuning moved it
    assert net["lif1.beta"] != dense["lif1.beta"]
    levels = pd.read_csv("results/mine/prune/cqp/seed0/levels.csv")
    network = load_network(Path("results/mine/prune/cqp/seed0/nets/level-0.80.safetensors"))
    found = accuracy(network, load_dataset(Path("results/mine/data")).validation)
    assert found == pytest.approx(levels["validation_accuracy"][0])  # as the net itself had it when it was pruned


def test_page_and_table_say_that_there_is_one_dense_net(finished: Path) -> None:
    page = (finished / "results/mine/report/index.html").read_text(encoding="utf-8")
    assert "it is one dense net, and seeds vary its fine-tuning alone" in page
    assert "my_nets.py:build with my.pt" in page
    claims = (finished / "results/mine/report/claims.json").read_text(encoding="utf-8")
    assert '"reproduced": 0' in claims and '"not reproduced": 0' in claims
    printed = (finished / "printed.txt").read_text()
    assert "fine-tuning one dense net (no variance of its training)" in " ".join(printed.split())


def test_back_in_the_users_class(project: Path) -> None:
    command = ("python", "-m", "flows.cli", "export", "mine/cqp@0.90/seed0")
    run(project, *command, "--to", "state-dict", "--out", "mine")
    net = build_from(f"{project / 'my_nets.py'}:build")
    sys.modules.pop("my_nets", None)
    net.load_state_dict(torch.load(project / "mine/state-dict/weights.pt", weights_only=True), strict=True)
    kept = sum(int(layer.weight.count_nonzero()) for layer in (net.conv, net.fc1, net.skip, net.fc2))
    assert kept == round(0.1 * (8 * 9 + 128 * 64 + 64 * 64 + 64 * 10))


def test_another_checkpoint_or_file_makes_what_depends_on_it_stale(project: Path) -> None:
    assert reproduced(project) == set()
    weights = torch.load(project / "my.pt", weights_only=True)
    weights["fc2.bias"][0] += 0.01
    torch.save(weights, project / "my.pt")
    assert reproduced(project, "prune@mine-cqp-0") == {"train@mine-0", "prune@mine-cqp-0"}
    code = project / "my_nets.py"
    code.write_text(code.read_text() + "\n# another thought\n")
    assert reproduced(project, "train@mine-0") == {"train@mine-0"}
    assert "prune@mine-cqp-0" in json.loads(run(project, "dvc", "status", "--json", "prune@mine-cqp-0"))


def test_each_seed_may_have_a_checkpoint_of_its_own(project: Path) -> None:
    weights = torch.load(project / "my.pt", weights_only=True)
    for seed in (0, 1):
        torch.save(weights | {"fc2.bias": weights["fc2.bias"] + seed / 100}, project / f"my-{seed}.pt")
    params = YAML(typ="safe").load(project / "params.yaml")
    params["experiments"]["mine"]["model"]["checkpoint"] = "my-{seed}.pt"
    write_params(project, params)
    assert reproduced(project, "train@mine-0") == {"train@mine-0"} and reproduced(project, "train@mine-1") == {
        "train@mine-1"
    }
    for seed in (0, 1):
        stored = load_file(project / f"results/mine/train/seed{seed}/model.safetensors")
        assert torch.equal(stored["fc2.bias"], weights["fc2.bias"] + seed / 100)
        metrics = json.loads((project / f"results/mine/train/seed{seed}/metrics.json").read_text())
        assert metrics["one_dense_net"] == 0  # so that intervals are of training, too
    (project / "my-1.pt").unlink()
    with pytest.raises(AssertionError, match=r"error: train@mine-1 needs my-1\.pt: not there"):
        run(project, *RUN)
