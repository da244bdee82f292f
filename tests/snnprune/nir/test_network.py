"""In which order nodes are computed, and what recurrent edges carry."""

import pytest
import torch

nir = pytest.importorskip("nir")

import numpy as np  # noqa: E402

from snnprune.core.errors import UserError  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import from_graph  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402


def graph(nodes: dict, *edges: tuple[str, str], inputs: int = 2, outputs: int = 2):
    ends = {"input": nir.Input(np.array([inputs])), "output": nir.Output(np.array([outputs]))}
    return nir.NIRGraph({**ends, **nodes}, list(edges))


def affine(weight: list[list[float]], bias: list[float]):
    return nir.Affine(np.array(weight, np.float32), np.array(bias, np.float32))


def fire(count: int = 2):
    return nir.IF(r=np.ones(count), v_threshold=np.ones(count))


def outputs(made, values: list[list[float]]) -> list[list[float]]:
    return made(torch.tensor(values)[:, None])[:, 0].tolist()


def test_edges_into_a_node_add_up() -> None:
    """A residual sum: the input passes beside the weights."""
    made = from_graph(
        graph(
            {"w": affine([[1, 0], [0, 2]], [0, 0.5]), "li": nir.LI(np.ones(2), np.ones(2), np.zeros(2))},
            ("input", "w"), ("w", "li"), ("input", "li"), ("li", "output"),
        ), dt=1.0,
    )  # fmt: skip
    assert outputs(made, [[1.0, 1.0]]) == [[2.0, 3.5]]


def test_a_recurrent_edge_carries_the_step_before_and_first_the_bias() -> None:
    made = from_graph(
        graph(
            {"n": fire(1), "rec": nir.Affine(np.array([[2.0]]), np.array([0.75]))},
            ("input", "n"), ("n", "rec"), ("rec", "n"), ("n", "output"), inputs=1, outputs=1,
        )
    )  # fmt: skip
    (place,) = [place for place in made.places if place.name == "n"]
    assert (place.now, place.before) == (("input",), ("rec",))
    # u: 0.75; 1.5 and a spike; 0 + 2.75 and a spike; again
    assert outputs(made, [[0.0], [0.0], [0.0], [0.0]]) == [[0.0], [1.0], [1.0], [1.0]]


def test_two_populations_in_a_loop_wait_only_on_the_way_back() -> None:
    """input - a - w - b - back - a: b sees a's spikes of the same step."""
    made = from_graph(
        graph(
            {
                "a": fire(), "w": affine([[2, 0], [0, 2]], [0, 0]),
                "b": fire(), "back": affine([[-1, 0], [0, 3]], [0, 0]),
            },
            ("input", "a"), ("a", "w"), ("w", "b"), ("b", "back"), ("back", "a"), ("b", "output"),
        )
    )  # fmt: skip
    assert outputs(made, [[2.0, 2.0], [2.0, 0.0], [2.0, 0.0]]) == [[1, 1], [0, 1], [1, 1]]


def test_random_recurrent_graphs_are_what_the_equations_say() -> None:
    generator = np.random.default_rng(0)
    neurons = nir.CubaLIF(np.full(6, 3e-4), np.full(6, 1e-3), np.full(6, 8.0), np.full(6, 0.1), np.full(6, 1.0))
    nodes = {
        "first": affine(generator.normal(size=(6, 4)), generator.normal(size=6) / 4),
        "hidden": neurons,
        "again": affine(generator.normal(size=(6, 6)), generator.normal(size=6) / 4),
        "last": affine(generator.normal(size=(2, 6)), [0, 0]),
        "out": nir.LIF(np.full(2, 1e-3), np.full(2, 9.0), np.zeros(2), np.full(2, 0.8), np.full(2, -0.2)),
    }
    chain = [("input", "first"), ("first", "hidden"), ("hidden", "last"), ("last", "out"), ("out", "output")]
    made = graph(nodes, *chain, ("hidden", "again"), ("again", "hidden"), inputs=4)
    values = (generator.random((60, 30, 4)) < 0.4).astype(np.float32)
    with torch.no_grad():
        found = from_graph(made)(torch.from_numpy(values)).numpy()
    assert 0.1 < found.mean() < 0.9
    assert (found == interpret(made, values, 1e-4)).all()


def test_a_loop_needs_neurons() -> None:
    nodes = {"a": affine([[1, 0], [0, 1]], [0, 0]), "b": affine([[1, 0], [0, 1]], [0, 0]), "n": fire()}
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "n"), ("n", "output")]
    with pytest.raises(
        NirError, match=r"a loop without neurons: (a - b - a|b - a - b); allowed are loops with neurons"
    ):
        from_graph(graph(nodes, *edges))


def test_a_node_that_nothing_reaches_is_named() -> None:
    nodes = {"n": fire(), "x": fire(), "w": affine([[1, 0], [0, 1]], [0, 0])}
    edges = [("input", "n"), ("n", "output"), ("x", "w"), ("w", "x"), ("w", "n")]
    with pytest.raises(NirError, match="no way leads from the input to w, x"):
        from_graph(graph(nodes, *edges))


def test_an_input_of_another_size_is_refused() -> None:
    made = from_graph(graph({"n": fire()}, ("input", "n"), ("n", "output")))
    with pytest.raises(UserError, match=r"input: the network takes \[T, B, 2\]; found \[5, 4, 3\]"):
        made(torch.zeros(5, 4, 3))


def test_weights_learn_through_time() -> None:
    nodes = {"n": fire(1), "rec": nir.Linear(np.array([[0.5]], np.float32))}
    edges = [("input", "n"), ("n", "rec"), ("rec", "n"), ("n", "output")]
    made = from_graph(graph(nodes, *edges, inputs=1, outputs=1), reset="subtract")
    made(torch.full((5, 3, 1), 0.7)).sum().backward()
    assert made.module("rec").weight.grad.abs() > 0
