"""What is read of NIR files, and what is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

nir = pytest.importorskip("nir")

import h5py  # noqa: E402

from snnprune.core.errors import UserError  # noqa: E402
from snnprune.nir.neurons import Reset  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import from_graph, read  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402


def chain(*nodes: Any, inputs: tuple[int, ...] = (2,), outputs: tuple[int, ...] = (2,)) -> Any:
    """A graph of nodes n0, n1, ... that follow one another."""
    names = [f"n{index}" for index in range(len(nodes))]
    ends = {"input": nir.Input(np.array(inputs)), "output": nir.Output(np.array(outputs))}
    return nir.NIRGraph(
        ends | dict(zip(names, nodes, strict=True)), list(zip(["input", *names], [*names, "output"], strict=True))
    )


def lif(shape: tuple[int, ...] = (2,), **others: float) -> Any:
    values = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | others
    return nir.LIF(**{key: np.full(shape, value) for key, value in values.items()})


def integrate_and_fire(r: float = 1.0) -> Any:
    return nir.IF(r=np.full(2, r), v_threshold=np.ones(2))


def beta_and_gain(graph: Any, **options: Any) -> tuple[float, float]:
    neurons = from_graph(graph, **options).module("n0")
    return round(neurons.beta[0].item(), 6), round(neurons.gain[0].item(), 6)


def test_time_constants_are_steps_of_dt() -> None:
    """tau 1 ms, r 10: of 0.1 ms beta 0.9, gain 1; of 0.5 ms beta 0.5, gain 5."""
    assert beta_and_gain(chain(lif())) == (0.9, 1.0)
    assert beta_and_gain(chain(lif()), dt=5e-4) == (0.5, 5.0)


def test_an_if_has_no_leak_and_adds_its_input_as_sinabs_or_as_dt_says() -> None:
    assert beta_and_gain(chain(integrate_and_fire())) == (1.0, 1.0)
    assert beta_and_gain(chain(integrate_and_fire(1e4))) == (1.0, 1.0)
    assert beta_and_gain(chain(integrate_and_fire()), dt=1e-3) == (1.0, 0.001)


def test_the_reset_is_nirs_unless_asked_otherwise() -> None:
    graph = chain(lif(v_reset=-0.5))
    assert from_graph(graph).module("n0").reset == Reset("file", delay=False)
    assert from_graph(graph).module("n0").v_reset.tolist() == [-0.5, -0.5]
    other = from_graph(graph, reset="zero", reset_delay=True).module("n0")
    assert (other.reset.delay, other.v_reset.tolist()) == (True, [0, 0])


def test_metadata_of_others_say_nothing_of_the_reset() -> None:
    node = lif(v_reset=-0.5)
    node.metadata = {"reset": "hard", "reset_delay": True, "gives": "potential"}
    neurons = from_graph(chain(node)).module("n0")
    assert (neurons.reset, neurons.gives) == (Reset("file", delay=False), "spikes")


def test_a_subtraction_at_once_is_snntorchs_where_this_project_wrote_the_file() -> None:
    node = lif()
    assert from_graph(chain(node), reset="subtract").module("n0").reset == Reset("subtract")
    node.metadata = {"reset": "subtract", "reset_delay": False}
    assert from_graph(chain(node)).module("n0").reset == Reset("subtract", as_snntorch=True)
    assert from_graph(chain(node), reset="subtract").module("n0").reset == Reset("subtract")  # as asked for


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            lambda: nir.Threshold(np.ones(2)),
            "node n0: Threshold cannot be represented; allowed are Input, Output, Affine",
        ),
        (lambda: nir.Delay(np.ones(2)), "node n0: Delay cannot be represented"),
        (lambda: lif(tau=1e-5), r"node n0 \(LIF\): found tau down to 1e-05 s; allowed with steps of dt 0.0001 s"),
        (lambda: lif(v_threshold=np.nan), r"node n0 \(LIF\): v_threshold has values that are NaN or infinite"),
        (
            lambda: nir.Affine(np.ones((2, 2), np.float32), np.ones(3, np.float32)),
            r"node n0 \(Affine\): found values \[3\]; allowed are \[2\]",
        ),
    ],
)
def test_what_cannot_be_represented_is_named(node: Any, message: str) -> None:
    with pytest.raises(NirError, match=message):
        from_graph(chain(node()))


def test_options_are_checked() -> None:
    with pytest.raises(UserError, match="reset: allowed are subtract, zero, file; found 'none'"):
        from_graph(chain(lif()), reset="none")
    with pytest.raises(UserError, match="dt: allowed are more than 0 seconds; found 0"):
        from_graph(chain(lif()), dt=0)


def test_one_input_is_allowed() -> None:
    graph = chain(lif())
    graph.nodes["second"] = nir.Input(np.array([2]))
    with pytest.raises(NirError, match=r"found 2 nodes Input \(input, second\); allowed is one"):
        from_graph(graph)


def test_images_pass_convolutions_and_pools_as_the_equations_say() -> None:
    generator = np.random.default_rng(0)
    weight, bias = generator.normal(size=(3, 2, 3, 3)), generator.normal(size=3)
    convolution = nir.Conv2d((9, 9), weight, (2, 1), (1, 0), 1, 1, bias)
    (height, width) = (5, 7)
    two = np.array([2, 2])
    graph = chain(
        convolution, lif((3, height, width)), nir.SumPool2d(two, np.array([1, 2]), np.array([0, 1])),
        nir.AvgPool2d(two, two, np.array([0, 0])), nir.Flatten(np.array([3, 2, 2]), 0, -1),
        nir.Linear(generator.normal(size=(4, 12))), nir.LI(np.full(4, 1e-3), np.full(4, 10.0), np.full(4, 0.3)),
        inputs=(2, 9, 9), outputs=(4,),
    )  # fmt: skip
    values = generator.normal(size=(12, 5, 2, 9, 9)).astype(np.float32)
    with torch.no_grad():
        found = from_graph(graph)(torch.from_numpy(values)).numpy()
    assert np.abs(found).max() > 1
    assert np.allclose(found, interpret(graph, values, 1e-4), atol=1e-4)


def test_a_convolution_over_one_axis() -> None:
    """Kernel (1, 2, 3), stride 2, one zero on each side: 2 + 6 = 8 of 0 1 2, 2 + 6 + 12 = 20 of 2 3 4 and so on."""
    graph = chain(
        nir.Conv1d(5, np.array([[[1.0, 2.0, 3.0]]]), 2, 1, 1, 1, np.array([0.5])),
        nir.LI(np.ones((1, 3)), np.ones((1, 3)), np.zeros((1, 3))), inputs=(1, 5), outputs=(1, 3),
    )  # fmt: skip
    made = from_graph(graph, dt=1.0)
    assert made(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 1, 5)).flatten().tolist() == [8.5, 20.5, 14.5]


def test_graphs_inside_the_graph(tmp_path: Path) -> None:
    """As norse and snnTorch write recurrent layers."""
    inside = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2])), "output": nir.Output(np.array([2])), "lif": lif(),
            "w_rec": nir.Linear(np.array([[0.0, -1.0], [0.5, 0.0]], np.float32)),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )  # fmt: skip
    nir.write(tmp_path / "a.nir", chain(inside, nir.Linear(np.eye(2, dtype=np.float32)), lif()))
    network = read(tmp_path / "a.nir")
    assert {"n0.lif", "n0.w_rec"} < {place.name for place in network.places}
    flat = nir.NIRGraph(
        {
            **{key: inside.nodes[key] for key in ("input", "output", "lif", "w_rec")},
            "last": lif(),
            "w": nir.Linear(np.eye(2)),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "w"), ("w", "last"), ("last", "output")],
    )
    values = (torch.rand(50, 20, 2, generator=torch.Generator().manual_seed(0)) * 1.5).float()
    found = network(values)
    assert 0 < found.mean() < 1
    assert torch.equal(found, from_graph(flat)(values))


def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    nir.write(tmp_path / "a.nir", chain(lif()))
    with h5py.File(tmp_path / "a.nir", "a") as file:
        del file["node/nodes/n0/type"]
        file["node/nodes/n0/type"] = "Izhikevich"
    with pytest.raises(NirError, match=r"a\.nir: nir .* knows no such node: n0 \(Izhikevich\)"):
        read(tmp_path / "a.nir")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NirError, match=r"missing\.nir: no such file"):
        read(tmp_path / "missing.nir")
    (tmp_path / "text.nir").write_text("no HDF5")
    with pytest.raises(NirError, match=r"text\.nir: not a readable NIR file \(OSError"):
        read(tmp_path / "text.nir")
    nir.write(tmp_path / "a.nir", chain(lif((3,)), inputs=(3,), outputs=(3,)))
    with h5py.File(tmp_path / "a.nir", "a") as file:
        file["node/nodes/output/shape"][...] = 4
    with pytest.raises(NirError, match=r"a\.nir: not a readable NIR file \(ValueError: .*mismatch"):
        read(tmp_path / "a.nir")


def test_a_refused_node_of_a_file_comes_with_the_files_name(tmp_path: Path) -> None:
    nir.write(tmp_path / "a.nir", chain(nir.Threshold(np.ones(2))))
    with pytest.raises(NirError, match=r"a\.nir: node n0: Threshold cannot be represented"):
        read(tmp_path / "a.nir")
