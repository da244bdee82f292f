"""What holds for every target: equal spikes, equal bytes, what a reader must know, errors that name what is wrong."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from snnprune.core.dataset import Split
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.network import SpikingNetwork, encoded_input
from snnprune.export.metadata import fed, metadata
from snnprune.export.parity import differences
from snnprune.export.registry import TARGETS, Target, load_target
from tests.snnprune.export.nets import NETS, net, samples

NEEDS = {"onnx": "onnxruntime"}
EXACT = ["state-dict", "compact", "csr", "c", "onnx"]


def target(name: str) -> Target:
    if (package := NEEDS.get(name)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return load_target(name)


def written(folder: Path, network: SpikingNetwork, name: str) -> Path:
    for file, content in target(name).export(network, ()).files.items():
        (folder / file).write_bytes(content)
    return folder


def inputs(network: SpikingNetwork) -> Tensor:
    return encoded_input(network.spec, samples(network), None, 0)[0]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", NETS)
def test_spikes_are_the_networks(kind: str, name: str, tmp_path: Path) -> None:
    network = net(kind)
    counts = network(samples(network), seed=0)
    assert counts.unique(dim=0).shape[0] > 8  # otherwise equality says little
    found = target(name).run(written(tmp_path, network, name), inputs(network))
    assert torch.equal(found.to(counts), counts)


@pytest.mark.parametrize("name", EXACT)
def test_the_same_network_gives_the_same_bytes(name: str) -> None:
    first, second = (target(name).export(net("dense"), ()).files for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", [name for name in EXACT if name != "compact"])
def test_a_layer_without_synapses_passes_nothing(name: str, tmp_path: Path) -> None:
    network = net("dense")
    with torch.no_grad():
        network.layers[3].weight.zero_()
        network.layers[3].bias.fill_(-1)
    found = target(name).run(written(tmp_path, network, name), inputs(network))
    assert torch.equal(found.to(torch.float32), network(samples(network)))


@pytest.mark.parametrize("name", [name for name in EXACT if name not in ("state-dict", "compact")])
def test_what_cannot_be_expressed_is_named(name: str) -> None:
    network = net("convolutions")
    network.layers[0].padding = (1, 1)
    with pytest.raises(UserError, match=r"layers\.0.*found padding \(1, 1\); possible are padding \(0, 0\)"):
        target(name).export(network, ())
    network = net("dense")
    network.layers.insert(1, nn.Sigmoid())
    with pytest.raises(UserError, match=r"layers\.1: Sigmoid is not possible here; possible are Linear"):
        target(name).export(network, ())
    network = net("dense")
    network.layers[1].weight.data[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match=r"layers\.1\.weight: values are NaN"):
        target(name).export(network, ())


def test_differences_are_counted_against_the_network(tmp_path: Path) -> None:
    network = net("dense")
    folder = written(tmp_path, network, "state-dict")
    images = samples(network)
    labels = torch.zeros(len(images), dtype=torch.int64)
    right = (network(images).argmax(1) == 0).double().mean().item()
    same = differences(network, target("state-dict"), folder, Split(images, labels))
    assert same.as_dict() == {"samples": 40, "decisions": 0, "counts": 0, "accuracy": right}
    before = network(images)
    with torch.no_grad():
        network.layers[-2].bias += 0.5
    counts, changed = network(images), differences(network, target("state-dict"), folder, Split(images, labels))
    assert changed.counts == (counts != before).any(1).sum() > 0
    assert changed.accuracy == right  # of the files, not of the network
    assert changed.decisions == (counts.argmax(1) != before.argmax(1)).sum()


def test_metadata_say_how_to_feed_and_read_it() -> None:
    found = metadata(net("dense"), ["a", "b", "c", "d"])
    assert json.loads(json.dumps(found)) == found
    assert (found["timesteps"], found["encoding"], found["classes"]) == (6, {"name": "direct"}, ["a", "b", "c", "d"])
    assert (found["reset"], found["reset_delay"], found["readout"]) == ("subtract", True, "count")
    assert metadata(net("dense"))["classes"] == ["0", "1", "2", "3"]
    with pytest.raises(UserError, match="expected 4, one for each output neuron; found 2"):
        metadata(net("dense"), ["a", "b"])


NORMALIZED = {"normalize": {"mean": 0.1307, "std": 0.3081}}
WHOLE = {"integer": {"largest_input": 255, "input_levels": 255}}
NORMALIZING = {"integer": WHOLE["integer"] | NORMALIZED}


@pytest.mark.parametrize(
    ("encoding", "about", "expected"),
    [
        ("direct", {}, "images in 0..1"),
        ("direct", NORMALIZED, "images in 0..1, minus 0.1307, divided by 0.3081"),
        ("rate", {}, "images in 0..1, encoded by the caller"),
        ("frames", {}, "frames of events, counts"),
        ("direct", WHOLE, "images as they are, 1.0 as 255"),
        ("direct", NORMALIZING, "images as they are, 1.0 as 255; the weights normalise them"),
        ("rate", WHOLE, "images in 0..1, encoded by the caller"),
        ("frames", {"integer": {"largest_input": 15}}, "frames of events, counts of 15 at most"),
    ],
)  # fmt: skip
def test_what_the_caller_hands_in(encoding: str, about: dict, expected: str) -> None:
    assert fed({"encoding": {"name": encoding}, **about}) == expected


@pytest.mark.parametrize("name", ["c", "c-int8", "csr", "state-dict"])
def test_files_say_what_the_caller_hands_in(name: str) -> None:
    exported = load_target(name).export(net("dense"), ())
    said = b"images as they are, 1.0 as 255" if name == "c-int8" else b"images in 0..1"
    assert said in exported.files.get("metadata.json", exported.files.get("net.safetensors"))
    assert b" * input: " + said + b"\n" in exported.files.get("snn.h", b" * input: " + said + b"\n")


def test_an_unknown_target_lists_those_there_are() -> None:
    with pytest.raises(UserError, match="unknown target 'tflite'; available are: state-dict, compact, csr, c"):
        load_target("tflite")
    assert set(EXACT) < set(TARGETS)
