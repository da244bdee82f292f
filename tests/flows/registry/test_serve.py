"""`snnprune serve` for real: the champion's answers, a reason for every bad request, and clear errors before it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from flows.registry.promote import promote
from flows.registry.registry import Registry
from flows.registry.serve import serve
from pipeline.io.files import write_json
from pipeline.io.paths import dense_file
from pipeline.promotion.params import PromotionParams
from snnprune.core.checkpoint import load_network, save_network
from snnprune.core.errors import UserError
from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from tests.flows.conftest import dvc, enter, store_of
from tests.flows.registry.conftest import champion
from tests.flows.registry.test_promote import HALF, NET
from tests.processes import free_port

SPEC = {"layers": [4, 16, 2], "beta": 0.9, "threshold": 0.1, "timesteps": 5, "encoding": {"name": "direct"}}
SESSION = requests.Session()
SESSION.trust_env = False  # a proxy knows nothing of this machine
IMAGES = np.random.default_rng(0).random((6, 1, 2, 2), dtype=np.float32)


def make_nets(root: Path) -> None:
    """Real networks where the tiny project has a few letters."""
    torch.manual_seed(0)  # one that spikes
    network = build_network(ModelParams.model_validate(SPEC))
    write_json(Path("results/tiny/data/dataset.json"), {"name": "made", "shape": [1, 2, 2], "classes": 2})
    save_network(dense_file("tiny", 0), network)
    masks = {name: torch.rand_like(p) < 0.4 for name, p in network.named_parameters() if name.endswith("weight")}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(masks.get(name, 1))
    save_network(NET, network, masks)
    dvc(root, "commit", "-fq", "train@tiny-0", "prune@tiny-cqp-0", "evaluate@tiny", "compare@tiny")


@pytest.fixture(scope="module")
def served(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A project with a champion, and the address at which it is served; Ctrl-C ends the server and all it started."""
    root = tmp_path_factory.mktemp("served") / "project"
    with pytest.MonkeyPatch.context() as patched:
        enter(templates / "done", root, patched)
        make_nets(root)
        promote("tiny", HALF)
        command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port := free_port())]
        with (root / "serve.log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        line = process.stdout.readline()
        assert line, (root / "serve.log").read_text()
        address = f"http://127.0.0.1:{port}/invocations"
        assert line == (
            f'tiny version 1 (cqp@0.50/seed0): POST {{"inputs": ...}}, [B, 1, 2, 2], to {address} (Ctrl-C stops it)\n'
        )
        try:
            yield root, address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=30) == 0
            with pytest.raises(requests.ConnectionError):
                SESSION.get(address, timeout=5)


