"""NIR files for other targets: spikes are those of NIR's equations, and what has no place there is refused by name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

nir = pytest.importorskip("nir")

from snnprune.adapters.adapt import adapt  # noqa: E402
from snnprune.adapters.tracing import trace  # noqa: E402
from snnprune.core.params import Frames  # noqa: E402
from snnprune.export.registry import load_target  # noqa: E402
from snnprune.nir.package import NirError  # noqa: E402
from snnprune.nir.reading import from_graph  # noqa: E402
from snnprune.nir.step_graph import step_graph  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402
from tests.snnprune.nir.test_network import graph  # noqa: E402

DT, STEPS, SAMPLES = 1e-4, 12, 40


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(100 + seed).normal(size=shape).astype(np.float32)


def affine(outputs: int, inputs: int, seed: int = 0) -> Any:
    return nir.Affine(2 * drawn(outputs, inputs, seed=seed), drawn(outputs, seed=seed + 9) / 4)


def integrate(count: int) -> Any:
    """u adds 0.5 to 2 times its input."""
    return nir.IF(r=np.linspace(0.5, 2, count) / DT, v_threshold=np.linspace(0.5, 1, count))


def leaky(count: int) -> Any:
    tau = np.full(count, 4 * DT)
    return nir.LIF(tau, r=np.full(count, 3.0), v_leak=np.zeros(count), v_threshold=np.ones(count))


def current_based(count: int) -> Any:
    slow, fast, one = np.full(count, 5 * DT), np.full(count, 2 * DT), np.ones(count)
    return nir.CubaLIF(fast, slow, r=4 * one, v_leak=0 * one, v_threshold=one, w_in=3 * one)


def chain() -> Any:
    nodes = {"a": affine(6, 4), "if": integrate(6), "b": affine(5, 6, 1), "lif": leaky(5), "c": affine(2, 5, 2)}
    nodes |= {"out": current_based(2)}
    return graph(nodes, *_in_a_row(*nodes), inputs=4)


def residual() -> Any:
    nodes = {"a": affine(4, 4), "if": integrate(4), "b": affine(4, 4, 1), "lif": leaky(4), "c": affine(2, 4, 2)}
    return graph(nodes | {"out": leaky(2)}, *_in_a_row(*nodes, "out"), ("if", "lif"), inputs=4)


def recurrent() -> Any:
    """Weights from neurons to themselves, as snnTorch writes them, and from the last ones back to the first."""
    nodes = {"a": affine(5, 4), "hidden": current_based(5), "again": affine(5, 5, 1), "b": affine(2, 5, 2)}
    nodes |= {"out": leaky(2), "back": affine(5, 2, 3)}
    loops = ("hidden", "again"), ("again", "hidden"), ("out", "back"), ("back", "hidden")
    return graph(nodes, *_in_a_row("a", "hidden", "b", "out"), *loops, inputs=4)


def integrators() -> Any:
    """The output is the potential of LI and CubaLI, the latter of others."""
    slow, fast, none = np.full(2, 4 * DT), np.full(2, 2 * DT), np.zeros(2)
    nodes = {"a": affine(6, 4), "lif": leaky(6), "b": affine(2, 6, 1), "li": nir.LI(slow, slow / DT, none)}
    nodes |= {"c": affine(2, 2, 2), "out": nir.CubaLI(fast, slow, slow / DT, none, w_in=fast / DT)}
    return graph(nodes, *_in_a_row(*nodes), inputs=4)


def spikes_back() -> Any:
    """A recurrent edge without weights; a node is called as the graph of a step calls its input."""
    nodes = {"input": affine(2, 4), "n": integrate(2)}
    ends = {"begin": nir.Input(np.array([4])), "end": nir.Output(np.array([2]))}
    return nir.NIRGraph(ends | nodes, [("begin", "input"), ("input", "n"), ("n", "n"), ("n", "end")])


def _in_a_row(*names: str) -> list[tuple[str, str]]:
    return list(zip(("input", *names), (*names, "output"), strict=True))


def exported(made: Any, folder: Path, target: str, frames: torch.Tensor) -> torch.Tensor:
    """Output spikes of all steps [B, 2] of what is written for `target`, for frames [B, T, 1, 2, 2]."""
    network = adapt(made, frames, timesteps=STEPS, encoding=Frames(name="frames")).network
    found = load_target(target)
    for file, content in found.export(network, ()).files.items():
        (folder / file).write_bytes(content)
    return found.run(folder, frames.transpose(0, 1))


@pytest.fixture
def frames() -> torch.Tensor:
    """Of samples that are weaker and stronger."""
    each = torch.rand(SAMPLES, STEPS, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    return each * torch.linspace(0, 2, SAMPLES).reshape(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("target", ["csr", "c", "onnx", "nir"])
@pytest.mark.parametrize("made", [chain, residual, recurrent, spikes_back])
def test_spikes_are_those_of_nirs_equations(
    made: Callable[[], Any], target: str, frames: torch.Tensor, tmp_path: Path
) -> None:
    if target == "onnx":
        pytest.importorskip("onnxruntime")
    expected = interpret(made(), frames.transpose(0, 1).flatten(2).numpy(), DT).sum(0)
    found = exported(from_graph(made(), dt=DT), tmp_path, target, frames)
    assert len(np.unique(expected)) > 4  # silent or saturated neurons would say little
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize("target", ["csr", "c", "onnx", "nir"])
def test_potentials_are_those_of_nirs_equations(target: str, frames: torch.Tensor, tmp_path: Path) -> None:
    if target == "onnx":
        pytest.importorskip("onnxruntime")
    expected = interpret(integrators(), frames.transpose(0, 1).flatten(2).numpy(), DT).sum(0)
    found = exported(from_graph(integrators(), dt=DT), tmp_path, target, frames)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-3)
    assert len(np.unique(expected)) > SAMPLES


@pytest.mark.parametrize("delay", [False, True])
def test_subtraction_at_once_is_that_one_step_later_where_nothing_leaks(
    delay: bool, frames: torch.Tensor, tmp_path: Path
) -> None:
    nodes = {"a": affine(6, 4), "if": integrate(6), "b": affine(2, 6, 1), "out": integrate(2)}
    made = from_graph(graph(nodes, *_in_a_row(*nodes), inputs=4), reset="subtract", reset_delay=delay, dt=DT)
    with torch.no_grad():
        expected = made(frames.transpose(0, 1)).sum(0)
    assert torch.equal(exported(made, tmp_path, "csr", frames), expected)
    assert expected.unique().numel() > 3


def test_thresholds_are_in_units_of_the_input() -> None:
    nodes = step_graph(from_graph(graph({"n": leaky(2)}, ("input", "n"), ("n", "output")))).nodes
    assert nodes["n"].module.threshold == pytest.approx([4 / 3, 4 / 3])  # r dt / tau is 3 / 4
    assert nodes["n"].module.beta == pytest.approx([0.75, 0.75])


@pytest.mark.parametrize(
    ("node", "reset", "problem"),
    [
        (
            lambda: nir.LI(np.ones(2), np.ones(2), np.zeros(2)),
            None,
            "node n: its potential is read; r dt/tau w_in other",
        ),
        (lambda: nir.LIF(np.ones(2), np.ones(2), np.ones(2), np.ones(2)), None, "node n: v_leak other than 0"),
        (lambda: nir.IF(-np.ones(2), np.ones(2)), None, "node n: v_leak other than 0, or r or w_in not above 0"),
        (lambda: nir.IF(np.ones(2), np.ones(2), np.full(2, 0.5)), None, "node n: v_reset other than 0"),
        (lambda: leaky(2), "subtract", "node n: subtraction at once where beta is below 1"),
    ],
)
def test_other_neurons_are_refused(node: Callable[[], Any], reset: str | None, problem: str) -> None:
    made = from_graph(graph({"n": node()}, ("input", "n"), ("n", "output")), reset=reset)
    with pytest.raises(NirError, match=re.escape(problem)):
        step_graph(made)


def test_a_value_of_the_step_before_that_is_no_spike_is_refused() -> None:
    """What goes back is read forwards, too."""
    nodes = {"a": integrate(2), "w": affine(2, 2), "b": integrate(2)}
    made = from_graph(graph(nodes, *_in_a_row(*nodes), ("w", "a")))
    with pytest.raises(NirError, match="node w: its value of the step before goes to a; possible are"):
        step_graph(made)


def test_the_graph_of_an_adapted_network_is_the_files(frames: torch.Tensor) -> None:
    made = from_graph(residual(), dt=DT)
    network = adapt(made, frames, timesteps=STEPS, encoding=Frames(name="frames")).network
    assert [*trace(network).edges] == [*step_graph(made).edges]
