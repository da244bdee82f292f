"""Which networks from NIR become a plain sequence, and that it is the same network."""

from typing import Any

import numpy as np
import pytest
import torch

nir = pytest.importorskip("nir")

from snnprune.core.encoding import encode  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import from_graph  # noqa: E402
from snnprune.nir.sequence import to_spiking  # noqa: E402

DIRECT = {"name": "direct"}


def neurons(shape: tuple[int, ...], beta: float = 0.9, threshold: float = 1.0, **others: float) -> Any:
    values = {"v_threshold": threshold, "v_reset": 0.0} | others
    if beta == 1:
        return nir.IF(r=np.ones(shape), **{key: np.full(shape, value) for key, value in values.items()})
    tau = 1e-4 / (1 - beta)
    values = {"tau": tau, "r": tau / 1e-4, "v_leak": 0.0} | values
    return nir.LIF(**{key: np.full(shape, value) for key, value in values.items()})


def dense(beta: float = 0.9, last: Any = None, bias: bool = True) -> Any:
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=size).astype(np.float32) for size in ((12, 9), (3, 12))]
    first = nir.Affine(weights[0], weights[0][:, 0]) if bias else nir.Linear(weights[0])
    return nir.NIRGraph.from_list(first, neurons((12,), beta), nir.Linear(weights[1]), last or neurons((3,), beta))


def images() -> Any:
    generator = np.random.default_rng(1)
    convolution = nir.Conv2d((9, 9), generator.normal(size=(4, 2, 3, 3)).astype(np.float32), 2, 0, 1, 1, np.ones(4) / 9)
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 9, 9])), convolution, neurons((4, 4, 4)), nir.Flatten(np.array([4, 4, 4]), 0, -1),
        nir.Affine(generator.normal(size=(3, 64)).astype(np.float32), np.zeros(3)), neurons((3,)),
    )  # fmt: skip


@pytest.mark.parametrize("reset", [{"reset": "subtract", "reset_delay": True}, {"reset": "zero"}, {}])
@pytest.mark.parametrize(
    ("graph", "notation", "beta"),
    [
        (dense(), "9-12-3", 0.9),
        (dense(1.0), "9-12-3", 1.0),
        (dense(bias=False), "9-12-3", 0.9),
        (images(), "2x9x9-4C3S2-3", 0.9),
    ],
)
def test_the_sequence_spikes_as_the_steps_do(graph: Any, notation: str, beta: float, reset: dict) -> None:
    network = from_graph(graph, **reset)
    fast = to_spiking(network, timesteps=20, encoding=DIRECT)
    assert (fast.spec.layers, fast.spec.beta) == (notation, beta)
    assert fast.spec.reset == reset.get("reset", "zero")
    samples = torch.rand(40, *network.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        spikes = fast.spikes(samples)
        assert torch.equal(spikes, network(samples.expand(20, *samples.shape)))
    assert 0.05 < spikes.mean() < 0.95


def test_frames_go_in_as_they_are() -> None:
    network = from_graph(images())
    fast = to_spiking(network, timesteps=6, encoding={"name": "frames"})
    frames = torch.randint(0, 3, (30, 6, 2, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(fast.spikes(frames), network(encode(frames, fast.spec.encoding, 6)))


def recurrent() -> Any:
    graph = dense()
    graph.nodes["again"] = nir.Linear(np.eye(12))
    graph.edges += [("lif", "again"), ("again", "lif")]
    return graph


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (dense(), {"reset": "subtract"}, "node lif: reset subtract at once; allowed with subtract is one step later"),
        (dense(last=neurons((3,), 0.8)), {}, "node lif_1: found .*0.8.*; allowed is the same as in node lif"),
        (dense(last=neurons((3,), 0.9, 0.5)), {}, "node lif_1: found .*0.5.*; allowed is the same as in node lif"),
        (dense(last=neurons((3,), v_leak=0.1)), {}, "node lif_1: v_leak is 0.01; allowed is 0"),
        (dense(last=neurons((3,), v_reset=-1.0)), {}, "node lif_1: v_reset is -1; allowed is 0"),
        (dense(last=neurons((3,), r=1.0)), {}, r"node lif_1: the gain r dt/tau .* is 0.1; allowed is 1"),
        (
            dense(last=nir.LIF(*np.array([[1e-3, 2e-3, 3e-3], [10, 20, 30], [0, 0, 0], [1, 1, 1]]))),
            {}, "node lif_1: beta from 0.9 to 0.966667; allowed is one value for all",
        ),
        (dense(last=nir.LI(*np.ones((3, 3)))), {}, "node li: Integrators where weights and neurons must take turns"),
        (recurrent(), {}, "node lif: reads affine, again; allowed is only affine"),
    ],
)  # fmt: skip
def test_what_no_sequence_can_be_is_named(graph: Any, options: dict, message: str) -> None:
    with pytest.raises(NirError, match=message):
        to_spiking(from_graph(graph, **options), timesteps=4, encoding=DIRECT)


def test_padding_is_none_of_the_notations() -> None:
    graph = nir.NIRGraph.from_list(
        nir.Conv2d((4, 4), np.ones((1, 1, 3, 3), np.float32), 1, 1, 1, 1, np.zeros(1)), neurons((1, 4, 4))
    )
    with pytest.raises(NirError, match="node conv2d: Conv2d.*; allowed are Linear and square Conv2d without padding"):
        to_spiking(from_graph(graph), timesteps=4, encoding=DIRECT)


def test_time_and_encoding_are_needed() -> None:
    with pytest.raises(NirError, match="timesteps and encoding: a NIR file does not say them"):
        to_spiking(from_graph(dense()), timesteps=4)