def post(address: str, body: object, kind: str | None = "application/json") -> requests.Response:
    """Send a body, as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SESSION.post(address, data=data, headers={"Content-Type": kind}, timeout=60)


@pytest.mark.slow
def test_it_answers_as_the_net_on_disk_also_to_several_at_once(served: tuple[Path, str]) -> None:
    root, address = served
    expected = load_network(root / NET)(torch.as_tensor(IMAGES)).detach().numpy()
    assert expected.sum() > 0
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: post(address, {"inputs": IMAGES.tolist()}), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        np.testing.assert_array_equal(answer.json()["predictions"], expected)
        assert answer.headers["X-Model"] == "tiny version 1 (cqp@0.50/seed0)"
    one = post(address, {"inputs": IMAGES[:1].tolist()}).json()["predictions"]
    np.testing.assert_array_equal(one, expected[:1])


def changed(value: float | str) -> list:
    images = IMAGES.tolist()
    images[1][0][0][1] = value
    return images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"inputs": IMAGES[:, :, :1].tolist()}, r"inputs: expected the shape \[B, 1, 2, 2\]; found \[6, 1, 1, 2\]"),
        ({"inputs": []}, r"inputs: no sample was given; expected \[B, 1, 2, 2\] with at least one"),
        ({"inputs": changed("0.5")}, r"inputs\[1\]\[0\]\[0\]\[1\]: expected a number; found a string"),
        ({"inputs": changed(float("nan"))}, "images: 1 values are NaN or infinite; expected finite ones"),
        ({"inputs": changed(float("inf"))}, "images: 1 values are NaN or infinite; expected finite ones"),
        ({"inputs": changed(1e300)}, "images: 1 values are NaN or infinite; expected finite ones"),
        ({"inputs": changed(255)}, r"images: values from 0\.\d+ to 255; expected 0 to 1 \(pixels divided by .*\)"),
        ({"inputs": changed(-0.25)}, r"images: values from -0\.25 to 0\.\d+; expected 0 to 1 .*"),
        ({"inputs": IMAGES.tolist(), "params": {}}, "unknown key 'params'; the only one allowed is 'inputs': .*"),
        (b"[" * 100_000, "the body cannot be read as JSON: maximum recursion depth exceeded.*"),
    ],
)
def test_a_bad_request_gets_400_and_no_more_than_the_reason(
    served: tuple[Path, str], body: object, reason: str
) -> None:
    answer = post(served[1], body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"message"}
    assert re.fullmatch(reason, answer.json()["message"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "text/csv", "application/vnd.apache.parquet", "application/jsonl; charset=utf-8"]
)
def test_a_body_of_another_kind_gets_415(served: tuple[Path, str], kind: str | None) -> None:
    answer = post(served[1], b"1,2", kind)
    assert answer.status_code == 415
    assert answer.json() == {"message": f"expected the header Content-Type: application/json; found {kind or 'none'}"}


@pytest.mark.slow
def test_a_type_may_have_parameters_and_other_addresses_are_those_of_mlflow(served: tuple[Path, str]) -> None:
    _, address = served
    assert post(address, {"inputs": IMAGES.tolist()}, "Application/JSON; charset=UTF-8").status_code == 200
    assert SESSION.get(address, timeout=60).status_code == 405
    assert SESSION.get(address.replace("invocations", "version"), timeout=60).text == mlflow.__version__


def test_what_is_missing_is_named_before_anything_starts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with pytest.raises(UserError, match="^no model is registered; `snnprune promote EXPERIMENT` registers one"):
        serve(None, "champion", port)
    promote("tiny", HALF)
    with pytest.raises(UserError, match="^no model 'other' is registered; there are: tiny$"):
        serve("other", "champion", port)
    with pytest.raises(UserError, match="^tiny: no version has the alias 'best'; its aliases: champion$"):
        serve(None, "best", port)
    promote("tiny", PromotionParams(level=0.5, model="edge"))
    with pytest.raises(UserError, match="^several models are registered, choose one by --model: edge, tiny$"):
        serve(None, "champion", port)
    MlflowClient(store_of(project)).delete_registered_model_alias("edge", "champion")
    with pytest.raises(UserError, match="^edge: no version has the alias 'champion'; its aliases: none$"):
        serve("edge", "champion", port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLflow cannot be used at http://127.0.0.1:9: API request to"):
        serve(None, "champion", port)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (project / "mlruns/mlflow.db").unlink()
    with pytest.raises(UserError, match="mlflow.db was not found, so nothing is registered"):
        serve(None, "champion", port)


def test_of_more_models_than_mlflow_lists_at_once_each_is_found(project: Path) -> None:
    names = [f"model-{number:03}" for number in range(101)]
    Registry(project)
    client = MlflowClient(store_of(project))
    for name in names:
        client.create_registered_model(name)
    assert Registry(project).names() == names
    with pytest.raises(UserError, match="^model-100: no version has the alias 'champion'"):
        serve("model-100", "champion", free_port())


def test_a_version_that_another_process_has_fetched_meanwhile_is_taken(project: Path, monkeypatch) -> None:
    promote("tiny", HALF)
    version, registry = champion(project), Registry(project)
    folder = project / "mlruns/served" / version.run_id

    def fetch_too(*arguments: object, **options: object) -> str:
        found = download_artifacts(*arguments, **options)
        shutil.copytree(found, folder)
        (folder / "compiled").touch()
        return found

    monkeypatch.setattr("flows.registry.registry.download_artifacts", fetch_too)
    assert registry.fetch(version)[0] == folder
    assert (folder / "compiled").is_file()
    assert list(folder.parent.iterdir()) == [folder]


def test_a_port_in_use_is_named(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be used"):
            serve(None, "champion", port)
