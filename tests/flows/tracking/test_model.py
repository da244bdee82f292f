"""A logged network predicts anywhere as the one on disk does, with the code it carries."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from flows.tracking import model
from flows.tracking.served_model import SpikeCounts
from pipeline.io.files import write_json
from pipeline.io.paths import dense_file
from snnprune.core.checkpoint import load_network, save_network
from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from tests.flows.conftest import dvc, store_of
from tests.flows.tracking.conftest import log, named

SPEC = {"layers": [4, 16, 2], "beta": 0.9, "threshold": 0.1, "timesteps": 5}
SHAPES = {"direct": (6, 1, 2, 2), "frames": (6, 5, 1, 2, 2)}
NETS = {
    "dense/seed0": dense_file("tiny", 0),
    "cqp@0.50/seed0": Path("results/tiny/prune/cqp/seed0/nets/level-0.50.safetensors"),
}
SERVE = """
import sys
import mlflow.pyfunc
import numpy as np
images = np.load("images.npy")
for model in sys.argv[1:]:
    np.save(f"{model}.npy", mlflow.pyfunc.load_model(model).predict(images))
"""


def folder_of(project: Path, name: str) -> Path:
    """The folder of the model that a run logged."""
    (output,) = named(project, name).outputs.model_outputs
    logged = MlflowClient(store_of(project)).get_logged_model(output.model_id)
    return Path(logged.artifact_location.removeprefix("file://"))


@pytest.mark.parametrize("encoding", SHAPES)
def test_a_dense_and_a_sparse_net_predict_anywhere_as_on_disk(encoding: str, project: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)  # one that spikes
    network = build_network(ModelParams.model_validate({**SPEC, "encoding": {"name": encoding}}))
    write_json(Path("results/tiny/data/dataset.json"), {"name": "made", "shape": SHAPES[encoding][1:]})
    dense, sparse = NETS.values()
    save_network(dense, network)
    masks = {name: torch.rand_like(p) < 0.7 for name, p in network.named_parameters() if name.endswith("weight")}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(masks.get(name, 1))
    save_network(sparse, network, masks)
    dvc(project, "commit", "-fq", "train@tiny-0", "prune@tiny-cqp-0", "evaluate@tiny")
    log(project, "evaluate@tiny")
    elsewhere = tmp_path / "elsewhere"
    for place, name in enumerate(NETS):
        shutil.copytree(folder_of(project, name), elsewhere / str(place))
    images = 2 * np.random.default_rng(0).random(SHAPES[encoding], dtype=np.float32)
    images = images.round() if encoding == "frames" else images / 2
    np.save(elsewhere / "images.npy", images)
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", SERVE, "0", "1"], cwd=elsewhere, env=bare, check=True)
    for place, path in enumerate(NETS.values()):
        counts = np.load(elsewhere / f"{place}.npy")
        assert counts.shape == (6, 2) and counts.sum() > 0
        np.testing.assert_array_equal(counts, load_network(path)(torch.as_tensor(images)).detach().numpy())


def test_each_model_is_that_of_its_own_run_and_shows_its_figures(project: Path) -> None:
    log(project, "evaluate@tiny")
    client = MlflowClient(store_of(project))
    for name, path in NETS.items():
        run = named(project, name)
        logged = client.get_logged_model(run.outputs.model_outputs[0].model_id)
        assert (logged.source_run_id, logged.status) == (run.info.run_id, LoggedModelStatus.READY)
        assert {metric.key: metric.value for metric in logged.metrics} == run.data.metrics != {}
        about = Model.load(folder_of(project, name))
        assert (about.run_id, about.model_id) == (run.info.run_id, logged.model_id)
        assert about.model_size_bytes == path.stat().st_size
        assert (folder_of(project, name) / "artifacts" / model.WEIGHTS).read_bytes() == path.read_bytes()


def test_a_model_carries_no_more_code_than_it_needs_and_can_be_installed_elsewhere(project: Path) -> None:
    log(project, "evaluate@tiny")
    folder = folder_of(project, "dense/seed0")
    carried = {path.relative_to(folder / "code") for path in (folder / "code").rglob("*.py")}
    assert {path.parts[:2] for path in carried} == {("snnprune", part) for part in model.PARTS}
    roots = [ast.parse(path.read_text()) for path in [*(folder / "code").rglob("*.py"), model.CODE]]
    nodes = [node for root in roots for node in ast.walk(root)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    imported = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"snnprune"}
    assert imported <= set(model.REQUIREMENTS)
    public = torch.__version__.partition("+")[0]
    for name in ("requirements.txt", "conda.yaml"):
        written = (folder / name).read_text().split()
        assert f"torch=={public}" in written
        assert not [word for word in written if "+" in word]


@pytest.mark.parametrize(
    ("encoding", "values", "reason"),
    [
        ("direct", np.full((1, 1, 2, 2), 1.5), "images: values from 1.5 to 1.5; expected 0 to 1"),
        ("direct", np.zeros((1, 1, 2, 3)), r"images: expected \[B, 4\] with at least one sample; found \[1, 1, 2, 3\]"),
        ("direct", np.zeros((0, 1, 2, 2)), r"found \[0, 1, 2, 2\]"),
        ("direct", np.array([["a"]]), "images: expected numbers; found <U1"),
        ("frames", np.full((1, 5, 1, 2, 2), np.nan), "frames: 20 values are NaN or infinite"),
        ("frames", np.full((1, 5, 1, 2, 2), -1), "frames: values from -1 to -1; expected counts of events, 0 or more"),
        ("frames", np.zeros((1, 4, 1, 2, 2)), r"frames: expected \[B, 5, 1, 1, 4\] .*; found \[1, 4, 1, 2, 2\]"),
    ],
)
def test_what_a_net_does_not_take_is_named(encoding: str, values: np.ndarray, reason: str, tmp_path: Path) -> None:
    network = build_network(ModelParams.model_validate({**SPEC, "encoding": {"name": encoding}}))
    save_network(tmp_path / model.WEIGHTS, network)
    served = SpikeCounts()
    served.load_context(SimpleNamespace(artifacts={"weights": tmp_path / model.WEIGHTS}))
    with pytest.raises(MlflowException, match=reason) as found:
        served.predict(None, values)
    assert found.value.get_http_status_code() == 400
    fit = np.ones(SHAPES[encoding], dtype=np.float32)
    expected = network(torch.as_tensor(fit)).detach().numpy()
    np.testing.assert_array_equal(served.predict(None, fit), expected)


def test_the_signature_says_the_shape_where_the_dataset_does() -> None:
    of_images = model.signature_of({"profile": '{"shape": [1, 8, 8], "classes": 10}'})
    assert [of_images.inputs.inputs[0].shape, of_images.outputs.inputs[0].shape] == [(-1, 1, 8, 8), (-1, 10)]
    of_events = model.signature_of({"profile": '{"shape": [10, 2, 34, 34], "classes": 4}'})
    assert of_events.inputs.inputs[0].shape == (-1, 10, 2, 34, 34)
    assert model.signature_of({}).inputs.inputs[0].shape == (-1, -1, -1, -1)
