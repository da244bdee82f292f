"""One step as ONNX; skipped where onnx or onnxruntime is not installed."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from snnprune.core.errors import UserError
from snnprune.export.onnx import to_onnx
from tests.snnprune.export.nets import net, samples


def test_a_session_keeps_the_potentials_between_steps(tmp_path: Path) -> None:
    """Written as a user would, for one sample, whatever the batch at export."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    network, image = net("dense"), samples(net("dense"), 1)
    (tmp_path / "step.onnx").write_bytes(to_onnx(network, ["a", "b", "c", "d"]).files["step.onnx"])
    session = runtime.InferenceSession(tmp_path / "step.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["metadata"])
    assert about["classes"] == ["a", "b", "c", "d"]
    assert [given.name for given in session.get_inputs()] == ["input", "potential_2", "potential_4", "potential_6"]
    states, counts = [np.zeros((1, n), np.float32) for n in (14, 11, 4)], 0
    for _ in range(about["timesteps"]):
        given = {f"potential_{n}": state for n, state in zip((2, 4, 6), states, strict=True)}
        spikes, *states = session.run(None, {"input": image.numpy().reshape(1, 16), **given})
        counts = counts + spikes
    assert np.array_equal(counts, network(image).detach().numpy())


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    with pytest.raises(UserError, match=r"onnx is not installed; ONNX needs it: pip install 'snnprune\[onnx\]'"):
        to_onnx(net("dense"))
