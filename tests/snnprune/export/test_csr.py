"""What a user gets: a file that numpy alone reads, and the reader beside it."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from scipy.sparse import csr_array

from snnprune.core.network import encoded_input
from snnprune.export import read_csr
from snnprune.export.csr import by_sample, to_csr
from tests.snnprune.export.nets import NETS, net, samples


@pytest.mark.parametrize("kind", NETS)
def test_the_reader_runs_on_numpy_alone(kind: str, tmp_path: Path) -> None:
    """In a folder of its own, by an interpreter that refuses other packages."""
    network = net(kind)
    for name, content in to_csr(network).files.items():
        (tmp_path / name).write_bytes(content)
    inputs, _, constant = encoded_input(network.spec, samples(network), None, 0)
    np.save(tmp_path / "inputs.npy", by_sample(inputs, constant))
    code = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(('snnprune', 'torch', 'scipy', 'safetensors')))\n"
        "sys.argv = ['read_csr.py', 'net.npz', 'inputs.npy']; runpy.run_path('read_csr.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = network(samples(network), seed=0)
    expected = [f"{row.argmax()}: {' '.join(str(int(c)) for c in row)}" for row in counts]
    assert done.stdout.splitlines() == expected


def test_the_reader_takes_samples_in_their_own_shape_and_no_others() -> None:
    network = net("dense")
    arrays = dict(np.load(io.BytesIO(to_csr(network).files["net.npz"])))
    images = samples(network).numpy()
    assert np.array_equal(read_csr.counts(arrays, images), read_csr.counts(arrays, images.reshape(len(images), -1)))
    assert len(read_csr.counts(arrays, images[:1])) == 1
    with pytest.raises(ValueError, match="cannot reshape"):
        read_csr.counts(arrays, images[0, 0])


def test_rows_are_scipys() -> None:
    network = net("dense")
    with torch.no_grad():  # every neuron depends on the input, may fire and is read
        for layer in network.layers[1::2]:
            layer.weight[:, :2] = 0.5
            layer.weight[-1] = 1.0
            layer.bias.fill_(0.1)
    arrays = safetensors.numpy.load(to_csr(network).files["net.safetensors"])
    for n, layer in enumerate(network.layers[1::2]):
        found = csr_array((arrays[f"{n}.values"], arrays[f"{n}.indices"], arrays[f"{n}.indptr"]), layer.weight.shape)
        assert np.array_equal(found.toarray(), layer.weight.detach().numpy())


def test_npz_and_safetensors_hold_the_same(tmp_path: Path) -> None:
    exported = to_csr(net("dense"), ["a", "b", "c", "d"])
    (tmp_path / "net.npz").write_bytes(exported.files["net.npz"])
    npz, tensors = np.load(tmp_path / "net.npz"), safetensors.numpy.load(exported.files["net.safetensors"])
    assert set(npz.files) == {"metadata", *tensors}
    assert all(np.array_equal(npz[name], tensor) for name, tensor in tensors.items())
    assert json.loads(str(npz["metadata"]))["classes"] == ["a", "b", "c", "d"]
    with zipfile.ZipFile(tmp_path / "net.npz") as archive:  # nothing of the day, the machine or Python's version
        assert {(part.date_time, part.extract_version, part.extra) for part in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 20, b"")
        }
