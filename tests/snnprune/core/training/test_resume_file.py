"""Resume points of other machines and other makers: tensors come to the CPU, and nothing else is unpickled."""

import ast
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import snnprune
from snnprune.core.errors import UserError
from snnprune.core.training.fit import ResumePoint
from tests.imports import PROJECT

DATA = torch.rand((20, 1, 4, 4)), torch.arange(20) % 2
OURS = [path for folder in ("snnprune", "pipeline", "flows", "benchmarks") for path in (PROJECT / folder).rglob("*.py")]
UNPICKLING = {"pickle", "joblib", "dill", "cloudpickle", "shelve"}


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("device", ["mps", "cuda:0", "cuda:7", "xpu:0"])
def test_tensors_of_another_device_come_to_the_cpu(tmp_path: Path, device: str) -> None:
    state = {"network": {"weight": torch.arange(6.0).view(2, 3)}, "epochs": []}
    torch.save(state, tmp_path / "cpu")
    with zipfile.ZipFile(tmp_path / "cpu") as cpu, zipfile.ZipFile(tmp_path / "other", "w") as other:
        for name in cpu.namelist():
            content = cpu.read(name)
            if name.endswith("data.pkl"):  # where the storage lay: a text after its length in four bytes
                assert content.count(b"X\3\0\0\0cpu") == 1
                content = content.replace(b"X\3\0\0\0cpu", b"X" + len(device).to_bytes(4, "little") + device.encode())
            other.writestr(name, content)
    loaded = ResumePoint(tmp_path / "other").load()
    assert loaded["network"]["weight"].device.type == "cpu"
    assert torch.equal(loaded["network"]["weight"], state["network"]["weight"])


@pytest.mark.parametrize(
    "kind", ["planted", "planted plainly", "text", "junk", "empty", "safetensors", "other net", "other keys"]
)
def test_a_file_that_is_no_resume_point_is_an_error_and_runs_nothing(tmp_path: Path, kind: str) -> None:
    path, mark = tmp_path / "state", tmp_path / "mark"
    net = snnprune.build([16, 8, 2])
    match kind:
        case "planted":
            torch.save({"network": Planted(mark)}, path)
        case "planted plainly":
            path.write_bytes(pickle.dumps(Planted(mark), protocol=2))
        case "text" | "empty":
            path.write_text("" if kind == "empty" else "no state")
        case "junk":
            path.write_text("junk")  # unpickling takes the j for a number of four bytes, and lacks one
        case "safetensors":
            snnprune.save(net, path)
        case "other net":
            snnprune.train(snnprune.build([16, 9, 2]), DATA, training=snnprune.Training(epochs=1), resume=path)
        case "other keys":
            torch.save({"model": net.state_dict()}, path)
    expected = f"^{path}: (damaged or no resume point|not of this network and training); delete it to start anew$"
    with pytest.raises(UserError, match=expected):
        snnprune.train(net, DATA, training=snnprune.Training(epochs=2), resume=path)
    assert not mark.exists()


def test_a_folder_for_a_file_and_a_file_for_a_folder_are_errors(tmp_path: Path) -> None:
    net, file = snnprune.build([16, 8, 2]), tmp_path / "file"
    file.write_text("")
    expected = "no file can be there; training resumes from a file, pruning from a folder$"
    with pytest.raises(UserError, match=f"^{tmp_path}: {expected}"):
        snnprune.train(net, DATA, training=snnprune.Training(epochs=1), resume=tmp_path)
    with pytest.raises(UserError, match=f"^{file}/level-0.9.pt: {expected}"):
        snnprune.prune(net, DATA, finetune=snnprune.Finetune(epochs=1), resume=file)


def test_no_code_unpickles() -> None:
    """`torch.load` takes weights alone, to the CPU; numpy does not unpickle unless it is asked to."""
    loads = 0
    for path in OURS:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for call in (node for node in nodes if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            words = {f"{word.arg}={ast.unparse(word.value)}" for word in call.keywords}
            if name == "torch.load":
                loads += 1
                assert {"weights_only=True", "map_location='cpu'"} <= words, path
            assert not name.endswith("read_pickle"), path
            assert "allow_pickle=True" not in words, path
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        found = {(getattr(node, "module", None), alias.name) for node in imports for alias in node.names}
        assert ("torch", "load") not in found, path  # it would hide the call
        assert {pair for pair in found if UNPICKLING & set(pair)} <= {("pickle", "UnpicklingError")}, path
    assert loads
