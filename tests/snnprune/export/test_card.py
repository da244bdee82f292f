"""The card: what it says, that its front matter is YAML, and what it says of what is not known."""

import json

from ruamel.yaml import YAML

from snnprune.export.card import Accuracy, Card
from snnprune.export.metadata import metadata
from snnprune.export.parity import Differences
from tests.snnprune.export.nets import net

CARD = Card(
    net='digits/cqp@0.90/seed0 "best"',
    target="c",
    command="snnprune export digits/cqp@0.90/seed0 --to c",
    license="mit",
    network=metadata(net("dense"), ["a|b", "c", "d", "e"]),
    synapses=400,
    nnz=40,
    sizes={"snn.h": 1234, "main.c": 10},
    about={"flash_bytes": 1000, "notes": ["to be said"]},
    data="digits",
    digest="abc",
    accuracy=Accuracy(0.94, 3, 0.95, 0.93, 0.97),
    operations={"effective_macs": 860.4, "effective_acs": 2304.6, "neuron_updates": 2020},
    differences=Differences(359, 1, 2, 0.935),
)
UNKNOWN = Card(
    "level-0.90", "csr", "snnprune export level-0.90.safetensors --to csr", "unknown", CARD.network, 4, 4, {}, {}
)


def test_the_front_matter_is_that_of_a_model_card() -> None:
    _, front, body = CARD.files()["README.md"].decode().split("---\n", 2)
    found = YAML(typ="safe").load(front)
    assert (found["license"], found["datasets"]) == ("mit", ["digits"])
    result = found["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.935}]
    assert found["model-index"][0]["name"] == CARD.net
    assert body.startswith(f"\n# {CARD.net}, as c\n")


def test_it_says_what_the_net_is_and_what_it_costs() -> None:
    text = CARD.markdown()
    for line in (
        "| test accuracy of the network | 94.00 %; 95.00 ± 2.00 % over 3 seeds (95 % interval) |",
        "| input | images in 0..1 |",
        "| reset | subtract, one step after the spike |",
        "| time steps | 6 |",
        "| encoding | direct |",
        "| classes | a\\|b, c, d, e |",
        "| sparsity | 90.00 %: 40 of 400 synapses are left |",
        "| files | snn.h 1,234 bytes, main.c 10 bytes |",
        "| as exported | 1 of 359 decisions differ, spike counts of 2; accuracy 93.50 % |",
        "| flash bytes | 1,000 |",
        "- to be said",
        "    snnprune export digits/cqp@0.90/seed0 --to c",
    ):
        assert f"\n{line}\n" in text
    assert "860 multiply-accumulates of the input, 2,305 accumulates of spikes, 2,020 neuron updates" in text


def test_json_holds_the_same() -> None:
    found = json.loads(CARD.files()["card.json"])
    assert (found["sparsity"], found["accuracy"]["low"], found["differences"]["decisions"]) == (0.9, 0.93, 1)
    assert found["network"]["timesteps"] == 6


def test_what_is_not_known_is_said() -> None:
    text = UNKNOWN.markdown()
    assert "\n| test accuracy of the network | not known |\n" in text
    assert "\n| licence | not stated (`--license` says it) |\n" in text
    assert YAML(typ="safe").load(text.split("---\n")[1]) == {
        "license": "unknown",
        "library_name": "snnprune",
        "tags": ["spiking-neural-network", "pruning"],
    }
